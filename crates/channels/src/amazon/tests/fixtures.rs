//! What each body of the shared fixtures says, as an order and as a notification.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::order::AMAZON_SHIPS;
use super::super::{NOTIFICATION, ORDER, map};
use crate::fields::MapError;
use crate::fixtures::{Sample, Table, check_samples, shared};
use crate::inbound::Inbound;

/// What a body that is neither says as one.
const NONE: [&str; 2] = ["orderId: is missing", "NotificationType: is missing"];

const OURS: &str = "the listing map is ours";

/// One of every way in which a body cannot be read.
const SAMPLES: [Sample; 13] = [
    (
        "not whole",
        ORDER,
        "{",
        "the body is not a JSON object: EOF while parsing an object at line 1 column 1",
    ),
    (
        "a list",
        ORDER,
        "[]",
        "the body is not a JSON object: expected {…}",
    ),
    (
        "of a topic nobody knows",
        "orders",
        "{}",
        "topic \"orders\" is unknown: unsubscribe from it, or run a newer crossdock",
    ),
    ("no order", ORDER, "{}", NONE[0]),
    ("no notification", NOTIFICATION, "{}", NONE[1]),
    (
        "sent by nobody",
        ORDER,
        r#"{"orderId":"1","fulfillment":{"fulfilledBy":"NOBODY"}}"#,
        "fulfillment.fulfilledBy: is neither MERCHANT nor AMAZON",
    ),
    (
        "of a status nobody knows",
        ORDER,
        r#"{"orderId":"1","fulfillment":{"fulfilledBy":"MERCHANT","fulfillmentStatus":"LOST"}}"#,
        "fulfillment.fulfillmentStatus: is no fulfilment status that is known",
    ),
    (
        "fewer than no units",
        ORDER,
        r#"{"orderId":"1","createdTime":"2026-11-02T08:00:00Z","lastUpdatedTime":"2026-11-02T08:30:00Z",
            "fulfillment":{"fulfilledBy":"MERCHANT","fulfillmentStatus":"UNSHIPPED"},
            "orderItems":[{"orderItemId":"2","product":{},"quantityOrdered":-1}]}"#,
        "orderItems[0].quantityOrdered: expected a whole number from 0",
    ),
    (
        "a type that is no text",
        NOTIFICATION,
        r#"{"NotificationType":7}"#,
        "NotificationType: expected a text",
    ),
    (
        "of a type nobody knows",
        NOTIFICATION,
        r#"{"NotificationType":"ORDER_TELEPORTED"}"#,
        "topic \"ORDER_TELEPORTED\" is unknown: unsubscribe from it, or run a newer crossdock",
    ),
    (
        "a change of nothing",
        NOTIFICATION,
        r#"{"NotificationType":"ORDER_CHANGE"}"#,
        "Payload: is missing",
    ),
    (
        "a number of nothing",
        NOTIFICATION,
        r#"{"NotificationType":"LISTINGS_ITEM_MFN_QUANTITY_CHANGE","Payload":{"FulfillmentChannelCode":"DEFAULT"}}"#,
        "Payload.Sku: is missing",
    ),
    (
        "of no concern",
        NOTIFICATION,
        r#"{"NotificationType":"TRANSACTION_UPDATE"}"#,
        "money is settled with Amazon",
    ),
];

/// Files of orders and notifications, and as which of both they say what; all others say [`NONE`].
const TABLE: [(&str, &str, &str); 25] = [
    (
        "model-examples/orders2026.getOrder.200.json",
        ORDER,
        "order of 1 line, Ready, 1 shipped",
    ),
    (
        "model-examples/orders2026.getOrder.200.sandbox0.json",
        ORDER,
        "order of 1 line, Ready, 0 shipped",
    ),
    (
        "model-examples/orders2026.getOrder.200.sandbox1.json",
        ORDER,
        "order of 1 line, Ready, 1 shipped",
    ),
    (
        "model-examples/orders2026.searchOrders.200.sandbox0.json",
        ORDER,
        "order of 2 lines, Ready, 2 shipped, by Amazon",
    ),
    (
        "model-examples/orders2026.searchOrders.200.sandbox1.json",
        ORDER,
        "order of 1 line, Ready, 1 shipped",
    ),
    (
        "model-examples/orders2026.searchOrders.200.sandbox2.json",
        ORDER,
        "order of 1 line, Ready, 0 shipped",
    ),
    (
        "samples/get_order_response.json",
        ORDER,
        "order of 1 line, Ready, 0 shipped",
    ),
    (
        "samples/mcf-v2-createOrder.json",
        ORDER,
        "order.fulfillment: is missing",
    ),
    (
        "samples/mcf-v2-getOrder.json",
        ORDER,
        "order.fulfillment: is missing",
    ),
    (
        "samples/mcf-v2-listOrders.json",
        ORDER,
        "fulfillment: is missing",
    ),
    (
        "notifications/FBAOutboundShipmentStatusNotification.example0.json",
        NOTIFICATION,
        AMAZON_SHIPS,
    ),
    (
        "notifications/FulfillmentOrderStatusNotification.example0.json",
        NOTIFICATION,
        AMAZON_SHIPS,
    ),
    (
        "notifications/ListingsItemIssuesChangeNotification.example0.json",
        NOTIFICATION,
        OURS,
    ),
    (
        "notifications/ListingsItemMfnQuantityChange.example0.json",
        NOTIFICATION,
        "NLS-SHOES-03 shows Some(99)",
    ),
    (
        "notifications/ListingsItemStatusChangeNotification.example0.json",
        NOTIFICATION,
        OURS,
    ),
    (
        "notifications/OrderChangeNotification.example0.json",
        NOTIFICATION,
        "read 903-8868176-2219830 again",
    ),
    (
        "notifications/ShipmentTrackingMilestoneChangedNotification.example0.json",
        NOTIFICATION,
        "tracking events change no stock",
    ),
    (
        "notifications/TransactionUpdateNotification.example0.json",
        NOTIFICATION,
        "money is settled with Amazon",
    ),
    (
        "notification-schemas/FBAOutboundShipmentStatusNotification.json",
        NOTIFICATION,
        AMAZON_SHIPS,
    ),
    (
        "notification-schemas/FulfillmentOrderStatusNotification.json",
        NOTIFICATION,
        AMAZON_SHIPS,
    ),
    (
        "notification-schemas/ListingsItemIssuesChangeNotification.json",
        NOTIFICATION,
        OURS,
    ),
    (
        "notification-schemas/ListingsItemMfnQuantityChange.json",
        NOTIFICATION,
        "NLS-SHOES-03 shows Some(99)",
    ),
    (
        "notification-schemas/ListingsItemStatusChangeNotification.json",
        NOTIFICATION,
        OURS,
    ),
    (
        "notification-schemas/ShipmentTrackingMilestoneChangedNotification.json",
        NOTIFICATION,
        "tracking events change no stock",
    ),
    (
        "notification-schemas/TransactionUpdateNotification.json",
        NOTIFICATION,
        "money is settled with Amazon",
    ),
];

fn said(read: &Result<Inbound, MapError>) -> String {
    match read {
        Ok(Inbound::Order(order)) => {
            let lines = order.lines.len();
            let plural = if lines == 1 { "" } else { "s" };
            let shipped = order.shipped.len();
            let by_amazon = if order.sent_by_channel {
                ", by Amazon"
            } else {
                ""
            };
            format!(
                "order of {lines} line{plural}, {:?}, {shipped} shipped{by_amazon}",
                order.payment
            )
        }
        Ok(Inbound::Reread { order, .. }) => format!("read {order} again"),
        Ok(Inbound::StockLevel(level)) => format!("{} shows {:?}", level.listing, level.available),
        Ok(Inbound::Nothing { why }) => (*why).to_owned(),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

/// Sandbox cases hold the answer in `response`, searches a list of orders, schemas of notifications an example.
fn bodies(value: &Value) -> Vec<Value> {
    let body = value.get("response").unwrap_or(value);
    if let Some(Value::Array(orders)) = body.get("orders") {
        return orders.clone();
    }
    let is_schema = value.get("$schema").is_some();
    let example = value
        .get("examples")
        .filter(|_| is_schema)
        .and_then(|all| all.get(0));
    vec![example.unwrap_or(body).clone()]
}

#[test]
fn every_body_is_read_or_refused_for_a_reason_that_has_a_name() {
    check_samples("Amazon, samples of our own", &SAMPLES, map);
    let Some(found) = shared("amazon") else {
        return;
    };
    let rows = TABLE.into_iter();
    let mut rows: BTreeMap<_, _> = rows
        .map(|(name, topic, said)| (name, (topic, said)))
        .collect();
    let (mut read, mut told) = (0, Table::default());
    for (name, text) in found.iter().filter(|(name, _)| name.ends_with(".json")) {
        let row = rows.remove(&**name);
        let value: Value = serde_json::from_slice(text).unwrap();
        for body in bodies(&value) {
            for (at, topic) in [ORDER, NOTIFICATION].into_iter().enumerate() {
                let mapped = map(topic, body.to_string().as_bytes());
                let says = said(&mapped);
                let known = row.filter(|(of, _)| *of == topic);
                let expected = known.map_or(NONE[at], |(_, said)| said);
                assert_eq!(says, expected, "{name} as {topic}");
                if known.is_some() {
                    told.note((name, topic), &mapped, &says);
                }
            }
        }
        read += 1;
    }
    assert!(rows.is_empty(), "not there: {rows:?}");
    assert!(read >= 60, "only {read} files");
    told.print(&format!(
        "Amazon, {read} files: all others are neither an order nor a notification"
    ));
}
