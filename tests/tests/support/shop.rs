//! A Shopify shop with invented buyers: orders as its webhooks state them, signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Door;

/// An order of one buyer: (SKU, units) per line.
pub fn order(number: u64, lines: &[(&str, u32)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .zip(1_u64..)
        .map(|((sku, units), line)| {
            json!({
                "id": number * 10 + line, "variant_id": null, "product_id": null, "title": sku, "sku": sku,
                "quantity": units, "current_quantity": units, "fulfillable_quantity": units,
                "price": "19.90", "grams": 200, "requires_shipping": true, "gift_card": false,
                "fulfillment_status": null
            })
        })
        .collect();
    json!({
        "id": number, "admin_graphql_api_id": format!("gid://shopify/Order/{number}"),
        "name": format!("#{number}"), "order_number": number, "email": format!("buyer{number}@example.com"),
        "created_at": "2026-11-01T10:00:00-08:00", "updated_at": "2026-11-01T10:00:01-08:00",
        "processed_at": "2026-11-01T10:00:00-08:00", "cancelled_at": null, "cancel_reason": null,
        "financial_status": "paid", "fulfillment_status": null, "confirmed": true, "test": false,
        "currency": "USD", "total_price": "19.90", "tags": "", "note": null,
        "customer": { "id": number + 5, "email": format!("buyer{number}@example.com"), "first_name": "Ada", "last_name": "Invented" },
        "line_items": lines, "shipping_lines": [{ "title": "Standard", "code": "standard" }],
        "shipping_address": {
            "first_name": "Ada", "last_name": "Invented", "name": "Ada Invented", "address1": "1 Nowhere Street",
            "city": "Reno", "province": "Nevada", "province_code": "NV", "zip": "89502", "country": "United States",
            "country_code": "US", "phone": null, "latitude": 39.5, "longitude": -119.8
        },
        "refunds": [], "fulfillments": []
    })
}

pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Delivers a signed webhook; the status, or none when the connection broke.
pub async fn deliver(server: &Door, topic: &str, event: &str, body: &Value) -> Option<u16> {
    let answer = try_deliver(server, topic, event, body).await;
    answer.map(|(status, _)| status)
}

/// The same; the whole answer.
pub async fn try_deliver(
    server: &Door,
    topic: &str,
    event: &str,
    body: &Value,
) -> Option<(u16, Value)> {
    let bytes = serde_json::to_vec(body).unwrap();
    let signature = sign(super::SECRET, &bytes);
    try_send(server, topic, event, bytes, &signature).await
}

pub async fn send(
    server: &Door,
    topic: &str,
    event: &str,
    body: Vec<u8>,
    signature: &str,
) -> Option<u16> {
    let answer = try_send(server, topic, event, body, signature).await;
    answer.map(|(status, _)| status)
}

async fn try_send(
    server: &Door,
    topic: &str,
    event: &str,
    body: Vec<u8>,
    signature: &str,
) -> Option<(u16, Value)> {
    let request = server
        .http
        .post(format!("{}/webhooks/shop", server.url))
        .header("X-Shopify-Topic", topic)
        .header("X-Shopify-Event-Id", event)
        .header("X-Shopify-Shop-Domain", "example.myshopify.com")
        .header("X-Shopify-Hmac-SHA256", signature)
        .header("Content-Type", "application/json")
        .body(body);
    super::answer_to(request).await
}
