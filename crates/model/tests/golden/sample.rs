//! What samples are made of. Values differ from each other, so that fields that change places are noticed.

use crossdock_model::answer::{LocationStock, StockView};
use crossdock_model::v1::{
    Allocation, AttemptId, Candidate, Component, Destination, ExceptionClosed, ExceptionKey,
    ExceptionNoted, ExceptionOpened, Fallback, LineFacts, LineUnits, Meta, OrderFacts, Part,
    Payment, Plan, Record, RequestLine, Sale, Take, TraceContext, Tracking, TriedRule, Verdict,
};
use crossdock_model::{
    Answer, CommandKey, CredentialId, Event, LineId, LocationId, Money, OrderId, SkuId, Timestamp,
};

/// Makes a function that returns named samples of every variant of an enum. The list is matched against the
/// enum without a wildcard: a variant without a sample does not compile.
macro_rules! samples {
    ($name:ident, $enum:ident { $($variant:ident => [$($sample:expr),+ $(,)?]),+ $(,)? }) => {
        pub fn $name() -> Vec<(String, $enum)> {
            let variant_of = |sample: &$enum| match sample {
                $($enum::$variant { .. } => stringify!($variant),)+
            };
            let mut samples: Vec<(String, $enum)> = Vec::new();
            $(
                for (number, sample) in [$($sample),+].into_iter().enumerate() {
                    let name = stringify!($variant);
                    assert_eq!(variant_of(&sample), name);
                    samples.push((format!("{name}.{number}"), sample));
                }
            )+
            samples
        }
    };
}
pub(crate) use samples;

pub fn text(text: &str) -> String {
    text.to_owned()
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + ms)
}

pub fn sku(id: &str) -> SkuId {
    SkuId::new(id).expect("a SKU id")
}

pub fn location(id: &str) -> LocationId {
    LocationId::new(id).expect("a location id")
}

pub fn line(id: &str) -> LineId {
    LineId::new(id).expect("a line id")
}

pub fn order() -> OrderId {
    "shop:820982911946154508".parse().expect("an order id")
}

pub fn attempt(attempt: u32) -> AttemptId {
    let order = order();
    AttemptId { order, attempt }
}

pub fn take(units: u32) -> Take {
    let location = location("reno");
    Take { location, units }
}

pub fn line_units(units: u32) -> LineUnits {
    let line = line("11");
    LineUnits { line, units }
}

pub fn request_line(units: u32) -> RequestLine {
    RequestLine {
        line: line("11"),
        sku: sku("A-1"),
        units,
    }
}

pub fn component(units_per_kit: u32) -> Component {
    let sku = sku("A-1");
    Component { sku, units_per_kit }
}

fn exception_key() -> ExceptionKey {
    ExceptionKey {
        kind: text("drift"),
        subject: text("sku:A-1"),
        episode: 2,
    }
}

pub fn exception_opened() -> ExceptionOpened {
    ExceptionOpened {
        key: exception_key(),
        cause: text("A count differs by 3 units."),
        evidence: vec![(text("counted"), text("7"))],
    }
}

pub fn exception_noted() -> ExceptionNoted {
    ExceptionNoted {
        key: exception_key(),
        text: text("Counting it tonight."),
    }
}

pub fn exception_closed() -> ExceptionClosed {
    ExceptionClosed {
        key: exception_key(),
        how: text("Counted again: 10."),
    }
}

pub fn line_facts() -> LineFacts {
    LineFacts {
        line: line("11"),
        title: text("Mug"),
        ordered_units: 3,
        cancelled_units: 1,
        parts: vec![Part {
            sku: sku("A-1"),
            units_per_line_unit: 2,
        }],
        unit_price: Some(Money::parse("12.50", "USD").expect("money")),
        ships: true,
    }
}

pub fn destination() -> Destination {
    Destination {
        country: text("US"),
        state: Some(text("CA")),
        postal_prefix: Some(text("941")),
        area: Some((3777, -12242)),
        address_version: 2,
    }
}

pub fn order_facts() -> OrderFacts {
    OrderFacts {
        name: text("#1001"),
        placed_at: at(1),
        updated_at: at(2),
        sale: Sale::AlreadySold,
        lines: vec![line_facts()],
        destination: Some(destination()),
        service_level: Some(text("express")),
        ship_by: Some(at(3)),
        deliver_by: Some(at(4)),
        payment: Payment::OnHoldUntil(at(5)),
        cancelled: Some((at(6), text("customer"))),
        total: Some(Money::parse("25.00", "USD").expect("money")),
        tags: vec![text("vip")],
        test: true,
    }
}

pub fn bare_order_facts() -> OrderFacts {
    OrderFacts {
        name: text("#1002"),
        placed_at: at(1),
        updated_at: at(2),
        sale: Sale::Asks,
        lines: Vec::new(),
        destination: None,
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment: Payment::Ready,
        cancelled: None,
        total: None,
        tags: Vec::new(),
        test: false,
    }
}

pub fn allocation() -> Allocation {
    Allocation {
        line: line("11"),
        sku: sku("A-1"),
        location: location("reno"),
        units: 4,
    }
}

pub fn plan() -> Plan {
    Plan {
        rule_set: 7,
        rule: text("nearest"),
        allocations: vec![allocation()],
        unplaced: vec![(line("12"), sku("B-2"), 1)],
        fallback: Fallback::Backorder,
        candidates: vec![Candidate {
            location: location("reno"),
            verdict: Verdict::Chosen,
            reason: text("Reno is nearest (12 km) with all units"),
        }],
        allowed: vec![location("reno")],
        tried: vec![TriedRule {
            rule: text("near"),
            candidates: vec![Candidate {
                location: location("reno"),
                verdict: Verdict::Chosen,
                reason: text("Reno is nearest (12 km) with all units"),
            }],
        }],
    }
}

pub fn stock() -> StockView {
    StockView {
        sku: sku("A-1"),
        version: 300,
        title: text("Mug"),
        tracking: Tracking::Tracked,
        locations: vec![LocationStock {
            location: location("reno"),
            on_hand: -1,
            committed: 2,
            held: 3,
            tentative: 4,
            unavailable: 5,
            incoming: 6,
            in_transit: 7,
            safety: 8,
            available: -15,
            ats: 9,
        }],
        waiting_units: 10,
    }
}

/// An envelope with as little as there can be.
pub fn meta() -> Meta {
    Meta {
        principal: CredentialId::new("system").expect("an id"),
        reason: None,
        key: None,
        body_hash: 0,
        issued_at: at(0),
        effective_at: None,
        trace: None,
    }
}

/// An envelope with everything there can be.
pub fn meta_in_full() -> Meta {
    Meta {
        principal: CredentialId::new("k1").expect("an id"),
        reason: Some(text("buyer called")),
        key: Some(CommandKey::new("order-7").expect("a key")),
        body_hash: u64::MAX,
        issued_at: at(1),
        effective_at: Some(at(2)),
        trace: Some(TraceContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            flags: 1,
        }),
    }
}

pub fn record(meta: Meta, events: Vec<Event>, answer: Option<Answer>) -> Record {
    Record {
        version: 70_000,
        at: at(9),
        meta,
        events,
        answer,
    }
}
