//! The seller's orders, read: a list states each in full.

use crossdock_model::{ExternalId, Timestamp};

use super::client::{Cursor, Searched, Seller, StoredOrder};
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
            let cursor: Cursor = serde_json::from_str(&cursor)
                .map_err(|error| CallError::NotDone(format!("no cursor: {error}")))?;
            let page = match seller.search_orders(&cursor).await? {
                Searched::Page(page) => page,
                Searched::Restart(_) => {
                    return Ok(OrdersListed {
                        orders: Vec::new(),
                        cursor: text(&cursor.anew()),
                        is_last: false,
                        looked_until: None,
                        is_whole: false,
                    });
                }
            };
            Ok(OrdersListed {
                cursor: text(&cursor.behind(&page)),
                is_last: page.next.is_none(),
                looked_until: cursor.before.or(page.updated_before),
                // Amazon leaves out the last minutes by itself.
                is_whole: true,
                orders: page.orders.into_iter().filter_map(listed).collect(),
            })
        })
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

fn text(cursor: &Cursor) -> String {
    serde_json::to_string(cursor).unwrap_or_default()
}

/// What is none of ours is left out.
fn listed(order: StoredOrder) -> Option<Listed> {
    let named = match map(ORDER, &order.body) {
        Ok(Inbound::Order(order)) => Some((order.external, order.updated_at)),
        Ok(_) => return None,
        Err(_) => None,
    };
    Some(Listed::Stated {
        order: named,
        told: told(order),
    })
}

fn told(order: StoredOrder) -> Told {
    Told {
        delivery_id: order.delivery_id,
        topic: ORDER,
        body: order.body,
    }
}
