use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_journal::{
    Batch, Checkpoint, InboxId, InboxInsert, InboxState, Journal, MemoryJournal, OwnerId,
    ShardWrite,
};
use crossdock_logic::bucket::bucket_of;
use crossdock_model::command::{BucketCommand, ChannelCommand, OrderCommand};
use crossdock_model::v1::{ChannelSettings, ExceptionKey, ListingTarget, Sale};
use crossdock_model::{ChannelId, Command, CredentialId, EntityId, ListingId, SkuId, Timestamp};
use crossdock_runtime::{AskError, By, Clock, Node, Options, PausedClock, Unconnected};
use serde_json::json;

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

/// An order of Amazon of two mugs that the buyer asks to cancel, or has thought better of.
fn market_order(updated: &str, asks: bool) -> Vec<u8> {
    let cancellation = match asks {
        true => {
            json!({ "cancellationRequest": { "requester": "BUYER", "cancelReason": "No need" } })
        }
        false => json!(null),
    };
    let body = json!({
        "orderId": "305-1",
        "createdTime": "2026-11-02T08:00:00Z",
        "lastUpdatedTime": updated,
        "fulfillment": { "fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT" },
        "orderItems": [{
            "orderItemId": "6001",
            "quantityOrdered": 2,
            "product": { "title": "Mug", "sellerSku": "MUG" },
            "cancellation": cancellation,
        }],
    });
    body.to_string().into_bytes()
}

/// What a buyer asks for comes with each statement of the order, and goes with the first that does not say it.
#[tokio::test]
async fn an_order_hears_what_its_buyer_asks() {
    let clock = Arc::new(PausedClock::new(Timestamp::from_ms(1_000_000)));
    let journal = Arc::new(MemoryJournal::new(1, clock.now()));
    let node = Node::start(
        Arc::clone(&journal) as Arc<dyn Journal>,
        Arc::clone(&clock) as Arc<dyn Clock>,
        Arc::new(Unconnected),
        Options::new(1),
        |error| panic!("a flush failed in memory: {error}"),
    );
    let node = node.await.unwrap();
    let handle = node.handle();
    let market = ChannelId::checked("market").unwrap();
    let by = || By::new(CredentialId::new("test").unwrap());
    let connect = ChannelCommand::Connect(ChannelSettings {
        connector: "amazon".to_owned(),
        sale: Sale::AlreadySold,
        map_by_sku: false,
    });
    let map = BucketCommand::Map {
        listing: ListingId::new("MUG").unwrap(),
        target: ListingTarget::Sku {
            sku: SkuId::new("MUG").unwrap(),
            multiplier: 1,
        },
    };
    let bucket = EntityId::Bucket(market.clone(), bucket_of(&ListingId::new("MUG").unwrap()));
    for (entity, command) in [
        (EntityId::Channel(market.clone()), Command::Channel(connect)),
        (bucket, Command::Bucket(map)),
    ] {
        handle.ask(entity, command, by()).await.unwrap();
    }
    start(&handle, &Ways::default(), &Links::default(), None);
    let order: EntityId = "order:market:305-1".parse().unwrap();
    let resolve = |episode| {
        Command::Order(OrderCommand::ResolveException {
            key: ExceptionKey {
                kind: "cancel_asked".to_owned(),
                subject: order.to_string(),
                episode,
            },
            how: "spoke to the buyer".to_owned(),
        })
    };
    let statements = [(30, true), (31, false), (32, true)];
    for (number, (minute, asks)) in (0..).zip(statements) {
        let id = InboxId {
            channel: market.clone(),
            delivery: number.to_string(),
        };
        let delivery = InboxInsert {
            id: id.clone(),
            received_at: clock.now(),
            topic: "order".to_owned(),
            headers: Vec::new(),
            body: market_order(&format!("2026-11-02T08:{minute}:00Z"), asks),
        };
        assert_eq!(handle.receive(delivery).await, Ok(true));
        let done = async {
            while journal.inbox_row(&id).unwrap().unwrap().state != InboxState::Done {
                tokio::time::sleep(Wait::from_millis(5)).await;
            }
        };
        let ended = tokio::time::timeout(Wait::from_secs(30), done).await;
        assert!(ended.is_ok(), "statement {number} is not worked on");
    }
    // The first was taken back, and the second is open.
    let first = handle.ask(order.clone(), resolve(1), by()).await;
    assert!(matches!(first, Err(AskError::Rejected(_))), "{first:?}");
    let second = handle.ask(order.clone(), resolve(2), by()).await;
    assert!(second.is_ok(), "{second:?}");
    node.stop().await;
}
