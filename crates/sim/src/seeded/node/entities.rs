//! Entities of a node: brought to life, at work, passive, crashed.

use crossdock_engine::{
    AtOnce, Core, Message, Pushed, QUEUE_MAX, Queue, Step, StepKind, wake_again_at,
};
use crossdock_model::{Command, Duration, EntityId};

use super::super::Broken;
use super::super::plant::Plant;
use super::super::promised::{finds_less, gives_nothing_back, holds_no_more, lets_go_in_time};
use super::{Caller, Inside, Live, Node, Surroundings};

impl Node {
    pub(super) fn arrives(
        &mut self,
        to: EntityId,
        message: Message<Caller>,
        around: &mut Surroundings<'_>,
    ) {
        if let Some(live) = self.live.get_mut(&to) {
            match live.queue.push(message, QUEUE_MAX) {
                Pushed::Wake => {
                    let span = around.up_to(around.knobs.message_ms.min(1));
                    self.later(span, Inside::Works(to), around);
                }
                Pushed::Waits => {}
                Pushed::Full(_) | Pushed::Closed(_) => around.marks.note("queue_full"),
            }
            return;
        }
        let mut queue = Queue::default();
        queue.push(message, QUEUE_MAX);
        self.live.insert(to.clone(), Live { queue, core: None });
        self.load(to, around);
    }

    pub(super) fn load(&self, entity: EntityId, around: &mut Surroundings<'_>) {
        let span = around.up_to(around.knobs.message_ms);
        self.later(span, Inside::Loaded(entity), around);
    }

    pub(super) fn loaded(
        &mut self,
        entity: EntityId,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Broken> {
        if self.committer.is_busy() && around.knobs.plant != Some(Plant::LoadsWhileFlushing) {
            // What is in flight of it has to end first.
            self.loading.push(entity);
            return Ok(());
        }
        let limits = around.knobs.limits;
        let uncovered = self.committer.uncovered_after(&entity);
        let recovered = around.disk.load(&entity, uncovered, limits.dedup_window)?;
        self.lives += 1;
        self.committer.begin_life(&entity, self.lives);
        if recovered.checkpointed > 0 {
            around.marks.note("loaded");
        }
        self.promised
            .read(recovered.entity.announcement(around.now()));
        let core = Core::new(recovered.entity, recovered.checkpointed, self.lives, limits);
        if let Some(live) = self.live.get_mut(&entity) {
            live.core = Some(core);
            return self.works(&entity, around);
        }
        Ok(())
    }

    pub(super) fn works(
        &mut self,
        entity: &EntityId,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Broken> {
        let now = around.now();
        let Some(live) = self.live.get_mut(entity) else {
            return Ok(());
        };
        let Some(core) = &mut live.core else {
            // It looks into its queue once it is read.
            return Ok(());
        };
        let taken = live.queue.take(now);
        let woken = taken.batch.iter().any(|one| one.command == Command::Wake);
        let is_alone = taken.batch.iter().all(|one| one.command == Command::Wake);
        let finds_less = taken.batch.iter().any(|one| finds_less(&one.command));
        let before = core.entity().version();
        let (mut steps, mut at_once) = (Vec::new(), AtOnce::default());
        core.handle(taken.batch, now, &mut steps, &mut at_once)
            .map_err(|illegal| Broken::new("I2", illegal.to_string()))?;
        around.trace.entity(entity, core.entity().version());
        if let EntityId::Sku(sku) = entity {
            self.promised.check(sku, &steps, finds_less)?;
            holds_no_more(sku, &steps, around.requests.held_at_most(sku, now))?;
            if around.clocks.has_stepped() {
                let (world, jumped) = (around.agenda.now(), around.clocks.jumped());
                lets_go_in_time(sku, &steps, |hold| {
                    around.requests.is_over(sku, hold, world, jumped)
                })?;
            }
            if is_alone {
                gives_nothing_back(sku, &steps)?;
            }
        }
        let idle = woken && core.entity().version() == before;
        let wake_at = wake_again_at(core.wake_at(), now, idle);
        if around.knobs.plant != Some(Plant::NotesNoWakes) {
            self.wheel.set(entity, wake_at);
        }
        if taken.wake {
            self.later(Duration::default(), Inside::Works(entity.clone()), around);
        }
        self.commit(steps, around);
        for outgoing in at_once.effects {
            self.dispatch(outgoing, around);
        }
        if let Some(offers) = at_once.offers {
            self.offered(offers, around);
        }
        Ok(())
    }

    /// A life has ended: the entity is read again, and what waits for it is kept.
    pub(super) fn begin_anew(&mut self, entity: EntityId, around: &mut Surroundings<'_>) {
        // One that has no core is being read already.
        let core = self.live.get_mut(&entity).map(|live| live.core.take());
        if core.flatten().is_some() {
            self.load(entity, around);
        }
    }

    /// Whether a checkpoint had to be made.
    pub(super) fn checkpoint(
        &mut self,
        entity: &EntityId,
        around: &mut Surroundings<'_>,
    ) -> Result<bool, Broken> {
        let core = self
            .live
            .get_mut(entity)
            .and_then(|live| live.core.as_mut());
        let Some(core) = core else { return Ok(true) };
        let step = core.checkpoint();
        let mut step = step.map_err(|error| Broken::new("I8", error.to_string()))?;
        let is_made = step.is_some();
        if around.knobs.plant == Some(Plant::CheckpointOneShort)
            && let Some(step) = &mut step
        {
            self.shorten(step);
        }
        self.commit(step.into_iter().collect(), around);
        Ok(is_made)
    }

    /// The body of the checkpoint before takes the place of this one's.
    fn shorten(&mut self, step: &mut Step<Caller>) {
        let StepKind::Checkpoint(snapshot) = &mut step.kind else {
            return;
        };
        let body = snapshot.body.clone();
        if let Some(before) = self.bodies.insert(step.entity.clone(), body) {
            snapshot.body = before;
        }
    }

    pub(super) fn passivate(
        &mut self,
        entity: &EntityId,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Broken> {
        let core = self.live.get(entity).and_then(|live| live.core.as_ref());
        let unsettled = around.knobs.plant == Some(Plant::PassiveUnsettled);
        if unsettled && core.is_some_and(Core::is_idle) {
            self.live.remove(entity);
            return Ok(());
        }
        if !core.is_some_and(Core::is_idle) || self.checkpoint(entity, around)? {
            return Ok(());
        }
        if !self.committer.is_settled(entity) {
            return Ok(());
        }
        let Some(live) = self.live.get_mut(entity) else {
            return Ok(());
        };
        if live.queue.close_if_empty() {
            self.live.remove(entity);
            around.marks.note("passive");
        }
        Ok(())
    }

    /// One of the live entities loses what it holds in memory, as by a panic.
    pub(super) fn crashes(&mut self, around: &mut Surroundings<'_>) {
        let with_core = self.live.iter().filter(|(_, live)| live.core.is_some());
        let entities: Vec<EntityId> = with_core.map(|(entity, _)| entity.clone()).collect();
        let at = usize::try_from(around.dice.below(entities.len() as u64)).unwrap_or(0);
        let Some(entity) = entities.into_iter().nth(at) else {
            return;
        };
        let core = self.live.get(&entity).and_then(|live| live.core.as_ref());
        let Some(life) = core.map(Core::life) else {
            return;
        };
        around.marks.note("entity_crashed");
        let mut completed = self.committer.end_life(&entity, life);
        if around.knobs.plant == Some(Plant::CrashReleases) {
            let lost = std::mem::take(&mut completed.lost).into_iter();
            let lost = lost.map(|release| (entity.clone(), release));
            completed.released.extend(lost);
        }
        self.release(completed, around);
    }
}
