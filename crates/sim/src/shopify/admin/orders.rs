//! Orders: those that changed, one in full, and cancelling.

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::{Carried, Refusal, list, user_error};
use crate::shopify::fault::Fault;
use crate::shopify::graphql::Field;
use crate::shopify::order::{Fulfilment, FulfilmentOrder, Line, Order, Refund};
use crate::shopify::store::Store;
use crate::shopify::wire::{dollars, gid, graphql_time, id_of};

pub(super) fn changed(store: &mut Store, field: &Field, now: Timestamp) -> Carried {
    let query = field.argument("query").as_str().unwrap_or_default();
    let since = query
        .strip_prefix("updated_at:>='")
        .and_then(|rest| rest.strip_suffix('\''));
    let since = since.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let Some(since) = since.map(|since| since.as_millisecond()) else {
        return Err(Refusal::new(
            "BAD_REQUEST",
            format!("the query {query:?} is not understood"),
        ));
    };
    let listed_until = now - store.list_lag;
    let is_listed =
        |order: &&Order| order.updated_at.as_ms() >= since && order.updated_at <= listed_until;
    let is_late =
        |order: &Order| order.updated_at.as_ms() >= since && order.updated_at > listed_until;
    if store.orders.values().any(is_late) {
        store.faults.note(Fault::Lagged);
    }
    let mut changed: Vec<&Order> = store.orders.values().filter(is_listed).collect();
    changed.sort_by_key(|order| (order.updated_at, order.id));
    Ok(list(changed.into_iter().map(|order| {
        json!({
            "id": gid("Order", order.id), "name": format!("#{}", order.number),
            "createdAt": graphql_time(order.created_at), "updatedAt": graphql_time(order.updated_at),
        })
    })))
}

pub(super) fn one(store: &mut Store, field: &Field, _now: Timestamp) -> Carried {
    let order = id_of("Order", field.argument("id")).and_then(|id| store.orders.get(&id));
    Ok(order.map(body).unwrap_or_default())
}

/// An order, or a part of one, by its id.
pub(super) fn part(store: &mut Store, field: &Field, _now: Timestamp) -> Carried {
    let id = field.argument("id");
    let orders = store.orders.get(&id_of("Order", id).unwrap_or_default());
    let of = |kind: &str| {
        store
            .parts
            .get(&id_of(kind, id)?)
            .and_then(|order| store.orders.get(order))
    };
    let is = |part: &Value| part["id"] == *id;
    let parts = [
        orders.map(body).into_iter().collect::<Vec<_>>(),
        of("FulfillmentOrder")
            .map(fulfilment_orders)
            .unwrap_or_default(),
        of("Fulfillment").map(fulfilments).unwrap_or_default(),
        of("Refund").map(refunds).unwrap_or_default(),
    ];
    Ok(parts.into_iter().flatten().find(is).unwrap_or_default())
}

fn fulfilment_orders(order: &Order) -> Vec<Value> {
    order
        .fulfilment_orders
        .iter()
        .map(fulfilment_order)
        .collect()
}

fn fulfilments(order: &Order) -> Vec<Value> {
    order.fulfilments.iter().map(fulfilment).collect()
}

fn refunds(order: &Order) -> Vec<Value> {
    order.refunds.iter().map(refund).collect()
}

fn amount(cents: u64) -> Value {
    json!({ "shopMoney": { "amount": dollars(cents), "currencyCode": "USD" } })
}

fn body(order: &Order) -> Value {
    let buyer = order.buyer();
    let cancelled = order.cancelled.as_ref();
    let total = order
        .lines
        .iter()
        .map(|line| u64::from(line.units) * line.price_cents);
    json!({
        "id": gid("Order", order.id), "name": format!("#{}", order.number),
        "createdAt": graphql_time(order.created_at), "processedAt": graphql_time(order.created_at),
        "updatedAt": graphql_time(order.updated_at),
        "cancelledAt": cancelled.map(|(at, _)| graphql_time(*at)),
        "cancelReason": cancelled.map(|(_, reason)| reason.to_uppercase()),
        "displayFinancialStatus": order.financial_status().to_uppercase(),
        "currencyCode": "USD", "totalPriceSet": amount(total.sum()), "tags": [], "test": false,
        "email": buyer.email, "phone": null,
        "customer": { "id": gid("Customer", buyer.id), "firstName": buyer.first, "lastName": buyer.last },
        "shippingAddress": {
            "firstName": buyer.first, "lastName": buyer.last, "name": format!("{} {}", buyer.first, buyer.last),
            "company": null, "address1": "40 Example Avenue", "address2": null, "city": "Reno", "province": "Nevada",
            "provinceCode": "NV", "zip": "89501", "countryCodeV2": "US", "phone": null, "latitude": 39.5296,
            "longitude": -119.8138,
        },
        "shippingLine": { "code": "standard", "title": "Standard" },
        "refunds": refunds(order),
        "fulfillments": fulfilments(order),
        "lineItems": list(order.lines.iter().map(line)),
        "fulfillmentOrders": list(fulfilment_orders(order)),
    })
}

fn line(line: &Line) -> Value {
    json!({
        "id": gid("LineItem", line.id), "variant": { "id": gid("ProductVariant", line.variant) }, "sku": line.sku,
        "title": line.sku, "quantity": line.units, "currentQuantity": line.current_units, "requiresShipping": true,
        "isGiftCard": false, "originalUnitPriceSet": amount(line.price_cents),
    })
}

fn refund(refund: &Refund) -> Value {
    let kind = match refund.restock {
        true => "CANCEL",
        false => "NO_RESTOCK",
    };
    let line = json!({
        "lineItem": { "id": gid("LineItem", refund.line) }, "quantity": refund.units, "restockType": kind,
    });
    json!({ "id": gid("Refund", refund.id), "refundLineItems": list([line]) })
}

fn fulfilment(fulfilment: &Fulfilment) -> Value {
    let tracking = fulfilment.tracking.iter();
    let tracking =
        tracking.map(|(company, number)| json!({ "company": company, "number": number }));
    let line = |(line, units): &(u64, u32)| json!({ "lineItem": { "id": gid("LineItem", *line) }, "quantity": units });
    json!({
        "id": gid("Fulfillment", fulfilment.id), "status": "SUCCESS", "service": { "handle": "manual" },
        "trackingInfo": tracking.collect::<Vec<_>>(),
        "fulfillmentLineItems": list(fulfilment.lines.iter().map(line)),
    })
}

fn fulfilment_order(part: &FulfilmentOrder) -> Value {
    let lines = part.lines.iter().map(|line| {
        json!({
            "id": gid("FulfillmentOrderLineItem", line.id), "totalQuantity": line.units,
            "remainingQuantity": line.left, "lineItem": { "id": gid("LineItem", line.line) },
        })
    });
    json!({
        "id": gid("FulfillmentOrder", part.id), "status": part.status(), "updatedAt": graphql_time(part.updated_at),
        "assignedLocation": { "location": { "id": gid("Location", part.location) } },
        "lineItems": list(lines),
    })
}

pub(super) fn cancel(store: &mut Store, field: &Field, now: Timestamp) -> Carried {
    let reason = field
        .argument("reason")
        .as_str()
        .unwrap_or("OTHER")
        .to_lowercase();
    let restock = field.argument("restock").as_bool().unwrap_or(false);
    let order = id_of("Order", field.argument("orderId"));
    let is_cancelled = order.is_some_and(|order| store.cancel(order, &reason, restock, now));
    let errors = match (
        order.filter(|id| store.orders.contains_key(id)),
        is_cancelled,
    ) {
        (_, true) => Vec::new(),
        (None, false) => vec![user_error(
            "NOT_FOUND",
            &["orderId"],
            "Order does not exist",
        )],
        (Some(_), false) => vec![user_error(
            "INVALID",
            &["orderId"],
            "Cannot cancel this order",
        )],
    };
    let job =
        is_cancelled.then(|| json!({ "id": format!("gid://shopify/Job/{}", store.next_id()) }));
    Ok(json!({ "job": job, "orderCancelUserErrors": errors }))
}
