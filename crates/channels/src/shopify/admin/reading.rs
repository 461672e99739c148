//! The shop's orders, read beside what its webhooks tell.

use crossdock_model::{ExternalId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError};
use crate::orders::{Listed, OrderRead, Orders, OrdersListed, Reading, Told, digest};
use crate::outbound::CallError;
use crate::shopify::READ;
use crate::shopify::topics::read_at;

/// Where reading stands.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// Orders that changed since then are listed.
    since: Timestamp,
    /// The newest change that was listed.
    newest: Timestamp,
    /// Where the list goes on.
    after: Option<String>,
}

impl Cursor {
    fn since(at: Timestamp) -> Self {
        Self {
            since: at,
            newest: at,
            after: None,
        }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Orders for Admin {
    fn since(&self, at: Timestamp) -> String {
        Cursor::since(at).text()
    }

    fn changed(&self, cursor: String) -> Reading<OrdersListed> {
        let admin = self.clone();
        Box::pin(async move {
            let cursor: Cursor = serde_json::from_str(&cursor)
                .map_err(|error| CallError::NotDone(format!("no cursor: {error}")))?;
            let page = admin.changed_orders(cursor.since, cursor.after.as_deref());
            let page = page.await.map_err(AdminError::of_reading)?;
            let newest = page.orders.iter().map(|(_, at)| *at).max();
            let newest = cursor.newest.max(newest.unwrap_or_default());
            let next = match &page.next {
                Some(_) => Cursor {
                    newest,
                    after: page.next.clone(),
                    ..cursor
                },
                None => Cursor::since(newest),
            };
            let named = page.orders.into_iter();
            let named = named.map(|(order, updated_at)| Listed::Named { order, updated_at });
            Ok(OrdersListed {
                orders: named.collect(),
                cursor: next.text(),
                is_last: next.after.is_none(),
                looked_until: page.at,
                is_whole: false,
            })
        })
    }

    fn order(&self, order: ExternalId) -> Reading<OrderRead> {
        let admin = self.clone();
        Box::pin(async move {
            let (body, at) = admin
                .order_body(&order)
                .await
                .map_err(AdminError::of_reading)?;
            let told = body.map(|mut body| {
                read_at(&mut body, at);
                let body = body.to_string().into_bytes();
                let digest = digest(&body);
                Told {
                    delivery_id: format!("read/{order}/{digest}"),
                    topic: READ,
                    body,
                }
            });
            Ok(OrderRead { told })
        })
    }
}
