//! A channel whose writes replace its number, and whose orders are not read.

use super::*;
use crate::oversell::Demand;

const PER_H: u64 = 200;

/// Units sold there in so many minutes, but for the risk.
fn unseen(minutes: u64) -> u32 {
    let mean = PER_H as f64 * minutes as f64 / 60.0;
    Demand::gamma_poisson(mean, 100.0).units_at_risk(0.001)
}

impl Shop {
    /// A shop that sells 200 an hour.
    fn fast() -> Self {
        Self::active(Writes::Absolute)
    }

    fn say_fast(&mut self, version: u64, units: u32, per_h: u64) {
        self.say_stock(PublishedStock {
            rates: vec![SellingRate {
                channel: ChannelId::new("shop").unwrap(),
                milli_per_h: per_h * 1_000,
                shape_milli: 100_000,
            }],
            ..Self::stock("A", version, units, &[])
        });
    }

    /// All orders are read, and 400 units less the room for three minutes are shown.
    fn shown(&mut self) -> i64 {
        self.say_fast(2, 400, PER_H);
        self.reads(0);
        let up_to = self.0.now;
        self.tell(BucketCommand::Prove { up_to });
        self.say_fast(2, 400, PER_H);
        let units = 400 - unseen(3);
        assert_eq!(self.begin(), set(1, units, None));
        self.confirm(1);
        units.into()
    }

    fn fall_behind(&mut self, minutes: Option<u64>) {
        let by = minutes.map(Duration::from_minutes);
        self.tell(BucketCommand::FallBehind { by });
    }

    fn is_settled(&self) -> bool {
        self.offers().is_empty() && self.0.deadline().is_none()
    }
}

/// What is shown is lowered by the channel's own sales. So it is written only when the stock has changed, and then with
/// room for all that may have been sold; once orders are read it is raised again, with proof.
#[test]
fn what_is_written_while_nothing_is_read_leaves_room_for_all_that_may_be_sold() {
    let mut shop = Shop::fast();
    shop.shown();
    for minutes in [20, 60] {
        shop.fall_behind(Some(minutes));
        assert!(shop.is_settled(), "{minutes}");
    }
    shop.say_fast(3, 399, PER_H);
    assert_eq!(shop.begin(), set(2, 399 - unseen(60), None));
    shop.confirm(2);
    assert!(shop.is_settled());
    shop.fall_behind(Some(75));
    assert!(shop.is_settled());
    shop.say_fast(4, 390, PER_H);
    assert_eq!(shop.begin(), set(3, 390 - unseen(75), None));
    shop.confirm(3);
    shop.say_fast(5, 500, PER_H);
    assert_eq!(shop.begin(), [], "a raise waits for proof");
    shop.say_fast(6, 390, PER_H);
    shop.fall_behind(None);
    let since = shop.unproven().unwrap();
    assert_eq!(shop.begin(), []);
    shop.tell(BucketCommand::Prove { up_to: since });
    shop.say_fast(6, 390, PER_H);
    assert_eq!(shop.begin(), set(4, 390 - unseen(3), None));
    shop.confirm(4);
    assert!(shop.is_settled());
}

/// As much as that may be sold unseen needs no explanation; and what is stated is right as it is.
#[test]
fn what_fell_while_nothing_was_read_may_have_been_sold() {
    let fall = i64::from(unseen(30));
    for minutes in [None, Some(60)] {
        let mut shop = Shop::fast();
        let shown = shop.shown();
        shop.fall_behind(minutes);
        assert_eq!(shop.reads(shown - fall), Seen::Fell, "{minutes:?}");
        assert_eq!(shop.unproven().is_none(), minutes.is_some());
        assert_eq!(shop.is_settled(), minutes.is_some(), "{minutes:?}");
        if minutes.is_some() {
            shop.say_fast(3, 350, PER_H);
            assert_eq!(shop.begin(), set(2, 350 - unseen(60), None));
        }
    }
}

/// Sales that are not read make it seem to sell less.
#[test]
fn what_is_not_read_does_not_slow_it_down() {
    for (minutes, per_h, units) in [
        (Some(60), 20, 300 - unseen(60)),
        (Some(60), PER_H, 300 - unseen(60)),
        (None, PER_H, 300 - unseen(3)),
    ] {
        let mut shop = Shop::fast();
        shop.shown();
        shop.fall_behind(minutes);
        shop.say_fast(3, 300, per_h);
        assert_eq!(shop.begin(), set(2, units, None), "{minutes:?} {per_h}");
    }
}

#[test]
fn a_channel_that_compares_says_itself_what_it_sold() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    let before = shop.0.version();
    shop.fall_behind(Some(60));
    assert_eq!(shop.0.version(), before);
    let mut shop = Shop::fast();
    let before = shop.0.version();
    for (minutes, events) in [(None, 0), (Some(9), 1), (Some(9), 1), (None, 2)] {
        shop.fall_behind(minutes);
        assert_eq!(shop.0.version() - before, events);
    }
}

/// Nobody heard of a call: what is sent again leaves as much room.
#[test]
fn what_is_sent_again_after_a_lost_call_leaves_room_too() {
    let mut shop = Shop::fast();
    shop.shown();
    shop.fall_behind(Some(60));
    shop.say_fast(3, 390, PER_H);
    let units = 390 - unseen(60);
    assert_eq!(shop.begin(), set(2, units, None));
    shop.end(2, CallOutcome::Unknown);
    for call in [3, 4] {
        assert_eq!(shop.begin(), set(call, units, None), "{call}");
        shop.confirm(call);
        assert_eq!(shop.begin(), []);
        shop.0.pass(Duration::from_s(10));
        assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    }
}
