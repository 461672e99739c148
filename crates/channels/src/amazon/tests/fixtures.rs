//! What each body of the shared fixtures says, as an order and as a notification.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::order::AMAZON_SHIPS;
use super::super::{NOTIFICATION, ORDER, map};
use crate::inbound::Inbound;

/// What a body that is neither says as one.
const NONE: [&str; 2] = ["orderId: is missing", "NotificationType: is missing"];

const OURS: &str = "the listing map is ours";

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

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

fn said(topic: &str, body: &Value) -> String {
    match map(topic, body.to_string().as_bytes()) {
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
        Ok(Inbound::Reread { order }) => format!("read {order} again"),
        Ok(Inbound::StockLevel(level)) => format!("{} shows {:?}", level.listing, level.available),
        Ok(Inbound::Nothing { why }) => why.to_owned(),
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
    let dir =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/channels/amazon");
    if !dir.exists() {
        println!("skipped: ../shared absent");
        return;
    }
    let mut found = Vec::new();
    files(&dir, &mut found);
    let json = found
        .iter()
        .filter(|file| file.extension().is_some_and(|ext| ext == "json"));
    let rows = TABLE.into_iter();
    let mut table: BTreeMap<_, _> = rows
        .map(|(name, topic, said)| (name, (topic, said)))
        .collect();
    let (mut read, mut mapped, mut refused) = (0, 0, 0);
    for file in json {
        let name = file.strip_prefix(&dir).unwrap().to_str().unwrap();
        let row = table.remove(name);
        let value: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        for body in bodies(&value) {
            for (at, topic) in [ORDER, NOTIFICATION].into_iter().enumerate() {
                let known = row.filter(|(of, _)| *of == topic);
                let expected = known.map_or(NONE[at], |(_, said)| said);
                assert_eq!(said(topic, &body), expected, "{name} as {topic}");
                if known.is_some() {
                    let is_mapped = map(topic, body.to_string().as_bytes()).is_ok();
                    *(if is_mapped { &mut mapped } else { &mut refused }) += 1;
                    println!("{name} | {topic} | {expected}");
                }
            }
        }
        read += 1;
    }
    assert!(table.is_empty(), "not there: {table:?}");
    assert!(read >= 60, "only {read} files");
    let other = "all others are neither an order nor a notification";
    println!("{read} files: {mapped} bodies mapped, {refused} refused for a named reason; {other}");
}
