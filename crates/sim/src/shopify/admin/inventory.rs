//! Numbers of units: read by item, set by comparing.

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::{Carried, Refusal, once, user_error};
use crate::shopify::graphql::{Field, LIST_MAX};
use crate::shopify::store::Store;
use crate::shopify::wire::{gid, graphql_time, id_of};
use crate::shopify::writes::Written;

/// The largest number there may be.
const UNITS_MAX: i64 = 1_000_000_000;

fn elements(value: &Value) -> Result<&[Value], Refusal> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    match all.len() {
        0..=LIST_MAX => Ok(all),
        count => Err(Refusal::new(
            "MAX_INPUT_SIZE_EXCEEDED",
            format!(
                "The input array size of {count} is greater than the maximum allowed of {LIST_MAX}"
            ),
        )),
    }
}

pub(super) fn nodes(store: &mut Store, field: &Field, _now: Timestamp) -> Carried {
    let place = field
        .find("inventoryLevel")
        .map(|level| level.argument("locationId"));
    let location = place.and_then(|place| id_of("Location", place));
    let node = |id: &Value| {
        let id = id_of("InventoryItem", id)?;
        let item = store.items.get(&id)?;
        let level = location.and_then(|location| {
            let units = item.levels.get(&location)?;
            let changed_at = item.changed_at.get(&location).copied().unwrap_or_default();
            Some(json!({
                "updatedAt": graphql_time(changed_at),
                "quantities": [{ "name": "available", "quantity": units }],
            }))
        });
        Some(json!({
            "id": gid("InventoryItem", id),
            "sku": item.sku,
            "tracked": item.is_tracked,
            "variant": { "id": gid("ProductVariant", item.variant) },
            "inventoryLevel": level,
        }))
    };
    Ok(elements(field.argument("ids"))?.iter().map(node).collect())
}

fn payload(group: Value, errors: Vec<Value>) -> Value {
    json!({ "inventoryAdjustmentGroup": group, "userErrors": errors })
}

pub(super) fn set_quantities(store: &mut Store, field: &Field, now: Timestamp) -> Carried {
    let input = field.argument("input");
    let failed = |error| payload(Value::Null, vec![error]);
    once(store, field, |store| set(store, input, now), failed)
}

/// All numbers are set, or none.
fn set(store: &mut Store, input: &Value, now: Timestamp) -> Carried {
    let quantities = elements(&input["quantities"])?;
    let mut errors = Vec::new();
    if input["name"] != "available" {
        errors.push(user_error(
            "INVALID_NAME",
            &["input", "name"],
            "The quantity name is not valid",
        ));
    }
    if input["reason"] != "correction" {
        errors.push(user_error(
            "INVALID_REASON",
            &["input", "reason"],
            "The reason is not valid",
        ));
    }
    let mut changes = Vec::new();
    for (at, quantity) in quantities.iter().enumerate() {
        match change(store, quantity) {
            Ok(change) => changes.extend(change),
            Err((code, part, message)) => {
                let at = at.to_string();
                errors.push(user_error(
                    code,
                    &["input", "quantities", &at, part],
                    message,
                ));
            }
        }
    }
    if !errors.is_empty() {
        return Ok(payload(Value::Null, errors));
    }
    let is_changed = !changes.is_empty();
    for (item, location, units) in changes {
        if let Some(known) = store.items.get_mut(&item) {
            known.levels.insert(location, units);
        }
        store.writes.note(Written {
            item,
            location,
            units,
            at: now,
        });
        store.tell_level(item, location, now);
    }
    let group = is_changed.then(|| {
        json!({
            "id": gid("InventoryAdjustmentGroup", store.next_id()),
            "createdAt": graphql_time(now),
            "reason": input["reason"],
            "referenceDocumentUri": input["referenceDocumentUri"],
        })
    });
    Ok(payload(json!(group), Vec::new()))
}

/// A code, the part of the input that is to blame, and what is wrong.
type Fault = (&'static str, &'static str, &'static str);

/// The change that a number asks for; none when it is shown already.
fn change(store: &Store, quantity: &Value) -> Result<Option<(u64, u64, i64)>, Fault> {
    let item = id_of("InventoryItem", &quantity["inventoryItemId"]);
    let item = item.and_then(|id| Some((id, store.items.get(&id)?)));
    let (id, item) = item.ok_or((
        "INVALID_INVENTORY_ITEM",
        "inventoryItemId",
        "The specified inventory item could not be found",
    ))?;
    let location = id_of("Location", &quantity["locationId"]);
    let location = location
        .filter(|id| store.locations.contains_key(id))
        .ok_or((
            "INVALID_LOCATION",
            "locationId",
            "The specified location could not be found",
        ))?;
    let shown = item.levels.get(&location).copied().ok_or((
        "ITEM_NOT_STOCKED_AT_LOCATION",
        "locationId",
        "The specified inventory item is not stocked at the location",
    ))?;
    let units = quantity["quantity"].as_i64().unwrap_or(-1);
    match units {
        ..0 => {
            return Err((
                "INVALID_QUANTITY_NEGATIVE",
                "quantity",
                "The quantity can't be negative",
            ));
        }
        units if units > UNITS_MAX => {
            return Err((
                "INVALID_QUANTITY_TOO_HIGH",
                "quantity",
                "The quantity is too high",
            ));
        }
        _ => {}
    }
    match quantity.get("changeFromQuantity") {
        None => Err((
            "COMPARE_QUANTITY_REQUIRED",
            "changeFromQuantity",
            "The changeFromQuantity argument must be stated",
        )),
        Some(compared) if !compared.is_null() && compared.as_i64() != Some(shown) => Err((
            "CHANGE_FROM_QUANTITY_STALE",
            "changeFromQuantity",
            "The changeFromQuantity value does not match the persisted quantity",
        )),
        Some(_) => Ok((shown != units).then_some((id, location, units))),
    }
}
