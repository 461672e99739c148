//! What each payload of the shared fixtures says, whatever topic it claims to be of.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{TOPICS, map};
use crate::fields::MapError;
use crate::fixtures::{Sample, Table, check_samples, shared};
use crate::inbound::Inbound;

/// What a body that is none of an order, an edit, a refund or a stock level says as one.
const NONE: Said = [
    "id: is missing",
    "order_edit: is missing",
    "order_id: is missing",
    "inventory_item_id: is missing",
];

/// One of every way in which a body cannot be read.
const SAMPLES: [Sample; 12] = [
    (
        "not whole",
        "orders/create",
        "{",
        "the body is not a JSON object: EOF while parsing an object at line 1 column 1",
    ),
    (
        "a list",
        "orders/create",
        "[]",
        "the body is not a JSON object: expected {…}",
    ),
    (
        "of a topic nobody knows",
        "orders/teleported",
        "{}",
        "topic \"orders/teleported\" is unknown: unsubscribe from it, or run a newer crossdock",
    ),
    ("no order", "orders/create", "{}", NONE[0]),
    ("no edit", "orders/edited", "{}", NONE[1]),
    ("no refund", "refunds/create", "{}", NONE[2]),
    ("no level", "inventory_levels/update", "{}", NONE[3]),
    (
        "an id that was a float",
        "orders/updated",
        r#"{"id":8.2e17}"#,
        "id: the id went through floating point and is rounded: it cannot be trusted",
    ),
    (
        "no time",
        "orders/paid",
        r#"{"id":1,"updated_at":"yesterday"}"#,
        "updated_at: expected a time with offset, RFC 3339",
    ),
    (
        "fewer than no units",
        "orders/create",
        r#"{"id":1,"updated_at":"2026-11-02T09:30:00Z","line_items":[{"id":2,"quantity":-1}]}"#,
        "line_items[0].quantity: expected a whole number from 0",
    ),
    (
        "half a unit",
        "inventory_levels/update",
        r#"{"inventory_item_id":1,"location_id":2,"available":1.5,"updated_at":"2026-11-02T09:30:00Z"}"#,
        "available: expected a whole number",
    ),
    (
        "of no concern",
        "products/update",
        "{}",
        "the listing map is ours",
    ),
];

/// As an order, an edit, a refund and a stock level.
type Said = [&'static str; 4];

/// Files that say something as one of those; all others say [`NONE`].
const TABLE: [(&str, [Option<&str>; 4]); 14] = [
    (
        "rest-go-shopify/inventory_level.json",
        [None, None, None, Some("level")],
    ),
    (
        "rest-go-shopify/order.json",
        [Some("order of 2 lines"), None, None, None],
    ),
    (
        "rest-python-api/inventory_level.json",
        [None, None, None, Some("level")],
    ),
    (
        "rest-python-api/order.json",
        [Some("order of 3 lines"), None, None, None],
    ),
    (
        "rest-python-api/refund.json",
        [
            Some("updated_at: is missing"),
            None,
            Some("refund of 2 lines"),
            None,
        ],
    ),
    (
        "webhooks/Fulfillment.json",
        [
            Some("order of 2 lines"),
            None,
            Some("refund of 0 lines"),
            None,
        ],
    ),
    (
        "webhooks/FulfillmentEventsCreate.json",
        [
            Some("order of 0 lines"),
            None,
            Some("refund of 0 lines"),
            None,
        ],
    ),
    (
        "webhooks/InventoryItem.json",
        [Some("order of 0 lines"), None, None, None],
    ),
    (
        "webhooks/InventoryLevel.json",
        [None, None, None, Some("level")],
    ),
    (
        "webhooks/Location.json",
        [Some("order of 0 lines"), None, None, None],
    ),
    (
        "webhooks/Order.json",
        [Some("order of 2 lines"), None, None, None],
    ),
    (
        "webhooks/OrderEdited.json",
        [None, Some("edit"), None, None],
    ),
    (
        "webhooks/OrderTransactionsCreate.json",
        [
            Some("updated_at: is missing"),
            None,
            Some("refund of 0 lines"),
            None,
        ],
    ),
    (
        "webhooks/Product.json",
        [Some("order of 0 lines"), None, None, None],
    ),
];

fn said(read: &Result<Inbound, MapError>) -> String {
    let lines = |count: usize| format!("{count} line{}", if count == 1 { "" } else { "s" });
    match read {
        Ok(Inbound::Order(order)) => format!("order of {}", lines(order.lines.len())),
        Ok(Inbound::Edit { .. }) => "edit".to_owned(),
        Ok(Inbound::Refund { lines: of, .. }) => format!("refund of {}", lines(of.len())),
        Ok(Inbound::StockLevel(_)) => "level".to_owned(),
        Ok(Inbound::Reread { order, .. }) => format!("read {order} again"),
        Ok(Inbound::Nothing { why }) => (*why).to_owned(),
        Err(error) => error.to_string(),
    }
}

fn kind(topic: &str) -> usize {
    match topic {
        "orders/edited" => 1,
        "refunds/create" => 2,
        "inventory_levels/update" => 3,
        _ => 0,
    }
}

/// Client libraries wrap a resource in an envelope; webhooks do not.
fn unwrapped(body: Vec<u8>) -> Vec<u8> {
    let value: Value = serde_json::from_slice(&body).unwrap();
    let mut resources = ["order", "refund", "inventory_level"].iter();
    let resource = resources.find_map(|name| value.get(name));
    resource.map_or(body, |resource| serde_json::to_vec(resource).unwrap())
}

#[test]
fn every_payload_is_read_or_refused_for_a_reason_that_has_a_name() {
    check_samples("Shopify, samples of our own", &SAMPLES, map);
    let Some(found) = shared("shopify") else {
        return;
    };
    let (mut rows, mut told) = (BTreeMap::from(TABLE), Table::default());
    for (name, body) in &found {
        let expected = rows.remove(&**name).unwrap_or_default();
        let body = unwrapped(body.clone());
        for topic in TOPICS {
            let (kind, read) = (kind(topic), map(topic, &body));
            let says = said(&read);
            if expected[kind].is_some() {
                told.note((name, topic), &read, &says);
            }
            let expected = expected[kind].unwrap_or(NONE[kind]);
            assert_eq!(says, expected, "{name} as {topic}");
        }
        let silent = said(&map("fulfillments/create", &body));
        assert_eq!(
            silent,
            "what we ship we know, and what others ship comes with the order"
        );
        let strange = said(&map("orders/teleported", &body));
        assert!(strange.contains("orders/teleported"), "{strange}");
    }
    assert!(rows.is_empty(), "not there: {rows:?}");
    assert!(found.len() >= 37, "only {} files", found.len());
    let files = found.len();
    told.print(&format!(
        "Shopify, {files} files: as what each says something; as all else they say nothing"
    ));
}
