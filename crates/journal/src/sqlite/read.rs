//! Reading the log: from the index in memory, or from the map of a block and its rows or segment.

use crossdock_model::{ShardId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::{int, reading};
use super::index::{self, Entry};
use super::row::{self, Row};
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
        let mut page = Page {
            next: after.saturating_add(1),
            bytes_max,
            bytes: 0,
            frames: Vec::new(),
        };
        let reader = self.reader();
        let mut rows = Rows::new(self);
        while !page.full() {
            let found = {
                let log = self.log();
                if page.next >= log.next_seq(shard) {
                    break;
                }
                log.find(shard, page.next, ENTRIES_MAX)
            };
            // The map is read after the index in memory: what left that is in the map already.
            let (entries, block) = match found {
                Some(entries) => (entries, None),
                None => mapped(&reader, shard, page.next)?,
            };
            let before = page.next;
            for entry in entries {
                let row = rows.get(&reader, entry.row, block)?;
                page.take(shard, &row)?;
                if page.full() {
                    break;
                }
            }
            if page.next == before {
                return Err(missing(shard, before));
            }
        }
        Ok(page.frames)
    }
}

fn missing(shard: ShardId, seq: Seq) -> JournalError {
    JournalError::Corrupt {
        at: format!("shard {shard} sequence {seq}"),
        what: "the index names no commit that holds it".to_owned(),
    }
}

struct Page {
    next: Seq,
    bytes_max: usize,
    bytes: usize,
    frames: Vec<StoredFrame>,
}

impl Page {
    fn full(&self) -> bool {
        !self.frames.is_empty() && self.bytes >= self.bytes_max
    }

    fn take(&mut self, shard: ShardId, row: &Row) -> Result<(), JournalError> {
        let heads = row::heads(row.id, row.at, &row.heads)?;
        for head in heads.iter().filter(|head| head.shard == shard) {
            for stored in head.frames(row.at, &row.frames)? {
                if stored.position.seq != self.next || self.full() {
                    continue;
                }
                self.bytes += stored.frame.body.len();
                self.next += 1;
                self.frames.push(stored);
            }
        }
        Ok(())
    }
}

/// The entries of the block that holds `seq`, from there on, and the block.
fn mapped(
    connection: &Connection,
    shard: ShardId,
    seq: Seq,
) -> Result<(Vec<Entry>, Option<i64>), JournalError> {
    let sql = "
SELECT entries, block FROM log_map WHERE shard = ?1 AND seq_first <= ?2 ORDER BY seq_first DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let found = statement
        .query_row(params![shard.number(), int(seq)], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))
        })
        .optional()
        .map_err(reading)?;
    let (entries, block) = found.ok_or_else(|| missing(shard, seq))?;
    let mut entries = index::decode(&entries).map_err(|_| missing(shard, seq))?;
    let after = entries.partition_point(|entry| entry.first_seq <= seq);
    entries.drain(..after.saturating_sub(1));
    Ok((entries, Some(block)))
}

/// Fetches rows, keeping the last chunk of a segment at hand.
struct Rows<'a> {
    journal: &'a SqliteJournal,
    segment: Option<(i64, Segment)>,
    chunk: Option<(usize, Vec<Row>)>,
}

impl<'a> Rows<'a> {
    fn new(journal: &'a SqliteJournal) -> Self {
        Self {
            journal,
            segment: None,
            chunk: None,
        }
    }

    fn get(
        &mut self,
        connection: &Connection,
        id: i64,
        block: Option<i64>,
    ) -> Result<Row, JournalError> {
        if let Some(row) = hot(connection, id)? {
            return Ok(row);
        }
        let lost = || JournalError::Corrupt {
            at: format!("commit {id}"),
            what: "it is neither in the database nor in a segment".to_owned(),
        };
        // A row leaves the database only after its segment is complete.
        let block = match block {
            Some(block) => block,
            None => block::of_row(connection, id)?.ok_or_else(lost)?,
        };
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
