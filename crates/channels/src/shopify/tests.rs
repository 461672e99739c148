//! Payloads and signatures, on data of our own and on the shared fixtures.

mod fixtures;

use crossdock_model::v1::{Payment, Restock};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fields::MapError;
use crate::inbound::{ChannelOrder, Delivery, Inbound, Secret, StockLevel, VerifyError};

fn options() -> TemplateOptions {
    let line = |(sku, units): (&str, u32)| TemplateLine {
        sku: sku.to_owned(),
        units,
    };
    TemplateOptions {
        number: 1001,
        lines: [("TEE", 2), ("MUG", 1)].map(line).to_vec(),
        updated_at: "2026-11-02T09:30:00-05:00".to_owned(),
    }
}

fn order(topic: &str) -> ChannelOrder {
    match map(topic, &template(topic, &options()).unwrap()) {
        Ok(Inbound::Order(order)) => *order,
        other => panic!("{topic}: {other:?}"),
    }
}

fn delivery(names: [&str; 3], signature: &str) -> Vec<(String, String)> {
    let values = ["orders/create", "event-1", signature];
    names
        .into_iter()
        .zip(values)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

const LONG: [&str; 3] = [
    "x-shopify-topic",
    "x-shopify-event-id",
    "x-shopify-hmac-sha256",
];
const SHORT: [&str; 3] = ["shopify-topic", "shopify-event-id", "shopify-hmac-sha256"];

#[test]
fn signatures_are_checked_over_the_raw_bytes() {
    let (old, new) = (Secret::new("old"), Secret::new("new"));
    let body = br#"{"id":1}"#;
    let both = [old.clone(), new.clone()];
    let check = |secrets: &[Secret], headers: &[(String, String)], body: &[u8]| {
        verify(secrets, &Delivery { headers, body })
    };
    for names in [LONG, SHORT] {
        let signed = delivery(names, &format!("{}\n", sign(&new, body)));
        let verified = check(&both, &signed, body).unwrap();
        assert_eq!(verified.delivery_id, "orders/create/event-1");
        assert!(
            verified
                .kept_headers
                .iter()
                .all(|(name, _)| !name.contains("hmac"))
        );
        assert_eq!(
            check(std::slice::from_ref(&old), &signed, body),
            Err(VerifyError::BadSignature)
        );
        let mut flipped = body.to_vec();
        flipped[3] ^= 1;
        assert_eq!(
            check(&both, &signed, &flipped),
            Err(VerifyError::BadSignature)
        );
        assert_eq!(
            check(&both, &signed[..2], body),
            Err(VerifyError::MissingSignature)
        );
        assert_eq!(
            check(&both, &signed[1..], body),
            Err(VerifyError::MissingTopic)
        );
    }
    assert_eq!(
        check(&both, &delivery(LONG, "not base64!"), body),
        Err(VerifyError::BadSignature)
    );
    let bare = [
        ("x-shopify-topic".to_owned(), "t".to_owned()),
        (LONG[2].to_owned(), sign(&old, body)),
    ];
    let by_body = check(&both, &bare, body).unwrap().delivery_id;
    assert!(
        by_body.len() > 60,
        "without ids the body itself is the identity: {by_body}"
    );
}

/// Computed with another implementation: python3 hmac.new(b'hush', body, 'sha256'), base64.
#[test]
fn a_known_signature() {
    let body = br#"{"id":820982911946154508,"email":"jon@example.com","total_price":"199.65"}"#;
    assert_eq!(
        sign(&Secret::new("hush"), body),
        "G/C2VvQk08rLOCmMD6Fhm4vkjnHOrr8OySNpJrvYhrI="
    );
}

#[test]
fn an_order_is_read_without_loss() {
    let read = order("orders/create");
    assert_eq!(
        read.external.as_str(),
        "820000000000001001",
        "larger than 2^53"
    );
    assert_eq!(
        (read.name.as_str(), read.payment),
        ("#1001", Payment::Ready)
    );
    let lines: Vec<_> = read
        .lines
        .iter()
        .map(|l| (l.sku.as_deref(), l.ordered_units, l.ships))
        .collect();
    assert_eq!(lines, [(Some("TEE"), 2, true), (Some("MUG"), 1, true)]);
    let ship_to = read.ship_to.unwrap();
    assert_eq!(
        (ship_to.country.as_str(), ship_to.postal_prefix.as_deref()),
        ("US", Some("894"))
    );
    assert_eq!(ship_to.area, Some((3953, -11975)));
    let buyer = read.buyer.unwrap();
    assert_eq!(buyer.email.as_deref(), Some("bruno.okafor@example.com"));
    assert_eq!(
        format!("{buyer:?}"),
        "Buyer(…)",
        "personal data is never shown"
    );
    assert_eq!(read.total.unwrap().to_string(), "24.00 USD");
}

#[test]
fn other_topics_say_what_they_say() {
    assert_eq!(order("orders/cancelled").cancelled.unwrap().1, "customer");
    match map(
        "refunds/create",
        &template("refunds/create", &options()).unwrap(),
    ) {
        Ok(Inbound::Refund { lines, .. }) => {
            assert_eq!((lines[0].units, lines[0].restock), (1, Restock::Cancel))
        }
        other => panic!("{other:?}"),
    }
    let said = |topic: &str| map(topic, &template(topic, &options()).unwrap());
    match said("orders/edited") {
        Ok(Inbound::Edit {
            edited_at, removed, ..
        }) => {
            assert_eq!(edited_at.as_ms(), 1_793_629_800_000);
            assert_eq!(removed[0].units, 1);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        said("inventory_levels/update"),
        Ok(Inbound::StockLevel(StockLevel {
            available: Some(10),
            ..
        }))
    ));
    assert!(matches!(
        map("products/update", b"{}"),
        Ok(Inbound::Nothing { .. })
    ));
    assert!(matches!(
        map("orders/teleported", b"{}"),
        Err(MapError::UnknownTopic(_))
    ));
}

/// A refund is merged by its own id: units it took out are not cancelled a second time by the order's state.
#[test]
fn refunded_units_are_not_counted_twice() {
    let mut body: serde_json::Value =
        serde_json::from_slice(&template("orders/updated", &options()).unwrap()).unwrap();
    body["line_items"][0]["current_quantity"] = 0.into();
    body["refunds"] = serde_json::json!([serde_json::from_slice::<serde_json::Value>(
        &template("refunds/create", &options()).unwrap()
    )
    .unwrap()]);
    let Ok(Inbound::Order(order)) = map("orders/updated", &serde_json::to_vec(&body).unwrap())
    else {
        panic!()
    };
    assert_eq!(
        order.lines[0].cancelled_units, 1,
        "two gone, one of them by the refund"
    );
    assert_eq!(order.refunds.len(), 1);
}

/// An order's body with a field set to something else.
fn changed(path: &str, value: serde_json::Value) -> Result<ChannelOrder, MapError> {
    let mut body: serde_json::Value =
        serde_json::from_slice(&template("orders/updated", &options()).unwrap()).unwrap();
    let (parent, field) = path.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.insert(field.to_owned(), value);
    match map("orders/updated", &serde_json::to_vec(&body).unwrap())? {
        Inbound::Order(order) => Ok(*order),
        other => panic!("{other:?}"),
    }
}

/// Goods leave when the money is there: all of it, and not given back.
#[test]
fn a_financial_status_says_whether_goods_may_leave() {
    let table = [
        ("paid", Payment::Ready),
        ("authorized", Payment::Ready),
        ("partially_refunded", Payment::Ready),
        ("pending", Payment::Pending),
        ("partially_paid", Payment::Pending),
        ("voided", Payment::Voided),
        ("expired", Payment::Voided),
        ("refunded", Payment::Voided),
    ];
    for (status, payment) in table {
        let read = changed("/financial_status", status.into()).unwrap();
        assert_eq!(read.payment, payment, "{status}");
    }
    let unknown = changed("/financial_status", "bartered".into()).unwrap_err();
    assert!(
        unknown.to_string().starts_with("financial_status:"),
        "{unknown}"
    );
}

#[test]
fn an_amount_has_the_currency_that_is_stated_or_is_unknown() {
    let money = |currency: serde_json::Value| {
        let read = changed("/currency", currency)?;
        let price = read.lines[0].unit_price;
        Ok::<_, MapError>((
            read.total.map(|m| m.to_string()),
            price.map(|m| m.to_string()),
        ))
    };
    let euros = (Some("24.00 EUR".to_owned()), Some("24.00 EUR".to_owned()));
    assert_eq!(money("EUR".into()).unwrap(), euros);
    assert_eq!(money("eur".into()).unwrap(), euros);
    assert_eq!(money(serde_json::Value::Null).unwrap(), (None, None));
    assert!(money("euros".into()).is_err());
}

#[test]
fn what_is_shipped_is_sent() {
    let ships = |shipping: serde_json::Value, gift_card: bool| {
        let mut body: serde_json::Value =
            serde_json::from_slice(&template("orders/updated", &options()).unwrap()).unwrap();
        body["line_items"][0]["requires_shipping"] = shipping;
        body["line_items"][0]["gift_card"] = gift_card.into();
        match map("orders/updated", &serde_json::to_vec(&body).unwrap()) {
            Ok(Inbound::Order(order)) => order.lines[0].ships,
            other => panic!("{other:?}"),
        }
    };
    assert!(
        ships(true.into(), false) && ships(true.into(), true),
        "also a card of plastic"
    );
    assert!(!ships(false.into(), false) && !ships(false.into(), true));
    let unsaid = serde_json::Value::Null;
    assert!(ships(unsaid.clone(), false) && !ships(unsaid, true));
}

#[test]
fn fulfilments_of_others_are_sent_or_taken_back() {
    let fulfilment = |id: u64, status: serde_json::Value, service: &str| {
        serde_json::json!({
            "id": id, "status": status, "service": service,
            "line_items": [{ "id": 8_200_000_000_000_010_011_u64, "quantity": 2 }]
        })
    };
    let all = serde_json::json!([
        fulfilment(1, "success".into(), "manual"),
        fulfilment(2, "cancelled".into(), "manual"),
        fulfilment(3, "pending".into(), "manual"),
        fulfilment(4, "failure".into(), "manual"),
        fulfilment(5, "success".into(), "crossdock"),
        fulfilment(6, serde_json::Value::Null, "manual"),
    ]);
    let read = changed("/fulfillments", all).unwrap();
    let shipped: Vec<_> = read
        .shipped
        .iter()
        .map(|one| (one.shipment.as_str(), one.lines[0].units))
        .collect();
    assert_eq!(shipped, [("1", 2), ("6", 2)]);
    let unshipped: Vec<_> = read.unshipped.iter().map(|id| id.as_str()).collect();
    assert_eq!(unshipped, ["2", "4"]);
    let unknown = changed(
        "/fulfillments",
        serde_json::json!([fulfilment(1, "lost".into(), "x")]),
    );
    assert!(unknown.is_err());
}

/// Numbers that no order has are named or bounded, never overflowed.
#[test]
fn sums_do_not_overflow() {
    let refund = |id: u64| {
        serde_json::json!({ "id": id, "refund_line_items": [
            { "line_item_id": 8_200_000_000_000_010_011_u64, "quantity": u32::MAX, "restock_type": "cancel" }
        ]})
    };
    let read = changed("/refunds", serde_json::json!([refund(1), refund(2)])).unwrap();
    assert_eq!(read.refunds.len(), 2);
}

#[test]
fn mistakes_name_their_field() {
    let problem = |body: &str| {
        map("orders/create", body.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert!(problem("[]").contains("JSON object"));
    assert_eq!(problem("{}"), "id: is missing");
    assert!(problem(r#"{"id":8.2e17}"#).starts_with("id: the id went through floating point"));
    assert!(
        problem(r#"{"id":1,"updated_at":"yesterday"}"#).starts_with("updated_at: expected a time")
    );
    let line =
        r#"{"id":1,"updated_at":"2026-11-02T09:30:00Z","line_items":[{"id":2,"quantity":-1}]}"#;
    assert!(
        problem(line).starts_with("line_items[0].quantity:"),
        "{}",
        problem(line)
    );
}

#[test]
fn exports_are_read_order_by_order() {
    let one = String::from_utf8(template("orders/create", &options()).unwrap()).unwrap();
    for text in [
        format!("[{one}]"),
        format!("{{\"orders\":[{one}]}}"),
        format!("{one}\n{one}\n"),
        one.clone(),
    ] {
        let read = read_export(text.as_bytes());
        assert!(
            !read.is_empty() && read.iter().all(Result::is_ok),
            "{read:?}"
        );
    }
    let broken = read_export(format!("{one}\n{{\"id\":\n{one}\n").as_bytes());
    assert_eq!(
        broken.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true]
    );
    assert_eq!(broken[1].as_ref().unwrap_err().line, 2);
    let csv = "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Shipping Country,Id\n\
               #1,ada@example.com,paid,2026-10-01 10:00:00 -0400,2,Tee,20.00,TEE,US,5001\n\
               #1,ada@example.com,,,1,Mug,9.00,MUG,,\n\
               #2,bo@example.com,pending,2026-10-02 10:00:00 -0400,x,Tee,20.00,TEE,US,5002\n";
    let read = read_export(csv.as_bytes());
    let first = read[0].as_ref().unwrap();
    assert_eq!((first.external.as_str(), first.lines.len()), ("5001", 2));
    assert_eq!(
        (first.total, first.lines[0].unit_price),
        (None, None),
        "no currency, no money"
    );
    let second = read[1].as_ref().unwrap_err();
    assert_eq!(
        (second.line, second.what.as_str()),
        (4, "Lineitem quantity: \"x\" is no number")
    );
}

/// An export that does not say how much of a line is left must not make us send all of it.
#[test]
fn a_csv_that_does_not_say_what_is_left_is_refused() {
    let read = |financial: &str, line: &str| {
        let csv = format!(
            "Name,Id,Currency,Financial Status,Created at,Lineitem quantity,Lineitem sku,Lineitem fulfillment status\n\
             #1,5001,eur,{financial},2026-10-01 10:00:00 -0400,2,TEE,{line}\n"
        );
        let mut read = read_export(csv.as_bytes());
        read.remove(0).map_err(|problem| problem.what)
    };
    let sent = read("paid", "fulfilled").unwrap();
    assert_eq!(
        (sent.payment, sent.lines[0].cancelled_units),
        (Payment::Ready, 2)
    );
    assert_eq!(read("paid", "pending").unwrap().lines[0].cancelled_units, 0);
    assert_eq!(
        read("partially_paid", "").unwrap().payment,
        Payment::Pending
    );
    assert_eq!(read("refunded", "").unwrap().payment, Payment::Voided);
    for (financial, line, what) in [
        ("partially_refunded", "pending", "which units were refunded"),
        ("paid", "partial", "how many units were sent"),
        ("bartered", "pending", "bartered"),
    ] {
        let problem = read(financial, line).unwrap_err();
        assert!(problem.contains(what), "{problem}");
    }
}

/// Nor must one whose fulfilments were left out of the export.
#[test]
fn an_export_without_its_fulfilments_is_refused_by_name() {
    let read = |status: &str, left: u32, fulfillments: &str| {
        let text = format!(
            r#"{{"id":5001,"created_at":"2026-10-01T10:00:00Z","updated_at":"2026-10-01T10:00:00Z","currency":"EUR",
            "financial_status":"paid","fulfillment_status":{status},"fulfillments":{fulfillments},
            "line_items":[{{"id":1,"sku":"TEE","quantity":3,"price":"1.00","fulfillable_quantity":{left}}}]}}"#
        );
        read_export(text.as_bytes())
            .remove(0)
            .map_err(|problem| problem.what)
    };
    let two = r#"[{"id":7,"status":"success","line_items":[{"id":1,"quantity":2}]}]"#;
    for (status, left, fulfillments) in [("null", 3, "[]"), (r#""partial""#, 1, two)] {
        read(status, left, fulfillments).unwrap();
    }
    for (status, left) in [(r#""fulfilled""#, 0), (r#""partial""#, 1), ("null", 2)] {
        let problem = read(status, left, "[]").unwrap_err();
        assert!(
            problem.contains("`fulfillments` does not say so"),
            "{problem}"
        );
    }
}

proptest! {
    /// Whatever comes, reading it ends in a value or in a named mistake.
    #[test]
    fn reading_never_panics(
        topic in proptest::sample::select(TOPICS.to_vec()),
        cut in 0_usize..4000,
        flips in proptest::collection::vec((0_usize..4000, any::<u8>()), 0..8),
    ) {
        let mut body = template(topic, &options()).unwrap_or_else(|| template("orders/create", &options()).unwrap());
        body.truncate(body.len().saturating_sub(cut % 50));
        let len = body.len();
        for (at, byte) in flips {
            body[at % len] = byte;
        }
        let _ = map(topic, &body);
        let _ = read_export(&body);
    }
}

/// Values that a field of a payload may turn out to have.
fn any_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        Just(json!(u32::MAX)),
        Just(json!("x".repeat(300))),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null, 1, "a", {}])),
    ]
}

/// Replaces the `at`th value of a body, counted from the root, or takes it away.
fn mutate(value: &mut serde_json::Value, at: &mut usize, with: Option<&serde_json::Value>) {
    use serde_json::Value;
    let is_here = |at: &mut usize| {
        *at = at.wrapping_sub(1);
        *at == usize::MAX
    };
    match value {
        Value::Object(fields) => {
            for name in fields.keys().cloned().collect::<Vec<_>>() {
                match (is_here(at), with) {
                    (true, Some(with)) => drop(fields.insert(name, with.clone())),
                    (true, None) => drop(fields.remove(&name)),
                    (false, _) => mutate(&mut fields[&name], at, with),
                }
            }
        }
        Value::Array(elements) => {
            for element in elements {
                match (is_here(at), with) {
                    (true, with) => *element = with.cloned().unwrap_or_default(),
                    (false, _) => mutate(element, at, with),
                }
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// Whatever a field turns out to be, the payload is taken, known to mean nothing, or refused with the name of
    /// the field.
    #[test]
    fn any_field_may_be_anything(
        topic in proptest::sample::select(TOPICS.to_vec()),
        changes in proptest::collection::vec((0_usize..160, proptest::option::of(any_value())), 1..4),
    ) {
        let mut body = template(topic, &options()).unwrap_or_else(|| template("orders/create", &options()).unwrap());
        let mut value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        value["refunds"] = serde_json::json!([serde_json::from_slice::<serde_json::Value>(
            &template("refunds/create", &options()).unwrap()
        ).unwrap()]);
        value["fulfillments"] = serde_json::json!([{ "id": 1, "status": "success", "line_items": [{ "id": 2, "quantity": 1 }] }]);
        for (at, with) in &changes {
            mutate(&mut value, &mut at.clone(), with.as_ref());
        }
        body = serde_json::to_vec(&value).unwrap();
        match map(topic, &body) {
            Ok(Inbound::Order(order)) => prop_assert!(!order.external.as_str().is_empty()),
            Ok(_) => {}
            Err(MapError::Field { path, problem }) => prop_assert!(!path.is_empty() && !problem.is_empty()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

#[test]
fn an_order_says_whether_something_is_left_to_send() {
    let fulfilled =
        |units| json!({"id": 9, "status": "success", "line_items": [{"id": 1, "quantity": units}]});
    let refunded = json!({"id": 8, "refund_line_items": [
        {"id": 7, "line_item_id": 1, "quantity": 1, "restock_type": "cancel"}]});
    let table = [
        (json!({}), true),
        (json!({"cancelled_at": "2026-11-01T11:00:00Z"}), false),
        (json!({"fulfillments": [fulfilled(1)]}), true),
        (json!({"fulfillments": [fulfilled(2)]}), false),
        (
            json!({"fulfillments": [fulfilled(1)], "refunds": [refunded]}),
            false,
        ),
        (
            json!({"line_items": [{"id": 1, "quantity": 2, "requires_shipping": false}]}),
            false,
        ),
    ];
    for (stated, expected) in table {
        let mut order = json!({"id": 5, "updated_at": "2026-11-01T10:00:00Z", "financial_status": "paid",
            "line_items": [{"id": 1, "quantity": 2}]});
        let fields = order.as_object_mut().unwrap();
        fields.extend(stated.as_object().unwrap().clone());
        let read = read_export(order.to_string().as_bytes()).remove(0).unwrap();
        assert_eq!(read.is_left_to_send(), expected, "{stated}");
    }
}
