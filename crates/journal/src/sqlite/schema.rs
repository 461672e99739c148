//! Tables, settings of a connection, and what was fixed when the journal was created.

use std::path::Path;

use crossdock_model::{SHARD_COUNT, SHARD_HASH, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::commit::{WriteError, taken_over};
use super::error::{self, reading};
use super::{SqliteOptions, Synchronous, private};
use crate::bytes::{hex, unhex};
use crate::crypto::{Keyring, random};
use crate::{JournalError, Meta};

/// Layout version of the tables and files.
pub(super) const FORMAT: u32 = 1;
/// Name of the database in a data directory.
pub(super) const FILE: &str = "journal.sqlite";

/// Name in the meta table of whoever opened the journal last.
pub(super) const PROCESS: &str = "process";
/// Names the last claim of shards.
pub(super) const CLAIM: &str = "claim";

const BUSY_MS: u64 = 10_000;
const CACHE_KIB: i64 = 16_384;
const STATEMENTS_MAX: usize = 64;

/// Order by rowid is order of commit: nothing here is inserted at a random place except where a caller's
/// key must be found again (checkpoints, deliveries, vault).
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE shard (
  shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, owner BLOB NOT NULL,
  next_seq INTEGER NOT NULL, checkpoint_seq INTEGER NOT NULL);
CREATE TABLE log (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, heads BLOB NOT NULL, frames BLOB NOT NULL);
CREATE TABLE log_block (
  block INTEGER PRIMARY KEY, row_first INTEGER NOT NULL, row_last INTEGER NOT NULL,
  at_last INTEGER NOT NULL, state INTEGER NOT NULL);
CREATE TABLE log_map (
  id INTEGER PRIMARY KEY, shard INTEGER NOT NULL, seq_first INTEGER NOT NULL, seq_last INTEGER NOT NULL,
  block INTEGER NOT NULL, entries BLOB NOT NULL);
CREATE UNIQUE INDEX log_map_seq ON log_map (shard, seq_first);
CREATE INDEX log_map_block ON log_map (block);
CREATE TABLE checkpoint (
  id INTEGER PRIMARY KEY, entity TEXT NOT NULL UNIQUE, shard INTEGER NOT NULL, version INTEGER NOT NULL,
  wake_at INTEGER, dirty INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX checkpoint_wake ON checkpoint (shard, wake_at, entity) WHERE wake_at IS NOT NULL;
CREATE INDEX checkpoint_dirty ON checkpoint (shard, entity) WHERE dirty = 1;
CREATE TABLE inbox (
  id INTEGER PRIMARY KEY, channel TEXT NOT NULL, delivery TEXT NOT NULL, shard INTEGER NOT NULL,
  state INTEGER NOT NULL, attempts INTEGER NOT NULL, received_at INTEGER NOT NULL, day INTEGER NOT NULL,
  topic TEXT NOT NULL, parked_on TEXT, subject TEXT, body_hash BLOB NOT NULL, crc INTEGER NOT NULL, body BLOB);
CREATE UNIQUE INDEX inbox_delivery ON inbox (channel, delivery);
CREATE INDEX inbox_state ON inbox (state, channel, shard, attempts, id) WHERE state <> 2;
CREATE INDEX inbox_parked ON inbox (parked_on, id) WHERE parked_on IS NOT NULL;
CREATE INDEX inbox_subject ON inbox (subject) WHERE subject IS NOT NULL;
CREATE INDEX inbox_day ON inbox (day, state);
CREATE TABLE inbox_key (day INTEGER PRIMARY KEY, crc INTEGER NOT NULL, wrapped BLOB NOT NULL);
CREATE TABLE vault (
  id INTEGER PRIMARY KEY, subject TEXT NOT NULL, version INTEGER NOT NULL, stated_at INTEGER NOT NULL,
  buyer BLOB NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX vault_subject ON vault (subject, version);
CREATE INDEX vault_buyer ON vault (buyer);
CREATE TABLE vault_term (term BLOB NOT NULL, vault INTEGER NOT NULL, PRIMARY KEY (term, vault)) WITHOUT ROWID;
CREATE INDEX vault_term_vault ON vault_term (vault);
CREATE TABLE vault_key (buyer BLOB PRIMARY KEY, crc INTEGER NOT NULL, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE erasure (subject_hash TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
";

/// Opens a connection for reading and writing.
pub(super) fn connect(dir: &Path, options: &SqliteOptions) -> Result<Connection, JournalError> {
    let path = dir.join(FILE);
    // SQLite gives its other files the mode of this one.
    private::ensure(&path).map_err(|e| error::file(&path, &e))?;
    let connection = Connection::open(path).map_err(reading)?;
    settle(&connection, options).map_err(reading)?;
    Ok(connection)
}

fn settle(connection: &Connection, options: &SqliteOptions) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
        Synchronous::Off => "OFF",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Checkpoints of the write-ahead log run on a connection of their own, off the commit path, and closing
    // after a failed flush must not touch the disk again.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    if let Some(pages) = options.page_count_max {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// Opens a database that nobody writes meanwhile, or one in use, for reading.
pub(super) fn connect_reading(dir: &Path) -> Result<Connection, JournalError> {
    let path = dir.join(FILE);
    if !path.exists() {
        let path = path.display();
        return Err(JournalError::Io(format!("{path} does not exist")));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(reading)?;
    let busy = std::time::Duration::from_millis(BUSY_MS);
    connection.busy_timeout(busy).map_err(reading)?;
    Ok(connection)
}

/// Makes the tables of a new journal in one transaction; leaves an existing one as it is.
pub(super) fn create(
    connection: &mut Connection,
    keys: &Keyring,
    now: Timestamp,
) -> Result<(), JournalError> {
    let transaction = connection.transaction().map_err(reading)?;
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'";
    let made: i64 = transaction
        .query_row(tables, [], |row| row.get(0))
        .map_err(reading)?;
    if made > 0 {
        return Ok(());
    }
    transaction.execute_batch(TABLES).map_err(reading)?;
    let fixed = [
        ("journal_id", hex(&random::<16>()?)),
        ("format", FORMAT.to_string()),
        ("shard_count", SHARD_COUNT.to_string()),
        ("shard_hash", SHARD_HASH.to_owned()),
        ("created_at", now.as_ms().to_string()),
        ("key_check", keys.check()),
    ];
    for (name, value) in fixed {
        set(&transaction, name, &value).map_err(reading)?;
    }
    for shard in 0..SHARD_COUNT {
        transaction
            .execute(
                "INSERT INTO shard VALUES (?1, 0, zeroblob(16), 1, 0)",
                [shard],
            )
            .map_err(reading)?;
    }
    transaction.commit().map_err(reading)
}

/// Sets one name of the meta table.
pub(super) fn set(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    connection.execute(sql, params![name, value]).map(drop)
}

fn get(connection: &Connection, name: &str) -> Result<String, JournalError> {
    connection
        .query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()
        .map_err(reading)?
        .ok_or_else(|| JournalError::Incompatible(format!("it has no {name} in its meta table")))
}

/// Whether that name has that value.
pub(super) fn holds(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM meta WHERE name = ?1 AND value = ?2";
    connection.prepare_cached(sql)?.exists([name, value])
}

/// Refuses upkeep by a process that is not the one that opened the journal last.
pub(super) fn check_process(connection: &Connection, process: &str) -> Result<(), WriteError> {
    match holds(connection, PROCESS, process)? {
        true => Ok(()),
        false => Err(taken_over().into()),
    }
}

/// Reads what was fixed, and refuses a journal that this program would read or write wrongly.
pub(super) fn meta(connection: &Connection) -> Result<Meta, JournalError> {
    let number = |name: &str| -> Result<i64, JournalError> {
        let text = get(connection, name)?;
        text.parse()
            .map_err(|_| JournalError::Incompatible(format!("its {name} is {text:?}")))
    };
    let fixed = [
        ("format", FORMAT.to_string()),
        ("shard_count", SHARD_COUNT.to_string()),
        ("shard_hash", SHARD_HASH.to_owned()),
    ];
    for (name, known) in fixed {
        let found = get(connection, name)?;
        if found != known {
            let what = format!("its {name} is {found}, this program knows {known}");
            return Err(JournalError::Incompatible(what));
        }
    }
    let id = unhex(&get(connection, "journal_id")?).ok();
    let id = id.and_then(|id| <[u8; 16]>::try_from(id).ok());
    let id = id.ok_or_else(|| JournalError::Incompatible("its journal_id is no id".to_owned()))?;
    Ok(Meta {
        journal_id: u128::from_be_bytes(id),
        format: FORMAT,
        shard_count: SHARD_COUNT,
        shard_hash: SHARD_HASH.to_owned(),
        created_at: Timestamp::from_ms(number("created_at")?),
    })
}

/// Refuses a master key under which this journal was not made.
pub(super) fn check_key(connection: &Connection, keys: &Keyring) -> Result<(), JournalError> {
    if get(connection, "key_check")? == keys.check() {
        return Ok(());
    }
    let what = "it was made under another master key: give it the key file it was created with";
    Err(JournalError::Incompatible(what.to_owned()))
}
