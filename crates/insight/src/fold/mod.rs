//! Folds records into tables, one file per kind of entity.

mod order;
mod other;
mod sku;

pub(crate) use order::status_text;

use crossdock_journal::Position;
use crossdock_model::v1::{Event, ExceptionClosed, ExceptionOpened};
use crossdock_model::{EntityId, Record};
use rusqlite::Transaction;
use serde_json::{Value, json};

use crate::InsightError;

/// What every fold needs to know of its record.
pub(crate) struct Folding<'a> {
    pub work: &'a Transaction<'a>,
    pub entity: &'a EntityId,
    pub position: Position,
    pub record: &'a Record,
}

/// Folds one record.
pub(crate) fn fold(
    work: &Transaction<'_>,
    entity: &EntityId,
    position: Position,
    record: &Record,
) -> Result<(), InsightError> {
    let folding = Folding {
        work,
        entity,
        position,
        record,
    };
    for (number, event) in record.events.iter().enumerate() {
        match event {
            Event::Sku(event) => folding.sku(number, event)?,
            Event::Order(event) => folding.order(number, event)?,
            Event::Channel(event) => folding.channel(event)?,
            Event::Bucket(event) => folding.bucket(event)?,
            Event::Location(event) => folding.location(event)?,
            Event::System(event) => folding.system(event)?,
            Event::Request(_) => {}
        }
    }
    Ok(())
}

impl Folding<'_> {
    pub fn at(&self) -> i64 {
        self.record.at.as_ms()
    }

    /// A number that orders events of one entity: its version, then the place in the record.
    pub fn number(&self, event: usize) -> i64 {
        (self.record.version * 1000 + event as u64) as i64
    }

    pub fn opened(&self, opened: &ExceptionOpened) -> Result<(), InsightError> {
        let sql = "INSERT OR IGNORE INTO exceptions
            (kind, subject, episode, entity, cause, evidence, opened_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let key = &opened.key;
        let evidence = serde_json::to_string(&opened.evidence)?;
        let entity = self.entity.to_string();
        self.work.prepare_cached(sql)?.execute((
            &key.kind,
            &key.subject,
            key.episode,
            &entity,
            &opened.cause,
            evidence,
            self.at(),
        ))?;
        self.feed(
            "exception.opened",
            &key.subject,
            &json!({ "kind": key.kind, "cause": opened.cause }),
        )
    }

    pub fn closed(&self, closed: &ExceptionClosed) -> Result<(), InsightError> {
        let sql = "UPDATE exceptions SET closed_at = ?1, how = ?2
            WHERE entity = ?3 AND kind = ?4 AND subject = ?5 AND closed_at IS NULL";
        let key = &closed.key;
        let entity = self.entity.to_string();
        self.work.prepare_cached(sql)?.execute((
            self.at(),
            &closed.how,
            &entity,
            &key.kind,
            &key.subject,
        ))?;
        self.feed(
            "exception.closed",
            &key.subject,
            &json!({ "kind": key.kind, "how": closed.how }),
        )
    }

    pub fn feed(&self, topic: &str, subject: &str, data: &Value) -> Result<(), InsightError> {
        let sql = "INSERT INTO feed (topic, subject, at, data) VALUES (?1, ?2, ?3, ?4)";
        self.work
            .prepare_cached(sql)?
            .execute((topic, subject, self.at(), data.to_string()))?;
        Ok(())
    }
}
