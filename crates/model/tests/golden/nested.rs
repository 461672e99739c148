//! Samples of the enums within events.

use crossdock_model::v1::{
    AttemptEnd, ChannelMode, Condition, Connector, CountBasis, CountOutcome, Fallback, Kit,
    ListingTarget, MoveReason, OrderStatus, Origin, Payment, RejectReason, Restock, Sale, Scope,
    Tracking, Verdict,
};
use crossdock_model::{Rejection, ReturnId, SourceId, TransferId};

use crate::sample::{at, component, location, order, samples, sku, stock, text};

samples!(trackings, Tracking {
    Tracked => [Tracking::Tracked],
    Untracked => [Tracking::Untracked],
    Kit => [Tracking::Kit(Kit { components: vec![component(1), component(2)], may_split: true })],
});

samples!(conditions, Condition {
    Damaged => [Condition::Damaged],
    Quality => [Condition::Quality],
});

samples!(count_bases, CountBasis {
    OnHand => [CountBasis::OnHand],
    NetOfAllocated => [CountBasis::NetOfAllocated],
    NetOfChannel => [CountBasis::NetOfChannel(order().channel)],
});

samples!(count_outcomes, CountOutcome {
    Applied => [CountOutcome::Applied],
    OlderThanLast => [CountOutcome::OlderThanLast],
    TooOld => [CountOutcome::TooOld],
});

fn transfer() -> TransferId {
    TransferId::new("T-1").expect("a transfer id")
}

samples!(move_reasons, MoveReason {
    Counted => [MoveReason::Counted { source: SourceId::new("wms").expect("a source id") }],
    Adjusted => [MoveReason::Adjusted { reason: text("found") }],
    Received => [
        MoveReason::Received { reference: Some(text("PO-5")) },
        MoveReason::Received { reference: None },
    ],
    TransferOut => [MoveReason::TransferOut { transfer: transfer(), to: location("reno") }],
    TransferIn => [MoveReason::TransferIn { transfer: transfer(), from: location("reno") }],
    MarkedUnavailable => [MoveReason::MarkedUnavailable],
    MadeAvailable => [MoveReason::MadeAvailable],
    Shipped => [MoveReason::Shipped { order: order(), attempt: 3 }],
    NotFound => [MoveReason::NotFound { order: order(), attempt: 3 }],
    Returned => [
        MoveReason::Returned {
            order: order(),
            return_id: ReturnId::new("RMA-1").expect("a return id"),
            part: 1,
        },
    ],
    SoldAtTill => [MoveReason::SoldAtTill { reference: text("till-1:55") }],
    TransferLost => [MoveReason::TransferLost { transfer: transfer(), units: 2 }],
});

samples!(sales, Sale {
    Asks => [Sale::Asks],
    AlreadySold => [Sale::AlreadySold],
});

samples!(order_statuses, OrderStatus {
    Received => [OrderStatus::Received],
    Held => [OrderStatus::Held],
    Routed => [OrderStatus::Routed],
    Reserved => [OrderStatus::Reserved],
    Requested => [OrderStatus::Requested],
    Acknowledged => [OrderStatus::Acknowledged],
    PartlyShipped => [OrderStatus::PartlyShipped],
    Shipped => [OrderStatus::Shipped],
    Closed => [OrderStatus::Closed],
    Cancelled => [OrderStatus::Cancelled],
    Backordered => [OrderStatus::Backordered],
});

samples!(payments, Payment {
    Ready => [Payment::Ready],
    Pending => [Payment::Pending],
    OnHoldUntil => [Payment::OnHoldUntil(at(1))],
    Voided => [Payment::Voided],
});

samples!(origins, Origin {
    Channel => [Origin::Channel],
    Api => [Origin::Api],
    Adopted => [Origin::Adopted],
    Hold => [Origin::Hold { expires_at: at(1) }],
    SentByChannel => [Origin::SentByChannel],
});

samples!(restocks, Restock {
    No => [Restock::No],
    Cancel => [Restock::Cancel],
    Return => [Restock::Return],
});

samples!(verdicts, Verdict {
    Chosen => [Verdict::Chosen],
    Outranked => [Verdict::Outranked],
    Excluded => [Verdict::Excluded],
});

samples!(fallbacks, Fallback {
    Backorder => [Fallback::Backorder],
    Exception => [Fallback::Exception],
});

samples!(reject_reasons, RejectReason {
    NotInStock => [RejectReason::NotInStock],
    CannotShipThere => [RejectReason::CannotShipThere],
    CapacityFull => [RejectReason::CapacityFull],
    Other => [RejectReason::Other(text("flood"))],
});

samples!(attempt_ends, AttemptEnd {
    Short => [AttemptEnd::Short { sku: sku("A-1") }],
    Contended => [AttemptEnd::Contended { sku: sku("A-1") }],
    Busy => [AttemptEnd::Busy { sku: sku("A-1") }],
    CapacityFull => [AttemptEnd::CapacityFull { location: location("reno") }],
    Changed => [AttemptEnd::Changed],
});

samples!(channel_modes, ChannelMode {
    Observed => [ChannelMode::Observed],
    Active => [ChannelMode::Active],
    Paused => [ChannelMode::Paused],
});

samples!(listing_targets, ListingTarget {
    Sku => [ListingTarget::Sku { sku: sku("A-1"), multiplier: 6 }],
    Kit => [ListingTarget::Kit { components: vec![component(2)], multiplier: 3 }],
});

samples!(connectors, Connector {
    Pull => [Connector::Pull],
    Webhook => [
        Connector::Webhook { url: text("https://wms.example/hook"), secret_name: text("wms") },
    ],
});

samples!(scopes, Scope {
    Read => [Scope::Read],
    Operate => [Scope::Operate],
    Admin => [Scope::Admin],
});

samples!(rejections, Rejection {
    Invalid => [Rejection::Invalid { field: text("units"), problem: text("must be 1 or more") }],
    NotFound => [Rejection::NotFound(text("sku:A-1"))],
    KeyConflict => [Rejection::KeyConflict],
    TooOld => [Rejection::TooOld { window_ms: 604_800_000 }],
    Short => [Rejection::Short { sku: sku("A-1"), stock: Box::new(stock()) }],
    Contended => [Rejection::Contended { sku: sku("A-1") }],
    Busy => [Rejection::Busy { sku: sku("A-1"), retry_after_ms: 500 }],
    Superseded => [Rejection::Superseded],
    HoldExpired => [Rejection::HoldExpired { at: at(1) }],
    WrongState => [
        Rejection::WrongState { state: text("the order is shipped"), hint: text("return it") },
    ],
    CapacityFull => [Rejection::CapacityFull { day: text("2026-12-24") }],
    NotStockSource => [
        Rejection::NotStockSource { given: text("shop"), expected: text("wms") },
    ],
    Limit => [Rejection::Limit { what: text("live holds"), max: 100_000 }],
    Forbidden => [Rejection::Forbidden { needed: text("admin") }],
    OrderExists => [Rejection::OrderExists(text("order:api:1001"))],
    IdConflict => [Rejection::IdConflict(text("refund 9"))],
});
