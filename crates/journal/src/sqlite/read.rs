//! Reading the log: from the index in memory, or from the map of a block and its rows or segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossdock_model::{ShardId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::cache::Commit;
use super::error::{int, reading};
use super::index::{self, Entry};
use super::row::Row;
use super::segment::{self, Segment};
use super::{SqliteJournal, block};
use crate::{JournalError, Seq, StoredFrame};

/// Entries taken from the index at once.
const ENTRIES_MAX: usize = 256;

impl SqliteJournal {
    pub(super) fn read_frames(
        &self,
        shard: ShardId,
        after: Seq,
        bytes_max: usize,
    ) -> Result<Vec<StoredFrame>, JournalError> {
        let mut page = Page::new(&[(shard, after)], bytes_max);
        let reader = self.reader();
        let mut commits = Commits::new(self);
        let mut next = after.saturating_add(1);
        while !page.full() && next < self.log().next_seq(shard) {
            for entry in self.entries(&reader, shard, next)? {
                page.take(&*commits.get(&reader, entry.row, true)?)?;
                if page.full() {
                    break;
                }
            }
            let reached = page.next(shard);
            if reached == next {
                return Err(missing(shard, next));
            }
            next = reached;
        }
        Ok(page.frames)
    }

    /// One pass over the log from the first commit that any of the shards needs.
    pub(super) fn read_shards(
        &self,
        after: &[(ShardId, Seq)],
        bytes_max: usize,
    ) -> Result<Vec<StoredFrame>, JournalError> {
        let mut page = Page::new(after, bytes_max);
        let reader = self.reader();
        let mut first = None;
        for (shard, next) in &page.wanted {
            if *next < self.log().next_seq(*shard) {
                let entries = self.entries(&reader, *shard, *next)?;
                let row = entries.first().map(|entry| entry.row);
                first = first.into_iter().chain(row).min();
            }
        }
        let Some(first) = first else {
            return Ok(Vec::new());
        };
        let last = self.log().last_row;
        let mut commits = Commits::new(self);
        for row in first..=last {
            if page.full() {
                break;
            }
            page.take(&*commits.get(&reader, row, false)?)?;
        }
        Ok(page.frames)
    }

    /// Some entries of the index from the one that holds `seq` on; at least one.
    fn entries(
        &self,
        reader: &Connection,
        shard: ShardId,
        seq: Seq,
    ) -> Result<Vec<Entry>, JournalError> {
        // The map is read after the index in memory: what has left that is in the map already.
        let newest = self.log().find(shard, seq, ENTRIES_MAX);
        newest.map_or_else(|| mapped(reader, shard, seq), Ok)
    }
}

fn missing(shard: ShardId, seq: Seq) -> JournalError {
    JournalError::Corrupt {
        at: format!("shard {shard} sequence {seq}"),
        what: "the index names no commit that holds it".to_owned(),
    }
}

/// Frames being collected, and the next sequence wanted of each shard.
struct Page {
    wanted: BTreeMap<ShardId, Seq>,
    bytes_max: usize,
    bytes: usize,
    frames: Vec<StoredFrame>,
}

impl Page {
    fn new(after: &[(ShardId, Seq)], bytes_max: usize) -> Self {
        let next = |(shard, after): &(ShardId, Seq)| (*shard, after.saturating_add(1));
        Self {
            wanted: after.iter().map(next).collect(),
            bytes_max,
            bytes: 0,
            frames: Vec::new(),
        }
    }

    fn full(&self) -> bool {
        !self.frames.is_empty() && self.bytes >= self.bytes_max
    }

    fn next(&self, shard: ShardId) -> Seq {
        self.wanted.get(&shard).copied().unwrap_or(0)
    }

    /// Takes the frames that are wanted, up to the limit. A shard's commits must come in order.
    fn take(&mut self, commit: &Commit) -> Result<(), JournalError> {
        if let (1, Some(shard)) = (self.wanted.len(), self.wanted.keys().next().copied()) {
            return match commit.head(shard) {
                Some(head) => self.take_shard(shard, commit.frames(head)?),
                None => Ok(()),
            };
        }
        for head in &commit.heads {
            let next = self.wanted.get(&head.shard).copied();
            if next.is_some_and(|next| next < head.next_seq()) {
                self.take_shard(head.shard, commit.frames(head)?)?;
            }
        }
        Ok(())
    }

    fn take_shard(&mut self, shard: ShardId, frames: Vec<StoredFrame>) -> Result<(), JournalError> {
        for stored in frames {
            if self.full() {
                break;
            }
            let next = self.next(shard);
            if stored.position.seq > next {
                return Err(missing(shard, next));
            }
            if stored.position.seq == next {
                self.bytes += stored.frame.body.len();
                self.wanted.insert(shard, next + 1);
                self.frames.push(stored);
            }
        }
        Ok(())
    }
}

/// The entries of the block that holds `seq`, from there on.
fn mapped(connection: &Connection, shard: ShardId, seq: Seq) -> Result<Vec<Entry>, JournalError> {
    let sql = "
SELECT entries FROM log_map WHERE shard = ?1 AND seq_first <= ?2 ORDER BY seq_first DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let found: Option<Vec<u8>> = statement
        .query_row(params![shard.number(), int(seq)], |row| row.get(0))
        .optional()
        .map_err(reading)?;
    let entries = found.ok_or_else(|| missing(shard, seq))?;
    let mut entries = index::decode(&entries).map_err(|_| missing(shard, seq))?;
    let after = entries.partition_point(|entry| entry.first_seq <= seq);
    entries.drain(..after.saturating_sub(1));
    Ok(entries)
}

/// Fetches commits, keeping the last chunk of a segment at hand.
struct Commits<'a> {
    journal: &'a SqliteJournal,
    segment: Option<(i64, Segment)>,
    chunk: Option<(usize, Vec<Row>)>,
}

impl<'a> Commits<'a> {
    fn new(journal: &'a SqliteJournal) -> Self {
        Self {
            journal,
            segment: None,
            chunk: None,
        }
    }

    /// A commit; `keep` puts it into the cache, for the next shard.
    fn get(
        &mut self,
        connection: &Connection,
        id: i64,
        keep: bool,
    ) -> Result<Arc<Commit>, JournalError> {
        if let Some(commit) = self.journal.cache().get(id) {
            return Ok(commit);
        }
        let commit = Arc::new(Commit::decode(self.fetch(connection, id)?)?);
        if keep {
            self.journal.cache().put(Arc::clone(&commit));
        }
        Ok(commit)
    }

    fn fetch(&mut self, connection: &Connection, id: i64) -> Result<Row, JournalError> {
        if let Some(row) = hot(connection, id)? {
            return Ok(row);
        }
        let lost = || JournalError::Corrupt {
            at: format!("commit {id}"),
            what: "it is neither in the database nor in a segment".to_owned(),
        };
        // A row leaves the database only after its segment is complete.
        let block = block::of_row(connection, id)?.ok_or_else(lost)?;
        self.sealed(block, id)?.ok_or_else(lost)
    }

    fn sealed(&mut self, block: i64, id: i64) -> Result<Option<Row>, JournalError> {
        let segment = match self.segment.take() {
            Some((held, segment)) if held == block => segment,
            _ => {
                self.chunk = None;
                Segment::open(&segment::path(&self.journal.dir, block))?
            }
        };
        let (_, segment) = self.segment.insert((block, segment));
        let Some(wanted) = segment.chunk_of(id) else {
            return Ok(None);
        };
        let rows = match self.chunk.take() {
            Some((held, rows)) if held == wanted => rows,
            _ => segment.rows(wanted)?,
        };
        let (_, rows) = self.chunk.insert((wanted, rows));
        let at = rows.binary_search_by_key(&id, |row| row.id);
        Ok(at.ok().map(|at| rows[at].clone()))
    }
}

/// A row that is in the database.
fn hot(connection: &Connection, id: i64) -> Result<Option<Row>, JournalError> {
    let sql = "SELECT at, heads, frames FROM log WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let found = statement.query_row([id], |row| {
        Ok(Row {
            id,
            at: Timestamp::from_ms(row.get(0)?),
            heads: row.get(1)?,
            frames: row.get(2)?,
        })
    });
    found.optional().map_err(reading)
}
