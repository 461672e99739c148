//! A sentence for every event of an order: the table does not compile without one for each variant.

use crossdock_model::answer::{LocationStock, StockView};
use crossdock_model::v1::{
    Allocation, AttemptEnd, AttemptId, Candidate, Destination, ExceptionClosed, ExceptionKey,
    ExceptionNoted, ExceptionOpened, Fallback, LineFacts, LineUnits, OrderEvent, OrderFacts,
    OrderStatus, Origin, ParcelTracking, Payment, Plan, RefundLine, RejectReason, ReportEnd,
    ReportKind, RequestLine, Restock, ReturnLine, Sale, Take, Tracking, TriedRule, Verdict,
};
use crossdock_model::{
    CommandKey, HoldId, LineId, LocationId, RefundId, Rejection, ReturnId, ShipmentId, SkuId,
    Timestamp,
};

use super::{Told, order};

/// Checks rows of (event, sentence), at least one for each variant; an empty sentence stands for none.
macro_rules! table {
    ($(($variant:ident $fields:tt, $sentence:expr)),+ $(,)?) => {
        #[test]
        fn every_event_is_told() {
            #[allow(unreachable_patterns, reason = "an event may be told in several ways")]
            fn known(event: &OrderEvent) -> &'static str {
                match event { $(table!(@pattern $variant $fields) => stringify!($variant),)+ }
            }
            $(
                let event = table!(@event $variant $fields);
                assert_eq!(known(&event), stringify!($variant));
                check(&event, $sentence);
            )+
        }
    };
    (@pattern $variant:ident $fields:tt) => { OrderEvent::$variant { .. } };
    (@event $variant:ident {}) => { OrderEvent::$variant };
    (@event $variant:ident { $($fields:tt)+ }) => { OrderEvent::$variant { $($fields)+ } };
    (@event $variant:ident ($value:expr)) => { OrderEvent::$variant($value) };
}

fn check(event: &OrderEvent, sentence: &str) {
    let told = Told {
        channel: "shop".to_owned(),
        plan: Some(plan()),
        request: Some(("reno".to_owned(), at().as_ms())),
        report: Some("parcel S-1".to_owned()),
    };
    let found = order(event, &told).map(|(_, sentence)| sentence);
    assert_eq!(found.unwrap_or_default(), sentence);
    let unknown = order(event, &Told::default());
    assert_eq!(
        unknown.is_none(),
        sentence.is_empty(),
        "{event:?} without its context"
    );
}

fn text(text: &str) -> String {
    text.to_owned()
}
fn at() -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000)
}
fn sku(id: &str) -> SkuId {
    SkuId::new(id).unwrap()
}
fn place(id: &str) -> LocationId {
    LocationId::new(id).unwrap()
}
fn line(id: &str) -> LineId {
    LineId::new(id).unwrap()
}
fn shipment() -> ShipmentId {
    ShipmentId::new("S-1").unwrap()
}
fn take(units: u32) -> Take {
    Take {
        location: place("reno"),
        units,
    }
}
fn wanted(units: u32) -> RequestLine {
    RequestLine {
        line: line("1"),
        sku: sku("A-1"),
        units,
    }
}
fn units(units: u32) -> LineUnits {
    LineUnits {
        line: line("1"),
        units,
    }
}

fn line_facts(units: u32) -> LineFacts {
    LineFacts {
        line: line("1"),
        title: text("Mug"),
        ordered_units: units,
        cancelled_units: 0,
        parts: Vec::new(),
        unit_price: None,
        ships: true,
    }
}

fn facts() -> Box<OrderFacts> {
    Box::new(OrderFacts {
        name: text("#1001"),
        placed_at: at(),
        updated_at: at(),
        sale: Sale::AlreadySold,
        lines: vec![line_facts(2), line_facts(1)],
        destination: None,
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment: Payment::Ready,
        cancelled: None,
        total: None,
        tags: Vec::new(),
        test: false,
    })
}

fn plan() -> Plan {
    let candidate = |location, verdict, reason| Candidate {
        location: place(location),
        verdict,
        reason: text(reason),
    };
    Plan {
        rule_set: 7,
        rule: text("default"),
        allocations: vec![Allocation {
            line: line("1"),
            sku: sku("A-1"),
            location: place("reno"),
            units: 2,
        }],
        unplaced: vec![(line("2"), sku("B-2"), 1)],
        fallback: Fallback::Backorder,
        candidates: vec![
            candidate("austin", Verdict::Outranked, "420 km"),
            candidate("reno", Verdict::Chosen, "nearest (12 km) with all units."),
            candidate("york", Verdict::Excluded, "closed"),
        ],
        allowed: vec![place("austin"), place("reno")],
        tried: vec![TriedRule {
            rule: text("near"),
            candidates: vec![candidate("york", Verdict::Outranked, "holds 0 of 3 units")],
        }],
    }
}

fn stock() -> Box<StockView> {
    let location = LocationStock {
        location: place("reno"),
        on_hand: 3,
        committed: 0,
        held: 0,
        tentative: 0,
        unavailable: 0,
        incoming: 0,
        in_transit: 0,
        safety: 0,
        available: 3,
        ats: 3,
    };
    Box::new(StockView {
        sku: sku("A-1"),
        version: 3,
        title: text("Mug"),
        tracking: Tracking::Tracked,
        locations: vec![location],
        waiting_units: 0,
    })
}

fn key() -> ExceptionKey {
    ExceptionKey {
        kind: text("conflict"),
        subject: text("order:shop:1"),
        episode: 1,
    }
}

table! {
    (Received { facts: facts(), origin: Origin::Channel }, "Received from shop as #1001: 2 lines, 3 units."),
    (Received { facts: facts(), origin: Origin::SentByChannel }, "Received from shop, which sends it itself, as #1001: 2 lines, 3 units."),
    (Merged { facts: facts() }, "A newer statement of shop was taken over."),
    (TieSeen { updated_at: at() }, "Another statement as of 2026-09-21 14:13 UTC came, and which is newer cannot be told: what it cancels counts, the rest waits for the next one of shop."),
    (StatusChanged { to: OrderStatus::PartlyShipped }, "The order is partly shipped."),
    (PlanRequested { attempt: 2, excluded: vec![place("reno")] }, "Planning, attempt 2, without reno."),
    (Planned { attempt: 1, plan: Box::new(plan()), ordered: false }, "Rule 'near' did not place all of it: york outranked — holds 0 of 3 units. Planned by rule 'default': reno chosen — nearest (12 km) with all units; austin outranked — 420 km; york ruled out — closed; taking 2 × A-1 at reno; no place for 1 × B-2, to be backordered."),
    (SkuReserved { attempt: 1, sku: sku("A-1") }, "Reserved 2 × A-1 at reno."),
    (SlotGranted { attempt: 1, location: place("reno"), day: text("2026-12-24"), acknowledge_by: at() }, "reno has capacity for it on 2026-12-24."),
    (Reserved { attempt: 1 }, "What was planned is reserved for this order; 1 unit found no place."),
    (AttemptClosed { attempt: 1, cause: AttemptEnd::Short { sku: sku("A-1") }, retry_at: None }, "Nothing was reserved, because A-1 had too little: planning again."),
    (BackorderedAt { skus: vec![sku("A-1"), sku("B-2")], locations: vec![place("austin"), place("reno")] }, "Waits for stock of A-1, B-2 at austin, reno; units that arrive there are offered to it first."),
    (StockReturned { sku: sku("A-1") }, "Stock of A-1 came free: planning again."),
    (StockAsked { skus: vec![sku("A-1")] }, "No place was found for all of it: the stock of A-1 is looked at again."),
    (StockSeen { stock: stock() }, "SKU A-1 says what is free: 3 at reno."),
    (OfferSeen { sku: sku("A-1"), takes: vec![take(2)], until: at() }, "2 units at reno of A-1 are kept for it until 2026-09-21 14:13 UTC."),
    (OfferAnswered { sku: sku("A-1"), accepted: true }, "What A-1 kept for it was taken."),
    (Refused { why: Box::new(Rejection::Superseded) }, "Refused, and nothing was taken: a later attempt of this order is known."),
    (Released { attempt: 1, lines: plan().allocations }, "Let go of 2 × A-1 at reno."),
    (GaveBack { id: AttemptId { order: "shop:1".parse().unwrap(), attempt: 1 }, sku: sku("A-1"), take: take(1) }, "SKU A-1 was short at reno: gave 1 unit back, planning again."),
    (RequestCreated { request: 1, location: place("reno"), attempt: 1, lines: vec![wanted(2)], acknowledge_by: at(), split: None }, "Request 1 made out to reno: 2 × A-1."),
    (RequestSent { request: 1 }, "Request 1 sent to reno, to be acknowledged by 2026-09-21 14:13 UTC."),
    (RequestSendFailed { request: 1, attempt: 2, error: text("time-out."), retry_at: None }, "Try 2 to deliver request 1 to reno failed (time-out): not tried again, see the open exception."),
    (RequestResent { request: 1, attempt: 2, ask: None }, "Request 1 is given to its connector again to reno, try 2."),
    (RequestAcknowledged { request: 1 }, "Request 1 was acknowledged by reno."),
    (RequestOverdue { request: 1 }, "Request 1 was not acknowledged by reno in time."),
    (RequestRejected { request: 1, reason: RejectReason::NotInStock }, "Request 1 was rejected by reno: not in stock. Its units go elsewhere."),
    (ShortPicked { request: 1, lines: vec![wanted(1)] }, "SKU A-1 was short at reno: 1 × A-1 of request 1 missing, planning again."),
    (Shipped { request: 1, shipment: shipment(), lines: vec![wanted(2)], tracking: Some(ParcelTracking { carrier: Some(text("UPS")), number: Some(text("1Z")), url: None }), shipped_at: at() }, "Parcel S-1 of request 1 left from reno with 2 × A-1, tracking UPS 1Z."),
    (ElsewhereUndone { shipment: shipment(), lines: vec![units(1)] }, "shop says somebody else did not send 1 unit of line 1 after all (shipment S-1): ours to send again."),
    (EditSeen { edited_at: at(), removed: vec![] }, "shop edited it at 2026-09-21 14:13 UTC: its next statement says how in full."),
    (LinesBound { lines: vec![(LineId::new("301").unwrap(), LineId::provisional(1))] }, "Lines of the export, as shop calls them: export-1 is 301."),
    (ShippedElsewhere { shipment: shipment(), lines: vec![units(1)] }, "shop says somebody else sent 1 unit of line 1 (shipment S-1)."),
    (RequestCancelAsked { request: 1, ask: 1, lines: vec![wanted(1)] }, "Asked reno to stop 1 × A-1 of request 1."),
    (RequestCancelled { request: 1, ask: 1, lines: vec![wanted(2)] }, "2 × A-1 of request 1 was stopped by reno."),
    (GiveBackAsked { id: AttemptId { order: "shop:1".parse().unwrap(), attempt: 1 }, sku: sku("A-1"), location: place("reno"), until: at() }, "SKU A-1 is short at reno and wants units back: the location has until 2026-09-21 14:13 UTC to stop them."),
    (RequestCancelRefused { request: 1, ask: 2 }, "What was asked to stop of request 1 could not be by reno any more (ask 2)."),
    (LinesCancelled { lines: vec![units(2)], reason: text("customer."), by_channel: true }, "Cancelled 2 units of line 1: customer."),
    (CancelUndone { lines: vec![units(1)], reason: text("it had left all the same") }, "1 unit of line 1 no longer cancelled: it had left all the same."),
    (CancelStated { updated_at: at(), whole: Some((at(), text("fraud"))), lines: vec![] }, "shop cancelled the order, by its statement as of 2026-09-21 14:13 UTC."),
    (Refunded { refund: RefundId::new("R-1").unwrap(), lines: vec![RefundLine { line: line("1"), units: 1, restock: Restock::No, location: None }] }, "Refund R-1 over 1 unit."),
    (Returned { return_id: ReturnId::new("RMA-1").unwrap(), lines: vec![ReturnLine { line: line("1"), units: 2, location: place("reno"), condition: None }] }, "Return RMA-1: 2 units of line 1 at reno came back."),
    (LinesEdited { lines: vec![line_facts(3)] }, "1 line changed: 1."),
    (DestinationChanged { destination: Destination { country: text("US"), state: Some(text("CA")), ..Destination::default() }, by_operator: true }, "The address was changed here: it goes to US-CA."),
    (ConflictSeen { field: text("destination"), theirs: text("DE") }, "shop states another destination (DE) than the one that was set here, which stays."),
    (HeldBack { lines: Vec::new(), reason: text("fraud check"), until: Some(at()) }, "On hold, the order until 2026-09-21 14:13 UTC: fraud check."),
    (HoldEnded { lines: vec![line("1")] }, "The hold of line 1 ended."),
    (HoldTaken { hold: HoldId::new("cart-9").unwrap() }, "The hold cart-9 became this order's."),
    (CancelAsked { lines: vec![line("1"), line("2")], reason: text("No need."), asked_at: at() }, "shop says that the buyer asks to cancel line 1, 2: No need."),
    (CancelAsked { lines: vec![], reason: text(""), asked_at: at() }, "shop says that the buyer does not ask to cancel anything any more."),
    (CancelRefused { lines: vec![line("1")] }, "To be sent all the same, as was decided here: line 1."),
    (Freed {}, "Let go to fulfilment."),
    (SplitAsked { lines: vec![units(1)] }, "1 unit of line 1 travel in a request of their own."),
    (RerouteAsked { exclude: vec![place("reno")] }, "What has not left is to be placed again, without reno."),
    (Noted { text: text("Called back.") }, "Called back."),
    (ExceptionOpened(ExceptionOpened { key: key(), cause: text("Two say different things."), evidence: Vec::new() }), "Needs a person (conflict): Two say different things."),
    (ExceptionClosed(ExceptionClosed { key: key(), how: text("looked at") }), "Settled (conflict): looked at."),
    (EffectDone { effect: 1 }, ""),
    (Claimed { claim: CommandKey::new("k-1").unwrap() }, ""),
    (TimePassed { until: at() }, ""),
    (PlacedAnew { facts: facts(), origin: Origin::Api }, "Placed anew, as the try before was refused. Received through the API for shop as #1001: 2 lines, 3 units."),
    (ReportMade { report: 1, kind: ReportKind::Cancelled { lines: vec![units(1)], reason: text("short"), whole: true } }, ""),
    (ReportBegun { report: 1 }, ""),
    (ReportFailed { report: 1, error: text("time-out."), in_doubt: true, failures: 1, retry_at: Some(at()) }, "Nobody knows whether shop was told of parcel S-1 (time-out): next try at 2026-09-21 14:13 UTC."),
    (ReportRetried { report: 1 }, ""),
    (ReportEnded { report: 1, end: ReportEnd::Told { theirs: Some(shipment()) } }, "shop knows of parcel S-1, as its shipment S-1."),
    (ExceptionNoted(ExceptionNoted { key: key(), text: text("Asked the shop.") }), "Noted (conflict): Asked the shop."),
}
