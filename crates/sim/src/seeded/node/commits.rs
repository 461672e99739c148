//! What entities decided, on its way to the disk and out.

use std::collections::BTreeMap;

use crossdock_engine::{
    Batch, Completed, Handed, Release, ReplyTo, ShardOutcome, Step, StepKind, answer,
};
use crossdock_journal::Inserted;
use crossdock_logic::router::no_stock;
use crossdock_logic::{Announcement, Spoken};
use crossdock_model::command::BucketCommand;
use crossdock_model::{Answer, Class, Command, Duration, EntityId, Rejection, ShardId};

use super::super::disk::Flush;
use super::super::plant::Plant;
use super::super::{Broken, Event};
use super::worker::Heard;
use super::{Caller, Flushed, Inside, Node, Surroundings};

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
        let is_busy = self.committer.is_busy() || self.flushing.is_some();
        let has_work = self.committer.has_work() || self.ingest.has_work();
        if self.is_gathering || is_busy || !has_work {
            return;
        }
        self.is_gathering = true;
        let span = around.up_to(around.knobs.gather_ms);
        self.later(span, Inside::Gathers, around);
    }

    pub(super) fn gathers(&mut self, around: &mut Surroundings<'_>) {
        self.is_gathering = false;
        let batch = self.committer.next_batch();
        let batch = batch.unwrap_or(Batch { shards: Vec::new() });
        let inserts = self.ingest.take();
        if batch.shards.is_empty() && inserts.is_empty() {
            let completed = self.committer.completed(|_| ShardOutcome::Durable);
            self.release(completed, around);
            return self.gather(around);
        }
        let at = around.now();
        self.flushing = Some(Flush { at, batch, inserts });
        let how = around.knobs.flush(around.dice);
        let span = match how {
            Flushed::Full => FULL_PAUSE,
            Flushed::Written | Flushed::Failed => around.up_to(around.knobs.flush_ms),
        };
        self.later(span, Inside::Flushed(how), around);
    }

    pub(super) fn flushed(
        &mut self,
        how: Flushed,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Broken> {
        if how == Flushed::Failed && around.knobs.plant != Some(Plant::GoesOnAfterFailure) {
            // Nothing may leave any more: the process ends, and what is on the disk says what happened.
            around.after(Duration::default(), Event::DiskFailed(self.number));
            return Ok(());
        }
        let Some(flush) = self.flushing.take() else {
            return Ok(());
        };
        let (completed, rows) = match how {
            Flushed::Full => (self.unwritten(&flush, around), None),
            // By mistake: it is flushed again, which succeeds, and what was lost before stays lost.
            Flushed::Failed => (self.committer.completed(|_| ShardOutcome::Durable), None),
            Flushed::Written => {
                let inserts = flush.inserts.clone();
                let inserted = self.writes(flush, around)?;
                let completed = self.committer.completed(|_| ShardOutcome::Durable);
                (completed, Some((inserts, inserted)))
            }
        };
        self.inserted(rows, around);
        self.release(completed, around);
        self.gather(around);
        Ok(())
    }

    /// There was no room on the disk: every shard goes on from where it was.
    fn unwritten(
        &mut self,
        flush: &Flush,
        around: &mut Surroundings<'_>,
    ) -> Completed<Caller, u64> {
        if around.knobs.plant == Some(Plant::FullTakenForWritten) {
            return self.committer.completed(|_| ShardOutcome::Durable);
        }
        around.marks.note("disk_full");
        if around.knobs.plant == Some(Plant::CheckpointBeforeLog) {
            around.disk.checkpoint(&flush.batch);
        }
        let parts = flush.batch.shards.iter();
        let expected: BTreeMap<ShardId, u64> =
            parts.map(|part| (part.shard, part.expected_seq)).collect();
        self.committer
            .completed(|shard| match expected.get(&shard) {
                Some(next_seq) => ShardOutcome::Refused {
                    next_seq: Some(*next_seq),
                },
                None => ShardOutcome::Durable,
            })
    }

    fn writes(
        &self,
        mut flush: Flush,
        around: &mut Surroundings<'_>,
    ) -> Result<Vec<Inserted>, Broken> {
        let parts = &mut flush.batch.shards;
        let checkpoints = parts.iter().any(|part| !part.checkpoints.is_empty());
        around.marks.note_if(checkpoints, "snapshot_taken");
        if around.knobs.plant == Some(Plant::LosesCheckpoints) {
            parts.iter_mut().for_each(|part| part.checkpoints.clear());
        }
        self.write(flush, around)
    }

    /// A batch gets to the disk, and of whom not everybody who listens has heard.
    pub(super) fn write(
        &self,
        flush: Flush,
        around: &mut Surroundings<'_>,
    ) -> Result<Vec<Inserted>, Broken> {
        let checkpoints = flush.batch.shards.iter().flat_map(|part| &part.checkpoints);
        let untold = checkpoints.map(|(entity, snapshot)| {
            let is_told = match entity {
                EntityId::Sku(sku) => self.publishing.is_told(sku, snapshot.version),
                _ => true,
            };
            (entity.clone(), snapshot.speaks && !is_told)
        });
        let untold: Vec<_> = untold.collect();
        let inserted = around.disk.write(flush)?;
        around.disk.mark_untold(untold);
        Ok(inserted)
    }

    pub(super) fn release(
        &mut self,
        completed: Completed<Caller, u64>,
        around: &mut Surroundings<'_>,
    ) {
        for entity in std::mem::take(&mut self.loading) {
            self.later(Duration::default(), Inside::Loaded(entity), around);
        }
        for (entity, _) in completed.ended {
            around.marks.note("life_lost");
            self.begin_anew(entity, around);
        }
        for other in completed.others {
            let heard = match other.durable {
                true => Heard::Done,
                false => Heard::Nothing,
            };
            self.hears(other.done, heard, around);
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
            ReplyTo::Caller(Caller::Ingest(ask)) => {
                self.hears(ask, Heard::Answered(Box::new(result)), around);
            }
            ReplyTo::Caller(Caller::Client(request)) => {
                let result = match result {
                    Ok(Answer::Stock(view)) if around.knobs.plant == Some(Plant::StaleReads) => {
                        let before = self.read.insert(view.sku.clone(), (*view).clone());
                        Ok(Answer::Stock(before.map_or(view, Box::new)))
                    }
                    result => result,
                };
                self.resumes(request, from, around);
                around.answer(request, &result);
            }
        }
    }

    /// What a client has said may be what deliveries wait for.
    fn resumes(&mut self, request: usize, bucket: &EntityId, around: &mut Surroundings<'_>) {
        let request = around.requests.get(request);
        if let Some(Command::Bucket(BucketCommand::Map { listing, .. })) =
            request.map(|request| &request.command)
        {
            let listing = listing.to_string();
            self.mapped(bucket, &listing, around);
        }
    }
}
