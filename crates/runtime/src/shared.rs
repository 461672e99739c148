//! What the parts of a node share: sending, dispatching, crashes and quarantine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crossdock_engine::{
    Asker, Crashes, Limits, Message, Other, Outgoing, ReplyTo, Step, UNKNOWN, Verdict,
};
use crossdock_journal::{Journal, OwnerId, ShardState};
use crossdock_model::command::SystemCommand;
use crossdock_model::v1::Meta;
use crossdock_model::{Answer, Command, CredentialId, Effect, EntityId, Rejection, ShardId};
use ractor::{ActorCell, ActorId, ActorRef};
use tokio::sync::{Semaphore, oneshot};

use crate::actor::LOST;
use crate::ask::{AskError, Caller};
use crate::clock::Clock;
use crate::commit::{CommitQueue, OtherWrite};
use crate::deliveries::{self, Deliveries};
use crate::directory::{Directory, Mailbox, Shed};
use crate::inbox::Inbox;
use crate::loading;
use crate::metrics::Metrics;
use crate::node::{Connector, Options};
use crate::quarantine::Quarantine;
use crate::router::{self, Board};
use crate::timers::Timers;

/// Entities loading at once.
const LOADS_MAX: usize = 256;
/// Entities that may wait to be loaded before commands for further ones are shed.
const LOADING_MAX: usize = 16_384;

/// What the parts of a node share.
pub(crate) struct Shared {
    pub journal: Arc<dyn Journal>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub limits: Limits,
    pub live_max: usize,
    steps_max: usize,
    /// Entities that wait to be loaded or are being loaded.
    pub loading: AtomicUsize,
    pub directory: Directory,
    pub commits: CommitQueue,
    pub timers: Timers,
    pub board: Board,
    pub inbox: Inbox,
    pub loads: Arc<Semaphore>,
    pub system: CredentialId,
    pub deliveries: Deliveries,
    lives: AtomicU64,
    actors: Mutex<HashMap<ActorId, (Arc<Mailbox>, u64)>>,
    crashes: Mutex<Crashes>,
    pub quarantine: Quarantine,
    crash_on: Option<fn(&EntityId, &Command) -> bool>,
    pub router: OnceLock<ActorRef<router::Planning>>,
    /// Plans that are asked for and not answered.
    pub planning: AtomicUsize,
    pub supervisor: OnceLock<ActorCell>,
    pub tokio: tokio::runtime::Handle,
    pub stopping: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        connector: Arc<dyn Connector>,
        states: &[ShardState],
        system: CredentialId,
        options: &Options,
    ) -> Self {
        let metrics = Metrics::default();
        Self {
            inbox: Inbox::new(metrics.deliveries_open.clone()),
            journal,
            clock,
            metrics,
            limits: options.limits,
            live_max: options.live_max,
            steps_max: options.steps_max,
            loading: AtomicUsize::new(0),
            directory: Directory::default(),
            commits: CommitQueue::new(states, OwnerId(options.owner)),
            timers: Timers::default(),
            board: Board::default(),
            loads: Arc::new(Semaphore::new(LOADS_MAX)),
            system,
            deliveries: Deliveries::new(connector),
            lives: AtomicU64::new(0),
            actors: Mutex::default(),
            crashes: Mutex::default(),
            quarantine: Quarantine::default(),
            crash_on: options.crash_on,
            router: OnceLock::new(),
            planning: AtomicUsize::new(0),
            supervisor: OnceLock::new(),
            tokio: tokio::runtime::Handle::current(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Queues a message for an entity, bringing it to life when needed.
    pub fn send(
        self: &Arc<Self>,
        to: &EntityId,
        message: Message<Caller>,
        outside: bool,
    ) -> Result<(), Shed> {
        if self.quarantine.is_aside(to) {
            return Err(Shed::Aside);
        }
        if outside && self.is_overloaded(to) {
            return Err(Shed::Full);
        }
        let now_ms = self.clock.now().as_ms();
        self.directory
            .send(to, message, outside, now_ms, |mailbox| {
                loading::activate(self, mailbox)
            })
    }

    /// Whether so much waits that nothing more is taken in from outside. What entities tell each other follows from
    /// what was taken in.
    fn is_overloaded(&self, to: &EntityId) -> bool {
        let crowded = self.loading.load(Ordering::Relaxed) >= LOADING_MAX;
        self.commits.steps_waiting() >= self.steps_max
            || (crowded && self.directory.get(to).is_none())
    }

    /// A message between entities. When it is shed, whoever needs it sends it again.
    pub fn send_internal(self: &Arc<Self>, to: &EntityId, command: Command) {
        let message = Message {
            command,
            meta: self.internal_meta(),
            reply: ReplyTo::Nobody,
            life: None,
        };
        self.send_or_shed(to, message);
    }

    fn send_or_shed(self: &Arc<Self>, to: &EntityId, message: Message<Caller>) {
        if self.send(to, message, false).is_err() {
            self.metrics.shed.inc();
        }
    }

    fn internal_meta(&self) -> Meta {
        crate::ask::By::new(self.system.clone()).meta(self.clock.now())
    }

    /// Gives the asking life the answer `from` another entity to one of its effects.
    pub fn answer_entity(
        self: &Arc<Self>,
        to: &Asker,
        from: EntityId,
        result: Result<Answer, Rejection>,
    ) {
        let command = Command::Answered {
            effect: to.effect,
            from,
            result,
        };
        let message = Message {
            command,
            meta: self.internal_meta(),
            reply: ReplyTo::Nobody,
            life: Some(to.life),
        };
        self.send_or_shed(&to.entity, message);
    }

    /// Carries out an effect; its answer returns to the entity as a command.
    pub fn dispatch_effect(self: &Arc<Self>, outgoing: Outgoing) {
        match outgoing.effect {
            Effect::Tell { to, command, .. } => {
                let message = Message {
                    command: *command,
                    meta: self.internal_meta(),
                    reply: ReplyTo::Entity(outgoing.from),
                    life: None,
                };
                self.send_or_shed(&to, message);
            }
            Effect::Plan(_) => router::ask(self, outgoing),
            Effect::Deliver(delivery) => deliveries::deliver(self, outgoing.from, *delivery),
        }
    }

    pub fn commit(&self, steps: Vec<Step<Caller>>) {
        self.commits.push(steps);
    }

    pub async fn write_other(&self, shard: ShardId, write: OtherWrite) -> Result<(), AskError> {
        let finished = match &write {
            OtherWrite::Mark(mark) => Some(mark.id.clone()),
            OtherWrite::Vault(_) => None,
        };
        let (done, told) = oneshot::channel();
        self.commits.push_other(Other { shard, write, done });
        let written = told.await.map_err(|_| AskError::Unknown);
        if let Some(id) = finished {
            self.inbox.finished(&id);
        }
        written
    }

    pub fn note_answer(&self, result: &Result<Answer, Rejection>) {
        match result {
            Ok(Answer::Queued) | Err(Rejection::Contended { .. }) => {
                self.metrics.contended.inc();
            }
            Err(_) => {
                self.metrics.refused.inc();
            }
            Ok(_) => {}
        }
    }

    pub fn next_life(&self) -> u64 {
        self.lives.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn supervisor(&self) -> Option<ActorCell> {
        self.supervisor.get().cloned()
    }

    pub fn register_actor(&self, id: ActorId, mailbox: Arc<Mailbox>, life: u64) {
        let poisoned = self.quarantine.has_commands(&mailbox.entity);
        mailbox.poisoned.store(poisoned, Ordering::Relaxed);
        self.commits.begin_life(&mailbox.entity, life);
        lock(&self.actors).insert(id, (mailbox, life));
    }

    pub fn forget_actor(&self, id: ActorId) {
        lock(&self.actors).remove(&id);
    }

    /// An actor died: its life is ended, its queue is kept, and it is recovered; poison is put aside.
    pub fn crashed(self: &Arc<Self>, id: ActorId, error: &str) {
        let Some((mailbox, life)) = lock(&self.actors).remove(&id) else {
            return;
        };
        mailbox.set_actor(None);
        if error != LOST {
            self.count_crash(&mailbox, error);
        }
        let shared = Arc::clone(self);
        self.tokio.spawn_blocking(move || {
            shared.commits.end_life(&mailbox.entity, life);
            mailbox.unpoke();
            let lost = !shared.commits.owns(mailbox.entity.shard());
            match lost || shared.quarantine.is_aside(&mailbox.entity) {
                true => shared.directory.close(&mailbox),
                false => loading::activate(&shared, mailbox),
            }
        });
    }

    fn count_crash(self: &Arc<Self>, mailbox: &Mailbox, error: &str) {
        self.metrics.crashes.inc();
        let now = self.clock.now();
        let hash = match mailbox.is_suspect(now) {
            true => mailbox.current_hash.load(Ordering::Relaxed),
            false => UNKNOWN,
        };
        mailbox.suspect(now);
        let verdict = lock(&self.crashes).record(&mailbox.entity, hash, now);
        tracing::error!(entity = %mailbox.entity, error, ?verdict, "an actor crashed");
        let command_hash = match verdict {
            Verdict::Restart => return,
            Verdict::QuarantineCommand => Some(hash),
            Verdict::QuarantineEntity => None,
        };
        let mark = SystemCommand::Quarantine {
            entity: mailbox.entity.to_string(),
            command_hash,
            cause: error.to_owned(),
        };
        self.quarantine
            .put_aside(&mailbox.entity, command_hash, error);
        self.send_internal(&EntityId::System(0), Command::System(mark));
    }

    /// Takes a mark back. An entity that was put aside is woken: its deadlines have been passed over meanwhile.
    pub fn lift_quarantine(self: &Arc<Self>, entity: &EntityId, command_hash: Option<u64>) {
        self.quarantine.lift(entity, command_hash);
        if let Some(mailbox) = self.directory.get(entity) {
            let poisoned = self.quarantine.has_commands(entity);
            mailbox.poisoned.store(poisoned, Ordering::Relaxed);
        }
        if command_hash.is_none() {
            self.send_internal(entity, Command::Wake);
        }
    }

    /// Whether an entity may be asked now.
    pub fn admit(&self, entity: &EntityId) -> Result<(), AskError> {
        if self.is_stopping() {
            return Err(AskError::ShuttingDown);
        }
        if let Some(trouble) = self.commits.trouble_of(entity.shard()) {
            return Err(AskError::Unavailable(trouble));
        }
        match self.quarantine.cause(entity) {
            Some(cause) => Err(AskError::Quarantined {
                entity: entity.to_string(),
                cause,
            }),
            None => Ok(()),
        }
    }

    pub fn trouble(&self) -> Option<String> {
        match self.is_stopping() {
            true => Some("shutting down".to_owned()),
            false => self.commits.trouble(),
        }
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Panics where a test asked for it.
    #[allow(clippy::panic, reason = "a test's planted crash")]
    pub fn maybe_crash(&self, entity: &EntityId, messages: &[Message<Caller>]) {
        if let Some(crash_on) = self.crash_on
            && messages
                .iter()
                .any(|message| crash_on(entity, &message.command))
        {
            panic!("planted crash of {entity}");
        }
    }
}
