//! Brings entities to life: checkpoint, uncovered records, actor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossdock_engine::{Cause, Core, Recovered, recover};
use crossdock_journal::JournalError;
use crossdock_model::{Duration, EntityId};
use ractor::Actor;
use tokio::task::JoinError;

use crate::actor::{EntityActor, Living};
use crate::directory::Mailbox;
use crate::shared::Shared;

/// Time until an entity that could not be loaded is tried again by itself.
const LOAD_AGAIN_AFTER: Duration = Duration::from_minutes(1);
/// Bytes read from the log in one go.
const READ_BYTES: usize = 4 << 20;

/// Loads that run, and what waits for its turn.
#[derive(Default)]
pub(crate) struct Loads {
    plan: Mutex<crossdock_engine::Loads<Arc<Mailbox>>>,
    /// How many are being loaded or wait for it, as of the last change: what each command is measured against.
    count: AtomicUsize,
}

impl Loads {
    fn change<R>(&self, change: impl FnOnce(&mut crossdock_engine::Loads<Arc<Mailbox>>) -> R) -> R {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut plan);
        self.count.store(plan.len(), Ordering::Relaxed);
        changed
    }

    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub fn hurry(&self, entity: &EntityId) {
        self.change(|plan| plan.hurry(entity));
    }

    pub fn puts_off_due(&self) -> bool {
        self.change(|plan| plan.puts_off_due())
    }
}

/// Loads an entity and starts its actor, once it is its turn.
pub(crate) fn activate(shared: &Arc<Shared>, mailbox: Arc<Mailbox>, cause: Cause) {
    let entity = mailbox.entity.clone();
    let begins = shared
        .loads
        .change(|plan| plan.ask(&entity, mailbox, cause));
    if let Some(mailbox) = begins {
        spawn(bring_to_life(Arc::clone(shared), mailbox));
    }
}

async fn bring_to_life(shared: Arc<Shared>, mailbox: Arc<Mailbox>) {
    let turn = Turn(Arc::clone(&shared));
    let loaded = load(&shared, &mailbox.entity).await;
    drop(turn);
    match loaded {
        Ok(Ok(recovered)) => start(&shared, mailbox, recovered).await,
        Ok(Err(LoadError::Unread(error))) => give_up(&shared, &mailbox, &error),
        Ok(Err(LoadError::Broken(cause))) => set_aside(&shared, &mailbox, &cause),
        Err(join) if join.is_panic() => set_aside(&shared, &mailbox, "replaying it crashed"),
        Err(join) => give_up(&shared, &mailbox, &join),
    }
}

/// A load that runs. When it has ended, however it did, the next one begins.
struct Turn(Arc<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mailbox) = self.0.loads.change(crossdock_engine::Loads::ended) {
            spawn(bring_to_life(Arc::clone(&self.0), mailbox));
        }
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(handle) => drop(handle.spawn(task)),
        // Only the committer's thread has no runtime of its own; it enters one before it begins.
        Err(error) => tracing::error!(%error, "no runtime to activate an entity on"),
    }
}

async fn start(shared: &Arc<Shared>, mailbox: Arc<Mailbox>, recovered: Recovered) {
    if !shared.commits.owns(mailbox.entity.shard()) {
        // Another process writes it now. Here every life would end with its first step.
        shared.directory.close(&mailbox);
        return;
    }
    let life = shared.next_life();
    let core = Core::new(
        recovered.entity,
        recovered.checkpointed,
        life,
        shared.limits,
    );
    let living = Living {
        shared: Arc::clone(shared),
        mailbox: Arc::clone(&mailbox),
        core,
    };
    let supervisor = shared.supervisor();
    let spawned = match supervisor {
        Some(supervisor) => Actor::spawn_linked(None, EntityActor, living, supervisor).await,
        None => Actor::spawn(None, EntityActor, living).await,
    };
    if let Err(error) = spawned {
        give_up(shared, &mailbox, &error.to_string());
    }
}

/// The entity cannot be brought to life now: those who wait are told *unknown*, and it is tried again when asked,
/// or in a minute.
fn give_up(shared: &Arc<Shared>, mailbox: &Mailbox, error: &dyn std::fmt::Display) {
    tracing::error!(entity = %mailbox.entity, %error, "an entity cannot be loaded; it is tried again");
    // Its deadline was taken out of the wheel when it was woken.
    let again_at = shared.clock.now() + LOAD_AGAIN_AFTER;
    shared.timers.set(&mailbox.entity, Some(again_at));
    shared.directory.close(mailbox);
}

/// What is stored of the entity does not make one. It is put aside until a person says otherwise; the system's own
/// documents are tried again, as there is nobody else to ask.
fn set_aside(shared: &Arc<Shared>, mailbox: &Mailbox, cause: &str) {
    if matches!(mailbox.entity, EntityId::System(_)) {
        return give_up(shared, mailbox, &cause);
    }
    tracing::error!(entity = %mailbox.entity, cause, "an entity cannot be recovered");
    shared.put_aside(&mailbox.entity, None, &unrecoverable(cause));
    shared.directory.close(mailbox);
}

/// The cause of a mark, for a person.
pub(crate) fn unrecoverable(cause: &str) -> String {
    format!("What is stored of it does not fold: {cause}")
}

/// Why an entity is not there.
pub(crate) enum LoadError {
    /// The journal could not be read this time.
    Unread(JournalError),
    /// What is stored does not make an entity.
    Broken(String),
}

impl From<JournalError> for LoadError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Corrupt { .. } => Self::Broken(error.to_string()),
            other => Self::Unread(other),
        }
    }
}

/// An entity as durable, once what is in flight of it has ended. Most are new orders, of which nothing is: no thread is
/// needed while a flush lasts.
pub(crate) async fn load(
    shared: &Arc<Shared>,
    id: &EntityId,
) -> Result<Result<Recovered, LoadError>, JoinError> {
    if !shared.commits.is_settled(id) {
        shared.commits.settled().await;
    }
    let (reader, id) = (Arc::clone(shared), id.clone());
    shared.read(move || read(&reader, &id)).await
}

fn read(shared: &Shared, id: &EntityId) -> Result<Recovered, LoadError> {
    let uncovered = shared.commits.uncovered_after(id);
    let checkpoint = shared.journal.load(id)?;
    let mut records = Vec::new();
    if let Some(mut after) = uncovered {
        loop {
            let frames = shared.journal.read(id.shard(), after, READ_BYTES)?;
            let Some(last) = frames.last() else { break };
            after = last.position.seq;
            records.extend(
                frames
                    .into_iter()
                    .filter(|f| f.frame.entity == *id)
                    .map(|f| f.frame.body),
            );
        }
    }
    let body = checkpoint.as_ref().map(|c| c.body.as_slice());
    recover(
        id,
        body,
        records.iter().map(Vec::as_slice),
        shared.limits.dedup_window,
    )
    .map_err(|error| LoadError::Broken(error.to_string()))
}
