use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_journal::{
    Batch, Checkpoint, InboxId, InboxInsert, InboxState, Journal, MemoryJournal, OwnerId,
    ShardWrite,
};
use crossdock_model::{ChannelId, EntityId, Timestamp};
use crossdock_runtime::{AskError, Clock, Node, Options, PausedClock, Unconnected};

use super::*;

/// A checkpoint that no channel can be recovered from.
fn damage(journal: &MemoryJournal, channel: &ChannelId) {
    let (entity, owner) = (EntityId::Channel(channel.clone()), OwnerId(99));
    let state = journal.claim(owner, &[entity.shard()]).unwrap().remove(0);
    let mut write = ShardWrite::new(state.shard, state.epoch, owner, state.next_seq);
    write.checkpoints.push(Checkpoint {
        entity,
        version: 1,
        body: b"rubbish".to_vec(),
        wake_at: None,
        dirty: false,
    });
    let batch = Batch {
        shards: vec![write],
        ..Batch::default()
    };
    assert!(journal.commit(&batch).unwrap().refused.is_empty());
}

/// No worker waits for a channel that is put aside: the clock stands still, and yet each delivery is given back, one
/// attempt on, and comes behind those that were tried less often.
#[tokio::test]
async fn deliveries_of_a_channel_that_is_put_aside_hold_no_worker() {
    let clock = Arc::new(PausedClock::new(Timestamp::from_ms(1_000_000)));
    let journal = Arc::new(MemoryJournal::new(1, clock.now()));
    let shop = ChannelId::checked("shop").unwrap();
    damage(&journal, &shop);
    let node = Node::start(
        Arc::clone(&journal) as Arc<dyn Journal>,
        Arc::clone(&clock) as Arc<dyn Clock>,
        Arc::new(Unconnected),
        Options::new(1),
        |error| panic!("a flush failed in memory: {error}"),
    );
    let node = node.await.unwrap();
    let handle = node.handle();
    let read = handle.read(EntityId::Channel(shop.clone())).await;
    assert!(
        matches!(read, Err(AskError::Quarantined { .. })),
        "{read:?}"
    );
    start(&handle, &Ways::default(), &Links::default(), None);
    let ids: Vec<_> = (0..WORKERS + 1)
        .map(|number| InboxId {
            channel: shop.clone(),
            delivery: number.to_string(),
        })
        .collect();
    for id in &ids {
        let delivery = InboxInsert {
            id: id.clone(),
            received_at: clock.now(),
            topic: "orders/create".to_owned(),
            headers: Vec::new(),
            body: b"{}".to_vec(),
        };
        assert_eq!(handle.receive(delivery).await, Ok(true));
    }
    let given_back = |id: &InboxId| {
        let row = journal.inbox_row(id).unwrap().unwrap();
        (row.state, row.attempts) == (InboxState::Open, 1)
    };
    let all = async {
        while !ids.iter().all(given_back) {
            tokio::time::sleep(Wait::from_millis(5)).await;
        }
    };
    let ended = tokio::time::timeout(Wait::from_secs(30), all).await;
    assert!(ended.is_ok(), "a worker waits");
    node.stop().await;
}
