//! A market whose lists say nothing, and which tells again and again that orders have changed.

use crossdock_journal::{InboxId, InboxInsert, InboxState};
use crossdock_model::v1::OrderChange;

use super::*;

const ORDERS: usize = 10;
const NOTICES: usize = 1_000;

impl Scene {
    /// A market that sold one of A with each order a day ago, so that no list says so.
    async fn untold(orders: usize) -> Self {
        let scene = Self::stocked("amazon").await;
        let yesterday = scene.fake.clock.now() - Duration::from_days(1);
        for id in 0..orders {
            scene.fake.sell_at(yesterday, &id.to_string(), "A", 1);
        }
        scene
    }

    /// It is told that an order changed when it was sold; waits for nothing. How the delivery is called.
    async fn notified(&self, order: usize, delivery: usize) -> InboxId {
        let sold_at = self.fake.books().orders[order].1;
        let sold_at = jiff::Timestamp::from_millisecond(sold_at.as_ms()).unwrap();
        let body = json!({
            "NotificationType": "ORDER_CHANGE",
            "EventTime": sold_at.to_string(),
            "Payload": { "OrderChangeNotification": {
                "AmazonOrderId": order.to_string(),
                "Summary": { "FulfillmentType": "MFN" },
            } },
            "NotificationMetadata": { "NotificationId": delivery.to_string() },
        });
        let (name, topic) = (delivery.to_string(), amazon::NOTIFICATION);
        self.delivered(channel(), name, topic, &body).await
    }

    async fn delivered(
        &self,
        channel: ChannelId,
        delivery: String,
        topic: &str,
        body: &Value,
    ) -> InboxId {
        let id = InboxId { channel, delivery };
        let delivery = InboxInsert {
            id: id.clone(),
            received_at: self.fake.clock.now(),
            topic: topic.to_owned(),
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        };
        assert_eq!(self.node.handle().receive(delivery).await, Ok(true));
        id
    }

    async fn done(&self, deliveries: &[InboxId]) {
        for id in deliveries {
            let is_done = async || {
                let row = self.journal.inbox_row(id).unwrap().unwrap();
                row.state == InboxState::Done
            };
            self.until("a delivery is done", is_done).await;
        }
    }

    /// What is still to be read.
    async fn unread(&self) -> Vec<OrderChange> {
        let look = Command::Channel(ChannelCommand::LookChanges);
        let by = By::new(CredentialId::new("test").unwrap());
        let handle = self.node.handle();
        let looked = handle.ask(EntityId::Channel(channel()), look, by);
        let Answer::Changes(changes) = looked.await.unwrap().answer else {
            panic!("a channel says what is to be read");
        };
        changes
    }
}

/// A shop's order in a node where the market says nothing to what it is asked.
async fn takes_a_shops_order(scene: &Scene) {
    let shop = ChannelId::new("shop").unwrap();
    let connect = ChannelCommand::Connect(ChannelSettings {
        connector: "shopify".to_owned(),
        sale: Sale::AlreadySold,
        map_by_sku: true,
    });
    let entity = EntityId::Channel(shop.clone());
    scene.ask(entity, Command::Channel(connect)).await;
    let at = "2026-11-02T08:00:00Z";
    let body = json!({
        "id": 5, "name": "#5", "created_at": at, "updated_at": at, "currency": "USD",
        "financial_status": "paid", "total_price": "1.00", "shipping_address": { "country_code": "US" },
        "line_items": [{
            "id": 1, "variant_id": 7, "sku": "B", "title": "B", "quantity": 1, "current_quantity": 1,
            "price": "1.00", "requires_shipping": true,
        }],
    });
    let id = scene
        .delivered(shop, "5".to_owned(), "orders/create", &body)
        .await;
    scene.done(&[id]).await;
    let order: EntityId = "order:shop:5".parse().unwrap();
    assert!(scene.node.handle().read(order).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_notices_of_ten_orders_cost_ten_reads_and_keep_nobody_waiting() {
    let scene = Scene::untold(ORDERS).await;
    scene.fake.answers.send_replace(false);
    let mut notices = Vec::new();
    for notice in 0..NOTICES {
        notices.push(scene.notified(notice % ORDERS, notice).await);
    }
    scene.done(&notices).await;
    takes_a_shops_order(&scene).await;
    assert_eq!(scene.unread().await.len(), ORDERS, "no order was read");
    scene.fake.answers.send_replace(true);
    for order in 0..ORDERS {
        scene.is_known(&order.to_string()).await;
    }
    let late = scene.notified(3, NOTICES).await;
    scene.done(&[late]).await;
    let all_read = async || scene.unread().await.is_empty();
    scene.until("all of them are read", all_read).await;
    assert_eq!(scene.fake.books().reads, ORDERS);
    scene.end().await;
}

/// What was told is done with; the next process reads it.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_to_be_read_is_read_after_a_restart() {
    let scene = Scene::untold(1).await;
    scene.fake.answers.send_replace(false);
    let notice = scene.notified(0, 0).await;
    scene.done(&[notice]).await;
    let scene = scene.crash().await;
    scene.fake.answers.send_replace(true);
    scene.is_known("0").await;
    scene.end().await;
}

/// It is tried a few times, and left to the lists then; the other one is read meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_read_keeps_no_other_waiting() {
    let scene = Scene::untold(2).await;
    scene.fake.books().broken = [ExternalId::new("0").unwrap()].into();
    for order in 0..2 {
        scene.notified(order, order).await;
    }
    scene.is_known("1").await;
    let is_over = async || {
        scene.fake.time.advance(Duration::from_s(1));
        scene.unread().await.is_empty()
    };
    scene.until("it is left to the lists", is_over).await;
    assert_eq!(scene.fake.books().reads, 6, "five times, and the other one");
    scene.end().await;
}
