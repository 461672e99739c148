//! The only writes of shards: claims and commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::{Transaction, TransactionBehavior, params};

use crossdock_model::ShardId;

use super::cache::Commit;
use super::error::{int, uint};
use super::row::{self, Group, Row};
use super::{SqliteJournal, Writer, inbox, schema, state, vault};
use crate::bytes::hex;
use crate::crypto::{DataKey, random};
use crate::types::{check_batch, day_of};
use crate::{
    Batch, CommitOutcome, Epoch, JournalError, OwnerId, Refusal, ShardState, ShardWrite, VaultWrite,
};

/// What goes wrong inside a transaction: the disk, or data that is not what it must be.
#[derive(Debug)]
pub(super) enum WriteError {
    Sqlite(rusqlite::Error),
    Journal(JournalError),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<JournalError> for WriteError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// The shards this process has claimed, while no other has claimed any since.
#[derive(Clone, Default)]
pub(super) struct Claims {
    /// What the last claim is called in storage.
    last: String,
    shards: BTreeMap<ShardId, (Epoch, OwnerId)>,
}

/// What is to be remembered once a transaction is durable.
#[derive(Default)]
struct Written {
    commit: Option<Commit>,
    day_keys: Vec<(i64, DataKey)>,
    erased: bool,
    outcome: CommitOutcome,
}

impl SqliteJournal {
    pub(super) fn claim_shards(
        &self,
        owner: OwnerId,
        shards: &[ShardId],
    ) -> Result<Vec<ShardState>, JournalError> {
        let mut writer = self.writer();
        self.refuse_after_failure()?;
        self.claim(&mut writer, owner, shards)
            .map_err(|error| self.not_written(error))
    }

    fn claim(
        &self,
        writer: &mut Writer,
        owner: OwnerId,
        shards: &[ShardId],
    ) -> Result<Vec<ShardState>, WriteError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = writer.connection.transaction_with_behavior(behavior)?;
        self.check_end(&transaction)?;
        if !self.announced.load(Ordering::SeqCst) {
            schema::set(&transaction, schema::PROCESS, &self.process)?;
        }
        let mut claims = match schema::holds(&transaction, schema::CLAIM, &writer.claims.last)? {
            true => writer.claims.clone(),
            // Another process has claimed since: whose the others are is not known any more.
            false => Claims::default(),
        };
        let mut claimed = Vec::with_capacity(shards.len());
        for shard in shards {
            let sql = "
UPDATE shard SET epoch = epoch + 1, owner = ?2 WHERE shard = ?1 RETURNING epoch, checkpoint_seq";
            let mut statement = transaction.prepare_cached(sql)?;
            let parameters = params![shard.number(), owner.0.to_be_bytes()];
            let state = statement.query_row(parameters, |row| {
                Ok(ShardState {
                    shard: *shard,
                    epoch: uint(row.get(0)?),
                    next_seq: self.log().next_seq(*shard),
                    checkpoint_seq: uint(row.get(1)?),
                })
            })?;
            claims.shards.insert(*shard, (state.epoch, owner));
            claimed.push(state);
        }
        claims.last = hex(&random::<16>()?);
        schema::set(&transaction, schema::CLAIM, &claims.last)?;
        transaction.commit()?;
        writer.claims = claims;
        self.announced.store(true, Ordering::SeqCst);
        Ok(claimed)
    }

    pub(super) fn commit_batch(&self, batch: &Batch) -> Result<CommitOutcome, JournalError> {
        check_batch(batch)?;
        let mut guard = self.writer();
        self.refuse_after_failure()?;
        let written = self.transact(&mut guard, batch);
        let written = written.map_err(|error| self.not_written(error))?;
        self.remember(&mut guard, written)
    }

    /// What it means that a transaction was not written.
    pub(super) fn not_written(&self, error: WriteError) -> JournalError {
        match error {
            WriteError::Sqlite(error) => self.write_failed(error),
            WriteError::Journal(error) => self.note_failure(error),
        }
    }

    /// Whether a shard's writes may be made, as storage says it inside their transaction: a process past whose
    /// lock another one came must not believe its own memory. What that says of claims may be believed while storage says
    /// that nobody has claimed since.
    fn fence(
        &self,
        transaction: &Transaction<'_>,
        claims: Option<&Claims>,
        write: &ShardWrite,
    ) -> rusqlite::Result<Result<(), Refusal>> {
        let known = claims.and_then(|claims| claims.shards.get(&write.shard));
        let (epoch, owner) = match known {
            Some(known) => *known,
            None => stored_claim(transaction, write.shard)?,
        };
        // Nobody is the owner of a shard that was never claimed, whatever number nobody has.
        if epoch != write.epoch || owner != write.owner || owner.0 == 0 {
            return Ok(Err(Refusal::Fenced { epoch }));
        }
        let next_seq = self.log().next_seq(write.shard);
        if next_seq != write.expected_seq {
            return Ok(Err(Refusal::Sequence { next_seq }));
        }
        Ok(Ok(()))
    }

    /// Refuses to go on where another process has appended: what is known of the log in memory is old then.
    fn check_end(&self, transaction: &Transaction<'_>) -> Result<(), WriteError> {
        let mut statement = transaction.prepare_cached("SELECT max(id) FROM log")?;
        let last: Option<i64> = statement.query_row([], |row| row.get(0))?;
        match last.is_some_and(|last| last > self.log().last_row) {
            true => Err(taken_over().into()),
            false => Ok(()),
        }
    }

    fn transact(&self, writer: &mut Writer, batch: &Batch) -> Result<Written, WriteError> {
        let mut written = Written::default();
        let behavior = TransactionBehavior::Immediate;
        let transaction = writer.connection.transaction_with_behavior(behavior)?;
        let mut kept = Vec::with_capacity(batch.shards.len());
        let is_last = schema::holds(&transaction, schema::CLAIM, &writer.claims.last)?;
        let claims = is_last.then_some(&writer.claims);
        for write in &batch.shards {
            match self.fence(&transaction, claims, write)? {
                Ok(()) => kept.push(write),
                Err(refusal) => {
                    written.outcome.refused.insert(write.shard, refusal);
                }
            }
        }
        if kept.is_empty() && batch.inbox.is_empty() {
            return Ok(written);
        }
        if !kept.is_empty() {
            self.check_end(&transaction)?;
        }
        let log_row = self.log().last_row + 1;
        written.commit = append(&transaction, log_row, batch, &kept)?;
        for write in kept {
            written.erased |= self.write_shard(&transaction, batch, write)?;
        }
        for delivery in &batch.inbox {
            let known = written.day_keys.iter().map(|(day, key)| (*day, key));
            let known = writer
                .day_keys
                .iter()
                .map(|(day, key)| (*day, key))
                .chain(known);
            let day = day_of(delivery.received_at);
            let known = known.rev().find(|(known, _)| *known == day);
            let key = match known {
                Some((_, key)) => key.clone(),
                None => {
                    let key = inbox::day_key(&transaction, &self.keys, day)?;
                    written.day_keys.push((day, key.clone()));
                    key
                }
            };
            let new = inbox::insert(
                &transaction,
                &self.keys,
                (&key, &mut writer.packer),
                delivery,
            )?;
            written.outcome.inbox.push(new);
        }
        #[cfg(any(test, feature = "testing"))]
        if self.fail_next_commit.swap(false, Ordering::SeqCst) {
            let what = "injected failure of a flush".to_owned();
            return Err(JournalError::Unknown(what).into());
        }
        let started = Instant::now();
        transaction.commit()?;
        if let Some(told) = &self.options.on_flush {
            (told.0)(started.elapsed());
        }
        Ok(written)
    }

    /// Writes a shard's part beside its frames. Returns whether personal data was erased.
    fn write_shard(
        &self,
        transaction: &Transaction<'_>,
        batch: &Batch,
        write: &ShardWrite,
    ) -> Result<bool, WriteError> {
        for checkpoint in &write.checkpoints {
            state::store(transaction, write.shard, checkpoint)?;
        }
        if let Some(seq) = write.checkpoint_seq {
            let sql = "
UPDATE shard SET checkpoint_seq = ?2
WHERE shard = ?1 AND checkpoint_seq < ?2 AND epoch = ?3 AND owner = ?4";
            let mut statement = transaction.prepare_cached(sql)?;
            let owner = write.owner.0.to_be_bytes();
            statement.execute(params![
                write.shard.number(),
                int(seq),
                int(write.epoch),
                owner
            ])?;
        }
        let mut erased = false;
        for mark in &write.inbox {
            erased |= inbox::mark(transaction, mark)?;
        }
        for change in &write.vault {
            match change {
                VaultWrite::Put {
                    subject,
                    version,
                    stated_at,
                    buyer,
                    entry,
                } => {
                    let put = vault::Put {
                        subject,
                        version: *version,
                        stated_at: *stated_at,
                        buyer,
                        entry,
                    };
                    vault::put(transaction, &self.keys, &put)?;
                }
                VaultWrite::Keep { subject, version } => {
                    vault::keep(transaction, subject, *version)?;
                }
                VaultWrite::Erase { subject } => {
                    vault::erase(transaction, batch.at, subject)?;
                    erased = true;
                }
            }
        }
        Ok(erased)
    }

    /// Brings what is kept in memory up to what has just become durable.
    fn remember(
        &self,
        writer: &mut Writer,
        written: Written,
    ) -> Result<CommitOutcome, JournalError> {
        if let Some(commit) = written.commit {
            writer.unblocked_bytes += commit.bytes() as u64;
            let commit = Arc::new(commit);
            self.cache().put(Arc::clone(&commit));
            self.log_mut().push(commit.id, &commit.heads)?;
        }
        writer.day_keys.extend(written.day_keys);
        while writer.day_keys.len() > inbox::DAY_KEYS_MAX {
            writer.day_keys.pop_first();
        }
        if written.erased {
            // The batch is durable: a copy that cannot be written now is written by the next upkeep.
            self.erased.store(true, Ordering::SeqCst);
            let _ = vault::append_erasures(&self.dir, &writer.connection);
        }
        Ok(written.outcome)
    }
}

/// Whose a shard is, and since when, as it is stored.
fn stored_claim(
    transaction: &Transaction<'_>,
    shard: ShardId,
) -> rusqlite::Result<(Epoch, OwnerId)> {
    let sql = "SELECT epoch, owner FROM shard WHERE shard = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.query_row([shard.number()], |row| {
        let owner = u128::from_be_bytes(row.get(1)?);
        Ok((uint(row.get(0)?), OwnerId(owner)))
    })
}

/// Another process writes this journal.
pub(super) fn taken_over() -> JournalError {
    let what = "another process has taken this journal over";
    JournalError::Unknown(what.to_owned())
}

/// Inserts the row of this commit, when it has frames.
fn append(
    transaction: &Transaction<'_>,
    id: i64,
    batch: &Batch,
    kept: &[&ShardWrite],
) -> Result<Option<Commit>, WriteError> {
    let groups: Vec<_> = kept
        .iter()
        .filter(|write| !write.frames.is_empty())
        .map(|write| Group {
            shard: write.shard,
            epoch: write.epoch,
            first_seq: write.expected_seq,
            frames: &write.frames,
        })
        .collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let (heads, frames) = row::encode(batch.at, &groups);
    let sql = "INSERT INTO log (id, at, heads, frames) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![id, batch.at.as_ms(), heads, frames])?;
    let at = batch.at;
    let row = Row {
        id,
        at,
        heads,
        frames,
    };
    Ok(Some(Commit::decode(row)?))
}
