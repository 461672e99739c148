mod levels;

use std::sync::Arc;

use crossdock_channels::{Inbound, amazon};
use crossdock_journal::{
    Batch, Checkpoint, InboxId, InboxInsert, InboxState, Journal, MemoryJournal, OwnerId,
    ShardWrite,
};
use crossdock_logic::bucket::bucket_of;
use crossdock_model::command::{BucketCommand, ChannelCommand, OrderCommand};
use crossdock_model::v1::{ChannelSettings, ExceptionKey, ListingTarget, OrderStatus, Sale};
use crossdock_model::{
    Answer, ChannelId, Command, CredentialId, EntityId, ListingId, SkuId, Timestamp,
};
use crossdock_runtime::{AskError, By, Clock, Node, PausedClock, Reply, testing};
use serde_json::{Value, json};

use super::*;
use crate::testing::InMemory;

const NOW: Timestamp = Timestamp::from_ms(1_000_000);

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
    let shop = ChannelId::checked("shop").unwrap();
    let started = InMemory::over(NOW, |journal| damage(journal, &shop));
    let InMemory {
        node,
        journal,
        clock,
    } = started.await;
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
    let all = async || ids.iter().all(given_back);
    testing::until("every worker has given one back", all).await;
    node.stop().await;
}

/// An order of Amazon of two mugs.
fn market_order(updated: &str, by: &str, cancellation: Value) -> Value {
    json!({
        "orderId": "305-1",
        "createdTime": "2026-11-02T08:00:00Z",
        "lastUpdatedTime": format!("2026-11-02T{updated}Z"),
        "fulfillment": { "fulfillmentStatus": "UNSHIPPED", "fulfilledBy": by },
        "orderItems": [{
            "orderItemId": "6001",
            "quantityOrdered": 2,
            "product": { "title": "Mug", "sellerSku": "MUG" },
            "cancellation": cancellation,
        }],
    })
}

/// A seller's account on Amazon, whose deliveries are worked on.
struct Market {
    node: Node,
    journal: Arc<MemoryJournal>,
    clock: Arc<PausedClock>,
    order: EntityId,
}

impl Market {
    async fn start() -> Self {
        let InMemory {
            node,
            journal,
            clock,
        } = InMemory::start(NOW).await;
        // What is tried again, as the machine was busy, waits for time to pass.
        testing::flow(&clock);
        let market = Self {
            node,
            journal,
            clock,
            order: "order:market:305-1".parse().unwrap(),
        };
        let connect = ChannelCommand::Connect(ChannelSettings {
            connector: "amazon".to_owned(),
            sale: Sale::AlreadySold,
            map_by_sku: false,
        });
        let channel = EntityId::Channel(ChannelId::checked("market").unwrap());
        market
            .ask(channel, Command::Channel(connect))
            .await
            .unwrap();
        let handle = market.node.handle();
        super::start(&handle, &Ways::default(), &Links::default(), None);
        market
    }

    async fn ask(&self, entity: EntityId, command: Command) -> Result<Reply, AskError> {
        let by = By::new(CredentialId::new("test").unwrap());
        self.node.handle().ask(entity, command, by).await
    }

    async fn map(&self, listing: &str) {
        let listing = ListingId::new(listing).unwrap();
        let bucket = bucket_of(&listing);
        let map = Command::Bucket(BucketCommand::Map {
            listing,
            target: ListingTarget::Sku {
                sku: SkuId::new("MUG").unwrap(),
                multiplier: 1,
            },
        });
        let entity = EntityId::Bucket(ChannelId::checked("market").unwrap(), bucket);
        self.ask(entity, map).await.unwrap();
    }

    /// Delivers it, and waits until it has been worked on.
    async fn says(&self, order: &Value) {
        let id = InboxId {
            channel: ChannelId::checked("market").unwrap(),
            delivery: order["lastUpdatedTime"].to_string(),
        };
        let delivery = InboxInsert {
            id: id.clone(),
            received_at: self.clock.now(),
            topic: "order".to_owned(),
            headers: Vec::new(),
            body: order.to_string().into_bytes(),
        };
        assert_eq!(self.node.handle().receive(delivery).await, Ok(true));
        let is_done = async || {
            let row = self.journal.inbox_row(&id).unwrap().unwrap();
            row.state == InboxState::Done
        };
        testing::until(&format!("{order} is worked on"), is_done).await;
    }

    async fn resolve(&self, episode: u32) -> Result<Reply, AskError> {
        let resolve = OrderCommand::ResolveException {
            key: ExceptionKey {
                kind: "cancel_asked".to_owned(),
                subject: self.order.to_string(),
                episode,
            },
            how: "spoke to the buyer".to_owned(),
        };
        self.ask(self.order.clone(), Command::Order(resolve)).await
    }
}

/// What a buyer asks for comes with each statement of the order, and goes with the first that does not say it.
#[tokio::test]
async fn an_order_hears_what_its_buyer_asks() {
    let market = Market::start().await;
    market.map("MUG").await;
    let asks =
        json!({ "cancellationRequest": { "requester": "BUYER", "cancelReason": "No need" } });
    for (at, cancellation) in [
        ("08:30:00", asks.clone()),
        ("08:31:00", Value::Null),
        ("08:32:00", asks),
    ] {
        market
            .says(&market_order(at, "MERCHANT", cancellation))
            .await;
    }
    // The first was taken back, and the second is open.
    let first = market.resolve(1).await;
    assert!(matches!(first, Err(AskError::Rejected(_))), "{first:?}");
    let second = market.resolve(2).await;
    assert!(second.is_ok(), "{second:?}");
    market.node.stop().await;
}

/// What Amazon ships needs no mapping, reserves nothing, and is there to be found.
#[tokio::test]
async fn an_order_that_amazon_ships_is_known_and_open() {
    let market = Market::start().await;
    let mut order = market_order("08:30:00", "AMAZON", Value::Null);
    market.says(&order).await;
    let status = async || {
        let read = market.node.handle().read(market.order.clone()).await;
        match read.unwrap().answer {
            Answer::Order(order) => (order.status, order.reserved),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status().await, (OrderStatus::Received, vec![]));
    order["lastUpdatedTime"] = json!("2026-11-02T09:00:00Z");
    order["fulfillment"]["fulfillmentStatus"] = json!("SHIPPED");
    order["orderItems"][0]["fulfillment"] =
        json!({ "quantityFulfilled": 2, "quantityUnfulfilled": 0 });
    market.says(&order).await;
    assert_eq!(status().await, (OrderStatus::Shipped, vec![]));
    market.node.stop().await;
}

/// (its state, who sends it, units that were cancelled by item, units that may be on sale again).
#[test]
fn what_was_cancelled_may_be_on_sale_again() {
    let executed = |left: u32| {
        json!({
            "cancellation": { "cancellationExecution": { "cancelledBy": "BUYER" } },
            "fulfillment": { "quantityFulfilled": 0, "quantityUnfulfilled": left },
        })
    };
    for (state, by, more, units) in [
        ("UNSHIPPED", "MERCHANT", json!({}), 0),
        ("CANCELLED", "MERCHANT", json!({}), 2),
        ("UNSHIPPED", "MERCHANT", executed(1), 1),
        ("CANCELLED", "AMAZON", json!({}), 0),
    ] {
        let mut order = market_order("08:30:00", by, Value::Null);
        order["fulfillment"]["fulfillmentStatus"] = json!(state);
        for (name, value) in more.as_object().unwrap() {
            order["orderItems"][0][name] = value.clone();
        }
        let read = amazon::map("order", order.to_string().as_bytes()).unwrap();
        let Inbound::Order(order) = read else {
            panic!("{read:?}");
        };
        let mug = ListingId::new("MUG").unwrap();
        let expected = (units > 0).then_some((mug, units));
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(take::put_back(&order), expected, "{state} {by}");
    }
}
