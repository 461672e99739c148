//! Listings that a seller's account sends itself: Amazon fulfils them.

use crossdock_sim::amazon::{Faults, Listing};

use super::seat::{NUMBERS, Process, Seat, UNITS};
use super::*;
use crate::testing::is_open;

/// Beside what the seller ships.
const THEIRS: usize = NUMBERS + 1;

impl Seat {
    /// The seller has what Amazon ships mapped like all else.
    async fn map_theirs(&self, process: &Process) {
        let listed = Listing {
            amazon_ships: true,
            ..Listing::of_seller("theirs", 100, 5)
        };
        self.list_theirs(listed);
        process.map(THEIRS).await;
    }

    fn list_theirs(&self, listed: Listing) {
        let sku = listing(THEIRS);
        self.market
            .with(|account, _| account.list(sku.as_str(), listed));
    }

    fn is_amazons(&self) -> bool {
        let sku = listing(THEIRS);
        self.market
            .with(|account, _| account.is_amazons(sku.as_str()))
    }

    /// Waits until a person is told that there are some, or are none.
    async fn are_told(&self, process: &Process, is_told: bool) {
        let (handle, shop) = (process.node.handle(), shop_id());
        let key = ("sent_by_channel", "shop", 1);
        let is_so = async || {
            self.time.advance(Duration::from_s(5));
            is_open(&handle, Some(&shop), key).await == is_told
        };
        testing::until(&format!("it is told: {is_told}"), is_so).await;
    }
}

/// Neither a call nor a feed makes the seller send what Amazon sends. Once the seller sends it, it has its number.
#[tokio::test(flavor = "multi_thread")]
async fn what_amazon_sends_is_given_no_number_and_is_told_once() {
    let seat = Seat::new(Faults::default()).await;
    let process = seat.start(1).await;
    seat.map_theirs(&process).await;
    seat.set_up(&process).await;
    process.settled_while(|| seat.work_on_feeds()).await;
    assert!(seat.shows(0, UNITS));
    seat.are_told(&process, true).await;
    let view = process.number(THEIRS).await;
    assert!(view.is_sent_by_channel && !view.is_tracked, "{view:?}");
    assert!(view.wrong_since.is_none() && view.rests, "{view:?}");
    for number in [THEIRS, 3] {
        process.adjust(number, -48).await;
    }
    seat.until("another number is lowered", || seat.shows(3, 2))
        .await;
    assert!(seat.is_amazons());

    // The seller changes it there.
    seat.list_theirs(Listing::of_seller("ours", 100, 9));
    let is_ours = || {
        seat.time.advance(Duration::from_minutes(1));
        seat.shown(THEIRS) == Some(2)
    };
    seat.until("it has its number", is_ours).await;
    seat.are_told(&process, false).await;
}
