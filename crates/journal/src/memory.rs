//! The journal in memory: the test double, with the faults a disk can have.
//!
//! Everything a process could lose is kept in one value behind one lock, so a test can end a "process" and
//! start the next one on the same journal. Personal data is kept as it is: nothing here outlives the test.

mod faults;
mod hold;
mod vault;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossdock_model::{ChannelId, EntityId, SHARD_COUNT, SHARD_HASH, ShardId, Timestamp};

use crate::crypto;
use crate::types::{INBOX_RETENTION, check_batch, day_of};
use crate::{
    Batch, Checkpoint, CommitOutcome, Epoch, InboxId, InboxInsert, InboxMark, InboxRow, InboxState,
    Inserted, Journal, JournalError, Meta, OwnerId, PersonState, Position, Refusal, Seq,
    ShardState, ShardWrite, StoredFrame, Upkeep, VaultEntry, VaultWrite,
};
pub use faults::Fault;
use faults::Watcher;
pub use hold::Hold;
use vault::Vault;

/// Layout version that [`MemoryJournal`] reports.
const FORMAT: u32 = 1;

/// A journal in memory.
#[derive(Debug)]
pub struct MemoryJournal {
    meta: Meta,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    shards: BTreeMap<ShardId, Slot>,
    checkpoints: BTreeMap<EntityId, Checkpoint>,
    inbox: Vec<InboxRow>,
    inbox_index: BTreeMap<InboxId, usize>,
    /// As they came: what a repeat is known by, also when the body is gone.
    bodies: BTreeMap<InboxId, Vec<u8>>,
    vault: Vault,
    faults: VecDeque<Fault>,
    fails_after: Option<(u64, bool)>,
    failed: bool,
    commits: u64,
    parked_reads: u64,
    flush: Duration,
    watcher: Watcher,
    is_held: bool,
    /// Commits that end all the same.
    let_through: usize,
    /// Commits that are held now.
    held: usize,
}

#[derive(Debug, Default)]
struct Slot {
    epoch: Epoch,
    owner: Option<OwnerId>,
    checkpoint_seq: Seq,
    frames: Vec<StoredFrame>,
}

impl MemoryJournal {
    /// An empty journal of that id.
    #[must_use]
    pub fn new(journal_id: u128, created_at: Timestamp) -> Self {
        Self {
            meta: Meta {
                journal_id,
                format: FORMAT,
                shard_count: SHARD_COUNT,
                shard_hash: SHARD_HASH.to_owned(),
                created_at,
            },
            state: Mutex::default(),
            released: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn meta(&self) -> Meta {
        self.meta.clone()
    }

    fn claim(&self, owner: OwnerId, shards: &[ShardId]) -> Result<Vec<ShardState>, JournalError> {
        let mut state = self.lock();
        state.refuse_after_failure()?;
        let claimed = shards.iter().map(|shard| {
            let slot = state.shards.entry(*shard).or_default();
            slot.epoch += 1;
            slot.owner = Some(owner);
            ShardState {
                shard: *shard,
                epoch: slot.epoch,
                next_seq: slot.next_seq(),
                checkpoint_seq: slot.checkpoint_seq,
            }
        });
        Ok(claimed.collect())
    }

    fn commit(&self, batch: &Batch) -> Result<CommitOutcome, JournalError> {
        let flush = self.lock().flush;
        std::thread::sleep(flush);
        let mut state = self.pass();
        state.refuse_after_failure()?;
        check_batch(batch)?;
        match state.next_fault() {
            None => Ok(state.commit(batch, None)),
            Some(Fault::Refuse(shard)) => Ok(state.commit(batch, Some(shard))),
            Some(Fault::Full) => Err(JournalError::Full {
                path: "memory".to_owned(),
            }),
            Some(Fault::Unknown { written }) => {
                state.failed = true;
                if written {
                    state.commit(batch, None);
                }
                Err(JournalError::Unknown("injected".to_owned()))
            }
        }
    }

    /// There is nothing to seal; finished deliveries are forgotten as in every journal.
    fn maintain(&self, now: Timestamp) -> Result<Upkeep, JournalError> {
        let day = day_of(now - INBOX_RETENTION);
        let mut state = self.lock();
        let kept = |row: &InboxRow| {
            row.state != InboxState::Done || day_of(row.delivery.received_at) >= day
        };
        state.inbox.retain(kept);
        let ids = state.inbox.iter().map(|row| row.delivery.id.clone());
        state.inbox_index = ids.zip(0..).collect();
        Ok(Upkeep::Later)
    }

    fn read(
        &self,
        shard: ShardId,
        after: Seq,
        bytes_max: usize,
    ) -> Result<Vec<StoredFrame>, JournalError> {
        let state = self.lock();
        let Some(slot) = state.shards.get(&shard) else {
            return Ok(Vec::new());
        };
        let start = usize::try_from(after).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let frames = slot.frames.iter().skip(start).take_while(|stored| {
            let more = bytes == 0 || bytes < bytes_max;
            bytes += stored.frame.body.len().max(1);
            more
        });
        Ok(frames.cloned().collect())
    }

    fn tails(&self) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        let state = self.lock();
        let tails = state
            .shards
            .iter()
            .filter_map(|(shard, slot)| Some((*shard, slot.frames.last()?.position.seq)));
        Ok(tails.collect())
    }

    fn load(&self, entity: &EntityId) -> Result<Option<Checkpoint>, JournalError> {
        Ok(self.lock().checkpoints.get(entity).cloned())
    }

    fn due(
        &self,
        shard: ShardId,
        until: Timestamp,
        after: Option<(Timestamp, EntityId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, EntityId)>, JournalError> {
        let after = after.map(|(at, entity)| (at, entity.to_string()));
        let state = self.lock();
        let mut due: Vec<_> = state
            .of_shard(shard)
            .filter_map(|checkpoint| {
                let at = checkpoint.wake_at.filter(|at| *at <= until)?;
                Some((at, checkpoint.entity.to_string(), &checkpoint.entity))
            })
            .filter(|(at, name, _)| {
                after
                    .as_ref()
                    .is_none_or(|after| (*at, name) > (after.0, &after.1))
            })
            .collect();
        due.sort();
        let page = due.into_iter().take(limit);
        Ok(page.map(|(at, _, entity)| (at, entity.clone())).collect())
    }

    fn dirty(
        &self,
        shard: ShardId,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Result<Vec<EntityId>, JournalError> {
        let after = after.map(EntityId::to_string);
        let state = self.lock();
        let named: BTreeMap<_, _> = state
            .of_shard(shard)
            .filter(|checkpoint| checkpoint.dirty)
            .map(|checkpoint| (checkpoint.entity.to_string(), &checkpoint.entity))
            .filter(|(name, _)| after.as_ref().is_none_or(|after| name > after))
            .collect();
        Ok(named.into_values().take(limit).cloned().collect())
    }

    fn entities(
        &self,
        prefix: &str,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Result<Vec<EntityId>, JournalError> {
        let after = after.map(EntityId::to_string);
        let state = self.lock();
        let named: BTreeMap<_, _> = state
            .checkpoints
            .keys()
            .map(|entity| (entity.to_string(), entity))
            .filter(|(name, _)| name.starts_with(prefix))
            .filter(|(name, _)| after.as_ref().is_none_or(|after| name > after))
            .collect();
        Ok(named.into_values().take(limit).cloned().collect())
    }

    fn inbox_channels(&self, state: InboxState) -> Result<Vec<ChannelId>, JournalError> {
        let inner = self.lock();
        let rows = inner.inbox.iter().filter(|row| row.state == state);
        let named: BTreeSet<_> = rows.map(|row| &row.delivery.id.channel).collect();
        Ok(named.into_iter().cloned().collect())
    }

    fn inbox(
        &self,
        shard: ShardId,
        state: InboxState,
        channel: &ChannelId,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<InboxRow>, JournalError> {
        let wanted = |row: &&InboxRow| {
            let id = &row.delivery.id;
            row.state == state && id.channel == *channel && id.shard() == shard
        };
        let mut found = self.lock().rows(wanted, usize::MAX);
        // Stable: they are in order of age.
        found.sort_by_key(|row| row.attempts);
        let mut bytes = 0;
        let page = found.into_iter().take(limit).take_while(|row| {
            let more = bytes == 0 || bytes < bytes_max;
            bytes += row.delivery.body.len().max(1);
            more
        });
        Ok(page.collect())
    }

    fn inbox_row(&self, id: &InboxId) -> Result<Option<InboxRow>, JournalError> {
        let state = self.lock();
        let row = state
            .inbox_index
            .get(id)
            .and_then(|at| state.inbox.get(*at));
        Ok(row.cloned())
    }

    fn inbox_parked(&self, parked_on: &str, limit: usize) -> Result<Vec<InboxRow>, JournalError> {
        let wanted = |row: &&InboxRow| {
            row.state == InboxState::Parked && row.parked_on.as_deref() == Some(parked_on)
        };
        let mut state = self.lock();
        state.parked_reads += 1;
        Ok(state.rows(wanted, limit))
    }

    fn address_version(&self, subject: &str, address: &str) -> u64 {
        crypto::address_version(&[0; crypto::KEY_BYTES], subject, address)
    }

    fn vault(&self, subject: &str, version: u64) -> Result<Option<VaultEntry>, JournalError> {
        Ok(self.lock().vault.entry(subject, version))
    }

    fn vault_find(
        &self,
        field: &str,
        term: &str,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, JournalError> {
        Ok(self.lock().vault.find(field, term, limit))
    }

    fn person(&self, subject: &str) -> Result<PersonState, JournalError> {
        let state = self.lock();
        let mut rows = state.inbox.iter();
        let named = |row: &InboxRow| row.subject.as_deref() == Some(subject);
        let body = rows.any(|row| named(row) && !row.delivery.body.is_empty());
        Ok(match state.vault.has_erased(subject) {
            true => PersonState::Erased,
            false if body || state.vault.holds(subject) => PersonState::Kept,
            false => PersonState::Unknown,
        })
    }
}

impl Slot {
    fn next_seq(&self) -> Seq {
        self.frames.last().map_or(1, |last| last.position.seq + 1)
    }
}

impl State {
    fn refuse_after_failure(&self) -> Result<(), JournalError> {
        if self.failed {
            let what = "an earlier flush failed".to_owned();
            return Err(JournalError::Unknown(what));
        }
        Ok(())
    }

    fn of_shard(&self, shard: ShardId) -> impl Iterator<Item = &Checkpoint> {
        let checkpoints = self.checkpoints.values();
        checkpoints.filter(move |checkpoint| checkpoint.entity.shard() == shard)
    }

    fn rows(&self, wanted: impl Fn(&&InboxRow) -> bool, limit: usize) -> Vec<InboxRow> {
        let rows = self.inbox.iter().filter(|row| wanted(row));
        rows.take(limit).cloned().collect()
    }

    fn commit(&mut self, batch: &Batch, refuse: Option<ShardId>) -> CommitOutcome {
        let mut outcome = CommitOutcome::default();
        for write in &batch.shards {
            match self.fence(write, refuse) {
                Ok(()) => self.write(batch.at, write),
                Err(refusal) => {
                    outcome.refused.insert(write.shard, refusal);
                }
            }
        }
        for delivery in &batch.inbox {
            outcome.inbox.push(self.insert(delivery));
        }
        self.commits += 1;
        self.watcher.see(batch, &outcome);
        outcome
    }

    fn fence(&mut self, write: &ShardWrite, refuse: Option<ShardId>) -> Result<(), Refusal> {
        let slot = self.shards.entry(write.shard).or_default();
        let owned = slot.epoch == write.epoch && slot.owner == Some(write.owner);
        if !owned || refuse == Some(write.shard) {
            return Err(Refusal::Fenced { epoch: slot.epoch });
        }
        let next_seq = slot.next_seq();
        if next_seq != write.expected_seq {
            return Err(Refusal::Sequence { next_seq });
        }
        Ok(())
    }

    fn write(&mut self, at: Timestamp, write: &ShardWrite) {
        let slot = self.shards.entry(write.shard).or_default();
        for frame in &write.frames {
            let position = Position {
                shard: write.shard,
                seq: slot.next_seq(),
            };
            slot.frames.push(StoredFrame {
                position,
                epoch: write.epoch,
                at,
                frame: frame.clone(),
            });
        }
        slot.checkpoint_seq = slot.checkpoint_seq.max(write.checkpoint_seq.unwrap_or(0));
        for checkpoint in &write.checkpoints {
            let kept = self.checkpoints.get(&checkpoint.entity);
            if kept.is_none_or(|kept| kept.version <= checkpoint.version) {
                let entity = checkpoint.entity.clone();
                self.checkpoints.insert(entity, checkpoint.clone());
            }
        }
        for mark in &write.inbox {
            self.mark(mark);
        }
        for change in &write.vault {
            self.vault.write(change);
            if let VaultWrite::Erase { subject } = change {
                let rows = self.inbox.iter_mut();
                rows.filter(|row| row.subject.as_ref() == Some(subject))
                    .for_each(empty);
            }
        }
    }

    fn insert(&mut self, delivery: &InboxInsert) -> Inserted {
        if self.inbox_index.contains_key(&delivery.id) {
            return match self.bodies.get(&delivery.id) == Some(&delivery.body) {
                true => Inserted::Repeat,
                false => Inserted::Conflict,
            };
        }
        self.bodies
            .insert(delivery.id.clone(), delivery.body.clone());
        self.inbox_index
            .insert(delivery.id.clone(), self.inbox.len());
        self.inbox.push(InboxRow::new(delivery.clone()));
        Inserted::New
    }

    fn mark(&mut self, mark: &InboxMark) {
        let Some(at) = self.inbox_index.get(&mark.id) else {
            return;
        };
        let Some(row) = self.inbox.get_mut(*at) else {
            return;
        };
        row.mark(mark);
        let mut subject = mark.subject.iter();
        if row.state == InboxState::Done && subject.any(|subject| self.vault.has_erased(subject)) {
            empty(row);
        }
    }
}

fn empty(row: &mut InboxRow) {
    row.delivery.body.clear();
    row.delivery.headers.clear();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::{self, Process};

    #[test]
    fn keeps_the_contract() {
        let fresh = || Kept(Arc::new(MemoryJournal::new(1, Timestamp::from_ms(1))));
        contract::check(fresh, |_, _| {});
    }

    struct Kept(Arc<MemoryJournal>);

    impl Process for Kept {
        fn journal(&self) -> &dyn Journal {
            &*self.0
        }

        fn restart(&mut self) {
            self.0.reopen();
        }

        fn second(&self) -> Arc<dyn Journal> {
            Arc::clone(&self.0) as Arc<dyn Journal>
        }

        /// Memory has no half-written commits.
        fn tear(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn faults_are_what_a_disk_does() {
        let journal = MemoryJournal::new(1, Timestamp::from_ms(1));
        let entity = contract::sku(1);
        let held = contract::claim(&journal, 1, entity.shard());
        let mut write = contract::write(held, 1);
        write.frames.push(contract::frame(&entity, "one"));
        let batch = Batch {
            shards: vec![write],
            ..Batch::default()
        };
        for fault in [
            Fault::Full,
            Fault::Refuse(entity.shard()),
            Fault::Unknown { written: true },
        ] {
            journal.inject(fault);
        }
        assert!(matches!(
            journal.commit(&batch),
            Err(JournalError::Full { .. })
        ));
        assert_eq!(journal.commit(&batch).unwrap().refused.len(), 1);
        assert_eq!(journal.tails().unwrap(), vec![]);
        for _ in 0..2 {
            let unknown = journal.commit(&batch);
            assert!(matches!(unknown, Err(JournalError::Unknown(_))));
        }
        journal.reopen();
        let refused = journal.commit(&batch).unwrap().refused;
        let next_seq = Refusal::Sequence { next_seq: 2 };
        assert_eq!(refused.get(&entity.shard()), Some(&next_seq));
    }
}
