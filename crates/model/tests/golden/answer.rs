//! Samples of answers, which records of keyed commands keep.

use crossdock_model::answer::{
    Answer, EndpointView, KeyView, OrderSummary, QuarantineView, ReportTask, Seen,
};
use crossdock_model::v1::{
    BucketEvent, ChannelMode, CountOutcome, DriftClass, ListingTarget, OrderStatus, ReportKind,
    Scope,
};
use crossdock_model::{HoldId, ShipmentId};

use crate::others::{key, listing, location_facts, order_change, polled, settings, shown_level};
use crate::publishing::{number_calls, number_view, published_stock, publishing};
use crate::sample::{
    allocation, at, line_units, location, order, plan, samples, sku, stock, take, text,
};

fn summary() -> OrderSummary {
    OrderSummary {
        order: order(),
        version: 9,
        status: OrderStatus::Requested,
        updated_at: at(2),
        unfreed: true,
        requests: vec![(1, location("reno"), text("sent"))],
        backordered: vec![(sku("A-1"), 2)],
        reserved: vec![allocation()],
        hold_expires_at: Some(at(1)),
        address_version: 2,
        placed: true,
        tied: true,
    }
}

fn target() -> ListingTarget {
    let multiplier = 6;
    let sku = sku("A-1");
    ListingTarget::Sku { sku, multiplier }
}

samples!(answers, Answer {
    Done => [Answer::Done],
    Later => [Answer::Later],
    Reserved => [Answer::Reserved { takes: vec![take(1)] }],
    Queued => [Answer::Queued],
    Waits => [Answer::Waits],
    RetryNow => [Answer::RetryNow],
    Held => [
        Answer::Held {
            hold: HoldId::new("cart-9").expect("a hold id"),
            takes: vec![take(2)],
            expires_at: at(1),
        },
    ],
    Committed => [Answer::Committed],
    GivenUp => [Answer::GivenUp],
    Undecided => [Answer::Undecided],
    Kept => [Answer::Kept],
    CapacityGranted => [
        Answer::CapacityGranted { day: text("2026-12-24"), acknowledge_by: at(2) },
    ],
    Stock => [Answer::Stock(Box::new(stock()))],
    Order => [Answer::Order(Box::new(summary()))],
    Claimed => [Answer::Claimed { order: order(), first: true }],
    Channel => [
        Answer::Channel {
            settings: Some(settings()),
            mode: ChannelMode::Paused,
            adopt_older_than: Some(at(3)),
            publishing: Some(Box::new(publishing())),
            polled: Some(polled()),
            ours: [(shown_level().place, Some(at(4)))].into(),
            unreadable: [text("order:shop:1")].into(),
        },
    ],
    Listings => [Answer::Listings(vec![(listing(), target())])],
    Location => [
        Answer::Location { facts: Box::new(location_facts()), source_since: Some(at(3)) },
    ],
    Capacity => [Answer::Capacity(vec![(text("2026-12-24"), 5)])],
    RuleSet => [Answer::RuleSet { version: 2, document: text("[[rule]]\n") }],
    Keys => [
        Answer::Keys(vec![KeyView {
            id: key(),
            name: text("till"),
            scope: Scope::Read,
            secret_sha256: [9; 32],
            expires_at: None,
            revoked: true,
        }]),
    ],
    Endpoints => [
        Answer::Endpoints(vec![EndpointView {
            id: text("erp"),
            url: text("https://erp.example/hook"),
            topics: vec![text("order.reserved")],
            secret_name: text("erp"),
        }]),
    ],
    Quarantine => [
        Answer::Quarantine(vec![QuarantineView {
            entity: text("sku:A-1"),
            command_hash: Some(4),
            cause: text("It crashed three times."),
            since: at(4),
            skipped: true,
        }]),
    ],
    Mapping => [Answer::Mapping(BucketEvent::Unmapped { listing: listing() })],
    Plan => [Answer::Plan(Box::new(plan()))],
    Counted => [
        Answer::Counted { outcome: CountOutcome::OlderThanLast, on_hand_delta: -3 },
    ],
    Shown => [Answer::Shown(vec![shown_level()])],
    HoldConfirmed => [Answer::HoldConfirmed { order: order(), at: at(5) }],
    Published => [Answer::Published(Box::new(published_stock()))],
    Calls => [Answer::Calls(number_calls())],
    Numbers => [Answer::Numbers(vec![number_view()])],
    Seen => [
        Answer::Seen(Seen::AsKnown),
        Answer::Seen(Seen::InFlight),
        Answer::Seen(Seen::Fell),
        Answer::Seen(Seen::Drifted(DriftClass::ForeignEdit)),
    ],
    Report => [
        Answer::Report(Box::new(ReportTask {
            kind: ReportKind::Shipped {
                request: 1,
                shipment: ShipmentId::new("S-1").expect("a shipment id"),
                location: location("reno"),
                lines: vec![line_units(2)],
                tracking: None,
                shipped_at: at(6),
            },
            made_at: at(7),
            in_doubt: true,
            known: vec![ShipmentId::new("S-1").expect("a shipment id")],
        })),
        Answer::Report(Box::new(ReportTask {
            kind: ReportKind::Cancelled {
                lines: vec![line_units(1)], reason: text("short"), whole: true,
            },
            made_at: at(8),
            in_doubt: false,
            known: Vec::new(),
        })),
    ],
    InBulk => [Answer::InBulk(Some(at(7))), Answer::InBulk(None)],
    Channels => [Answer::Channels(vec![order().channel])],
    Changes => [Answer::Changes(vec![order_change()])],
    LastCount => [Answer::LastCount(Some((at(310), 5)))],
});
