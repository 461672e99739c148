//! The feed of public events, and how far each endpoint has been told.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;

use super::json;
use crate::{Insight, InsightError, position};

/// Events deleted in one go.
const PRUNED_MAX: usize = 4096;

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

/// How far an endpoint was told, and how that goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The last event it was told, or that was passed over.
    pub last: i64,
    /// Failures in a row with the next one.
    pub failures: u32,
    /// Not before then, milliseconds since 1970.
    pub retry_at: i64,
    /// Why it failed last; kept until it takes an event.
    pub error: Option<String>,
    /// Events that were passed over, one after the other.
    pub passed_over: u32,
}

impl Delivered {
    /// Told up to an event, without trouble.
    #[must_use]
    pub fn up_to(last: i64) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }
}

const DELIVERED: &str =
    "SELECT endpoint, feed_id, failures, retry_at, error, passed_over FROM delivered";

fn delivered(row: &Row<'_>) -> rusqlite::Result<(String, Delivered)> {
    let told = Delivered {
        last: row.get(1)?,
        failures: row.get(2)?,
        retry_at: row.get(3)?,
        error: row.get(4)?,
        passed_over: row.get(5)?,
    };
    Ok((row.get(0)?, told))
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

    /// How far an endpoint was told. A new one begins at the feed's present end. While a new database folds an old
    /// journal that end is not known: it says [`i64::MAX`], after which there is nothing to tell, and keeps nothing.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn delivered(&self, endpoint: &str) -> Result<Delivered, InsightError> {
        let writer = self.writer();
        let sql = format!("{DELIVERED} WHERE endpoint = ?1");
        let known = writer.query_row(&sql, [endpoint], delivered);
        if let Some((_, known)) = known.optional()? {
            return Ok(known);
        }
        if self.is_catching_up(&writer)? {
            return Ok(Delivered::up_to(i64::MAX));
        }
        let end = end(&writer)?;
        writer.execute(
            "INSERT INTO delivered (endpoint, feed_id) VALUES (?1, ?2)",
            (endpoint, end),
        )?;
        Ok(Delivered::up_to(end))
    }

    /// Whether records that are older than this database are still to be folded. Those of a shard that stands still are
    /// not waited for: nobody would be told anything.
    fn is_catching_up(&self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        let seen = position::all(connection, "cursor")?;
        let history = position::all(connection, "history")?;
        let stops = self.stops();
        let mut moving = history
            .iter()
            .filter(|(shard, _)| !stops.contains_key(shard));
        Ok(moving.any(|(shard, seq)| seen.get(shard).copied().unwrap_or(0) < *seq))
    }

    /// How far every endpoint was told that was told anything, by its id, and the newest event there is.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn all_delivered(&self) -> Result<(BTreeMap<String, Delivered>, i64), InsightError> {
        let mut reader = self.reader();
        let view = reader.transaction()?;
        let mut statement = view.prepare_cached(DELIVERED)?;
        let rows = statement.query_map([], delivered)?;
        Ok((rows.collect::<Result<_, _>>()?, end(&view)?))
    }

    /// Records how far an endpoint was told.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn set_delivered(&self, endpoint: &str, told: &Delivered) -> Result<(), InsightError> {
        let sql = "UPDATE delivered SET feed_id = ?2, failures = ?3, retry_at = ?4, error = ?5, passed_over = ?6
            WHERE endpoint = ?1";
        let values = (
            endpoint,
            told.last,
            told.failures,
            told.retry_at,
            &told.error,
            told.passed_over,
        );
        self.writer().execute(sql, values)?;
        Ok(())
    }

    /// Lets an endpoint be tried at once: whoever changed it does not wait for a pause that its old address earned.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn retry_delivery(&self, endpoint: &str) -> Result<(), InsightError> {
        let sql =
            "UPDATE delivered SET failures = 0, retry_at = 0, passed_over = 0 WHERE endpoint = ?1";
        self.writer().execute(sql, [endpoint])?;
        Ok(())
    }

    /// Deletes events from before a time, the oldest first, up to some thousands; says whether there may be more.
    /// The newest one stays: it is where the numbers go on.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn prune_feed(&self, before: i64) -> Result<bool, InsightError> {
        let sql = "DELETE FROM feed WHERE at < ?1 AND id < (SELECT max(id) FROM feed)
            AND id IN (SELECT id FROM feed ORDER BY id LIMIT ?2)";
        let deleted = self
            .writer()
            .execute(sql, (before, PRUNED_MAX.cast_signed()))?;
        Ok(deleted == PRUNED_MAX)
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
