//! A batch of the engine as the journal takes it.

use crossdock_engine::Batch;
use crossdock_journal::{Checkpoint, Frame, InboxInsert, OwnerId, ShardWrite};
use crossdock_model::{EntityId, Timestamp};

use crate::commit::OtherWrite;

/// Puts each shard's part under its epoch. `is_told`: everybody has taken over what an entity of that version says.
pub(crate) fn to_journal(
    epochs: &[u64],
    owner: OwnerId,
    batch: Batch<OtherWrite>,
    inbox: Vec<InboxInsert>,
    at: Timestamp,
    is_told: impl Fn(&EntityId, u64) -> bool,
) -> crossdock_journal::Batch {
    let shards = batch
        .shards
        .into_iter()
        .map(|part| {
            let epoch = epochs[usize::from(part.shard.number())];
            let mut write = ShardWrite::new(part.shard, epoch, owner, part.expected_seq);
            let frame = |(entity, body)| Frame { entity, body };
            write.frames = part.records.into_iter().map(frame).collect();
            write.checkpoints = part
                .checkpoints
                .into_iter()
                .map(|(entity, snapshot)| Checkpoint {
                    version: snapshot.version,
                    wake_at: snapshot.wake_at,
                    dirty: snapshot.speaks && !is_told(&entity, snapshot.version),
                    body: snapshot.body,
                    entity,
                })
                .collect();
            write.checkpoint_seq = part.checkpoint_seq;
            for other in part.others {
                match other {
                    OtherWrite::Mark(mark) => write.inbox.push(mark),
                    OtherWrite::Vault(vault) => write.vault.push(vault),
                }
            }
            write
        })
        .collect();
    crossdock_journal::Batch { at, shards, inbox }
}
