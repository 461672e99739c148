//! Fulfilment orders that are moved, in part too, and parcels.

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::{Carried, user_error};
use crate::shopify::graphql::Field;
use crate::shopify::order::{Fulfilment, FulfilmentOrder, Order};
use crate::shopify::store::Store;
use crate::shopify::wire::{gid, id_of};

/// Why it is not done.
type Problem = &'static str;

fn not_found() -> Problem {
    "The fulfillment order does not exist"
}

fn errors(problem: Option<Problem>) -> Vec<Value> {
    problem
        .map(|problem| user_error("INVALID", &["id"], problem))
        .into_iter()
        .collect()
}

/// Lines and units that are asked for, of those that are left; no list stands for all of them.
fn asked(part: &FulfilmentOrder, list: &Value) -> Result<Vec<(u64, u32)>, Problem> {
    let left = part.lines.iter().filter(|line| line.left > 0);
    let Some(list) = list.as_array() else {
        return Ok(left.map(|line| (line.id, line.left)).collect());
    };
    let read = |element: &Value| {
        let id = id_of("FulfillmentOrderLineItem", &element["id"]);
        let units = element["quantity"]
            .as_u64()
            .and_then(|units| u32::try_from(units).ok());
        let line = part.lines.iter().find(|line| Some(line.id) == id);
        let (line, units) = line
            .zip(units)
            .ok_or("Fulfillment order line item does not exist")?;
        match (1..=line.left).contains(&units) {
            true => Ok((line.id, units)),
            false => Err("Invalid fulfillment order line item quantity requested"),
        }
    };
    list.iter().map(read).collect()
}

impl Order {
    fn part(&mut self, id: u64) -> Option<&mut FulfilmentOrder> {
        self.fulfilment_orders.iter_mut().find(|part| part.id == id)
    }
}

impl Store {
    /// The order of a fulfilment order that is still to be sent.
    fn order_of(&mut self, part: u64) -> Result<&mut Order, Problem> {
        let is_open = |one: &FulfilmentOrder| {
            one.id == part && !one.is_cancelled && one.lines.iter().any(|line| line.left > 0)
        };
        let order = self
            .parts
            .get(&part)
            .and_then(|order| self.orders.get_mut(order));
        order
            .filter(|order| order.fulfilment_orders.iter().any(is_open))
            .ok_or_else(not_found)
    }

    /// Takes units out of a fulfilment order and makes another one of them, at that location. Returns it, with its order.
    fn carve(
        &mut self,
        part: u64,
        list: &Value,
        location: u64,
        now: Timestamp,
    ) -> Result<(u64, u64), Problem> {
        let order = self.order_of(part)?;
        let id = order.id;
        let part = order.part(part).ok_or_else(not_found)?;
        let taken = asked(part, list)?;
        part.updated_at = now;
        let mut lines = Vec::new();
        for line in &mut part.lines {
            let units = taken
                .iter()
                .find(|(id, _)| *id == line.id)
                .map(|(_, units)| *units);
            if let Some(units) = units {
                line.units -= units;
                line.left -= units;
                lines.push((line.line, units));
            }
        }
        part.lines.retain(|line| line.units > 0);
        let carved = self.fulfilment_order(id, location, lines, now);
        let carved_id = carved.id;
        if let Some(order) = self.orders.get_mut(&id) {
            order.fulfilment_orders.push(carved);
            order
                .fulfilment_orders
                .retain(|part| !part.lines.is_empty());
            order.updated_at = now;
        }
        Ok((id, carved_id))
    }

    /// Moves a fulfilment order as it is, if all of it is to be moved. Returns its order then.
    fn relocate_whole(
        &mut self,
        part: u64,
        list: &Value,
        location: u64,
        now: Timestamp,
    ) -> Result<Option<u64>, Problem> {
        let order = self.order_of(part)?;
        let part = order.part(part).ok_or_else(not_found)?;
        let moved = asked(part, list)?;
        let is_whole = part
            .lines
            .iter()
            .all(|line| moved.contains(&(line.id, line.units)));
        if !is_whole {
            return Ok(None);
        }
        part.location = location;
        part.updated_at = now;
        order.updated_at = now;
        Ok(Some(order.id))
    }

    /// Units that are sent from another location are for sale here again, and there no longer.
    fn move_stock(&mut self, order: u64, part: u64, from: u64, now: Timestamp) {
        let Some(order) = self.orders.get_mut(&order) else {
            return;
        };
        let variants = order
            .lines
            .iter()
            .map(|line| (line.id, line.variant))
            .collect::<Vec<_>>();
        let Some(part) = order.part(part) else { return };
        let (to, lines) = (part.location, part.lines.clone());
        for line in lines {
            let variant = variants
                .iter()
                .find(|(id, _)| *id == line.line)
                .map(|(_, variant)| *variant);
            let item = variant.and_then(|variant| self.variants.get(&variant).copied());
            let Some(item) = item else { continue };
            for (location, units) in [(from, i64::from(line.left)), (to, -i64::from(line.left))] {
                if let Some(item) = self.items.get_mut(&item) {
                    *item.levels.entry(location).or_default() += units;
                }
                self.tell_level(item, location, now);
            }
        }
    }

    fn location_of(&mut self, part: u64) -> Result<u64, Problem> {
        let part = self.order_of(part)?.part(part).map(|part| part.location);
        part.ok_or_else(not_found)
    }
}

pub(super) fn relocate(store: &mut Store, field: &Field, now: Timestamp) -> Carried {
    let location = id_of("Location", field.argument("newLocationId"));
    let location = location.filter(|id| store.locations.contains_key(id));
    let moved = id_of("FulfillmentOrder", field.argument("id"))
        .ok_or_else(not_found)
        .and_then(|part| {
            let location = location.ok_or("The location does not exist")?;
            let from = store.location_of(part)?;
            if from == location {
                return Err("Cannot be moved to the location where it is");
            }
            let lines = field.argument("fulfillmentOrderLineItems");
            if let Some(order) = store.relocate_whole(part, lines, location, now)? {
                store.move_stock(order, part, from, now);
                return Ok(part);
            }
            let (order, carved) = store.carve(part, lines, location, now)?;
            store.move_stock(order, carved, from, now);
            Ok(carved)
        });
    let id = moved
        .ok()
        .map(|part| json!({ "id": gid("FulfillmentOrder", part) }));
    Ok(json!({ "movedFulfillmentOrder": id, "userErrors": errors(moved.err()) }))
}

pub(super) fn create(store: &mut Store, field: &Field, now: Timestamp) -> Carried {
    let created = send(store, field.argument("fulfillment"), now);
    let id = created
        .ok()
        .map(|id| json!({ "id": gid("Fulfillment", id) }));
    Ok(json!({ "fulfillment": id, "userErrors": errors(created.err()) }))
}

fn send(store: &mut Store, input: &Value, now: Timestamp) -> Result<u64, Problem> {
    let mut parts = Vec::new();
    let mut order: Option<u64> = None;
    let mut place: Option<u64> = None;
    for of in input["lineItemsByFulfillmentOrder"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let part = id_of("FulfillmentOrder", &of["fulfillmentOrderId"]).ok_or_else(not_found)?;
        let found = store.order_of(part)?;
        if order
            .replace(found.id)
            .is_some_and(|before| before != found.id)
        {
            return Err("All fulfillment orders must belong to the same order");
        }
        let found = found.part(part).ok_or_else(not_found)?;
        let location = found.location;
        if place
            .replace(location)
            .is_some_and(|before| before != location)
        {
            return Err("All fulfillment orders must be assigned to the same location");
        }
        parts.push((part, asked(found, &of["fulfillmentOrderLineItems"])?));
    }
    let fulfilment = store.next_id();
    let id = order.ok_or_else(not_found)?;
    store.parts.insert(fulfilment, id);
    let order = store.orders.get_mut(&id).ok_or_else(not_found)?;
    let mut sent = Vec::new();
    for (part, lines) in parts {
        let part = order.part(part).ok_or_else(not_found)?;
        part.updated_at = now;
        for (line, units) in lines {
            for line in part.lines.iter_mut().filter(|one| one.id == line) {
                line.left -= units;
                sent.push((line.line, units));
            }
        }
    }
    let text = |name: &str| input["trackingInfo"][name].as_str().map(str::to_owned);
    order.updated_at = now;
    order.fulfilments.push(Fulfilment {
        id: fulfilment,
        at: now,
        lines: sent,
        tracking: text("number").map(|number| (text("company").unwrap_or_default(), number)),
    });
    let is_left = order
        .fulfilment_orders
        .iter()
        .flat_map(|part| &part.lines)
        .any(|line| line.left > 0);
    let topic = match is_left {
        true => "orders/partially_fulfilled",
        false => "orders/fulfilled",
    };
    store.tell_order(topic, id, now);
    store.tell_order("orders/updated", id, now);
    Ok(fulfilment)
}
