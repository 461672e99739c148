//! What goes into a journal and comes back out of it.

use std::collections::BTreeMap;
use std::fmt;

use crossdock_model::{ChannelId, EntityId, ShardId, Timestamp};
use thiserror::Error;

/// Position of a frame in its shard: 1 for the first, dense.
pub type Seq = u64;
/// Term of ownership of a shard: rises with every claim, never reused.
pub type Epoch = u64;

/// Where a frame is. There is no order across shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The shard.
    pub shard: ShardId,
    /// The sequence in it.
    pub seq: Seq,
}

/// `shard:sequence`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.shard, self.seq)
    }
}

/// One start of a process. A random number, so that an earlier life is never mistaken for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(pub u128);

/// What was fixed when a journal was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// A random id of this journal; a restored copy gets a new one.
    pub journal_id: u128,
    /// Layout version of the storage.
    pub format: u32,
    /// Number of shards.
    pub shard_count: u16,
    /// Name of the entity-to-shard hash.
    pub shard_hash: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Where a shard stands when it is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardState {
    /// The shard.
    pub shard: ShardId,
    /// The epoch the claim made.
    pub epoch: Epoch,
    /// The sequence the next frame gets.
    pub next_seq: Seq,
    /// Every frame up to here is covered by checkpoints.
    pub checkpoint_seq: Seq,
}

/// One record of one entity: what a decision changed. `body` is opaque here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whose record it is.
    pub entity: EntityId,
    /// The encoded record.
    pub body: Vec<u8>,
}

/// A frame as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFrame {
    /// Where it is.
    pub position: Position,
    /// The epoch it was written under.
    pub epoch: Epoch,
    /// The server's time of the commit.
    pub at: Timestamp,
    /// The record.
    pub frame: Frame,
}

/// An entity's state as of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose state it is.
    pub entity: EntityId,
    /// Number of frames folded into it. A row's version never falls: an older write is dropped.
    pub version: u64,
    /// The encoded state.
    pub body: Vec<u8>,
    /// When it must be woken though nobody asks; `None`: never.
    pub wake_at: Option<Timestamp>,
    /// Whether an announcement of this state is still owed.
    pub dirty: bool,
}

/// Everything one commit writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The server's time of the commit, stamped on its frames.
    pub at: Timestamp,
    /// Fenced writes, at most one entry a shard, in shard order.
    pub shards: Vec<ShardWrite>,
    /// New inbox rows: not fenced, any node may take a delivery. A row of the same id is left as it is.
    pub inbox: Vec<InboxInsert>,
}

/// The writes of one shard: all or none of them happen. Entities and deliveries must be of this shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardWrite {
    /// The shard.
    pub shard: ShardId,
    /// The epoch the writer holds.
    pub epoch: Epoch,
    /// The writer.
    pub owner: OwnerId,
    /// The sequence the first of `frames` must get; also checked when there are none.
    pub expected_seq: Seq,
    /// New log frames.
    pub frames: Vec<Frame>,
    /// Entity states.
    pub checkpoints: Vec<Checkpoint>,
    /// Raises the shard's checkpoint position to this; never lowers it.
    pub checkpoint_seq: Option<Seq>,
    /// Changes of state of inbox rows; one of a row that does not exist is dropped. Each counts as an attempt.
    pub inbox: Vec<InboxMark>,
    /// Personal data of subjects of this shard.
    pub vault: Vec<VaultWrite>,
}

impl ShardWrite {
    /// An empty write under a fence.
    #[must_use]
    pub fn new(shard: ShardId, epoch: Epoch, owner: OwnerId, expected_seq: Seq) -> Self {
        Self {
            shard,
            epoch,
            owner,
            expected_seq,
            frames: Vec::new(),
            checkpoints: Vec::new(),
            checkpoint_seq: None,
            inbox: Vec::new(),
            vault: Vec::new(),
        }
    }
}

/// Why a shard was left out of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another owner, or a later life of this one, has the shard.
    Fenced {
        /// The epoch storage holds.
        epoch: Epoch,
    },
    /// The epoch matches and the sequence does not: an earlier commit of unknown outcome is there.
    Sequence {
        /// The sequence the next frame would get.
        next_seq: Seq,
    },
}

/// Checks what the types cannot: at most one entry a shard, in order, and nothing under another shard's fence.
pub(crate) fn check_batch(batch: &Batch) -> Result<(), JournalError> {
    if !batch.shards.is_sorted_by(|a, b| a.shard < b.shard) {
        let what = "the shards of a batch are not in order, or one is named twice";
        return Err(JournalError::Invalid(what.to_owned()));
    }
    for write in &batch.shards {
        let frames = write.frames.iter().map(|frame| &frame.entity);
        let checkpoints = write
            .checkpoints
            .iter()
            .map(|checkpoint| &checkpoint.entity);
        let foreign = frames
            .chain(checkpoints)
            .find(|entity| entity.shard() != write.shard);
        if let Some(entity) = foreign {
            let what = format!("{entity} is not of shard {}", write.shard);
            return Err(JournalError::Invalid(what));
        }
        if let Some(mark) = write.inbox.iter().find(|m| m.id.shard() != write.shard) {
            let what = format!("delivery {:?} is not of shard {}", mark.id, write.shard);
            return Err(JournalError::Invalid(what));
        }
        let subjects = write.vault.iter().map(VaultWrite::subject);
        let mut foreign = subjects.filter(|subject| ShardId::of_key(subject) != write.shard);
        if let Some(subject) = foreign.next() {
            let what = format!("{subject} is not of shard {}", write.shard);
            return Err(JournalError::Invalid(what));
        }
    }
    Ok(())
}

/// How long finished deliveries are kept.
pub(crate) const INBOX_RETENTION: crossdock_model::Duration =
    crossdock_model::Duration::from_days(30);

/// The day of an instant, in days since 1970 (UTC).
pub(crate) fn day_of(at: Timestamp) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    at.as_ms().div_euclid(DAY_MS)
}

/// A search term as it is compared: without white space around it, in lower case.
pub(crate) fn normal_term(term: &str) -> String {
    term.trim().to_lowercase()
}

/// When [`Journal::maintain`](crate::Journal::maintain) is to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upkeep {
    /// There is more to do.
    AtOnce,
    /// Much is being committed: within some milliseconds, so that each piece stays small.
    Soon,
    /// Within some tenths of a second.
    #[default]
    Later,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The shards left out, and why; all others of the batch are durable.
    pub refused: BTreeMap<ShardId, Refusal>,
    /// For each entry of `Batch::inbox`, what became of it.
    pub inbox: Vec<Inserted>,
}

/// What became of a delivery that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored.
    New,
    /// It was stored before.
    Repeat,
    /// One of the same id and another body was stored before; this one is not.
    Conflict,
}

/// Identity of a delivery: what the channel calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxId {
    /// The channel.
    pub channel: ChannelId,
    /// The channel's id of the delivery or event.
    pub delivery: String,
}

impl InboxId {
    /// The shard whose owner drains the row: hash of channel and delivery id.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        ShardId::of_key(&format!("inbox:{}:{}", self.channel, self.delivery))
    }
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InboxState {
    /// To be worked on.
    Open,
    /// Waits until something it names is mapped; an exception is open.
    Parked,
    /// Its effect is durable, or it was decided that it has none.
    Done,
}

/// A verified delivery to be stored raw.
#[derive(Clone, PartialEq, Eq)]
pub struct InboxInsert {
    /// Its identity.
    pub id: InboxId,
    /// When it was received.
    pub received_at: Timestamp,
    /// The channel's topic.
    pub topic: String,
    /// Headers worth keeping (never signatures or secrets).
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for InboxInsert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "InboxInsert({:?}, {}, {} bytes)",
            self.id,
            self.topic,
            self.body.len()
        )
    }
}

/// A delivery as read back, decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// What was stored.
    pub delivery: InboxInsert,
    /// How far it is.
    pub state: InboxState,
    /// What it waits for while parked (a listing or SKU), as text.
    pub parked_on: Option<String>,
    /// The order it belongs to, once known: its name; erasing the order erases the body.
    pub subject: Option<String>,
    /// How often it was worked on.
    pub attempts: u32,
}

impl InboxRow {
    /// A delivery that was just stored.
    #[must_use]
    pub fn new(delivery: InboxInsert) -> Self {
        Self {
            delivery,
            state: InboxState::Open,
            parked_on: None,
            subject: None,
            attempts: 0,
        }
    }

    /// Its state changes, unless it is done.
    pub fn mark(&mut self, mark: &InboxMark) {
        if self.state != InboxState::Done || mark.state == InboxState::Done {
            self.state = mark.state;
            self.parked_on.clone_from(&mark.parked_on);
            self.subject = mark.subject.clone().or(self.subject.take());
            self.attempts += 1;
        }
    }
}

/// A change of state of a delivery; one that is done stays done. The row's shard is the fence's shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxMark {
    /// Which delivery.
    pub id: InboxId,
    /// Its new state.
    pub state: InboxState,
    /// What it waits for, for [`InboxState::Parked`]; what it waited for, for one that is done by giving it up.
    pub parked_on: Option<String>,
    /// The order it belongs to, when known; `None` leaves it as it is. Where that was erased, finishing the
    /// delivery drops its body.
    pub subject: Option<String>,
}

/// Personal data of one subject (an order): opaque bytes and the terms it can be found by.
#[derive(Clone, PartialEq, Eq)]
pub struct VaultEntry {
    /// The encoded personal data.
    pub body: Vec<u8>,
    /// Terms to find it by: (`email` | `phone` | `name`, term).
    pub terms: Vec<(String, String)>,
}

impl std::fmt::Debug for VaultEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "VaultEntry({} bytes, {} terms)",
            self.body.len(),
            self.terms.len()
        )
    }
}

/// A change in the vault. A subject has a row for each address it was ever said to go to, named by what
/// [`crate::Journal::address_version`] makes of it; which of them counts is the subject's own state to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultWrite {
    /// Stores what a statement says, under the buyer's own key. A row that rests on a statement as new stays as
    /// it is, and nothing is ever stored of a subject that was erased.
    Put {
        /// The subject, an order's name.
        subject: String,
        /// Which of its rows.
        version: u64,
        /// When that was stated.
        stated_at: Timestamp,
        /// Whose data it is: one key a buyer.
        buyer: String,
        /// The data.
        entry: VaultEntry,
    },
    /// Drops all rows of a subject but one.
    Keep {
        /// The subject, an order's name.
        subject: String,
        /// The row that stays; none does where there is no such order.
        version: Option<u64>,
    },
    /// Erases a subject for good: its rows, their terms, the inbox bodies of the subject, the buyers' keys when no
    /// other subject uses them; and writes the erasure log, which is applied again after a restore.
    Erase {
        /// The subject, an order's name.
        subject: String,
    },
}

impl VaultWrite {
    /// Whose data it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Put { subject, .. } | Self::Keep { subject, .. } | Self::Erase { subject } => {
                subject
            }
        }
    }
}

/// What is stored of a person under a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonState {
    /// Nothing.
    Unknown,
    /// A row of the vault, or a delivery's body.
    Kept,
    /// Nothing any more, and nothing is stored again.
    Erased,
}

/// Why the journal could not do it.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The disk is full; nothing was written.
    #[error("the disk is full: free space on the volume of {path}, work resumes by itself")]
    Full {
        /// The data directory.
        path: String,
    },
    /// The caller's batch breaks a rule of [`Batch`]; nothing was written. A fault of the program.
    #[error("this batch cannot be written: {0}")]
    Invalid(String),
    /// A flush or write failed in a way that leaves unknown what is on disk.
    #[error("outcome of the write is unknown: {0}; the process must stop and recover from disk")]
    Unknown(String),
    /// Another process holds the data directory.
    #[error(
        "{path} is in use by another crossdock process{pid}: stop that one, or choose another data directory"
    )]
    InUse {
        /// The data directory.
        path: String,
        /// ` (pid N)` when known.
        pid: String,
    },
    /// Stored bytes do not match their checksum or layout.
    #[error("the journal is damaged at {at}: {what}; restore a backup (crossdock journal restore)")]
    Corrupt {
        /// Where.
        at: String,
        /// What is wrong.
        what: String,
    },
    /// The journal was made by another version or with other fixed settings.
    #[error("this journal cannot be opened: {0}")]
    Incompatible(String),
    /// Reading or opening failed.
    #[error("the journal cannot be read: {0}")]
    Io(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    /// Where a delivery or an entity is stored may never change.
    #[test]
    fn shard_positions_are_golden() {
        let entities = ["sku:A-1", "order:shop:1", "location:reno", "request:k:1"];
        let entities = entities.map(|name| name.parse::<EntityId>().unwrap().shard());
        let deliveries = ["1", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"].map(|delivery| {
            let channel = ChannelId::checked("shop").unwrap();
            let delivery = delivery.to_owned();
            InboxId { channel, delivery }.shard()
        });
        let shards = entities.into_iter().chain(deliveries);
        let bytes: Vec<_> = shards.map(|shard| shard.number() as u8).collect();
        golden::check("shards.hex", &[&bytes]);
    }
}
