//! The seller's orders, read: a list states each in full.

use crossdock_model::{ExternalId, Timestamp};

use super::client::{Cursor, FulfilledBy, Searched, Seller, StoredOrder};
use super::map::{ORDER, map};
use crate::inbound::Inbound;
use crate::orders::{Listed, OrderRead, Orders, OrdersListed, Reading, Told};
use crate::outbound::CallError;

impl Orders for Seller {
    fn since(&self, at: Timestamp) -> String {
        text(&Cursor::since(at))
    }

    fn changed(&self, cursor: String) -> Reading<OrdersListed> {
        let seller = self.clone();
        Box::pin(async move {
            let cursor = read(&cursor)?;
            let page = match seller.search_orders(&cursor).await? {
                Searched::Page(page) if cursor.is_full(&page) => {
                    let theirs = cursor.only(FulfilledBy::Amazon);
                    return Ok(OrdersListed {
                        theirs: Some(text(&theirs)),
                        ..begins_at(&cursor.only(FulfilledBy::Merchant))
                    });
                }
                Searched::Page(page) => page,
                Searched::Restart(_) => return Ok(begins_at(&cursor.anew())),
            };
            Ok(OrdersListed {
                theirs: None,
                cursor: text(&cursor.behind(&page)),
                is_last: page.next.is_none(),
                looked_until: cursor.before.or(page.updated_before),
                // Amazon leaves out the last minutes by itself.
                is_whole: true,
                orders: page.orders.into_iter().filter_map(listed).collect(),
            })
        })
    }

    fn joined(&self, cursor: String, theirs: &str) -> String {
        match (read(&cursor), read(theirs)) {
            (Ok(ours), Ok(theirs)) => text(&Cursor::since(ours.after.min(theirs.after))),
            _ => cursor,
        }
    }

    fn order(&self, order: ExternalId) -> Reading<OrderRead> {
        let seller = self.clone();
        Box::pin(async move {
            let order = seller.get_order(&order).await?;
            Ok(OrderRead {
                told: order.map(told),
            })
        })
    }
}

/// A page of nothing, behind which reading begins there.
fn begins_at(cursor: &Cursor) -> OrdersListed {
    OrdersListed {
        orders: Vec::new(),
        cursor: text(cursor),
        is_last: false,
        looked_until: None,
        is_whole: false,
        theirs: None,
    }
}

fn read(cursor: &str) -> Result<Cursor, CallError> {
    serde_json::from_str(cursor).map_err(|error| CallError::NotDone(format!("no cursor: {error}")))
}

fn text(cursor: &Cursor) -> String {
    serde_json::to_string(cursor).unwrap_or_default()
}

/// What is none of ours is left out.
fn listed(order: StoredOrder) -> Option<Listed> {
    let (named, is_theirs) = match map(ORDER, &order.body) {
        Ok(Inbound::Order(order)) => {
            let is_theirs = order.sent_by_channel;
            (Some((order.external, order.updated_at)), is_theirs)
        }
        Ok(_) => return None,
        Err(_) => (None, false),
    };
    Some(Listed::Stated {
        order: named,
        told: told(order),
        is_theirs,
    })
}

fn told(order: StoredOrder) -> Told {
    Told {
        delivery_id: order.delivery_id,
        topic: ORDER,
        body: order.body,
    }
}
