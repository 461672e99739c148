//! The generic warehouse: fulfilment requests as Standard Webhooks; it answers by the REST calls of the API.

mod address;
mod counts;
mod send;

use crossdock_model::Timestamp;
use crossdock_model::command::{Delivery, DeliveryKind};
use serde::Serialize;

use crate::buyer::{Address, Buyer};

pub use address::{Policy, Refused};
pub use counts::{CountsError, CountsPage};
pub use send::{HttpSender, Resolve, SendError};

/// The body of a fulfilment request, version 1. Fields are only added.
#[derive(Clone, Serialize)]
pub struct RequestBody {
    /// `fulfilment.requested` or `fulfilment.cancel_requested`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The order, `shop:820982911946154508`.
    pub order: String,
    /// What people call the order.
    pub order_name: String,
    /// Number of the request in its order.
    pub request: u32,
    /// The location that is asked.
    pub location: String,
    /// Of a cancellation: its number in the request, to be named in the answer. Each asks for its own lines.
    pub ask: Option<u32>,
    /// What to send, or of a cancellation: not to send any more.
    pub lines: Vec<RequestBodyLine>,
    /// The service level.
    pub service_level: Option<String>,
    /// When it must leave, milliseconds since 1970.
    pub ship_by_ms: Option<i64>,
    /// Where it goes. Absent on cancellations, and when the buyer's data was erased.
    pub ship_to: Option<Address>,
    /// How to answer.
    pub answer: Answer,
}

/// A line of a request.
#[derive(Clone, Serialize)]
pub struct RequestBodyLine {
    /// The order's line.
    pub line: String,
    /// The SKU.
    pub sku: String,
    /// Units.
    pub units: u32,
}

/// Paths of the API to answer by.
#[derive(Clone, Serialize)]
pub struct Answer {
    /// `POST` here with `/acknowledge`, `/reject`, `/short-pick`, `/ship` or `/cancel-answer`.
    pub path: String,
}

impl RequestBody {
    /// The body of a delivery, with the buyer's address from the vault.
    #[must_use]
    pub fn new(delivery: &Delivery, buyer: Option<&Buyer>) -> Self {
        let (fulfil, ask) = match delivery.kind {
            DeliveryKind::Fulfil => (true, None),
            DeliveryKind::Cancel { ask } => (false, Some(ask)),
        };
        let ship_to = buyer
            .and_then(|buyer| buyer.ship_to.clone())
            .filter(|_| fulfil);
        let line = |line: &crossdock_model::v1::RequestLine| RequestBodyLine {
            line: line.line.to_string(),
            sku: line.sku.to_string(),
            units: line.units,
        };
        Self {
            kind: if fulfil {
                "fulfilment.requested"
            } else {
                "fulfilment.cancel_requested"
            },
            order: delivery.order.to_string(),
            order_name: delivery.order_name.clone(),
            request: delivery.request,
            location: delivery.location.to_string(),
            ask,
            lines: delivery.lines.iter().map(line).collect(),
            service_level: delivery.service_level.clone(),
            ship_by_ms: delivery.ship_by.map(Timestamp::as_ms),
            ship_to,
            answer: Answer {
                path: format!(
                    "/v1/orders/{}/requests/{}",
                    encoded(&delivery.order.to_string()),
                    delivery.request
                ),
            },
        }
    }
}

/// A text as one segment of a path and as one part of a message's id, which is a header's value without full stops
/// (Standard Webhooks): channels may put anything into the ids of their orders.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~:".contains(byte);
    let bytes = text.bytes().map(|byte| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

/// The id of a delivery: the same for every try, which says the same, so that the receiver knows a repeat.
#[must_use]
pub fn message_id(delivery: &Delivery) -> String {
    let (order, request) = (encoded(&delivery.order.to_string()), delivery.request);
    match delivery.kind {
        DeliveryKind::Fulfil => format!("fulfil:{order}:{request}"),
        DeliveryKind::Cancel { ask } => format!("cancel:{order}:{request}:{ask}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_a_path_and_one_part_of_a_header() {
        for (id, segment) in [
            ("shop:820982911946154508", "shop:820982911946154508"),
            ("shop:#10/7?a=b c%2F", "shop:%2310%2F7%3Fa%3Db%20c%252F"),
            ("shop:ü.1", "shop:%C3%BC%2E1"),
        ] {
            assert_eq!(encoded(id), segment);
        }
    }

    /// One id stands for one body: each ask has its own.
    #[test]
    fn deliveries_are_told_apart_by_what_they_say() {
        let delivery = |kind| Delivery {
            order: "shop:1".parse().unwrap(),
            order_name: "#1".to_owned(),
            request: 2,
            location: "reno".parse().unwrap(),
            attempt: 3,
            kind,
            lines: Vec::new(),
            service_level: None,
            ship_by: None,
            address_version: 0,
        };
        // (what is delivered, its id, the number that the answer names)
        let table = [
            (DeliveryKind::Fulfil, "fulfil:shop:1:2", None),
            (
                DeliveryKind::Cancel { ask: 1 },
                "cancel:shop:1:2:1",
                Some(1),
            ),
            (
                DeliveryKind::Cancel { ask: 2 },
                "cancel:shop:1:2:2",
                Some(2),
            ),
        ];
        for (kind, id, ask) in table {
            let delivery = delivery(kind);
            let body = RequestBody::new(&delivery, None);
            assert_eq!((message_id(&delivery).as_str(), body.ask), (id, ask));
        }
    }
}
