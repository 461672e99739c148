//! A node: claims its shards, recovers them, runs the actors, and stops in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration as Wait;

use crossdock_engine::{Limits, Unfolded};
use crossdock_journal::{Journal, JournalError, OwnerId};
use crossdock_model::command::{Delivery, ReportCall, Said, SystemCommand};
use crossdock_model::{Answer, Command, CredentialId, EntityId, IdError};
use ractor::Actor;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::actor::Supervisor;
use crate::ask::Handle;
use crate::clock::Clock;
use crate::directory::Mailbox;
use crate::router::Router;
use crate::shared::Shared;
use crate::takeover::take_over;
use crate::telling::{Outbound, Unpublished};
use crate::threads::Threads;
use crate::{commit, inbox, loading, passivation, timers};

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

/// The future of a report: what came of it. Nothing: it cannot be told now, and is asked for again.
pub type ReportFuture = Pin<Box<dyn Future<Output = Option<Said>> + Send>>;

/// Tells channels what became of their orders.
pub trait Reports: Send + Sync {
    /// Tells one report, within a bounded time. What it says is asked of its order by `BeginReport`, just before it is
    /// said: from then on it may have been said. The same report may come twice.
    fn tell(&self, call: ReportCall) -> ReportFuture;
}

/// For nodes that tell no channel anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unreported;

impl Reports for Unreported {
    fn tell(&self, _call: ReportCall) -> ReportFuture {
        Box::pin(std::future::ready(Some(Said::NotTold)))
    }
}

/// How long a flush waits for what is to share it.
#[derive(Clone, Copy, Debug)]
pub struct Company {
    /// What nobody outside waits for, at most. An order's first record releases nothing: what it asked of SKUs has
    /// left already, and their records share its flush. So do its buyer's data. A delivery's mark goes with whatever is
    /// written next: a flush of its own would keep the disk from what somebody waits for.
    pub linger: Wait,
    /// How long the committer waits at most for what is being decided right now.
    pub gather: Wait,
}

impl Default for Company {
    fn default() -> Self {
        Self {
            linger: Wait::from_millis(20),
            gather: Wait::from_micros(400),
        }
    }
}

/// Settings of a node.
#[derive(Clone)]
pub struct Options {
    /// Identity of this process start: random.
    pub owner: u128,
    /// Limits of entities.
    pub limits: Limits,
    /// Live entities kept at most.
    pub live_max: usize,
    /// Steps that may wait for the committer before commands from outside are shed. Entities decide faster than a disk
    /// flushes, so that their own queues stay short while this one grows.
    pub steps_max: usize,
    /// How long a flush waits for what is to share it.
    pub company: Company,
    /// Who publishes numbers to channels.
    pub outbound: Arc<dyn Outbound>,
    /// Who tells channels what became of their orders.
    pub reports: Arc<dyn Reports>,
    /// Where it does what blocks.
    pub threads: Threads,
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
            steps_max: 65_536,
            company: Company::default(),
            outbound: Arc::new(Unpublished),
            reports: Arc::new(Unreported),
            threads: Threads::default(),
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
    /// A shard's log has a gap or was taken meanwhile, or the system's own documents do not fold.
    #[error("recovery stopped: {0}")]
    Recovery(String),
    /// A thread or actor could not be started.
    #[error("cannot start: {0}")]
    Start(String),
    /// A name of the system itself is not an id.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// A running node.
pub struct Node {
    shared: Arc<Shared>,
    /// Dropped when the committer has ended.
    committer: oneshot::Receiver<()>,
}

impl Node {
    /// Claims all shards, recovers them and starts. `on_fatal` is called when a flush failed: what is on disk
    /// is unknown then, and the process must exit and recover from disk.
    ///
    /// # Errors
    /// [`StartError`] when the journal cannot be claimed or read. An entity that does not fold is put aside.
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
        let taking = move || take_over(&*claiming, owner, window);
        let taken = options
            .threads
            .spawn_blocking(taking)
            .await
            .map_err(|e| StartError::Start(e.to_string()))??;
        let shared = Shared::new(journal, clock, connector, &taken, system, &options)
            .map_err(|e| StartError::Start(e.to_string()))?;
        let shared = Arc::new(shared);
        let committer = start_committer(&shared, on_fatal)?;
        let node = Self { shared, committer };
        node.start_actors(&taken.unfolded).await?;
        Ok(node)
    }

    async fn start_actors(
        &self,
        unfolded: &BTreeMap<EntityId, Unfolded>,
    ) -> Result<(), StartError> {
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
        for (entity, Unfolded { cause, .. }) in unfolded {
            tracing::error!(%entity, cause, "an entity cannot be recovered");
            shared.put_aside(entity, None, &loading::unrecoverable(cause));
        }
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
        if let Err(error) = &reply {
            tracing::error!(%error, "what is quarantined cannot be read; it may crash again");
        }
        if let Ok(Answer::Quarantine(marks)) = reply.map(|r| r.answer) {
            for mark in marks {
                let entity: EntityId = mark.entity.parse()?;
                self.shared.go_by(&entity, &mark);
            }
        }
        Ok(())
    }

    /// The router must know every location before the first order.
    async fn find_locations(&self) -> Result<(), StartError> {
        let journal = Arc::clone(&self.shared.journal);
        let reads = move || journal.entities("location:", None, 100_000);
        let locations = self.shared.threads.spawn_blocking(reads).await;
        let locations = locations.map_err(|e| StartError::Start(e.to_string()))??;
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
    pub async fn stop(self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let deadline = tokio::time::Instant::now() + DRAIN;
        self.drain(deadline).await;
        for mailbox in self.shared.directory.all() {
            mailbox.cast(crate::actor::Poke::Checkpoint);
        }
        tokio::time::sleep(Wait::from_millis(20)).await;
        self.drain(deadline).await;
        self.shared.commits.stop();
        let _ = self.committer.await;
        let journal = Arc::clone(&self.shared.journal);
        let closed = self.shared.threads.spawn_blocking(move || journal.close());
        if let Ok(Err(error)) = closed.await {
            tracing::warn!(%error, "the journal did not end in order; opening it again takes a little longer");
        }
        if let Some(supervisor) = self.shared.supervisor.get() {
            supervisor.stop(None);
        }
        if let Some(router) = self.shared.router.get() {
            router.stop(None);
        }
        for mailbox in self.shared.directory.all() {
            mailbox.stop_actor();
            self.shared.directory.close(&mailbox);
        }
    }

    /// Waits until nothing is queued anywhere, twice in a row: what has left a queue and has not reached the next
    /// one is in nobody's count.
    async fn drain(&self, deadline: tokio::time::Instant) {
        let shared = &self.shared;
        let mut quiet = 0;
        while quiet < 2 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Wait::from_millis(5)).await;
            let idle = |mailbox: &Arc<Mailbox>| mailbox.queue().is_empty();
            match shared.commits.is_quiet() && shared.directory.all().iter().all(idle) {
                true => quiet += 1,
                false => quiet = 0,
            }
        }
    }
}

/// Starts what commits. What is returned ends when it has.
fn start_committer(
    shared: &Arc<Shared>,
    on_fatal: impl FnOnce(JournalError) + Send + 'static,
) -> Result<oneshot::Receiver<()>, StartError> {
    let (is_there, ended) = oneshot::channel::<()>();
    let (threads, shared) = (shared.threads.clone(), Arc::clone(shared));
    let ends = move |shared: &Shared, ran: Result<Result<(), JournalError>, ()>| {
        shared.commits.end();
        let panicked = |()| JournalError::Unknown("the committer panicked".to_owned());
        if let Err(error) = ran.map_err(panicked).and_then(|ended| ended) {
            tracing::error!(%error, "a commit failed: stopping, to recover from disk");
            on_fatal(error);
        }
        drop(is_there);
    };
    match threads {
        Threads::Own => {
            let spawned = std::thread::Builder::new().name("committer".to_owned());
            let spawned = spawned.spawn(move || {
                let tokio = shared.tokio.clone();
                let _entered = tokio.enter();
                let ran = catch_unwind(AssertUnwindSafe(|| commit::run(&shared)));
                ends(&shared, ran.map_err(drop));
            });
            spawned.map_err(|e| StartError::Start(e.to_string()))?;
        }
        Threads::None(pace) => drop(tokio::spawn(async move {
            let ran = tokio::spawn(commit::task::run(Arc::clone(&shared), pace)).await;
            ends(&shared, ran.map_err(drop));
        })),
    }
    Ok(ended)
}
