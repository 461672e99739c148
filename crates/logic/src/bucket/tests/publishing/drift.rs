//! What a channel shows that was not written: sales, drift, and how they are told apart.

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

#[test]
fn where_writes_replace_a_number_only_more_than_unseen_sales_is_drift() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.say_stock(PublishedStock {
        rates: vec![SellingRate {
            channel: ChannelId::new("shop").unwrap(),
            milli_per_h: 20_000,
            shape_milli: 100_000,
        }],
        ..Shop::stock("A", 2, 40, &[])
    });
    let shown = shop.stated();
    assert_eq!(shop.reads(shown - 1), Seen::Fell);
    assert_eq!(shop.reads(2), Seen::Drifted(DriftClass::ForeignEdit));
}
