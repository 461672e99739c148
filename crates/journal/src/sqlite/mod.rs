//! The journal on SQLite: one file, one writer, one row a commit.
//!
//! A data directory holds `journal.sqlite`, `segments/` with sealed log, `erasures.log` and a lock. One
//! connection writes, two read, one moves the write-ahead log into the file. The directory is locked, but no
//! write rests on that: who holds a shard is read inside the transaction that writes it, and a process that finds
//! another one's commits in the log stops. Next sequences are kept in memory and rebuilt when it is opened.

mod backup;
mod block;
mod cache;
mod commit;
#[cfg(any(test, feature = "testing"))]
mod dump;
mod error;
mod inbox;
mod index;
mod lock;
mod maintain;
mod open;
mod private;
mod read;
mod row;
mod schema;
mod segment;
mod state;
mod sum;
#[cfg(test)]
mod tests;
mod vault;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crossdock_model::{ChannelId, EntityId, ShardId, Timestamp};
use rusqlite::Connection;

pub use backup::{BackupReport, RestoreReport, restore};
pub use maintain::Maintained;
pub use open::master_key;
pub use private::{make_private_dir, make_private_file};
pub use verify::{VerifyReport, scan, verify};

use crate::crypto::{DataKey, Keyring};
use crate::{
    Batch, Checkpoint, CommitOutcome, InboxId, InboxRow, InboxState, Journal, JournalError,
    MasterKey, Meta, OwnerId, PersonState, Seq, ShardState, StoredFrame, Upkeep, VaultEntry,
};
use cache::Cache;
use index::LogIndex;
use lock::DirLock;

/// When SQLite flushes. Anything but [`Synchronous::Full`] loses acknowledged commits in a power cut and
/// exists for tests that must see them lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Each commit is flushed.
    #[default]
    Full,
    /// Only checkpoints of the write-ahead log are flushed.
    Normal,
    /// Nothing is flushed.
    Off,
}

/// Whoever is told how long each flush took.
#[derive(Clone)]
pub struct OnFlush(Arc<dyn Fn(std::time::Duration) + Send + Sync>);

impl OnFlush {
    /// Tells somebody; called by the thread that commits, which waits for it.
    pub fn new(told: impl Fn(std::time::Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }
}

impl std::fmt::Debug for OnFlush {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnFlush(…)")
    }
}

/// Room for the write-ahead log that a server makes, see [`SqliteOptions::wal_bytes_ready`]: what it takes anyway under load.
pub const WAL_BYTES_READY: u64 = 16 << 20;

/// Settings of a [`SqliteJournal`].
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Wraps the keys of inbox and vault.
    pub master_key: MasterKey,
    /// When to flush.
    pub synchronous: Synchronous,
    /// Log younger than this stays in the database, in days.
    pub hot_days: u32,
    /// Entries of the log's index kept in memory before a block is closed (16 bytes each).
    pub index_entries_max: usize,
    /// Commits kept in memory for readers, in bytes.
    pub cache_bytes_max: usize,
    /// Log bytes after which a block is closed; a block becomes one sealed segment.
    pub block_bytes_max: u64,
    /// What waits in the write-ahead log for being moved into the database when [`SqliteJournal::maintain`] does so, in
    /// bytes: commits wait for the disk meanwhile, so that many small steps are better than few large ones. One of 1 MiB
    /// held commits for 5 to 12 ms on two cores.
    pub wal_bytes_moved: u64,
    /// Length of the write-ahead log above which [`SqliteJournal::maintain`] holds commits for a moment, so that
    /// the log can start over, in bytes: before it outgrows the room that is ready for it.
    pub wal_bytes_max: u64,
    /// Room made for the write-ahead log when the journal is opened, in bytes: flushing what is written over something takes
    /// two thirds of the time that flushing what makes a file longer takes. 0: the log makes its own as it grows.
    pub wal_bytes_ready: u64,
    /// Sealed log deleted from the database in one call of [`SqliteJournal::maintain`], in commits.
    pub delete_commits_max: u32,
    /// Largest size of the database, in pages of 4 KiB: a quota, and how tests fill the disk.
    pub page_count_max: Option<u32>,
    /// Who is told how long each flush took.
    pub on_flush: Option<OnFlush>,
}

impl SqliteOptions {
    /// The settings of a production journal.
    #[must_use]
    pub fn new(master_key: MasterKey) -> Self {
        Self {
            master_key,
            synchronous: Synchronous::Full,
            hot_days: 30,
            index_entries_max: 1 << 18,
            cache_bytes_max: 16 << 20,
            block_bytes_max: 64 << 20,
            wal_bytes_moved: 128 << 10,
            wal_bytes_max: WAL_BYTES_READY - (4 << 20),
            wal_bytes_ready: 0,
            delete_commits_max: 256,
            page_count_max: None,
            on_flush: None,
        }
    }
}

/// A journal on SQLite.
pub struct SqliteJournal {
    dir: PathBuf,
    options: SqliteOptions,
    meta: Meta,
    keys: Keyring,
    writer: Mutex<Writer>,
    log: RwLock<LogIndex>,
    cache: Mutex<Cache>,
    readers: [Mutex<Connection>; 2],
    next_reader: AtomicUsize,
    /// Of this opening: upkeep is refused once another process has opened the journal.
    process: String,
    /// Whether that is stored: opening a full disk leaves it to the first claim.
    announced: AtomicBool,
    checkpointer: Mutex<Connection>,
    /// A write failed in a way that leaves unknown what is on disk.
    failed: AtomicBool,
    /// Something was erased: the write-ahead log still holds what it was.
    erased: AtomicBool,
    /// The day for which finished deliveries were last expired.
    expired_day: AtomicI64,
    #[cfg(any(test, feature = "testing"))]
    fail_next_commit: AtomicBool,
    _lock: DirLock,
}

impl std::fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteJournal({})", self.dir.display())
    }
}

/// What only one thread may use at a time.
struct Writer {
    connection: Connection,
    day_keys: BTreeMap<i64, DataKey>,
    packer: inbox::Packer,
    claims: commit::Claims,
    /// Log bytes written since the last block was closed.
    unblocked_bytes: u64,
}

impl SqliteJournal {
    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lets the flush of the next commit fail, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn inject_flush_failure(&self) {
        self.fail_next_commit.store(true, Ordering::SeqCst);
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> RwLockReadGuard<'_, LogIndex> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_mut(&self) -> RwLockWriteGuard<'_, LogIndex> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        let mut readers = self.readers.iter();
        if let Some(free) = readers.find_map(|reader| reader.try_lock().ok()) {
            return free;
        }
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let reader = &self.readers[turn % self.readers.len()];
        reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checkpointer(&self) -> MutexGuard<'_, Connection> {
        let connection = self.checkpointer.lock();
        connection.unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to write after a failed flush: the next one could claim what that one lost.
    fn refuse_after_failure(&self) -> Result<(), JournalError> {
        if self.failed.load(Ordering::SeqCst) {
            let what = "an earlier write to this journal failed".to_owned();
            return Err(JournalError::Unknown(what));
        }
        Ok(())
    }

    /// Classifies an error of a write and remembers one after which nothing more may be written.
    fn write_failed(&self, error: rusqlite::Error) -> JournalError {
        self.note_failure(error::writing(&self.dir, error))
    }

    fn note_failure(&self, error: JournalError) -> JournalError {
        if matches!(error, JournalError::Unknown(_)) {
            self.failed.store(true, Ordering::SeqCst);
        }
        error
    }
}

impl Journal for SqliteJournal {
    fn meta(&self) -> Meta {
        self.meta.clone()
    }

    fn claim(&self, owner: OwnerId, shards: &[ShardId]) -> Result<Vec<ShardState>, JournalError> {
        self.claim_shards(owner, shards)
    }

    fn commit(&self, batch: &Batch) -> Result<CommitOutcome, JournalError> {
        self.commit_batch(batch)
    }

    fn maintain(&self, now: Timestamp) -> Result<Upkeep, JournalError> {
        self.upkeep(now)
    }

    fn close(&self) -> Result<(), JournalError> {
        SqliteJournal::close(self)
    }

    fn read(
        &self,
        shard: ShardId,
        after: Seq,
        bytes_max: usize,
    ) -> Result<Vec<StoredFrame>, JournalError> {
        self.read_frames(shard, after, bytes_max)
    }

    fn read_many(
        &self,
        after: &[(ShardId, Seq)],
        bytes_max: usize,
    ) -> Result<Vec<StoredFrame>, JournalError> {
        self.read_shards(after, bytes_max)
    }

    fn tails(&self) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        let log = self.log();
        let tails = ShardId::all().map(|shard| (shard, log.next_seq(shard) - 1));
        Ok(tails.filter(|(_, last)| *last > 0).collect())
    }

    fn load(&self, entity: &EntityId) -> Result<Option<Checkpoint>, JournalError> {
        state::load(&self.reader(), entity)
    }

    fn due(
        &self,
        shard: ShardId,
        until: Timestamp,
        after: Option<(Timestamp, EntityId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, EntityId)>, JournalError> {
        state::due(&self.reader(), shard, until, after, limit)
    }

    fn dirty(
        &self,
        shard: ShardId,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Result<Vec<EntityId>, JournalError> {
        state::dirty(&self.reader(), shard, after, limit)
    }

    fn entities(
        &self,
        prefix: &str,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Result<Vec<EntityId>, JournalError> {
        state::entities(&self.reader(), prefix, after, limit)
    }

    fn inbox_channels(&self, state: InboxState) -> Result<Vec<ChannelId>, JournalError> {
        inbox::channels(&self.reader(), state)
    }

    fn inbox(
        &self,
        shard: ShardId,
        state: InboxState,
        channel: &ChannelId,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<InboxRow>, JournalError> {
        let reader = self.reader();
        let of = (state, channel, shard);
        inbox::by_state(&reader, &self.keys, of, limit, bytes_max)
    }

    fn inbox_row(&self, id: &InboxId) -> Result<Option<InboxRow>, JournalError> {
        inbox::by_id(&self.reader(), &self.keys, id)
    }

    fn inbox_parked(&self, parked_on: &str, limit: usize) -> Result<Vec<InboxRow>, JournalError> {
        inbox::parked(&self.reader(), &self.keys, parked_on, limit)
    }

    fn address_version(&self, subject: &str, address: &str) -> u64 {
        self.keys.address(subject, address)
    }

    fn vault(&self, subject: &str, version: u64) -> Result<Option<VaultEntry>, JournalError> {
        vault::load(&self.reader(), &self.keys, subject, version)
    }

    fn vault_find(
        &self,
        field: &str,
        term: &str,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, JournalError> {
        vault::find(&self.reader(), &self.keys, field, term, limit)
    }

    fn person(&self, subject: &str) -> Result<PersonState, JournalError> {
        vault::person(&self.reader(), subject)
    }

    fn purge_erased(&self) -> Result<(), JournalError> {
        self.purge()
    }
}
