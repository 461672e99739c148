//! The actor of one live entity: drains its queue, decides, hands over, never awaits in between.

use std::sync::Arc;
use std::time::Instant;

use crossdock_engine::{AtOnce, Core, Message, Poison, ReplyTo, answer_to_poison, wake_again_at};
use crossdock_model::{Command, Rejection};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use xxhash_rust::xxh3::xxh3_64;

use crate::ask::{Answered, Caller};
use crate::busy::Deciding;
use crate::directory::{Mailbox, Queued};
use crate::heat::is_reserve;
use crate::planted::Mistake;
use crate::shared::Shared;

/// What ractor carries: that there is something to do.
#[derive(Debug)]
pub(crate) enum Poke {
    /// The queue has messages.
    Work(Deciding),
    /// Write a checkpoint; if it is durable already and nobody needs the entity, become passive.
    Passivate,
    /// Write a checkpoint and stay.
    Checkpoint,
    /// Everything undurable of that life was lost: stop; the supervisor recovers the entity. The next life may be
    /// there already when this arrives, and is none the worse for it.
    Lost {
        /// The life.
        life: u64,
    },
}

/// An entity's actor.
pub(crate) struct EntityActor;

/// What an actor is started with, and its state.
pub(crate) struct Living {
    pub shared: Arc<Shared>,
    pub mailbox: Arc<Mailbox>,
    pub core: Core<Caller>,
}

impl Actor for EntityActor {
    type Msg = Poke;
    type State = Living;
    type Arguments = Living;

    async fn pre_start(
        &self,
        myself: ActorRef<Poke>,
        living: Living,
    ) -> Result<Living, ActorProcessingErr> {
        // Before it handles anything: an actor that crashes at its first message must be known to its supervisor,
        // or nobody would come for its queue.
        let (mailbox, life) = (Arc::clone(&living.mailbox), living.core.life());
        living.shared.register_actor(myself.get_id(), mailbox, life);
        living.mailbox.set_actor(Some(myself));
        Ok(living)
    }

    async fn post_start(
        &self,
        _myself: ActorRef<Poke>,
        living: &mut Living,
    ) -> Result<(), ActorProcessingErr> {
        match Mistake::WakeLost.is_planted() {
            true => Ok(()),
            false => living.work(),
        }
    }

    async fn handle(
        &self,
        myself: ActorRef<Poke>,
        poke: Poke,
        living: &mut Living,
    ) -> Result<(), ActorProcessingErr> {
        match poke {
            Poke::Work(_deciding) => living.work(),
            Poke::Checkpoint => living.checkpoint().map(drop),
            Poke::Passivate => living.passivate(&myself),
            Poke::Lost { life } if life >= living.core.life() => Err(LOST.into()),
            Poke::Lost { .. } => Ok(()),
        }
    }
}

/// The error an actor stops with when its undurable state was lost: no crash.
pub(crate) const LOST: &str = "undurable state lost";

impl Living {
    fn work(&mut self) -> Result<(), ActorProcessingErr> {
        let taken = self.mailbox.queue().take(self.shared.clock.now());
        self.handle(taken.batch, taken.watched)?;
        if taken.wake && !Mistake::RestForgotten.is_planted() {
            self.shared.directory.wake(&self.mailbox);
        }
        Ok(())
    }

    fn handle(&mut self, batch: Vec<Queued>, watched: bool) -> Result<(), ActorProcessingErr> {
        let started = Instant::now();
        let count = batch.len();
        let requests = batch.iter();
        let requests = requests.filter(|queued| is_reserve(&queued.message.command));
        let waits: Vec<_> = requests
            .map(|queued| started.duration_since(queued.queued_at))
            .collect();
        let mut messages = Vec::with_capacity(batch.len());
        let mut woken = false;
        for Queued { message, .. } in batch {
            woken |= message.command == Command::Wake;
            match if watched { self.watch(&message) } else { None } {
                Some(poison) => self.refuse(message, poison),
                None => messages.push(message),
            }
        }
        self.shared.maybe_crash(&self.mailbox.entity, &messages);
        let now = self.shared.clock.now();
        let (mut steps, mut at_once) = (Vec::new(), AtOnce::default());
        let before = self.core.entity().version();
        self.core.forget_gone(Caller::is_closed);
        let handled = self.core.handle(messages, now, &mut steps, &mut at_once);
        let idle = woken && self.core.entity().version() == before;
        let wake_at = wake_again_at(self.core.wake_at(), now, idle);
        self.shared.timers.set(&self.mailbox.entity, wake_at);
        self.shared.commit(&self.mailbox.entity, steps);
        handled.map_err(|e| ActorProcessingErr::from(e.to_string()))?;
        for outgoing in at_once.effects {
            self.shared.dispatch_effect(outgoing);
        }
        if let Some(offers) = at_once.offers {
            self.shared.outbound.offered(offers);
        }
        let (spent, heat) = (started.elapsed(), &self.mailbox.heat);
        heat.handled(spent, &waits);
        let reserve = &self.shared.metrics.reserve;
        reserve.handled(heat.is_hot(), &waits, spent, count);
        Ok(())
    }

    /// Notes what is handled now, so that a crash can be pinned on it, and whether it is poison already.
    fn watch(&self, message: &Message<Caller>) -> Option<Poison> {
        let hash = command_hash(&message.command);
        let now = self.shared.clock.now();
        self.mailbox.queue().handling(hash, now);
        self.shared.quarantine().poison(&self.mailbox.entity, hash)
    }

    /// Refuses what crashed this entity. An entity that asks is told once a person has given the command up; until
    /// then it mostly asks again, and is served when the command may come again.
    fn refuse(&self, message: Message<Caller>, poison: Poison) {
        let entity = &self.mailbox.entity;
        let refused = |what| Rejection::invalid("command", what);
        let (to_callers, to_entities) = match poison {
            Poison::Aside => (
                refused("this command crashed its entity and is quarantined"),
                answer_to_poison(&message.command, entity),
            ),
            Poison::Skipped => {
                let refused = refused("this command crashed its entity and was given up");
                (refused.clone(), Some(refused))
            }
        };
        match message.reply {
            ReplyTo::Caller(caller) => {
                let (result, position) = (Err(to_callers), None);
                let _ = caller.send(Answered { result, position });
            }
            ReplyTo::Entity(asker) => {
                if let Some(refused) = to_entities {
                    let (from, class) = (entity.clone(), message.class);
                    self.shared.answer_entity(&asker, from, Err(refused), class);
                }
            }
            ReplyTo::Nobody => {}
        }
    }

    fn checkpoint(&mut self) -> Result<bool, ActorProcessingErr> {
        let step = self
            .core
            .checkpoint()
            .map_err(|e| ActorProcessingErr::from(e.to_string()))?;
        let written = step.is_some();
        self.shared
            .commit(&self.mailbox.entity, step.into_iter().collect());
        Ok(written)
    }

    fn passivate(&mut self, myself: &ActorRef<Poke>) -> Result<(), ActorProcessingErr> {
        self.core.forget_gone(Caller::is_closed);
        if !self.core.is_idle() || self.checkpoint()? {
            return Ok(());
        }
        let shared = &self.shared;
        if !shared.commits.is_settled(&self.mailbox.entity) {
            return Ok(());
        }
        // Before the queue closes: from then on the next life sets deadlines.
        let (wake_at, now) = (self.core.wake_at(), shared.clock.now());
        shared.timers.pass_on(&self.mailbox.entity, wake_at, now);
        if shared.directory.close_if_empty(&self.mailbox) {
            myself.stop(None);
        }
        Ok(())
    }
}

/// Hash of a command, by which a poison command is known again.
pub(crate) fn command_hash(command: &Command) -> u64 {
    xxh3_64(format!("{command:?}").as_bytes()).max(1)
}

/// Restarts entities whose actors crashed or lost their state.
pub(crate) struct Supervisor;

impl Actor for Supervisor {
    type Msg = ();
    type State = Arc<Shared>;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<()>,
        shared: Arc<Shared>,
    ) -> Result<Arc<Shared>, ActorProcessingErr> {
        Ok(shared)
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<()>,
        event: SupervisionEvent,
        shared: &mut Arc<Shared>,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                shared.crashed(actor.get_id(), &error.to_string());
            }
            SupervisionEvent::ActorTerminated(actor, _, _) => shared.forget_actor(actor.get_id()),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}
