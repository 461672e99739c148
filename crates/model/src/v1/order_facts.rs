//! What an order's events speak of: its states, its lines, plans and requests.

use serde::{Deserialize, Serialize};

use super::{Condition, Sale};
use crate::{LineId, LocationId, Money, ShipmentId, SkuId, Timestamp};

/// Where an order is. Legal successors are in [`OrderStatus::successors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OrderStatus {
    Received,
    /// On hold as a whole, or a cart's hold that nobody has confirmed yet.
    Held,
    Routed,
    Reserved,
    Requested,
    Acknowledged,
    PartlyShipped,
    Shipped,
    Closed,
    Cancelled,
    Backordered,
}

impl std::fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Received => "received",
            Self::Held => "held",
            Self::Routed => "routed",
            Self::Reserved => "reserved",
            Self::Requested => "requested",
            Self::Acknowledged => "acknowledged",
            Self::PartlyShipped => "partly shipped",
            Self::Shipped => "shipped",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
            Self::Backordered => "backordered",
        })
    }
}

impl OrderStatus {
    /// The states that may follow this one.
    #[must_use]
    #[rustfmt::skip]
    pub fn successors(self) -> &'static [Self] {
        use OrderStatus::{
            Acknowledged, Backordered, Cancelled, Closed, Held, PartlyShipped, Received, Requested,
            Reserved, Routed, Shipped,
        };
        match self {
            Received => &[Held, Routed, Backordered, Shipped, PartlyShipped, Closed, Cancelled],
            Held => &[Received, Routed, Reserved, Requested, Backordered, PartlyShipped, Shipped, Cancelled, Closed],
            Routed => &[Held, Received, Reserved, Backordered, PartlyShipped, Shipped, Cancelled],
            Reserved => &[Held, Received, Routed, Requested, Backordered, PartlyShipped, Shipped, Cancelled],
            Requested => &[Held, Received, Routed, Reserved, Acknowledged, Backordered, PartlyShipped, Shipped, Cancelled],
            Acknowledged => &[Held, Received, Routed, Reserved, Requested, Backordered, PartlyShipped, Shipped, Cancelled],
            PartlyShipped => &[Held, Received, Routed, Reserved, Requested, Acknowledged, Backordered, Shipped, Closed, Cancelled],
            Shipped => &[Closed, PartlyShipped, Received],
            Backordered => &[Held, Received, Routed, Reserved, PartlyShipped, Shipped, Cancelled],
            // More was sold: what it lacks is placed as in a new order.
            Closed | Cancelled => &[Received],
        }
    }
}

/// Whether money is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payment {
    /// Paid or authorised: may be fulfilled.
    Ready,
    /// Not yet: reserved, not requested.
    Pending,
    /// Not before that time: reserved, not requested.
    OnHoldUntil(Timestamp),
    /// Will not come: nothing may be sent.
    Voided,
}

/// Where it goes, as far as decisions need it. The address itself is in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Destination {
    /// ISO 3166-1 alpha-2, capital letters.
    pub country: String,
    /// ISO 3166-2 without the country.
    pub state: Option<String>,
    /// The first characters of the postal code, at most 3.
    pub postal_prefix: Option<String>,
    /// Latitude and longitude in hundredths of a degree: enough for distance, too coarse for a door.
    pub area: Option<(i16, i16)>,
    /// Names the address in the vault: another one for another address, 0 for none.
    pub address_version: u64,
}

/// What one unit of a line is made of, after the listing map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    pub sku: SkuId,
    pub units_per_line_unit: u32,
}

/// A line as the channel (or the API) states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFacts {
    pub line: LineId,
    pub title: String,
    pub ordered_units: u32,
    /// Units the channel says are no longer wanted (removed by an edit, cancelled). Refunded ones come by their
    /// refunds and are not in it.
    pub cancelled_units: u32,
    pub parts: Vec<Part>,
    pub unit_price: Option<Money>,
    /// Whether it is sent at all (gift cards are not).
    pub ships: bool,
}

/// The whole of an order as its channel states it at one time. No personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderFacts {
    /// What people call it, `#1001`.
    pub name: String,
    pub placed_at: Timestamp,
    /// The channel's own time of this state; newer wins.
    pub updated_at: Timestamp,
    pub sale: Sale,
    pub lines: Vec<LineFacts>,
    pub destination: Option<Destination>,
    pub service_level: Option<String>,
    pub ship_by: Option<Timestamp>,
    pub deliver_by: Option<Timestamp>,
    pub payment: Payment,
    /// The channel cancelled it: when and why.
    pub cancelled: Option<(Timestamp, String)>,
    pub total: Option<Money>,
    pub tags: Vec<String>,
    /// A test order of the channel: goes all the way, is marked everywhere.
    pub test: bool,
}

/// How an order came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    Channel,
    Api,
    /// Read from an export when the channel was adopted: reserved, released to fulfilment by hand.
    Adopted,
    /// A cart's hold on several SKUs: cancelled unless confirmed before it expires.
    Hold {
        expires_at: Timestamp,
    },
    /// Its channel sends it, from stock that is not ours: nothing of it is reserved, requested or told, and it is open
    /// until the channel says that it left or was cancelled.
    SentByChannel,
}

/// Units of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineUnits {
    pub line: LineId,
    pub units: u32,
}

/// What happens to refunded goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restock {
    /// Not restocked. Units that had left stay with the buyer, or are lost; those that had not are cancelled.
    No,
    /// They were never sent: the units are cancelled and free.
    Cancel,
    /// They come back: expected at a location, and stock only when somebody says so.
    Return,
}

/// A refunded line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundLine {
    pub line: LineId,
    pub units: u32,
    pub restock: Restock,
    pub location: Option<LocationId>,
}

/// Goods that came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnLine {
    pub line: LineId,
    pub units: u32,
    pub location: LocationId,
    /// `None`: sellable again.
    pub condition: Option<Condition>,
}

/// Units of one line's part at one location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Allocation {
    pub line: LineId,
    pub sku: SkuId,
    pub location: LocationId,
    pub units: u32,
}

/// How a location fared in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Chosen,
    /// Could have, another was preferred.
    Outranked,
    /// A hard requirement failed.
    Excluded,
}

/// Why a location was or was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub location: LocationId,
    pub verdict: Verdict,
    /// The first reason, in one plain sentence.
    pub reason: String,
}

/// What to do with units that no location can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fallback {
    /// Wait for stock.
    Backorder,
    /// Open an exception and wait for a person.
    Exception,
}

/// The router's decision, exact to (SKU, location, units), with its reasoning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the rule set it rests on.
    pub rule_set: u32,
    /// Name of the rule that matched.
    pub rule: String,
    pub allocations: Vec<Allocation>,
    /// Units per (line, SKU) that found no place, by SKU.
    pub unplaced: Vec<(LineId, SkuId, u32)>,
    pub fallback: Fallback,
    pub candidates: Vec<Candidate>,
    /// Locations that the rules allow this order, whether or not they have any of it: where what it lacks may come
    /// from later.
    pub allowed: Vec<LocationId>,
    /// Rules that were tried before and handed the order on, first one first.
    pub tried: Vec<TriedRule>,
}

/// A rule that could not place everything and handed the order on, with how locations fared by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriedRule {
    pub rule: String,
    pub candidates: Vec<Candidate>,
}

/// Number of a fulfilment request in its order, 1 for the first.
pub type RequestNumber = u32;

/// A unit of work for a location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestLine {
    pub line: LineId,
    pub sku: SkuId,
    pub units: u32,
}

/// What a carrier calls a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelTracking {
    pub carrier: Option<String>,
    pub number: Option<String>,
    pub url: Option<String>,
}

/// Why a location refuses a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RejectReason {
    NotInStock,
    CannotShipThere,
    CapacityFull,
    Other(String),
}

/// Number of a report in its order, 1 for the first.
pub type ReportNumber = u32;

/// What an order's channel is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportKind {
    /// These have left in one parcel.
    Shipped {
        request: RequestNumber,
        shipment: ShipmentId,
        location: LocationId,
        lines: Vec<LineUnits>,
        tracking: Option<ParcelTracking>,
        shipped_at: Timestamp,
    },
    /// These will not be sent. `whole`: nothing of the order was or will be.
    Cancelled {
        lines: Vec<LineUnits>,
        reason: String,
        whole: bool,
    },
}

/// How a report ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportEnd {
    /// The channel knows, and calls the parcel this, if it has a name for it.
    Told { theirs: Option<ShipmentId> },
    /// Nobody is connected who could be told.
    NotTold,
    /// There is nothing to tell any more, or a person saw to it.
    Void,
}
