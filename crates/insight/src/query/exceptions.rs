//! Exceptions, open ones first.

use rusqlite::Row;
use serde::Deserialize;
use serde_json::{Value, json as value};

use super::{Order, Page, Wanted, json};
use crate::{Insight, InsightError};

/// Which exceptions.
#[derive(Debug, Clone, Default)]
pub struct ExceptionFilter {
    /// One alone.
    pub id: Option<i64>,
    /// Of this kind.
    pub kind: Option<String>,
    /// About this.
    pub subject: Option<String>,
    /// Open ones (or closed ones).
    pub open: Option<bool>,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Rows of a page.
    pub limit: usize,
}

/// An exception.
#[derive(Debug, Clone, PartialEq)]
pub struct ExceptionRow {
    /// Made from its position in the journal: a rebuilt database knows it under the same number.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// How often (kind, subject) was opened.
    pub episode: i64,
    /// The entity that keeps it.
    pub entity: String,
    /// What happened.
    pub cause: String,
    /// Facts that prove it.
    pub evidence: Value,
    /// Milliseconds since 1970.
    pub opened_at: i64,
    /// Milliseconds since 1970.
    pub closed_at: Option<i64>,
    /// How it ended.
    pub how: Option<String>,
    /// What people wrote onto it, the oldest first.
    pub notes: Vec<ExceptionNote>,
}

/// A note on an exception.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ExceptionNote {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Who wrote it.
    pub principal: String,
    /// What.
    pub text: String,
}

/// Open exceptions of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenExceptions {
    /// The kind.
    pub kind: String,
    /// How many are open.
    pub count: u64,
    /// When the oldest was opened, milliseconds since 1970.
    pub oldest_at: i64,
}

const OPENED: Order = Order::up(&["opened_at", "id"]);

const EXCEPTION: &str =
    "SELECT id, kind, subject, episode, entity, cause, evidence, opened_at, closed_at, how, notes
    FROM exceptions";

fn exception_row(row: &Row<'_>) -> rusqlite::Result<ExceptionRow> {
    Ok(ExceptionRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        subject: row.get(2)?,
        episode: row.get(3)?,
        entity: row.get(4)?,
        cause: row.get(5)?,
        evidence: json(&row.get::<_, String>(6)?),
        opened_at: row.get(7)?,
        closed_at: row.get(8)?,
        how: row.get(9)?,
        notes: serde_json::from_value(json(&row.get::<_, String>(10)?)).unwrap_or_default(),
    })
}

impl Insight {
    /// Exceptions in the order they were opened: the oldest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn exceptions(&self, filter: &ExceptionFilter) -> Result<Page<ExceptionRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("id = ?", filter.id);
        wanted.with("kind = ?", filter.kind.clone());
        wanted.with("subject = ?", filter.subject.clone());
        match filter.open {
            Some(true) => wanted.conditions.push("closed_at IS NULL".to_owned()),
            Some(false) => wanted.conditions.push("closed_at IS NOT NULL".to_owned()),
            None => {}
        }
        wanted.after(&OPENED, filter.cursor.as_deref())?;
        let key = |row: &ExceptionRow| vec![value!(row.opened_at), value!(row.id)];
        let reader = self.reader();
        wanted.page(
            &reader,
            EXCEPTION,
            &OPENED,
            filter.limit,
            exception_row,
            key,
        )
    }

    /// How many exceptions are open, by kind.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn open_exceptions(&self) -> Result<Vec<OpenExceptions>, InsightError> {
        let sql = "SELECT kind, count(*), min(opened_at) FROM exceptions WHERE closed_at IS NULL
            GROUP BY kind ORDER BY kind";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(OpenExceptions {
                kind: row.get(0)?,
                count: row.get::<_, i64>(1)?.unsigned_abs(),
                oldest_at: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All episodes of the exception that one is an episode of, the oldest first, up to a page; empty for an unknown
    /// one.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn exception_history(&self, id: i64) -> Result<Vec<ExceptionRow>, InsightError> {
        let sql = format!(
            "{EXCEPTION} WHERE (entity, kind, subject) IN (SELECT entity, kind, subject FROM exceptions WHERE id = ?1)
            ORDER BY opened_at, id LIMIT ?2"
        );
        let reader = self.reader();
        let mut statement = reader.prepare_cached(&sql)?;
        let rows = statement.query_map((id, super::PAGE_MAX.cast_signed()), exception_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
