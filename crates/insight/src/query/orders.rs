//! Orders, their timelines, and what locations have to do.

use rusqlite::{OptionalExtension, Row};
use serde_json::Value;

use super::{Page, Wanted, split_cursor};
use crate::{Insight, InsightError};

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Of this channel.
    pub channel: Option<String>,
    /// In this state.
    pub status: Option<String>,
    /// Placed at or after, milliseconds since 1970.
    pub placed_from: Option<i64>,
    /// Placed before, milliseconds since 1970.
    pub placed_to: Option<i64>,
    /// Came in like this: `channel`, `api`, `adopted`, `hold`.
    pub origin: Option<String>,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Rows of a page.
    pub limit: usize,
}

/// An order in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRow {
    /// `channel:external`.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// What people call it.
    pub name: String,
    /// Its state.
    pub status: String,
    /// Milliseconds since 1970.
    pub placed_at: i64,
    /// Milliseconds since 1970.
    pub changed_at: i64,
    /// Milliseconds since 1970.
    pub ship_by: Option<i64>,
    /// Units wanted.
    pub units: i64,
    /// Amount and currency.
    pub total: Option<String>,
    /// Whether it is a test of its channel.
    pub test: bool,
    /// How it came in.
    pub origin: String,
    /// Its lines.
    pub lines: Value,
}

/// An event of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineRow {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Kind of event.
    pub kind: String,
    /// What happened.
    pub sentence: String,
    /// Who did it.
    pub principal: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Where it is in the journal, `shard:sequence`.
    pub position: String,
}

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
    /// What to send: line, sku, units.
    pub lines: Value,
    /// Milliseconds since 1970.
    pub acknowledge_by: i64,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

const ORDER: &str =
    "SELECT id, channel, name, status, placed_at, changed_at, ship_by, units, total, test, origin,
    lines FROM orders";

fn order_row(row: &Row<'_>) -> rusqlite::Result<OrderRow> {
    let lines: String = row.get(11)?;
    Ok(OrderRow {
        id: row.get(0)?,
        channel: row.get(1)?,
        name: row.get(2)?,
        status: row.get(3)?,
        placed_at: row.get(4)?,
        changed_at: row.get(5)?,
        ship_by: row.get(6)?,
        units: row.get(7)?,
        total: row.get(8)?,
        test: row.get(9)?,
        origin: row.get(10)?,
        lines: serde_json::from_str(&lines).unwrap_or(Value::Null),
    })
}

impl Insight {
    /// Orders, newest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn orders(&self, filter: &OrderFilter) -> Result<Page<OrderRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("channel = ?", filter.channel.clone());
        wanted.with("status = ?", filter.status.clone());
        wanted.with("origin = ?", filter.origin.clone());
        wanted.with("placed_at >= ?", filter.placed_from);
        wanted.with("placed_at < ?", filter.placed_to);
        if let Some((placed_at, id)) = split_cursor(filter.cursor.as_deref())? {
            wanted.with(
                &format!("(placed_at < {placed_at} OR (placed_at = {placed_at} AND id > ?))"),
                Some(id),
            );
        }
        let cursor = |row: &OrderRow| format!("{}|{}", row.placed_at, row.id);
        wanted.page(
            &self.reader(),
            ORDER,
            "placed_at DESC, id",
            filter.limit,
            order_row,
            cursor,
        )
    }

    /// One order.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn order(&self, id: &str) -> Result<Option<OrderRow>, InsightError> {
        let sql = format!("{ORDER} WHERE id = ?1");
        Ok(self
            .reader()
            .prepare_cached(&sql)?
            .query_row([id], order_row)
            .optional()?)
    }

    /// Everything that happened to an order, oldest first, up to 1,000 events.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn timeline(&self, id: &str) -> Result<Vec<TimelineRow>, InsightError> {
        let sql =
            "SELECT at, kind, sentence, principal, reason, position FROM timeline WHERE id = ?1
            ORDER BY number LIMIT 1000";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql)?;
        let rows = statement.query_map([id], |row| {
            Ok(TimelineRow {
                at: row.get(0)?,
                kind: row.get(1)?,
                sentence: row.get(2)?,
                principal: row.get(3)?,
                reason: row.get(4)?,
                position: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Fulfilment requests, oldest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn requests(&self, filter: &RequestFilter) -> Result<Page<RequestRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("r.id = ?", filter.order.clone());
        wanted.with("r.location = ?", filter.location.clone());
        match filter.status.as_deref() {
            Some("open") => wanted.with(
                "r.status NOT IN ('shipped', 'rejected', 'cancelled') AND 0 = ?",
                Some(0_i64),
            ),
            other => wanted.with("r.status = ?", other.map(str::to_owned)),
        }
        if let Some((created_at, rest)) = split_cursor(filter.cursor.as_deref())? {
            let condition = format!(
                "(r.created_at > {created_at} OR (r.created_at = {created_at} AND r.id || '/' || r.number > ?))"
            );
            wanted.with(&condition, Some(rest));
        }
        let select = "SELECT r.id, o.name, r.number, r.location, r.status, r.lines, r.acknowledge_by, r.created_at
            FROM requests r JOIN orders o ON o.id = r.id";
        let read = |row: &Row<'_>| {
            let lines: String = row.get(5)?;
            Ok(RequestRow {
                order: row.get(0)?,
                order_name: row.get(1)?,
                number: row.get(2)?,
                location: row.get(3)?,
                status: row.get(4)?,
                lines: serde_json::from_str(&lines).unwrap_or(Value::Null),
                acknowledge_by: row.get(6)?,
                created_at: row.get(7)?,
            })
        };
        let cursor = |row: &RequestRow| format!("{}|{}/{}", row.created_at, row.order, row.number);
        let order = "r.created_at, r.id || '/' || r.number";
        wanted.page(&self.reader(), select, order, filter.limit, read, cursor)
    }
}
