//! Topics and what they say.

use crossdock_model::{Duration, ExternalId, ListingId, SourceId, Timestamp};
use serde_json::{Value, json};

use super::{COUNTED, order, refund};
use crate::fields::{MapError, Part};
use crate::inbound::{Inbound, StockLevel};
use crate::orders::Told;
use crate::outbound::NumberShown;

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
    LEVEL,
];

/// The topic of what is shown of an item at a place.
const LEVEL: &str = "inventory_levels/update";

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
        LEVEL => stock_level(&root),
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

/// What was read of an item at a place, as if the shop had delivered it. `None`: it says nothing of that.
#[must_use]
pub fn told_level(listing: &ListingId, place: &SourceId, shown: &NumberShown) -> Option<Told> {
    let item = listing.as_str().strip_prefix(COUNTED)?;
    let (_, place) = place.as_str().rsplit_once('/')?;
    let updated_at = shown.changed_at?;
    let written_at = jiff::Timestamp::from_millisecond(updated_at.as_ms()).ok()?;
    let body = json!({
        "inventory_item_id": item,
        "location_id": place,
        "available": shown.units,
        "updated_at": written_at.to_string(),
    });
    let units = shown
        .units
        .map_or("none".to_owned(), |units| units.to_string());
    Some(Told {
        delivery_id: format!("read/level/{item}/{place}/{}/{units}", updated_at.as_ms()),
        topic: LEVEL,
        body: body.to_string().into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read and what is delivered come to the same.
    #[test]
    fn a_level_that_was_read_is_one_that_was_told() {
        let listing = ListingId::new("inventory_item:808950810").unwrap();
        let place = SourceId::new("shop/655441491").unwrap();
        let shown = |units, changed_at| NumberShown {
            units,
            at: Timestamp::from_ms(9_000),
            changed_at,
        };
        let updated_at = Timestamp::from_ms(5_000);
        for units in [Some(7), Some(-2), None] {
            let told = told_level(&listing, &place, &shown(units, Some(updated_at))).unwrap();
            let level = StockLevel {
                listing: listing.clone(),
                place: "655441491".to_owned(),
                available: units,
                updated_at,
            };
            let read = map(told.topic, &told.body);
            assert_eq!(read, Ok(Inbound::StockLevel(level)), "{units:?}");
        }
        let id = |units, ms| {
            let shown = shown(units, Some(Timestamp::from_ms(ms)));
            told_level(&listing, &place, &shown).unwrap().delivery_id
        };
        assert_eq!(id(Some(7), 5_000), id(Some(7), 5_000));
        for other in [id(Some(8), 5_000), id(Some(7), 6_000), id(None, 5_000)] {
            assert_ne!(other, id(Some(7), 5_000));
        }
        assert_eq!(told_level(&listing, &place, &shown(Some(7), None)), None);
        let variant = ListingId::new("40001").unwrap();
        let said = shown(Some(7), Some(updated_at));
        assert_eq!(told_level(&variant, &place, &said), None);
    }

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
