//! Webhooks as a Shopify shop sends them: a body, signed with the channel's secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::Value;
use sha2::Sha256;

use super::client::{Call, Client};
use super::exit::{Failure, Outcome};
use super::shop::{self, Order, TOPICS};

const SHOP_DOMAIN: &str = "example.myshopify.com";
const API_VERSION: &str = "2026-10";

/// A webhook to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// `orders/create`, …
    pub topic: String,
    /// The order's id at the channel.
    pub order: String,
    /// Identity of the event: a duplicate has the same.
    pub event: String,
    at_ms: u64,
    body: Vec<u8>,
}

impl Delivery {
    /// The webhook of a topic about an order.
    pub(crate) fn of_template(topic: &str, order: &Order) -> Outcome<Self> {
        let body = shop::body(topic, order).ok_or_else(|| {
            let topics = TOPICS.join(", ");
            Failure::usage(format!("{topic} has no template, only {topics}"))
                .remedy("give a body with --file")
        })?;
        Ok(Self {
            topic: topic.to_owned(),
            order: order.number.to_string(),
            event: format!("{topic}-{}-{}", order.number, order.at_ms),
            at_ms: order.at_ms,
            body: body.to_string().into_bytes(),
        })
    }

    /// The webhook of a topic with a body from a file.
    pub(crate) fn of_file(topic: &str, body: Vec<u8>, now_ms: u64) -> Self {
        let read: Value = serde_json::from_slice(&body).unwrap_or_default();
        let paths = ["/order_edit/order_id", "/order_id", "/id"];
        let order = paths
            .iter()
            .find_map(|path| read.pointer(path))
            .map(Value::to_string);
        Self {
            topic: topic.to_owned(),
            order: order.unwrap_or_default(),
            event: format!("{topic}-file-{now_ms}"),
            at_ms: now_ms,
            body,
        }
    }

    /// The webhook as a call, signed.
    pub(crate) fn call(&self, client: &Client, channel: &str, secret: &str) -> Outcome<Call> {
        Ok(client
            .call(Method::POST, &["webhooks", channel])
            .header("X-Shopify-Topic", &self.topic)
            .header("X-Shopify-Hmac-SHA256", sign(secret, &self.body)?)
            .header("X-Shopify-Shop-Domain", SHOP_DOMAIN)
            .header("X-Shopify-API-Version", API_VERSION)
            .header("X-Shopify-Webhook-Id", &self.event)
            .header("X-Shopify-Event-Id", &self.event)
            .header("X-Shopify-Triggered-At", shop::time(self.at_ms))
            .body("application/json", self.body.clone()))
    }
}

/// Shopify's signature of a body: HMAC-SHA256 in base64.
fn sign(secret: &str, body: &[u8]) -> Outcome<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|error| Failure::failed(format!("the channel's secret: {error}")))?;
    mac.update(body);
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_shopifys() {
        let body = br#"{"id":820982911946154508,"email":"jon@example.com","total_price":"199.65"}"#;
        let expected = "G/C2VvQk08rLOCmMD6Fhm4vkjnHOrr8OySNpJrvYhrI=";
        assert_eq!(sign("hush", body).unwrap(), expected);
        let delivery = Delivery::of_file("orders/create", body.to_vec(), 1);
        assert_eq!(delivery.order, "820982911946154508");
    }
}
