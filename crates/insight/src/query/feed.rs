//! The feed of public events, and how far each endpoint has been told.

use rusqlite::OptionalExtension;
use serde_json::Value;

use crate::{Insight, InsightError};

/// A public event.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedEvent {
    /// Its place in the feed.
    pub id: i64,
    /// `order.reserved`, `stock.changed`, …
    pub topic: String,
    /// What it is about.
    pub subject: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// What happened.
    pub data: Value,
}

impl Insight {
    /// Events after a place in the feed.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn feed(&self, after: i64, limit: usize) -> Result<Vec<FeedEvent>, InsightError> {
        let reader = self.reader();
        let sql =
            "SELECT id, topic, subject, at, data FROM feed WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut statement = reader.prepare_cached(sql)?;
        let rows = statement.query_map((after, limit.clamp(1, super::PAGE_MAX) as i64), |row| {
            let data: String = row.get(4)?;
            Ok(FeedEvent {
                id: row.get(0)?,
                topic: row.get(1)?,
                subject: row.get(2)?,
                at: row.get(3)?,
                data: serde_json::from_str(&data).unwrap_or(Value::Null),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How far an endpoint was told: (last event, failures in a row, not before milliseconds since 1970). A new
    /// endpoint begins at the feed's present end.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn delivered(&self, endpoint: &str) -> Result<(i64, u32, i64), InsightError> {
        let writer = self.writer();
        let sql = "SELECT feed_id, failures, retry_at FROM delivered WHERE endpoint = ?1";
        let known = writer.query_row(sql, [endpoint], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        });
        if let Some(known) = known.optional()? {
            return Ok(known);
        }
        let end: i64 = writer.query_row("SELECT coalesce(max(id), 0) FROM feed", [], |row| {
            row.get(0)
        })?;
        writer.execute(
            "INSERT INTO delivered (endpoint, feed_id) VALUES (?1, ?2)",
            (endpoint, end),
        )?;
        Ok((end, 0, 0))
    }

    /// Records how far an endpoint was told.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn set_delivered(
        &self,
        endpoint: &str,
        feed_id: i64,
        failures: u32,
        retry_at: i64,
    ) -> Result<(), InsightError> {
        let sql =
            "UPDATE delivered SET feed_id = ?2, failures = ?3, retry_at = ?4 WHERE endpoint = ?1";
        self.writer()
            .execute(sql, (endpoint, feed_id, failures, retry_at))?;
        Ok(())
    }
}
