//! What an entity answers.
#![allow(
    missing_docs,
    reason = "variants are documented; fields are named for what they hold, with units in name or type"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::v1::{
    Allocation, BucketEvent, ChannelMode, ChannelSettings, Component, CountOutcome, DriftClass,
    ListingMode, ListingTarget, LocationFacts, OrderChange, OrderStatus, Polled, PublishedStock,
    Publishing, ReportKind, Scope, ShownLevel, Take, Tracking,
};
use crate::{
    ChannelId, HoldId, ListingId, LocationId, OrderId, ShipmentId, SkuId, SourceId, Timestamp,
};

/// Stock of a SKU at one location, in units, as of an instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationStock {
    pub location: LocationId,
    pub on_hand: i64,
    /// Confirmed reservations.
    pub committed: u32,
    /// Live holds.
    pub held: u32,
    /// Reservations whose orders have not committed yet, and offers.
    pub tentative: u32,
    pub unavailable: u32,
    pub incoming: u32,
    pub in_transit: u32,
    pub safety: u32,
    /// What an already-sold order may take: on hand − committed − held − tentative − unavailable.
    pub available: i64,
    /// Available to sell: `available` − safety − what is owed to waiting orders; never below 0.
    pub ats: u32,
}

/// Stock of a SKU at all its locations. The version orders statements of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockView {
    pub sku: SkuId,
    pub version: u64,
    pub title: String,
    pub tracking: Tracking,
    pub locations: Vec<LocationStock>,
    /// Units that waiting orders lack.
    pub waiting_units: u32,
}

impl StockView {
    /// Available to sell over all locations, in units.
    #[must_use]
    pub fn ats(&self) -> u64 {
        self.locations.iter().map(|l| u64::from(l.ats)).sum()
    }

    /// The components when it is a kit.
    #[must_use]
    pub fn components(&self) -> Option<&[Component]> {
        match &self.tracking {
            Tracking::Kit(kit) => Some(&kit.components),
            Tracking::Tracked | Tracking::Untracked => None,
        }
    }
}

/// Where an order is, in short; the timeline is insight's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSummary {
    pub order: OrderId,
    pub version: u64,
    pub status: OrderStatus,
    /// The time of the channel's last statement, by the channel's clock.
    pub updated_at: Timestamp,
    /// Whether it waits to be let go to fulfilment: adopted, or a cart's hold.
    pub unfreed: bool,
    /// Fulfilment requests: number, location, state as text.
    pub requests: Vec<(u32, LocationId, String)>,
    /// Units that wait for stock, per SKU.
    pub backordered: Vec<(SkuId, u32)>,
    /// Units that are its own and have not left, by where they are.
    pub reserved: Vec<Allocation>,
    /// For a cart's hold: when it expires.
    pub hold_expires_at: Option<Timestamp>,
    /// Names the address in the vault that it goes to, 0 for none.
    pub address_version: u64,
    /// Whether all of it is taken off stock, waits for stock, can be placed nowhere, or is over.
    pub placed: bool,
    /// Whether another statement of the time of the last one differed from it: nobody knows which came first.
    pub tied: bool,
}

/// What an entity answers to a command or a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Done; nothing more to say.
    Done,
    /// Given when the entity has settled; never stored. See `Decision::later`.
    Later,
    /// The tentative reservation stands.
    Reserved {
        takes: Vec<Take>,
    },
    /// In the queue of a contended SKU; the final answer comes as a message.
    Queued,
    /// A waiting order is registered.
    Waits,
    /// The stock has moved since the order looked: plan again.
    RetryNow,
    /// The hold stands.
    Held {
        hold: HoldId,
        takes: Vec<Take>,
        expires_at: Timestamp,
    },
    /// An order's answer to a SKU: the attempt is committed.
    Committed,
    /// An order's answer to a SKU: the attempt is not (or no longer) wanted.
    GivenUp,
    /// An order's answer to a SKU: still undecided, ask again.
    Undecided,
    /// An order's answer to a SKU that is short: it keeps its units.
    Kept,
    /// The location granted the capacity for that local day.
    CapacityGranted {
        day: String,
        acknowledge_by: Timestamp,
    },
    Stock(Box<StockView>),
    Order(Box<OrderSummary>),
    /// A claimed idempotency key: the order it stands for, and whether this call claimed it.
    Claimed {
        order: OrderId,
        first: bool,
    },
    Channel {
        settings: Option<ChannelSettings>,
        mode: ChannelMode,
        adopt_older_than: Option<Timestamp>,
        /// What is published, if anything can be.
        publishing: Option<Box<Publishing>>,
        /// How far its orders were read, if anything reads them.
        polled: Option<Polled>,
        /// Places that show numbers of ours, and those that did, until when.
        ours: BTreeMap<SourceId, Option<Timestamp>>,
        /// Subjects of open exceptions about what cannot be read.
        unreadable: BTreeSet<String>,
    },
    /// What listings of a bucket are mapped to.
    Listings(Vec<(ListingId, ListingTarget)>),
    Location {
        facts: Box<LocationFacts>,
        /// Since when it names its source of stock truth, if it names one.
        source_since: Option<Timestamp>,
    },
    /// Capacity taken per local day, in units.
    Capacity(Vec<(String, u32)>),
    /// The rule set document in force.
    RuleSet {
        version: u32,
        document: String,
    },
    Keys(Vec<KeyView>),
    Endpoints(Vec<EndpointView>),
    Quarantine(Vec<QuarantineView>),
    /// One changed mapping, as recorded.
    Mapping(BucketEvent),
    /// A router's plan.
    Plan(Box<crate::v1::Plan>),
    /// What became of a count.
    Counted {
        outcome: CountOutcome,
        /// By so many units on hand has changed with it.
        on_hand_delta: i64,
    },
    /// What a channel shows of a listing, by its places.
    Shown(Vec<ShownLevel>),
    /// The hold is no more: this order confirmed it then, and its units are that order's.
    HoldConfirmed {
        order: OrderId,
        at: Timestamp,
    },
    /// What a SKU says for the channel of the bucket that asked.
    Published(Box<PublishedStock>),
    /// Calls to be made.
    Calls(Vec<NumberCall>),
    /// Every number of a bucket.
    Numbers(Vec<NumberView>),
    /// How what the channel says it shows fits what is known.
    Seen(Seen),
    /// What a channel is to be told.
    Report(Box<ReportTask>),
    /// When the first of the numbers was handed over that the channel may yet set; `None`: there are none.
    InBulk(Option<Timestamp>),
    /// Every channel that was ever connected.
    Channels(Vec<ChannelId>),
    /// Orders that have changed and were not read since.
    Changes(Vec<OrderChange>),
    /// The count that balances follow: as of when, and how many units it found.
    LastCount(Option<(Timestamp, u32)>),
}

/// How what a channel says it shows fits what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Seen {
    AsKnown,
    /// Calls or sales are under way that may be in it or not.
    InFlight,
    /// Fewer than known: the orders that say so are not read yet, or there are none.
    Fell,
    Drifted(DriftClass),
}

/// What a channel is to be told of an order, in the channel's own names of its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTask {
    pub kind: ReportKind,
    /// When the channel was first to know.
    pub made_at: Timestamp,
    /// A call of it may have been carried out: the channel is read before another one is made.
    pub in_doubt: bool,
    /// Shipments of the channel that are known to be something else.
    pub known: Vec<ShipmentId>,
}

/// One number: a listing at a place of its channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberView {
    pub listing: ListingId,
    pub place: SourceId,
    /// How far the listing is let in.
    pub mode: ListingMode,
    /// What the channel shows, as far as is known; at most, on a channel whose writes replace its number.
    pub shown: Option<i64>,
    /// When the channel said so last, by its clock.
    pub stated_at: Option<Timestamp>,
    /// What it should show. `None`: it cannot be told, and what is shown stays.
    pub should: Option<u32>,
    /// Since when it should show another number.
    pub wrong_since: Option<Timestamp>,
    /// Whether the channel counts it there, as far as is known: else it has no number.
    pub is_tracked: bool,
    /// It does not count it there, as it sends it itself: no number of it is sent.
    pub is_sent_by_channel: bool,
    /// The channel does not have it there at all, as far as is known: no number of it can be sent.
    pub is_missing: bool,
    /// Nothing is done about it: it is right, or the channel is only observed.
    pub rests: bool,
}

/// A call to a channel about one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberCall {
    pub listing: ListingId,
    pub place: SourceId,
    pub kind: NumberCallKind,
}

/// What is asked of the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NumberCallKind {
    /// What it shows.
    Read,
    /// To show so many. `call` is the number of the call in its bucket: with the bucket it is the call's key. `since`:
    /// when the oldest change of stock was made that it tells of. `tells_lag`: nothing but the channel's pace kept it
    /// waiting, as what must be lower waits for nothing else. `until`: its bucket takes it for ended from then on.
    Set {
        call: u64,
        units: u32,
        change_from: Option<i64>,
        since: Option<Timestamp>,
        tells_lag: bool,
        until: Timestamp,
    },
}

/// An API key as stored: no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    pub id: crate::CredentialId,
    pub name: String,
    pub scope: Scope,
    pub secret_sha256: [u8; 32],
    pub expires_at: Option<Timestamp>,
    pub revoked: bool,
}

/// An outgoing webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    pub id: String,
    pub url: String,
    pub topics: Vec<String>,
    pub secret_name: String,
}

/// Something put aside after crashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineView {
    pub entity: String,
    pub command_hash: Option<u64>,
    pub cause: String,
    pub since: Timestamp,
    /// A person gave the command up: it stays refused.
    pub skipped: bool,
}
