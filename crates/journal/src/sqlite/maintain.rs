//! Work off the commit path: the write-ahead log, blocks of old log, expired deliveries, closing.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossdock_model::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::commit::WriteError;
use super::{SqliteJournal, schema};
use crate::types::{INBOX_RETENTION, day_of};
use crate::{JournalError, Upkeep};

/// SQLite's, unless it is told otherwise.
const PAGE_BYTES: u64 = 4096;
/// Deliveries deleted in one transaction.
const EXPIRE_ROWS: u32 = 500;
const BUSY_MS: u64 = 10_000;
/// How often what was erased is taken out of the write-ahead log while readers need its pages.
const PURGE_TRIES: u32 = 200;
const PURGE_PAUSE: Duration = Duration::from_millis(50);

/// What one call of [`SqliteJournal::maintain`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maintained {
    /// Size of the write-ahead log's file, in bytes.
    pub wal_bytes: u64,
    /// Whether the write-ahead log was moved into the database.
    pub wal_moved: bool,
    /// Whether a block of the log was closed.
    pub block_closed: bool,
    /// Whether a block was sealed into a segment file.
    pub block_sealed: bool,
    /// Commits deleted from the database because a segment has them.
    pub commits_deleted: u64,
    /// Whether there is more to do: call again soon instead of after the usual pause.
    pub more: bool,
}

impl SqliteJournal {
    /// Does a bounded piece of upkeep. Call it some times a second from a thread of its own.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails; [`JournalError::Unknown`] as for a commit.
    pub fn maintain(&self, now: Timestamp) -> Result<Maintained, JournalError> {
        self.refuse_after_failure()?;
        let mut done = Maintained {
            wal_moved: self.move_wal()?,
            ..Maintained::default()
        };
        let hot = crossdock_model::Duration::from_days(u64::from(self.options.hot_days));
        let sealed_before = now - hot;
        if self.block_is_due(sealed_before)? {
            self.close_block()?;
            done.block_closed = true;
        }
        done.block_sealed = self.seal_block(sealed_before)?;
        done.commits_deleted = self.empty_block()?;
        done.more = done.block_sealed || done.commits_deleted > 0;
        done.wal_bytes = self.wal_bytes();
        Ok(done)
    }

    /// Upkeep of all kinds: [`SqliteJournal::maintain`], and once a day the inbox's retention.
    pub(super) fn upkeep(&self, now: Timestamp) -> Result<Upkeep, JournalError> {
        let day = day_of(now);
        if self.expired_day.swap(day, Ordering::SeqCst) != day {
            self.expire_inbox(now - INBOX_RETENTION)?;
        }
        let done = SqliteJournal::maintain(self, now)?;
        Ok(match (done.more, done.wal_moved) {
            (true, _) => Upkeep::AtOnce,
            (false, true) => Upkeep::Soon,
            (false, false) => Upkeep::Later,
        })
    }

    /// Deletes finished deliveries received before the day of `before`, and the keys of days without any.
    /// Returns how many deliveries went. Retention is 30 days by default; the caller keeps the time.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    pub fn expire_inbox(&self, before: Timestamp) -> Result<u64, JournalError> {
        let day = day_of(before);
        let mut expired = 0;
        loop {
            let mut writer = self.writer();
            self.refuse_after_failure()?;
            let deleted = expire_some(&mut writer.connection, &self.process, day);
            let deleted = deleted.map_err(|e| self.not_written(e))?;
            writer.day_keys = writer.day_keys.split_off(&day);
            expired += deleted;
            if deleted < u64::from(EXPIRE_ROWS) {
                break;
            }
        }
        if expired > 0 {
            self.erased.store(true, Ordering::SeqCst);
        }
        Ok(expired)
    }

    /// Moves the whole write-ahead log into the database, for a clean end. Commits are still taken after it.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails; nothing is lost then, the next opening replays the log.
    pub fn close(&self) -> Result<(), JournalError> {
        self.refuse_after_failure()?;
        self.truncate_wal(Duration::from_millis(BUSY_MS)).map(drop)
    }

    /// Empties the write-ahead log of what was erased. Returns once it is done.
    pub(super) fn purge(&self) -> Result<(), JournalError> {
        for _ in 0..PURGE_TRIES {
            self.refuse_after_failure()?;
            if !self.erased.load(Ordering::SeqCst) || self.move_wal()? {
                return Ok(());
            }
            std::thread::sleep(PURGE_PAUSE);
        }
        let what = "it still holds what was erased, because a reader needs the state before that (a backup?): \
                    try again";
        Err(JournalError::Io(what.to_owned()))
    }

    fn wal(&self) -> PathBuf {
        self.dir.join(format!("{}-wal", schema::FILE))
    }

    fn wal_bytes(&self) -> u64 {
        fs::metadata(self.wal()).map_or(0, |file| file.len())
    }

    /// Moves pages of the write-ahead log into the database, once there are some. Readers and commits go on meanwhile,
    /// which wait for the disk only; a log that has grown too large holds commits for the few pages that came during the
    /// first pass, so that the next commit can start it over.
    pub(super) fn move_wal(&self) -> Result<bool, JournalError> {
        // Pages of what was erased must not linger in the write-ahead log.
        if self.erased.load(Ordering::SeqCst) {
            self.export_erasures()?;
            self.checkpoint("PASSIVE")?;
            return self.truncate_wal(Duration::ZERO);
        }
        // The file's length says nothing of it: a log that starts over keeps its file.
        let wal = self.checkpoint("NOOP")?;
        if wal.pages.saturating_sub(wal.moved) * PAGE_BYTES < self.options.wal_bytes_moved {
            return Ok(false);
        }
        let wal = self.checkpoint("PASSIVE")?;
        if wal.pages * PAGE_BYTES > self.options.wal_bytes_max {
            let _commits_wait = self.writer();
            self.checkpoint("PASSIVE")?;
        }
        Ok(true)
    }

    /// Makes room for the write-ahead log, which is empty. SQLite takes zeros for the end of a log: their checksum is none
    /// (<https://sqlite.org/fileformat2.html#the_write_ahead_log>). Where there is no space for it, the log does without.
    pub(super) fn ready_wal(&self) {
        let ready = self.options.wal_bytes_ready;
        let _commits_wait = self.writer();
        if ready == 0 || self.wal_bytes() > 0 {
            return;
        }
        let fill = |file: &fs::File| {
            io::copy(&mut io::repeat(0).take(ready), &mut &*file)?;
            file.sync_all()
        };
        let opened = fs::OpenOptions::new().write(true).open(self.wal());
        if let Ok(file) = opened
            && fill(&file).is_err()
        {
            // If that fails too, the log is as long as it is: with zeros, which say nothing.
            let _ = file.set_len(0);
        }
    }

    fn truncate_wal(&self, wait: Duration) -> Result<bool, JournalError> {
        let _commits_wait = self.writer();
        let set = |wait| self.checkpointer().busy_timeout(wait);
        set(wait).map_err(|e| self.write_failed(e))?;
        let complete = self.checkpoint("TRUNCATE");
        set(Duration::from_millis(BUSY_MS)).map_err(|e| self.write_failed(e))?;
        let complete = complete?.is_complete;
        if complete {
            self.erased.store(false, Ordering::SeqCst);
        }
        Ok(complete)
    }

    /// Moves pages of the write-ahead log as the mode says (<https://sqlite.org/pragma.html#pragma_wal_checkpoint>), or only
    /// counts them.
    fn checkpoint(&self, mode: &str) -> Result<Wal, JournalError> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let wal = self.checkpointer().query_row(&sql, [], |row| {
            // Below zero: there is none.
            let count = |at| {
                row.get(at)
                    .map(|count: i64| u64::try_from(count).unwrap_or(0))
            };
            Ok(Wal {
                is_complete: row.get::<_, i64>(0)? == 0,
                pages: count(1)?,
                moved: count(2)?,
            })
        });
        wal.map_err(|e| self.write_failed(e))
    }
}

/// The write-ahead log after a checkpoint of it.
struct Wal {
    /// Nobody still reads what it held.
    is_complete: bool,
    /// Pages in it since it was started over.
    pages: u64,
    /// Those of them that are in the database.
    moved: u64,
}

fn expire_some(connection: &mut Connection, process: &str, day: i64) -> Result<u64, WriteError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::check_process(&transaction, process)?;
    let sql = "
DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE day < ?1 AND state = 2 LIMIT ?2)";
    let deleted = transaction.execute(sql, [day, i64::from(EXPIRE_ROWS)])?;
    let sql = "
DELETE FROM inbox_key WHERE day < ?1 AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.day = inbox_key.day)";
    transaction.execute(sql, [day])?;
    transaction.commit()?;
    Ok(deleted as u64)
}
