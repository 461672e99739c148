//! Folds records into tables, one file per kind of entity.

mod changes;
mod claims;
mod exceptions;
mod lines;
mod order;
mod reports;
mod requests;
mod settings;
mod sku;

pub use changes::TOPICS;
pub(crate) use order::status_text;

use std::collections::BTreeSet;

use crossdock_journal::Position;
use crossdock_model::v1::Event;
use crossdock_model::{EntityId, LocationId, Record};
use rusqlite::{Params, Transaction};
use serde_json::Value;

use crate::InsightError;

pub(crate) type Folded = Result<(), InsightError>;

/// What every fold needs to know of its record.
pub(crate) struct Folding<'a> {
    work: &'a Transaction<'a>,
    entity: &'a EntityId,
    position: Position,
    record: &'a Record,
    /// Whether the feed has this record's events already.
    told: bool,
    /// Exceptions the record has opened so far.
    opened: i64,
    /// Locations of the SKU whose figures the record changed.
    changed: BTreeSet<LocationId>,
}

/// Folds one record; `told`: its events are in the feed already.
pub(crate) fn fold(
    work: &Transaction<'_>,
    entity: &EntityId,
    position: Position,
    record: &Record,
    told: bool,
) -> Folded {
    let mut folding = Folding {
        work,
        entity,
        position,
        record,
        told,
        opened: 0,
        changed: BTreeSet::new(),
    };
    for (number, event) in record.events.iter().enumerate() {
        folding.event(number, event)?;
    }
    folding.announce_stock()
}

impl Folding<'_> {
    /// An event is folded only into the entity it is of.
    fn event(&mut self, number: usize, event: &Event) -> Folded {
        match (event, self.entity) {
            (Event::Sku(event), EntityId::Sku(sku)) => self.sku(sku, number, event),
            (Event::Order(event), EntityId::Order(order)) => self.order(order, number, event),
            (Event::Channel(event), EntityId::Channel(_)) => self.channel(event),
            (Event::Bucket(event), EntityId::Bucket(channel, _)) => self.bucket(channel, event),
            // Locations say themselves how they are.
            (Event::Location(_), EntityId::Location(_)) => Ok(()),
            (Event::System(event), EntityId::System(_)) => self.system(event),
            (
                Event::Sku(_)
                | Event::Order(_)
                | Event::Request(_)
                | Event::Channel(_)
                | Event::Bucket(_)
                | Event::Location(_)
                | Event::System(_),
                _,
            ) => Ok(()),
        }
    }

    fn run(&self, sql: &str, values: impl Params) -> Result<usize, InsightError> {
        Ok(self.work.prepare_cached(sql)?.execute(values)?)
    }

    fn at(&self) -> i64 {
        self.record.at.as_ms()
    }

    fn principal(&self) -> &str {
        self.record.meta.principal.as_str()
    }

    /// A number that orders events of one entity: its version, then the place in the record.
    fn number(&self, event: usize) -> i64 {
        ((self.record.version << 20) | event as u64).cast_signed()
    }

    fn feed(&self, topic: &str, subject: &str, data: &Value) -> Folded {
        debug_assert!(
            TOPICS.iter().any(|(known, _)| *known == topic),
            "{topic} is not in the list of topics"
        );
        if self.told {
            return Ok(());
        }
        let sql = "INSERT INTO feed (topic, subject, at, data) VALUES (?1, ?2, ?3, ?4)";
        self.run(sql, (topic, subject, self.at(), data.to_string()))?;
        Ok(())
    }
}
