//! What is published to a channel: its places, what is kept back, what SKUs say for it, and the calls made.

use serde::{Deserialize, Serialize};

use super::{ChannelMode, Tracking};
use crate::{ChannelId, Duration, ListingId, LocationId, SkuId, SourceId, Timestamp};

/// How the id of a listing begins that stands for one line of an order, which names nothing that is sold.
pub const LINE_LISTING: &str = "line:";

/// How a channel takes the number of units it is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Writes {
    /// Only if it still shows the number that is named beside the new one.
    CompareAndSet,
    /// Whatever it shows is replaced; its own sales lower it from there.
    Absolute,
}

/// What it means that a channel does not count a listing at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Uncounted {
    /// It is sold there without end.
    Endless,
    /// The channel sends it, from stock that it has itself.
    SentByChannel,
}

/// A place of the channel, and the locations whose stock it sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPlace {
    /// The channel's name for it.
    pub place: SourceId,
    /// Our locations. No location belongs to two places, so that what is shown at all of them together is never more
    /// than there is.
    pub locations: Vec<LocationId>,
}

/// Units kept back from a channel, of each listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Buffer {
    /// Always as many.
    Fixed { units: u32 },
    /// As many as others sell until this channel shows it, but for that risk; between floor and cap.
    Measured {
        risk_ppm: u32,
        /// The 99th percentile of the time from a sale elsewhere to this channel showing it.
        lag: Duration,
        floor_units: u32,
        cap_units: u32,
    },
}

/// How long a channel takes to show a change, as it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredLag {
    /// What is reckoned with.
    pub lag: Duration,
    /// Of a hundred changes 99 were shown within that.
    pub p99: Duration,
    /// So many were measured.
    pub changes: u64,
}

/// What is published to a channel, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publishing {
    /// Counted by the channel: what is older than known changes nothing.
    pub version: u64,
    pub mode: ChannelMode,
    pub writes: Writes,
    pub places: Vec<ChannelPlace>,
    /// The channel counts listings whose ids begin so; others are only what its orders name. Empty: it counts all.
    pub counted: String,
    /// What it means that one of these is not counted at a place.
    pub uncounted: Uncounted,
    pub buffer: Buffer,
    /// The lag as it is measured, while that is longer than the one configured for [`Buffer::Measured`].
    pub lag_measured: Option<MeasuredLag>,
    /// The 99th percentile of the time from a sale of the channel itself to its unit being taken off our stock.
    pub unseen_for: Duration,
    /// Risk at which more than the expected unseen sales happened, in millionths.
    pub unseen_risk_ppm: u32,
    /// A call that has not ended after that is of unknown outcome.
    pub call_for: Duration,
    /// A number that is wrong for longer needs a person.
    pub wrong_for: Duration,
    /// Shown as none here, whatever there is.
    pub paused_skus: Vec<SkuId>,
    /// Counted as empty here.
    pub paused_locations: Vec<LocationId>,
    /// Of the locations of its places, those that are closed: nothing could be sent from there.
    pub closed_locations: Vec<LocationId>,
    /// Of its places, those that nobody has let in yet: they are read, and nothing is sent there. While the channel is only
    /// observed that is so of all, and none is named here.
    pub observed_places: Vec<SourceId>,
}

impl Publishing {
    /// What is published to a channel at these places while it is only observed: it counts all listings, nothing is kept
    /// back, a call takes 15 seconds at most, and a person is told of what is wrong for ten minutes.
    #[must_use]
    pub fn plain(writes: Writes, places: Vec<ChannelPlace>) -> Self {
        Self {
            version: 0,
            mode: ChannelMode::Observed,
            writes,
            places,
            counted: String::new(),
            uncounted: Uncounted::Endless,
            buffer: Buffer::Fixed { units: 0 },
            lag_measured: None,
            unseen_for: Duration::default(),
            unseen_risk_ppm: 0,
            call_for: Duration::from_s(15),
            wrong_for: Duration::from_minutes(10),
            paused_skus: Vec::new(),
            paused_locations: Vec::new(),
            closed_locations: Vec::new(),
            observed_places: Vec::new(),
        }
    }

    /// Whether numbers are sent to a place of it.
    #[must_use]
    pub fn sends_to(&self, place: &SourceId) -> bool {
        self.mode != ChannelMode::Observed && !self.observed_places.contains(place)
    }

    /// Whether the channel counts a listing: none that only a line of an order stands for.
    #[must_use]
    pub fn counts(&self, listing: &ListingId) -> bool {
        let id = listing.as_str();
        id.starts_with(&self.counted) && !id.starts_with(LINE_LISTING)
    }

    /// The lag that is reckoned with: the longer one of what is configured and what is measured.
    #[must_use]
    pub fn lag_beside(&self, configured: Duration) -> Duration {
        let measured = self.lag_measured.as_ref();
        measured.map_or(configured, |measured| measured.lag.max(configured))
    }
}

/// How far a listing is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ListingMode {
    /// Shown with this share of the stock, in thousandths.
    Live { share_permille: u16 },
    /// Its wave has not been opened: shows none.
    NotInWave,
    /// Shows none.
    Paused,
}

/// Units of a SKU sold on a channel and taken off its stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sold {
    /// When, by the channel's clock.
    pub at: Timestamp,
    pub units: u32,
}

/// How fast a SKU sells on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellingRate {
    pub channel: ChannelId,
    /// Thousandths of a unit per hour in stock.
    pub milli_per_h: u64,
    /// How much that is worth: the shape of its gamma distribution, in thousandths.
    pub shape_milli: u64,
}

/// What a SKU says for one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedStock {
    pub sku: SkuId,
    pub version: u64,
    pub tracking: Tracking,
    /// Units available to sell, at each location where the stock is known.
    pub ats: Vec<(LocationId, u32)>,
    /// The channel's last sales that `ats` is lowered by, the oldest first: none that is not named was made after that.
    pub sold: Vec<Sold>,
    /// Units of all sales of the channel, with those that are not named any more.
    pub sold_units: u64,
    /// Whether no other bucket of the channel lists the SKU.
    pub sole: bool,
    pub rates: Vec<SellingRate>,
    /// The SKU is put aside after crashes: there is none of it, whatever else is said here.
    pub aside: bool,
    /// When the oldest change was made that this tells of.
    pub at: Timestamp,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallOutcome {
    /// The channel shows what was sent, since then by its clock.
    Confirmed { at: Timestamp },
    /// The channel showed another number than it was compared with; nothing has changed.
    Stale,
    /// The channel refused it and says why; nothing has changed.
    Refused { problem: String },
    /// Nobody knows.
    Unknown,
    /// It was not carried out, which says nothing of this number.
    NotDone,
}

/// Why a channel showed another number than its sales and our writes explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DriftClass {
    /// It shows what it showed before our last write, which it had confirmed.
    LostUpdate,
    /// Somebody else changed it.
    ForeignEdit,
    /// It does so again and again: something else writes there, or the listing is not what it is mapped to.
    WrongMapping,
}
