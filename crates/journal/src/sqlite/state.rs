//! Checkpoints: entity states, found by name, by when they are due and by what they still owe.

use crossdock_model::{EntityId, ShardId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::error::{int, reading, uint};
use super::sum;
use crate::{Checkpoint, JournalError};

/// Stores a state unless a later one is stored.
pub(super) fn store(
    transaction: &Transaction<'_>,
    shard: ShardId,
    checkpoint: &Checkpoint,
) -> rusqlite::Result<()> {
    let sql = "
INSERT INTO checkpoint (entity, shard, version, wake_at, dirty, crc, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (entity) DO UPDATE SET version = excluded.version, wake_at = excluded.wake_at,
  dirty = excluded.dirty, crc = excluded.crc, body = excluded.body
WHERE excluded.version >= checkpoint.version";
    let entity = checkpoint.entity.to_string();
    let crc = crc(&entity, checkpoint);
    let wake_at = checkpoint.wake_at.map(Timestamp::as_ms);
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![
        entity,
        shard.number(),
        int(checkpoint.version),
        wake_at,
        checkpoint.dirty,
        crc,
        checkpoint.body,
    ])?;
    Ok(())
}

/// Checksum of a state, with whose it is, as of when, and what it still owes.
fn crc(entity: &str, checkpoint: &Checkpoint) -> u32 {
    let wake_at = checkpoint.wake_at.map(|at| at.as_ms().to_le_bytes());
    sum::of(&[
        entity.as_bytes(),
        &checkpoint.version.to_le_bytes(),
        wake_at.as_ref().map_or(&[], <[u8; 8]>::as_slice),
        &[u8::from(checkpoint.dirty)],
        &checkpoint.body,
    ])
}

const COLUMNS: &str = "SELECT version, wake_at, dirty, crc, body, entity, shard FROM checkpoint";

/// A state as stored, and whether its checksum matches.
fn read(row: &Row<'_>, name: &str, entity: &EntityId) -> rusqlite::Result<(Checkpoint, bool)> {
    let checkpoint = Checkpoint {
        entity: entity.clone(),
        version: uint(row.get(0)?),
        body: row.get(4)?,
        wake_at: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_ms),
        dirty: row.get(2)?,
    };
    let matches = crc(name, &checkpoint) == row.get::<_, u32>(3)?;
    Ok((checkpoint, matches))
}

/// Hands over every state as it is stored: its name, its shard, its version and whether its checksum matches.
pub(super) fn each(
    connection: &Connection,
    mut use_state: impl FnMut(&str, u16, u64, bool),
) -> Result<(), JournalError> {
    let mut statement = connection.prepare(COLUMNS).map_err(reading)?;
    let mut rows = statement.query([]).map_err(reading)?;
    while let Some(row) = rows.next().map_err(reading)? {
        let name: String = row.get(5).map_err(reading)?;
        let shard = row.get(6).map_err(reading)?;
        let (version, matches) = match name.parse() {
            Ok(entity) => {
                let (found, matches) = read(row, &name, &entity).map_err(reading)?;
                (found.version, matches)
            }
            Err(_) => (0, false),
        };
        use_state(&name, shard, version, matches);
    }
    Ok(())
}

pub(super) fn load(
    connection: &Connection,
    entity: &EntityId,
) -> Result<Option<Checkpoint>, JournalError> {
    let sql = format!("{COLUMNS} WHERE entity = ?1");
    let name = entity.to_string();
    let mut statement = connection.prepare_cached(&sql).map_err(reading)?;
    let found = statement.query_row([&name], |row| read(row, &name, entity));
    let Some((checkpoint, matches)) = found.optional().map_err(reading)? else {
        return Ok(None);
    };
    if !matches {
        return Err(JournalError::Corrupt {
            at: format!("checkpoint of {name}"),
            what: "its checksum does not match".to_owned(),
        });
    }
    Ok(Some(checkpoint))
}

pub(super) fn due(
    connection: &Connection,
    shard: ShardId,
    until: Timestamp,
    after: Option<(Timestamp, EntityId)>,
    limit: usize,
) -> Result<Vec<(Timestamp, EntityId)>, JournalError> {
    let sql = "
SELECT entity, wake_at FROM checkpoint
WHERE shard = ?1 AND wake_at IS NOT NULL AND wake_at <= ?2 AND (wake_at, entity) > (?3, ?4)
ORDER BY wake_at, entity LIMIT ?5";
    let (after_at, after) = match after {
        Some((at, entity)) => (at.as_ms(), entity.to_string()),
        None => (i64::MIN, String::new()),
    };
    let limit = int(limit as u64);
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let parameters = params![shard.number(), until.as_ms(), after_at, after, limit];
    let mut rows = statement.query(parameters).map_err(reading)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(reading)? {
        let at = Timestamp::from_ms(row.get(1).map_err(reading)?);
        found.push((at, entity_of(row)?));
    }
    Ok(found)
}

pub(super) fn dirty(
    connection: &Connection,
    shard: ShardId,
    after: Option<&EntityId>,
    limit: usize,
) -> Result<Vec<EntityId>, JournalError> {
    let sql = "
SELECT entity FROM checkpoint WHERE shard = ?1 AND dirty = 1 AND entity > ?2 ORDER BY entity LIMIT ?3";
    let after = after.map(EntityId::to_string).unwrap_or_default();
    names(
        connection,
        sql,
        params![shard.number(), after, int(limit as u64)],
    )
}

pub(super) fn entities(
    connection: &Connection,
    prefix: &str,
    after: Option<&EntityId>,
    limit: usize,
) -> Result<Vec<EntityId>, JournalError> {
    // `char::MAX` sorts after every text that begins with the prefix.
    let sql = "
SELECT entity FROM checkpoint WHERE entity >= ?1 AND entity < ?2 AND entity > ?3 ORDER BY entity LIMIT ?4";
    let end = format!("{prefix}{}", char::MAX);
    let after = after.map(EntityId::to_string).unwrap_or_default();
    names(
        connection,
        sql,
        params![prefix, end, after, int(limit as u64)],
    )
}

fn names(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<EntityId>, JournalError> {
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let mut rows = statement.query(parameters).map_err(reading)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(reading)? {
        found.push(entity_of(row)?);
    }
    Ok(found)
}

fn entity_of(row: &Row<'_>) -> Result<EntityId, JournalError> {
    let name: String = row.get(0).map_err(reading)?;
    name.parse().map_err(|_| JournalError::Corrupt {
        at: format!("checkpoint of {name:?}"),
        what: "that is no name of an entity".to_owned(),
    })
}
