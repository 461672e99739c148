//! What channels and the buckets of their listings can be asked to do.
#![allow(
    missing_docs,
    reason = "variants are documented; fields are named for what they hold, with units in name or type"
)]

use serde::{Deserialize, Serialize};

use super::ExceptionCommand;
use crate::v1::{
    CallOutcome, ChannelMode, ChannelSettings, ExceptionKey, ListingMode, ListingTarget,
    MeasuredLag, OrderChange, Polled, PublishedStock, Publishing, ShownLevel,
};
use crate::{Duration, ListingId, LocationId, SkuId, SourceId, Timestamp};

/// Commands for `channel:{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelCommand {
    Connect(ChannelSettings),
    SetMode(ChannelMode),
    BeginAdoption {
        older_than: Timestamp,
    },
    /// About something that is not an entity of its own: an unmapped listing, an unreadable payload.
    Exception(ExceptionCommand),
    /// How its numbers are written, as the configuration says. Mode, pauses and version stay as they are.
    PublishAs(Box<Publishing>),
    /// Shows none of a SKU, or of what is at a location; `paused: false` ends that.
    Pause {
        what: PauseTarget,
        paused: bool,
    },
    /// Its orders were read so far, and all that was read is stored.
    Poll(Polled),
    /// So far it is behind, as measured; `None`: nothing that was measured holds any more.
    MeasureLag(Option<MeasuredLag>),
    /// These locations are closed, and no others: what lies there is not for sale.
    Close {
        locations: Vec<LocationId>,
    },
    /// It says that an order has changed. What is known already, or too much to be remembered, changes nothing: its lists
    /// have that order too.
    NoteChange(OrderChange),
    /// A read: orders that have changed and were not read since, some of them, the oldest change first, as `Changes`.
    LookChanges,
    /// These were read, or need not be.
    EndChanges(Vec<OrderChange>),
    /// It is published to at all of its places, those included that are named since it was.
    Publish,
}

/// What is paused on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PauseTarget {
    Sku(SkuId),
    Location(LocationId),
}

/// How a call about one number ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnd {
    pub listing: ListingId,
    pub place: SourceId,
    pub call: u64,
    pub outcome: CallOutcome,
}

/// Commands for `bucket:{channel}:{number}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BucketCommand {
    Map {
        listing: ListingId,
        target: ListingTarget,
    },
    Unmap {
        listing: ListingId,
    },
    Look {
        listing: ListingId,
    },
    /// The channel shows so many of it: it was asked then, or says so of its own accord. Nothing is kept of a listing that
    /// stands for nothing.
    Show {
        listing: ListingId,
        level: ShownLevel,
        asked_at: Option<Timestamp>,
    },
    /// A read: what the channel shows of it, as `Shown`.
    LookShown {
        listing: ListingId,
    },
    /// What is published from now on, and how.
    Publish(Box<Publishing>),
    /// A read: every number, what is shown and what should be, as `Numbers`.
    LookNumbers,
    SetListingMode {
        listing: ListingId,
        mode: ListingMode,
    },
    /// SKUs say what can be sold. What is older than known changes nothing.
    Stock(Vec<PublishedStock>),
    /// All orders of the channel up to then were taken off their SKUs' stock.
    Prove {
        up_to: Timestamp,
    },
    /// Calls are to be made for these now; answered with those that are still needed, as `Calls`.
    Begin {
        numbers: Vec<(ListingId, SourceId)>,
    },
    /// Calls have ended. One that is not under way changes nothing.
    End {
        calls: Vec<CallEnd>,
    },
    /// The channel was asked for these numbers at that time, and has none.
    Miss {
        numbers: Vec<(ListingId, SourceId)>,
        asked_at: Timestamp,
    },
    /// Calls that were under way in another process: nobody hears of them again.
    Lose,
    ResolveException {
        key: ExceptionKey,
        how: String,
    },
    NoteException {
        key: ExceptionKey,
        text: String,
    },
    /// One call is to be made for many numbers, which the channel sets later, at `until` at the latest: for so many at most
    /// of which less is shown than could be sold, or nobody knows what. As a rule it has set them within `set_within`, and
    /// room is left for what is sold until then. Answered with them, as `Calls`; they end as others do.
    BeginInBulk {
        numbers_max: usize,
        until: Timestamp,
        set_within: Duration,
    },
    /// A read: when the first of the numbers was handed over that the channel may yet set, as `InBulk`.
    LookInBulk,
    /// Numbers handed over before that time will not be set any more; nobody knows which of them were.
    LoseInBulk {
        begun_before: Timestamp,
    },
    /// The channel's orders are not read, so that sales of the last so long may not be known; `None`: they are read again.
    FallBehind {
        by: Option<Duration>,
    },
    /// As `Map`, for a listing that stands for nothing yet: one that stands for something else is refused.
    MapNew {
        listing: ListingId,
        target: ListingTarget,
    },
    /// The channel cancelled so much of an order, and may have put it back on sale after it was told a number.
    PutBack {
        listing: ListingId,
        units: u32,
    },
}
