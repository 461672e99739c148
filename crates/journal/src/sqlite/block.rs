//! Blocks of the log: closed (their index is stored), sealed (their rows are in a segment file), emptied
//! (their rows have left the database).

use crossdock_model::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::commit::{WriteError, taken_over};
use super::error::{self, int, reading};
use super::row::Row;
use super::segment::{self, SegmentWriter};
use super::{SqliteJournal, Writer, index, row, schema};
use crate::JournalError;

/// Rows are in the database only.
const CLOSED: i64 = 0;
/// Rows are in the segment, and some may still be in the database.
const SEALED: i64 = 1;
/// Rows are in the segment only.
const EMPTIED: i64 = 2;

/// A block that can be sealed.
struct Candidate {
    block: i64,
    row_first: i64,
    row_last: i64,
}

/// The block of a commit.
pub(super) fn of_row(connection: &Connection, id: i64) -> Result<Option<i64>, JournalError> {
    let sql = "SELECT block FROM log_block WHERE row_first <= ?1 AND row_last >= ?1";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let found = statement.query_row([id], |row| row.get(0)).optional();
    found.map_err(reading)
}

/// All blocks with their last commit, in order.
pub(super) fn all(connection: &Connection) -> Result<Vec<(i64, i64)>, JournalError> {
    let sql = "SELECT block, row_last FROM log_block ORDER BY block";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.and_then(Iterator::collect).map_err(reading)
}

/// Blocks whose segments are complete, in order.
pub(super) fn sealed(connection: &Connection) -> Result<Vec<i64>, JournalError> {
    let sql = "SELECT block FROM log_block WHERE state >= ?1 ORDER BY block";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let rows = statement.query_map([SEALED], |row| row.get(0));
    rows.and_then(Iterator::collect).map_err(reading)
}

impl SqliteJournal {
    /// Whether the newest commits fill a block, or are old enough to be sealed.
    pub(super) fn block_is_due(&self, sealed_before: Timestamp) -> Result<bool, JournalError> {
        let (entries, first_row) = {
            let log = self.log();
            (log.len(), log.blocked_row + 1)
        };
        if entries == 0 {
            return Ok(false);
        }
        let full = self.writer().unblocked_bytes >= self.options.block_bytes_max;
        if full || entries >= self.options.index_entries_max {
            return Ok(true);
        }
        let reader = self.reader();
        let sql = "SELECT at FROM log WHERE id = ?1";
        let first: Option<i64> = reader
            .query_row(sql, [first_row], |row| row.get(0))
            .optional()
            .map_err(reading)?;
        Ok(first.is_some_and(|at| at < sealed_before.as_ms()))
    }

    /// Closes a block of all commits up to now: stores its index and the tails of the shards.
    pub(super) fn close_block(&self) -> Result<(), JournalError> {
        let mut writer = self.writer();
        self.refuse_after_failure()?;
        let (first, last) = {
            let log = self.log();
            (log.blocked_row + 1, log.last_row)
        };
        if last < first {
            return Ok(());
        }
        let stored = self.store_block(&mut writer, first, last);
        stored.map_err(|e| self.not_written(e))?;
        writer.unblocked_bytes = 0;
        self.log_mut().forget(last);
        Ok(())
    }

    fn store_block(&self, writer: &mut Writer, first: i64, last: i64) -> Result<(), WriteError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = writer.connection.transaction_with_behavior(behavior)?;
        schema::check_process(&transaction, &self.process)?;
        transaction.execute(
            "INSERT INTO log_block (row_first, row_last, at_last, state)
             SELECT ?1, ?2, max(at), ?3 FROM log WHERE id BETWEEN ?1 AND ?2",
            params![first, last, CLOSED],
        )?;
        let block = transaction.last_insert_rowid();
        let log = self.log();
        for (shard, entries, seq_last) in log.up_to(last) {
            let seq_first = entries.first().map_or(seq_last, |entry| entry.first_seq);
            transaction.execute(
                "INSERT INTO log_map (shard, seq_first, seq_last, block, entries)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    shard.number(),
                    int(seq_first),
                    int(seq_last),
                    block,
                    index::encode(&entries)
                ],
            )?;
            transaction.execute(
                "UPDATE shard SET next_seq = ?2 WHERE shard = ?1",
                params![shard.number(), int(seq_last + 1)],
            )?;
        }
        drop(log);
        transaction.commit()?;
        Ok(())
    }

    /// Seals the oldest closed block that is older than `before` and covered by checkpoints. Returns whether
    /// there was one.
    pub(super) fn seal_block(&self, before: Timestamp) -> Result<bool, JournalError> {
        let Some(candidate) = self.candidate(before)? else {
            return Ok(false);
        };
        let path = segment::path(&self.dir, candidate.block);
        let failed = |e: std::io::Error| error::file(&path, &e);
        let mut segment = SegmentWriter::create(&path).map_err(failed)?;
        {
            // Not a reader: sealing takes long, and reads must not wait for it.
            let connection = self.checkpointer();
            each_row(
                &connection,
                candidate.row_first,
                candidate.row_last,
                |row| {
                    // A damaged row must be found while the database still has its surroundings.
                    for head in row::heads(row.id, row.at, &row.heads)? {
                        head.frames(row.at, &row.frames)?;
                    }
                    segment.push(row).map_err(failed)?;
                    Ok(true)
                },
            )?;
        }
        segment.finish().map_err(failed)?;
        let writer = self.writer();
        self.refuse_after_failure()?;
        let sql = "
UPDATE log_block SET state = ?2
WHERE block = ?1 AND EXISTS (SELECT 1 FROM meta WHERE name = ?3 AND value = ?4)";
        let parameters = params![candidate.block, SEALED, schema::PROCESS, self.process];
        let sealed = writer.connection.execute(sql, parameters);
        match sealed.map_err(|e| self.write_failed(e))? {
            0 => Err(self.note_failure(taken_over())),
            _ => Ok(true),
        }
    }

    fn candidate(&self, before: Timestamp) -> Result<Option<Candidate>, JournalError> {
        let reader = self.reader();
        // Only ever the oldest: what is sealed is the beginning of the log.
        let sql = "
SELECT block, row_first, row_last FROM log_block
WHERE block = (SELECT min(block) FROM log_block WHERE state = ?1) AND at_last < ?2 AND NOT EXISTS (
  SELECT 1 FROM log_map m JOIN shard s ON s.shard = m.shard
  WHERE m.block = log_block.block AND s.checkpoint_seq < m.seq_last)";
        let found = reader.query_row(sql, params![CLOSED, before.as_ms()], |row| {
            Ok(Candidate {
                block: row.get(0)?,
                row_first: row.get(1)?,
                row_last: row.get(2)?,
            })
        });
        found.optional().map_err(reading)
    }

    /// Deletes some rows of a sealed block from the database. Returns how many.
    pub(super) fn empty_block(&self) -> Result<u64, JournalError> {
        // Mostly there is none, and commits need not wait until that is found.
        let sql = "SELECT EXISTS (SELECT 1 FROM log_block WHERE state = ?1)";
        let is_sealed: rusqlite::Result<bool> =
            self.reader().query_row(sql, [SEALED], |row| row.get(0));
        if !is_sealed.map_err(reading)? {
            return Ok(0);
        }
        let mut writer = self.writer();
        self.refuse_after_failure()?;
        let max = self.options.delete_commits_max;
        let deleted = delete_some(&mut writer, &self.process, max);
        deleted.map_err(|e| self.not_written(e))
    }
}

fn delete_some(writer: &mut Writer, process: &str, max: u32) -> Result<u64, WriteError> {
    let behavior = TransactionBehavior::Immediate;
    let transaction = writer.connection.transaction_with_behavior(behavior)?;
    schema::check_process(&transaction, process)?;
    let sql =
        "SELECT block, row_first, row_last FROM log_block WHERE state = ?1 ORDER BY block LIMIT 1";
    let found = transaction.query_row(sql, [SEALED], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
        ))
    });
    let Some((block, first, last)) = found.optional()? else {
        return Ok(0);
    };
    let sql = "
DELETE FROM log WHERE id IN (SELECT id FROM log WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)";
    let deleted = transaction.execute(sql, params![first, last, max])? as u64;
    if deleted < u64::from(max) {
        let sql = "UPDATE log_block SET state = ?2 WHERE block = ?1";
        transaction.execute(sql, params![block, EMPTIED])?;
    }
    transaction.commit()?;
    Ok(deleted)
}

/// The last commit that a complete segment holds.
pub(super) fn last_sealed_row(connection: &Connection) -> Result<i64, JournalError> {
    let sql = "SELECT coalesce(max(row_last), 0) FROM log_block WHERE state >= ?1";
    connection
        .query_row(sql, [SEALED], |row| row.get(0))
        .map_err(reading)
}

/// Hands over the rows of the database in a range, in order, until `use_row` says no.
pub(super) fn each_row(
    connection: &Connection,
    first: i64,
    last: i64,
    mut use_row: impl FnMut(&Row) -> Result<bool, JournalError>,
) -> Result<(), JournalError> {
    let sql = "SELECT id, at, heads, frames FROM log WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let mut rows = statement.query([first, last]).map_err(reading)?;
    while let Some(found) = rows.next().map_err(reading)? {
        let get = || {
            Ok(Row {
                id: found.get(0)?,
                at: Timestamp::from_ms(found.get(1)?),
                heads: found.get(2)?,
                frames: found.get(3)?,
            })
        };
        if !use_row(&get().map_err(reading)?)? {
            break;
        }
    }
    Ok(())
}
