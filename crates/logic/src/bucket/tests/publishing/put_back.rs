//! What a channel sold and puts back on sale.

use super::*;

impl Shop {
    fn puts_back(&mut self, units: u32) {
        let listing = listing("1");
        self.tell(BucketCommand::PutBack { listing, units });
    }

    /// Begins the call that is due; its number, and the units that it sets.
    fn sends(&mut self) -> (u64, u32) {
        let [NumberCallKind::Set { call, units, .. }] = self.begin()[..] else {
            panic!("{:?}", self.offers());
        };
        (call, units)
    }
}

/// A sale that was never heard of is cancelled, after a number was written: one more is shown than that.
#[test]
fn what_is_put_back_after_a_write_is_overwritten() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.reads(0);
    let units = shop.stated();
    assert_eq!((shop.offered(), shop.view().shown), (None, Some(units)));
    let wrong = |shop: &mut Shop| shop.view().wrong_since.is_some();
    assert!(!wrong(&mut shop));

    shop.puts_back(3);
    assert!(wrong(&mut shop));
    let (urgency, _) = shop.offered().unwrap();
    assert_eq!(urgency, Urgency::Lower, "more is shown than may be sold");
    let (call, again) = shop.sends();
    assert_eq!(i64::from(again), units);
    // One more is put back while the call is under way: nobody knows which was first.
    shop.puts_back(1);
    shop.confirm(call);
    assert!(wrong(&mut shop));
    let (call, _) = shop.sends();
    shop.confirm(call);
    assert!(!wrong(&mut shop));
    assert_eq!(shop.offered(), None);
}

/// What it shows is asked for after that: it is known then, and no drift.
#[test]
fn what_was_put_back_is_no_drift() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.reads(0);
    let units = shop.stated();
    shop.puts_back(1);
    assert_eq!(shop.reads(units + 1), Seen::InFlight);
    assert_eq!(
        shop.offered().map(|(urgency, _)| urgency),
        Some(Urgency::Lower)
    );
}

#[test]
fn a_channel_that_compares_says_so_itself() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(10);
    shop.puts_back(1);
    assert_eq!(shop.0.events, []);
    assert_eq!(shop.offered(), None);
    let mut market = Shop::active(Writes::Absolute);
    market.puts_back(1);
    assert_eq!(market.0.events, [], "nobody knows what it shows");
}

/// (what is shown, what is sent or handed over, how) when three are put back: it may have come first.
#[test]
fn what_is_put_back_on_top_of_a_raise_is_lowered() {
    for in_bulk in [false, true] {
        let mut shop = Shop::active(Writes::Absolute);
        shop.reads(0);
        let up_to = shop.0.now;
        shop.tell(BucketCommand::Prove { up_to });
        shop.say("A", 3, 40, &[]);
        let calls = match in_bulk {
            true => shop.begin_in_bulk(),
            false => shop.begin(),
        };
        let [NumberCallKind::Set { call, units, .. }] = calls[..] else {
            panic!("{calls:?}");
        };
        shop.0.pass(Duration::from_ms(1));
        shop.puts_back(3);
        shop.confirm(call);
        let urgency = shop.offered().map(|(urgency, _)| urgency);
        assert_eq!(urgency, Some(Urgency::Lower), "{in_bulk}");
        let (call, again) = shop.sends();
        assert_eq!(again, units);
        shop.confirm(call);
        assert!(shop.view().wrong_since.is_none(), "{in_bulk}");
    }
}

/// Nothing is raised for it before orders are read, however often it is told.
#[test]
fn what_is_put_back_proves_nothing() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.reads(0);
    let units = shop.stated();
    shop.0.pass(Duration::from_minutes(1));
    shop.say("A", 4, 60, &[]);
    assert!(shop.unproven().is_some());
    for _ in 0..3 {
        shop.puts_back(4);
        let (call, again) = shop.sends();
        assert_eq!(i64::from(again), units);
        shop.confirm(call);
        assert!(shop.unproven().is_some());
    }
}

/// Nothing is sent of what the channel sends itself, or does not have: nothing is in doubt there.
#[test]
fn what_no_number_is_sent_of_is_not_in_doubt() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.reads(0);
    shop.stated();
    let level = ShownLevel {
        place: place(),
        units: None,
        at: shop.0.now,
    };
    let show = BucketCommand::Show {
        listing: listing("1"),
        level,
        asked_at: Some(shop.0.now),
    };
    assert!(shop.0.ask(Command::Bucket(show)).is_ok());
    shop.puts_back(1);
    assert_eq!(shop.0.events, []);
}
