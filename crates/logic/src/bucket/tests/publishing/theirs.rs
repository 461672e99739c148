//! Listings that the channel sends itself: they have no number of ours.

use super::*;

impl Shop {
    /// A channel whose writes replace its number, and which sends itself what it does not count.
    fn market() -> Self {
        let mut shop = Self::new(Publishing {
            uncounted: Uncounted::SentByChannel,
            ..publishing(ChannelMode::Active, Writes::Absolute)
        });
        shop.say("A", 1, 10, &[]);
        shop
    }

    fn wakes(&mut self) {
        assert_eq!(self.0.ask(Command::Wake), Ok(Answer::Done));
    }

    fn counted_as_theirs(&self) -> usize {
        self.0.entity.offers().unwrap().sent_by_channel
    }
}

/// Nothing is sent, by itself or among many, whatever happens to the stock, and nobody is told of a number that is wrong.
#[test]
fn what_the_channel_sends_itself_has_no_number() {
    let mut shop = Shop::market();
    assert_eq!(
        (shop.begin(), shop.counted_as_theirs()),
        (vec![NumberCallKind::Read], 0)
    );
    shop.does_not_count_it();
    for (version, units) in [(2, 0), (3, 90)] {
        shop.say("A", version, units, &[]);
        shop.tell(BucketCommand::Prove { up_to: shop.0.now });
        shop.say("A", version, units, &[]);
        let settled = (shop.offers(), shop.begin(), shop.0.deadline());
        assert_eq!(settled, (vec![], vec![], None), "{units}");
    }
    let view = shop.view();
    assert_eq!((view.is_sent_by_channel, view.rests), (true, true));
    let version = shop.0.version();
    shop.does_not_count_it();
    assert_eq!((shop.0.version(), shop.counted_as_theirs()), (version, 1));
    shop.tell(BucketCommand::Unmap {
        listing: listing("1"),
    });
    assert_eq!(shop.counted_as_theirs(), 0);
}

/// It was wrong for as long as it had none: that is nothing to tell.
#[test]
fn what_the_seller_sends_from_now_on_has_its_number() {
    let mut shop = Shop::market();
    shop.does_not_count_it();
    shop.say("A", 2, 4, &[]);
    shop.0.pass(Duration::from_minutes(60));
    shop.reads(0);
    assert_eq!(shop.counted_as_theirs(), 0);
    let since = shop.view().wrong_since.unwrap();
    assert_eq!(shop.0.deadline(), Some(since + Duration::from_minutes(10)));
    shop.tell(BucketCommand::Prove { up_to: shop.0.now });
    shop.say("A", 3, 4, &[]);
    assert_eq!(shop.begin(), set(1, 4, None));
    shop.confirm(1);
    assert!(!shop.view().is_sent_by_channel);
    // And is none again when the channel sends it.
    shop.0.pass(Duration::from_minutes(1));
    shop.does_not_count_it();
    shop.say("A", 4, 1, &[]);
    assert_eq!((shop.offers(), shop.counted_as_theirs()), (vec![], 1));
}

/// A person was told that its number is wrong, and a write of it is lost: that ends with the write, whether the channel is asked
/// before that has ended, after, or once it is known to have.
#[test]
fn what_was_wrong_of_what_the_channel_sends_itself_needs_nobody() {
    for (pause, is_noted) in [(0, false), (1, false), (1, true)] {
        let mut shop = Shop::market();
        shop.reads(30);
        shop.0.pass(Duration::from_minutes(10));
        shop.wakes();
        assert!(format!("{:?}", shop.0.events).contains("listing_wrong"));
        assert_eq!(shop.begin(), set(1, 10, None));
        shop.end(1, CallOutcome::Unknown);
        shop.0.pass(Duration::from_minutes(pause));
        if is_noted {
            shop.wakes();
        }
        shop.does_not_count_it();
        let mut events = Vec::new();
        while let Some(due) = shop.0.deadline().filter(|_| events.len() < 9) {
            shop.0.now = shop.0.now.max(due);
            shop.wakes();
            events.extend(shop.0.events.iter().map(|event| format!("{event:?}")));
        }
        let last = events.last().map_or("", String::as_str);
        let is_closed = last.contains("ExceptionClosed") && last.contains("sends it itself");
        assert!(is_closed, "{pause} {is_noted}: {events:?}");
        assert_eq!((shop.offers(), shop.counted_as_theirs()), (vec![], 1));
    }
}

/// What a line of an order names, and nothing else, is no listing of the channel.
#[test]
fn what_stands_for_a_line_has_no_number() {
    let mut shop = Shop::market();
    shop.tell(BucketCommand::Map {
        listing: listing("line:3012"),
        target: single("B", 1),
    });
    assert_eq!(shop.asks(), []);
}
