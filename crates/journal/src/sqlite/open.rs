//! Opening a data directory: lock, tables, and the index of the newest commits.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize};
use std::sync::{Mutex, RwLock};

use crossdock_model::Timestamp;
use rusqlite::Connection;

use super::cache::Cache;
use super::error::{self, reading, uint};
use super::index::LogIndex;
use super::lock::DirLock;
use super::private::make_private_dir;
use super::{SqliteJournal, SqliteOptions, Writer, backup, inbox, row, schema};
use crate::bytes::hex;
use crate::crypto::{Keyring, random, sync_dir};
use crate::{JournalError, MasterKey, Seq};

/// The master key of the journal in `dir`, which is kept in the file `path`. Made only where there is no journal yet: a
/// new key beside one that was made under another would pass for the right one.
///
/// # Errors
/// [`JournalError::Incompatible`] when the key of a journal is not there, [`JournalError::Io`] when it cannot be read or
/// made.
pub fn master_key(dir: &Path, path: &Path) -> Result<MasterKey, JournalError> {
    // Looked for first: another process that makes both makes the key before the journal.
    if !dir.join(schema::FILE).exists() {
        return MasterKey::load_or_create(path);
    }
    MasterKey::load(path)?.ok_or_else(|| {
        JournalError::Incompatible(format!(
            "its master key {} is not there: put back the one it was made under, no other opens it",
            path.display()
        ))
    })
}

impl SqliteJournal {
    /// Opens the journal in `dir`; makes directory and journal where there are none, stamped with `now`.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another process has it, [`JournalError::Incompatible`] when another version,
    /// other fixed settings or another master key made it, [`JournalError::Corrupt`] when the log is damaged.
    pub fn open(dir: &Path, options: SqliteOptions, now: Timestamp) -> Result<Self, JournalError> {
        make_private_dir(dir)?;
        let lock = DirLock::take(dir)?;
        backup::refuse_partial(dir)?;
        let keys = Keyring::new(&options.master_key);
        let mut connection = schema::connect(dir, &options)?;
        schema::create(&mut connection, &keys, now)?;
        sync_dir(Some(dir)).map_err(|e| error::file(dir, &e))?;
        let meta = schema::meta(&connection)?;
        schema::check_key(&connection, &keys)?;
        let process = hex(&random::<16>()?);
        let announced = match announce(&connection, dir, &process) {
            // What is stored can be read all the same, and the first claim announces it.
            Err(JournalError::Full { .. }) => false,
            announced => announced.map(|()| true)?,
        };
        let next_seqs = next_seqs(&connection)?;
        let (log, unblocked_bytes) = index_log(&connection, &next_seqs)?;
        let reader = || schema::connect(dir, &options).map(Mutex::new);
        let journal = Self {
            dir: dir.to_owned(),
            process,
            announced: AtomicBool::new(announced),
            meta,
            keys,
            log: RwLock::new(log),
            cache: Mutex::new(Cache::new(options.cache_bytes_max)),
            readers: [reader()?, reader()?],
            next_reader: AtomicUsize::new(0),
            checkpointer: reader()?,
            failed: AtomicBool::new(false),
            // Whether the process before ended in the middle of an erasure is not known.
            erased: AtomicBool::new(true),
            expired_day: AtomicI64::new(i64::MIN),
            #[cfg(any(test, feature = "testing"))]
            fail_next_commit: AtomicBool::new(false),
            writer: Mutex::new(Writer {
                connection,
                day_keys: std::collections::BTreeMap::new(),
                packer: inbox::Packer::new().map_err(|e| JournalError::Io(e.to_string()))?,
                claims: super::commit::Claims::default(),
                unblocked_bytes,
            }),
            options,
            _lock: lock,
        };
        match journal.move_wal() {
            Ok(is_empty) => {
                if is_empty {
                    journal.ready_wal();
                }
                Ok(journal)
            }
            // It is moved by the upkeep once there is space.
            Err(JournalError::Full { .. }) => Ok(journal),
            Err(error) => Err(error),
        }
    }
}

/// Says that this process opened the journal last.
fn announce(connection: &Connection, dir: &Path, process: &str) -> Result<(), JournalError> {
    let set = schema::set(connection, schema::PROCESS, process);
    set.map_err(|e| error::writing(dir, e))
}

/// The next sequence of each shard as of the last closed block.
fn next_seqs(connection: &Connection) -> Result<Vec<Seq>, JournalError> {
    let sql = "SELECT next_seq FROM shard ORDER BY shard";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let rows = statement.query_map([], |row| row.get(0).map(uint));
    rows.and_then(Iterator::collect).map_err(reading)
}

/// Reads the heads of all commits that no block holds. Bounded by what [`SqliteOptions`] lets a block hold.
fn index_log(connection: &Connection, next_seqs: &[Seq]) -> Result<(LogIndex, u64), JournalError> {
    let blocked = "SELECT coalesce(max(row_last), 0) FROM log_block";
    let blocked_row = connection
        .query_row(blocked, [], |row| row.get(0))
        .map_err(reading)?;
    let mut log = LogIndex::new(blocked_row, next_seqs);
    let mut bytes = 0;
    let sql = "SELECT id, at, heads, length(frames) FROM log WHERE id > ?1 ORDER BY id";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let mut rows = statement.query([blocked_row]).map_err(reading)?;
    while let Some(found) = rows.next().map_err(reading)? {
        let id = found.get(0).map_err(reading)?;
        let at = Timestamp::from_ms(found.get(1).map_err(reading)?);
        let heads: Vec<u8> = found.get(2).map_err(reading)?;
        let frames: i64 = found.get(3).map_err(reading)?;
        log.push(id, &row::heads(id, at, &heads)?)?;
        bytes += uint(frames) + heads.len() as u64;
    }
    Ok((log, bytes))
}
