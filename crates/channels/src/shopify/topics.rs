//! Topics and what they say.

use crossdock_model::{Duration, ExternalId, ListingId, Timestamp};
use serde_json::Value;

use super::{COUNTED, order, refund};
use crate::fields::{MapError, Part};
use crate::inbound::{Inbound, StockLevel};

/// Topics that are acted on.
pub const TOPICS: [&str; 9] = [
    "orders/create",
    "orders/updated",
    "orders/edited",
    "orders/cancelled",
    "orders/paid",
    "orders/fulfilled",
    "orders/partially_fulfilled",
    "refunds/create",
    "inventory_levels/update",
];

/// The topic of an order that was read from the shop, in the form its webhooks have.
pub const READ: &str = "orders/read";
/// What was read is later than all that was told of the same second: nobody knows the order of those.
const READ_AFTER: Duration = Duration::from_ms(1);
/// The shop's times are whole seconds.
const SECOND: Duration = Duration::from_s(1);
/// What was read when that second was over is later than what was read in it.
const READ_LAST: Duration = Duration::from_ms(2);
/// Says in a body that was read that the second of its state was over.
const IS_LAST: &str = "is_last_of_its_second";

/// Notes in a body that was read at that time by the shop's clock whether more of the same second may follow.
pub(super) fn read_at(body: &mut Value, at: Option<Timestamp>) {
    let root = Part::root(body).and_then(|root| root.need("updated_at")?.instant());
    let is_last = at.zip(root.ok()).is_some_and(|(at, of)| at >= of + SECOND);
    body[IS_LAST] = is_last.into();
}

/// Families of topics that are known and not acted on, with the reason.
const SILENT: [(&str, &str); 12] = [
    (
        "fulfillments/",
        "what we ship we know, and what others ship comes with the order",
    ),
    ("fulfillment_events/", "tracking events change no stock"),
    (
        "fulfillment_orders/",
        "fulfilment orders are read back when we act on them",
    ),
    (
        "fulfillment_holds/",
        "fulfilment orders are read back when we act on them",
    ),
    ("inventory_items/", "the listing map is ours"),
    ("inventory_levels/", "stock is ours"),
    ("products/", "the listing map is ours"),
    ("locations/", "locations are ours"),
    ("order_transactions/", "payment states come with the order"),
    ("returns/", "goods are back when somebody has them in hand"),
    ("disputes/", "disputes are settled in the shop"),
    ("app/", "the subscription itself is watched elsewhere"),
];

/// What a body of a topic says.
///
/// # Errors
/// [`MapError`] names the field and what is wrong with it.
pub fn map(topic: &str, body: &[u8]) -> Result<Inbound, MapError> {
    let topic = topic.trim().to_ascii_lowercase();
    if topic != READ && !TOPICS.contains(&topic.as_str()) {
        let known = SILENT.iter().find(|(family, _)| topic.starts_with(family));
        let why = known.map(|(_, why)| *why);
        return why
            .map(|why| Inbound::Nothing { why })
            .ok_or(MapError::UnknownTopic(topic));
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|e| MapError::NotJson(e.to_string()))?;
    let root = Part::root(&value)?;
    match topic.as_str() {
        "orders/edited" => edit(&root.need("order_edit")?),
        "refunds/create" => {
            let order = root.need("order_id")?.typed::<ExternalId>()?;
            let (refund, lines) = refund::read(&root)?;
            Ok(Inbound::Refund {
                order,
                refund,
                lines,
            })
        }
        "inventory_levels/update" => stock_level(&root),
        READ => {
            let mut order = order::read(&root)?;
            let is_last = value[IS_LAST] == Value::Bool(true);
            let after = if is_last { READ_LAST } else { READ_AFTER };
            order.updated_at = order.updated_at + after;
            Ok(Inbound::Order(Box::new(order)))
        }
        _ => Ok(Inbound::Order(Box::new(order::read(&root)?))),
    }
}

/// Ids of lines and by how many units each changed; what is added is stated in full with the order.
fn edit(edit: &Part<'_>) -> Result<Inbound, MapError> {
    let at = edit
        .get("committed_at")
        .map_or_else(|| edit.need("created_at"), Ok)?;
    let changes = edit.get("line_items");
    let removals = changes.map(|lines| lines.list("removals")).transpose()?;
    let removals = removals.unwrap_or_default().into_iter();
    Ok(Inbound::Edit {
        order: edit.need("order_id")?.typed::<ExternalId>()?,
        edited_at: at.instant()?,
        removed: removals
            .map(|line| order::units(&line, "delta"))
            .collect::<Result<_, _>>()?,
    })
}

fn stock_level(root: &Part<'_>) -> Result<Inbound, MapError> {
    let item = root.need("inventory_item_id")?;
    Ok(Inbound::StockLevel(StockLevel {
        listing: ListingId::new(format!("{COUNTED}{}", item.id()?))
            .map_err(|e| item.wrong(e.to_string()))?,
        place: root.need("location_id")?.id()?,
        available: root
            .get("available")
            .map(|available| available.whole())
            .transpose()?,
        updated_at: root.need("updated_at")?.instant()?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What was read in its second is later than what was told, and earlier than what was read after it.
    #[test]
    fn of_one_second_what_was_read_last_is_newest() {
        let order = json!({
            "id": 1, "name": "1", "created_at": "2026-01-01T00:00:05Z",
            "updated_at": "2026-01-01T00:00:05Z", "currency": "USD", "financial_status": "paid",
            "total_price": "1.00", "line_items": [],
        });
        let at = |topic: &str, body: &Value| match map(topic, body.to_string().as_bytes()) {
            Ok(Inbound::Order(order)) => order.updated_at,
            other => panic!("{other:?}"),
        };
        let told = at("orders/updated", &order);
        let read = |read_at_ms: Option<u64>| {
            let mut body = order.clone();
            let when = read_at_ms.map(|ms| told + Duration::from_ms(ms));
            read_at(&mut body, when);
            at(READ, &body)
        };
        assert!(told < read(Some(0)));
        assert_eq!(read(None), read(Some(0)), "nobody knows when");
        assert_eq!(read(Some(999)), read(Some(0)));
        assert!(read(Some(999)) < read(Some(1_000)));
        assert!(read(Some(1_000)) < told + SECOND);
    }
}
