//! Samples of a SKU's events.

use crossdock_model::v1::{
    Condition, CountBasis, CountOutcome, Kit, MoveReason, Sale, SkuEvent, Tracking,
};
use crossdock_model::{HoldId, SourceId};

use crate::publishing::bucket;
use crate::sample::{
    at, attempt, component, exception_closed, exception_noted, exception_opened, location, order,
    samples, take, text,
};

fn hold() -> HoldId {
    HoldId::new("cart-9").expect("a hold id")
}

fn source() -> SourceId {
    SourceId::new("wms").expect("a source id")
}

samples!(events, SkuEvent {
    Defined => [
        SkuEvent::Defined { title: text("Mug"), tracking: Tracking::Tracked },
        SkuEvent::Defined { title: text("Set"), tracking: Tracking::Kit(Kit { components: vec![component(2)], may_split: false }) },
    ],
    Moved => [
        SkuEvent::Moved {
            location: location("reno"),
            on_hand_delta: -3,
            unavailable_delta: 2,
            condition: Some(Condition::Damaged),
            reason: MoveReason::Counted { source: source() },
            effective_at: at(1),
        },
    ],
    Counted => [
        SkuEvent::Counted {
            location: location("reno"),
            source: source(),
            basis: CountBasis::NetOfAllocated,
            counted: 300,
            effective_at: at(1),
            outcome: CountOutcome::OlderThanLast,
        },
    ],
    IncomingSet => [
        SkuEvent::IncomingSet {
            location: location("reno"),
            reference: text("PO-5"),
            units: 70_000,
            expected_at: at(2),
        },
    ],
    SafetySet => [SkuEvent::SafetySet { location: location("reno"), units: 5 }],
    Held => [
        SkuEvent::Held { hold: hold(), takes: vec![take(1), take(2)], expires_at: at(3) },
    ],
    HoldExpired => [SkuEvent::HoldExpired { hold: hold() }],
    HoldReleased => [SkuEvent::HoldReleased { hold: hold() }],
    HoldConfirmed => [SkuEvent::HoldConfirmed { hold: hold(), id: attempt(1) }],
    Reserved => [
        SkuEvent::Reserved {
            id: attempt(2),
            takes: vec![take(3)],
            sale: Sale::Asks,
            promised_at: at(4),
            ask_at: at(5),
        },
    ],
    OutcomeAsked => [SkuEvent::OutcomeAsked { id: attempt(3), ask_at: at(6) }],
    Confirmed => [SkuEvent::Confirmed { id: attempt(4) }],
    Released => [SkuEvent::Released { id: attempt(5) }],
    Queued => [
        SkuEvent::Queued {
            id: attempt(6),
            takes: vec![take(4)],
            sale: Sale::AlreadySold,
            promised_at: at(7),
            deadline: at(8),
        },
    ],
    Unqueued => [SkuEvent::Unqueued { id: attempt(7) }],
    Waiting => [
        SkuEvent::Waiting {
            order: order(),
            units: 6,
            locations: vec![location("reno")],
            promised_at: at(9),
        },
    ],
    WaitEnded => [SkuEvent::WaitEnded { order: order() }],
    Offered => [SkuEvent::Offered { order: order(), takes: vec![take(5)], until: at(10) }],
    OfferEnded => [SkuEvent::OfferEnded { order: order() }],
    Settled => [
        SkuEvent::Settled {
            id: attempt(8),
            location: location("reno"),
            shipped_units: 7,
            released_units: 8,
            missing_units: 1,
        },
    ],
    AskedBack => [
        SkuEvent::AskedBack { id: attempt(9), location: location("reno"), ask_at: at(11) },
    ],
    KeptBy => [SkuEvent::KeptBy { id: attempt(10), location: location("reno") }],
    ExceptionOpened => [SkuEvent::ExceptionOpened(exception_opened())],
    ExceptionClosed => [SkuEvent::ExceptionClosed(exception_closed())],
    ExceptionNoted => [SkuEvent::ExceptionNoted(exception_noted())],
    Subscribed => [SkuEvent::Subscribed { bucket: bucket() }],
    Unsubscribed => [SkuEvent::Unsubscribed { bucket: bucket() }],
    AddedHere => [SkuEvent::AddedHere { order: order(), units: 2 }],
});
