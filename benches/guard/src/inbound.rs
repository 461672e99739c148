//! What shops and marketplaces send, read.

use crossdock_channels::shopify::{self, TemplateLine, TemplateOptions};
use crossdock_channels::{Delivery, Inbound, Secret, amazon};
use serde_json::{Value, json};

use crate::Work;

const SHOP_TOPIC: &str = "orders/create";

pub fn run(pieces: &mut Work) {
    let body = shop_order();
    let secret = Secret::new("hush-hush-hush-hush-hush-hush-32");
    let signature = shopify::sign(&secret, &body);
    let headers = shopify::headers(SHOP_TOPIC, "e-1", "d-1", "mugs.myshopify.com", &signature);
    let lower = |(name, value): (String, String)| (name.to_lowercase(), value);
    let headers: Vec<(String, String)> = headers.into_iter().map(lower).collect();
    pieces.piece(
        "shopify-verify",
        (headers, body.clone()),
        |(headers, body)| {
            let delivery = Delivery {
                headers: &headers,
                body: &body,
            };
            let verified = shopify::verify(std::slice::from_ref(&secret), &delivery);
            (verified.unwrap(), headers, body)
        },
    );
    pieces.piece("shopify-order", body, |body| {
        (order(shopify::map(SHOP_TOPIC, &body)), body)
    });
    let body = amazon_order().to_string().into_bytes();
    pieces.piece("amazon-order", body, |body| {
        (order(amazon::map(amazon::ORDER, &body)), body)
    });
}

fn order<E: std::fmt::Debug>(read: Result<Inbound, E>) -> Inbound {
    match read.unwrap() {
        Inbound::Order(order) => Inbound::Order(order),
        other => panic!("{other:?}"),
    }
}

fn shop_order() -> Vec<u8> {
    let line = |(sku, units): (&str, u32)| TemplateLine {
        sku: sku.to_owned(),
        units,
    };
    let options = TemplateOptions {
        number: 1001,
        lines: [("MUG-BLUE", 2), ("MUG-RED", 1), ("TEAPOT", 1)]
            .map(line)
            .to_vec(),
        updated_at: "2026-11-02T08:30:00Z".to_owned(),
    };
    shopify::template(SHOP_TOPIC, &options).unwrap()
}

/// Two lines for somebody invented.
fn amazon_order() -> Value {
    json!({
        "orderId": "305-1234567-0000001",
        "createdTime": "2026-11-02T08:00:00Z",
        "lastUpdatedTime": "2026-11-02T08:30:00Z",
        "programs": ["PRIME"],
        "salesChannel": { "channelName": "AMAZON", "marketplaceId": "M1" },
        "buyer": { "buyerName": "Nora Feld", "buyerEmail": "b1@marketplace.example" },
        "recipient": { "deliveryAddress": {
            "name": "Nora Feld", "addressLine1": "Am Anger 3", "city": "Musterstadt", "stateOrRegion": "BY",
            "postalCode": "80331", "countryCode": "DE", "phone": "+49 89 000000",
        } },
        "proceeds": { "grandTotal": { "amount": "50.90", "currencyCode": "EUR" } },
        "fulfillment": {
            "fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT", "fulfillmentServiceLevel": "EXPEDITED",
            "shipByWindow": { "latestDateTime": "2026-11-03T22:59:59Z" },
            "deliverByWindow": { "latestDateTime": "2026-11-05T22:59:59Z" },
        },
        "orderItems": [item("60000000000001", "MUG-BLUE", 2), item("60000000000002", "TEAPOT", 1)],
    })
}

fn item(id: &str, sku: &str, units: u32) -> Value {
    json!({
        "orderItemId": id, "quantityOrdered": units,
        "product": {
            "title": "Stoneware", "sellerSku": sku,
            "price": { "unitPrice": { "amount": "8.97", "currencyCode": "EUR" } },
        },
        "fulfillment": { "quantityFulfilled": 0, "quantityUnfulfilled": units },
    })
}
