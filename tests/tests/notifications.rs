//! The real binary and a seller's account whose notifications are passed on to it: whoever shows the key is believed, and
//! the order that has changed is read again.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::Arc;

use crossdock_model::Duration;
use crossdock_sim::amazon::{self, Market};
use serde_json::{Value, json};
use support::seat::Seat;
use support::{SECRET, Server, Setup, metric, settled, stock, until};

/// A seller whose lists of orders tell nothing as long as a test runs, so that what is known came by notifications.
struct World {
    market: Arc<Market>,
    setup: Setup,
    server: Server,
}

impl World {
    async fn start() -> Self {
        let options = amazon::Options {
            list_lag: Duration::from_days(1),
            ..amazon::Options::default()
        };
        let seat = Seat::open(options, 10).await;
        let mut setup = Setup::new();
        std::fs::write(setup.dir.path().join("secret"), SECRET).unwrap();
        let secrets = "webhook_secrets = [{ file = \"secret\" }]\n";
        setup.config_text = Some(seat.config(&setup, secrets, ""));
        let server = setup.start().await;
        stock(&server, None, &[("TEE", 10)]).await;
        Self {
            market: seat.market,
            setup,
            server,
        }
    }

    fn buy(&self) -> String {
        self.market
            .with(|account, now| account.buy("TEE", 1, now).unwrap())
    }

    async fn post(&self, key: Option<&str>, body: &Value) -> u16 {
        let url = format!("{}/webhooks/market", self.server.url);
        let mut request = self.server.http.post(url).body(body.to_string());
        if let Some(key) = key {
            request = request.header("X-Crossdock-Key", key);
        }
        request.send().await.unwrap().status().as_u16()
    }

    async fn told(&self, body: &Value) {
        assert_eq!(self.post(Some(SECRET), body).await, 200, "{body}");
    }

    async fn stored(&self) -> f64 {
        metric(&self.server, "crossdock_deliveries_total").await
    }

    async fn worked_off(&self) {
        until("every delivery is worked off", async || {
            metric(&self.server, "crossdock_deliveries_open").await == 0.0
        })
        .await;
    }

    /// Waits for an open exception of that kind.
    async fn exception(&self, kind: &str) -> Value {
        let path = format!("/v1/exceptions?state=open&kind={kind}");
        let found = async || self.server.get(&path).await["items"].clone();
        until(kind, async || found().await.as_array().unwrap().len() == 1).await;
        found().await[0].clone()
    }
}

/// As Amazon writes it, as far as anybody reads it.
fn notification(id: &str, order: &str) -> Value {
    json!({
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "PayloadVersion": "1.0",
        "EventTime": "2026-11-01T10:00:00Z",
        "Payload": { "OrderChangeNotification": {
            "NotificationLevel": "OrderLevel",
            "AmazonOrderId": order,
            "OrderChangeType": "OrderStatusChange",
            "Summary": { "OrderStatus": "Unshipped", "FulfillmentType": "MFN" },
        } },
        "NotificationMetadata": { "PublishTime": "2026-11-01T10:00:01Z", "NotificationId": id },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_show_the_key_is_not_believed() {
    let world = World::start().await;
    let order = world.buy();
    let body = notification("n-1", &order);
    let longer = format!("{SECRET}x");
    for key in [None, Some(""), Some("another"), Some(&*longer)] {
        assert_eq!(world.post(key, &body).await, 401, "{key:?}");
    }
    assert_eq!(world.stored().await, 0.0);
    world.told(&body).await;
    // It is not paid: reserved, and not to leave.
    settled(&world.server, &format!("market:{order}"), &["reserved"]).await;
}

/// From a queue and from a bus, twice, the newer one first: what counts is what Amazon says when it is asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_read_again_however_it_is_told_to_have_changed() {
    let world = World::start().await;
    let order = world.buy();
    let name = format!("market:{order}");
    let [old, new] = ["n-1", "n-2"].map(|id| notification(id, &order));
    world.market.with(|account, now| {
        assert!(account.ask_cancel(&order, "changed my mind", now));
    });
    let bus = json!({ "id": "e-1", "detail-type": "ORDER_CHANGE", "detail": new });
    world.told(&bus).await;
    settled(&world.server, &name, &["reserved"]).await;
    world.exception("cancel_asked").await;
    world.told(&old).await;
    let stored = world.stored().await;
    for again in [&old, &bus] {
        world.told(again).await;
    }
    assert_eq!(world.stored().await, stored, "each is kept once");
    world.worked_off().await;
    world.exception("cancel_asked").await;
    let known = world.server.get("/v1/orders?channel=market").await;
    assert_eq!(known["items"].as_array().unwrap().len(), 1, "{known}");
}

/// What an account shows and sells is read before anything is published to it: every change is named, and none is made.
#[tokio::test(flavor = "multi_thread")]
async fn an_observed_account_is_read_and_every_change_is_named() {
    let world = World::start().await;
    let gone = world.market.with(|account, now| account.buy("TEE", 5, now));
    assert!(gone.is_some(), "before anybody looked");
    let listing = "/v1/channels/market/listings/TEE";
    let map = json!({ "sku": "TEE" });
    world.server.done("PUT", listing, map).await;
    let shown = || {
        let shown = world.market.with(|account, now| account.shown("TEE", now));
        shown.unwrap().to_string()
    };
    let named = async || {
        let preview = ["channel", "publish", "--channel", "market", "--preview"];
        let (_, out, _) = world.setup.crossdock(&preview);
        let mut lines = out.lines().map(str::split_whitespace);
        let row = lines.find_map(|mut row| (row.next() == Some("TEE")).then_some(row));
        let shows = row.and_then(|mut row| row.nth(1));
        out.contains("1 number would change") && shows == Some(&*shown())
    };
    until("the preview tells what is shown", named).await;
    let order = world.buy();
    world.told(&notification("n-1", &order)).await;
    settled(&world.server, &format!("market:{order}"), &["reserved"]).await;
    until("the preview tells what is left", named).await;
    assert_eq!(shown(), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_is_kept_and_what_nobody_can_read_is_named() {
    let world = World::start().await;
    let silent = json!({
        "notificationType": "FEED_PROCESSING_FINISHED",
        "notificationMetadata": { "notificationId": "n-3" },
    });
    world.told(&silent).await;
    world.worked_off().await;
    let open = world.server.get("/v1/exceptions?state=open").await;
    assert_eq!(open["items"], json!([]));
    world.told(&json!({ "hello": 1 })).await;
    let found = world.exception("unreadable").await;
    let cause = found["cause"].as_str().unwrap();
    assert!(
        cause.contains("notification delivery cannot be read"),
        "{cause}"
    );
    assert_eq!(world.stored().await, 2.0);
}
