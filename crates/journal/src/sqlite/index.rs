//! Which commit holds which sequence of a shard: kept in memory for the newest commits.
//!
//! Older commits are grouped in blocks; a block's part of the index is stored, one row a shard
//! (`log_map`), when the block is closed.

use crossdock_model::{SHARD_COUNT, ShardId};

use super::row::Head;
use crate::bytes::{Malformed, Reader, put_varint};
use crate::{JournalError, Seq};

/// A commit that holds frames of the shard, from this sequence on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub first_seq: Seq,
    pub row: i64,
}

/// The index of the commits that no block holds yet, and the tail of every shard.
#[derive(Debug)]
pub(super) struct LogIndex {
    shards: Vec<ShardIndex>,
    entries: usize,
    /// The last commit that a block holds.
    pub blocked_row: i64,
    /// The last commit.
    pub last_row: i64,
}

#[derive(Debug, Clone)]
struct ShardIndex {
    next_seq: Seq,
    entries: Vec<Entry>,
}

impl LogIndex {
    /// An index without entries, for a log whose blocks end at `blocked_row`.
    pub(super) fn new(blocked_row: i64, next_seqs: &[Seq]) -> Self {
        let slot = |shard: u16| ShardIndex {
            next_seq: next_seqs.get(usize::from(shard)).copied().unwrap_or(1),
            entries: Vec::new(),
        };
        Self {
            shards: (0..SHARD_COUNT).map(slot).collect(),
            entries: 0,
            blocked_row,
            last_row: blocked_row,
        }
    }

    /// Takes in the heads of the next commit.
    pub(super) fn push(&mut self, row: i64, heads: &[Head]) -> Result<(), JournalError> {
        for head in heads {
            let shard = &mut self.shards[usize::from(head.shard.number())];
            if head.first_seq != shard.next_seq {
                return Err(JournalError::Corrupt {
                    at: format!("commit {row}, shard {}", head.shard),
                    what: format!("sequence {} follows {}", head.first_seq, shard.next_seq - 1),
                });
            }
            shard.next_seq = head.next_seq();
            shard.entries.push(Entry {
                first_seq: head.first_seq,
                row,
            });
            self.entries += 1;
        }
        self.last_row = row;
        Ok(())
    }

    pub(super) fn next_seq(&self, shard: ShardId) -> Seq {
        self.shards[usize::from(shard.number())].next_seq
    }

    /// Number of entries in memory.
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// At most `max` entries from the one that holds `seq` on; `None` when an older block holds it.
    pub(super) fn find(&self, shard: ShardId, seq: Seq, max: usize) -> Option<Vec<Entry>> {
        let entries = &self.shards[usize::from(shard.number())].entries;
        let after = entries.partition_point(|entry| entry.first_seq <= seq);
        let at = after.checked_sub(1)?;
        Some(entries[at..].iter().take(max).copied().collect())
    }

    /// For every shard with entries up to commit `row`: those entries and the last sequence they hold.
    pub(super) fn up_to(&self, row: i64) -> Vec<(ShardId, Vec<Entry>, Seq)> {
        let shards = ShardId::all().zip(&self.shards);
        let parts = shards.filter_map(|(id, shard)| {
            let count = shard.entries.partition_point(|entry| entry.row <= row);
            let end = shard.entries.get(count);
            let next_seq = end.map_or(shard.next_seq, |entry| entry.first_seq);
            let entries = shard.entries[..count].to_vec();
            (count > 0).then_some((id, entries, next_seq - 1))
        });
        parts.collect()
    }

    /// Forgets the entries up to commit `row`: a stored block has them.
    pub(super) fn forget(&mut self, row: i64) {
        for shard in &mut self.shards {
            let count = shard.entries.partition_point(|entry| entry.row <= row);
            shard.entries.drain(..count);
            shard.entries.shrink_to(count.max(16));
            self.entries -= count;
        }
        self.blocked_row = row;
    }
}

/// Encodes a shard's entries of a block: steps of sequence and row, as varints.
pub(super) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut seq, mut row) = (0, 0);
    for entry in entries {
        put_varint(&mut out, entry.first_seq - seq);
        put_varint(&mut out, (entry.row - row).unsigned_abs());
        (seq, row) = (entry.first_seq, entry.row);
    }
    out
}

/// Decodes what [`encode`] made.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let mut reader = Reader(bytes);
    let mut entries = Vec::new();
    let (mut seq, mut row) = (0_u64, 0_i64);
    while !reader.0.is_empty() {
        seq = seq.checked_add(reader.varint()?).ok_or(Malformed)?;
        row = row
            .checked_add_unsigned(reader.varint()?)
            .ok_or(Malformed)?;
        entries.push(Entry {
            first_seq: seq,
            row,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn layout_is_golden() {
        let entry = |(first_seq, row)| Entry { first_seq, row };
        let entries = [(1, 1), (2, 5), (900, 70_000)].map(entry);
        let encoded = encode(&entries);
        golden::check("log_map.hex", &[&encoded]);
        assert_eq!(decode(&encoded).unwrap(), entries);
    }
}
