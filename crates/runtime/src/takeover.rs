//! Taking shards over: their logs are folded onto the checkpoints, so that every entity is passive and whole.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossdock_engine::{Folding, Unfolded, fold};
use crossdock_journal::{
    Batch, Checkpoint, Journal, JournalError, OwnerId, ShardState, ShardWrite,
};
use crossdock_model::{Duration, EntityId, ShardId};

use crate::node::StartError;

/// Bytes read from the log in one go.
const READ_BYTES: usize = 4 << 20;

/// The shards of a node as they were taken over.
pub(crate) struct Taken {
    pub states: Vec<ShardState>,
    /// Entities that cannot be recovered from what is stored.
    pub unfolded: BTreeMap<EntityId, Unfolded>,
}

/// Claims all shards and folds their logs onto the checkpoints.
pub(crate) fn take_over(
    journal: &dyn Journal,
    owner: OwnerId,
    window: Duration,
) -> Result<Taken, StartError> {
    let shards: Vec<ShardId> = ShardId::all().collect();
    let mut states = journal.claim(owner, &shards)?;
    let unfolded = fold_logs(journal, owner, &mut states, window)?;
    Ok(Taken { states, unfolded })
}

/// Folds in pieces of bounded size, and writes the checkpoints.
fn fold_logs(
    journal: &dyn Journal,
    owner: OwnerId,
    states: &mut [ShardState],
    window: Duration,
) -> Result<BTreeMap<EntityId, Unfolded>, StartError> {
    let new = |state: &ShardState| Folding::new(state.next_seq, state.checkpoint_seq);
    let mut foldings: BTreeMap<ShardId, Folding> = states
        .iter()
        .map(|state| (state.shard, new(state)))
        .collect();
    loop {
        let behind: Vec<(ShardId, u64)> = foldings
            .iter()
            .filter_map(|(shard, folding)| Some((*shard, folding.read_after()?)))
            .collect();
        if behind.is_empty() {
            let unfolded = foldings.into_values().flat_map(Folding::into_unfolded);
            return Ok(unfolded.collect());
        }
        let mut pieces = read_pieces(journal, &behind)?;
        let mut batch = Batch::default();
        for state in states.iter_mut() {
            let piece = pieces.remove(&state.shard);
            if let (Some(piece), Some(folding)) = (piece, foldings.get_mut(&state.shard)) {
                let write = fold_piece(journal, folding, owner, state, &piece, window)?;
                batch.shards.push(write);
            }
        }
        if let Some((shard, refusal)) = journal.commit(&batch)?.refused.pop_first() {
            let what = format!("shard {shard} was taken by another process: {refusal:?}");
            return Err(StartError::Recovery(what));
        }
    }
}

/// A stretch of one shard's log: the records of each entity, each with its sequence.
#[derive(Default)]
struct Piece {
    last: u64,
    records: BTreeMap<EntityId, Vec<(u64, Vec<u8>)>>,
}

fn read_pieces(
    journal: &dyn Journal,
    behind: &[(ShardId, u64)],
) -> Result<BTreeMap<ShardId, Piece>, StartError> {
    let frames = journal.read_many(behind, READ_BYTES)?;
    if frames.is_empty() {
        let what = format!("shard {} has no frames above {}", behind[0].0, behind[0].1);
        return Err(StartError::Recovery(what));
    }
    let mut pieces: BTreeMap<ShardId, Piece> = BTreeMap::new();
    for stored in frames {
        let piece = pieces.entry(stored.position.shard).or_default();
        piece.last = stored.position.seq;
        let records = piece.records.entry(stored.frame.entity).or_default();
        records.push((stored.position.seq, stored.frame.body));
    }
    Ok(pieces)
}

fn fold_piece(
    journal: &dyn Journal,
    folding: &mut Folding,
    owner: OwnerId,
    state: &mut ShardState,
    piece: &Piece,
    window: Duration,
) -> Result<ShardWrite, StartError> {
    let mut write = ShardWrite::new(state.shard, state.epoch, owner, state.next_seq);
    for (id, records) in &piece.records {
        let set_aside = records.iter().map(|(seq, body)| (*seq, body.as_slice()));
        if folding.is_unfolded(id) {
            folding.set_aside(id, "", set_aside);
            continue;
        }
        match fold_entity(journal, id, records, window)? {
            Ok(checkpoint) => write.checkpoints.extend(checkpoint),
            // Without its documents (keys, rules) the node can neither be asked nor be told what to do.
            Err(cause) if matches!(id, EntityId::System(_)) => {
                return Err(StartError::Recovery(format!("{id}: {cause}")));
            }
            Err(cause) => folding.set_aside(id, &cause, set_aside),
        }
    }
    state.checkpoint_seq = folding.read_to(piece.last);
    write.checkpoint_seq = Some(state.checkpoint_seq);
    Ok(write)
}

/// The entity's new checkpoint, or why it has none.
fn fold_entity(
    journal: &dyn Journal,
    id: &EntityId,
    records: &[(u64, Vec<u8>)],
    window: Duration,
) -> Result<Result<Option<Checkpoint>, String>, JournalError> {
    let known = match journal.load(id) {
        Ok(known) => known,
        Err(error @ JournalError::Corrupt { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    let body = known.as_ref().map(|known| known.body.as_slice());
    let records = records.iter().map(|(_, body)| body.as_slice());
    let folded = catch_unwind(AssertUnwindSafe(|| fold(id, body, records, window)));
    Ok(match folded {
        Ok(Ok(folded)) => Ok(folded.map(|folded| Checkpoint {
            entity: id.clone(),
            version: folded.version,
            body: folded.body,
            wake_at: folded.wake_at,
            // Nobody knows any more who has heard it.
            dirty: folded.speaks,
        })),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("replaying its records crashed".to_owned()),
    })
}
