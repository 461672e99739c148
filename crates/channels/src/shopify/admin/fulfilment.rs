//! What is sent from where, and parcels.

use crossdock_model::{ExternalId, LineId, ShipmentId};
use serde_json::{Value, json};

use super::gid::gid;
use super::{Admin, AdminError, accepted, next_page, payload};
use crate::fields::{MapError, Part};

/// Pages of an order's fulfilment orders that are read.
const PAGES_MAX: usize = 20;

pub(super) const FULFILMENT_ORDERS: &str = "query FulfilmentOrders($id: ID!, $after: String) {
  order(id: $id) {
    fulfillmentOrders(first: 5, after: $after) {
      nodes {
        id status
        assignedLocation { location { id } }
        lineItems(first: 10) {
          nodes { id remainingQuantity lineItem { id } }
          pageInfo { hasNextPage endCursor }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}";

pub(super) const LINES: &str = "query FulfilmentOrderLines($id: ID!, $after: String) {
  node(id: $id) {
    ... on FulfillmentOrder {
      lineItems(first: 100, after: $after) {
        nodes { id remainingQuantity lineItem { id } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}";

pub(super) const MOVE: &str = "mutation MoveFulfilmentOrder(
  $id: ID!, $place: ID!, $lines: [FulfillmentOrderLineItemInput!]
) {
  fulfillmentOrderMove(id: $id, newLocationId: $place, fulfillmentOrderLineItems: $lines) {
    movedFulfillmentOrder { id }
    userErrors { field message }
  }
}";

pub(super) const CREATE: &str = "mutation CreateFulfilment($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id }
    userErrors { field message }
  }
}";

/// What is to be sent from one location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FulfilmentOrder {
    /// Its id.
    pub id: String,
    /// As the shop words it: `OPEN`, `ON_HOLD`, `CLOSED`.
    pub status: String,
    /// The shop's location; `None`: it is gone.
    pub place: Option<String>,
    /// What.
    pub lines: Vec<FulfilmentLine>,
}

/// Units of an order's line in a fulfilment order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FulfilmentLine {
    /// Its id in the fulfilment order.
    pub id: String,
    /// The order's line.
    pub line: LineId,
    /// Units that are not sent yet.
    pub left: u32,
}

/// Units of a fulfilment order's line, by the line's id there.
pub type LineCount = (String, u32);

/// A parcel, sent from one location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// By fulfilment order, what is in it.
    pub lines: Vec<(String, Vec<LineCount>)>,
    /// The carrier, as people call it.
    pub carrier: Option<String>,
    /// Its number there.
    pub tracking: Option<String>,
    /// Whether the shop tells the buyer.
    pub notify: bool,
}

impl Admin {
    /// What of an order is to be sent from where. *Read*: may be repeated.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn fulfilment_orders(
        &self,
        order: &ExternalId,
    ) -> Result<Vec<FulfilmentOrder>, AdminError> {
        let id = gid("Order", order.as_str());
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let about = json!({ "id": id });
            let mut reply = self
                .page(FULFILMENT_ORDERS, about, after.as_deref())
                .await?;
            after = next_page(&payload(&reply, "order")?.need("fulfillmentOrders")?)?;
            let nodes = reply.data["order"]["fulfillmentOrders"]["nodes"].as_array_mut();
            for mut node in nodes.map(std::mem::take).unwrap_or_default() {
                self.complete(&mut node, "lineItems", LINES).await?;
                found.push(fulfilment_order(&Part::root(&node)?)?);
            }
            if after.is_none() {
                return Ok(found);
            }
        }
        Err(AdminError::Refused(
            "the order has more fulfilment orders than are read".to_owned(),
        ))
    }

    /// Sends units of a fulfilment order from another location; no lines stand for all of them. Returns the fulfilment
    /// order that is there now. *Read before retry*: once done, its units are assigned to that location.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn move_fulfilment_order(
        &self,
        id: &str,
        place: &str,
        lines: &[LineCount],
    ) -> Result<String, AdminError> {
        let variables = json!({
            "id": gid("FulfillmentOrder", id),
            "place": gid("Location", place),
            "lines": (!lines.is_empty()).then(|| counts(lines)),
        });
        let reply = self.call(MOVE, variables).await?;
        let moved = accepted(&reply, "fulfillmentOrderMove", "userErrors")?;
        Ok(moved.need("movedFulfillmentOrder")?.need("id")?.id()?)
    }

    /// Tells of a parcel that was sent. Returns what the shop calls it, under which orders will tell of it. *Read
    /// before retry*: once done, its units are no longer left in their fulfilment orders.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn create_fulfilment(&self, parcel: &Parcel) -> Result<ShipmentId, AdminError> {
        let of = |(id, lines): &(String, Vec<LineCount>)| {
            json!({
                "fulfillmentOrderId": gid("FulfillmentOrder", id),
                "fulfillmentOrderLineItems": counts(lines),
            })
        };
        let fulfilment = json!({
            "lineItemsByFulfillmentOrder": parcel.lines.iter().map(of).collect::<Vec<_>>(),
            "trackingInfo": { "company": parcel.carrier, "number": parcel.tracking },
            "notifyCustomer": parcel.notify,
        });
        let reply = self
            .call(CREATE, json!({ "fulfillment": fulfilment }))
            .await?;
        let created = accepted(&reply, "fulfillmentCreate", "userErrors")?;
        Ok(created.need("fulfillment")?.need("id")?.typed()?)
    }
}

fn counts(lines: &[LineCount]) -> Vec<Value> {
    let count = |(line, units): &LineCount| json!({ "id": gid("FulfillmentOrderLineItem", line), "quantity": units });
    lines.iter().map(count).collect()
}

fn fulfilment_order(node: &Part<'_>) -> Result<FulfilmentOrder, MapError> {
    let items = node.need("lineItems")?;
    let line = |line: &Part<'_>| {
        Ok(FulfilmentLine {
            id: line.need("id")?.id()?,
            line: line.need("lineItem")?.need("id")?.typed()?,
            left: line.need("remainingQuantity")?.units()?,
        })
    };
    let place = node.need("assignedLocation")?.get("location");
    let lines: Result<_, MapError> = items.list("nodes")?.iter().map(line).collect();
    Ok(FulfilmentOrder {
        id: node.need("id")?.id()?,
        status: node.need("status")?.id()?,
        place: place.map(|place| place.need("id")?.id()).transpose()?,
        lines: lines?,
    })
}
