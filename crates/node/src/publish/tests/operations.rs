//! Every call that changes something at a seller's account is carried out, and its answer is lost, or the process ends
//! before it comes: all numbers come to be right.

use crossdock_channels::amazon::Operation;
use crossdock_sim::amazon::{Fault, Faults};
use futures::future::join_all;

use super::seat::{Seat, UNITS};
use super::*;

/// Puts a document in its place: no operation of the API, as whoever has the address may do it.
const UPLOAD: &str = "upload";
/// How much time passes with each look.
const LEAP: Duration = Duration::from_ms(200);

/// What becomes of the answer to a call that was carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gap {
    /// The account's gateway gives up before it comes.
    TimeOut,
    /// The process ends before it comes.
    Crash,
}

/// What calls of an operation come from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    /// A number that must be lower.
    Sale,
    /// Many numbers that can be raised; so many feeds are begun if this goes wrong once.
    Raises { feeds: usize },
    /// An order: `report/tests/account.rs`, and `tests/reporting.rs`, which kills the process.
    Parcel,
    /// It changes nothing.
    Nothing,
}

/// Whoever adds an operation says here how its answer is lost.
fn cause(operation: Operation) -> Cause {
    match operation {
        Operation::PatchListingsItem => Cause::Sale,
        Operation::CreateFeedDocument => Cause::Raises { feeds: 1 },
        // The first one is worked on too.
        Operation::CreateFeed => Cause::Raises { feeds: 2 },
        Operation::ConfirmShipment => Cause::Parcel,
        Operation::SearchOrders
        | Operation::GetOrder
        | Operation::GetListingsItem
        | Operation::SearchListingsItems
        | Operation::GetFeed
        | Operation::GetFeeds
        | Operation::GetFeedDocument => Cause::Nothing,
    }
}

/// An account whose gateway gives up at once, or never.
async fn seat(gap: Gap) -> Seat {
    let silence = match gap {
        Gap::TimeOut => Duration::default(),
        Gap::Crash => Duration::from_days(9),
    };
    let faults = Faults {
        silence,
        ..Faults::default()
    };
    let mut seat = Seat::new(faults).await;
    seat.rest = Duration::default();
    seat
}

impl Seat {
    /// Waits until the answer to a call is lost.
    async fn loses(&self, operation: &'static str) {
        let what = format!("an answer of {operation} is lost");
        let is_lost = || self.market.happened(Fault::LostAnswer, operation) == 1;
        self.until(&what, is_lost).await;
    }
}

async fn a_sale_survives(operation: &'static str, gap: Gap) {
    let seat = seat(gap).await;
    let mut process = seat.handed_over().await;
    process.settled_while(|| seat.work_on_feeds()).await;
    seat.market.surely(Fault::LostAnswer, operation);
    process.adjust(3, -48).await;
    seat.loses(operation).await;
    if gap == Gap::Crash {
        drop(process);
        process = seat.start(2).await;
    }
    process.adjust(3, -1).await;
    process.settled_while(|| seat.time.advance(LEAP)).await;
    assert!(seat.shows(3, 1), "{operation} {gap:?}: {:?}", seat.shown(3));
}

async fn raises_survive(operation: &'static str, gap: Gap, feeds: usize) {
    let seat = seat(gap).await;
    seat.market.surely(Fault::LostAnswer, operation);
    let mut process = seat.start_with_feeds_only(1).await;
    seat.set_up(&process).await;
    seat.loses(operation).await;
    if gap == Gap::Crash {
        drop(process);
        process = seat.start_with_feeds_only(2).await;
    }
    let goes_on = || {
        seat.time.advance(LEAP);
        seat.work_on_feeds();
    };
    process.settled_while(goes_on).await;
    assert!(seat.shows(0, UNITS), "{operation} {gap:?}");
    assert_eq!(seat.feeds(), feeds, "{operation} {gap:?}");
}

async fn survives(operation: &'static str, cause: Cause, gap: Gap) {
    match cause {
        Cause::Sale => a_sale_survives(operation, gap).await,
        Cause::Raises { feeds } => raises_survive(operation, gap, feeds).await,
        Cause::Parcel | Cause::Nothing => {}
    }
}

async fn all_survive(gap: Gap) {
    let operations = Operation::ALL.map(|one| (one.name(), cause(one)));
    let upload = (UPLOAD, Cause::Raises { feeds: 1 });
    let all = operations.into_iter().chain([upload]);
    join_all(all.map(|(operation, cause)| survives(operation, cause, gap))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_is_lost_with_an_answer() {
    all_survive(Gap::TimeOut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_is_lost_with_the_process_that_waits_for_an_answer() {
    all_survive(Gap::Crash).await;
}
