//! What entities decided, on its way to the disk and out.

use std::collections::BTreeMap;

use crossdock_engine::{
    Batch, Completed, Handed, Release, ReplyTo, ShardOutcome, Step, StepKind, answer,
};
use crossdock_logic::router::no_stock;
use crossdock_logic::{Announcement, Spoken};
use crossdock_model::{Answer, Class, Duration, EntityId, Rejection, ShardId};

use super::super::plant::Plant;
use super::super::{Broken, Event};
use super::{Caller, Inside, Node, Surroundings};

/// Time until a batch for which there was no room on the disk is tried again.
const FULL_PAUSE: Duration = Duration::from_ms(500);

impl Node {
    pub(super) fn commit(&mut self, steps: Vec<Step<Caller>>, around: &mut Surroundings<'_>) {
        for mut step in steps {
            self.leaves_early(&mut step, around);
            if let StepKind::Record(body) = &step.kind {
                around.trace.bytes(body);
            }
            let entity = step.entity.clone();
            match self.committer.push(step) {
                Handed::Waits => {}
                Handed::Leaves(release) => {
                    around.marks.note("left_at_once");
                    self.let_go(&entity, release, around);
                }
                // Its callers hear nothing, and ask again.
                Handed::Refused(_) => around.marks.note("step_of_an_ended_life"),
            }
        }
        self.gather(around);
    }

    /// What leaves by mistake before it is on the disk.
    fn leaves_early(&mut self, step: &mut Step<Caller>, around: &mut Surroundings<'_>) {
        let plant = around.knobs.plant;
        let repeats = plant == Some(Plant::RepeatsBeforeFlush) && step.kind == StepKind::Barrier;
        if repeats || plant == Some(Plant::AnswersBeforeFlush) {
            for (reply, result) in step.release.answers.drain(..) {
                self.answers(&step.entity, reply, result, step.release.class, around);
            }
        }
        if plant == Some(Plant::EffectsBeforeFlush) {
            for outgoing in step.release.effects.drain(..) {
                self.dispatch(outgoing, around);
            }
        }
    }

    pub(super) fn gather(&mut self, around: &mut Surroundings<'_>) {
        if self.is_gathering || self.committer.is_busy() || !self.committer.has_work() {
            return;
        }
        self.is_gathering = true;
        let span = around.up_to(around.knobs.gather_ms);
        self.later(span, Inside::Gathers, around);
    }

    pub(super) fn gathers(&mut self, around: &mut Surroundings<'_>) {
        self.is_gathering = false;
        let Some(batch) = self.committer.next_batch() else {
            return;
        };
        if batch.shards.is_empty() {
            let completed = self.committer.completed(|_| ShardOutcome::Durable);
            self.release(completed, around);
            return self.gather(around);
        }
        self.flushing = Some(batch);
        let full = around.dice.happens(around.knobs.full_per_h / 3_600.0);
        let span = match full {
            true => FULL_PAUSE,
            false => around.up_to(around.knobs.flush_ms),
        };
        self.later(span, Inside::Flushed { full }, around);
    }

    pub(super) fn flushed(
        &mut self,
        full: bool,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Broken> {
        let Some(mut batch) = self.flushing.take() else {
            return Ok(());
        };
        let completed = match full {
            true if around.knobs.plant == Some(Plant::FullTakenForWritten) => {
                self.committer.completed(|_| ShardOutcome::Durable)
            }
            true => {
                around.marks.note("disk_full");
                if around.knobs.plant == Some(Plant::CheckpointBeforeLog) {
                    around.disk.checkpoint(&batch);
                }
                let expected: BTreeMap<ShardId, u64> = batch
                    .shards
                    .iter()
                    .map(|part| (part.shard, part.expected_seq))
                    .collect();
                let unwritten = |shard| match expected.get(&shard) {
                    Some(next_seq) => ShardOutcome::Refused {
                        next_seq: Some(*next_seq),
                    },
                    None => ShardOutcome::Durable,
                };
                self.committer.completed(unwritten)
            }
            false => {
                let checkpoints = batch.shards.iter().any(|part| !part.checkpoints.is_empty());
                around.marks.note_if(checkpoints, "snapshot_taken");
                if around.knobs.plant == Some(Plant::LosesCheckpoints) {
                    batch
                        .shards
                        .iter_mut()
                        .for_each(|part| part.checkpoints.clear());
                }
                self.write(batch, around)?;
                self.committer.completed(|_| ShardOutcome::Durable)
            }
        };
        self.release(completed, around);
        self.gather(around);
        Ok(())
    }

    /// A batch gets to the disk, and of whom not everybody who listens has heard.
    pub(super) fn write(
        &self,
        batch: Batch<()>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Broken> {
        let checkpoints = batch.shards.iter().flat_map(|part| &part.checkpoints);
        let untold = checkpoints.map(|(entity, snapshot)| {
            let is_told = match entity {
                EntityId::Sku(sku) => self.publishing.is_told(sku, snapshot.version),
                _ => true,
            };
            (entity.clone(), snapshot.speaks && !is_told)
        });
        let untold: Vec<_> = untold.collect();
        around.disk.write(batch)?;
        around.disk.mark_untold(untold);
        Ok(())
    }

    pub(super) fn release(
        &mut self,
        completed: Completed<Caller, ()>,
        around: &mut Surroundings<'_>,
    ) {
        for entity in std::mem::take(&mut self.loading) {
            self.later(Duration::default(), Inside::Loaded(entity), around);
        }
        for (entity, _) in completed.ended {
            around.marks.note("life_lost");
            self.begin_anew(entity, around);
        }
        for (from, release) in completed.released {
            self.let_go(&from, release, around);
        }
    }

    fn let_go(&mut self, from: &EntityId, release: Release<Caller>, around: &mut Surroundings<'_>) {
        let Release {
            class,
            answers,
            effects,
            notices,
            announcement,
            position: _,
        } = release;
        if let Some(announcement) = announcement {
            self.announce(announcement, around);
        }
        for (reply, result) in answers {
            self.answers(from, reply, result, class, around);
        }
        for outgoing in effects {
            self.dispatch(outgoing, around);
        }
        for notice in notices {
            self.tell(notice.to, notice.command, class, around);
        }
    }

    fn announce(&mut self, announcement: Announcement, around: &mut Surroundings<'_>) {
        match announcement {
            Announcement::Stock(spoken) => {
                let Spoken { view, said } = *spoken;
                let known = self.stock.get(&view.sku);
                if known.is_none_or(|known| known.version <= view.version) {
                    self.stock.insert(view.sku.clone(), view);
                }
                self.speaks(said, around);
            }
            Announcement::Location(facts) => {
                self.locations.insert(facts.location.clone(), *facts);
            }
        }
    }

    pub(super) fn answers(
        &mut self,
        from: &EntityId,
        reply: ReplyTo<Caller>,
        result: Result<Answer, Rejection>,
        class: Class,
        around: &mut Surroundings<'_>,
    ) {
        around.marks.answer(&result);
        match reply {
            ReplyTo::Nobody => {}
            ReplyTo::Entity(asker) => {
                let meta = self.meta(around.now());
                let message = answer(&asker, from.clone(), result, class, meta);
                self.send(asker.entity, message, around);
            }
            ReplyTo::Caller(Caller::Router(planning, sku, mut told)) => {
                // A SKU that nobody knows has no stock anywhere: the plan says so.
                let view = match result {
                    Ok(Answer::Stock(view)) => *view,
                    Ok(_) | Err(_) => no_stock(&sku),
                };
                told.insert(sku, view);
                self.plan(*planning, told, around);
            }
            ReplyTo::Caller(Caller::Publishing(number)) => self.told(number, Some(result), around),
            ReplyTo::Caller(Caller::Client(request)) => {
                let result = match result {
                    Ok(Answer::Stock(view)) if around.knobs.plant == Some(Plant::StaleReads) => {
                        let before = self.read.insert(view.sku.clone(), (*view).clone());
                        Ok(Answer::Stock(before.map_or(view, Box::new)))
                    }
                    result => result,
                };
                *around.answers += 1;
                let given = *around.answers;
                let times = 1 + u32::from(around.dice.happens(around.knobs.doubled));
                for _ in 0..times {
                    let span = around.up_to(around.knobs.call_ms);
                    around.after(span, Event::Answered(request, given, result.clone()));
                }
            }
        }
    }
}
