//! Numbers that the channel does not have at a place.

use super::*;
use crate::bucket::NotThere;

impl Shop {
    /// The shop answers that it does not have it there.
    pub(super) fn lacks_it(&mut self) {
        let numbers = vec![(listing("1"), place())];
        let asked_at = self.0.now;
        self.tell(BucketCommand::Miss { numbers, asked_at });
        self.0.pass(Duration::from_ms(1));
    }

    fn lacks(&self) -> Vec<NotThere> {
        self.0.entity.offers().unwrap().missing
    }

    /// Whether a person is to be told that the shop does not have it.
    fn is_missed(&self) -> bool {
        let lacks = self.lacks();
        assert!(lacks.len() <= 1, "{lacks:?}");
        lacks
            .iter()
            .any(|one| (one.count, &one.some) == (1, &vec![listing("1")]))
    }

    /// Nothing is to be done about any number, and nothing waits.
    fn rests(&self) -> bool {
        self.offers().is_empty() && self.unproven().is_none() && self.0.deadline().is_none()
    }
}

/// Nothing is asked or sent however the stock changes, nobody waits for orders because of it, and it is told only
/// where there would be something to show.
#[test]
fn what_the_channel_does_not_have_is_no_number_that_is_wrong() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.lacks_it();
    for (version, units) in [(2, 4), (3, 0), (4, 90)] {
        let sold = Sold {
            at: shop.0.now,
            units: 1,
        };
        shop.say("A", version, units, &[sold]);
        assert!(shop.rests(), "{units}");
        assert_eq!(shop.begin(), []);
        assert_eq!(shop.is_missed(), units > 0, "{units}");
    }
    let view = shop.view();
    assert!(view.is_missing && view.rests, "{view:?}");
    assert_eq!((view.shown, view.wrong_since), (None, None));
    let version = shop.0.version();
    shop.lacks_it();
    assert_eq!(shop.0.version(), version, "it is known");
    shop.tell(BucketCommand::Unmap {
        listing: listing("1"),
    });
    assert!(!shop.is_missed() && shop.rests());
}

/// A place that is only observed would show nothing either.
#[test]
fn what_an_observed_channel_does_not_have_needs_nobody() {
    let mut shop = Shop::new(publishing(ChannelMode::Observed, Writes::CompareAndSet));
    shop.say("A", 1, 10, &[]);
    shop.lacks_it();
    assert!(!shop.is_missed() && shop.rests());
    let mut active = publishing(ChannelMode::Active, Writes::CompareAndSet);
    active.version = 2;
    shop.tell(BucketCommand::Publish(Box::new(active)));
    assert!(shop.is_missed() && shop.rests());
}

/// It was wrong for so long that a person was told: it is that no more.
#[test]
fn what_was_wrong_and_is_gone_is_told_no_more() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(12);
    shop.0.pass(Duration::from_minutes(10));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("listing_wrong"));
    assert_eq!(shop.begin(), set(1, 10, Some(12)));
    shop.end(1, CallOutcome::Stale);
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.lacks_it();
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    let closed = format!("{:?}", shop.0.events.last());
    assert!(closed.contains("does not have it there"), "{closed}");
    assert!(shop.is_missed() && shop.rests());
}

/// The shop stocks it again: what was sold meanwhile says nothing of the number that it begins with. What the shop said
/// before it was gone, and comes late, costs a read.
#[test]
fn what_is_stocked_again_has_its_number() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(10);
    let before = shop.0.now - Duration::from_ms(1);
    shop.lacks_it();
    let sold = Sold {
        at: shop.0.now,
        units: 3,
    };
    shop.say("A", 2, 7, &[sold]);
    let level = ShownLevel {
        place: place(),
        units: Some(10),
        at: before,
    };
    let late = BucketCommand::Show {
        listing: listing("1"),
        level,
        asked_at: None,
    };
    assert!(shop.0.ask(Command::Bucket(late)).is_ok());
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.lacks_it();
    assert!(shop.is_missed() && shop.rests());

    shop.shows(0);
    assert!(!shop.is_missed());
    assert_eq!(shop.begin(), [NumberCallKind::Read], "it is made sure");
    shop.reads(0);
    assert_eq!(shop.begin(), set(1, 7, Some(0)));
    shop.confirm(1);
    assert!(shop.rests() && !shop.view().is_missing);
}

/// A call that may be carried out yet could show it: it is asked again once that has surely ended.
#[test]
fn what_a_call_may_change_is_not_known_to_be_missing() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(12);
    assert_eq!(shop.begin(), set(1, 10, Some(12)));
    shop.lacks_it();
    assert!(!shop.view().is_missing, "it is under way");
    shop.end(1, CallOutcome::Unknown);
    shop.lacks_it();
    assert!(!shop.view().is_missing, "it may be under way still");
    shop.0.pass(Duration::from_s(10));
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.lacks_it();
    assert!(shop.is_missed() && shop.rests());
}

/// An answer to a question that was asked before it was stocked, or set, says nothing of it.
#[test]
fn what_was_said_since_the_question_counts() {
    for writes in [Writes::CompareAndSet, Writes::Absolute] {
        let mut shop = Shop::active(writes);
        let asked_at = shop.0.now;
        shop.0.pass(Duration::from_ms(5));
        shop.reads(10);
        let version = shop.0.version();
        let numbers = vec![(listing("1"), place())];
        shop.tell(BucketCommand::Miss { numbers, asked_at });
        assert_eq!(shop.0.version(), version, "{writes:?}");
        assert_eq!(shop.view().shown, Some(10));
    }
}

/// Where writes replace the number: what the channel says nothing of any more may be sent by the channel itself, and nothing
/// is written before it is read again.
#[test]
fn what_the_channel_tells_nothing_of_is_read_before_it_is_written() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.reads(10);
    assert!(shop.offers().is_empty());
    shop.lacks_it();
    assert_eq!(shop.view().shown, None);
    shop.say("A", 2, 4, &[]);
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.lacks_it();
    assert_eq!(shop.begin(), [NumberCallKind::Read]);
    shop.reads(10);
    assert_eq!(shop.begin(), set(1, 4, None));
}
