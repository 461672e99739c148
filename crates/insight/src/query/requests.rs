//! What locations have to do.

use std::collections::BTreeMap;

use rusqlite::Row;
use serde_json::{Value, json as value};

use super::{Order, Page, Wanted, json};
use crate::{Insight, InsightError};

/// Which fulfilment requests.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Of this order.
    pub order: Option<String>,
    /// For this location.
    pub location: Option<String>,
    /// In this state; `open` for all that are not ended.
    pub status: Option<String>,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Rows of a page.
    pub limit: usize,
}

/// A fulfilment request.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRow {
    /// The order, `channel:external`.
    pub order: String,
    /// What people call the order.
    pub order_name: String,
    /// Its number in the order.
    pub number: i64,
    /// Who is asked.
    pub location: String,
    /// Its state.
    pub status: String,
    /// Line and SKU with `units`: still to send while the request is open, as asked once it has ended; beside them
    /// `asked_units` and `shipped_units`. A line of an open request with nothing left to send is left out.
    pub lines: Value,
    /// What its location was asked to stop and has not answered: `ask` and its `lines`.
    pub asks: Value,
    /// Milliseconds since 1970.
    pub acknowledge_by: i64,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// The service level of the order.
    pub service_level: Option<String>,
    /// When the order must leave, milliseconds since 1970.
    pub ship_by: Option<i64>,
    /// Names the order's address in the vault, 0 for none.
    pub address_version: u64,
}

/// What has not ended. Indexes are made for this text as it stands.
const OPEN: &str = "r.status <> 'shipped' AND r.status <> 'rejected' AND r.status <> 'cancelled'";
/// States that have ended.
const ENDED: [&str; 3] = ["shipped", "rejected", "cancelled"];

pub(super) const CREATED: Order = Order::up(&["r.created_at", "r.id", "r.number"]);

pub(super) const REQUEST: &str = "SELECT r.id, o.name, r.number, r.location, r.status, (
    SELECT json_group_array(json_object('line', l.line, 'sku', l.sku,
        'units', iif(r.status IN ('shipped', 'rejected', 'cancelled'), l.asked, l.open),
        'asked_units', l.asked, 'shipped_units', l.shipped) ORDER BY l.line, l.sku)
    FROM request_lines l WHERE l.id = r.id AND l.number = r.number
        AND (l.open > 0 OR r.status IN ('shipped', 'rejected', 'cancelled'))),
    r.acknowledge_by, r.created_at, o.service_level, o.ship_by, r.cancelling, o.destination ->> 'address_version'
    FROM requests r CROSS JOIN orders o ON o.id = r.id";

impl RequestFilter {
    pub(super) fn wanted(&self) -> Result<Wanted, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("r.id = ?", self.order.clone());
        wanted.with("r.location = ?", self.location.clone());
        let status = self.status.as_deref();
        if status.is_some_and(|status| !ENDED.contains(&status)) {
            wanted.conditions.push(OPEN.to_owned());
        }
        let exact = status.filter(|status| *status != "open");
        wanted.with("r.status = ?", exact.map(str::to_owned));
        wanted.after(&CREATED, self.cursor.as_deref())?;
        Ok(wanted)
    }
}

impl Insight {
    /// Fulfilment requests, oldest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn requests(&self, filter: &RequestFilter) -> Result<Page<RequestRow>, InsightError> {
        let wanted = filter.wanted()?;
        let read = |row: &Row<'_>| {
            Ok(RequestRow {
                order: row.get(0)?,
                order_name: row.get(1)?,
                number: row.get(2)?,
                location: row.get(3)?,
                status: row.get(4)?,
                lines: json(&row.get::<_, String>(5)?),
                acknowledge_by: row.get(6)?,
                created_at: row.get(7)?,
                service_level: row.get(8)?,
                ship_by: row.get(9)?,
                asks: asks(&row.get::<_, String>(10)?),
                address_version: row.get::<_, Option<i64>>(11)?.unwrap_or(0).cast_unsigned(),
            })
        };
        let key = |row: &RequestRow| {
            vec![
                value!(row.created_at),
                value!(row.order),
                value!(row.number),
            ]
        };
        wanted.page(&self.reader(), REQUEST, &CREATED, filter.limit, read, key)
    }
}

/// Open asks, by number.
fn asks(cancelling: &str) -> Value {
    let asks: BTreeMap<u32, Value> = serde_json::from_str(cancelling).unwrap_or_default();
    let asks = asks.into_iter();
    asks.map(|(ask, lines)| value!({ "ask": ask, "lines": lines }))
        .collect()
}
