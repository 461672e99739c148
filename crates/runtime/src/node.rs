//! A node: claims its shards, recovers them, runs the actors, and stops in order.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration as Wait;

use crossdock_engine::{
    Crashes, Limits, Message, Other, Outgoing, ReplyTo, Step, UNKNOWN, Verdict,
};
use crossdock_journal::{Journal, JournalError, OwnerId};
use crossdock_model::command::{Delivery, OrderCommand, SystemCommand};
use crossdock_model::v1::Meta;
use crossdock_model::{
    Answer, Command, CredentialId, Effect, EffectNumber, EntityId, IdError, Rejection, ShardId,
};
use ractor::{Actor, ActorCell, ActorId, ActorRef};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

use crate::actor::{LOST, Supervisor};
use crate::ask::{AskError, Caller, Handle};
use crate::clock::Clock;
use crate::commit::{CommitQueue, OtherWrite};
use crate::directory::{Directory, Mailbox, Shed};
use crate::inbox::Inbox;
use crate::metrics::Metrics;
use crate::router::{Board, Router};
use crate::timers::Timers;
use crate::{commit, inbox, loading, passivation, timers};

/// Entities loading at once.
const LOADS_MAX: usize = 256;
/// Time for queues to run dry when the node stops.
const DRAIN: Wait = Wait::from_secs(10);

/// The future of a delivery.
pub type DeliverFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Tells locations what to do. Must be repeatable: the same delivery may come twice.
pub trait Connector: Send + Sync {
    /// Delivers, within a bounded time. The error says what happened, without secrets.
    fn deliver(&self, delivery: Delivery) -> DeliverFuture;
}

/// A connector for nodes whose locations all ask for their work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unconnected;

impl Connector for Unconnected {
    fn deliver(&self, _delivery: Delivery) -> DeliverFuture {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Settings of a node.
#[derive(Debug, Clone)]
pub struct Options {
    /// Identity of this process start: random.
    pub owner: u128,
    /// Limits of entities.
    pub limits: Limits,
    /// Live entities kept at most.
    pub live_max: usize,
    /// For tests: commands at which an entity's actor panics.
    pub crash_on: Option<fn(&EntityId, &Command) -> bool>,
}

impl Options {
    /// Usual settings.
    #[must_use]
    pub fn new(owner: u128) -> Self {
        Self {
            owner,
            limits: Limits::default(),
            live_max: 100_000,
            crash_on: None,
        }
    }
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The journal refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entity's history does not fold.
    #[error("recovery stopped: {0}")]
    Recovery(String),
    /// A thread or actor could not be started.
    #[error("cannot start: {0}")]
    Start(String),
    /// A name of the system itself is not an id.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// What the parts of a node share.
pub(crate) struct Shared {
    pub journal: Arc<dyn Journal>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub limits: Limits,
    pub live_max: usize,
    pub directory: Directory,
    pub commits: CommitQueue,
    pub timers: Timers,
    pub board: Board,
    pub inbox: Inbox,
    pub loads: Arc<Semaphore>,
    pub system: CredentialId,
    connector: Arc<dyn Connector>,
    delivering: Mutex<HashSet<(EntityId, EffectNumber)>>,
    lives: AtomicU64,
    actors: Mutex<HashMap<ActorId, (Arc<Mailbox>, u64)>>,
    crashes: Mutex<Crashes>,
    poison: Mutex<HashMap<EntityId, Poison>>,
    crash_on: Option<fn(&EntityId, &Command) -> bool>,
    router: OnceLock<ActorRef<Outgoing>>,
    supervisor: OnceLock<ActorCell>,
    tokio: tokio::runtime::Handle,
    stopping: AtomicBool,
}

#[derive(Default)]
struct Poison {
    commands: HashSet<u64>,
    entity: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Queues a message for an entity, bringing it to life when needed.
    pub fn send(
        self: &Arc<Self>,
        to: &EntityId,
        message: Message<Caller>,
        outside: bool,
    ) -> Result<(), Shed> {
        let now_ms = self.clock.now().as_ms();
        self.directory
            .send(to, message, outside, now_ms, |mailbox| {
                loading::activate(self, mailbox)
            })
    }

    /// A message between entities. When it is shed, whoever needs it sends it again.
    pub fn send_internal(self: &Arc<Self>, to: &EntityId, command: Command) {
        let message = Message {
            command,
            meta: self.internal_meta(),
            reply: ReplyTo::Nobody,
        };
        if self.send(to, message, false).is_err() {
            self.metrics.shed.inc();
        }
    }

    fn internal_meta(&self) -> Meta {
        crate::ask::By::new(self.system.clone()).meta(self.clock.now())
    }

    /// Gives an entity the answer `from` another to one of its effects.
    pub fn answer_entity(
        self: &Arc<Self>,
        entity: &EntityId,
        effect: EffectNumber,
        from: EntityId,
        result: Result<Answer, Rejection>,
    ) {
        self.send_internal(
            entity,
            Command::Answered {
                effect,
                from,
                result,
            },
        );
    }

    /// Carries out an effect; its answer returns to the entity as a command.
    pub fn dispatch_effect(self: &Arc<Self>, outgoing: Outgoing) {
        match outgoing.effect {
            Effect::Tell { to, command, .. } => {
                let reply = ReplyTo::Entity(outgoing.from, outgoing.number);
                let message = Message {
                    command: *command,
                    meta: self.internal_meta(),
                    reply,
                };
                if self.send(&to, message, false).is_err() {
                    self.metrics.shed.inc();
                }
            }
            Effect::Plan(_) => {
                if let Some(router) = self.router.get() {
                    let _ = router.cast(outgoing);
                }
            }
            Effect::Deliver(delivery) => self.deliver(outgoing.from, outgoing.number, *delivery),
        }
    }

    fn deliver(self: &Arc<Self>, from: EntityId, number: EffectNumber, delivery: Delivery) {
        let call = (from.clone(), number);
        if !lock(&self.delivering).insert(call.clone()) {
            return;
        }
        let shared = Arc::clone(self);
        let (request, attempt) = (delivery.request, delivery.attempt);
        let delivered = self.connector.deliver(delivery);
        self.tokio.spawn(async move {
            let error = delivered.await.err();
            lock(&shared.delivering).remove(&call);
            let command = Command::Order(OrderCommand::Delivered {
                request,
                attempt,
                error,
            });
            shared.send_internal(&from, command);
        });
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

    /// Whether everything of an entity is covered by its durable checkpoint.
    pub fn is_settled(&self, entity: &EntityId) -> bool {
        self.commits.uncovered_after(entity).is_none() && self.commits.waiting() == 0
    }

    pub fn next_life(&self) -> u64 {
        self.lives.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn supervisor(&self) -> Option<ActorCell> {
        self.supervisor.get().cloned()
    }

    pub fn register_actor(&self, id: ActorId, mailbox: Arc<Mailbox>, life: u64) {
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
            if lock(&shared.poison)
                .get(&mailbox.entity)
                .is_some_and(|p| p.entity.is_some())
            {
                mailbox.queue().items.clear();
                shared.directory.close_if_empty(&mailbox);
            } else {
                loading::activate(&shared, mailbox);
            }
        });
    }

    fn count_crash(self: &Arc<Self>, mailbox: &Mailbox, error: &str) {
        self.metrics.crashes.inc();
        let hash = match mailbox.suspect.swap(true, Ordering::Relaxed) {
            true => mailbox.current_hash.load(Ordering::Relaxed),
            false => UNKNOWN,
        };
        let verdict = lock(&self.crashes).record(&mailbox.entity, hash, self.clock.now());
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
        self.put_aside(&mailbox.entity, command_hash, error);
        self.send_internal(&EntityId::System(0), Command::System(mark));
    }

    pub fn put_aside(&self, entity: &EntityId, command_hash: Option<u64>, cause: &str) {
        let mut poison = lock(&self.poison);
        let known = poison.entry(entity.clone()).or_default();
        match command_hash {
            Some(hash) => drop(known.commands.insert(hash)),
            None => known.entity = Some(cause.to_owned()),
        }
    }

    pub fn is_poison(&self, entity: &EntityId, hash: u64) -> bool {
        lock(&self.poison)
            .get(entity)
            .is_some_and(|known| known.commands.contains(&hash))
    }

    pub fn lift_quarantine(&self, entity: &EntityId, command_hash: Option<u64>) {
        let mut poison = lock(&self.poison);
        if let Some(known) = poison.get_mut(entity) {
            match command_hash {
                Some(hash) => drop(known.commands.remove(&hash)),
                None => known.entity = None,
            }
        }
    }

    /// Whether an entity may be asked now.
    pub fn admit(&self, entity: &EntityId) -> Result<(), AskError> {
        if self.is_stopping() {
            return Err(AskError::ShuttingDown);
        }
        if let Some(trouble) = self.commits.trouble() {
            return Err(AskError::Unavailable(trouble));
        }
        match lock(&self.poison)
            .get(entity)
            .and_then(|known| known.entity.clone())
        {
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

/// A running node.
pub struct Node {
    shared: Arc<Shared>,
    committer: Option<std::thread::JoinHandle<()>>,
}

impl Node {
    /// Claims all shards, recovers them and starts. `on_fatal` is called when a flush failed: what is on disk
    /// is unknown then, and the process must exit and recover from disk.
    ///
    /// # Errors
    /// [`StartError`] when the journal cannot be claimed or an entity's history does not fold.
    pub async fn start(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        connector: Arc<dyn Connector>,
        options: Options,
        on_fatal: impl FnOnce(JournalError) + Send + 'static,
    ) -> Result<Self, StartError> {
        let system = CredentialId::new("system")?;
        let owner = OwnerId(options.owner);
        let claiming = Arc::clone(&journal);
        let window = options.limits.dedup_window;
        let states = tokio::task::spawn_blocking(move || {
            crate::node::recover_all(&*claiming, owner, window)
        })
        .await
        .map_err(|e| StartError::Start(e.to_string()))??;
        let shared = Arc::new(Shared {
            journal,
            clock,
            metrics: Metrics::default(),
            limits: options.limits,
            live_max: options.live_max,
            directory: Directory::default(),
            commits: CommitQueue::new(&states, owner),
            timers: Timers::default(),
            board: Board::default(),
            inbox: Inbox::default(),
            loads: Arc::new(Semaphore::new(LOADS_MAX)),
            system,
            connector,
            delivering: Mutex::default(),
            lives: AtomicU64::new(0),
            actors: Mutex::default(),
            crashes: Mutex::default(),
            poison: Mutex::default(),
            crash_on: options.crash_on,
            router: OnceLock::new(),
            supervisor: OnceLock::new(),
            tokio: tokio::runtime::Handle::current(),
            stopping: AtomicBool::new(false),
        });
        let committer = start_committer(&shared, on_fatal)?;
        let node = Self {
            shared,
            committer: Some(committer),
        };
        node.start_actors().await?;
        Ok(node)
    }

    async fn start_actors(&self) -> Result<(), StartError> {
        let failed = |e: ractor::SpawnErr| StartError::Start(e.to_string());
        let shared = &self.shared;
        let (supervisor, _) = Actor::spawn(None, Supervisor, Arc::clone(shared))
            .await
            .map_err(failed)?;
        let _ = shared.supervisor.set(supervisor.get_cell());
        let (router, _) = Actor::spawn(None, Router, Arc::clone(shared))
            .await
            .map_err(failed)?;
        let _ = shared.router.set(router);
        self.restore_quarantine().await?;
        self.find_locations().await?;
        tokio::spawn(timers::run(Arc::clone(shared)));
        tokio::spawn(passivation::run(Arc::clone(shared)));
        tokio::spawn(inbox::run(Arc::clone(shared)));
        Ok(())
    }

    /// What was put aside stays aside, also for the next owner.
    async fn restore_quarantine(&self) -> Result<(), StartError> {
        let by = crate::ask::By::new(self.shared.system.clone());
        let read = Command::System(SystemCommand::ReadQuarantine);
        let reply = self.handle().ask(EntityId::System(0), read, by).await;
        if let Ok(Answer::Quarantine(marks)) = reply.map(|r| r.answer) {
            for mark in marks {
                let entity: EntityId = mark.entity.parse()?;
                self.shared
                    .put_aside(&entity, mark.command_hash, &mark.cause);
            }
        }
        Ok(())
    }

    /// The router must know every location before the first order.
    async fn find_locations(&self) -> Result<(), StartError> {
        let journal = Arc::clone(&self.shared.journal);
        let locations =
            tokio::task::spawn_blocking(move || journal.entities("location:", None, 100_000))
                .await
                .map_err(|e| StartError::Start(e.to_string()))??;
        let handle = self.handle();
        for location in locations {
            if let Err(error) = handle.read(location.clone()).await {
                tracing::warn!(%location, %error, "a location cannot be read; it gets no orders");
            }
        }
        Ok(())
    }

    /// The door to the node's entities.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    /// Stops in order: no new commands, what waits is written, then the committer ends.
    pub async fn stop(mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let deadline = tokio::time::Instant::now() + DRAIN;
        while self.shared.commits.waiting() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Wait::from_millis(5)).await;
        }
        for mailbox in self.shared.directory.all() {
            mailbox.cast(crate::actor::Poke::Checkpoint);
        }
        tokio::time::sleep(Wait::from_millis(20)).await;
        while self.shared.commits.waiting() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Wait::from_millis(5)).await;
        }
        self.shared.commits.stop();
        if let Some(committer) = self.committer.take() {
            let _ = tokio::task::spawn_blocking(move || committer.join()).await;
        }
        if let Some(supervisor) = self.shared.supervisor.get() {
            supervisor.stop(None);
        }
        if let Some(router) = self.shared.router.get() {
            router.stop(None);
        }
        for mailbox in self.shared.directory.all() {
            mailbox.stop_actor();
        }
    }
}

fn start_committer(
    shared: &Arc<Shared>,
    on_fatal: impl FnOnce(JournalError) + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, StartError> {
    let shared = Arc::clone(shared);
    let spawned = std::thread::Builder::new()
        .name("committer".to_owned())
        .spawn(move || {
            let tokio = shared.tokio.clone();
            let _entered = tokio.enter();
            if let Err(error) = commit::run(&shared) {
                tracing::error!(%error, "a flush failed: stopping, to recover from disk");
                on_fatal(error);
            }
        });
    spawned.map_err(|e| StartError::Start(e.to_string()))
}

/// Claims all shards and folds their logs onto the checkpoints, so that every entity is passive and whole.
fn recover_all(
    journal: &dyn Journal,
    owner: OwnerId,
    window: crossdock_model::Duration,
) -> Result<Vec<crossdock_journal::ShardState>, StartError> {
    let shards: Vec<ShardId> = ShardId::all().collect();
    let mut states = journal.claim(owner, &shards)?;
    for state in &mut states {
        loading::fold_shard(journal, owner, state, window)?;
    }
    Ok(states)
}
