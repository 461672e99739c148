//! Numbers that stay wrong, that the channel refuses, or that nobody says what they should be.

use crossdock_model::Event;
use crossdock_model::v1::{BucketEvent, ExceptionKey};

use super::*;

#[test]
fn a_number_that_stays_wrong_is_an_exception_until_it_is_right() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(12);
    let since = shop.0.now - Duration::from_ms(1);
    assert_eq!(shop.0.deadline(), Some(since + Duration::from_minutes(10)));
    shop.0.pass(Duration::from_minutes(10));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("listing_wrong"));
    assert_eq!(shop.0.deadline(), None, "told once");
    assert_eq!(shop.begin(), set(1, 10, Some(12)));
    shop.confirm(1);
    assert_eq!(shop.0.deadline(), Some(Timestamp::default()));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("ExceptionClosed"));
    assert_eq!(shop.0.deadline(), None);
}

/// More than a bucket offers at once are refused: those that can be sent come before them.
#[test]
fn what_the_channel_refuses_keeps_nothing_else_back() {
    let mut shop = Shop::active(Writes::Absolute);
    for number in 2..=OFFERS_MAX + 2 {
        shop.tell(BucketCommand::Map {
            listing: listing(&number.to_string()),
            target: single("A", 1),
        });
    }
    let offered = |shop: &Shop| -> Vec<String> {
        let offers = shop.offers().into_iter();
        offers.map(|offer| offer.listing.to_string()).collect()
    };
    let first = offered(&shop);
    assert_eq!(first.len(), OFFERS_MAX);
    let numbers = first.iter().map(|id| (listing(id), place()));
    let numbers = numbers.collect();
    let asked_at = shop.0.now;
    shop.tell(BucketCommand::Miss { numbers, asked_at });
    let then = offered(&shop);
    assert_eq!(then.len(), OFFERS_MAX);
    assert!(!first.contains(&then[0]) && !first.contains(&then[1]));
    assert!(first.contains(&then[2]), "{then:?}");
}

/// A shop whose SKU refuses to be listened to.
fn unheard() -> Shop {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    let [(effect, sku)] = &shop.asks()[..] else {
        panic!("{:?}", shop.asks());
    };
    let refused = Command::Answered {
        effect: *effect,
        from: EntityId::Sku(sku.clone()),
        result: Err(Rejection::invalid("bucket", "too many")),
    };
    assert_eq!(shop.0.ask(refused), Ok(Answer::Done));
    shop
}

#[test]
fn a_sku_that_does_not_answer_is_told_of_and_asked_again() {
    let mut shop = unheard();
    assert!(format!("{:?}", shop.0.events).contains("sku_unheard"));
    assert_eq!(shop.asks(), []);
    let again = shop.0.deadline().unwrap();
    assert_eq!(again, shop.0.now + Duration::from_minutes(10));
    shop.0.now = again;
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    shop.say("A", 1, 10, &[]);
    assert!(format!("{:?}", shop.0.events).contains("ExceptionClosed"));
    assert_eq!(shop.offered(), Some((Urgency::Read, 1)));
}

/// A listing was mapped to a SKU that does not exist, and is mapped rightly.
#[test]
fn nothing_is_said_of_a_sku_that_is_not_listed_any_more() {
    let mut shop = unheard();
    shop.tell(BucketCommand::Map {
        listing: listing("1"),
        target: single("B", 1),
    });
    assert_eq!(shop.0.deadline(), Some(Timestamp::default()));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    let last = format!("{:?}", shop.0.events.last());
    assert!(
        last.contains("ExceptionClosed") && last.contains("shop/A"),
        "{last}"
    );
    assert_ne!(shop.0.deadline(), Some(Timestamp::default()));
}

impl Shop {
    /// The channel answers that it does not count it.
    pub(super) fn does_not_count_it(&mut self) {
        let level = ShownLevel {
            place: place(),
            units: None,
            at: self.0.now,
        };
        let show = BucketCommand::Show {
            listing: listing("1"),
            level,
            asked_at: Some(self.0.now),
        };
        let seen = self.0.ask(Command::Bucket(show));
        assert_eq!(seen, Ok(Answer::Seen(Seen::AsKnown)));
        self.0.pass(Duration::from_ms(1));
    }

    fn is_tracked(&mut self) -> bool {
        match self.0.ask(Command::Bucket(BucketCommand::LookNumbers)) {
            Ok(Answer::Numbers(views)) => views[0].is_tracked,
            other => panic!("{other:?}"),
        }
    }

    /// The number is wrong for so long that a person is told.
    fn is_told(&mut self) -> ExceptionKey {
        self.0.now = self.0.deadline().unwrap();
        assert_eq!(self.0.ask(Command::Wake), Ok(Answer::Done));
        let Some(Event::Bucket(BucketEvent::ExceptionOpened(opened))) = self.0.events.last() else {
            panic!("{:?}", self.0.events);
        };
        assert_eq!(opened.key.kind, "listing_wrong");
        opened.key.clone()
    }

    fn resolve(&mut self, key: &ExceptionKey) -> Result<Answer, Rejection> {
        self.0.ask(Command::Bucket(BucketCommand::ResolveException {
            key: key.clone(),
            how: "it is meant so".to_owned(),
        }))
    }
}

/// What the shop does not count any more it sells without end: a person is told, also where the stock has not moved and
/// while it is paused. Nothing is sent, and asking again says nothing new.
#[test]
fn what_the_channel_does_not_count_any_more_is_told() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(10);
    assert_eq!(shop.offers(), []);
    shop.does_not_count_it();
    assert_eq!((shop.is_tracked(), shop.offers()), (false, vec![]));
    let known = shop.0.version();
    shop.does_not_count_it();
    assert_eq!(shop.0.version(), known);
    let key = shop.is_told();
    let mut paused = publishing(ChannelMode::Paused, Writes::CompareAndSet);
    paused.version = 2;
    shop.tell(BucketCommand::Publish(Box::new(paused)));
    assert_eq!((shop.begin(), shop.unproven()), (vec![], None));
    assert!(shop.resolve(&key).is_err());
    shop.reads(10);
    assert_eq!(shop.begin(), set(1, 0, Some(10)));
    shop.confirm(1);
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("ExceptionClosed"));
    assert!(shop.resolve(&key).is_err(), "it is closed");
}

/// Nobody puts right what is only observed: what was told closes by itself, and is told anew once it is published to.
#[test]
fn what_is_wrong_where_nothing_is_published_any_more_needs_nobody() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.shows(12);
    let key = shop.is_told();
    assert!(shop.resolve(&key).is_err(), "it is wrong still");
    let mut changed = publishing(ChannelMode::Observed, Writes::CompareAndSet);
    changed.version = 2;
    shop.tell(BucketCommand::Publish(Box::new(changed.clone())));
    assert_eq!(shop.0.deadline(), Some(Timestamp::default()));
    assert_eq!(shop.0.ask(Command::Wake), Ok(Answer::Done));
    assert!(format!("{:?}", shop.0.events).contains("ExceptionClosed"));
    assert_eq!(shop.0.deadline(), None);
    changed.version = 3;
    changed.mode = ChannelMode::Active;
    shop.tell(BucketCommand::Publish(Box::new(changed)));
    assert_eq!(shop.is_told().episode, 2);
}
