//! Bodies as a Shopify shop sends them, with invented people, for trying things out and for tests.

use serde_json::{Value, json};

/// A line of a template's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateLine {
    /// The SKU text.
    pub sku: String,
    /// Units.
    pub units: u32,
}

/// What a template is filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateOptions {
    /// Number of the order: its id is made from it.
    pub number: u64,
    /// Lines.
    pub lines: Vec<TemplateLine>,
    /// The shop's time of this state, RFC 3339.
    pub updated_at: String,
}

impl TemplateOptions {
    /// The order's id as the shop has it; larger than 2^53, as Shopify's are.
    #[must_use]
    pub fn order_id(&self) -> u64 {
        820_000_000_000_000_000 + self.number
    }
}

/// Headers of a delivery; `signature` as [`super::sign`] gives it.
#[must_use]
pub fn headers(
    topic: &str,
    event: &str,
    delivery: &str,
    shop: &str,
    signature: &str,
) -> Vec<(String, String)> {
    let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    [
        ("X-Shopify-Topic", topic),
        ("X-Shopify-Event-Id", event),
        ("X-Shopify-Webhook-Id", delivery),
        ("X-Shopify-Shop-Domain", shop),
        ("X-Shopify-API-Version", "2026-10"),
        ("X-Shopify-Hmac-SHA256", signature),
        ("Content-Type", "application/json"),
    ]
    .map(header)
    .to_vec()
}

/// The body of a topic; `None` for a topic without a template.
#[must_use]
pub fn template(topic: &str, options: &TemplateOptions) -> Option<Vec<u8>> {
    let body = match topic {
        "orders/create" | "orders/updated" | "orders/paid" => order(options),
        "orders/cancelled" => {
            let mut order = order(options);
            order["cancelled_at"] = json!(options.updated_at);
            order["cancel_reason"] = json!("customer");
            order
        }
        "orders/edited" => json!({ "order_edit": {
            "id": options.order_id() + 7, "order_id": options.order_id(), "created_at": options.updated_at,
            "line_items": { "additions": [], "removals": [{ "id": line_id(options, 0), "delta": 1 }] }
        }}),
        "refunds/create" => refund(options),
        "inventory_levels/update" => json!({
            "inventory_item_id": 49_000_000_000_001_u64, "location_id": 65_000_000_001_u64,
            "available": 10, "updated_at": options.updated_at
        }),
        _ => return None,
    };
    serde_json::to_vec(&body).ok()
}

fn line_id(options: &TemplateOptions, at: usize) -> u64 {
    options.order_id() * 10 + at as u64 + 1
}

fn order(options: &TemplateOptions) -> Value {
    let line = |(at, line): (usize, &TemplateLine)| {
        json!({
            "id": line_id(options, at), "variant_id": null, "product_id": null, "title": line.sku, "sku": line.sku,
            "quantity": line.units, "current_quantity": line.units, "fulfillable_quantity": line.units,
            "price": "24.00", "grams": 250, "requires_shipping": true, "gift_card": false,
            "fulfillment_service": "manual", "fulfillment_status": null, "properties": [], "tax_lines": []
        })
    };
    let lines: Vec<Value> = options.lines.iter().enumerate().map(line).collect();
    let people = [
        ("Ada", "Lindqvist"),
        ("Bruno", "Okafor"),
        ("Chiara", "Nakamura"),
        ("Dario", "Petrov"),
    ];
    let (first, last) = people[(options.number % 4) as usize];
    let email = format!(
        "{}.{}@example.com",
        first.to_lowercase(),
        last.to_lowercase()
    );
    json!({
        "id": options.order_id(), "admin_graphql_api_id": format!("gid://shopify/Order/{}", options.order_id()),
        "name": format!("#{}", options.number), "order_number": options.number, "email": email,
        "created_at": options.updated_at, "updated_at": options.updated_at, "processed_at": options.updated_at,
        "cancelled_at": null, "cancel_reason": null, "financial_status": "paid", "fulfillment_status": null,
        "confirmed": true, "test": false, "currency": "USD", "total_price": "24.00", "tags": "",
        "customer": { "id": 9_000_000_000_000_000_u64 + options.number % 4, "email": email, "first_name": first, "last_name": last },
        "line_items": lines, "shipping_lines": [{ "title": "Standard", "code": "standard" }],
        "shipping_address": {
            "first_name": first, "last_name": last, "name": format!("{first} {last}"), "address1": "12 Example Street",
            "address2": null, "city": "Sparks", "province": "Nevada", "province_code": "NV", "zip": "89431",
            "country": "United States", "country_code": "US", "phone": null, "latitude": 39.53, "longitude": -119.75
        },
        "refunds": [], "fulfillments": []
    })
}

/// One unit of the first line, never sent.
fn refund(options: &TemplateOptions) -> Value {
    json!({
        "id": options.order_id() + 3, "order_id": options.order_id(), "created_at": options.updated_at,
        "note": null, "restock": true, "order_adjustments": [], "transactions": [],
        "refund_line_items": [{
            "id": options.order_id() + 4, "line_item_id": line_id(options, 0), "quantity": 1,
            "location_id": null, "restock_type": "cancel", "subtotal": 24.00
        }]
    })
}
