//! Checkpoints: entity states, found by name, by when they are due and by what they still owe.

use crossdock_model::{EntityId, ShardId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::error::{int, reading, uint};
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
    let crc = crc(&entity, checkpoint.version, &checkpoint.body);
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

/// Checksum of a state, with whose it is and as of when.
pub(super) fn crc(entity: &str, version: u64, body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&version.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, entity.as_bytes()), body)
}

pub(super) fn load(
    connection: &Connection,
    entity: &EntityId,
) -> Result<Option<Checkpoint>, JournalError> {
    let sql = "SELECT version, wake_at, dirty, crc, body FROM checkpoint WHERE entity = ?1";
    let name = entity.to_string();
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let found = statement.query_row([&name], |row| {
        let checkpoint = Checkpoint {
            entity: entity.clone(),
            version: uint(row.get(0)?),
            body: row.get(4)?,
            wake_at: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_ms),
            dirty: row.get(2)?,
        };
        Ok((checkpoint, row.get::<_, u32>(3)?))
    });
    let Some((checkpoint, stored)) = found.optional().map_err(reading)? else {
        return Ok(None);
    };
    if crc(&name, checkpoint.version, &checkpoint.body) != stored {
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
