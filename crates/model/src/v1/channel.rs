//! Events of a channel, of a bucket of its listing map, and of an idempotency key.

use serde::{Deserialize, Serialize};

use super::{
    CallOutcome, Component, DriftClass, ExceptionClosed, ExceptionNoted, ExceptionOpened,
    ListingMode, PublishedStock, Publishing, Sale,
};
use crate::{Duration, ExternalId, ListingId, OrderId, SkuId, SourceId, Timestamp};

/// How far a channel is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChannelMode {
    /// Orders come in, nothing is published.
    Observed,
    Active,
    Paused,
}

/// A channel's settings that decisions depend on. Secrets are not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// `shopify`, `api`, …
    pub connector: String,
    pub sale: Sale,
    /// Whether a listing that is not mapped stands for the SKU of the same text, when that SKU exists.
    pub map_by_sku: bool,
}

/// Events of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelEvent {
    Connected(ChannelSettings),
    ModeSet(ChannelMode),
    /// An order before this time is adopted: reserved only, released to fulfilment by hand.
    AdoptionBegan {
        older_than: Timestamp,
    },
    ExceptionOpened(ExceptionOpened),
    ExceptionClosed(ExceptionClosed),
    ExceptionNoted(ExceptionNoted),
    /// What is published, and how; every bucket is told.
    PublishingSet(Publishing),
    /// A bucket has taken it over.
    BucketTold {
        effect: u32,
    },
    /// Its orders were read, and reading goes on from there.
    Polled(Polled),
    /// It said that an order has changed, which is to be read.
    ChangeNoted(OrderChange),
    /// These are read, or need not be.
    ChangesEnded(Vec<OrderChange>),
}

/// That an order has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderChange {
    pub order: ExternalId,
    /// By the channel's clock.
    pub changed_at: Timestamp,
}

/// How far a channel's orders were read since it was last told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Polled {
    /// Where reading goes on: a text of whoever reads.
    pub cursor: String,
    /// Orders that changed up to then were read, and what they sold is taken off stock or waits for a person.
    pub read_up_to: Timestamp,
    /// What was read and is not placed yet, by its name, as another text of whoever reads.
    pub awaited: Vec<(String, String)>,
    /// Names of what is awaited no more.
    pub placed: Vec<String>,
    /// Where reading goes on of what the channel sends itself, while that is read apart.
    pub theirs: Option<String>,
}

/// What one unit of a listing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListingTarget {
    /// So many units of a SKU (which may be a kit).
    Sku { sku: SkuId, multiplier: u32 },
    /// A kit made up for this listing.
    Kit {
        components: Vec<Component>,
        multiplier: u32,
    },
}

/// Events of a bucket of the listing map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BucketEvent {
    Mapped {
        listing: ListingId,
        target: ListingTarget,
    },
    Unmapped {
        listing: ListingId,
    },
    /// The channel shows so many of it at one of its places. No stock changes by that.
    /// `asked_at`: as the answer to us, who asked then.
    Shown {
        listing: ListingId,
        level: ShownLevel,
        asked_at: Option<Timestamp>,
    },
    /// What is published from now on, and how.
    PublishingSet(Publishing),
    ListingModeSet {
        listing: ListingId,
        mode: ListingMode,
    },
    /// A SKU said what can be sold. `asked`: as the answer to that effect, with the proof it was asked for.
    Stocked {
        stock: PublishedStock,
        asked: Option<(u32, Timestamp)>,
    },
    /// A SKU cannot be listened to.
    Unheard {
        asked: u32,
    },
    /// All orders of the channel up to then were taken off.
    Proved {
        up_to: Timestamp,
    },
    /// A call begins.
    Begun {
        listing: ListingId,
        place: SourceId,
        call: u64,
        units: u32,
    },
    /// It has ended.
    Ended {
        listing: ListingId,
        place: SourceId,
        outcome: CallOutcome,
    },
    /// A call of unknown outcome has surely ended.
    DoubtEnded {
        listing: ListingId,
        place: SourceId,
    },
    ExceptionOpened(ExceptionOpened),
    ExceptionClosed(ExceptionClosed),
    ExceptionNoted(ExceptionNoted),
    /// The channel was asked for a number that it does not have.
    Missed {
        listing: ListingId,
        place: SourceId,
    },
    /// A SKU that could not be listened to is asked again.
    AskedAgain {
        sku: SkuId,
    },
    /// The channel showed so many more (or fewer) than is explained.
    Drifted {
        listing: ListingId,
        place: SourceId,
        class: DriftClass,
        units: i64,
    },
    /// A call begins that hands over many numbers, which the channel sets later.
    BegunInBulk(BegunInBulk),
    /// The channel says what became of it.
    EndedInBulk(EndedInBulk),
    /// Of the channel's sales in the last so long nothing may be known, as its orders are not read; `None`: they are read
    /// again.
    FellBehind {
        by: Option<Duration>,
    },
    /// Every number handed over before that time was set or never will be, and nobody knows which.
    LostInBulk {
        begun_before: Timestamp,
    },
    /// The channel may show so many more than it was told to: it put back what it had sold.
    PutBack {
        listing: ListingId,
        units: u32,
    },
}

/// A number that is handed over among many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunInBulk {
    pub listing: ListingId,
    pub place: SourceId,
    pub call: u64,
    pub units: u32,
    /// It has surely been set by then, or never will be.
    pub until: Timestamp,
}

/// What became of a number that was handed over among many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedInBulk {
    pub listing: ListingId,
    pub place: SourceId,
    pub outcome: CallOutcome,
}

/// What a channel shows of a listing at one of its places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownLevel {
    pub place: SourceId,
    /// Units, also fewer than none; `None`: not tracked there.
    pub units: Option<i64>,
    /// By the channel's clock.
    pub at: Timestamp,
}

/// Events of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestEvent {
    /// The key belongs to this order and body from now on.
    Claimed {
        order: OrderId,
        body_hash: u64,
        /// The first instant at which the key is free again.
        until: Timestamp,
    },
    /// The dedup window is over: the key may be used for another order.
    Forgotten,
}
