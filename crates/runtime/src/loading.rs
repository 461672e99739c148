//! Brings entities to life: checkpoint, uncovered records, actor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossdock_engine::{Core, Limits, Recovered, StepKind, recover};
use crossdock_journal::{
    Batch, Checkpoint, Journal, JournalError, OwnerId, ShardState, ShardWrite,
};
use crossdock_model::{Duration, EntityId, ShardId};
use ractor::Actor;

use crate::actor::{EntityActor, Living};
use crate::directory::Mailbox;
use crate::node::StartError;
use crate::shared::Shared;

/// Time until an entity that could not be loaded is tried again by itself.
const LOAD_AGAIN_AFTER: Duration = Duration::from_minutes(1);
/// Bytes read from the log in one go.
const READ_BYTES: usize = 4 << 20;

/// Loads an entity and starts its actor. Bounded: 256 loads at once.
pub(crate) fn activate(shared: &Arc<Shared>, mailbox: Arc<Mailbox>) {
    let shared = Arc::clone(shared);
    shared.loading.fetch_add(1, Ordering::Relaxed);
    let loading = Loading(Arc::clone(&shared));
    let task = async move {
        let _loading = loading;
        let Ok(permit) = Arc::clone(&shared.loads).acquire_owned().await else {
            return;
        };
        let loader = Arc::clone(&shared);
        let id = mailbox.entity.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&loader, &id)).await;
        drop(permit);
        match loaded {
            Ok(Ok(recovered)) => start(&shared, mailbox, recovered).await,
            Ok(Err(error)) => give_up(&shared, &mailbox, &error),
            Err(join) => give_up(&shared, &mailbox, &join.to_string()),
        }
    };
    shared_spawn(task);
}

/// Counts an entity that is being brought to life, until it is or is given up.
struct Loading(Arc<Shared>);

impl Drop for Loading {
    fn drop(&mut self) {
        self.0.loading.fetch_sub(1, Ordering::Relaxed);
    }
}

fn shared_spawn(task: impl Future<Output = ()> + Send + 'static) {
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

/// The entity cannot be brought to life: those who wait are told *unknown*, and it is tried again when asked, or
/// in a minute.
fn give_up(shared: &Arc<Shared>, mailbox: &Mailbox, error: &dyn std::fmt::Display) {
    tracing::error!(entity = %mailbox.entity, %error, "an entity cannot be recovered");
    // Its deadline was taken out of the wheel when it was woken.
    let again_at = shared.clock.now() + LOAD_AGAIN_AFTER;
    shared.timers.set(&mailbox.entity, Some(again_at));
    shared.directory.close(mailbox);
}

/// An entity as durable.
pub(crate) fn load(shared: &Shared, id: &EntityId) -> Result<Recovered, String> {
    let text = |e: JournalError| e.to_string();
    shared.commits.wait_settled();
    let uncovered = shared.commits.uncovered_after(id);
    let checkpoint = shared.journal.load(id).map_err(text)?;
    let mut records = Vec::new();
    if let Some(mut after) = uncovered {
        loop {
            let frames = shared
                .journal
                .read(id.shard(), after, READ_BYTES)
                .map_err(text)?;
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
    .map_err(|e| e.to_string())
}

/// Folds the logs of all shards onto their checkpoints, in pieces of bounded size, and writes the checkpoints.
pub(crate) fn fold_logs(
    journal: &dyn Journal,
    owner: OwnerId,
    states: &mut [ShardState],
    window: Duration,
) -> Result<(), StartError> {
    loop {
        let behind: Vec<(ShardId, u64)> = states
            .iter()
            .filter(|state| state.checkpoint_seq + 1 < state.next_seq)
            .map(|state| (state.shard, state.checkpoint_seq))
            .collect();
        if behind.is_empty() {
            return Ok(());
        }
        let frames = journal.read_many(&behind, READ_BYTES)?;
        if frames.is_empty() {
            let what = format!("shard {} has no frames above {}", behind[0].0, behind[0].1);
            return Err(StartError::Recovery(what));
        }
        let mut pieces: BTreeMap<ShardId, Piece> = BTreeMap::new();
        for stored in frames {
            let piece = pieces.entry(stored.position.shard).or_default();
            piece.last = stored.position.seq;
            piece
                .records
                .entry(stored.frame.entity)
                .or_default()
                .push(stored.frame.body);
        }
        let mut batch = Batch::default();
        for state in states.iter_mut() {
            if let Some(piece) = pieces.remove(&state.shard) {
                batch
                    .shards
                    .push(fold_piece(journal, owner, state, &piece, window)?);
                state.checkpoint_seq = piece.last;
            }
        }
        if let Some((shard, refusal)) = journal.commit(&batch)?.refused.pop_first() {
            let what = format!("shard {shard} was taken by another process: {refusal:?}");
            return Err(StartError::Recovery(what));
        }
    }
}

/// A stretch of one shard's log.
#[derive(Default)]
struct Piece {
    last: u64,
    records: BTreeMap<EntityId, Vec<Vec<u8>>>,
}

fn fold_piece(
    journal: &dyn Journal,
    owner: OwnerId,
    state: &ShardState,
    piece: &Piece,
    window: Duration,
) -> Result<ShardWrite, StartError> {
    let mut write = ShardWrite::new(state.shard, state.epoch, owner, state.next_seq);
    for (id, records) in &piece.records {
        write
            .checkpoints
            .extend(fold_entity(journal, id, records, window)?);
    }
    write.checkpoint_seq = Some(piece.last);
    Ok(write)
}

fn fold_entity(
    journal: &dyn Journal,
    id: &EntityId,
    records: &[Vec<u8>],
    window: Duration,
) -> Result<Option<Checkpoint>, StartError> {
    let failed = |e: &dyn std::fmt::Display| StartError::Recovery(e.to_string());
    let known = journal.load(id)?;
    let body = known.as_ref().map(|c| c.body.as_slice());
    let Recovered {
        entity,
        checkpointed,
    } = recover(id, body, records.iter().map(Vec::as_slice), window).map_err(|e| failed(&e))?;
    if entity.version() == checkpointed {
        return Ok(None);
    }
    let version = entity.version();
    let mut core: Core<()> = Core::new(entity, checkpointed, 0, Limits::default());
    let step = core.checkpoint().map_err(|e| failed(&e))?;
    let Some(StepKind::Checkpoint { body, wake_at }) = step.map(|step| step.kind) else {
        return Ok(None);
    };
    Ok(Some(Checkpoint {
        entity: id.clone(),
        version,
        body,
        wake_at,
        dirty: false,
    }))
}
