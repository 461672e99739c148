//! What can be asked: lists with filters and cursors, timelines, the feed.

mod counts;
mod exceptions;
mod feed;
mod lines;
mod orders;
#[cfg(test)]
mod plans;
mod requests;
mod settings;
mod stock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};

pub use counts::{OrderCount, OwedCount};
pub use exceptions::{ExceptionFilter, ExceptionNote, ExceptionRow, OpenExceptions};
pub use feed::{Delivered, FeedEvent, FeedPage};
pub use orders::{
    HoldSummary, OrderFilter, OrderRow, OrderSearch, ReportRow, RequestSummary, ShipmentRow,
    TimelineRow,
};
pub use requests::{RequestFilter, RequestRow};
pub use settings::{ListingRow, RuleSetRow};
pub use stock::{ExpectedRow, LedgerRow, SkuRow, StockFilter, StockRow, StockSearch, TransferRow};

use crate::InsightError;

/// Rows of one page at most.
pub const PAGE_MAX: usize = 200;

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins; none: this is the last.
    pub next: Option<String>,
}

/// The order of a list: its columns, which together tell every row from every other.
struct Order {
    columns: &'static [&'static str],
    descending: bool,
}

impl Order {
    const fn up(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            descending: false,
        }
    }

    const fn down(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            descending: true,
        }
    }
}

/// A condition being put together.
#[derive(Default)]
struct Wanted {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Wanted {
    /// Adds a condition, with `?` for the value, when there is one.
    fn with(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            let place = self.bind(value);
            self.conditions.push(condition.replace('?', &place));
        }
    }

    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    /// Goes on behind the row a cursor names.
    fn after(&mut self, order: &Order, cursor: Option<&str>) -> Result<(), InsightError> {
        let Some(cursor) = cursor else { return Ok(()) };
        let key = read_cursor(cursor).filter(|key| key.len() == order.columns.len());
        let key = key.ok_or_else(|| InsightError::Cursor(cursor.to_owned()))?;
        let places: Vec<String> = key.into_iter().map(|value| self.bind(value)).collect();
        let (columns, places) = (order.columns.join(", "), places.join(", "));
        let sign = if order.descending { '<' } else { '>' };
        self.conditions
            .push(format!("({columns}) {sign} ({places})"));
        Ok(())
    }

    fn clause(&self) -> String {
        match self.conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.conditions.join(" AND ")),
        }
    }

    fn sql(&self, select: &str, order: &Order, limit: usize) -> String {
        let turn = if order.descending { " DESC" } else { "" };
        let by: Vec<String> = order
            .columns
            .iter()
            .map(|column| format!("{column}{turn}"))
            .collect();
        let (clause, by, rows_max) = (self.clause(), by.join(", "), limit + 1);
        format!("{select}{clause} ORDER BY {by} LIMIT {rows_max}")
    }

    /// Runs `SELECT … FROM …` with the conditions, an order and a limit of one row more than the page.
    fn page<T>(
        self,
        connection: &Connection,
        select: &str,
        order: &Order,
        limit: usize,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        key: impl Fn(&T) -> Vec<serde_json::Value>,
    ) -> Result<Page<T>, InsightError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let sql = self.sql(select, order, limit);
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(self.values), read)?;
        let mut rows: Vec<T> = rows.collect::<Result<_, _>>()?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| write_cursor(key(row)));
        Ok(Page { rows, next })
    }
}

/// A cursor is opaque to callers and safe in a URL and on a command line.
fn write_cursor(key: Vec<serde_json::Value>) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::Value::Array(key).to_string())
}

fn read_cursor(cursor: &str) -> Option<Vec<Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let key: Vec<serde_json::Value> = serde_json::from_slice(&bytes).ok()?;
    let one = |part: serde_json::Value| match part {
        serde_json::Value::String(text) => Some(Value::Text(text)),
        other => other.as_i64().map(Value::Integer),
    };
    key.into_iter().map(one).collect()
}

/// JSON that this crate wrote itself.
fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or(serde_json::Value::Null)
}
