//! What an order remembers.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::StockView;
use crossdock_model::v1::{
    Allocation, Destination, Fallback, LineFacts, LineUnits, OrderFacts, OrderStatus, Origin,
    ReportKind, ReportNumber, RequestLine, RequestNumber, Take,
};
use crossdock_model::{
    CommandKey, HoldId, LineId, LocationId, OrderId, RefundId, Rejection, ReturnId, ShipmentId,
    SkuId, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::decider::Pending;

/// State of an order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderState {
    /// Nothing until it is first stated.
    pub(super) order: Option<Box<Order>>,
    /// Number of the last attempt, also of those that a SKU asked about and nobody remembers.
    pub(super) last_attempt: u32,
    pub(super) pending: Pending,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub id: OrderId,
    /// The channel's last statement.
    pub facts: OrderFacts,
    pub origin: Origin,
    /// Units kept under this hold are its own.
    pub hold: Option<HoldId>,
    /// Of who placed it, and of who confirmed it when it was a cart's hold.
    pub claims: Vec<CommandKey>,
    /// Of who placed it before, with what each was refused for.
    pub refusals: BTreeMap<CommandKey, Rejection>,
    pub status: OrderStatus,
    pub lines: BTreeMap<LineId, Line>,
    /// Units that are this order's and have not left, by where they are.
    pub pieces: Vec<Piece>,
    pub grants: BTreeMap<GrantKey, Grant>,
    /// What locations said with their capacity.
    pub slots: BTreeMap<(u32, LocationId), Slot>,
    pub placing: Placing,
    pub effort: Effort,
    pub waits: BTreeMap<SkuId, u32>,
    /// Where the rules allow what it waits for to come from.
    pub waits_at: Vec<LocationId>,
    /// When it looks at that again, if it still waits then.
    pub review_at: Timestamp,
    pub offers: BTreeMap<SkuId, Offered>,
    /// Requested units that SKUs want back, and by when their location answers.
    pub asked_back: BTreeMap<GrantKey, Timestamp>,
    pub requests: BTreeMap<RequestNumber, Request>,
    /// Requests are counted on, also when the order was over in between.
    pub last_request: RequestNumber,
    pub route: Route,
    pub holds: Holds,
    /// Lines that the buyer asks not to be sent, and whether a person is still to decide that.
    pub asked: BTreeMap<LineId, bool>,
    /// An adopted order was let go, or a cart's hold confirmed.
    pub freed: bool,
    /// Everything was reserved once: from then on it is sold and cannot be refused.
    pub accepted: bool,
    pub refused: Option<Rejection>,
    /// What its channel is still to be told, by number.
    pub reports: BTreeMap<ReportNumber, Report>,
    /// Reports are counted on: with the order they name a call.
    pub last_report: ReportNumber,
    /// Why units were cancelled here last.
    pub why_cancelled: String,
    /// The channel was, or is being, told that nothing of it will be sent.
    pub is_cancel_told: bool,
    pub seen: Seen,
    pub exceptions: BTreeMap<(String, String), Episodes>,
    pub shipped_at: Option<Timestamp>,
    /// Everything due up to then was looked at.
    pub looked_at: Timestamp,
}

/// A line as it is in force: the channel's statement, or the operator's over it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub facts: LineFacts,
    pub by_operator: bool,
    /// Units that are cancelled: what `cancels` comes to, of those that have not left.
    pub cancelled: u32,
    pub cancels: Cancels,
    /// Sent by somebody else.
    pub elsewhere: u32,
    pub returned: u32,
    /// Units as they are made now.
    pub lot: Lot,
    /// Units as they were made before the line was restated, where some have left or still may.
    pub earlier: Vec<Lot>,
}

/// Who says how many units of a line are not wanted. Edits and refunds of a channel exclude each other; what is
/// decided here and what the channel says later is the same wish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cancels {
    /// By the last statement of the line.
    pub stated: u32,
    pub refunded: u32,
    /// Refunded units that had left: the buyer has them, or gives them back.
    pub refunded_sent: u32,
    /// At least so many in all, as decided here.
    pub here: u32,
    /// Of those, so many as the channel is told of.
    pub told: u32,
}

/// Units of a line that are made of the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lot {
    /// What one unit is made of: its parts, kits by their components once those are known.
    pub made_of: BTreeMap<SkuId, u32>,
    /// Units that left, by SKU.
    pub shipped: BTreeMap<SkuId, u32>,
}

/// Units of one line's SKU, reserved in one attempt at one location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub line: LineId,
    pub sku: SkuId,
    pub location: LocationId,
    pub attempt: u32,
    pub units: u32,
    pub request: Option<RequestNumber>,
}

impl Piece {
    pub fn allocation(&self) -> Allocation {
        Allocation {
            line: self.line.clone(),
            sku: self.sku.clone(),
            location: self.location.clone(),
            units: self.units,
        }
    }
}

/// (attempt, SKU, location): what a SKU knows a committed reservation by.
pub(super) type GrantKey = (u32, SkuId, LocationId);

/// Totals of a committed reservation; they only rise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Grant {
    pub units: u32,
    pub shipped: u32,
    pub released: u32,
    /// Of those released: not found.
    pub missing: u32,
}

/// By when a location acknowledges a request that is made out when its capacity was granted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Slot {
    pub granted_at: Timestamp,
    pub acknowledge_by: Timestamp,
}

/// How far missing units are placed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Placing {
    Idle,
    /// The router was asked.
    Planning,
    /// SKUs were asked for their durable stock.
    Reading(BTreeSet<SkuId>),
    /// SKUs and locations are asked to take part.
    Reserving(Box<Attempt>),
    /// To be planned again, at once or then.
    Again(Option<Timestamp>),
    /// These units wait for stock.
    Waiting(Missing),
    /// These units wait for a person.
    Stuck(Missing),
    /// It asks, and was tried for as long as somebody waits for an answer. Asked again by then it is tried anew,
    /// else it is cancelled.
    Busy {
        sku: SkuId,
        until: Timestamp,
    },
}

/// Units that lines lack, by line and SKU.
pub(super) type Missing = BTreeMap<(LineId, SkuId), u32>;

/// An open attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub number: u32,
    pub allocations: Vec<Allocation>,
    /// Whether the plan left units over, and what is to become of them.
    pub rest: Option<Rest>,
    pub ordered: bool,
    pub shares: BTreeMap<SkuId, (Vec<Take>, Step)>,
    pub slots: BTreeMap<LocationId, (u32, Step)>,
}

/// What becomes of units that a plan left over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Rest {
    pub fallback: Fallback,
    /// Where they may come from.
    pub allowed: Vec<LocationId>,
}

/// Where one participant of an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    Untouched,
    Asked,
    Granted,
}

/// How hard it has been tried to place what is missing now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Effort {
    pub tries: u32,
    pub since: Option<Timestamp>,
    /// Acquire in ascending order and queue.
    pub ordered: bool,
    /// SKUs' own statements.
    pub fresh: BTreeMap<SkuId, StockView>,
    /// Locations that had no capacity left.
    pub full: BTreeMap<LocationId, String>,
}

/// Units a SKU keeps for this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Offered {
    pub takes: Vec<Take>,
    pub until: Timestamp,
}

/// Where it may go and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Route {
    pub destination: Option<Destination>,
    pub destination_by_operator: bool,
    /// Ruled out by an operator.
    pub excluded: BTreeSet<LocationId>,
    /// What locations rejected, or found too little of.
    pub rejected: BTreeSet<(LocationId, SkuId)>,
    /// Rejections and short picks so far.
    pub reroutes: u32,
    /// How often it was to go elsewhere or another way: what was requested before is placed anew when it comes back.
    pub turns: u32,
    /// In the order they were asked for: a request names its own by number, 1 for the first.
    pub splits: Vec<Split>,
}

/// Units that travel in a request of their own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Split {
    pub lines: BTreeMap<LineId, u32>,
    /// What of it has left.
    pub shipped: Missing,
}

/// Why nothing is requested, or not these lines; with the time at which that ends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Holds {
    pub whole: Option<Option<Timestamp>>,
    pub lines: BTreeMap<LineId, Option<Timestamp>>,
}

/// Tells a repeat from something else under the same id.
pub(super) type Digest = u64;

/// What a location said of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub lines: Digest,
    pub tracking: Digest,
}

/// Ids of facts that came once and may come again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub refunds: BTreeMap<RefundId, Digest>,
    /// Of others, and of parcels of ours that it was told of, as the channel calls them.
    pub shipments: BTreeSet<ShipmentId>,
    /// Of locations: each numbers its parcels as it likes.
    pub parcels: BTreeMap<(RequestNumber, ShipmentId), Parcel>,
    pub returns: BTreeMap<ReturnId, Digest>,
    /// What of shipments by others counts, so that it can be taken back.
    pub elsewhere: BTreeMap<ShipmentId, Vec<LineUnits>>,
    pub tie_at: Option<Timestamp>,
    /// An edit that no statement covers yet: when the channel made it, and when it was heard of.
    pub edit: Option<(Timestamp, Timestamp)>,
    /// Ours by the channel's ids, for lines that were adopted without those.
    pub bound: BTreeMap<LineId, LineId>,
}

/// Openings of one (kind, subject).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Episodes {
    pub count: u32,
    pub open: bool,
}

/// Work that a location was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Request {
    pub location: LocationId,
    pub phase: Phase,
    pub acknowledge_by: Timestamp,
    pub overdue: bool,
    /// What it asked for when it was made out: every delivery of it says the same.
    pub lines: Vec<RequestLine>,
    /// Which of the order's splits it is; the rest of the order if none.
    pub split: Option<u32>,
    /// How often the order had been sent another way when it was made out.
    pub turns: u32,
    /// Deliveries to its connector so far, of either kind: they number them.
    pub deliveries: u32,
    pub sending: Sending,
    pub last_ask: u32,
    /// What its location was asked to stop and has not answered.
    pub asks: BTreeMap<u32, Ask>,
    /// Units that are too many and that its location cannot stop.
    pub refused: Vec<RequestLine>,
    pub shipped: bool,
}

/// Units that a location was asked to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub lines: Vec<RequestLine>,
    /// It was given to the connector. While the request itself is on its way it waits.
    pub begun: bool,
    pub sending: Sending,
}

/// How deliveries of one message fare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sending {
    pub failures: u32,
    pub retry_at: Option<Timestamp>,
}

/// Something the channel is to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub kind: ReportKind,
    pub made_at: Timestamp,
    /// Calls so far: they number them.
    pub attempts: u32,
    pub failures: u32,
    /// A call was begun, and nobody knows what came of it.
    pub in_doubt: bool,
    /// Calls that were begun and have no answer; some never get one.
    pub unanswered: u32,
    pub turn: Turn,
}

/// When a report is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Turn {
    /// As soon as no other report of the order is being told.
    Now,
    Then(Timestamp),
    /// Once a person says so.
    Never,
}

/// How far a location is with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Created,
    Sent,
    Acknowledged,
    Rejected,
    Cancelled,
    Shipped,
}

impl Phase {
    pub fn is_open(self) -> bool {
        matches!(self, Self::Created | Self::Sent | Self::Acknowledged)
    }
}
