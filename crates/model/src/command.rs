//! Commands: what an entity can be asked to do. They travel in memory and between nodes, and are not journaled.
#![allow(
    missing_docs,
    reason = "variants are documented; fields are named for what they hold, with units in name or type"
)]

mod channel;
mod exception;
mod system;

use serde::{Deserialize, Serialize};

pub use self::channel::{BucketCommand, CallEnd, ChannelCommand, PauseTarget};
pub use self::exception::ExceptionCommand;
pub use self::system::SystemCommand;
use crate::answer::Answer;
pub use crate::effect::{Delivery, DeliveryKind, Effect, Notice, PlanRequest, ReportCall, Said};
use crate::rejection::Rejection;
use crate::v1::{
    AttemptId, Condition, CountBasis, Destination, ExceptionKey, LineUnits, LocationFacts,
    OrderFacts, Origin, RefundLine, RejectReason, ReportNumber, RequestLine, RequestNumber,
    ReturnLine, Sale, Take, Tracking,
};
use crate::{
    CommandKey, EntityId, HoldId, LocationId, OrderId, RefundId, ReturnId, ShipmentId, SkuId,
    SourceId, Timestamp, TransferId,
};

/// Number of a tracked effect in its entity, 1 for the first.
pub type EffectNumber = u32;

/// A command for an entity of any kind. The variant must fit the entity's kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Sku(SkuCommand),
    Order(OrderCommand),
    Request(RequestCommand),
    Channel(ChannelCommand),
    Bucket(BucketCommand),
    Location(LocationCommand),
    System(SystemCommand),
    /// The answer to an effect that this entity sent.
    Answered {
        effect: EffectNumber,
        from: EntityId,
        result: Result<Answer, Rejection>,
    },
    /// A deadline of this entity has passed.
    Wake,
    /// A read: changes nothing. The answer is the entity's view (`Stock`, `Order`, `Location`, …).
    Read,
    /// Decides and changes nothing: refused as the command would be, else *done*.
    Try(Box<Command>),
}

/// Commands for `sku:{sku}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkuCommand {
    Define {
        title: String,
        tracking: Tracking,
    },
    /// Somebody counted. `now_source`: who; applied only when the location names nobody else.
    Count {
        location: LocationId,
        source: SourceId,
        /// The location's one source of stock truth, when it names one.
        truth: Option<SourceId>,
        basis: CountBasis,
        counted: u32,
        effective_at: Timestamp,
    },
    Adjust {
        location: LocationId,
        delta: i64,
        reason: String,
    },
    Receive {
        location: LocationId,
        units: u32,
        reference: Option<String>,
    },
    /// Sets what is expected under that reference; zero units: nothing any more.
    Expect {
        location: LocationId,
        reference: String,
        units: u32,
        expected_at: Timestamp,
    },
    SetSafety {
        location: LocationId,
        units: u32,
    },
    TransferOut {
        transfer: TransferId,
        from: LocationId,
        to: LocationId,
        units: u32,
    },
    /// What has arrived so far, in all: a repeat or an overtaken statement changes nothing. Fewer than sent leaves
    /// the rest in transit, `close` writes it off.
    TransferIn {
        transfer: TransferId,
        arrived_units: u32,
        close: bool,
    },
    MarkUnavailable {
        location: LocationId,
        condition: Condition,
        units: u32,
    },
    MakeAvailable {
        location: LocationId,
        condition: Condition,
        units: u32,
    },
    SoldAtTill {
        location: LocationId,
        units: u32,
        reference: String,
    },
    /// Asks-first hold on exact locations; with an empty list the SKU itself picks, most stock first. `among`: no others
    /// than these, if named, as an order could not be sent from them.
    Hold {
        hold: HoldId,
        units: u32,
        takes: Vec<Take>,
        among: Option<Vec<LocationId>>,
        expires_at: Timestamp,
    },
    /// Gives the hold back; one that an order confirmed is that order's.
    ReleaseHold {
        hold: HoldId,
    },
    /// Tentative, all or nothing. `queue`: wait one's turn if contended. `added_units`: of all of it that the order has, waits
    /// for and was sent, units that an operator added, which its channel has not sold.
    Reserve {
        id: AttemptId,
        takes: Vec<Take>,
        sale: Sale,
        promised_at: Timestamp,
        added_units: u32,
        queue: bool,
    },
    /// Confirms a hold. As `Reserve`, by an order that names a hold: its units are the order's own, and with the
    /// reservation the hold ends. Where the hold is not live this is a reservation as any other.
    ReserveHeld {
        hold: HoldId,
        id: AttemptId,
        takes: Vec<Take>,
        sale: Sale,
        promised_at: Timestamp,
        added_units: u32,
        queue: bool,
    },
    /// A read: the stock as an order that names this hold may take it.
    ReadHeld {
        hold: HoldId,
    },
    Confirm {
        id: AttemptId,
    },
    Release {
        id: AttemptId,
    },
    /// A sold order waits for stock at these locations and no others. `seen`: the stock's version it looked at;
    /// `added_units`: as in `Reserve`.
    Wait {
        order: OrderId,
        units: u32,
        locations: Vec<LocationId>,
        promised_at: Timestamp,
        added_units: u32,
        seen: u64,
    },
    StopWaiting {
        order: OrderId,
    },
    /// The order does not take the offered units up.
    DeclineOffer {
        order: OrderId,
    },
    /// Totals so far of what a confirmed reservation shipped and gave back at a location, and how many of those
    /// given back were not found there: they only rise, so that a repeat or an overtaken statement changes nothing.
    Settle {
        id: AttemptId,
        location: LocationId,
        shipped_units: u32,
        released_units: u32,
        missing_units: u32,
    },
    /// Goods of an order came back. `part`: which of the return's parts at this SKU, each of which is taken once.
    Return {
        order: OrderId,
        return_id: ReturnId,
        part: u32,
        location: LocationId,
        units: u32,
        condition: Option<Condition>,
    },
    /// An order's word on its attempt: `Committed`, `GivenUp` or `Undecided`.
    Outcome {
        id: AttemptId,
        outcome: Answer,
    },
    /// An order's word when asked to give units back: it keeps them (a give-back arrives as `Settle`).
    Kept {
        id: AttemptId,
        location: LocationId,
    },
    /// A person settled an open exception; refused while what it tells of still holds.
    ResolveException {
        key: ExceptionKey,
        how: String,
    },
    /// A person writes onto an open exception.
    NoteException {
        key: ExceptionKey,
        text: String,
    },
    /// A bucket lists this SKU: it is told of every change. Answered with what it is told, as `Published`; a repeat asks
    /// for that again.
    Subscribe {
        bucket: EntityId,
    },
    Unsubscribe {
        bucket: EntityId,
    },
    /// A read: the count that its balances at a location follow, as `LastCount`.
    LookCount {
        location: LocationId,
    },
}

/// What an operator says of a line. What is not given stays as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEdit {
    pub line: crate::LineId,
    /// Units ordered in all, with those that have left.
    pub units: u32,
    /// What one unit is; a line that is not known needs it.
    pub sku: Option<SkuId>,
    pub title: Option<String>,
    pub unit_price: Option<crate::Money>,
}

/// Commands for `order:{channel}:{external id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderCommand {
    /// The whole order as its channel, the API or an export states it. Creates it or is merged into it.
    /// A cart's hold becomes an order with the first statement that is not a hold's; without lines it keeps those
    /// it holds. `settle`: answer only when it is reserved, backordered, refused or held (else at once).
    State {
        facts: Box<OrderFacts>,
        origin: Origin,
        settle: bool,
    },
    /// As `State` by a caller of the API, who places an order once and waits until it settles: with the same
    /// `claim` it is a repeat and changes nothing, and an order placed with another one is left alone. Units kept
    /// under `hold`, at one SKU or at several, are its own wherever it reserves; a hold that ran out is worth nothing.
    Place {
        facts: Box<OrderFacts>,
        origin: Origin,
        hold: Option<HoldId>,
        claim: CommandKey,
    },
    Refund {
        refund: RefundId,
        lines: Vec<RefundLine>,
    },
    /// The channel says somebody else sent units, or says again what it was told of a parcel of ours.
    ShippedElsewhere {
        shipment: ShipmentId,
        lines: Vec<LineUnits>,
        /// The parcel's number at its carrier.
        tracking: Option<String>,
    },
    /// The channel says they were not sent after all.
    UndoElsewhere {
        shipment: ShipmentId,
    },
    /// The channel edited the order at that time, by its clock. What was taken out is known already; what was added
    /// comes with its next statement.
    Edited {
        edited_at: Timestamp,
        removed: Vec<LineUnits>,
    },
    /// `None`: all that is left.
    Cancel {
        reason: String,
        lines: Option<Vec<LineUnits>>,
    },
    /// New statements of the lines concerned; an unknown line is added.
    EditLines {
        lines: Vec<LineEdit>,
    },
    /// The address is in the vault already.
    ChangeDestination {
        destination: Destination,
    },
    /// Empty `lines`: the whole order.
    Hold {
        lines: Vec<crate::LineId>,
        reason: String,
        until: Option<Timestamp>,
    },
    Unhold {
        lines: Vec<crate::LineId>,
    },
    /// Place again what has not left, without these locations.
    Reroute {
        exclude: Vec<LocationId>,
    },
    Split {
        lines: Vec<LineUnits>,
    },
    Note {
        text: String,
    },
    Return {
        return_id: ReturnId,
        lines: Vec<ReturnLine>,
    },
    /// Adopted orders and carts' holds: go on to fulfilment.
    Free,
    ResolveException {
        key: ExceptionKey,
        how: String,
    },
    // From locations.
    Acknowledge {
        request: RequestNumber,
    },
    Reject {
        request: RequestNumber,
        reason: RejectReason,
    },
    ShortPick {
        request: RequestNumber,
        lines: Vec<RequestLine>,
    },
    /// Empty `lines`: everything left of the request.
    Ship {
        request: RequestNumber,
        shipment: ShipmentId,
        lines: Vec<RequestLine>,
        tracking: Option<crate::v1::ParcelTracking>,
        shipped_at: Timestamp,
    },
    /// To one ask; to all that are open if none is named.
    AnswerCancel {
        request: RequestNumber,
        ask: Option<u32>,
        accepted: bool,
    },
    // From the shell.
    /// The connector delivered the request, or failed to.
    Delivered {
        request: RequestNumber,
        attempt: u32,
        error: Option<String>,
    },
    // From SKUs.
    /// A queued reservation got its turn, or did not.
    TurnCame {
        sku: SkuId,
        attempt: u32,
        result: Result<Answer, Rejection>,
    },
    /// What became of this attempt? Answered by a `SkuCommand::Outcome` notice.
    AskOutcome {
        sku: SkuId,
        attempt: u32,
    },
    /// Units came free for this order; they are kept for it until then.
    Offer {
        sku: SkuId,
        takes: Vec<Take>,
        until: Timestamp,
    },
    /// The SKU has fewer units on hand than committed there: give yours back, unless they are requested and their
    /// location cannot stop them.
    GiveBack {
        sku: SkuId,
        attempt: u32,
        location: LocationId,
    },
    /// A cart's hold is given back, as if it ran out now. One that has become an order is left alone.
    ReleaseHold,
    /// A person writes onto an open exception.
    NoteException {
        key: ExceptionKey,
        text: String,
    },
    /// A report is about to be told. Answered with what it says, as `Report`; *done*: there is nothing to tell any
    /// more. `keyed`: telling it twice does it once, so that it need not be known that it was begun.
    BeginReport {
        report: ReportNumber,
        attempt: u32,
        keyed: bool,
    },
    /// What came of it.
    Reported {
        report: ReportNumber,
        attempt: u32,
        said: Said,
    },
    /// Tell the channel again what it could not be told.
    Retell,
    /// The channel's statement of that time says that the buyer asks not to be sent these lines; none: nothing is
    /// asked, or not any more.
    CancelAsked {
        lines: Vec<crate::LineId>,
        reason: String,
        asked_at: Timestamp,
    },
}

/// Commands for `request:{credential}:{key}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestCommand {
    Claim { order: OrderId, body_hash: u64 },
}

/// Commands for `location:{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocationCommand {
    Define(Box<LocationFacts>),
    /// Capacity for the next day that is open now. The same attempt again gets the same answer.
    TakeCapacity {
        order: OrderId,
        attempt: u32,
        units: u32,
    },
    ReleaseCapacity {
        order: OrderId,
        attempt: u32,
    },
}

/// The commit class of work, by which the committer and admission share out under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    AskFirst,
    ChannelOrder,
    Location,
    Announcement,
    Import,
}
