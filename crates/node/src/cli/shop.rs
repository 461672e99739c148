//! What a Shopify shop says about an invented order, by topic. Ids are above 2^53, as the real ones.

use serde_json::{Value, json};

/// Topics there are templates for.
pub(crate) const TOPICS: &[&str] = &[
    "orders/create",
    "orders/updated",
    "orders/edited",
    "orders/cancelled",
    "orders/paid",
    "refunds/create",
    "inventory_levels/update",
];
/// What is ordered when nobody says; the example configuration has it.
const SKU: &str = "TEE-BLK-M";

/// What a template is filled with.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Its number at the shop.
    pub number: u64,
    /// Its lines: SKU and units; one line of an example if there are none.
    pub lines: Vec<(String, u32)>,
    /// When it was placed, in milliseconds since 1970.
    pub placed_ms: u64,
    /// The shop's time of this statement, in milliseconds since 1970.
    pub at_ms: u64,
}

/// The body of a webhook; nothing for a topic that has no template.
pub(crate) fn body(topic: &str, order: &Order) -> Option<Value> {
    Some(match topic {
        "orders/create" | "orders/updated" | "orders/paid" => statement(order, false),
        "orders/cancelled" => statement(order, true),
        "orders/edited" => edit(order),
        "refunds/create" => refund(order),
        "inventory_levels/update" => level(order),
        _ => return None,
    })
}

/// An instant as the shop writes it.
pub(crate) fn time(ms: u64) -> String {
    let at = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().to_string()
}

/// Lines with their ids.
fn lines(order: &Order) -> Vec<(u64, String, u32)> {
    let given = order.lines.iter().cloned();
    let example = order.lines.is_empty().then(|| (SKU.to_owned(), 1));
    let lines = given.chain(example).zip(1..);
    lines
        .map(|((sku, units), line)| (order.number * 10 + line, sku, units))
        .collect()
}

fn statement(order: &Order, cancelled: bool) -> Value {
    let (number, at) = (order.number, time(order.at_ms));
    let line = |(id, sku, units): (u64, String, u32)| {
        let left = if cancelled { 0 } else { units };
        json!({
            "id": id, "variant_id": null, "product_id": null, "title": sku, "sku": sku, "quantity": units,
            "current_quantity": left, "fulfillable_quantity": left, "price": "19.90", "grams": 200,
            "requires_shipping": true, "gift_card": false, "fulfillment_status": null,
        })
    };
    let lines: Vec<Value> = lines(order).into_iter().map(line).collect();
    let email = format!("buyer{number}@example.com");
    json!({
        "id": number, "admin_graphql_api_id": format!("gid://shopify/Order/{number}"),
        "name": format!("#{number}"), "order_number": number, "email": email,
        "created_at": time(order.placed_ms), "processed_at": time(order.placed_ms), "updated_at": at,
        "cancelled_at": cancelled.then_some(at), "cancel_reason": cancelled.then_some("customer"),
        "financial_status": "paid", "fulfillment_status": null, "confirmed": true, "test": false,
        "currency": "USD", "total_price": "19.90", "tags": "", "note": null,
        "customer": {
            "id": number + 5, "email": email, "first_name": "Ada", "last_name": "Invented",
        },
        "line_items": lines,
        "shipping_lines": [{ "title": "Standard", "code": "standard" }],
        "shipping_address": {
            "first_name": "Ada", "last_name": "Invented", "name": "Ada Invented",
            "address1": "1 Nowhere Street", "city": "Reno", "province": "Nevada", "province_code": "NV",
            "zip": "89502", "country": "United States", "country_code": "US", "phone": null,
            "latitude": 39.53, "longitude": -119.81,
        },
        "refunds": [], "fulfillments": [],
    })
}

/// The lines' units are added.
fn edit(order: &Order) -> Value {
    let added = |(id, _, units): (u64, String, u32)| json!({ "id": id, "delta": units });
    let additions: Vec<Value> = lines(order).into_iter().map(added).collect();
    json!({ "order_edit": {
        "id": order.number + 6, "app_id": null, "created_at": time(order.at_ms), "notify_customer": false,
        "order_id": order.number, "staff_note": "", "user_id": null,
        "line_items": { "additions": additions, "removals": [] },
        "discounts": { "line_item": { "additions": [], "removals": [] } },
        "shipping_lines": { "additions": [] },
    }})
}

/// The lines' units were never sent and are free again.
fn refund(order: &Order) -> Value {
    let line = |(id, _, units): (u64, String, u32)| {
        json!({
            "id": id + 7, "line_item_id": id, "quantity": units, "restock_type": "cancel", "location_id": null,
        })
    };
    let lines: Vec<Value> = lines(order).into_iter().map(line).collect();
    json!({
        "id": order.number + 7, "order_id": order.number, "created_at": time(order.at_ms),
        "processed_at": time(order.at_ms), "note": "changed her mind", "restock": true, "user_id": null,
        "refund_line_items": lines, "transactions": [], "order_adjustments": [],
    })
}

fn level(order: &Order) -> Value {
    let units = order.lines.first().map_or(7, |(_, units)| *units);
    json!({
        "inventory_item_id": order.number, "location_id": 24_826_418, "available": units,
        "updated_at": time(order.at_ms),
        "admin_graphql_api_id":
            format!("gid://shopify/InventoryLevel/24826418?inventory_item_id={}", order.number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_body() {
        let order = Order {
            number: 10_000_000_000_000_001,
            lines: vec![("A".to_owned(), 2), ("A".to_owned(), 1)],
            placed_ms: 1_795_000_000_000,
            at_ms: 1_795_000_000_000,
        };
        for topic in TOPICS {
            assert!(body(topic, &order).is_some(), "{topic}");
        }
        assert!(body("orders/eaten", &order).is_none());
        let stated = body("orders/create", &order).unwrap();
        assert_eq!(stated["id"].to_string(), "10000000000000001");
        assert_eq!(
            stated["line_items"][1]["id"].to_string(),
            "100000000000000012"
        );
        assert_eq!(stated["updated_at"], "2026-11-18T09:46:40Z");
    }
}
