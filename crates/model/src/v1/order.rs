//! Events of an order.

use serde::{Deserialize, Serialize};

use super::{
    Allocation, AttemptId, Destination, ExceptionClosed, ExceptionNoted, ExceptionOpened,
    LineFacts, LineUnits, OrderFacts, OrderStatus, Origin, ParcelTracking, Plan, RefundLine,
    RejectReason, ReportEnd, ReportKind, ReportNumber, RequestLine, RequestNumber, ReturnLine,
    Take,
};
use crate::answer::StockView;
use crate::rejection::Rejection;
use crate::{
    CommandKey, HoldId, LineId, LocationId, RefundId, ReturnId, ShipmentId, SkuId, Timestamp,
};

/// Events of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderEvent {
    /// First seen.
    Received {
        facts: Box<OrderFacts>,
        origin: Origin,
    },
    /// A newer statement of the channel was taken over; fields an operator set were left.
    Merged {
        facts: Box<OrderFacts>,
    },
    /// A different statement with the same time as the last: which of them is newer cannot be told. What it cancels
    /// counts, the rest waits for the next one.
    TieSeen {
        updated_at: Timestamp,
    },
    /// The state changed, along [`OrderStatus::successors`].
    StatusChanged {
        to: OrderStatus,
    },
    /// An attempt to place units began; it is numbered and may exclude locations.
    PlanRequested {
        attempt: u32,
        excluded: Vec<LocationId>,
    },
    /// The router answered; SKUs are asked to reserve (in order and queued when `ordered`).
    Planned {
        attempt: u32,
        plan: Box<Plan>,
        ordered: bool,
    },
    /// A SKU of the attempt took all of it, tentatively.
    SkuReserved {
        attempt: u32,
        sku: SkuId,
    },
    /// The commit point: all of the attempt's units are this order's.
    Reserved {
        attempt: u32,
    },
    /// The attempt is given up and everything of it released. An order that asks and is to be tried again only
    /// much later is *busy*: it rests until it is asked for again.
    AttemptClosed {
        attempt: u32,
        cause: AttemptEnd,
        retry_at: Option<Timestamp>,
    },
    /// Some units wait for stock at these SKUs, at the locations that the rules allow.
    BackorderedAt {
        skus: Vec<SkuId>,
        locations: Vec<LocationId>,
    },
    /// A SKU moved on, or offered units: the order plans again.
    StockReturned {
        sku: SkuId,
    },
    /// A request was made out to a location, over units of these attempts.
    RequestCreated {
        request: RequestNumber,
        location: LocationId,
        attempt: u32,
        lines: Vec<RequestLine>,
        acknowledge_by: Timestamp,
        /// Which of the order's splits it is, 1 for the first; none: the rest of the order.
        split: Option<u32>,
    },
    /// Its connector delivered it (or it lies ready to be fetched).
    RequestSent {
        request: RequestNumber,
    },
    /// Delivery failed; tried again at `retry_at`.
    RequestSendFailed {
        request: RequestNumber,
        attempt: u32,
        error: String,
        retry_at: Option<Timestamp>,
    },
    RequestAcknowledged {
        request: RequestNumber,
    },
    /// No acknowledgement by its deadline.
    RequestOverdue {
        request: RequestNumber,
    },
    RequestRejected {
        request: RequestNumber,
        reason: RejectReason,
    },
    /// The location found fewer units than asked for; the missing ones go elsewhere.
    ShortPicked {
        request: RequestNumber,
        lines: Vec<RequestLine>,
    },
    /// A parcel left.
    Shipped {
        request: RequestNumber,
        shipment: ShipmentId,
        lines: Vec<RequestLine>,
        tracking: Option<ParcelTracking>,
        shipped_at: Timestamp,
    },
    /// The channel says units were sent by somebody else; nothing of ours moves.
    ShippedElsewhere {
        shipment: ShipmentId,
        lines: Vec<LineUnits>,
    },
    /// The location was asked to stop these units, beside those of other asks.
    RequestCancelAsked {
        request: RequestNumber,
        /// 1 for the first of the request.
        ask: u32,
        lines: Vec<RequestLine>,
    },
    /// It did: these are no longer requested.
    RequestCancelled {
        request: RequestNumber,
        ask: u32,
        lines: Vec<RequestLine>,
    },
    /// It could not.
    RequestCancelRefused {
        request: RequestNumber,
        ask: u32,
    },
    /// Units are no longer wanted. `by_channel`: as the channel's statements, edits and refunds have it, which it may
    /// take back; else it was decided here.
    LinesCancelled {
        lines: Vec<LineUnits>,
        reason: String,
        by_channel: bool,
    },
    Refunded {
        refund: RefundId,
        lines: Vec<RefundLine>,
    },
    Returned {
        return_id: ReturnId,
        lines: Vec<ReturnLine>,
    },
    /// An operator changed lines: the whole new statement of the lines concerned.
    LinesEdited {
        lines: Vec<LineFacts>,
    },
    /// The address was changed (it is in the vault); `by_operator` keeps channels from overwriting it.
    DestinationChanged {
        destination: Destination,
        by_operator: bool,
    },
    /// A channel stated another value for a field an operator set.
    ConflictSeen {
        field: String,
        theirs: String,
    },
    /// On hold, as a whole or these lines, until then or until released.
    HeldBack {
        lines: Vec<LineId>,
        reason: String,
        until: Option<Timestamp>,
    },
    /// The hold ended for the whole or these lines.
    HoldEnded {
        lines: Vec<LineId>,
    },
    /// An adopted order was let go to fulfilment, or a cart's hold confirmed.
    Freed,
    /// An operator asked for these units to travel in a request of their own.
    SplitAsked {
        lines: Vec<LineUnits>,
    },
    Noted {
        text: String,
    },
    /// A SKU's offer to this order was answered.
    OfferAnswered {
        sku: SkuId,
        accepted: bool,
    },
    /// Units were given back to a SKU that is short.
    GaveBack {
        id: AttemptId,
        sku: SkuId,
        take: Take,
    },
    /// An effect was answered and is no longer outstanding.
    EffectDone {
        effect: u32,
    },
    /// The order names this hold: units kept under it are its own wherever it reserves.
    HoldTaken {
        hold: HoldId,
    },
    ExceptionOpened(ExceptionOpened),
    ExceptionClosed(ExceptionClosed),
    /// Units that were reserved are let go: cancelled, edited away, or to be placed elsewhere.
    Released {
        attempt: u32,
        lines: Vec<Allocation>,
    },
    /// Cancelled units were sent all the same, or are wanted again.
    CancelUndone {
        lines: Vec<LineUnits>,
        reason: String,
    },
    /// The plan found no place for units of these SKUs: their durable stock is asked for before anything is
    /// concluded from that.
    StockAsked {
        skus: Vec<SkuId>,
    },
    /// A SKU's own statement of its stock, on which the next plan and any refusal rest.
    StockSeen {
        stock: Box<StockView>,
    },
    /// A SKU keeps units for this order until then.
    OfferSeen {
        sku: SkuId,
        takes: Vec<Take>,
        until: Timestamp,
    },
    /// An order that asked first takes nothing: short, no capacity, or its hold expired.
    Refused {
        why: Box<Rejection>,
    },
    /// The request, or an ask to stop units of it, is given to its connector again.
    RequestResent {
        request: RequestNumber,
        attempt: u32,
        ask: Option<u32>,
    },
    /// Somebody wants what has not left placed again, without these locations.
    RerouteAsked {
        exclude: Vec<LocationId>,
    },
    /// Everything due up to then was looked at. Locations that can be given work and said long ago by when they
    /// acknowledge are asked again.
    TimePassed {
        until: Timestamp,
    },
    /// A location of the attempt granted its capacity on a day, and says by when it acknowledges.
    SlotGranted {
        attempt: u32,
        location: LocationId,
        day: String,
        acknowledge_by: Timestamp,
    },
    /// Placed, or a cart's hold confirmed, by the caller who holds this claim: who asks with it again asks for what
    /// was done, and nobody else can place the order anew.
    Claimed {
        claim: CommandKey,
    },
    /// What the channel calls lines that were adopted without its ids: (the channel's id, ours). Once a line.
    LinesBound {
        lines: Vec<(LineId, LineId)>,
    },
    /// The channel took back that somebody else sent units: they are ours to send again. Without lines: it never
    /// said so before, and a late statement of it counts no more.
    ElsewhereUndone {
        shipment: ShipmentId,
        lines: Vec<LineUnits>,
    },
    /// The channel edited the order and took out these units; its next statement says how in full.
    EditSeen {
        edited_at: Timestamp,
        removed: Vec<LineUnits>,
    },
    /// A SKU that is short wants units back that are requested: the location is asked, and has until then to answer.
    GiveBackAsked {
        id: AttemptId,
        sku: SkuId,
        location: LocationId,
        until: Timestamp,
    },
    /// A statement that is not newer than the last tells of cancellations: of the whole order, or so many units of
    /// lines in all. They hold whenever they are heard of.
    CancelStated {
        updated_at: Timestamp,
        whole: Option<(Timestamp, String)>,
        lines: Vec<LineUnits>,
    },
    /// A person wrote a note onto an open exception.
    ExceptionNoted(ExceptionNoted),
    /// It was refused before it was ever accepted, and is placed anew by another claim: nothing of the try before
    /// counts but that claims of it get its refusal.
    PlacedAnew {
        facts: Box<OrderFacts>,
        origin: Origin,
    },
    /// The channel is to be told.
    ReportMade {
        report: ReportNumber,
        kind: ReportKind,
    },
    /// A report is about to be told: from now on nobody knows whether it was, until an answer has come.
    ReportBegun {
        report: ReportNumber,
    },
    /// It was not told, `failures` times by now, or nobody knows; tried again then, if at all.
    ReportFailed {
        report: ReportNumber,
        error: String,
        in_doubt: bool,
        failures: u32,
        retry_at: Option<Timestamp>,
    },
    /// It is to be told again.
    ReportRetried {
        report: ReportNumber,
    },
    ReportEnded {
        report: ReportNumber,
        end: ReportEnd,
    },
    /// By its channel's statement of that time the buyer asks not to be sent these lines, and no others: what of them
    /// was not requested yet waits for a person.
    CancelAsked {
        lines: Vec<LineId>,
        reason: String,
        asked_at: Timestamp,
    },
    /// A person decided that these lines are sent although the buyer asked not to be sent them.
    CancelRefused {
        lines: Vec<LineId>,
    },
}

/// Why an attempt was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptEnd {
    /// A SKU had too little: final against this plan.
    Short { sku: SkuId },
    /// Tentative units of others were in the way.
    Contended { sku: SkuId },
    /// A queue was full or its deadline passed.
    Busy { sku: SkuId },
    /// A location had no capacity left.
    CapacityFull { location: LocationId },
    /// The order changed meanwhile.
    Changed,
}
