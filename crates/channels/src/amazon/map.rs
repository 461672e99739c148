//! What a stored body says: an order as it was polled, or a notification.

use serde_json::Value;

use super::{notification, order};
use crate::fields::{MapError, Part};
use crate::inbound::Inbound;

/// The topic of an order as `searchOrders` and `getOrder` answer it.
pub const ORDER: &str = "order";
/// The topic of a notification, in whatever envelope it came.
pub const NOTIFICATION: &str = "notification";

/// What a body of a topic says.
///
/// # Errors
/// [`MapError`] names the field and what is wrong with it.
pub fn map(topic: &str, body: &[u8]) -> Result<Inbound, MapError> {
    match topic {
        ORDER => order::read(&order_part(&parse(body)?)?),
        NOTIFICATION => notification::read(&notification::opened(parse(body)?)?),
        other => Err(MapError::UnknownTopic(other.to_owned())),
    }
}

/// What names a delivery, so that a repeat is known: an order's state by its id and its time, a notification by its own
/// id.
///
/// # Errors
/// [`MapError`] when the body does not say.
pub fn delivery_id(topic: &str, body: &[u8]) -> Result<String, MapError> {
    match topic {
        ORDER => {
            let value = parse(body)?;
            let order = order_part(&value)?;
            let (id, at) = (order.need("orderId")?, order.need("lastUpdatedTime")?);
            Ok(format!("{}/{}", id.id()?, at.instant()?.as_ms()))
        }
        NOTIFICATION => notification::id(&notification::opened(parse(body)?)?),
        other => Err(MapError::UnknownTopic(other.to_owned())),
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Value, MapError> {
    serde_json::from_slice(body).map_err(|e| MapError::NotJson(e.to_string()))
}

/// An order by itself or as `getOrder` wraps it.
fn order_part(value: &Value) -> Result<Part<'_>, MapError> {
    let root = Part::root(value)?;
    Ok(root.get("order").unwrap_or(root))
}
