//! What a channel shows that was not written: sales, drift, and how they are told apart.

use crossdock_model::Event;
use crossdock_model::v1::BucketEvent;

use super::*;

#[test]
fn a_fall_that_was_no_sale_is_told_and_put_right() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(10);
    shop.shows(4);
    assert_eq!(shop.offered(), None, "it may have been sold");
    let fell_at = shop.0.now - Duration::from_ms(1);
    assert_eq!(shop.unproven(), Some(fell_at));
    let up_to = shop.0.now;
    shop.tell(BucketCommand::Prove { up_to });
    shop.say("A", 1, 10, &[]);
    let [_, drifted, opened] = &shop.0.events[..] else {
        panic!("{:?}", shop.0.events);
    };
    assert!(format!("{drifted:?}").contains("ForeignEdit"));
    assert!(
        format!("{opened:?}").contains("listing_drift"),
        "{opened:?}"
    );
    assert_eq!(shop.begin(), set(1, 10, Some(4)));
}

/// A sale of the channel itself has lowered its number by one, however it takes numbers: what was sold elsewhere since
/// still has to be taken off.
#[test]
fn a_sale_of_a_channel_that_replaces_is_counted_once() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.shows(10);
    let at = shop.0.now;
    let own = vec![Sold { at, units: 4 }];
    shop.say("A", 2, 6, &own);
    assert_eq!(shop.offered(), None);
    shop.say("A", 3, 5, &own);
    assert_eq!(shop.begin(), set(1, 5, None));
}

/// Two listings of one SKU: whose sale it was that lowered a number, nobody can tell.
#[test]
fn a_fall_that_may_be_a_sale_is_no_drift() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.tell(BucketCommand::Map {
        listing: listing("2"),
        target: single("A", 1),
    });
    shop.shows(10);
    shop.reads(10);
    shop.shows(7);
    shop.0.pass(Duration::from_minutes(1));
    let up_to = shop.0.now;
    shop.tell(BucketCommand::Prove { up_to });
    shop.say("A", 2, 7, &[]);
    let told = format!("{:?}", shop.0.events);
    assert!(told.contains("Stocked") && !told.contains("rift"), "{told}");
}

/// (what the shop shows after 10 was written over 12, what that is, how many it is made to show)
#[test]
fn drift_is_told_by_its_kind_and_put_right() {
    use DriftClass::{ForeignEdit, LostUpdate, WrongMapping};
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(12);
    assert_eq!(shop.begin(), set(1, 10, Some(12)));
    assert_eq!(shop.reads(12), Seen::InFlight);
    shop.confirm(1);
    assert_eq!(shop.reads(10), Seen::AsKnown);
    let before = shop.0.version();
    assert_eq!(shop.reads(10), Seen::AsKnown);
    assert_eq!(shop.0.version(), before, "nothing is new");
    for (call, shown, class) in [
        (2, 12, LostUpdate),
        (3, 11, ForeignEdit),
        (4, 90, WrongMapping),
    ] {
        assert_eq!(shop.reads(shown), Seen::Drifted(class));
        let told = format!("{:?}", shop.0.events).contains("listing_drift");
        assert_eq!(told, class == WrongMapping, "lowering needs nobody");
        assert_eq!(shop.begin(), set(call, 10, Some(shown)));
        shop.confirm(call);
    }
    assert_eq!(shop.shows(20), Seen::InFlight, "an order may tell why");
    shop.confirm_next(5);
    shop.0.pass(Duration::from_minutes(25 * 60));
    assert_eq!(shop.reads(70), Seen::Drifted(ForeignEdit));
    assert_eq!(shop.reads(4), Seen::Fell, "it may have been sold");
}

/// It sells twenty an hour: one may have been sold unseen, and more than that is asked for.
#[test]
fn where_writes_replace_a_number_unseen_sales_are_no_drift() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.reads(0);
    let selling = |version| PublishedStock {
        rates: vec![SellingRate {
            channel: ChannelId::new("shop").unwrap(),
            milli_per_h: 20_000,
            shape_milli: 100_000,
        }],
        ..Shop::stock("A", version, 40, &[])
    };
    let prove = |shop: &mut Shop, version| {
        let up_to = shop.0.now;
        shop.tell(BucketCommand::Prove { up_to });
        shop.say_stock(selling(version));
        format!("{:?}", shop.0.events).contains("Drifted")
    };
    shop.say_stock(selling(2));
    assert!(!prove(&mut shop, 3));
    shop.confirm_next(1);
    let shown = shop.view().shown.unwrap();
    for (reads, is_drift) in [(shown - 1, false), (2, true)] {
        shop.0.pass(Duration::from_minutes(1));
        assert_eq!(shop.reads(reads), Seen::Fell, "{reads}");
        assert_eq!(prove(&mut shop, 4), is_drift, "{reads}");
    }
}

impl Shop {
    /// A channel whose writes replace its number, and which shows what it should.
    fn showing() -> (Self, i64) {
        let mut shop = Self::active(Writes::Absolute);
        shop.reads(0);
        let shown = shop.stated();
        shop.0.pass(Duration::from_minutes(20));
        (shop, shown)
    }

    /// All orders are read; by how many more or fewer it drifted, as is told then.
    fn drifted_by(&mut self, version: u64, units: u32, sold: &[Sold]) -> Option<i64> {
        let up_to = self.0.now;
        self.tell(BucketCommand::Prove { up_to });
        self.say("A", version, units, sold);
        self.0.events.iter().find_map(|event| match event {
            Event::Bucket(BucketEvent::Drifted { units, .. }) => Some(*units),
            _ => None,
        })
    }
}

/// An order for several units is seen in the number before it is read. (units of it, units that nothing explains) of seven that
/// the number fell by.
#[test]
fn where_writes_replace_a_number_a_fall_is_told_once_no_order_explains_it() {
    for (units, unexplained) in [(0, 7), (4, 3), (7, 0), (9, 0)] {
        let (mut shop, shown) = Shop::showing();
        let at = shop.0.now;
        assert_eq!(shop.reads(shown - 7), Seen::Fell, "{units}");
        assert_eq!((shop.unproven(), shop.begin()), (Some(at), vec![]));
        let sold = [Sold { at, units }];
        let sold = &sold[..usize::from(units > 0)];
        shop.say("A", 4, 40 - units, sold);
        assert!(!format!("{:?}", shop.0.events).contains("Drifted"));
        let drifted = shop.drifted_by(5, 40 - units, sold);
        let expected = (unexplained > 0).then_some(-unexplained);
        assert_eq!(drifted, expected, "{units}");
        assert_eq!(shop.unproven(), None, "{units}");
    }
}

/// Of the sales since a number was known not all are named: whether it fell by them nobody can tell.
#[test]
fn where_sales_are_not_all_named_a_fall_is_no_drift() {
    let (mut shop, shown) = Shop::showing();
    let at = shop.0.now;
    shop.say_stock(PublishedStock {
        sold_units: 9,
        ..Shop::stock("A", 4, 31, &[Sold { at, units: 1 }])
    });
    shop.reads(shown - 9);
    assert_eq!(shop.drifted_by(5, 31, &[Sold { at, units: 1 }]), None);
}

/// It shows what it showed before the write, which it had taken: that is told until the write is made again. What somebody took
/// out there stays told.
#[test]
fn a_write_that_was_lost_is_told_until_the_number_is_right() {
    for (reads, is_closed) in [(0, true), (5, false)] {
        let (mut shop, shown) = Shop::showing();
        shop.reads(reads);
        assert_eq!(shop.drifted_by(4, 40, &[]), Some(reads - shown));
        let told = format!("{:?}", shop.0.events);
        assert_eq!(told.contains("lost_update"), is_closed, "{told}");
        shop.confirm_next(2);
        assert_eq!(shop.offered(), None);
        let due = shop.0.deadline();
        assert_eq!(due.is_some(), is_closed, "{reads}");
        assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
        let last = format!("{:?}", shop.0.events.last());
        let closed = last.contains("ExceptionClosed") && last.contains("listing_drift");
        assert_eq!(closed, is_closed, "{last}");
        assert_eq!(shop.0.deadline(), None);
    }
}

/// It is written again and again, each time before the orders up to the last write are read: a fall is told once those up to it are.
#[test]
fn a_fall_of_what_is_written_often_is_told() {
    let (mut shop, shown) = Shop::showing();
    let at = shop.0.now;
    assert_eq!(shop.reads(shown - 7), Seen::Fell);
    for (version, units) in (4..).zip([9, 8, 7]) {
        shop.0.pass(Duration::from_minutes(1));
        shop.say("A", version, units, &[]);
        shop.confirm_next(version - 2);
        assert_eq!(shop.unproven(), Some(at));
        assert!(!format!("{:?}", shop.0.events).contains("Drifted"));
    }
    shop.tell(BucketCommand::Prove { up_to: at });
    shop.say("A", 7, 7, &[]);
    let told = format!("{:?}", shop.0.events);
    for word in ["Drifted", "units: -7", "ForeignEdit"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert_eq!(shop.unproven(), None);
}

/// What it is told of is mapped no more before the write is made again.
#[test]
fn a_write_that_was_lost_is_over_with_its_listing() {
    let (mut shop, shown) = Shop::showing();
    shop.reads(0);
    assert_eq!(shop.drifted_by(4, 40, &[]), Some(-shown));
    assert!(format!("{:?}", shop.0.events).contains("lost_update"));
    shop.tell(BucketCommand::Unmap {
        listing: listing("1"),
    });
    assert_eq!(shop.0.deadline(), Some(Timestamp::default()));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    let last = format!("{:?}", shop.0.events.last());
    assert!(
        last.contains("ExceptionClosed") && last.contains("listing_drift"),
        "{last}"
    );
    assert_eq!(shop.0.deadline(), None);
}
