//! What a SKU remembers: balances and open things only, each with the index that finds it without a scan.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::{AttemptId, Condition, CountBasis, Sale, Take, Tracking};
use crossdock_model::{HoldId, LocationId, OrderId, SourceId, Timestamp, TransferId};
use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use super::ASKS_UNTIL_NEXT;
use super::allocated::Allocated;
use super::closed::Closed;
use super::expiries::Expiries;
use super::lines::{Line, Queue};
use super::listeners::Listeners;
use super::movements::Movements;

/// State of a SKU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SkuState {
    pub(super) master: Option<Master>,
    pub(super) places: LiteMap<LocationId, Box<Place>>,
    pub(super) transfers: BTreeMap<TransferId, Transfer>,
    pub(super) reservations: BTreeMap<AttemptId, Reservation>,
    pub(super) holds: BTreeMap<HoldId, Hold>,
    pub(super) expiries: Expiries,
    pub(super) closed: Closed,
    pub(super) queue: Queue,
    pub(super) line: Line,
    pub(super) timers: Timers,
    pub(super) listeners: Listeners,
}

/// Everything but hold expiries that falls due, earliest first.
pub(super) type Timers = BTreeSet<(Timestamp, Due)>;

/// What falls due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Due {
    /// An order is asked what became of its tentative reservation.
    AskOutcome(AttemptId),
    /// A queued reservation has waited long enough.
    LeaveQueue(AttemptId),
    /// An offer was not taken up.
    EndOffer(OrderId),
    /// An order that let an offer pass gets its place in the line back.
    OfferAgain(OrderId),
    /// An order has not answered whether it gives units back.
    AskBackAgain(LocationId, AttemptId),
}

/// Master data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Master {
    pub title: String,
    pub tracking: Tracking,
}

/// Running sums of a location, so that a decision never adds up reservations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub on_hand: i64,
    pub unavailable: i64,
    pub committed: i64,
    pub held: i64,
    pub tentative: i64,
    pub offered: i64,
    /// Units that queued reservations ask for here.
    pub queued: i64,
    /// Units kept back from channels that ask.
    pub safety: i64,
}

impl Sums {
    /// Units that could be sold if everything undecided came back.
    pub fn firm(&self) -> i64 {
        self.on_hand - self.unavailable - self.committed - self.held
    }

    /// Units that nobody has taken.
    pub fn free(&self) -> i64 {
        self.firm() - self.tentative - self.offered
    }

    /// Whether every committed unit is there.
    pub fn covered(&self) -> bool {
        self.lacking() == 0
    }

    /// Committed units that are not there.
    pub fn lacking(&self) -> i64 {
        let there = (self.on_hand - self.unavailable).max(0);
        (self.committed - there).max(0)
    }
}

/// A location as this SKU sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub sums: Sums,
    /// Units were counted or moved here: how many there are is known.
    pub is_counted: bool,
    /// Of the committed units: whose they are.
    pub allocated: Allocated,
    pub unavailable: BTreeMap<Condition, i64>,
    pub incoming: BTreeMap<String, Incoming>,
    pub in_transit: i64,
    pub last_count: Option<LastCount>,
    pub movements: Movements,
    /// Confirmed reservations with open units here; the latest promise is asked to give back first.
    pub by_promise: BTreeSet<(Timestamp, AttemptId)>,
    /// Orders that were asked to give units back and have not answered.
    pub asked: BTreeMap<AttemptId, AskedBack>,
    /// Orders that keep their units though there are too few; forgotten once all are covered.
    pub kept: BTreeSet<AttemptId>,
    pub short: Episodes,
    pub drift: Episodes,
}

/// Units expected under a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Incoming {
    pub units: u32,
    pub expected_at: Timestamp,
}

/// The count that balances follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LastCount {
    pub effective_at: Timestamp,
    pub units: u32,
    pub source: SourceId,
    pub basis: CountBasis,
}

/// When an order is asked again to give units back, and how often it was before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct AskedBack {
    pub ask_at: Timestamp,
    pub asks: u32,
}

impl AskedBack {
    /// It left so many questions open that others are asked too.
    pub fn is_silent(&self) -> bool {
        self.asks >= ASKS_UNTIL_NEXT
    }

    /// As it is once it is asked again then.
    pub fn again(&self, ask_at: Timestamp) -> Self {
        Self {
            ask_at,
            asks: self.asks.saturating_add(1),
        }
    }
}

/// Openings of one kind of exception.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Episodes {
    pub count: u32,
    pub open: bool,
}

/// Units on their way between two locations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub from: LocationId,
    pub to: LocationId,
    pub sent: u32,
    pub in_transit: u32,
}

/// An open reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reservation {
    pub parts: Vec<Part>,
    pub sale: Sale,
    pub promised_at: Timestamp,
    pub status: Status,
}

/// Units of a reservation at one location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub location: LocationId,
    pub units: u32,
    pub shipped: u32,
    pub released: u32,
    /// Of those released: not found.
    pub missing: u32,
}

impl Part {
    pub fn open(&self) -> u32 {
        self.units - self.shipped - self.released
    }
}

/// Whether the order has committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Status {
    Tentative { ask_at: Timestamp, asks: u32 },
    Confirmed,
}

impl Reservation {
    pub fn new(takes: &[Take], sale: Sale, promised_at: Timestamp, status: Status) -> Self {
        let part = |take: &Take| Part {
            location: take.location.clone(),
            units: take.units,
            shipped: 0,
            released: 0,
            missing: 0,
        };
        Self {
            parts: takes.iter().map(part).collect(),
            sale,
            promised_at,
            status,
        }
    }

    pub fn takes(&self) -> Vec<Take> {
        let take = |part: &Part| Take {
            location: part.location.clone(),
            units: part.units,
        };
        self.parts.iter().map(take).collect()
    }

    pub fn part(&self, location: &LocationId) -> Option<&Part> {
        self.parts.iter().find(|part| part.location == *location)
    }

    pub fn is_confirmed(&self) -> bool {
        self.status == Status::Confirmed
    }
}

/// A live hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Hold {
    pub takes: Vec<Take>,
    pub expires_at: Timestamp,
}

/// All attempts an order can have.
pub(super) fn attempts_of(order: &OrderId) -> (AttemptId, AttemptId) {
    let attempt = |attempt| AttemptId {
        order: order.clone(),
        attempt,
    };
    (attempt(0), attempt(u32::MAX))
}

impl SkuState {
    /// Whether anything is known of it but closed attempts.
    pub(super) fn exists(&self) -> bool {
        self.master.is_some() || !self.places.is_empty()
    }

    pub(super) fn tracking(&self) -> &Tracking {
        self.master
            .as_ref()
            .map_or(&Tracking::Tracked, |master| &master.tracking)
    }

    pub(super) fn is_untracked(&self) -> bool {
        *self.tracking() == Tracking::Untracked
    }

    /// Open attempts of an order, lowest first.
    pub(super) fn open_of(
        &self,
        order: &OrderId,
    ) -> impl DoubleEndedIterator<Item = (&AttemptId, &Reservation)> {
        let (first, last) = attempts_of(order);
        self.reservations.range(first..=last)
    }
}
