//! Many numbers of a seller are handed over in feeds.

use crossdock_channels::amazon::Operation;
use crossdock_sim::amazon::{Fault, Faults};

use super::seat::{FEED_TAKES, NUMBERS, OPEN_MAX, Seat, UNITS, UNLISTED, bucket};
use super::*;

const DOCUMENT: &str = "createFeedDocument";

/// One feed sets what one by one would be patches; of what it refuses the bucket knows that it is not set.
#[tokio::test(flavor = "multi_thread")]
async fn many_raises_go_by_one_feed() {
    let seat = Seat::new(Faults::default()).await;
    let process = seat.handed_over().await;
    seat.work_on_feeds();
    assert!(seat.shows(0, UNITS), "the feed held all of them");
    process.settled().await;
    assert!(seat.shows(0, UNITS));
    assert_eq!(seat.feeds(), 1);
    let refused = process.number(UNLISTED).await;
    assert_eq!((refused.shown, refused.should), (Some(5), Some(UNITS)));
}

/// What is lowered while a feed is open is lowered at once, and again after the feed has overwritten it.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_lowered_while_a_feed_is_open_is_sent_again() {
    let seat = Seat::new(Faults::default()).await;
    let process = seat.handed_over().await;
    let lowered = seat.in_feed(&process).await;
    process.adjust(lowered, -48).await;
    seat.until("it is lowered at once", || seat.shown(lowered) == Some(2))
        .await;
    let overwritten = seat.market.with(|account, now| {
        account.settle(now + FEED_TAKES + FEED_TAKES);
        account.shown(listing(lowered).as_str(), now)
    });
    assert_eq!(overwritten, Some(UNITS));
    process.settled().await;
    assert!(seat.shows(lowered, 2));
    assert_eq!(seat.feeds(), 1);
}

/// Nobody knows which numbers of a feed that was given up were set: they are sent one by one, as others are.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_feed_that_was_given_up_held_is_sent_again() {
    let faults = Faults {
        fatal_feeds: 1.0,
        ..Faults::default()
    };
    let seat = Seat::new(faults).await;
    let process = seat.handed_over().await;
    process.adjust(3, -48).await;
    seat.work_on_feeds();
    seat.until("they are sent one by one", || seat.shows(3, 2))
        .await;
    process.settled().await;
    assert_eq!(seat.feeds(), 1);
}

/// It is set minutes later: sales until then have room.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_leaves_room_for_what_is_sold_until_it_is_worked_on() {
    let mut seat = Seat::new(Faults::default()).await;
    seat.set_within = Duration::from_minutes(15);
    let process = seat.handed_over().await;
    // Of what sells once an hour, as far as is known, at most four are sold in that time.
    seat.in_feed_with(&process, UNITS - 4).await;
    seat.work_on_feeds();
    process.settled().await;
    let mut shown = (0..UNLISTED).map(|number| seat.shown(number));
    assert!(
        shown.all(|units| units == Some(UNITS - 4)),
        "each was written once"
    );
    let are_raised = || {
        seat.time.advance(Duration::from_s(30));
        seat.shows(0, UNITS)
    };
    seat.until("what is looked at anyway is raised", are_raised)
        .await;
}

/// Many wait, and none of them can be raised by what is set only later: a feed that is not begun costs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_fits_a_feed_none_is_paid() {
    let mut seat = Seat::new(Faults::default()).await;
    seat.set_within = Duration::from_days(30);
    let process = seat.start_with_feeds_only(1).await;
    seat.set_up(&process).await;
    let waits = async || process.publisher.desk().may_wait(seat.time.now()) == NUMBERS;
    testing::until("all of them wait", waits).await;
    let link = &process.publisher.link;
    let bulk = link.numbers.bulk.as_ref().unwrap();
    let pause = process.publisher.hand_over_once(bulk, &mut 0).await;
    assert_eq!((pause, seat.feeds()), (bulk.look_every, 0));
    for (operation, spend) in [Operation::CreateFeedDocument, Operation::CreateFeed]
        .into_iter()
        .zip(&bulk.spends)
    {
        let left = (0..99).filter(|_| spend.try_take()).count();
        assert_eq!(left, operation.burst() as usize, "{operation:?}");
    }
}

/// The next process knows of no feed, but of the numbers that are in one: they are lowered at once, and all of them sent
/// again as soon as Amazon says that no feed is open, long before it must have ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_a_feed_is_open_loses_no_number() {
    let seat = Seat::new(Faults::default()).await;
    let process = seat.handed_over().await;
    let lowered = seat.in_feed(&process).await;
    drop(process);
    let process = seat.start(2).await;
    process.adjust(lowered, -48).await;
    seat.until("it is lowered at once", || seat.shown(lowered) == Some(2))
        .await;
    assert!(process.number(lowered).await.wrong_since.is_some());
    let overwritten = seat.market.with(|account, now| {
        account.settle(now + FEED_TAKES + FEED_TAKES);
        account.shown(listing(lowered).as_str(), now)
    });
    assert_eq!(overwritten, Some(UNITS), "the feed overwrote it");
    // All that is sent again may go in a feed once more.
    process.settled_while(|| seat.work_on_feeds()).await;
    assert!(seat.shows(lowered, 2));
}

/// The process ends after its buckets have begun, and before there is a feed.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_before_a_feed_is_begun_sends_its_numbers() {
    let seat = Seat::new(Faults::default()).await;
    // Without its account nothing gets through, and the seller's calls say so at once.
    seat.market.set_faults(Faults {
        server_errors: 1.0,
        ..Faults::default()
    });
    let process = seat.start(1).await;
    seat.set_up(&process).await;
    for number in 0..NUMBERS {
        let begin = BucketCommand::BeginInBulk {
            numbers_max: crossdock_runtime::CALLS_MAX,
            until: process.node.handle().now() + OPEN_MAX,
            set_within: Duration::default(),
        };
        process.ask(bucket(number), Command::Bucket(begin)).await;
    }
    drop(process);
    seat.market.set_faults(Faults::default());
    let process = seat.start(2).await;
    process.settled_while(|| seat.work_on_feeds()).await;
    assert!(seat.shows(0, UNITS));
}

/// A document that is not made holds feeds up for a moment, and one too many for as long as Amazon says.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_was_not_begun_is_begun_soon() {
    for fault in [Fault::ServerError, Fault::TooMany] {
        let seat = Seat::new(Faults::default()).await;
        seat.market.surely(fault, DOCUMENT);
        let process = seat.start_with_feeds_only(1).await;
        seat.set_up(&process).await;
        seat.until("a feed is begun", || seat.feeds() == 1).await;
        assert_eq!(seat.market.happened(fault, DOCUMENT), 1, "{fault:?}");
    }
}

/// Nothing was begun: no number waits for what became of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_not_made_leaves_nothing_handed_over() {
    let seat = Seat::new(Faults::default()).await;
    seat.market.set_faults(Faults {
        server_errors: 1.0,
        ..Faults::default()
    });
    let process = seat.start_with_feeds_only(1).await;
    seat.set_up(&process).await;
    let is_refused = || seat.market.happened(Fault::ServerError, DOCUMENT) > 0;
    seat.until("it is refused", is_refused).await;
    for number in 0..NUMBERS {
        let is_free = async || {
            let look = Command::Bucket(BucketCommand::LookInBulk);
            process.ask(bucket(number), look).await == Answer::InBulk(None)
        };
        testing::until("nothing is handed over", is_free).await;
    }
    assert_eq!(seat.feeds(), 0);
}
