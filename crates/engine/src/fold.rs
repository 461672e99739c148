//! Folds a shard's log onto its checkpoints when a node takes the shard over. An entity that does not fold is left
//! as it is stored and holds the shard's position back, so that nothing of it is ever lost; all others fold.

use std::collections::BTreeMap;

use crossdock_model::{Duration, EntityId, Record};

use crate::batch::Snapshot;
use crate::core::{Core, Limits};
use crate::recovery::{Recovered, RecoveryError, recover};
use crate::step::StepKind;

/// The checkpoint of an entity with these records; `None` when the stored one covers them.
///
/// # Errors
/// [`RecoveryError`] when they do not fold.
pub fn fold<'a>(
    id: &EntityId,
    checkpoint: Option<&[u8]>,
    records: impl IntoIterator<Item = &'a [u8]>,
    window: Duration,
) -> Result<Option<Snapshot>, RecoveryError> {
    let Recovered {
        entity,
        checkpointed,
    } = recover(id, checkpoint, records, window)?;
    let mut core: Core<()> = Core::new(entity, checkpointed, 0, Limits::default());
    let step = core.checkpoint().map_err(|source| RecoveryError::Codec {
        entity: id.clone(),
        source,
    })?;
    Ok(match step.map(|step| step.kind) {
        Some(StepKind::Checkpoint(snapshot)) => Some(snapshot),
        _ => None,
    })
}

/// An entity that does not fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfolded {
    /// Why.
    pub cause: String,
    /// (version, sequence) of its records that no checkpoint covers.
    pub uncovered: Vec<(u64, u64)>,
}

/// How far one shard is folded.
#[derive(Debug)]
pub struct Folding {
    next_seq: u64,
    checkpoint_seq: u64,
    read_seq: u64,
    unfolded: BTreeMap<EntityId, Unfolded>,
}

impl Folding {
    /// A shard whose next record gets `next_seq`, covered by checkpoints up to `checkpoint_seq`.
    #[must_use]
    pub fn new(next_seq: u64, checkpoint_seq: u64) -> Self {
        Self {
            next_seq,
            checkpoint_seq,
            read_seq: checkpoint_seq,
            unfolded: BTreeMap::new(),
        }
    }

    /// After which sequence to read on; `None` when all is read.
    #[must_use]
    pub fn read_after(&self) -> Option<u64> {
        (self.read_seq + 1 < self.next_seq).then_some(self.read_seq)
    }

    /// Everything up to this sequence is folded or set aside. Returns the position that the checkpoints cover.
    pub fn read_to(&mut self, seq: u64) -> u64 {
        self.read_seq = seq;
        let first = |one: &Unfolded| one.uncovered.first().map(|(_, seq)| *seq);
        let oldest = self.unfolded.values().filter_map(first).min();
        let covered = oldest.map_or(seq, |oldest| oldest - 1);
        self.checkpoint_seq = self.checkpoint_seq.max(covered);
        self.checkpoint_seq
    }

    /// Whether that entity has failed to fold before: its later records are set aside too.
    #[must_use]
    pub fn is_unfolded(&self, entity: &EntityId) -> bool {
        self.unfolded.contains_key(entity)
    }

    /// Sets an entity's records aside, each with its sequence.
    pub fn set_aside<'a>(
        &mut self,
        entity: &EntityId,
        cause: &str,
        records: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) {
        let unfolded = self.unfolded.entry(entity.clone()).or_insert(Unfolded {
            cause: cause.to_owned(),
            uncovered: Vec::new(),
        });
        for (seq, body) in records {
            // One that does not decode is covered by no checkpoint that this program writes.
            let version = Record::decode(body).map_or(u64::MAX, |record| record.version);
            unfolded.uncovered.push((version, seq));
        }
    }

    /// The entities that did not fold.
    #[must_use]
    pub fn into_unfolded(self) -> BTreeMap<EntityId, Unfolded> {
        self.unfolded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fold_holds_the_position_back_and_nothing_else() {
        let entity: EntityId = "sku:a".parse().unwrap();
        let mut shard = Folding::new(10, 2);
        assert_eq!(shard.read_after(), Some(2));
        assert_eq!(shard.read_to(4), 4);
        shard.set_aside(&entity, "It is damaged.", [(6, [0xff].as_slice())]);
        assert_eq!(shard.read_to(7), 5);
        assert_eq!(shard.read_after(), Some(7), "the others are folded on");
        shard.set_aside(&entity, "Another one.", [(8, [0xff].as_slice())]);
        assert_eq!((shard.read_to(9), shard.read_after()), (5, None));
        let unfolded = Unfolded {
            cause: "It is damaged.".to_owned(),
            uncovered: vec![(u64::MAX, 6), (u64::MAX, 8)],
        };
        assert_eq!(shard.into_unfolded(), [(entity, unfolded)].into());
    }
}
