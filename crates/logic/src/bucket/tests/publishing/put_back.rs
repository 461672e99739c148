//! What a channel sold and puts back on sale.

use super::*;

impl Shop {
    fn puts_back(&mut self, units: u32) {
        let listing = listing("1");
        self.tell(BucketCommand::PutBack { listing, units });
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
    let [
        NumberCallKind::Set {
            call, units: again, ..
        },
    ] = shop.begin()[..]
    else {
        panic!("{:?}", shop.offers());
    };
    assert_eq!(i64::from(again), units);
    // One more is put back while the call is under way: nobody knows which was first.
    shop.puts_back(1);
    shop.confirm(call);
    assert!(wrong(&mut shop));
    let [NumberCallKind::Set { call, .. }] = shop.begin()[..] else {
        panic!("{:?}", shop.offers());
    };
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
