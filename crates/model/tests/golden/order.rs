//! Samples of an order's events.

use crossdock_model::v1::{
    AttemptEnd, OrderEvent, OrderStatus, Origin, ParcelTracking, RefundLine, RejectReason,
    ReportEnd, ReportKind, Restock, ReturnLine,
};
use crossdock_model::{CommandKey, HoldId, RefundId, Rejection, ReturnId, ShipmentId};

use crate::sample::{
    allocation, at, attempt, bare_order_facts, destination, exception_closed, exception_noted,
    exception_opened, line, line_facts, line_units, location, order_facts, plan, request_line,
    samples, sku, stock, take, text,
};

fn shipment() -> ShipmentId {
    ShipmentId::new("S-1").expect("a shipment id")
}

samples!(events, OrderEvent {
    Received => [
        OrderEvent::Received { facts: Box::new(order_facts()), origin: Origin::Channel },
        OrderEvent::Received { facts: Box::new(bare_order_facts()), origin: Origin::Api },
    ],
    Merged => [OrderEvent::Merged { facts: Box::new(order_facts()) }],
    TieSeen => [OrderEvent::TieSeen { updated_at: at(1) }],
    StatusChanged => [OrderEvent::StatusChanged { to: OrderStatus::Backordered }],
    PlanRequested => [
        OrderEvent::PlanRequested { attempt: 2, excluded: vec![location("reno")] },
    ],
    Planned => [OrderEvent::Planned { attempt: 2, plan: Box::new(plan()), ordered: true }],
    SkuReserved => [OrderEvent::SkuReserved { attempt: 2, sku: sku("A-1") }],
    Reserved => [OrderEvent::Reserved { attempt: 3 }],
    AttemptClosed => [
        OrderEvent::AttemptClosed {
            attempt: 3,
            cause: AttemptEnd::Short { sku: sku("A-1") },
            retry_at: Some(at(2)),
        },
        OrderEvent::AttemptClosed { attempt: 4, cause: AttemptEnd::Changed, retry_at: None },
    ],
    BackorderedAt => [OrderEvent::BackorderedAt { skus: vec![sku("A-1"), sku("B-2")], locations: vec![location("reno")] }],
    StockReturned => [OrderEvent::StockReturned { sku: sku("A-1") }],
    RequestCreated => [
        OrderEvent::RequestCreated {
            request: 1,
            location: location("reno"),
            attempt: 2,
            lines: vec![request_line(3)],
            acknowledge_by: at(3),
            split: Some(1),
        },
    ],
    RequestSent => [OrderEvent::RequestSent { request: 1 }],
    RequestSendFailed => [
        OrderEvent::RequestSendFailed {
            request: 1,
            attempt: 2,
            error: text("time-out"),
            retry_at: Some(at(4)),
        },
    ],
    RequestAcknowledged => [OrderEvent::RequestAcknowledged { request: 2 }],
    RequestOverdue => [OrderEvent::RequestOverdue { request: 3 }],
    RequestRejected => [
        OrderEvent::RequestRejected { request: 4, reason: RejectReason::Other(text("flood")) },
    ],
    ShortPicked => [OrderEvent::ShortPicked { request: 5, lines: vec![request_line(1)] }],
    Shipped => [
        OrderEvent::Shipped {
            request: 6,
            shipment: shipment(),
            lines: vec![request_line(2)],
            tracking: Some(ParcelTracking {
                carrier: Some(text("UPS")),
                number: Some(text("1Z")),
                url: Some(text("https://example.com/1Z")),
            }),
            shipped_at: at(5),
        },
        OrderEvent::Shipped {
            request: 7,
            shipment: shipment(),
            lines: Vec::new(),
            tracking: None,
            shipped_at: at(6),
        },
    ],
    ShippedElsewhere => [
        OrderEvent::ShippedElsewhere { shipment: shipment(), lines: vec![line_units(2)] },
    ],
    RequestCancelAsked => [
        OrderEvent::RequestCancelAsked { request: 8, ask: 2, lines: vec![request_line(4)] },
    ],
    RequestCancelled => [
        OrderEvent::RequestCancelled { request: 9, ask: 1, lines: vec![request_line(2)] },
    ],
    RequestCancelRefused => [OrderEvent::RequestCancelRefused { request: 10, ask: 3 }],
    LinesCancelled => [
        OrderEvent::LinesCancelled {
            lines: vec![line_units(1)], reason: text("customer"), by_channel: true,
        },
    ],
    Refunded => [
        OrderEvent::Refunded {
            refund: RefundId::new("R-1").expect("a refund id"),
            lines: vec![RefundLine {
                line: line("11"),
                units: 1,
                restock: Restock::Return,
                location: Some(location("reno")),
            }],
        },
    ],
    Returned => [
        OrderEvent::Returned {
            return_id: ReturnId::new("RMA-1").expect("a return id"),
            lines: vec![ReturnLine {
                line: line("11"),
                units: 1,
                location: location("reno"),
                condition: None,
            }],
        },
    ],
    LinesEdited => [OrderEvent::LinesEdited { lines: vec![line_facts()] }],
    DestinationChanged => [
        OrderEvent::DestinationChanged { destination: destination(), by_operator: true },
    ],
    ConflictSeen => [
        OrderEvent::ConflictSeen { field: text("service_level"), theirs: text("standard") },
    ],
    HeldBack => [
        OrderEvent::HeldBack { lines: vec![line("11")], reason: text("fraud"), until: Some(at(7)) },
    ],
    HoldEnded => [OrderEvent::HoldEnded { lines: vec![line("11")] }],
    Freed => [OrderEvent::Freed],
    SplitAsked => [OrderEvent::SplitAsked { lines: vec![line_units(3)] }],
    Noted => [OrderEvent::Noted { text: text("called back") }],
    OfferAnswered => [OrderEvent::OfferAnswered { sku: sku("A-1"), accepted: true }],
    GaveBack => [OrderEvent::GaveBack { id: attempt(1), sku: sku("A-1"), take: take(2) }],
    EffectDone => [OrderEvent::EffectDone { effect: 12 }],
    HoldTaken => [OrderEvent::HoldTaken { hold: HoldId::new("cart-9").expect("a hold id") }],
    ExceptionOpened => [OrderEvent::ExceptionOpened(exception_opened())],
    ExceptionClosed => [OrderEvent::ExceptionClosed(exception_closed())],
    Released => [OrderEvent::Released { attempt: 5, lines: vec![allocation()] }],
    CancelUndone => [OrderEvent::CancelUndone { lines: vec![line_units(4)], reason: text("it left") }],
    StockAsked => [OrderEvent::StockAsked { skus: vec![sku("A-1")] }],
    StockSeen => [OrderEvent::StockSeen { stock: Box::new(stock()) }],
    OfferSeen => [
        OrderEvent::OfferSeen { sku: sku("A-1"), takes: vec![take(6)], until: at(8) },
    ],
    Refused => [OrderEvent::Refused { why: Box::new(Rejection::Superseded) }],
    RequestResent => [
        OrderEvent::RequestResent { request: 11, attempt: 2, ask: None },
        OrderEvent::RequestResent { request: 11, attempt: 3, ask: Some(1) },
    ],
    RerouteAsked => [OrderEvent::RerouteAsked { exclude: vec![location("reno")] }],
    TimePassed => [OrderEvent::TimePassed { until: at(9) }],
    LinesBound => [OrderEvent::LinesBound { lines: vec![(line("301"), line("export-1"))] }],
    ElsewhereUndone => [
        OrderEvent::ElsewhereUndone { shipment: shipment(), lines: vec![line_units(2)] },
    ],
    EditSeen => [OrderEvent::EditSeen { edited_at: at(11), removed: vec![line_units(1)] }],
    SlotGranted => [
        OrderEvent::SlotGranted {
            attempt: 6,
            location: location("reno"),
            day: text("2026-12-24"),
            acknowledge_by: at(10),
        },
    ],
    Claimed => [OrderEvent::Claimed { claim: CommandKey::new("k-1").expect("a key") }],
    GiveBackAsked => [
        OrderEvent::GiveBackAsked {
            id: attempt(7), sku: sku("A-1"), location: location("reno"), until: at(13),
        },
    ],
    CancelStated => [
        OrderEvent::CancelStated {
            updated_at: at(11), whole: Some((at(12), text("fraud"))), lines: vec![line_units(1)],
        },
    ],
    ExceptionNoted => [OrderEvent::ExceptionNoted(exception_noted())],
    PlacedAnew => [
        OrderEvent::PlacedAnew { facts: Box::new(bare_order_facts()), origin: Origin::Api },
    ],
    ReportMade => [
        OrderEvent::ReportMade {
            report: 1,
            kind: ReportKind::Shipped {
                request: 2,
                shipment: shipment(),
                location: location("reno"),
                lines: vec![line_units(2)],
                tracking: None,
                shipped_at: at(6),
            },
        },
        OrderEvent::ReportMade {
            report: 2,
            kind: ReportKind::Cancelled {
                lines: vec![line_units(1)], reason: text("short"), whole: true,
            },
        },
    ],
    ReportBegun => [OrderEvent::ReportBegun { report: 1 }],
    ReportFailed => [
        OrderEvent::ReportFailed {
            report: 2, error: text("time-out"), in_doubt: true, failures: 3, retry_at: Some(at(14)),
        },
    ],
    ReportRetried => [OrderEvent::ReportRetried { report: 3 }],
    ReportEnded => [
        OrderEvent::ReportEnded { report: 4, end: ReportEnd::Told { theirs: Some(shipment()) } },
        OrderEvent::ReportEnded { report: 5, end: ReportEnd::NotTold },
        OrderEvent::ReportEnded { report: 6, end: ReportEnd::Void },
    ],
    CancelAsked => [
        OrderEvent::CancelAsked { lines: vec![line("11")], reason: text("No need"), asked_at: at(15) },
    ],
    CancelRefused => [OrderEvent::CancelRefused { lines: vec![line("11")] }],
});
