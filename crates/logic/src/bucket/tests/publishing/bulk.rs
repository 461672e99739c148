//! A number that is handed over among many.

use super::*;
use crate::oversell::Demand;

const OPEN_FOR: Duration = Duration::from_minutes(120);
const SET_WITHIN: Duration = Duration::from_minutes(15);
/// As in [`publishing`].
const WRONG_FOR: Duration = Duration::from_minutes(10);

impl Shop {
    /// A channel whose writes replace its number, which shows 10 of 40 and may be raised.
    fn raisable() -> Self {
        let mut shop = Self::active(Writes::Absolute);
        shop.shows(10);
        shop.set_proven(2, 40);
        shop
    }

    /// The SKU says so, after all orders were read.
    fn set_proven(&mut self, version: u64, units: u32) {
        self.say("A", version, units, &[]);
        let up_to = self.0.now;
        self.tell(BucketCommand::Prove { up_to });
        self.say("A", version, units, &[]);
    }

    /// Calls of numbers handed over, of so many at most.
    pub(super) fn begin_in_bulk(&mut self) -> Vec<NumberCallKind> {
        let begin = BucketCommand::BeginInBulk {
            numbers_max: 5,
            until: self.0.now + OPEN_FOR,
            set_within: SET_WITHIN,
        };
        match self.0.ask(Command::Bucket(begin)) {
            Ok(Answer::Calls(calls)) => timeless(calls.into_iter().map(|call| call.kind).collect()),
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, minutes: u64) {
        self.0.pass(Duration::from_minutes(minutes));
    }
}

fn refused() -> CallOutcome {
    CallOutcome::Refused {
        problem: "no such SKU".to_owned(),
    }
}

#[test]
fn a_raise_is_handed_over_and_settled_when_it_is_set() {
    let mut shop = Shop::raisable();
    assert_eq!(shop.begin_in_bulk(), set(1, 40, None));
    assert_eq!(shop.begin_in_bulk(), [], "it is under way");
    assert_eq!(shop.offered(), None);
    assert_eq!(shop.0.deadline(), Some(shop.0.now + WRONG_FOR));
    shop.pass(5);
    shop.confirm(1);
    assert_eq!((shop.offered(), shop.0.deadline()), (None, None));
    shop.say("A", 9, 39, &[]);
    assert_eq!(shop.begin(), set(2, 39, None), "40 are shown");
}

/// What must be lower, and what the channel has to be asked about, is never handed over.
#[test]
fn what_is_lowered_goes_by_itself() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.shows(12);
    assert_eq!(shop.begin_in_bulk(), []);
    assert_eq!(shop.begin(), set(1, 10, None));
    let mut shop = Shop::active(Writes::CompareAndSet);
    assert_eq!(shop.offered(), Some((Urgency::Read, 1)));
    assert_eq!(shop.begin_in_bulk(), []);
    shop.shows(7);
    shop.reads(7);
    shop.say("A", 2, 20, &[]);
    assert!(!shop.begin().is_empty());
}

/// Nobody knows what is shown, nor whether it is a number of ours, and all orders are read: it is asked for first, also where
/// there is none of it.
#[test]
fn a_first_number_is_read_before_it_is_sent_or_handed_over() {
    for (units, handed) in [(8, set(1, 8, None)), (0, vec![])] {
        let mut shop = Shop::active(Writes::Absolute);
        shop.set_proven(2, units);
        assert_eq!(shop.offered(), Some((Urgency::Read, 1)));
        assert_eq!(shop.begin_in_bulk(), []);
        assert_eq!(shop.begin(), [NumberCallKind::Read]);
        shop.reads(0);
        assert_eq!(shop.begin_in_bulk(), handed, "{units}");
    }
}

/// Lowered while it is handed over: at once, and once more after the end, over what may have been set last.
#[test]
fn what_is_lowered_meanwhile_is_sent_at_once_and_again_after_the_end() {
    for is_confirmed_before in [true, false] {
        let mut shop = Shop::raisable();
        shop.begin_in_bulk();
        shop.pass(1);
        shop.say("A", 5, 6, &[]);
        assert_eq!(
            shop.offered().map(|(urgency, _)| urgency),
            Some(Urgency::Lower)
        );
        assert_eq!(shop.begin(), set(2, 6, None));
        shop.pass(1);
        if is_confirmed_before {
            shop.confirm(2);
            assert_eq!(shop.offered(), None, "it is not sent again and again");
            shop.confirm(1);
        } else {
            shop.confirm(1);
            shop.confirm(2);
        }
        assert_eq!(shop.begin(), set(3, 6, None));
        shop.confirm(3);
        assert_eq!((shop.offered(), shop.0.deadline()), (None, None));
    }
}

/// A lowering beside it that the channel did not take is tried again, and a raise waits.
#[test]
fn beside_it_a_lowering_is_tried_again_and_a_raise_waits() {
    let mut shop = Shop::raisable();
    shop.begin_in_bulk();
    shop.say("A", 5, 6, &[]);
    assert_eq!(shop.begin(), set(2, 6, None));
    shop.end(2, CallOutcome::NotDone);
    assert_eq!(shop.begin(), set(3, 6, None));
    shop.confirm(3);
    shop.set_proven(6, 60);
    assert_eq!((shop.offered(), shop.begin_in_bulk()), (None, vec![]));
    shop.confirm(1);
    assert_eq!(
        shop.begin(),
        set(4, 40, None),
        "no more than may be shown already"
    );
    shop.confirm(4);
    assert_eq!(shop.begin_in_bulk(), set(5, 60, None));
}

/// (what is said of it, what is offered after, whether it may be handed over once more)
#[test]
fn what_was_not_set_is_sent_again() {
    let cases = [
        (CallOutcome::NotDone, Some(Urgency::Raise), set(2, 40, None)),
        (CallOutcome::Unknown, Some(Urgency::Raise), set(2, 40, None)),
        (refused(), Some(Urgency::Raise), vec![]),
    ];
    for (outcome, urgency, again) in cases {
        let mut shop = Shop::raisable();
        shop.begin_in_bulk();
        shop.pass(5);
        shop.end(1, outcome.clone());
        let offered = shop.offered().map(|(urgency, _)| urgency);
        assert_eq!(
            (offered, shop.begin_in_bulk()),
            (urgency, again.clone()),
            "{outcome:?}"
        );
        if !again.is_empty() {
            shop.confirm(2);
            assert_eq!(
                (shop.offered(), shop.0.deadline()),
                (None, None),
                "{outcome:?}"
            );
        }
    }
}

/// It was wrong for long when it was handed over, and has as long again; then somebody is told, whatever is still open.
#[test]
fn what_lies_too_long_is_an_exception_until_it_is_set() {
    let mut shop = Shop::raisable();
    let is_told = |shop: &Shop| format!("{:?}", shop.0.events).contains("listing_wrong");
    shop.pass(9);
    shop.begin_in_bulk();
    shop.pass(9);
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(!is_told(&shop), "it is being set");
    shop.pass(1);
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(is_told(&shop));
    let ends_at = shop.0.now + OPEN_FOR - WRONG_FOR;
    assert_eq!(shop.0.deadline(), Some(ends_at), "told once");
    shop.confirm(1);
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("ExceptionClosed"));
    assert_eq!(shop.0.deadline(), None);
}

/// Nobody hears of it: it ends by its time, as an exception or not. Another process tells nothing of it.
#[test]
fn what_is_not_heard_of_any_more_ends_by_its_time() {
    let mut shop = Shop::raisable();
    shop.begin_in_bulk();
    shop.tell(BucketCommand::Lose);
    shop.pass(119);
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert_eq!((shop.offered(), shop.begin_in_bulk()), (None, vec![]));
    shop.pass(1);
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert_eq!(shop.begin(), set(2, 40, None));
    shop.confirm(2);
    assert_eq!(shop.offered(), None);
    shop.end(1, CallOutcome::Unknown);
    assert_eq!(shop.offered(), None, "it is too late to say so");
}

/// What is set minutes later leaves room for what is sold until then. Once it is set that is no reason to set another number:
/// it is raised when more arrives, or when it is read anyway.
#[test]
fn what_is_handed_over_leaves_room_for_what_is_sold_until_it_is_set() {
    let mut shop = Shop::active(Writes::Absolute);
    let rate = |version, units| PublishedStock {
        rates: vec![SellingRate {
            channel: ChannelId::new("shop").unwrap(),
            milli_per_h: 60_000,
            shape_milli: 100_000,
        }],
        ..Shop::stock("A", version, units, &[])
    };
    shop.shows(10);
    for _ in 0..2 {
        shop.say_stock(rate(2, 200));
        let up_to = shop.0.now;
        shop.tell(BucketCommand::Prove { up_to });
    }
    shop.say_stock(rate(2, 200));
    let unseen = |minutes: f64| Demand::gamma_poisson(minutes, 100.0).units_at_risk(0.001);
    let (now, later) = (unseen(3.0), unseen(18.0));
    assert!(later > now + 10, "{now} {later}");
    assert_eq!(shop.begin_in_bulk(), set(1, 200 - later, None));
    shop.say_stock(rate(3, 199));
    assert_eq!(shop.begin(), [], "there is room for it");
    shop.pass(15);
    shop.confirm(1);
    shop.tell(BucketCommand::Prove { up_to: shop.0.now });
    shop.say_stock(rate(3, 199));
    assert_eq!((shop.offered(), shop.begin()), (None, vec![]));
    let proven = |shop: &mut Shop, version, units| {
        shop.pass(1);
        shop.say_stock(rate(version, units));
        let up_to = shop.0.now;
        shop.tell(BucketCommand::Prove { up_to });
        shop.say_stock(rate(version, units));
        shop.begin()
    };
    // What others buy has the room first, down to what is needed.
    let needed = 200 - later + now;
    let mut lowered = Shop(shop.0.clone());
    assert_eq!(proven(&mut lowered, 4, needed), []);
    let fewer = needed - 1;
    assert_eq!(proven(&mut lowered, 5, fewer), set(2, fewer - now, None));
    let mut raised = Shop(shop.0.clone());
    assert_eq!(proven(&mut raised, 4, 230), set(2, 230 - now, None));
    shop.reads((200 - later).into());
    assert_eq!(proven(&mut shop, 4, 199), set(2, 199 - now, None));
    shop.confirm(2);
    assert_eq!(shop.offered(), None);
}

/// What another process handed over has no name here: once the channel works on nothing any more, it is sent again.
#[test]
fn what_was_handed_over_before_is_lost_in_one_go() {
    let mut shop = Shop::raisable();
    let look = |shop: &mut Shop| shop.0.ask(Command::Bucket(BucketCommand::LookInBulk));
    assert_eq!(look(&mut shop), Ok(Answer::InBulk(None)));
    let begun_at = shop.0.now;
    shop.begin_in_bulk();
    assert_eq!(look(&mut shop), Ok(Answer::InBulk(Some(begun_at))));
    shop.pass(3);
    let lose = |begun_before| BucketCommand::LoseInBulk { begun_before };
    let before = shop.0.version();
    shop.tell(lose(begun_at));
    assert_eq!(shop.0.version(), before, "it was begun later");
    assert_eq!(shop.begin(), []);
    shop.tell(lose(begun_at + Duration::from_ms(1)));
    assert_eq!(look(&mut shop), Ok(Answer::InBulk(None)));
    assert_eq!(shop.begin(), set(2, 40, None));
    shop.confirm(2);
    assert_eq!((shop.offered(), shop.0.deadline()), (None, None));
}
