//! The newest and the last read commits, decoded as far as their heads.
//!
//! Many shards share a commit, and recovery and read models read shard by shard: without this each commit
//! would be fetched once for every shard in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crossdock_model::{ShardId, Timestamp};

use super::row::{self, Head, Row};
use crate::{JournalError, StoredFrame};

/// A commit with its heads decoded, in order of their shards.
#[derive(Debug)]
pub(super) struct Commit {
    pub id: i64,
    at: Timestamp,
    pub heads: Vec<Head>,
    frames: Vec<u8>,
}

impl Commit {
    pub(super) fn decode(row: Row) -> Result<Self, JournalError> {
        Ok(Self {
            id: row.id,
            at: row.at,
            heads: row::heads(row.id, row.at, &row.heads)?,
            frames: row.frames,
        })
    }

    /// The head of a shard, when the commit has frames of it.
    pub(super) fn head(&self, shard: ShardId) -> Option<&Head> {
        let at = self.heads.binary_search_by_key(&shard, |head| head.shard);
        at.ok().map(|at| &self.heads[at])
    }

    /// Decodes the frames of one head.
    pub(super) fn frames(&self, head: &Head) -> Result<Vec<StoredFrame>, JournalError> {
        head.frames(self.at, &self.frames)
    }

    /// Bytes it takes in the log.
    pub(super) fn bytes(&self) -> usize {
        self.frames.len() + self.heads.len() * size_of::<Head>()
    }
}

/// Commits by id, the first to come is the first to go.
#[derive(Debug)]
pub(super) struct Cache {
    commits: BTreeMap<i64, Arc<Commit>>,
    order: VecDeque<i64>,
    bytes: usize,
    bytes_max: usize,
}

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            commits: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    pub(super) fn get(&self, id: i64) -> Option<Arc<Commit>> {
        self.commits.get(&id).cloned()
    }

    pub(super) fn put(&mut self, commit: Arc<Commit>) {
        // Two readers may fetch the same commit at the same time.
        if self.commits.contains_key(&commit.id) {
            return;
        }
        self.bytes += commit.bytes();
        self.order.push_back(commit.id);
        self.commits.insert(commit.id, commit);
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            let gone = self.commits.remove(&oldest);
            self.bytes -= gone.map_or(0, |commit| commit.bytes());
        }
    }
}
