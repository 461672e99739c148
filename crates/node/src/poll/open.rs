//! Open orders of a channel, read once: for a shop that goes live with them.

use crossdock_channels::{
    CallError, ChannelOrder, Inbound, Listed, OrderRead, OrdersListed, Told, amazon, shopify,
};
use crossdock_model::{Duration, ExternalId, Timestamp};
use crossdock_runtime::Clock;

use crate::links::Link;

/// Orders that are read at most.
const ORDERS_MAX: usize = 5_000;
/// Times a call is made that the channel has no room for now.
const TRIES_MAX: u32 = 10;

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
        let page = list(link, clock, &cursor).await;
        let page = page.map_err(|error| {
            format!("the orders of {} could not be read: {error}", link.channel)
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

async fn list(link: &Link, clock: &dyn Clock, cursor: &str) -> Result<OrdersListed, CallError> {
    let mut tries = 1;
    loop {
        link.orders.list.take().await;
        match link.orders.orders.changed(cursor.to_owned()).await {
            Err(CallError::Throttled { retry_after }) if tries < TRIES_MAX => {
                tries += 1;
                clock.sleep(span(retry_after)).await;
            }
            listed => return listed,
        }
    }
}

/// An order of a list; `None`: nothing of it is left to send, or it is none of ours.
async fn read(
    link: &Link,
    clock: &dyn Clock,
    order: &ExternalId,
) -> Result<Option<ChannelOrder>, String> {
    let mut tries = 1;
    loop {
        link.orders.read.take().await;
        match link.orders.orders.order(order.clone()).await {
            Ok(OrderRead { told, points_left }) => {
                link.orders.read.correct(points_left);
                return told.map_or(Ok(None), |told| order_of(link, &told));
            }
            Err(CallError::Throttled { retry_after }) if tries < TRIES_MAX => {
                tries += 1;
                clock.sleep(span(retry_after)).await;
            }
            Err(error) => return Err(format!("order {order} could not be read: {error}")),
        }
    }
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

fn span(wait: std::time::Duration) -> Duration {
    Duration::from_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}
