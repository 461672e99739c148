//! Notifications: what has changed, told at least once, in any order, late. An order is read again then; what the
//! notification says of it is not believed.

use crossdock_model::{ExternalId, Timestamp};
use serde_json::Value;

use super::map::parse;
use super::order::{AMAZON_SHIPS, seller_sku};
use crate::fields::{MapError, Part};
use crate::inbound::{Inbound, StockLevel};

/// Envelopes in one another that are opened: a queue's around a topic's around a bus's.
const ENVELOPES_MAX: usize = 3;

/// Types that are known and not acted on, with the reason.
const SILENT: [(&str, &str); 11] = [
    ("FBA_INVENTORY_AVAILABILITY_CHANGES", AMAZON_SHIPS),
    ("FBA_OUTBOUND_SHIPMENT_STATUS", AMAZON_SHIPS),
    ("FULFILLMENT_ORDER_STATUS", AMAZON_SHIPS),
    (
        "EXTERNAL_FULFILLMENT_SHIPMENT_STATUS_CHANGE",
        "orders are read from the orders API",
    ),
    (
        "FEED_PROCESSING_FINISHED",
        "a feed's state is asked for by who began it",
    ),
    ("LISTINGS_ITEM_ISSUES_CHANGE", "the listing map is ours"),
    ("LISTINGS_ITEM_STATUS_CHANGE", "the listing map is ours"),
    (
        "SHIPMENT_TRACKING_MILESTONE_CHANGED",
        "tracking events change no stock",
    ),
    ("TRANSACTION_UPDATE", "money is settled with Amazon"),
    (
        "ACCOUNT_STATUS_CHANGED",
        "the account is looked after elsewhere",
    ),
    ("ANY_OFFER_CHANGED", "prices are not ours"),
];

/// A notification out of its envelopes: EventBridge puts it into `detail`, SQS and SNS quote it as a text.
pub(super) fn opened(mut value: Value) -> Result<Value, MapError> {
    for _ in 0..ENVELOPES_MAX {
        if either(&Part::root(&value)?, "NotificationType", "notificationType").is_some() {
            break;
        }
        let quoted = ["Body", "body", "Message"]
            .into_iter()
            .find_map(|name| value.get(name)?.as_str());
        value = match (quoted, value.get("detail")) {
            (Some(text), _) => parse(text.as_bytes())?,
            (None, Some(detail)) => detail.clone(),
            (None, None) => break,
        };
    }
    Ok(value)
}

/// Newer types begin their fields with small letters.
fn either<'a>(part: &Part<'a>, old: &'static str, new: &'static str) -> Option<Part<'a>> {
    part.get(old).or_else(|| part.get(new))
}

/// The notification's own id.
pub(super) fn id(notification: &Value) -> Result<String, MapError> {
    let root = Part::root(notification)?;
    let told = either(&root, "NotificationMetadata", "notificationMetadata");
    let told = told.map_or_else(|| root.need("NotificationMetadata"), Ok)?;
    let id = either(&told, "NotificationId", "notificationId");
    id.map_or_else(|| told.need("NotificationId"), Ok)?.id()
}

pub(super) fn read(notification: &Value) -> Result<Inbound, MapError> {
    let root = Part::root(notification)?;
    let kind = either(&root, "NotificationType", "notificationType");
    let kind = kind.map_or_else(|| root.need("NotificationType"), Ok)?;
    let name = kind
        .as_text()
        .ok_or_else(|| kind.wrong("expected a text"))?;
    match name {
        "ORDER_CHANGE" => order_change(&root),
        "LISTINGS_ITEM_MFN_QUANTITY_CHANGE" => quantity(&root),
        _ => {
            let known = SILENT.iter().find(|(kind, _)| *kind == name);
            let why = known.map(|&(_, why)| Inbound::Nothing { why });
            why.ok_or_else(|| MapError::UnknownTopic(name.to_owned()))
        }
    }
}

fn order_change(root: &Part<'_>) -> Result<Inbound, MapError> {
    let change = root.need("Payload")?.need("OrderChangeNotification")?;
    let summary = change.get("Summary");
    let by = summary.and_then(|summary| summary.text("FulfillmentType"));
    if by.as_deref() == Some("AFN") {
        return Ok(Inbound::Nothing { why: AMAZON_SHIPS });
    }
    let at_ms = root.need("EventTime")?.instant()?.as_ms();
    Ok(Inbound::Reread {
        order: change.need("AmazonOrderId")?.typed::<ExternalId>()?,
        // The order's own time has whole seconds.
        changed_at: Timestamp::from_ms(at_ms - at_ms.rem_euclid(1_000)),
    })
}

/// What a SKU shows now, whoever changed it.
fn quantity(root: &Part<'_>) -> Result<Inbound, MapError> {
    let payload = root.need("Payload")?;
    let place = payload.need("FulfillmentChannelCode")?;
    Ok(Inbound::StockLevel(StockLevel {
        listing: seller_sku(&payload, "Sku")?,
        place: place.id()?,
        available: payload
            .get("Quantity")
            .map(|units| units.whole())
            .transpose()?,
        updated_at: root.need("EventTime")?.instant()?,
    }))
}
