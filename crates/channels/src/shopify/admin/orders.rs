//! Orders that changed, and one order in full, as webhooks would have told them.

use crossdock_model::{Duration, ExternalId, Timestamp};
use serde_json::{Value, json};

use super::gid::gid;
use super::{Admin, AdminError, next_page, payload};
use crate::fields::{MapError, Part};
use crate::inbound::ChannelOrder;
use crate::shopify::order;

/// How much further back is read than asked, as a list may show an order later than it was changed.
pub const POLL_OVERLAP: Duration = Duration::from_minutes(2);
/// Refunds, and fulfilments, of an order that are read with it.
const PARTS_FIRST: usize = 20;
/// The same that are read at all.
const PARTS_MAX: usize = 100;
/// Points that reading all of either costs at most.
const PARTS_POINTS: u32 = 800;

pub(super) const CHANGED: &str = "query ChangedOrders($query: String!, $after: String) {
  orders(first: 250, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes { id updatedAt }
    pageInfo { hasNextPage endCursor }
  }
}";

pub(super) const ORDER: &str = "query Order($id: ID!) {
  order(id: $id) {
    id name createdAt processedAt updatedAt cancelledAt cancelReason displayFinancialStatus currencyCode
    totalPriceSet { shopMoney { amount } }
    tags test email phone
    customer { id firstName lastName }
    shippingAddress {
      firstName lastName name company address1 address2 city province provinceCode zip countryCodeV2 phone
      latitude longitude
    }
    shippingLine { code title }
    lineItems(first: 50) {
      nodes {
        id variant { id } sku title quantity currentQuantity requiresShipping isGiftCard
        originalUnitPriceSet { shopMoney { amount } }
      }
      pageInfo { hasNextPage endCursor }
    }
    refunds(first: 20) {
      id
      refundLineItems(first: 5) {
        nodes { lineItem { id } quantity restockType }
        pageInfo { hasNextPage endCursor }
      }
    }
    fulfillments(first: 20) {
      id status service { handle } trackingInfo { number }
      fulfillmentLineItems(first: 5) {
        nodes { lineItem { id } quantity }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}";

pub(super) const REFUNDS: &str = "query OrderRefunds($id: ID!) {
  order(id: $id) {
    refunds(first: 100) {
      id
      refundLineItems(first: 2) {
        nodes { lineItem { id } quantity restockType }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}";

pub(super) const FULFILMENTS: &str = "query OrderFulfilments($id: ID!) {
  order(id: $id) {
    fulfillments(first: 100) {
      id status service { handle } trackingInfo { number }
      fulfillmentLineItems(first: 2) {
        nodes { lineItem { id } quantity }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}";

pub(super) const LINES: &str = "query OrderLines($id: ID!, $after: String) {
  node(id: $id) {
    ... on Order {
      lineItems(first: 100, after: $after) {
        nodes {
          id variant { id } sku title quantity currentQuantity requiresShipping isGiftCard
          originalUnitPriceSet { shopMoney { amount } }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}";

pub(super) const REFUND_LINES: &str = "query RefundLines($id: ID!, $after: String) {
  node(id: $id) {
    ... on Refund {
      refundLineItems(first: 100, after: $after) {
        nodes { lineItem { id } quantity restockType }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}";

pub(super) const FULFILMENT_LINES: &str = "query FulfilmentLines($id: ID!, $after: String) {
  node(id: $id) {
    ... on Fulfillment {
      fulfillmentLineItems(first: 100, after: $after) {
        nodes { lineItem { id } quantity }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}";

/// Orders that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Each with the time of its newest state, the one that was changed first before the others.
    pub orders: Vec<(ExternalId, Timestamp)>,
    /// Where the list goes on; `None`: it ends here.
    pub next: Option<String>,
    /// When it was listed, by the shop's clock.
    pub at: Option<Timestamp>,
}

impl Admin {
    /// Orders that changed since then, or up to [`POLL_OVERLAP`] before: a page, from where an earlier one said that
    /// the list goes on. *Read*: may be repeated.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn changed_orders(
        &self,
        since: Timestamp,
        after: Option<&str>,
    ) -> Result<Changed, AdminError> {
        let since = jiff::Timestamp::from_millisecond((since - POLL_OVERLAP).as_ms());
        let since = since.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ");
        let query = format!("updated_at:>='{since}'");
        let reply = self
            .call(CHANGED, json!({ "query": query, "after": after }))
            .await?;
        let orders = payload(&reply, "orders")?;
        let read = |node: &Part<'_>| {
            let id = node.need("id")?.typed::<ExternalId>()?;
            Ok((id, node.need("updatedAt")?.instant()?))
        };
        let nodes = orders.list("nodes")?;
        let changed: Result<Vec<_>, MapError> = nodes.iter().map(read).collect();
        Ok(Changed {
            orders: changed?,
            next: next_page(&orders)?,
            at: reply.at,
        })
    }

    /// An order as it is now; `None` where the shop has none of that id. *Read*: may be repeated.
    ///
    /// # Errors
    /// [`AdminError`]; it is refused also when it has more parts than are read.
    pub async fn order(&self, order: &ExternalId) -> Result<Option<ChannelOrder>, AdminError> {
        let (body, _) = self.order_body(order).await?;
        let read = body.map(|body| order::read(&Part::root(&body)?));
        Ok(read.transpose()?)
    }

    /// An order as a webhook would have it, and when it was read by the shop's clock.
    pub(super) async fn order_body(
        &self,
        order: &ExternalId,
    ) -> Result<(Option<Value>, Option<Timestamp>), AdminError> {
        let id = gid("Order", order.as_str());
        let mut reply = self.call(ORDER, json!({ "id": id })).await?;
        let mut order = reply.data["order"].take();
        if order.is_null() {
            return Ok((None, reply.at));
        }
        self.complete(&mut order, "lineItems", LINES).await?;
        for (parts, all, list, document) in [
            ("refunds", REFUNDS, "refundLineItems", REFUND_LINES),
            (
                "fulfillments",
                FULFILMENTS,
                "fulfillmentLineItems",
                FULFILMENT_LINES,
            ),
        ] {
            if order[parts].as_array().map_or(0, Vec::len) >= PARTS_FIRST {
                let about = json!({ "id": id });
                let mut reply = self.patiently(all, about, PARTS_POINTS).await?;
                order[parts] = reply.data["order"][parts].take();
            }
            let parts = order[parts].as_array_mut().map(Vec::as_mut_slice);
            let parts = parts.unwrap_or_default();
            if parts.len() >= PARTS_MAX {
                return Err(AdminError::Refused(format!(
                    "{id} has too many parts to be read"
                )));
            }
            for part in parts {
                self.complete(part, list, document).await?;
            }
        }
        Ok((Some(rest(&order)), reply.at))
    }
}

/// The order as a webhook would have it.
fn rest(order: &Value) -> Value {
    let at = |path: &str| at(order, path);
    let list = |name: &str, read: fn(&Value) -> Value| -> Vec<Value> {
        order[name]
            .as_array()
            .into_iter()
            .flatten()
            .map(read)
            .collect()
    };
    let tags = order["tags"].as_array().into_iter().flatten();
    let tags: Vec<&str> = tags.filter_map(Value::as_str).collect();
    let ways: Vec<Value> = [at("/shippingLine")]
        .into_iter()
        .filter(|way| !way.is_null())
        .collect();
    json!({
        "id": at("/id"), "name": at("/name"), "created_at": at("/createdAt"), "processed_at": at("/processedAt"),
        "updated_at": at("/updatedAt"), "cancelled_at": at("/cancelledAt"), "cancel_reason": lower(order, "/cancelReason"),
        "financial_status": lower(order, "/displayFinancialStatus"), "currency": at("/currencyCode"),
        "total_price": at("/totalPriceSet/shopMoney/amount"), "tags": tags.join(","), "test": at("/test"),
        "email": at("/email"), "phone": at("/phone"),
        "customer": {
            "id": at("/customer/id"), "first_name": at("/customer/firstName"), "last_name": at("/customer/lastName")
        },
        "shipping_address": address(&order["shippingAddress"]),
        "shipping_lines": ways,
        "line_items": nodes(&order["lineItems"], line),
        "refunds": list("refunds", refund),
        "fulfillments": list("fulfillments", fulfilment),
    })
}

fn at(value: &Value, path: &str) -> Value {
    value.pointer(path).cloned().unwrap_or_default()
}

/// A word of a list, as webhooks write it.
fn lower(value: &Value, path: &str) -> Option<String> {
    Some(value.pointer(path)?.as_str()?.to_ascii_lowercase())
}

fn nodes(connection: &Value, read: fn(&Value) -> Value) -> Vec<Value> {
    connection["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(read)
        .collect()
}

fn address(address: &Value) -> Value {
    if address.is_null() {
        return Value::Null;
    }
    let at = |path: &str| at(address, path);
    json!({
        "first_name": at("/firstName"), "last_name": at("/lastName"), "name": at("/name"), "company": at("/company"),
        "address1": at("/address1"), "address2": at("/address2"), "city": at("/city"), "province": at("/province"),
        "province_code": at("/provinceCode"), "zip": at("/zip"), "country_code": at("/countryCodeV2"),
        "phone": at("/phone"), "latitude": at("/latitude"), "longitude": at("/longitude"),
    })
}

fn line(line: &Value) -> Value {
    let at = |path: &str| at(line, path);
    json!({
        "id": at("/id"), "variant_id": at("/variant/id"), "sku": at("/sku"), "title": at("/title"),
        "quantity": at("/quantity"), "current_quantity": at("/currentQuantity"),
        "requires_shipping": at("/requiresShipping"), "gift_card": at("/isGiftCard"),
        "price": at("/originalUnitPriceSet/shopMoney/amount"),
    })
}

fn refund(refund: &Value) -> Value {
    let line = |line: &Value| {
        json!({
            "line_item_id": at(line, "/lineItem/id"), "quantity": at(line, "/quantity"),
            "restock_type": lower(line, "/restockType"),
        })
    };
    json!({ "id": at(refund, "/id"), "refund_line_items": nodes(&refund["refundLineItems"], line) })
}

fn fulfilment(fulfilment: &Value) -> Value {
    let line =
        |line: &Value| json!({ "id": at(line, "/lineItem/id"), "quantity": at(line, "/quantity") });
    json!({
        "id": at(fulfilment, "/id"), "status": lower(fulfilment, "/status"),
        "service": at(fulfilment, "/service/handle"),
        "tracking_number": at(fulfilment, "/trackingInfo/0/number"),
        "line_items": nodes(&fulfilment["fulfillmentLineItems"], line),
    })
}
