//! Exceptions, open ones first.

use rusqlite::Row;
use serde_json::Value;

use super::{Page, Wanted};
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
    /// Its number here; stable while insight's database lives.
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
}

impl Insight {
    /// Exceptions in the order they were opened.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn exceptions(&self, filter: &ExceptionFilter) -> Result<Page<ExceptionRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("id = ?", filter.id);
        wanted.with("kind = ?", filter.kind.clone());
        wanted.with("subject = ?", filter.subject.clone());
        wanted.with("(closed_at IS NULL) = ?", filter.open);
        let after = filter.cursor.as_deref().map(|cursor| {
            cursor
                .parse::<i64>()
                .map_err(|_| InsightError::Cursor(cursor.to_owned()))
        });
        wanted.with("id > ?", after.transpose()?);
        let select =
            "SELECT id, kind, subject, episode, entity, cause, evidence, opened_at, closed_at, how
            FROM exceptions";
        let read = |row: &Row<'_>| {
            let evidence: String = row.get(6)?;
            Ok(ExceptionRow {
                id: row.get(0)?,
                kind: row.get(1)?,
                subject: row.get(2)?,
                episode: row.get(3)?,
                entity: row.get(4)?,
                cause: row.get(5)?,
                evidence: serde_json::from_str(&evidence).unwrap_or(Value::Null),
                opened_at: row.get(7)?,
                closed_at: row.get(8)?,
                how: row.get(9)?,
            })
        };
        wanted.page(&self.reader(), select, "id", filter.limit, read, |row| {
            row.id.to_string()
        })
    }
}
