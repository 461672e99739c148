//! The only writes of shards: claims and commits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::{Transaction, TransactionBehavior, params};

use crossdock_model::ShardId;

use super::cache::Commit;
use super::error::int;
use super::row::{self, Group, Row};
use super::{SqliteJournal, Writer, inbox, state, vault};
use crate::crypto::DataKey;
use crate::types::check_batch;
use crate::{
    Batch, CommitOutcome, JournalError, OwnerId, Refusal, ShardState, ShardWrite, VaultWrite,
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

/// What is to be remembered once a transaction is durable.
#[derive(Default)]
struct Written {
    commit: Option<Commit>,
    day_keys: Vec<(i64, DataKey)>,
    inbox_new: Vec<bool>,
    erased: bool,
}

impl SqliteJournal {
    pub(super) fn claim_shards(
        &self,
        owner: OwnerId,
        shards: &[ShardId],
    ) -> Result<Vec<ShardState>, JournalError> {
        let mut writer = self.writer();
        self.refuse_after_failure()?;
        let mut slots = writer.shards.clone();
        let mut claimed = Vec::new();
        for shard in shards {
            let slot = &mut slots[usize::from(shard.number())];
            slot.epoch += 1;
            slot.owner = Some(owner);
            claimed.push(ShardState {
                shard: *shard,
                epoch: slot.epoch,
                next_seq: self.log().next_seq(*shard),
                checkpoint_seq: slot.checkpoint_seq,
            });
        }
        write_claims(&mut writer, owner, &claimed).map_err(|e| self.write_failed(e))?;
        writer.shards = slots;
        Ok(claimed)
    }

    pub(super) fn commit_batch(&self, batch: &Batch) -> Result<CommitOutcome, JournalError> {
        check_batch(batch)?;
        let mut guard = self.writer();
        self.refuse_after_failure()?;
        let mut outcome = CommitOutcome::default();
        let mut kept = Vec::new();
        for write in &batch.shards {
            match self.fence(&guard, write) {
                Ok(()) => kept.push(write),
                Err(refusal) => {
                    outcome.refused.insert(write.shard, refusal);
                }
            }
        }
        if kept.is_empty() && batch.inbox.is_empty() {
            return Ok(outcome);
        }
        let written = self.transact(&mut guard, batch, &kept);
        let written = written.map_err(|error| match error {
            WriteError::Sqlite(error) => self.write_failed(error),
            WriteError::Journal(error) => error,
        })?;
        outcome.inbox_new = self.remember(&mut guard, &kept, written)?;
        Ok(outcome)
    }

    fn fence(&self, writer: &Writer, write: &ShardWrite) -> Result<(), Refusal> {
        let slot = writer.shards[usize::from(write.shard.number())];
        if slot.epoch != write.epoch || slot.owner != Some(write.owner) {
            return Err(Refusal::Fenced { epoch: slot.epoch });
        }
        let next_seq = self.log().next_seq(write.shard);
        if next_seq != write.expected_seq {
            return Err(Refusal::Sequence { next_seq });
        }
        Ok(())
    }

    fn transact(
        &self,
        writer: &mut Writer,
        batch: &Batch,
        kept: &[&ShardWrite],
    ) -> Result<Written, WriteError> {
        let mut written = Written::default();
        let log_row = self.log().last_row + 1;
        let behavior = TransactionBehavior::Immediate;
        let transaction = writer.connection.transaction_with_behavior(behavior)?;
        written.commit = append(&transaction, log_row, batch, kept)?;
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
            let day = inbox::day_of(delivery.received_at);
            let known = known.rev().find(|(known, _)| *known == day);
            let key = match known {
                Some((_, key)) => key.clone(),
                None => {
                    let key = inbox::day_key(&transaction, &self.keys, day)?;
                    written.day_keys.push((day, key.clone()));
                    key
                }
            };
            let new = inbox::insert(&transaction, &key, delivery)?;
            written.inbox_new.push(new);
        }
        #[cfg(any(test, feature = "testing"))]
        if self.fail_next_commit.swap(false, Ordering::SeqCst) {
            let what = "injected failure of a flush".to_owned();
            return Err(self.note_failure(JournalError::Unknown(what)).into());
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
            let sql = "UPDATE shard SET checkpoint_seq = max(checkpoint_seq, ?2) WHERE shard = ?1";
            let mut statement = transaction.prepare_cached(sql)?;
            statement.execute(params![write.shard.number(), int(seq)])?;
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
        kept: &[&ShardWrite],
        written: Written,
    ) -> Result<Vec<bool>, JournalError> {
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
        for write in kept {
            let slot = &mut writer.shards[usize::from(write.shard.number())];
            slot.checkpoint_seq = slot.checkpoint_seq.max(write.checkpoint_seq.unwrap_or(0));
        }
        if written.erased {
            // The batch is durable: a copy that cannot be written now is written by the next upkeep.
            self.erased.store(true, Ordering::SeqCst);
            let _ = vault::append_erasures(&self.dir, &writer.connection);
        }
        Ok(written.inbox_new)
    }
}

fn write_claims(
    writer: &mut Writer,
    owner: OwnerId,
    claimed: &[ShardState],
) -> rusqlite::Result<()> {
    let behavior = TransactionBehavior::Immediate;
    let transaction = writer.connection.transaction_with_behavior(behavior)?;
    for held in claimed {
        let sql = "UPDATE shard SET epoch = ?2, owner = ?3 WHERE shard = ?1";
        let mut statement = transaction.prepare_cached(sql)?;
        let owner = owner.0.to_be_bytes();
        statement.execute(params![held.shard.number(), int(held.epoch), owner])?;
    }
    transaction.commit()
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
