//! The shop's orders, read beside what its webhooks tell.

use crossdock_model::{ExternalId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError, Changed, POLL_OVERLAP};
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
    /// The list goes on with what changed then. A place in it would not do: an order that changes meanwhile leaves it for the
    /// end, and another one that was not listed yet may move up into what was.
    from: Option<Timestamp>,
    /// Where one second fills a page, the list goes on at this place.
    after: Option<String>,
}

impl Cursor {
    fn since(at: Timestamp) -> Self {
        Self {
            since: at,
            newest: at,
            from: None,
            after: None,
        }
    }

    /// Where the next page begins, as a list is asked for.
    fn begin(&self) -> Timestamp {
        self.from.map_or(self.since, |at| at + POLL_OVERLAP)
    }

    /// Behind a page.
    fn behind(self, page: &Changed) -> Self {
        let last = page.orders.iter().map(|(_, at)| *at).max();
        let newest = self.newest.max(last.unwrap_or_default());
        if page.next.is_none() {
            return Self::since(newest);
        }
        let first = page.orders.first().map(|(_, at)| second(*at));
        let from = last.filter(|last| Some(second(*last)) > first);
        Self {
            newest,
            from: from.or(self.from),
            after: page.next.clone().filter(|_| from.is_none()),
            ..self
        }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Lists are asked for by whole seconds.
fn second(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(1_000)
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
            let page = admin.changed_orders(cursor.begin(), cursor.after.as_deref());
            let page = page.await.map_err(AdminError::of_reading)?;
            let (is_last, next) = (page.next.is_none(), cursor.behind(&page));
            let named = page.orders.into_iter();
            let named = named.map(|(order, updated_at)| Listed::Named { order, updated_at });
            Ok(OrdersListed {
                orders: named.collect(),
                cursor: next.text(),
                is_last,
                looked_until: page.at,
                is_whole: false,
                theirs: None,
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
