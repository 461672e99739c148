//! The feed of public events, and how far each endpoint has been told.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;

use super::json;
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

/// A stretch of the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedPage {
    /// The events.
    pub events: Vec<FeedEvent>,
    /// Go on after this one: also past events of other topics.
    pub next_after: i64,
}

fn feed_event(row: &Row<'_>) -> rusqlite::Result<FeedEvent> {
    Ok(FeedEvent {
        id: row.get(0)?,
        topic: row.get(1)?,
        subject: row.get(2)?,
        at: row.get(3)?,
        data: json(&row.get::<_, String>(4)?),
    })
}

fn end(connection: &Connection) -> Result<i64, rusqlite::Error> {
    let sql = "SELECT coalesce(max(id), 0) FROM feed";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

/// Whether records that are older than this database are still to be folded.
fn is_catching_up(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM history h LEFT JOIN cursor c ON c.shard = h.shard
        WHERE coalesce(c.seq, 0) < h.seq)";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

impl Insight {
    /// Events after a place in the feed.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn feed(&self, after: i64, limit: usize) -> Result<Vec<FeedEvent>, InsightError> {
        Ok(self.events_after(after, limit, &[])?.events)
    }

    /// Events after a place in the feed whose topics begin with one of these texts; none stands for all topics.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn events_after(
        &self,
        after: i64,
        limit: usize,
        topics: &[String],
    ) -> Result<FeedPage, InsightError> {
        let limit = limit.clamp(1, super::PAGE_MAX);
        let mut reader = self.reader();
        // One view of the table: an event that comes between the two questions would be passed over.
        let view = reader.transaction()?;
        let sql =
            "SELECT id, topic, subject, at, data FROM feed WHERE id > ?1 AND (?2 = '[]' OR EXISTS (
            SELECT 1 FROM json_each(?2) t WHERE substr(topic, 1, length(t.value)) = t.value))
            ORDER BY id LIMIT ?3";
        let mut statement = view.prepare_cached(sql)?;
        let values = (after, serde_json::to_string(topics)?, limit.cast_signed());
        let rows = statement.query_map(values, feed_event)?;
        let events: Vec<FeedEvent> = rows.collect::<Result<_, _>>()?;
        let next_after = match events.last() {
            Some(last) if events.len() == limit => last.id,
            Some(_) | None => after.max(end(&view)?),
        };
        Ok(FeedPage { events, next_after })
    }

    /// How far an endpoint was told: (last event, failures in a row, not before milliseconds since 1970). A new
    /// endpoint begins at the feed's present end. While a new database folds an old journal that end is not known:
    /// it says [`i64::MAX`], after which there is nothing to tell, and keeps nothing.
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
        if is_catching_up(&writer)? {
            return Ok((i64::MAX, 0, 0));
        }
        let end = end(&writer)?;
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

    /// Forgets how far an endpoint was told: one of that name begins anew.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn forget_delivered(&self, endpoint: &str) -> Result<(), InsightError> {
        let sql = "DELETE FROM delivered WHERE endpoint = ?1";
        self.writer().execute(sql, [endpoint])?;
        Ok(())
    }
}
