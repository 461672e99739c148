//! Webhooks as a Shopify shop sends them: a body, signed with the channel's secret.

use crossdock_channels::Secret;
use crossdock_channels::shopify::{TOPICS, TemplateLine, TemplateOptions, headers, sign, template};
use reqwest::Method;
use serde_json::Value;

use super::client::{Call, Client};
use super::exit::{Failure, Outcome};

const SHOP_DOMAIN: &str = "example.myshopify.com";
/// What is ordered when nobody says; the example configuration has it.
const SKU: &str = "TEE-BLK-M";

/// What a template is filled with.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Its number; its id is made from it.
    pub number: u64,
    /// Its lines: SKU and units; one line of an example if there are none.
    pub lines: Vec<(String, u32)>,
    /// The shop's time of this statement, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A webhook to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// `orders/create`, …
    pub topic: String,
    /// The order's id at the channel.
    pub order: String,
    /// Identity of the event: a duplicate has the same.
    pub event: String,
    body: Vec<u8>,
}

impl Delivery {
    /// The webhook of a topic about an order.
    pub(crate) fn of_template(topic: &str, order: &Order) -> Outcome<Self> {
        let given = order.lines.iter().cloned();
        let example = order.lines.is_empty().then(|| (SKU.to_owned(), 1));
        let lines = given.chain(example);
        let options = TemplateOptions {
            number: order.number,
            lines: lines
                .map(|(sku, units)| TemplateLine { sku, units })
                .collect(),
            updated_at: time(order.at_ms),
        };
        let body = template(topic, &options).ok_or_else(|| {
            let known = TOPICS
                .iter()
                .filter(|topic| template(topic, &options).is_some());
            let known = known.copied().collect::<Vec<_>>().join(", ");
            Failure::usage(format!("{topic:?} has no template, only {known}"))
                .remedy("give a body with --file")
        })?;
        Ok(Self {
            topic: topic.to_owned(),
            order: options.order_id().to_string(),
            event: format!("{topic}-{}-{}", order.number, order.at_ms),
            body,
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
            body,
        }
    }

    /// The webhook as a call, signed.
    pub(crate) fn call(&self, client: &Client, channel: &str, secret: &Secret) -> Call {
        let signature = sign(secret, &self.body);
        let headers = headers(
            &self.topic,
            &self.event,
            &self.event,
            SHOP_DOMAIN,
            &signature,
        );
        let call = client.call(Method::POST, &["webhooks", channel]);
        let call = headers
            .into_iter()
            .fold(call, |call, (name, value)| call.header(&name, value));
        call.bytes(self.body.clone())
    }
}

/// An instant as the shop writes it.
fn time(ms: u64) -> String {
    let at = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_known_by_topic() {
        let order = Order {
            number: 1001,
            lines: vec![("A".to_owned(), 2)],
            at_ms: 1_795_000_000_000,
        };
        let created = Delivery::of_template("orders/create", &order).unwrap();
        assert!(created.order.parse::<u64>().unwrap() > 1 << 53);
        let refused = Delivery::of_template("orders/eaten", &order).unwrap_err();
        assert!(refused.what.contains("refunds/create"), "{refused}");
        assert_eq!(time(order.at_ms), "2026-11-18T11:06:40Z");
    }

    #[test]
    fn the_order_of_a_file_is_found() {
        let order = |body: &str| Delivery::of_file("t", body.as_bytes().to_vec(), 1).order;
        assert_eq!(order(r#"{"id":820982911946154508}"#), "820982911946154508");
        assert_eq!(order(r#"{"id":1,"order_id":2}"#), "2");
        assert_eq!(order("no json"), "");
    }
}
