//! The durable log and everything else that must survive: checkpoints, inbox, vault.
//!
//! A journal stores bytes under positions and fences; it cannot know what an event means. All writes of a
//! node go through [`Journal::commit`]: one transaction and one flush for whatever waits at that moment.
//! A shard whose epoch, owner or expected sequence does not match is left out of the commit and reported;
//! the others are kept.

mod bytes;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod crypto;
#[cfg(test)]
mod golden;
pub mod memory;
pub mod sqlite;
mod types;

pub use crypto::MasterKey;
pub use memory::MemoryJournal;
pub use sqlite::{SqliteJournal, SqliteOptions, Synchronous};
use types::normal_term;
pub use types::{
    Batch, Checkpoint, CommitOutcome, Epoch, Frame, InboxId, InboxInsert, InboxMark, InboxRow,
    InboxState, Inserted, JournalError, Meta, OwnerId, PersonState, Position, Refusal, Seq,
    ShardState, ShardWrite, StoredFrame, Upkeep, VaultEntry, VaultWrite,
};

use crossdock_model::{ChannelId, EntityId, ShardId, Timestamp};

/// A durable log with checkpoints, an inbox and a vault.
///
/// One implementation in memory, one on SQLite; both pass the same contract suite. All methods block: call
/// them from a thread of their own. Only [`Journal::commit`] and [`Journal::claim`] write state of shards.
pub trait Journal: Send + Sync {
    /// What was fixed when the journal was created.
    fn meta(&self) -> Meta;

    /// Takes the shards for `owner`: raises each epoch by one and returns where each shard stands.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails; nothing is claimed then.
    fn claim(&self, owner: OwnerId, shards: &[ShardId]) -> Result<Vec<ShardState>, JournalError>;

    /// Writes a batch in one transaction with one flush. Durable when it returns.
    ///
    /// # Errors
    /// [`JournalError::Full`]: nothing of the batch was written, it may be tried again later.
    /// [`JournalError::Invalid`]: the batch breaks a rule; nothing of it was written.
    /// [`JournalError::Unknown`]: whether it was written is unknown; the process must stop and recover from disk.
    fn commit(&self, batch: &Batch) -> Result<CommitOutcome, JournalError>;

    /// Frames of a shard with a sequence above `after`, in order, up to about `bytes_max` bytes (at least one).
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] names the first frame whose checksum does not match.
    fn read(
        &self,
        shard: ShardId,
        after: Seq,
        bytes_max: usize,
    ) -> Result<Vec<StoredFrame>, JournalError>;

    /// Frames of several shards, each with a sequence above the one given with it, up to about `bytes_max` bytes
    /// in all. A shard's frames come in order and without a gap, but only some shards may be in an answer; it is
    /// empty only when no shard has more. Where shards share commits this costs one pass instead of one a shard.
    ///
    /// # Errors
    /// As for [`Journal::read`].
    fn read_many(
        &self,
        after: &[(ShardId, Seq)],
        bytes_max: usize,
    ) -> Result<Vec<StoredFrame>, JournalError> {
        let (mut frames, mut bytes) = (Vec::new(), 0);
        for (shard, seq) in after {
            let left = bytes_max.saturating_sub(bytes);
            if left == 0 && !frames.is_empty() {
                break;
            }
            let more = self.read(*shard, *seq, left)?;
            bytes += more
                .iter()
                .map(|stored| stored.frame.body.len())
                .sum::<usize>();
            frames.extend(more);
        }
        Ok(frames)
    }

    /// The last sequence of each shard that has frames.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn tails(&self) -> Result<Vec<(ShardId, Seq)>, JournalError>;

    /// The checkpoint of an entity.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn load(&self, entity: &EntityId) -> Result<Option<Checkpoint>, JournalError>;

    /// Entities of a shard whose `wake_at` is not after `until`, earliest first; `after` pages on.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn due(
        &self,
        shard: ShardId,
        until: Timestamp,
        after: Option<(Timestamp, EntityId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, EntityId)>, JournalError>;

    /// Entities of a shard that are marked dirty, in order of their name, above `after`.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn dirty(
        &self,
        shard: ShardId,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Result<Vec<EntityId>, JournalError>;

    /// Does a bounded piece of upkeep off the commit path (write-ahead log, sealing, retention of the inbox).
    /// Called some times a second from one thread; it says when the next call is wanted.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails; the next call tries again.
    fn maintain(&self, now: Timestamp) -> Result<Upkeep, JournalError> {
        let _ = now;
        Ok(Upkeep::Later)
    }

    /// Ends in order: what opening would have to do is done now. Dropping without it is as safe as a kill.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails; nothing is lost then.
    fn close(&self) -> Result<(), JournalError> {
        Ok(())
    }

    /// Entities that have a checkpoint and whose names begin with `prefix` (`location:`), in order of their name,
    /// above `after`. Right after a recovery every entity has one.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn entities(
        &self,
        prefix: &str,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Result<Vec<EntityId>, JournalError>;

    /// The channels that have inbox rows in a state, by name.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn inbox_channels(&self, state: InboxState) -> Result<Vec<ChannelId>, JournalError>;

    /// Inbox rows of a channel and shard in a state, up to about `bytes_max` bytes of bodies (at least one). Rows are
    /// found by state, never by "after a cursor": those with the fewest attempts come first, the oldest of them
    /// before others, so that who tries a page and marks it has the next page next. One channel's rows hide no
    /// other's, however many they are.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn inbox(
        &self,
        shard: ShardId,
        state: InboxState,
        channel: &ChannelId,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<InboxRow>, JournalError>;

    /// One inbox row.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn inbox_row(&self, id: &InboxId) -> Result<Option<InboxRow>, JournalError>;

    /// Inbox rows whose `parked_on` is this text (the listing or SKU that could not be mapped).
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn inbox_parked(&self, parked_on: &str, limit: usize) -> Result<Vec<InboxRow>, JournalError>;

    /// Names the vault's row of an address: the same for the same text of the same subject, never 0, and nothing
    /// that the address could be guessed from without the journal's key.
    fn address_version(&self, subject: &str, address: &str) -> u64;

    /// The personal data kept under a subject (an order's name) and version, decrypted.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails or the row does not decrypt.
    fn vault(&self, subject: &str, version: u64) -> Result<Option<VaultEntry>, JournalError>;

    /// Rows (subject, version) under which a search term was stored, newest first. `field` is `email`, `phone` or
    /// `name`; terms are compared after trimming and lower-casing, through a keyed hash.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn vault_find(
        &self,
        field: &str,
        term: &str,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, JournalError>;

    /// Whether anything personal is stored under a subject, in the vault or in the inbox.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    fn person(&self, subject: &str) -> Result<PersonState, JournalError>;

    /// Returns once nothing of what was erased is left on the disk, nor in what storage has still to tidy up.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails, or when a reader needs the old state for too long.
    fn purge_erased(&self) -> Result<(), JournalError> {
        Ok(())
    }
}
