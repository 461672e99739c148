//! What can be asked: lists with filters and cursors, timelines, the feed.

mod exceptions;
mod feed;
mod orders;
mod stock;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

pub use exceptions::{ExceptionFilter, ExceptionRow};
pub use feed::FeedEvent;
pub use orders::{OrderFilter, OrderRow, RequestFilter, RequestRow, TimelineRow};
pub use stock::{LedgerRow, ListingRow, StockFilter, StockRow};

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
            self.values.push(value.into());
            self.conditions
                .push(condition.replace('?', &format!("?{}", self.values.len())));
        }
    }

    fn clause(&self) -> String {
        match self.conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.conditions.join(" AND ")),
        }
    }

    /// Runs `SELECT … FROM …` with the conditions, an order and a limit of one row more than the page.
    fn page<T>(
        self,
        connection: &Connection,
        select: &str,
        order: &str,
        limit: usize,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        cursor: impl Fn(&T) -> String,
    ) -> Result<Page<T>, InsightError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let sql = format!(
            "{select}{} ORDER BY {order} LIMIT {}",
            self.clause(),
            limit + 1
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(self.values), read)?;
        let mut rows: Vec<T> = rows.collect::<Result<_, _>>()?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Ok(Page { rows, next })
    }
}

/// A cursor of two parts, `number|text`.
fn split_cursor(cursor: Option<&str>) -> Result<Option<(i64, String)>, InsightError> {
    let wrong = |cursor: &str| InsightError::Cursor(cursor.to_owned());
    let Some(text) = cursor else { return Ok(None) };
    let (number, rest) = text.split_once('|').ok_or_else(|| wrong(text))?;
    Ok(Some((
        number.parse().map_err(|_| wrong(text))?,
        rest.to_owned(),
    )))
}
