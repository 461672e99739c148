//! Gathers what entities decided into batches, and releases what each batch made durable.
//!
//! What rests on durable state alone leaves at once; what rests on a batch in flight leaves with it.
//!
//! Frames of a shard keep their order; classes of work share a batch by weighted round robin (`lanes`). One
//! batch is in flight at a time. When a shard's part of a batch is refused, every undurable step of the lives concerned is lost
//! with it: nothing that was computed from it leaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crossdock_model::{EntityId, ShardId};

use crate::batch::{Batch, Completed, Done, Other, ShardBatch, ShardOutcome};
use crate::lanes::Lanes;
use crate::step::{Release, Step, StepKind};

#[derive(Debug, Clone, Default)]
struct Shard {
    next_seq: u64,
    checkpoint_seq: u64,
    /// Per entity, (version, sequence) of records that its checkpoint does not cover yet.
    uncovered: BTreeMap<EntityId, VecDeque<(u64, u64)>>,
    /// The sequences of all these.
    open: BTreeSet<u64>,
}

impl Shard {
    fn covered_seq(&self) -> u64 {
        self.open.first().map_or(self.next_seq, |seq| *seq) - 1
    }

    fn uncover(&mut self, entity: &EntityId, records: impl IntoIterator<Item = (u64, u64)>) {
        let uncovered = self.uncovered.entry(entity.clone()).or_default();
        for (version, seq) in records {
            uncovered.push_back((version, seq));
            self.open.insert(seq);
        }
    }

    fn cover(&mut self, entity: &EntityId, version: u64) {
        if let Some(records) = self.uncovered.get_mut(entity) {
            while let Some((_, seq)) = records.pop_front_if(|(v, _)| *v <= version) {
                self.open.remove(&seq);
            }
            if records.is_empty() {
                self.uncovered.remove(entity);
            }
        }
    }
}

struct InFlight<T, D> {
    steps: Vec<Step<T>>,
    /// Whose steps these are.
    lives: BTreeSet<u64>,
    positions: Vec<(ShardId, u64)>,
    others: Vec<(ShardId, D)>,
}

/// What becomes of a step that is handed over.
#[derive(Debug)]
pub enum Handed<T> {
    /// It leaves with a batch.
    Waits,
    /// It writes nothing, and all that it rests on is durable: it leaves now.
    Leaves(Release<T>),
    /// Its life has ended: its callers are told *unknown*.
    Refused(Release<T>),
}

/// The order of everything durable on one node.
pub struct Committer<T, X, D> {
    shards: BTreeMap<ShardId, Shard>,
    lanes: Lanes<T>,
    /// Other writes that steps rest on, all of which the next batch takes. Few: whoever hands one in waits for it.
    rested_on: VecDeque<Other<X, D>>,
    others: VecDeque<Other<X, D>>,
    in_flight: Option<InFlight<T, D>>,
    /// Shards whose position may be raised: a checkpoint became durable since it was last written.
    covered: BTreeSet<ShardId>,
    /// Lives that ended by a lost append: steps that still come from them are lost too.
    ended: BTreeMap<EntityId, u64>,
    /// Checkpoints under way: how many of each entity.
    checkpoints: BTreeMap<EntityId, usize>,
    batch_steps_max: usize,
    batch_bytes_max: usize,
}

impl<T, X, D> Committer<T, X, D> {
    /// A committer of shards, each with (next sequence, covered up to). Batches are limited in steps and bytes.
    #[must_use]
    pub fn new(
        shards: impl IntoIterator<Item = (ShardId, u64, u64)>,
        batch_steps_max: usize,
        batch_bytes_max: usize,
    ) -> Self {
        let shards = shards
            .into_iter()
            .map(|(id, next_seq, checkpoint_seq)| {
                (
                    id,
                    Shard {
                        next_seq,
                        checkpoint_seq,
                        uncovered: BTreeMap::new(),
                        open: BTreeSet::new(),
                    },
                )
            })
            .collect();
        Self {
            shards,
            lanes: Lanes::default(),
            rested_on: VecDeque::new(),
            others: VecDeque::new(),
            in_flight: None,
            covered: BTreeSet::new(),
            ended: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            batch_steps_max,
            batch_bytes_max,
        }
    }

    /// An entity has records of before that its checkpoint does not cover: (version, sequence) of each, in order.
    /// They hold their shard's position back until a later checkpoint of it is durable.
    pub fn uncover(&mut self, entity: &EntityId, records: impl IntoIterator<Item = (u64, u64)>) {
        if let Some(shard) = self.shards.get_mut(&entity.shard()) {
            shard.uncover(entity, records);
        }
    }

    /// Takes a step. Steps of one entity must come in order.
    pub fn push(&mut self, step: Step<T>) -> Handed<T> {
        match self.ended.get(&step.entity) {
            Some(life) if *life >= step.life => return Handed::Refused(step.release),
            Some(_) => {
                self.ended.remove(&step.entity);
            }
            None => {}
        }
        if step.kind == StepKind::Barrier && !self.lanes.holds(step.life) {
            return self.let_through(step);
        }
        if let StepKind::Checkpoint(_) = step.kind {
            *self.checkpoints.entry(step.entity.clone()).or_default() += 1;
        }
        self.lanes.push(step);
        Handed::Waits
    }

    /// Takes a barrier before which nothing of its life waits for a batch: it needs no batch of its own.
    fn let_through(&mut self, mut step: Step<T>) -> Handed<T> {
        let id = step.entity.shard();
        let Some(shard) = self.shards.get(&id) else {
            // The shard is lost, and its steps with it.
            self.lanes.push(step);
            return Handed::Waits;
        };
        step.release.position = Some((id, shard.next_seq - 1));
        match &mut self.in_flight {
            Some(batch) if batch.lives.contains(&step.life) => {
                batch.steps.push(step);
                Handed::Waits
            }
            Some(_) | None => Handed::Leaves(step.release),
        }
    }

    /// A later life of an entity begins, and no earlier one hands anything over any more: nothing needs to be known of
    /// how they ended.
    pub fn begin_life(&mut self, entity: &EntityId, life: u64) {
        if self.ended.get(entity).is_some_and(|ended| *ended < life) {
            self.ended.remove(entity);
        }
    }

    /// Takes another fenced write. Those that steps rest on keep their order among each other.
    pub fn push_other(&mut self, other: Other<X, D>) {
        match other.rested_on {
            true => self.rested_on.push_back(other),
            false => self.others.push_back(other),
        }
    }

    /// Steps and writes that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.len() + self.rested_on.len() + self.others.len()
    }

    /// Whether the next batch would hold anything: what waits, or positions that a durable checkpoint has raised.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.waiting() > 0 || !self.covered.is_empty()
    }

    /// Whether a batch is at the journal.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// The next batch for the journal; `None` when there is no work or one is in flight. A batch may be empty of
    /// writes (only barriers): then [`Committer::completed`] may be called without the journal.
    pub fn next_batch(&mut self) -> Option<Batch<X>> {
        if self.in_flight.is_some() || !self.has_work() {
            return None;
        }
        let mut steps = self.lanes.take(self.batch_steps_max, self.batch_bytes_max);
        let mut batch: BTreeMap<ShardId, ShardBatch<X>> = BTreeMap::new();
        for step in &mut steps {
            let id = step.entity.shard();
            let Some(shard) = self.shards.get_mut(&id) else {
                continue;
            };
            let part = batch
                .entry(id)
                .or_insert_with(|| empty_part(id, shard.next_seq));
            add_step(shard, part, step);
            step.release.position = Some((id, shard.next_seq - 1));
        }
        let count = self.others.len().min(self.batch_steps_max);
        let waiting = self.others.drain(..count);
        let mut others = Vec::with_capacity(count);
        for other in self.rested_on.drain(..).chain(waiting) {
            if let Some(shard) = self.shards.get(&other.shard) {
                let part = batch
                    .entry(other.shard)
                    .or_insert_with(|| empty_part(other.shard, shard.next_seq));
                part.others.push(other.write);
            }
            others.push((other.shard, other.done));
        }
        self.raise_positions(&mut batch);
        batch.retain(|_, part| !part.is_empty());
        let positions = batch
            .values()
            .filter_map(|part| Some((part.shard, part.checkpoint_seq?)))
            .collect();
        self.in_flight = Some(InFlight {
            lives: steps.iter().map(|step| step.life).collect(),
            steps,
            positions,
            others,
        });
        Some(Batch {
            shards: batch.into_values().collect(),
        })
    }

    /// Says how far the checkpoints of a shard cover it, in the first batch after they became durable. A shard in which
    /// nothing else happens must say so too: its last records would keep every block of the log from being sealed.
    fn raise_positions(&mut self, batch: &mut BTreeMap<ShardId, ShardBatch<X>>) {
        for id in std::mem::take(&mut self.covered) {
            let Some(shard) = self.shards.get(&id) else {
                continue;
            };
            let part = batch
                .entry(id)
                .or_insert_with(|| empty_part(id, shard.next_seq));
            let covered = shard.covered_seq();
            part.checkpoint_seq = (covered > shard.checkpoint_seq).then_some(covered);
        }
    }

    /// The journal's word on the batch in flight.
    pub fn completed(&mut self, outcome: impl Fn(ShardId) -> ShardOutcome) -> Completed<T, D> {
        let mut completed = Completed::default();
        let Some(InFlight {
            steps,
            positions,
            others,
            lives: _,
        }) = self.in_flight.take()
        else {
            return completed;
        };
        let refused: BTreeMap<ShardId, Option<u64>> = steps
            .iter()
            .map(|step| step.entity.shard())
            .chain(others.iter().map(|(shard, _)| *shard))
            .filter_map(|shard| match outcome(shard) {
                ShardOutcome::Durable if self.shards.contains_key(&shard) => None,
                ShardOutcome::Durable => Some((shard, None)),
                ShardOutcome::Refused { next_seq } => Some((shard, next_seq)),
            })
            .collect();
        let mut last = BTreeMap::new();
        for step in steps {
            if refused.contains_key(&step.entity.shard()) {
                self.lose(step, &mut completed);
            } else {
                self.checkpoint_ended(&step);
                self.note_durable(&step);
                completed.records += usize::from(matches!(step.kind, StepKind::Record(_)));
                last.insert(step.entity.clone(), step.version);
                completed.released.push((step.entity, step.release));
            }
        }
        for (id, seq) in positions
            .into_iter()
            .filter(|(id, _)| !refused.contains_key(id))
        {
            if let Some(shard) = self.shards.get_mut(&id) {
                shard.checkpoint_seq = seq;
            }
        }
        completed.durable = last.into_iter().collect();
        completed.others = others
            .into_iter()
            .map(|(shard, done)| Done {
                done,
                durable: !refused.contains_key(&shard),
            })
            .collect();
        for (shard, next_seq) in refused {
            self.reset(shard, next_seq);
        }
        self.lose_queued(&mut completed);
        completed
    }

    /// A durable checkpoint covers its entity's records; the shard's position follows with the next batch.
    fn note_durable(&mut self, step: &Step<T>) {
        if let (StepKind::Checkpoint(_), Some(shard)) =
            (&step.kind, self.shards.get_mut(&step.entity.shard()))
        {
            shard.cover(&step.entity, step.version);
            if shard.covered_seq() > shard.checkpoint_seq {
                self.covered.insert(step.entity.shard());
            }
        }
    }

    /// A checkpoint is under way no more, whatever became of it.
    fn checkpoint_ended(&mut self, step: &Step<T>) {
        if let StepKind::Checkpoint(_) = step.kind
            && let Some(count) = self.checkpoints.get_mut(&step.entity)
        {
            *count -= 1;
            if *count == 0 {
                self.checkpoints.remove(&step.entity);
            }
        }
    }

    fn lose(&mut self, step: Step<T>, completed: &mut Completed<T, D>) {
        self.checkpoint_ended(&step);
        let known = self.ended.get(&step.entity).copied();
        if known.is_none_or(|life| life < step.life) {
            completed.ended.push((step.entity.clone(), step.life));
            self.ended.insert(step.entity, step.life);
        }
        completed.lost.push(step.release);
    }

    /// Later steps of lives that have ended are lost with them.
    fn lose_queued(&mut self, completed: &mut Completed<T, D>) {
        for (_, life) in &completed.ended {
            for step in self.lanes.lose(*life) {
                self.checkpoint_ended(&step);
                completed.lost.push(step.release);
            }
        }
    }

    fn reset(&mut self, id: ShardId, next_seq: Option<u64>) {
        match (next_seq, self.shards.get_mut(&id)) {
            (Some(next_seq), Some(shard)) => {
                for records in shard.uncovered.values_mut() {
                    records.retain(|(_, seq)| *seq < next_seq);
                }
                shard.uncovered.retain(|_, records| !records.is_empty());
                shard.open.split_off(&next_seq);
                shard.next_seq = next_seq;
            }
            (None, _) => {
                self.shards.remove(&id);
            }
            (Some(_), None) => {}
        }
    }

    /// Ends a life from outside (its actor crashed): its queued steps are lost, what is in flight stands.
    pub fn end_life(&mut self, entity: &EntityId, life: u64) -> Completed<T, D> {
        let mut completed = Completed::default();
        if self.ended.get(entity).is_none_or(|ended| *ended < life) {
            self.ended.insert(entity.clone(), life);
            completed.ended.push((entity.clone(), life));
            self.lose_queued(&mut completed);
        }
        completed
    }

    /// Whether the shard is still ours to write.
    #[must_use]
    pub fn owns(&self, shard: ShardId) -> bool {
        self.shards.contains_key(&shard)
    }

    /// How many shards are ours to write.
    #[must_use]
    pub fn owned(&self) -> usize {
        self.shards.len()
    }

    /// Drops all that waits or is at the journal, because nobody will write it or hear of it any more.
    pub fn abandon(&mut self) {
        self.in_flight = None;
        self.covered.clear();
        self.rested_on.clear();
        self.others.clear();
        self.checkpoints.clear();
        self.lanes = Lanes::default();
    }

    /// Where to read the records of an entity that its checkpoint does not cover: after this sequence.
    /// `None`: its checkpoint is all there is.
    #[must_use]
    pub fn uncovered_after(&self, entity: &EntityId) -> Option<u64> {
        let records = self.shards.get(&entity.shard())?.uncovered.get(entity)?;
        records.front().map(|(_, seq)| seq - 1)
    }

    /// Whether all that an entity decided is in its durable checkpoint. It holds for an entity that has handed over a
    /// checkpoint of its present version: that one is the last of its steps that writes, so everything before it is
    /// durable too. What others have waiting does not matter.
    #[must_use]
    pub fn is_settled(&self, entity: &EntityId) -> bool {
        self.uncovered_after(entity).is_none() && !self.checkpoints.contains_key(entity)
    }

    /// Live entities whose checkpoints hold their shard's position back most: up to `limit`, with more than
    /// `records_min` records of the shard uncovered.
    #[must_use]
    pub fn overdue_checkpoints(&self, records_min: u64, limit: usize) -> Vec<EntityId> {
        let mut oldest: Vec<(u64, &EntityId)> = self
            .shards
            .values()
            .filter(|shard| shard.next_seq - 1 - shard.checkpoint_seq >= records_min)
            .flat_map(|shard| {
                shard.uncovered.iter().filter_map(|(id, records)| {
                    records.front().map(|(_, seq)| (shard.next_seq - seq, id))
                })
            })
            .collect();
        oldest.sort_by(|a, b| b.cmp(a));
        oldest
            .into_iter()
            .take(limit)
            .map(|(_, id)| id.clone())
            .collect()
    }
}

fn empty_part<X>(shard: ShardId, expected_seq: u64) -> ShardBatch<X> {
    ShardBatch {
        shard,
        expected_seq,
        records: Vec::new(),
        checkpoints: Vec::new(),
        checkpoint_seq: None,
        others: Vec::new(),
    }
}

/// Moves what a step writes into the batch. What is in flight is known by its kind, no longer by its bytes.
fn add_step<T, X>(shard: &mut Shard, part: &mut ShardBatch<X>, step: &mut Step<T>) {
    match &mut step.kind {
        StepKind::Record(body) => {
            shard.uncover(&step.entity, [(step.version, shard.next_seq)]);
            shard.next_seq += 1;
            part.records
                .push((step.entity.clone(), std::mem::take(body)));
        }
        StepKind::Checkpoint(snapshot) => {
            part.checkpoints
                .push((step.entity.clone(), snapshot.clone()));
        }
        StepKind::Barrier => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committer() -> Committer<(), u64, u64> {
        Committer::new(ShardId::all().map(|shard| (shard, 1, 0)), 10, 1 << 20)
    }

    #[test]
    fn ended_lives_are_forgotten_when_the_next_one_begins() {
        let mut engine = committer();
        for life in 0..100 {
            let entity: EntityId = format!("sku:{life}").parse().unwrap();
            engine.end_life(&entity, life);
            engine.begin_life(&entity, life);
            assert_eq!(engine.ended.len(), 1, "that life itself has ended");
            engine.begin_life(&entity, life + 1);
            assert!(engine.ended.is_empty());
        }
    }

    /// Nothing else happens in the shard: its position is raised all the same, once.
    #[test]
    fn a_checkpoint_raises_its_shards_position_without_another() {
        let mut engine = committer();
        let entity: EntityId = "sku:a".parse().unwrap();
        let step = |version, kind| Step {
            entity: entity.clone(),
            life: 1,
            version,
            kind,
            release: Release::default(),
        };
        engine.push(step(1, StepKind::Record(vec![1])));
        let checkpoint = StepKind::Checkpoint(crate::Snapshot {
            version: 1,
            body: vec![2],
            wake_at: None,
            speaks: false,
        });
        engine.push(step(1, checkpoint));
        let mut positions = Vec::new();
        while let Some(batch) = engine.next_batch() {
            positions.extend(batch.shards.iter().map(|part| part.checkpoint_seq));
            assert!(positions.len() < 9, "it goes on for ever");
            engine.completed(|_| ShardOutcome::Durable);
        }
        assert_eq!(positions, [None, Some(1)]);
        assert!(!engine.has_work());
    }

    #[test]
    fn a_batch_takes_no_more_of_other_writes_than_of_steps() {
        let mut engine = committer();
        let entity: EntityId = "sku:a".parse().unwrap();
        let shard = entity.shard();
        for write in 0..25 {
            engine.push_other(other(shard, write, false));
        }
        let mut taken = Vec::new();
        while let Some(batch) = engine.next_batch() {
            taken.extend(batch.shards.iter().map(|part| part.others.len()));
            engine.completed(|_| ShardOutcome::Durable);
        }
        assert_eq!(taken, [10, 10, 5]);
    }

    /// However many marks wait: the step of an order must not be durable before its buyer's data.
    #[test]
    fn what_a_step_rests_on_is_in_its_batch() {
        let mut engine = committer();
        let entity: EntityId = "order:shop:1".parse().unwrap();
        let shard = entity.shard();
        for write in 0..25 {
            engine.push_other(other(shard, write, false));
        }
        for write in 100..115 {
            engine.push_other(other(shard, write, true));
        }
        let step = Step {
            entity,
            life: 1,
            version: 1,
            kind: StepKind::Record(vec![1]),
            release: Release::default(),
        };
        engine.push(step);
        assert_eq!(engine.waiting(), 41);
        let batch = engine.next_batch().unwrap();
        let expected: Vec<u64> = (100..115).chain(0..10).collect();
        let part = &batch.shards[0];
        assert_eq!((part.records.len(), &part.others), (1, &expected));
    }

    fn other(shard: ShardId, write: u64, rested_on: bool) -> Other<u64, u64> {
        Other {
            shard,
            write,
            rested_on,
            done: write,
        }
    }
}
