//! Events of a SKU: every movement of every unit, and who may take what.

use serde::{Deserialize, Serialize};

use super::{ExceptionClosed, ExceptionNoted, ExceptionOpened};
use crate::{
    ChannelId, EntityId, HoldId, LocationId, OrderId, ReturnId, SkuId, SourceId, Timestamp,
    TransferId,
};

/// How a SKU's stock is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tracking {
    /// Units are counted per location.
    Tracked,
    /// There is always enough (services, digital goods).
    Untracked,
    /// Has no stock of its own: reserved by component.
    Kit(Kit),
}

/// What a kit is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kit {
    pub components: Vec<Component>,
    /// Whether its components may leave from different locations. If not, each kit leaves whole from one.
    pub may_split: bool,
}

/// A part of a kit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Component {
    pub sku: SkuId,
    pub units_per_kit: u32,
}

/// Why units on hand cannot be sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Condition {
    Damaged,
    Quality,
}

/// What a count counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CountBasis {
    /// Everything on the shelf, also what is committed.
    OnHand,
    /// What is left after allocated units (committed here) were taken away.
    NetOfAllocated,
    /// What is left after the units allocated to that channel's own orders were taken away: it knows no others.
    NetOfChannel(ChannelId),
}

impl CountBasis {
    /// Whether such a count leaves out units that are allocated to an order of that channel.
    #[must_use]
    pub fn leaves_out(&self, channel: &ChannelId) -> bool {
        match self {
            Self::OnHand => false,
            Self::NetOfAllocated => true,
            Self::NetOfChannel(own) => own == channel,
        }
    }
}

/// What became of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountOutcome {
    /// Balances follow it (a `Moved` with the difference follows unless that is zero).
    Applied,
    /// A later count is known already: recorded, not applied.
    OlderThanLast,
    /// It is older than 24 h: recorded, not applied.
    TooOld,
}

/// Why units moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveReason {
    Counted {
        source: SourceId,
    },
    Adjusted {
        reason: String,
    },
    Received {
        reference: Option<String>,
    },
    /// Left for another location; in transit until it arrives.
    TransferOut {
        transfer: TransferId,
        to: LocationId,
    },
    TransferIn {
        transfer: TransferId,
        from: LocationId,
    },
    MarkedUnavailable,
    MadeAvailable,
    /// Left with a shipment of an order.
    Shipped {
        order: OrderId,
        attempt: u32,
    },
    /// Came back from a buyer: this part of the return, which is taken once.
    Returned {
        order: OrderId,
        return_id: ReturnId,
        part: u32,
    },
    /// Not found when they were to be picked for an order. A count says otherwise, if it finds them.
    NotFound {
        order: OrderId,
        attempt: u32,
    },
    /// Handed over at a till before anybody asked: a fact.
    SoldAtTill {
        reference: String,
    },
    /// Units that will not arrive: they are in transit no longer, and were never on hand here.
    TransferLost {
        transfer: TransferId,
        units: u32,
    },
}

impl MoveReason {
    /// The order that the units were allocated to until they left: a count that is net of those never saw them.
    #[must_use]
    pub fn allocated_to(&self) -> Option<&OrderId> {
        match self {
            Self::Shipped { order, .. } | Self::NotFound { order, .. } => Some(order),
            _ => None,
        }
    }
}

/// Units of one SKU taken at one location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Take {
    pub location: LocationId,
    pub units: u32,
}

/// One attempt of one order at one SKU: with the SKU's own id this is the reservation's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    pub order: OrderId,
    /// Counted in the order's events, 1 for the first.
    pub attempt: u32,
}

/// How a sale came about, which decides what stock it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sale {
    /// The channel asks before it sells: can be refused, may not take safety stock.
    Asks,
    /// The buyer holds a confirmation: never refused, may take safety stock.
    AlreadySold,
}

/// Events of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkuEvent {
    /// The SKU's master data was set.
    Defined {
        title: String,
        tracking: Tracking,
    },
    /// A ledger entry. Entries of a location sum to its balances.
    Moved {
        location: LocationId,
        on_hand_delta: i64,
        /// Change of the units on hand that cannot be sold, of this condition.
        unavailable_delta: i64,
        condition: Option<Condition>,
        reason: MoveReason,
        effective_at: Timestamp,
    },
    /// A count came in.
    Counted {
        location: LocationId,
        source: SourceId,
        basis: CountBasis,
        counted: u32,
        effective_at: Timestamp,
        outcome: CountOutcome,
    },
    /// Units are expected; zero units: no longer.
    IncomingSet {
        location: LocationId,
        reference: String,
        units: u32,
        expected_at: Timestamp,
    },
    /// Units kept back from channels that ask.
    SafetySet {
        location: LocationId,
        units: u32,
    },
    /// A hold was granted.
    Held {
        hold: HoldId,
        takes: Vec<Take>,
        expires_at: Timestamp,
    },
    /// A hold ran out; its units were free from `expires_at` on.
    HoldExpired {
        hold: HoldId,
    },
    /// A hold was given back.
    HoldReleased {
        hold: HoldId,
    },
    /// A hold was confirmed: it ends with this attempt's reservation, which follows and takes its units over.
    HoldConfirmed {
        hold: HoldId,
        id: AttemptId,
    },
    /// Tentative: taken for an order whose commit point is still to come.
    Reserved {
        id: AttemptId,
        takes: Vec<Take>,
        sale: Sale,
        /// When the buyer was promised; earlier promises are served first and given up last.
        promised_at: Timestamp,
        /// When the order is asked what became of the reservation.
        ask_at: Timestamp,
    },
    /// The order was asked for the outcome and will be asked again at `ask_at`.
    OutcomeAsked {
        id: AttemptId,
        ask_at: Timestamp,
    },
    /// The order committed.
    Confirmed {
        id: AttemptId,
    },
    /// The attempt is closed, its units are free. Also recorded for an attempt that was never seen.
    Released {
        id: AttemptId,
    },
    /// Contended: waits its turn until the deadline.
    Queued {
        id: AttemptId,
        takes: Vec<Take>,
        sale: Sale,
        promised_at: Timestamp,
        deadline: Timestamp,
    },
    /// Left the queue without units (deadline, or released).
    Unqueued {
        id: AttemptId,
    },
    /// A sold order waits for stock.
    Waiting {
        order: OrderId,
        units: u32,
        locations: Vec<LocationId>,
        promised_at: Timestamp,
    },
    /// An order waits no longer.
    WaitEnded {
        order: OrderId,
    },
    /// Units that came free are kept for a waiting order until then.
    Offered {
        order: OrderId,
        takes: Vec<Take>,
        until: Timestamp,
    },
    /// The offer was not taken up in time, or declined.
    OfferEnded {
        order: OrderId,
    },
    /// Units of a confirmed reservation left with a shipment or were given back (counts rise only).
    Settled {
        id: AttemptId,
        location: LocationId,
        shipped_units: u32,
        released_units: u32,
        /// Of those released: not found where they should have been.
        missing_units: u32,
    },
    /// Fewer units are on hand than committed: this order was asked to give its units back.
    AskedBack {
        id: AttemptId,
        location: LocationId,
        ask_at: Timestamp,
    },
    /// The order keeps its units.
    KeptBy {
        id: AttemptId,
        location: LocationId,
    },
    /// Something a person must see.
    ExceptionOpened(ExceptionOpened),
    /// It is settled.
    ExceptionClosed(ExceptionClosed),
    /// A person wrote a note onto it.
    ExceptionNoted(ExceptionNoted),
    /// A bucket lists it and is told of every change.
    Subscribed {
        bucket: EntityId,
    },
    Unsubscribed {
        bucket: EntityId,
    },
    /// Of all that the order has, waits for and was sent, an operator added so many units: its channel has not sold them.
    AddedHere {
        order: OrderId,
        units: u32,
    },
}
