//! What the committer gives to the journal, and what it says once the journal has answered.

use crossdock_model::{EntityId, ShardId, Timestamp};

use crate::step::Release;

/// A fenced write that is not an entity's step (inbox mark, vault entry): `X` is the shell's.
#[derive(Debug)]
pub struct Other<X, D> {
    /// The shard under whose fence it is written.
    pub shard: ShardId,
    /// What is written.
    pub write: X,
    /// Whether steps that come after it rest on it: it is in the next batch then, whatever else waits.
    pub rested_on: bool,
    /// Who is told.
    pub done: D,
}

/// An entity's state as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Version of the state.
    pub version: u64,
    /// The encoded state.
    pub body: Vec<u8>,
    /// When the entity must be woken though nobody asks.
    pub wake_at: Option<Timestamp>,
    /// Whether others are told of its changes.
    pub speaks: bool,
}

/// One entity's record in a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardBatch<X> {
    /// The shard.
    pub shard: ShardId,
    /// The sequence its first record gets.
    pub expected_seq: u64,
    /// Records in order.
    pub records: Vec<(EntityId, Vec<u8>)>,
    /// Checkpoints.
    pub checkpoints: Vec<(EntityId, Snapshot)>,
    /// Everything up to here is covered by checkpoints once this batch is durable.
    pub checkpoint_seq: Option<u64>,
    /// Other fenced writes.
    pub others: Vec<X>,
}

impl<X> ShardBatch<X> {
    /// Whether it writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.checkpoints.is_empty()
            && self.checkpoint_seq.is_none()
            && self.others.is_empty()
    }
}

/// What goes to the journal in one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<X> {
    /// The writes, by shard.
    pub shards: Vec<ShardBatch<X>>,
}

/// How a shard's part of a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardOutcome {
    /// Durable.
    Durable,
    /// Not written; the shard goes on from `next_seq`. `None`: it is not ours any more.
    Refused {
        /// The sequence the journal expects next, if it is still ours.
        next_seq: Option<u64>,
    },
}

/// Told to whoever handed in an [`Other`].
#[derive(Debug)]
pub struct Done<D> {
    /// Who.
    pub done: D,
    /// Whether it is durable.
    pub durable: bool,
}

/// What a finished batch sets free.
#[derive(Debug)]
pub struct Completed<T, D> {
    /// What may leave, in order, with the entity it comes from.
    pub released: Vec<(EntityId, Release<T>)>,
    /// What is lost: its callers are told *unknown, retry by key*.
    pub lost: Vec<Release<T>>,
    /// Lives that are over: (entity, life). Their actors must drop their state and recover.
    pub ended: Vec<(EntityId, u64)>,
    /// Versions that are durable now, the last of each entity in the batch.
    pub durable: Vec<(EntityId, u64)>,
    /// Other writes that ended.
    pub others: Vec<Done<D>>,
    /// Records made durable.
    pub records: usize,
}

impl<T, D> Default for Completed<T, D> {
    fn default() -> Self {
        Self {
            released: Vec::new(),
            lost: Vec::new(),
            ended: Vec::new(),
            durable: Vec::new(),
            others: Vec::new(),
            records: 0,
        }
    }
}
