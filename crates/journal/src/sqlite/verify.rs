//! Reads everything and says what is wrong with it, a commit at a time.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use crossdock_model::{SHARD_COUNT, ShardId};
use rusqlite::Connection;

use super::error::{reading, uint};
use super::index::Entry;
use super::row::{self, Row};
use super::segment::{self, Segment};
use super::{block, inbox, index, schema, state, vault};
use crate::{Epoch, JournalError, Seq, StoredFrame};

/// Problems listed at most; the count goes on.
const PROBLEMS_MAX: usize = 100;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Commits read.
    pub commits: u64,
    /// Frames read.
    pub frames: u64,
    /// Sealed segments read.
    pub segments: u64,
    /// Checkpoints read.
    pub checkpoints: u64,
    /// Deliveries stored.
    pub deliveries: u64,
    /// Number of problems.
    pub problem_count: u64,
    /// The first problems, each with where it is.
    pub problems: Vec<String>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    /// Notes a problem.
    pub fn problem(&mut self, what: String) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what);
        }
    }
}

/// Reads a whole data directory, in use or not: every frame's checksum, sequences dense, epochs never falling,
/// checkpoints not ahead of the log, the stored index of every block, checksums of states, deliveries, personal data
/// and their keys, and the database's own structure. Needs no key.
///
/// # Errors
/// [`JournalError`] when there is nothing that can be read at all; damage is reported, not returned.
pub fn verify(dir: &Path) -> Result<VerifyReport, JournalError> {
    let mut connection = schema::connect_reading(dir)?;
    schema::meta(&connection)?;
    // One transaction: the log must not grow or move between two steps.
    let snapshot = connection.transaction().map_err(reading)?;
    let mut walk = Walk {
        connection: &snapshot,
        blocks: block::all(&snapshot)?.into(),
        index: BTreeMap::new(),
        next_row: 1,
        shards: vec![(1, 0); usize::from(SHARD_COUNT)],
        report: VerifyReport::default(),
    };
    for block in block::sealed(&snapshot)? {
        walk.segment(dir, block);
    }
    let first = block::last_sealed_row(&snapshot)? + 1;
    let hot = block::each_row(&snapshot, first, i64::MAX, |row| {
        walk.row(row);
        Ok(true)
    });
    walk.end();
    let (shards, mut report) = (walk.shards, walk.report);
    if let Err(e) = hot {
        report.problem(e.to_string());
    }
    check_shards(&snapshot, &shards, &mut report)?;
    check_checkpoints(&snapshot, &shards, &mut report)?;
    check_structure(&snapshot, &mut report)?;
    report.deliveries = inbox::examine(&snapshot, |what| report.problem(what))?;
    vault::examine(&snapshot, |what| report.problem(what))?;
    Ok(report)
}

/// Hands over every frame of a data directory, in use or not, in commit order, until `use_frame` says no. Needs
/// no key: for looking into a journal.
///
/// # Errors
/// [`JournalError`] at the first commit that cannot be read.
pub fn scan(
    dir: &Path,
    mut use_frame: impl FnMut(StoredFrame) -> bool,
) -> Result<(), JournalError> {
    let mut connection = schema::connect_reading(dir)?;
    schema::meta(&connection)?;
    let snapshot = connection.transaction().map_err(reading)?;
    let mut more = true;
    let mut use_row = |row: &Row| {
        for head in row::heads(row.id, row.at, &row.heads)? {
            for stored in head.frames(row.at, &row.frames)? {
                more = more && use_frame(stored);
            }
        }
        Ok::<_, JournalError>(more)
    };
    for block in block::sealed(&snapshot)? {
        let segment = Segment::open(&segment::path(dir, block))?;
        for chunk in 0..segment.chunks() {
            for row in segment.rows(chunk)? {
                if !use_row(&row)? {
                    return Ok(());
                }
            }
        }
    }
    let first = block::last_sealed_row(&snapshot)? + 1;
    block::each_row(&snapshot, first, i64::MAX, |row| use_row(row))
}

struct Walk<'a> {
    connection: &'a Connection,
    /// Blocks whose end is still to come: number and last commit.
    blocks: VecDeque<(i64, i64)>,
    /// Where the frames of each shard are in the block, and the sequence after them.
    index: BTreeMap<ShardId, (Vec<Entry>, Seq)>,
    next_row: i64,
    /// Next sequence and last epoch of each shard.
    shards: Vec<(Seq, Epoch)>,
    report: VerifyReport,
}

impl Walk<'_> {
    fn segment(&mut self, dir: &Path, block: i64) {
        self.report.segments += 1;
        let segment = match Segment::open(&segment::path(dir, block)) {
            Ok(segment) => segment,
            Err(e) => return self.report.problem(e.to_string()),
        };
        for chunk in 0..segment.chunks() {
            match segment.rows(chunk) {
                Ok(rows) => rows.iter().for_each(|row| self.row(row)),
                Err(e) => self.report.problem(e.to_string()),
            }
        }
    }

    fn row(&mut self, row: &Row) {
        self.report.commits += 1;
        if row.id != self.next_row {
            let (id, next) = (row.id, self.next_row);
            self.report
                .problem(format!("commit {id} follows where {next} must be"));
        }
        self.next_row = row.id + 1;
        match row::heads(row.id, row.at, &row.heads) {
            Ok(heads) => heads.iter().for_each(|head| self.group(row, head)),
            Err(e) => self.report.problem(e.to_string()),
        }
        if let Some((block, _)) = self.blocks.pop_front_if(|(_, last)| *last <= row.id)
            && let Err(e) = self.end_block(block)
        {
            self.report.problem(e.to_string());
        }
    }

    /// Holds the stored index of a block against its commits.
    fn end_block(&mut self, block: i64) -> Result<(), JournalError> {
        let mut found = std::mem::take(&mut self.index);
        let sql = "SELECT shard, seq_first, seq_last, entries FROM log_map WHERE block = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(reading)?;
        let mut rows = statement.query([block]).map_err(reading)?;
        while let Some(row) = rows.next().map_err(reading)? {
            let number = |column| row.get(column).map(uint).map_err(reading);
            let (shard, first, last) = (number(0)?, number(1)?, number(2)?);
            let stored: Vec<u8> = row.get(3).map_err(reading)?;
            let of_shard = found
                .keys()
                .find(|id| u64::from(id.number()) == shard)
                .copied();
            let (entries, next) = of_shard
                .and_then(|id| found.remove(&id))
                .unwrap_or_default();
            let matches = entries
                .first()
                .is_some_and(|entry| entry.first_seq == first)
                && next == last + 1
                && index::encode(&entries) == stored;
            if !matches {
                self.report.problem(format!(
                    "block {block}, shard {shard}: its stored index does not match the log"
                ));
            }
        }
        for shard in found.into_keys() {
            self.report.problem(format!(
                "block {block}, shard {shard}: its stored index is missing"
            ));
        }
        Ok(())
    }

    fn end(&mut self) {
        for (block, last) in std::mem::take(&mut self.blocks) {
            self.report.problem(format!(
                "block {block}: the log does not reach its last commit {last}"
            ));
        }
    }

    fn group(&mut self, row: &Row, head: &row::Head) {
        let (next, epoch) = &mut self.shards[usize::from(head.shard.number())];
        if head.first_seq != *next {
            let (shard, seq) = (head.shard, head.first_seq);
            self.report.problem(format!(
                "commit {}, shard {shard}: sequence {seq} where {next} must be",
                row.id
            ));
        }
        if head.epoch < *epoch {
            let (shard, found) = (head.shard, head.epoch);
            self.report.problem(format!(
                "commit {}, shard {shard}: epoch {found} after {epoch}",
                row.id
            ));
        }
        (*next, *epoch) = (head.next_seq(), head.epoch);
        let (entries, end) = self.index.entry(head.shard).or_default();
        entries.push(Entry {
            first_seq: head.first_seq,
            row: row.id,
        });
        *end = head.next_seq();
        match head.frames(row.at, &row.frames) {
            Ok(frames) => self.report.frames += frames.len() as u64,
            Err(e) => self.report.problem(e.to_string()),
        }
    }
}

fn check_shards(
    connection: &Connection,
    found: &[(Seq, Epoch)],
    report: &mut VerifyReport,
) -> Result<(), JournalError> {
    let sql = "SELECT shard, epoch, checkpoint_seq, next_seq FROM shard ORDER BY shard";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let mut rows = statement.query([]).map_err(reading)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(reading)? {
        count += 1;
        let number = |column| row.get(column).map(uint).map_err(reading);
        let (shard, epoch, covered, next) = (number(0)?, number(1)?, number(2)?, number(3)?);
        let Some((next_seq, last_epoch)) = usize::try_from(shard).ok().and_then(|n| found.get(n))
        else {
            report.problem(format!("shard {shard} does not exist"));
            continue;
        };
        if covered >= *next_seq {
            report.problem(format!(
                "shard {shard}: checkpoints cover {covered}, the log ends at {}",
                next_seq - 1
            ));
        }
        if epoch < *last_epoch {
            report.problem(format!(
                "shard {shard}: epoch {epoch}, the log has {last_epoch}"
            ));
        }
        if next > *next_seq {
            report.problem(format!("shard {shard}: log is missing from {next_seq} on"));
        }
    }
    if count != SHARD_COUNT {
        report.problem(format!("{count} shards are stored, {SHARD_COUNT} must be"));
    }
    Ok(())
}

fn check_checkpoints(
    connection: &Connection,
    found: &[(Seq, Epoch)],
    report: &mut VerifyReport,
) -> Result<(), JournalError> {
    state::each(connection, |entity, shard, version, matches| {
        report.checkpoints += 1;
        if !matches {
            report.problem(format!(
                "checkpoint of {entity}: its checksum does not match"
            ));
        }
        if ShardId::of_key(entity).number() != shard {
            report.problem(format!(
                "checkpoint of {entity}: it is not of shard {shard}"
            ));
        }
        // An entity cannot have more frames than its shard.
        let end = found.get(usize::from(shard)).map_or(1, |(next, _)| *next);
        if version >= end {
            report.problem(format!(
                "checkpoint of {entity}: version {version}, its shard's log ends at {}",
                end - 1
            ));
        }
    })
}

fn check_structure(connection: &Connection, report: &mut VerifyReport) -> Result<(), JournalError> {
    let sql = format!("PRAGMA quick_check({PROBLEMS_MAX})");
    let mut statement = connection.prepare(&sql).map_err(reading)?;
    let rows = statement.query_map([], |row| row.get(0));
    let found: Vec<String> = rows.and_then(Iterator::collect).map_err(reading)?;
    for what in found.into_iter().filter(|what| what != "ok") {
        report.problem(format!("the SQLite file: {what}"));
    }
    Ok(())
}
