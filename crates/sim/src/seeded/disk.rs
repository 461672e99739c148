//! The disk of a simulated node: what was flushed. A batch is on it as a whole or not at all, as a transaction of the
//! production journal is; a crash while it is being flushed may leave either.

mod inbox;
mod torn;

use std::collections::{BTreeMap, BTreeSet};

use crossdock_engine::{Batch, Folding, Recovered, Snapshot, fold, recover};
use crossdock_journal::{InboxInsert, InboxMark, Inserted};
use crossdock_logic::Entity;
use crossdock_logic::audit::Audit;
use crossdock_model::v1::Record;
use crossdock_model::{Duration, EntityId, ShardId, Timestamp};

use self::inbox::Inbox;
use super::Broken;
use super::plant::Plant;

/// What one flush is to write.
#[derive(Debug)]
pub(super) struct Flush {
    /// When, by the node's clock.
    pub at: Timestamp,
    pub batch: Batch<InboxMark>,
    /// New deliveries.
    pub inserts: Vec<InboxInsert>,
}

#[derive(Debug, Default)]
struct Log {
    covered_seq: u64,
    /// In order; the first has sequence 1.
    frames: Vec<(EntityId, Vec<u8>)>,
}

impl Log {
    fn next_seq(&self) -> u64 {
        self.frames.len() as u64 + 1
    }

    fn after(&self, seq: u64) -> impl Iterator<Item = (u64, &(EntityId, Vec<u8>))> {
        let from = usize::try_from(seq).unwrap_or(usize::MAX);
        (seq + 1..).zip(self.frames.iter().skip(from))
    }
}

/// What survives a crash.
#[derive(Debug, Default)]
pub(super) struct Disk {
    logs: BTreeMap<ShardId, Log>,
    states: BTreeMap<EntityId, Snapshot>,
    /// Whose checkpoints tell what not everybody who listens has heard.
    untold: BTreeSet<EntityId>,
    pub inbox: Inbox,
    /// What is behind the last transaction that is whole.
    torn: Vec<(EntityId, Vec<u8>)>,
    written_at: Option<Timestamp>,
    audit: Audit,
}

impl Disk {
    /// Writes all of it. Returns what became of each delivery.
    ///
    /// # Errors
    /// [`Broken`] `I6` when a record would not be the next of its shard; what the [`Audit`] of it finds.
    pub fn write(&mut self, flush: Flush) -> Result<Vec<Inserted>, Broken> {
        self.written_at = self.written_at.max(Some(flush.at));
        for part in flush.batch.shards {
            let log = self.logs.entry(part.shard).or_default();
            if part.expected_seq != log.next_seq() {
                let (expected, next) = (part.expected_seq, log.next_seq());
                let what = format!("shard {}: {expected} expected, {next} is next", part.shard);
                return Err(Broken::new("I6", what));
            }
            for (entity, body) in part.records {
                self.append(entity, body)?;
            }
            let log = self.logs.entry(part.shard).or_default();
            self.states.extend(part.checkpoints);
            if let Some(seq) = part.checkpoint_seq {
                log.covered_seq = seq;
            }
            part.others.iter().for_each(|mark| self.inbox.mark(mark));
        }
        let inserts = flush.inserts.into_iter();
        Ok(inserts.map(|one| self.inbox.insert(one)).collect())
    }

    fn append(&mut self, entity: EntityId, body: Vec<u8>) -> Result<(), Broken> {
        let record = Record::decode(&body);
        let record = record.map_err(|error| Broken::new("I8", error.to_string()))?;
        self.audit.fold(&entity, &record)?;
        let log = self.logs.entry(entity.shard()).or_default();
        log.frames.push((entity, body));
        Ok(())
    }

    /// When it was written to last, by the node's clock then.
    pub fn written_at(&self) -> Option<Timestamp> {
        self.written_at
    }

    /// Writes the checkpoints of a batch alone, which no disk may.
    pub fn checkpoint(&mut self, batch: &Batch<InboxMark>) {
        let checkpoints = batch.shards.iter().flat_map(|part| &part.checkpoints);
        self.states.extend(checkpoints.cloned());
    }

    /// Notes with their checkpoints who has said what was not heard.
    pub fn mark_untold(&mut self, untold: Vec<(EntityId, bool)>) {
        for (entity, is_untold) in untold {
            match is_untold {
                true => self.untold.insert(entity),
                false => self.untold.remove(&entity),
            };
        }
    }

    /// Who has said what was not heard.
    pub fn untold(&self) -> impl Iterator<Item = &EntityId> {
        self.untold.iter()
    }

    /// Folds what no checkpoint covers, as a node does that takes the shards over. Returns each shard with its next
    /// sequence and the one up to which it is covered.
    ///
    /// # Errors
    /// [`Broken`] `I8` when an entity does not fold.
    pub fn fold(
        &mut self,
        window: Duration,
        plant: Option<Plant>,
    ) -> Result<Vec<(ShardId, u64, u64)>, Broken> {
        let mut states = Vec::new();
        for log in self.logs.values_mut() {
            let mut folding = Folding::new(log.next_seq(), log.covered_seq);
            let mut records: BTreeMap<&EntityId, Vec<&[u8]>> = BTreeMap::new();
            if plant == Some(Plant::ForgetsUncovered) {
                log.covered_seq = log.next_seq() - 1;
            }
            for (_, (entity, body)) in log.after(log.covered_seq) {
                records.entry(entity).or_default().push(body);
            }
            for (entity, records) in records {
                let known = self.states.get(entity).map(|known| known.body.as_slice());
                let folded = fold(entity, known, records, window);
                let folded = folded.map_err(|error| Broken::new("I8", error.to_string()))?;
                if let Some(snapshot) = folded {
                    states.push((entity.clone(), snapshot));
                }
            }
            log.covered_seq = folding.read_to(log.next_seq() - 1);
        }
        let speaking = states.iter().filter(|(_, snapshot)| snapshot.speaks);
        self.untold
            .extend(speaking.map(|(entity, _)| entity.clone()));
        self.states.extend(states);
        let shards = ShardId::all().map(|shard| {
            let log = self.logs.get(&shard);
            let (next_seq, covered_seq) =
                log.map_or((1, 0), |log| (log.next_seq(), log.covered_seq));
            (shard, next_seq, covered_seq)
        });
        Ok(shards.collect())
    }

    /// An entity from its checkpoint and the records after that sequence.
    ///
    /// # Errors
    /// [`Broken`] `I8` when they do not make one.
    pub fn load(
        &self,
        entity: &EntityId,
        uncovered_after: Option<u64>,
        window: Duration,
    ) -> Result<Recovered, Broken> {
        let log = self.logs.get(&entity.shard());
        let uncovered = uncovered_after.and_then(|seq| Some(log?.after(seq)));
        let records = uncovered
            .into_iter()
            .flatten()
            .filter_map(|(_, (whose, body))| (whose == entity).then_some(body.as_slice()));
        let state = self.states.get(entity).map(|known| known.body.as_slice());
        recover(entity, state, records, window)
            .map_err(|error| Broken::new("I8", error.to_string()))
    }

    /// An entity from its checkpoint and all that this may not cover.
    ///
    /// # Errors
    /// [`Broken`] as in [`Disk::load`].
    pub fn stored(&self, entity: &EntityId, window: Duration) -> Result<Entity, Broken> {
        let log = self.logs.get(&entity.shard());
        let uncovered = log.map(|log| log.covered_seq);
        Ok(self.load(entity, uncovered, window)?.entity)
    }

    /// An entity from the whole log, without any checkpoint.
    ///
    /// # Errors
    /// [`Broken`] `I8` when its records do not make one.
    pub fn replay(&self, entity: &EntityId, window: Duration) -> Result<Recovered, Broken> {
        recover(entity, None, self.records(entity), window)
            .map_err(|error| Broken::new("I8", error.to_string()))
    }

    /// All that was ever recorded of an entity.
    pub fn records(&self, entity: &EntityId) -> impl Iterator<Item = &[u8]> {
        let log = self.logs.get(&entity.shard());
        let frames = log.into_iter().flat_map(|log| &log.frames);
        frames.filter_map(move |(whose, body)| (whose == entity).then_some(body.as_slice()))
    }

    /// Entities that something was ever recorded of.
    pub fn entities(&self) -> Vec<EntityId> {
        let frames = self.logs.values().flat_map(|log| &log.frames);
        let all: BTreeSet<_> = frames.map(|(entity, _)| entity).collect();
        all.into_iter().cloned().collect()
    }

    /// Passive entities that must be woken, and when.
    pub fn wakes(&self) -> impl Iterator<Item = (&EntityId, Timestamp)> {
        let states = self.states.iter();
        states.filter_map(|(entity, state)| Some((entity, state.wake_at?)))
    }
}
