//! Orders as the API shows them.

use crossdock_channels::{Address, Buyer};
use crossdock_insight::{OrderRow, ReportRow, ShipmentRow, TimelineRow};
use crossdock_model::answer::OrderSummary;
use crossdock_model::v1::OrderStatus;
use crossdock_model::{Answer, EntityId, OrderId};
use crossdock_runtime::Reply;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ask::Asking;
use crate::auth::Names;
use crate::error::ApiError;
use crate::wire::Time;

/// Where an order is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OrderAnswer {
    /// `channel:external`.
    pub order: String,
    /// Its state.
    pub status: &'static str,
    /// What locations were asked.
    pub requests: Vec<RequestDoc>,
    /// What waits for stock.
    pub backordered: Vec<BackorderDoc>,
    /// For a cart's hold: when it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_expires_at: Option<Time>,
}

/// A fulfilment request in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RequestDoc {
    /// Its number in the order.
    pub request: u32,
    /// Who is asked.
    pub location: String,
    /// Its state.
    pub status: String,
}

/// Units that wait for stock.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct BackorderDoc {
    /// The SKU.
    pub sku: String,
    /// Units.
    pub units: u32,
}

/// An order in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OrderRowDoc {
    /// `channel:external`.
    pub order: String,
    /// The channel.
    pub channel: String,
    /// What people call it.
    pub name: String,
    /// Its state.
    pub status: String,
    /// When it was placed.
    pub placed_at: Time,
    /// When it last changed.
    pub changed_at: Time,
    /// When it must leave.
    pub ship_by: Option<Time>,
    /// Units wanted.
    pub units: i64,
    /// What the buyer pays.
    pub total: Option<String>,
    /// How it came in.
    pub origin: String,
    /// A test of its channel.
    pub test: bool,
    /// Its lines.
    pub lines: serde_json::Value,
}

/// An order with what happened to it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OrderDoc {
    /// Where it is.
    #[serde(flatten)]
    pub answer: OrderAnswer,
    /// What it is; absent in the first moments.
    #[serde(flatten)]
    pub facts: Option<OrderFactsDoc>,
    /// Who bought; not for keys that only read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buyer: Option<BuyerDoc>,
    /// What left, in the order in which it did.
    pub shipments: Vec<ShipmentDoc>,
    /// What its channel is to know of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReportDoc>,
    /// What happened, oldest first: the first 1,000 steps.
    pub timeline: Vec<StepDoc>,
    /// The timeline does not tell yet how the order came to be where it is: ask again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub timeline_behind: bool,
}

/// What an order is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OrderFactsDoc {
    /// The channel.
    pub channel: String,
    /// What people call it.
    pub name: String,
    /// When it was placed.
    pub placed_at: Time,
    /// When it must leave.
    pub ship_by: Option<Time>,
    /// When it must arrive.
    pub deliver_by: Option<Time>,
    /// The service level as locations call it.
    pub service_level: Option<String>,
    /// `ready`, `pending`, `on_hold`, `voided`.
    pub payment: String,
    /// When a payment on hold is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_until: Option<Time>,
    /// What the buyer pays.
    pub total: Option<String>,
    /// How it came in.
    pub origin: String,
    /// Where it goes, as routing knows it.
    pub destination: Option<DestinationDoc>,
    /// Tags of its channel.
    pub tags: Vec<String>,
    /// What of it is on hold.
    pub holds: Vec<HeldDoc>,
    /// Exceptions of its own that are open.
    pub open_exceptions: i64,
    /// A test of its channel.
    pub test: bool,
    /// Its lines.
    pub lines: serde_json::Value,
}

/// Where an order goes, without personal data.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct DestinationDoc {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// ISO 3166-2 without the country.
    pub state: Option<String>,
    /// The first characters of the postal code.
    pub postal_prefix: Option<String>,
}

/// What keeps an order, or a line of it, from its location.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct HeldDoc {
    /// The line; absent: the whole order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Why.
    pub reason: String,
    /// Until when; until somebody ends it if absent.
    pub until: Option<Time>,
}

/// A parcel of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ShipmentDoc {
    /// What its location calls it.
    pub shipment: String,
    /// The request it belongs to; absent: somebody else sent it.
    pub request: Option<i64>,
    /// When it left.
    pub shipped_at: Time,
    /// Who carries it.
    pub carrier: Option<String>,
    /// Tracking number.
    pub number: Option<String>,
    /// Where it can be followed.
    pub url: Option<String>,
    /// What is in it.
    pub lines: serde_json::Value,
}

/// What a channel is to know of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReportDoc {
    /// Its number in the order.
    pub report: i64,
    /// `shipped` or `cancelled`.
    pub kind: String,
    /// The request whose parcel it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<i64>,
    /// The parcel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipment: Option<String>,
    /// Units of lines.
    pub lines: serde_json::Value,
    /// `waiting`, `telling`, `in_doubt`, `told`, `left` to a person, or `void`.
    pub status: String,
    /// Why the channel was not told, or nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// What the channel calls the parcel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<String>,
    /// When it last changed.
    pub changed_at: Time,
}

/// A step of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StepDoc {
    /// When.
    pub at: Time,
    /// Kind of event.
    pub kind: String,
    /// What happened.
    pub sentence: String,
    /// Who did it: the name of a person or system.
    pub by: String,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it is in the journal.
    pub position: String,
}

/// A buyer: personal data.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct BuyerDoc {
    /// Full name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Where the goods go.
    pub ship_to: Option<AddressDoc>,
}

/// A postal address: personal data.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct AddressDoc {
    /// Who receives it.
    pub name: Option<String>,
    /// A company.
    pub company: Option<String>,
    /// First line.
    pub address1: Option<String>,
    /// Second line.
    pub address2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// ISO 3166-2 without the country.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Telephone number at the address.
    pub phone: Option<String>,
}

impl std::fmt::Debug for BuyerDoc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BuyerDoc(…)")
    }
}

impl std::fmt::Debug for AddressDoc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddressDoc(…)")
    }
}

impl From<Buyer> for BuyerDoc {
    fn from(buyer: Buyer) -> Self {
        Self {
            name: buyer.name,
            email: buyer.email,
            phone: buyer.phone,
            ship_to: buyer.ship_to.map(AddressDoc::from),
        }
    }
}

impl From<Address> for AddressDoc {
    fn from(address: Address) -> Self {
        Self {
            name: address.name,
            company: address.company,
            address1: address.address1,
            address2: address.address2,
            city: address.city,
            state: address.state,
            postal_code: address.postal_code,
            country: address.country,
            phone: address.phone,
        }
    }
}

impl From<OrderRow> for OrderRowDoc {
    fn from(row: OrderRow) -> Self {
        Self {
            order: row.id,
            channel: row.channel,
            name: row.name,
            status: row.status,
            placed_at: Time::from_ms(row.placed_at),
            changed_at: Time::from_ms(row.changed_at),
            ship_by: row.ship_by.map(Time::from_ms),
            units: row.units,
            total: row.total,
            origin: row.origin,
            test: row.test,
            lines: row.lines,
        }
    }
}

impl From<OrderRow> for OrderFactsDoc {
    fn from(row: OrderRow) -> Self {
        let holds = row.holds.into_iter().map(|hold| HeldDoc {
            line: hold.line,
            reason: hold.reason,
            until: hold.until.map(Time::from_ms),
        });
        Self {
            channel: row.channel,
            name: row.name,
            placed_at: Time::from_ms(row.placed_at),
            ship_by: row.ship_by.map(Time::from_ms),
            deliver_by: row.deliver_by.map(Time::from_ms),
            service_level: row.service_level,
            payment: row.payment,
            payment_until: row.payment_until.map(Time::from_ms),
            total: row.total,
            origin: row.origin,
            destination: serde_json::from_value(row.destination).unwrap_or_default(),
            tags: row.tags,
            holds: holds.collect(),
            open_exceptions: row.open_exceptions,
            test: row.test,
            lines: row.lines,
        }
    }
}

impl From<ReportRow> for ReportDoc {
    fn from(row: ReportRow) -> Self {
        let (request, shipment) = row.parcel.unzip();
        Self {
            report: row.number,
            kind: row.kind,
            request,
            shipment,
            lines: row.lines,
            status: row.status,
            error: row.error,
            retry_at: row.retry_at.map(Time::from_ms),
            theirs: row.theirs,
            changed_at: Time::from_ms(row.changed_at),
        }
    }
}

impl From<ShipmentRow> for ShipmentDoc {
    fn from(row: ShipmentRow) -> Self {
        Self {
            shipment: row.shipment,
            request: row.request,
            shipped_at: Time::from_ms(row.at),
            carrier: row.carrier,
            number: row.number,
            url: row.url,
            lines: row.lines,
        }
    }
}

/// A step as the API shows it, by the name of who did it.
pub(crate) fn step(row: TimelineRow, names: &Names) -> StepDoc {
    StepDoc {
        at: Time::from_ms(row.at),
        kind: row.kind,
        sentence: row.sentence,
        by: names.of(row.principal),
        reason: row.reason,
        position: row.position,
    }
}

/// Every state, as the API calls it.
pub(crate) const STATUSES: [&str; 11] = [
    "received",
    "held",
    "routed",
    "reserved",
    "requested",
    "acknowledged",
    "partly_shipped",
    "shipped",
    "closed",
    "cancelled",
    "backordered",
];

/// A state as the API calls it.
pub(crate) fn status_name(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Received => "received",
        OrderStatus::Held => "held",
        OrderStatus::Routed => "routed",
        OrderStatus::Reserved => "reserved",
        OrderStatus::Requested => "requested",
        OrderStatus::Acknowledged => "acknowledged",
        OrderStatus::PartlyShipped => "partly_shipped",
        OrderStatus::Shipped => "shipped",
        OrderStatus::Closed => "closed",
        OrderStatus::Cancelled => "cancelled",
        OrderStatus::Backordered => "backordered",
    }
}

/// Where an order is, as the API shows it.
pub(crate) fn order_answer(summary: &OrderSummary) -> OrderAnswer {
    let requests = summary.requests.iter();
    let backordered = summary.backordered.iter();
    OrderAnswer {
        order: summary.order.to_string(),
        status: status_name(summary.status),
        requests: requests
            .map(|(request, location, status)| RequestDoc {
                request: *request,
                location: location.to_string(),
                status: status.clone(),
            })
            .collect(),
        backordered: backordered
            .map(|(sku, units)| BackorderDoc {
                sku: sku.to_string(),
                units: *units,
            })
            .collect(),
        hold_expires_at: summary.hold_expires_at.map(Time),
    }
}

/// Where an order is now, with the position it rests on.
pub(crate) async fn summary(
    asking: &Asking,
    order: &OrderId,
) -> Result<(OrderSummary, Reply), ApiError> {
    let reply = asking.read(EntityId::Order(order.clone())).await?;
    match &reply.answer {
        Answer::Order(summary) => Ok(((**summary).clone(), reply)),
        other => Err(ApiError::internal(&format!("an order answered {other:?}"))),
    }
}
