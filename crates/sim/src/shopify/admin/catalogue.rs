//! What the shop sells, and where it keeps stock.

use crossdock_model::Timestamp;
use serde_json::json;

use super::{Carried, list};
use crate::shopify::graphql::Field;
use crate::shopify::store::Store;
use crate::shopify::wire::gid;

pub(super) fn variants(store: &mut Store, _field: &Field, _now: Timestamp) -> Carried {
    let variants = store.variants.iter().filter_map(|(variant, id)| {
        let item = store.items.get(id)?;
        Some(json!({
            "id": gid("ProductVariant", *variant), "displayName": item.sku, "sku": item.sku,
            "inventoryItem": { "id": gid("InventoryItem", *id), "tracked": item.is_tracked },
        }))
    });
    Ok(list(variants))
}

pub(super) fn places(store: &mut Store, field: &Field, _now: Timestamp) -> Carried {
    let is_asked_for_all = field.argument("includeInactive") == true;
    let places = store.locations.iter().filter_map(|(id, name)| {
        let is_active = !store.closed.contains(id);
        let place = json!({ "id": gid("Location", *id), "name": name, "isActive": is_active });
        (is_active || is_asked_for_all).then_some(place)
    });
    Ok(list(places))
}
