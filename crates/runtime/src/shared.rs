//! What the parts of a node share: sending, dispatching, crashes and quarantine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crossdock_engine::{
    Asker, Cause, Crashes, Destination, Door, LOADING_MAX, Limits, Message, OUTSIDE_QUEUE_MAX,
    Other, Outgoing, QUEUE_MAX, Quarantine, ReplyTo, Step, answer, answer_of_one_aside, own_class,
    route,
};
use crossdock_journal::{InboxMark, InboxState, Journal, OwnerId};
use crossdock_model::v1::Meta;
use crossdock_model::{Answer, Class, Command, CredentialId, EntityId, Rejection};
use ractor::{ActorCell, ActorId, ActorRef};
use tokio::sync::oneshot;
use tokio::task::JoinError;

use crate::actor::LOST;
use crate::ask::{AskError, Caller};
use crate::busy::Busy;
use crate::clock::Clock;
use crate::commit::{CommitQueue, OtherWrite};
use crate::deliveries::{self, Deliveries};
use crate::directory::{Directory, Mailbox, Sent, Shed};
use crate::doors::Doors;
use crate::heat::HotList;
use crate::inbox::Inbox;
use crate::leaving;
use crate::loading::{self, Loads};
use crate::metrics::Metrics;
use crate::node::{Connector, Options};
use crate::planted::Mistake;
use crate::router::{self, Board};
use crate::takeover::Taken;
use crate::telling::{Outbound, Telling};
use crate::threads::{Readers, Threads};
use crate::timers::Timers;
use crate::turns::Turns;

/// What the parts of a node share.
pub(crate) struct Shared {
    pub journal: Arc<dyn Journal>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub limits: Limits,
    pub live_max: usize,
    steps_max: usize,
    pub loads: Loads,
    pub threads: Threads,
    readers: Readers,
    pub directory: Directory,
    pub doors: Doors,
    pub hot: HotList,
    pub commits: CommitQueue,
    pub timers: Timers,
    pub board: Board,
    pub inbox: Inbox,
    pub telling: Telling,
    pub outbound: Arc<dyn Outbound>,
    pub system: CredentialId,
    pub deliveries: Deliveries,
    pub turns: Turns,
    lives: AtomicU64,
    actors: Mutex<HashMap<ActorId, (Arc<Mailbox>, u64)>>,
    crashes: Mutex<Crashes>,
    pub(crate) quarantine: RwLock<Quarantine>,
    /// Whether anything is put aside.
    pub(crate) has_quarantine: AtomicBool,
    crash_on: Option<fn(&EntityId, &Command) -> bool>,
    pub router: OnceLock<ActorRef<router::Asked>>,
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
    /// Reads the journal on a thread for that.
    pub async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, JoinError> {
        self.readers.spawn(read).await
    }

    pub fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        connector: Arc<dyn Connector>,
        taken: &Taken,
        system: CredentialId,
        options: &Options,
    ) -> std::io::Result<Self> {
        let (metrics, busy) = (Metrics::default(), Arc::new(Busy::default()));
        Ok(Self {
            inbox: Inbox::new(metrics.deliveries_open.clone()),
            journal,
            clock,
            metrics,
            limits: options.limits,
            live_max: options.live_max,
            steps_max: options.steps_max,
            loads: Loads::default(),
            threads: options.threads.clone(),
            readers: Readers::new(options.threads.clone())?,
            commits: CommitQueue::new(taken, options, &busy),
            directory: Directory::new(busy, OwnerId(options.owner)),
            doors: Doors::default(),
            hot: HotList::default(),
            timers: Timers::default(),
            board: Board::default(),
            telling: Telling::default(),
            outbound: Arc::clone(&options.outbound),
            system,
            deliveries: Deliveries::new(connector, Arc::clone(&options.reports)),
            turns: Turns::default(),
            lives: AtomicU64::new(0),
            actors: Mutex::default(),
            crashes: Mutex::default(),
            quarantine: RwLock::default(),
            has_quarantine: AtomicBool::new(false),
            crash_on: options.crash_on,
            router: OnceLock::new(),
            planning: AtomicUsize::new(0),
            supervisor: OnceLock::new(),
            tokio: tokio::runtime::Handle::current(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Queues a message from outside for an entity, bringing it to life when needed.
    pub fn send(
        self: &Arc<Self>,
        to: &EntityId,
        message: Message<Caller>,
        door: Door,
    ) -> Result<(), Shed> {
        if self.is_aside(to) || self.is_overloaded(to, door) {
            return Err(Shed);
        }
        self.queue(to, message, door.room(OUTSIDE_QUEUE_MAX))
    }

    fn queue(
        self: &Arc<Self>,
        to: &EntityId,
        message: Message<Caller>,
        room: usize,
    ) -> Result<(), Shed> {
        let now_ms = self.clock.now().as_ms();
        let cause = match message.command {
            Command::Wake => Cause::Deadline,
            _ => Cause::Traffic,
        };
        let sent = self.directory.send(to, message, room, now_ms)?;
        match sent {
            Sent::New(mailbox) => loading::activate(self, mailbox, cause),
            Sent::Loading if cause == Cause::Traffic => self.loads.hurry(to),
            Sent::Loading | Sent::Live => {}
        }
        Ok(())
    }

    /// Whether so much waits that nothing more is taken in through that door. What entities tell each other follows
    /// from what was taken in.
    fn is_overloaded(&self, to: &EntityId, door: Door) -> bool {
        let crowded = self.loads.len() >= door.room(LOADING_MAX);
        self.commits.steps_waiting() >= door.room(self.steps_max)
            || (crowded && self.directory.get(to).is_none())
    }

    /// A message between entities. When it is shed, whoever needs it sends it again.
    pub fn send_internal(self: &Arc<Self>, to: &EntityId, command: Command, class: Class) {
        let message = Message {
            command,
            meta: self.internal_meta(),
            reply: ReplyTo::Nobody,
            class,
            life: None,
        };
        self.send_or_shed(to, message);
    }

    /// An entity's deadline has passed, or it works again.
    pub fn wake(self: &Arc<Self>, entity: &EntityId) {
        self.send_internal(entity, Command::Wake, own_class(entity.kind()));
    }

    pub fn send_or_shed(self: &Arc<Self>, to: &EntityId, message: Message<Caller>) {
        if self.is_aside(to) {
            self.metrics.shed.inc();
            if let (ReplyTo::Entity(asker), Some(busy)) =
                (&message.reply, answer_of_one_aside(&message.command, to))
            {
                self.answer_entity(asker, to.clone(), Err(busy), message.class);
            }
        } else if self.queue(to, message, QUEUE_MAX).is_err() {
            self.metrics.shed.inc();
        }
    }

    pub fn internal_meta(&self) -> Meta {
        crate::ask::By::new(self.system.clone()).meta(self.clock.now())
    }

    /// Gives the asking life the answer `from` another entity to one of its effects.
    pub fn answer_entity(
        self: &Arc<Self>,
        to: &Asker,
        from: EntityId,
        result: Result<Answer, Rejection>,
        class: Class,
    ) {
        let message = answer(to, from, result, class, self.internal_meta());
        self.send_or_shed(&to.entity, message);
    }

    /// Carries out an effect; its answer returns to the entity as a command.
    pub fn dispatch_effect(self: &Arc<Self>, outgoing: Outgoing) {
        match route(outgoing, self.internal_meta()) {
            Destination::Entity { to, message } => self.send_or_shed(&to, message),
            Destination::Router(asked) => router::ask(self, asked),
            Destination::Connector(call) => deliveries::deliver(self, call),
        }
    }

    /// Hands over what an entity decided, and lets out what of it rests on durable state alone.
    pub fn commit(self: &Arc<Self>, entity: &EntityId, mut steps: Vec<Step<Caller>>) {
        if Mistake::AnswersBeforeFlush.is_planted() {
            for step in &mut steps {
                leaving::let_go(self, entity, leaving::by_mistake(&mut step.release));
            }
        }
        for release in self.commits.push(steps) {
            leaving::let_go(self, entity, release);
        }
    }

    pub async fn mark_delivery(&self, mark: InboxMark) -> Result<(), AskError> {
        let (id, parks) = (mark.id.clone(), mark.state == InboxState::Parked);
        let (done, told) = oneshot::channel();
        self.commits.push_other(Other {
            shard: id.shard(),
            write: OtherWrite::Mark(mark),
            rested_on: false,
            done,
        });
        let written = told.await.map_err(|_| AskError::Unknown);
        if parks {
            self.inbox.note_parked();
        }
        self.inbox.finished(&id);
        written
    }

    pub fn note_answer(&self, from: &EntityId, result: &Result<Answer, Rejection>) {
        if let EntityId::Sku(_) = from {
            let is_refused = self.metrics.reserve.answered(result);
            if let Some(mailbox) = self.directory.get(from).filter(|_| is_refused) {
                mailbox.heat.refused();
            }
        }
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
        let has_poison = self.quarantine().has_commands(&mailbox.entity);
        mailbox.queue().set_poison(has_poison);
        self.commits.begin_life(&mailbox.entity, life);
        lock(&self.actors).insert(id, (mailbox, life));
    }

    pub fn forget_actor(&self, id: ActorId) {
        lock(&self.actors).remove(&id);
    }

    pub fn crashes(&self) -> std::sync::MutexGuard<'_, Crashes> {
        lock(&self.crashes)
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
        self.tokio.spawn(async move {
            if !Mistake::CrashKeepsSteps.is_planted() {
                shared.commits.end_life(&mailbox.entity, life).await;
            }
            let lost = !shared.commits.owns(mailbox.entity.shard());
            match lost || shared.is_aside(&mailbox.entity) {
                true => shared.directory.close(&mailbox),
                false => loading::activate(&shared, mailbox, Cause::Traffic),
            }
        });
    }

    /// Whether an entity may be asked now.
    pub fn admit(&self, entity: &EntityId) -> Result<(), AskError> {
        if self.is_stopping() {
            return Err(AskError::ShuttingDown);
        }
        if let Some(trouble) = self.commits.trouble_of(entity.shard(), self.clock.now()) {
            return Err(AskError::Unavailable(trouble));
        }
        match self.cause_aside(entity) {
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
            false => self.commits.trouble(self.clock.now()),
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
