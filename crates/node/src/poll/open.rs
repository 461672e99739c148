//! Open orders of a channel, read once: for a shop that goes live with them.

use crossdock_channels::{ChannelOrder, Inbound, Listed, Told, amazon, shopify};
use crossdock_model::{ExternalId, Timestamp};
use crossdock_runtime::Clock;

use crate::links::Link;
use crate::reading::{patiently, remedy};

/// Orders that are read at most.
const ORDERS_MAX: usize = 5_000;

/// Orders that changed since then and of which something is left to send, each as it is now or why it cannot be read.
///
/// # Errors
/// What stands in the way, in one sentence.
pub async fn open_orders(
    link: &Link,
    clock: &dyn Clock,
    since: Timestamp,
) -> Result<Vec<Result<ChannelOrder, String>>, String> {
    let mut cursor = link.orders.orders.since(since);
    let mut open = Vec::new();
    loop {
        let list = || link.orders.orders.changed(cursor.clone());
        let page = patiently(&link.orders.list, clock, list).await;
        let page = page.map_err(|error| {
            let (channel, remedy) = (&link.channel, remedy(&error, link));
            format!("the orders of {channel} could not be read: {error}: {remedy}")
        })?;
        for listed in page.orders {
            let order = match listed {
                Listed::Stated { told, .. } => order_of(link, &told),
                Listed::Named { order, .. } => read(link, clock, &order).await,
            };
            open.extend(order.transpose());
        }
        if open.len() > ORDERS_MAX {
            return Err(format!(
                "more than {ORDERS_MAX} orders are open: adopt them from an export"
            ));
        }
        if page.is_last {
            return Ok(open);
        }
        cursor = page.cursor;
    }
}

/// An order of a list; `None`: nothing of it is left to send, or it is none of ours.
async fn read(
    link: &Link,
    clock: &dyn Clock,
    order: &ExternalId,
) -> Result<Option<ChannelOrder>, String> {
    let spend = &link.orders.read;
    let read = patiently(spend, clock, || link.orders.orders.order(order.clone())).await;
    let read = read.map_err(|error| format!("order {order} could not be read: {error}"))?;
    read.told.map_or(Ok(None), |told| order_of(link, &told))
}

fn order_of(link: &Link, told: &Told) -> Result<Option<ChannelOrder>, String> {
    let read = match link.shop {
        Some(_) => shopify::map(told.topic, &told.body),
        None => amazon::map(told.topic, &told.body),
    };
    match read {
        Ok(Inbound::Order(order)) => Ok(Some(*order).filter(ChannelOrder::is_left_to_send)),
        Ok(_) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
