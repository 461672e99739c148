//! One live entity: decides in memory, journals first.
//!
//! A core never waits for the disk. Each decision becomes a [`Step`] for the committer; what a step releases
//! (answers, effects, notices) leaves only once the step is durable. The exceptions are effects marked
//! tentative, which the receiver undoes by asking back, what a bucket offers to have sent, which begins with a
//! question to the bucket, and steps computed from durable state alone.

use std::collections::BTreeMap;

use crossdock_logic::{Entity, IllegalHistory, Outcome};
use crossdock_model::codec::CodecError;
use crossdock_model::{
    Answer, Class, Command, Duration, Effect, EffectNumber, EntityId, Meta, Rejection, Timestamp,
};

use crate::batch::Snapshot;
use crate::lanes::own_class;
use crate::step::{AtOnce, Outgoing, Release, Step, StepKind};

/// Limits of every live entity.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long keys of commands are remembered.
    pub dedup_window: Duration,
    /// Time after which an unanswered effect is sent again, doubled with each try.
    pub resend_after: Duration,
    /// Longest time between two tries of an effect.
    pub resend_after_max: Duration,
    /// Callers that may wait for one entity to settle.
    pub waiters_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dedup_window: crossdock_logic::entity::DEDUP_WINDOW,
            resend_after: Duration::from_s(2),
            resend_after_max: Duration::from_s(60),
            waiters_max: 256,
        }
    }
}

/// Who gets an answer. `T` is the shell's handle of a waiting caller.
#[derive(Debug)]
pub enum ReplyTo<T> {
    /// Nobody.
    Nobody,
    /// A caller outside the entities.
    Caller(T),
    /// An entity, for its outstanding effect.
    Entity(Asker),
}

/// The effect that an answer belongs to. Numbers of effects are state: a life that is lost takes them along, and the
/// next life gives the same numbers to other effects. So the life is part of the name, and what is answered to an
/// earlier life is dropped. One process counts lives, and nothing it sent outlives it: on one node the count is enough.
/// Between nodes the shard's epoch must be compared first, as each process counts from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The entity that waits.
    pub entity: EntityId,
    /// Its life that sent the effect.
    pub life: u64,
    /// The effect's number in that life.
    pub effect: EffectNumber,
}

/// A command on its way to an entity.
#[derive(Debug)]
pub struct Message<T> {
    /// What is asked.
    pub command: Command,
    /// By whom, under which key.
    pub meta: Meta,
    /// Who gets the answer.
    pub reply: ReplyTo<T>,
    /// The class of the work that it belongs to, by where that work came from.
    pub class: Class,
    /// For an answer to an effect: the life that asked. It means nothing to any other life.
    pub life: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    tries: u32,
    again_at: Timestamp,
}

/// One live entity.
#[derive(Debug)]
pub struct Core<T> {
    entity: Entity,
    life: u64,
    /// Version that the stored checkpoint has.
    checkpointed: u64,
    announced: u64,
    waiters: Vec<ReplyTo<T>>,
    sent: BTreeMap<EffectNumber, Sent>,
    /// The highest effect number that was begun in this life or before it.
    begun: EffectNumber,
    limits: Limits,
}

impl<T> Core<T> {
    /// A live entity as recovered: `checkpointed` is the version its checkpoint has (0: none). `life` must be
    /// higher than in any earlier activation of any entity within this process.
    #[must_use]
    pub fn new(entity: Entity, checkpointed: u64, life: u64, limits: Limits) -> Self {
        let begun = entity.pending().last();
        Self {
            entity,
            life,
            checkpointed,
            announced: 0,
            waiters: Vec::new(),
            sent: BTreeMap::new(),
            begun,
            limits,
        }
    }

    /// Which life of the entity this is.
    #[must_use]
    pub fn life(&self) -> u64 {
        self.life
    }

    /// The entity as decided so far, durable or not.
    #[must_use]
    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    /// Handles a batch of messages at `now`. Returns the steps for the committer and what may leave at once.
    ///
    /// # Errors
    /// [`IllegalHistory`] when a decision cannot be applied: a broken invariant. The core must be dropped and
    /// recovered; `steps` so far stand.
    pub fn handle(
        &mut self,
        messages: impl IntoIterator<Item = Message<T>>,
        now: Timestamp,
        steps: &mut Vec<Step<T>>,
        at_once: &mut AtOnce,
    ) -> Result<(), IllegalHistory> {
        let mut changed = false;
        for message in messages {
            changed |= self.handle_one(message, now, steps, at_once)?;
        }
        self.resend(now, steps, at_once);
        if changed || self.announced == 0 {
            self.announce(now, steps);
            at_once.offers = self.entity.offers();
        }
        Ok(())
    }

    fn handle_one(
        &mut self,
        message: Message<T>,
        now: Timestamp,
        steps: &mut Vec<Step<T>>,
        at_once: &mut AtOnce,
    ) -> Result<bool, IllegalHistory> {
        let Message {
            command,
            meta,
            reply,
            class,
            life,
        } = message;
        if life.is_some_and(|life| life != self.life) {
            // As if lost on the way: what is still outstanding has been sent again under this life.
            return Ok(false);
        }
        let decided = self
            .entity
            .decide(&command, &meta, now, self.limits.dedup_window);
        let (record, answer, notices) = match decided {
            Err(rejection) => (None, Err(rejection), Vec::new()),
            Ok(Outcome::Unchanged { answer, notices }) => (None, Ok(answer), notices),
            Ok(Outcome::Changed {
                record,
                answer,
                notices,
            }) => (Some(record), Ok(answer), notices),
        };
        let mut release = Release {
            class,
            notices,
            ..Release::default()
        };
        let mut kind = StepKind::Barrier;
        if let Some(record) = &record {
            self.entity.apply(record, self.limits.dedup_window)?;
            let body = record
                .encode()
                .map_err(|e| IllegalHistory(format!("{}: {e}", self.entity.id())))?;
            kind = StepKind::Record(body);
            self.begin_effects(now, &mut release, at_once);
        }
        self.answer(answer, reply, &mut release);
        self.settle(&meta, now, &mut release);
        let changed = record.is_some();
        self.push(kind, release, steps);
        Ok(changed)
    }

    /// Puts the answer into the release, or the caller among those who wait.
    fn answer(
        &mut self,
        answer: Result<Answer, Rejection>,
        reply: ReplyTo<T>,
        release: &mut Release<T>,
    ) {
        match (answer, reply) {
            (_, ReplyTo::Nobody) => {}
            (Ok(Answer::Later), reply) if self.waiters.len() < self.limits.waiters_max => {
                self.waiters.push(reply);
            }
            (Ok(Answer::Later), reply) => {
                let max = self.limits.waiters_max as u64;
                let what = "callers waiting for this order".to_owned();
                release
                    .answers
                    .push((reply, Err(Rejection::Limit { what, max })));
            }
            (answer, reply) => release.answers.push((reply, answer)),
        }
    }

    fn settle(&mut self, meta: &Meta, now: Timestamp, release: &mut Release<T>) {
        if self.waiters.is_empty() {
            return;
        }
        if let Some(answer) = self.entity.settled(meta, now, self.limits.dedup_window) {
            let waiters = self.waiters.drain(..);
            release
                .answers
                .extend(waiters.map(|waiter| (waiter, answer.clone())));
        }
    }

    /// Effects begun by the record just applied: tentative ones leave at once, the others with the step.
    fn begin_effects(&mut self, now: Timestamp, release: &mut Release<T>, at_once: &mut AtOnce) {
        let pending = self.entity.pending();
        self.sent.retain(|number, _| pending.get(*number).is_some());
        let after = std::mem::replace(&mut self.begun, pending.last());
        for (number, effect) in pending.iter().filter(|(number, _)| *number > after) {
            let again_at = now + self.limits.resend_after;
            self.sent.insert(number, Sent { tries: 1, again_at });
            let outgoing = self.outgoing(number, effect, release.class);
            match effect.is_tentative() {
                true => at_once.effects.push(outgoing),
                false => release.effects.push(outgoing),
            }
        }
    }

    fn outgoing(&self, number: EffectNumber, effect: &Effect, class: Class) -> Outgoing {
        let from = Asker {
            entity: self.entity.id().clone(),
            life: self.life,
            effect: number,
        };
        Outgoing {
            from,
            class,
            effect: effect.clone(),
        }
    }

    /// Sends again what has been outstanding for too long; after a recovery that is everything.
    fn resend(&mut self, now: Timestamp, steps: &mut Vec<Step<T>>, at_once: &mut AtOnce) {
        let mut release = self.own_release();
        for (number, effect) in self.entity.pending().iter() {
            let sent = self.sent.entry(number).or_insert(Sent {
                tries: 0,
                again_at: now,
            });
            if sent.again_at > now {
                continue;
            }
            let doubled = self.limits.resend_after.as_ms() << sent.tries.min(16);
            let wait = Duration::from_ms(doubled.min(self.limits.resend_after_max.as_ms()));
            *sent = Sent {
                tries: sent.tries.saturating_add(1),
                again_at: now + wait,
            };
            let outgoing = self.outgoing(number, effect, release.class);
            match effect.is_tentative() {
                true => at_once.effects.push(outgoing),
                false => release.effects.push(outgoing),
            }
        }
        self.push(StepKind::Barrier, release, steps);
    }

    fn announce(&mut self, now: Timestamp, steps: &mut Vec<Step<T>>) {
        self.announced = self.entity.version().max(1);
        let mut release = Release {
            announcement: self.entity.announcement(now),
            ..self.own_release()
        };
        // It tells of what was done in that step, and makes it no more urgent.
        let joins = steps
            .last()
            .filter(|last| last.version == self.entity.version());
        if let Some(last) = joins {
            release.class = last.release.class;
        }
        self.push(StepKind::Barrier, release, steps);
    }

    /// What the entity does by itself.
    fn own_release(&self) -> Release<T> {
        Release {
            class: own_class(self.entity.id().kind()),
            ..Release::default()
        }
    }

    /// A barrier that follows a step of the same version joins it.
    fn push(&self, kind: StepKind, release: Release<T>, steps: &mut Vec<Step<T>>) {
        if kind == StepKind::Barrier && release.is_empty() {
            return;
        }
        let version = self.entity.version();
        if let (StepKind::Barrier, Some(last)) = (&kind, steps.last_mut())
            && last.version == version
        {
            last.release.class = last.release.class.min(release.class);
            last.release.answers.extend(release.answers);
            last.release.effects.extend(release.effects);
            last.release.notices.extend(release.notices);
            last.release.announcement = release.announcement.or(last.release.announcement.take());
            return;
        }
        let entity = self.entity.id().clone();
        steps.push(Step {
            entity,
            life: self.life,
            version,
            kind,
            release,
        });
    }

    /// When it must be handled again though no message comes: a deadline of its state, or a resend.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let deadline = self.entity.next_deadline().map(|(at, _)| at);
        let resend = self
            .entity
            .pending()
            .iter()
            .map(|(number, _)| {
                self.sent
                    .get(&number)
                    .map_or(Timestamp::default(), |s| s.again_at)
            })
            .min();
        [deadline, resend].into_iter().flatten().min()
    }

    /// A checkpoint of the state as decided, unless the stored one is the same.
    ///
    /// # Errors
    /// [`CodecError`] when the state cannot be encoded.
    pub fn checkpoint(&mut self) -> Result<Option<Step<T>>, CodecError> {
        let version = self.entity.version();
        if version == self.checkpointed {
            return Ok(None);
        }
        let body = self.entity.encode()?;
        self.checkpointed = version;
        Ok(Some(Step {
            entity: self.entity.id().clone(),
            life: self.life,
            version,
            kind: StepKind::Checkpoint(Snapshot {
                version,
                body,
                wake_at: self.wake_at(),
                speaks: self.entity.speaks(),
            }),
            release: Release::default(),
        }))
    }

    /// Whether nobody waits for it: it may be made passive once everything it decided is durable.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Forgets callers that have gone away: they take no room from others, and keep no entity live.
    pub fn forget_gone(&mut self, is_gone: impl Fn(&T) -> bool) {
        self.waiters.retain(|waiter| match waiter {
            ReplyTo::Caller(caller) => !is_gone(caller),
            ReplyTo::Nobody | ReplyTo::Entity(_) => true,
        });
    }
}
