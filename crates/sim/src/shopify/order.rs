//! Orders of the simulated shop, and what webhooks say of them.

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::wire::{dollars, gid, rest_time};

/// An order as the shop has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: u64,
    /// Its number, of which `#1001` is made.
    pub number: u64,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When and why it was cancelled.
    pub cancelled: Option<(Timestamp, String)>,
    /// What was bought.
    pub lines: Vec<Line>,
    /// What was given back.
    pub refunds: Vec<Refund>,
    /// What is to be sent from where.
    pub fulfilment_orders: Vec<FulfilmentOrder>,
    /// What was sent.
    pub fulfilments: Vec<Fulfilment>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: u64,
    /// The variant.
    pub variant: u64,
    /// The SKU text.
    pub sku: String,
    /// Units bought.
    pub units: u32,
    /// Units that are left after refunds and cancelling.
    pub current_units: u32,
    /// Price of a unit.
    pub price_cents: u64,
}

/// A refund of units that were not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// The line.
    pub line: u64,
    /// Units.
    pub units: u32,
    /// Whether they are sold again.
    pub restock: bool,
}

/// Units to be sent from one location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FulfilmentOrder {
    /// Its id.
    pub id: u64,
    /// The location.
    pub location: u64,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What.
    pub lines: Vec<FulfilmentLine>,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
}

/// Units of a line to be sent from one location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FulfilmentLine {
    /// Its id.
    pub id: u64,
    /// The order's line.
    pub line: u64,
    /// Units.
    pub units: u32,
    /// Units that are not sent yet.
    pub left: u32,
}

/// A parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfilment {
    /// Its id.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Order's lines and units.
    pub lines: Vec<(u64, u32)>,
    /// Carrier and number.
    pub tracking: Option<(String, String)>,
}

impl FulfilmentOrder {
    /// As GraphQL words it.
    #[must_use]
    pub fn status(&self) -> &'static str {
        let left: u32 = self.lines.iter().map(|line| line.left).sum();
        let units: u32 = self.lines.iter().map(|line| line.units).sum();
        match () {
            () if self.is_cancelled => "CANCELLED",
            () if left == 0 => "CLOSED",
            () if left < units => "IN_PROGRESS",
            () => "OPEN",
        }
    }
}

impl Order {
    /// As the REST resource words it.
    pub(super) fn financial_status(&self) -> &'static str {
        let left: u32 = self.lines.iter().map(|line| line.current_units).sum();
        match (
            self.refunds.is_empty(),
            self.cancelled.is_some() || left == 0,
        ) {
            (_, true) => "refunded",
            (true, false) => "paid",
            (false, false) => "partially_refunded",
        }
    }

    pub(super) fn total(&self) -> String {
        let lines = self.lines.iter();
        dollars(
            lines
                .map(|line| u64::from(line.units) * line.price_cents)
                .sum(),
        )
    }

    fn is_sent(&self) -> Option<&'static str> {
        let sent: u32 = self
            .fulfilments
            .iter()
            .flat_map(|one| &one.lines)
            .map(|(_, units)| units)
            .sum();
        let wanted: u32 = self.lines.iter().map(|line| line.current_units).sum();
        match sent {
            0 => None,
            sent if sent < wanted => Some("partial"),
            _ => Some("fulfilled"),
        }
    }

    /// Who bought it.
    pub(super) fn buyer(&self) -> Buyer {
        const PEOPLE: [(&str, &str); 6] = [
            ("Ilse", "Vandermeer"),
            ("Tomás", "Quiroga"),
            ("Amara", "Osei"),
            ("Jun", "Takahashi"),
            ("Freya", "Lindholm"),
            ("Noor", "Haddad"),
        ];
        let at = self.number % PEOPLE.len() as u64;
        let (first, last) = PEOPLE[at as usize];
        Buyer {
            id: 7_100_000_000_000_000_000 + at,
            first,
            last,
            email: format!("buyer{at}@example.com"),
        }
    }

    /// The body of an order's webhook.
    #[must_use]
    pub fn body(&self) -> Value {
        let buyer = self.buyer();
        let (cancelled_at, reason) = match &self.cancelled {
            Some((at, reason)) => (json!(rest_time(*at)), json!(reason)),
            None => (Value::Null, Value::Null),
        };
        json!({
            "id": self.id, "admin_graphql_api_id": gid("Order", self.id),
            "name": format!("#{}", self.number), "order_number": self.number, "email": buyer.email,
            "created_at": rest_time(self.created_at), "updated_at": rest_time(self.updated_at),
            "processed_at": rest_time(self.created_at), "cancelled_at": cancelled_at, "cancel_reason": reason,
            "financial_status": self.financial_status(), "fulfillment_status": self.is_sent(),
            "confirmed": true, "test": false, "currency": "USD", "presentment_currency": "USD",
            "total_price": self.total(), "tags": "", "source_name": "web",
            "customer": {
                "id": buyer.id, "email": buyer.email, "first_name": buyer.first, "last_name": buyer.last
            },
            "line_items": self.lines.iter().map(line_body).collect::<Vec<_>>(),
            "shipping_lines": [{ "title": "Standard", "code": "standard" }],
            "shipping_address": {
                "first_name": buyer.first, "last_name": buyer.last,
                "name": format!("{} {}", buyer.first, buyer.last), "company": null,
                "address1": "40 Example Avenue", "address2": null, "city": "Reno", "province": "Nevada",
                "province_code": "NV", "zip": "89501", "country": "United States", "country_code": "US",
                "phone": null, "latitude": 39.5296, "longitude": -119.8138
            },
            "refunds": self.refunds.iter().map(|refund| refund.body(self.id)).collect::<Vec<_>>(),
            "fulfillments": self.fulfilments.iter().map(|one| self.fulfilment_body(one)).collect::<Vec<_>>(),
        })
    }

    fn fulfilment_body(&self, fulfilment: &Fulfilment) -> Value {
        let line = |(line, units): &(u64, u32)| json!({ "id": line, "quantity": units });
        let tracking = fulfilment.tracking.as_ref();
        json!({
            "id": fulfilment.id, "order_id": self.id, "status": "success", "service": "manual",
            "created_at": rest_time(fulfilment.at), "updated_at": rest_time(fulfilment.at),
            "tracking_company": tracking.map(|(company, _)| company),
            "tracking_number": tracking.map(|(_, number)| number),
            "line_items": fulfilment.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }
}

fn line_body(line: &Line) -> Value {
    json!({
        "id": line.id, "admin_graphql_api_id": gid("LineItem", line.id), "variant_id": line.variant,
        "title": line.sku, "name": line.sku, "sku": line.sku, "quantity": line.units,
        "current_quantity": line.current_units, "fulfillable_quantity": line.current_units,
        "price": dollars(line.price_cents), "grams": 250, "requires_shipping": true, "gift_card": false,
        "fulfillment_service": "manual", "fulfillment_status": null, "properties": [], "tax_lines": [],
    })
}

impl Refund {
    /// The body of its webhook, for an order.
    #[must_use]
    pub fn body(&self, order: u64) -> Value {
        let kind = match self.restock {
            true => "cancel",
            false => "no_restock",
        };
        json!({
            "id": self.id, "order_id": order, "created_at": rest_time(self.at), "note": null,
            "restock": self.restock, "order_adjustments": [], "transactions": [],
            "refund_line_items": [{
                "id": self.id + 1, "line_item_id": self.line, "quantity": self.units,
                "location_id": null, "restock_type": kind, "subtotal": 0.00
            }],
        })
    }
}

/// An invented person.
pub(super) struct Buyer {
    pub id: u64,
    pub first: &'static str,
    pub last: &'static str,
    pub email: String,
}
