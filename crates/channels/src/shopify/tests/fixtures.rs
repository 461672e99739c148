//! What each payload of the shared fixtures says, whatever topic it claims to be of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::{TOPICS, map};
use crate::inbound::Inbound;

/// What a body that is none of an order, an edit, a refund or a stock level says as one.
const NONE: Said = [
    "id: is missing",
    "order_edit: is missing",
    "order_id: is missing",
    "inventory_item_id: is missing",
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

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

fn said(topic: &str, body: &[u8]) -> String {
    let lines = |count: usize| format!("{count} line{}", if count == 1 { "" } else { "s" });
    match map(topic, body) {
        Ok(Inbound::Order(order)) => format!("order of {}", lines(order.lines.len())),
        Ok(Inbound::Edit { .. }) => "edit".to_owned(),
        Ok(Inbound::Refund { lines: of, .. }) => format!("refund of {}", lines(of.len())),
        Ok(Inbound::StockLevel(_)) => "level".to_owned(),
        Ok(Inbound::Reread { order }) => format!("read {order} again"),
        Ok(Inbound::Nothing { why }) => why.to_owned(),
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
    let dir =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/channels/shopify");
    if !dir.exists() {
        println!("skipped: ../shared absent");
        return;
    }
    let mut found = Vec::new();
    files(&dir, &mut found);
    let mut table: BTreeMap<_, _> = TABLE.into_iter().collect();
    let (mut mapped, mut refused) = (0, 0);
    for file in &found {
        let name = file.strip_prefix(&dir).unwrap().to_str().unwrap();
        let expected = table.remove(name).unwrap_or_default();
        let body = unwrapped(std::fs::read(file).unwrap());
        for topic in TOPICS {
            let kind = kind(topic);
            if let Some(expected) = expected[kind] {
                let is_mapped = map(topic, &body).is_ok();
                *(if is_mapped { &mut mapped } else { &mut refused }) += 1;
                println!("{name} | {topic} | {expected}");
            }
            let expected = expected[kind].unwrap_or(NONE[kind]);
            assert_eq!(said(topic, &body), expected, "{name} as {topic}");
        }
        let silent = said("fulfillments/create", &body);
        assert_eq!(
            silent,
            "what we ship we know, and what others ship comes with the order"
        );
        let strange = said("orders/teleported", &body);
        assert!(strange.contains("orders/teleported"), "{strange}");
    }
    assert!(table.is_empty(), "not there: {table:?}");
    assert!(found.len() >= 37, "only {} files", found.len());
    let (files, other) = (found.len(), "all others say nothing as what they are not");
    println!(
        "{files} files: {mapped} bodies mapped, {refused} refused for a named reason; {other}"
    );
}
