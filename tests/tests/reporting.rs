//! The real binary and a simulated shop that is told what became of its orders, by a server that is killed between a call
//! and its answer: the shop's books say that each thing was done once.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::Arc;

use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::{Clock, RealClock};
use crossdock_sim::amazon::{self, Listing, Market};
use crossdock_sim::shopify::{Fault, Faults, Product, Serving, Shop, Store, StoreOptions};
use serde_json::{Value, json};
use support::{SECRET, Server, Setup, settled, stock, until};
use tokio::net::TcpListener;

const TOKEN: &str = "token-of-the-tests";
const MOVE: &str = "fulfillmentOrderMove";
const CREATE: &str = "fulfillmentCreate";
const CANCEL: &str = "orderCancel";

/// A shop that sells from its counter, while everything is sent from Reno.
struct World {
    shop: Arc<Shop>,
    _serving: Serving,
    tee: Product,
    setup: Setup,
    server: Server,
}

impl World {
    async fn start() -> Self {
        let secret = crossdock_channels::Secret::new;
        let mut store = Store::new(StoreOptions::default());
        let counter = store.add_location("Counter");
        let reno = store.add_location("Reno");
        let tee = store.add_product("TEE", 2_400);
        store.set_by_hand(tee.item, counter, 50, Timestamp::from_ms(1));
        store.set_by_hand(tee.item, reno, 0, Timestamp::from_ms(1));
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let shop = Shop::new(store, clock, secret(TOKEN), secret(SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = shop.serve(listener).unwrap();
        let mut setup = Setup::new();
        setup.config_text = Some(config(&setup, serving.url(), reno));
        let server = setup.start().await;
        stock(&server, None, &[("TEE", 50)]).await;
        let hook = format!("{}/webhooks/shop", server.url);
        let topics = [
            "orders/create",
            "orders/updated",
            "orders/cancelled",
            "orders/fulfilled",
            "orders/partially_fulfilled",
        ];
        shop.with(|store, _| {
            for topic in topics {
                store.subscribe(topic, &hook);
            }
        });
        let world = Self {
            shop,
            _serving: serving,
            tee,
            setup,
            server,
        };
        let (code, out, error) =
            world
                .setup
                .crossdock(&["channel", "publish", "--channel", "shop"]);
        assert_eq!(code, 0, "{out}{error}");
        world
    }

    async fn buys(&self, units: u32) -> u64 {
        let variant = self.tee.variant;
        let order = self.shop.with(|store, now| store.buy(variant, units, now));
        let order = order.unwrap();
        settled(&self.server, &format!("shop:{order}"), &["requested"]).await;
        order
    }

    async fn ships(&self, order: u64, number: Option<&str>) {
        let path = format!("/v1/orders/shop:{order}/requests/1/ship");
        let tracking = number.map(|number| json!({ "carrier": "UPS", "number": number }));
        self.server
            .done(
                "POST",
                &path,
                json!({ "shipment": "p1", "tracking": tracking }),
            )
            .await;
    }

    async fn cancels(&self, order: u64) {
        let path = format!("/v1/orders/shop:{order}/cancel");
        let body = json!({ "reason": "inventory" });
        self.server.done("POST", &path, body).await;
        let path = format!("/v1/orders/shop:{order}/requests/1/cancel-answer");
        self.server
            .done("POST", &path, json!({ "accepted": true }))
            .await;
    }

    fn carried_out(&self) -> [u64; 3] {
        let count = |store: &mut Store, _| [MOVE, CREATE, CANCEL].map(|one| store.carried_out(one));
        self.shop.with(count)
    }

    async fn told(&self, order: u64) -> Value {
        let path = format!("/v1/orders/shop:{order}");
        until(&format!("the shop was told of {order}"), async || {
            let order = self.server.get(&path).await;
            order["reports"][0]["status"] == "told"
        })
        .await;
        self.server.get(&path).await
    }
}

fn config(setup: &Setup, url: &str, place: u64) -> String {
    let dir = setup.dir.path();
    std::fs::write(dir.join("shop-secret"), SECRET).unwrap();
    std::fs::write(dir.join("shop-token"), TOKEN).unwrap();
    format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[data]\ndir = {data:?}\n[telemetry]\nlog = \"warn\"\n\
         [channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{{ file = \"shop-secret\" }}]\n\
         [channels.shop.publish]\nurl = {url:?}\ntoken = {{ file = \"shop-token\" }}\n\
         places = {{ {place} = [\"reno\"] }}\n",
        port = setup.port,
        data = setup.data(),
    )
}

/// Nothing of the order was taken for somebody else's, and nothing waits for a person.
fn is_ours(order: &Value) {
    let kinds = order["timeline"].as_array().unwrap().iter();
    let mut kinds = kinds.map(|step| step["kind"].as_str().unwrap());
    assert!(!kinds.any(|kind| kind == "shipped_elsewhere"), "{order}");
    assert_eq!(order["open_exceptions"], 0, "{order}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_is_told_of_parcels_and_of_what_was_given_up() {
    let world = World::start().await;
    let sent = world.buys(2).await;
    world.ships(sent, Some("1Z1")).await;
    let order = world.told(sent).await;
    is_ours(&order);
    let known = world
        .shop
        .with(|store, _| store.orders().next().unwrap().clone());
    let fulfilment = &known.fulfilments[0];
    let told = &order["reports"][0];
    assert_eq!(told["theirs"], fulfilment.id.to_string());
    assert_eq!(
        fulfilment.tracking,
        Some(("UPS".to_owned(), "1Z1".to_owned()))
    );
    let given_up = world.buys(1).await;
    world.cancels(given_up).await;
    is_ours(&world.told(given_up).await);
    settled(&world.server, &format!("shop:{given_up}"), &["cancelled"]).await;
    assert_eq!(world.carried_out(), [1, 1, 1]);
    let (code, out, error) = world
        .setup
        .crossdock(&["order", "show", &format!("shop:{sent}")]);
    assert_eq!(code, 0, "{error}");
    assert!(
        out.contains("its channel is to know") && out.contains("told"),
        "{out}"
    );
}

/// Three calls are carried out and not answered when the server dies; the next one looks before it calls again.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_tells_nothing_twice() {
    let mut world = World::start().await;
    let (moved, created, cancelled) = (
        world.buys(2).await,
        world.buys(3).await,
        world.buys(1).await,
    );
    let faults = [MOVE, CREATE, CANCEL].into_iter();
    let faults = faults.fold(Faults::none(1), |all, one| all.once(Fault::Unanswered, one));
    world.shop.with(|store, _| store.set_faults(faults));
    world.ships(moved, None).await;
    until("the move is carried out", async || {
        world.carried_out() == [1, 0, 0]
    })
    .await;
    world.ships(created, None).await;
    world.cancels(cancelled).await;
    until("all are carried out", async || {
        world.carried_out() == [2, 1, 1]
    })
    .await;
    world.server.kill();
    world.server = world.setup.start().await;
    for order in [moved, created, cancelled] {
        is_ours(&world.told(order).await);
    }
    assert_eq!(world.carried_out(), [2, 2, 1]);
    world.shop.with(|store, _| {
        let sent = store.orders().flat_map(|order| &order.fulfilments);
        let sent: Vec<u32> = sent.map(|one| one.lines[0].1).collect();
        assert_eq!(sent, [2, 3]);
        assert!(store.orders().last().unwrap().cancelled.is_some());
    });
}

/// An account whose lists and payments are not late.
async fn market(clock: &Arc<dyn Clock>) -> (Arc<Market>, String) {
    let options = amazon::Options {
        list_lag: Duration::default(),
        payment_takes: Duration::default(),
        ..amazon::Options::default()
    };
    let market = Market::new(options, Arc::clone(clock));
    let listing = Listing::of_seller("Tee", 2_400, 50);
    market.with(|account, _| account.list("TEE", listing));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(amazon::serve(listener, Arc::clone(&market)));
    (market, url)
}

fn amazon_config(setup: &Setup, url: &str) -> String {
    let options = amazon::Options::default();
    let dir = setup.dir.path();
    std::fs::write(dir.join("client-secret"), &options.client_secret).unwrap();
    std::fs::write(dir.join("refresh-token"), &options.refresh_token).unwrap();
    format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[data]\ndir = {data:?}\n[telemetry]\nlog = \"warn\"\n\
         [channels.market]\nkind = \"amazon\"\n[channels.market.amazon]\nendpoint = {url:?}\n\
         token_endpoint = \"{url}/auth/o2/token\"\nseller = {seller:?}\nmarketplace = {marketplace:?}\n\
         client_id = \"app\"\nclient_secret = {{ file = \"client-secret\" }}\n\
         refresh_token = {{ file = \"refresh-token\" }}\nlocations = [\"reno\"]\nlist_lag_s = 0\n",
        port = setup.port,
        data = setup.data(),
        seller = options.seller,
        marketplace = options.marketplace,
    )
}

/// The package's number names the call: said again by the next process, it is the same package.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_confirms_a_package_once() {
    let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
    let (market, url) = market(&clock).await;
    let mut setup = Setup::new();
    setup.config_text = Some(amazon_config(&setup, &url));
    let mut server = setup.start().await;
    stock(&server, None, &[("TEE", 50)]).await;
    let (code, out, error) = setup.crossdock(&["channel", "publish", "--channel", "market"]);
    assert_eq!(code, 0, "{out}{error}");
    let bought = market.with(|account, now| account.buy("TEE", 2, now));
    let order = bought.unwrap();
    // The next process reads orders at once.
    server.kill();
    server = setup.start().await;
    let path = format!("/v1/orders/market:{order}");
    settled(&server, &format!("market:{order}"), &["requested"]).await;
    let lost = amazon::Faults {
        lost_answers: 1.0,
        ..amazon::Faults::default()
    };
    market.set_faults(lost);
    let parcel = json!({ "shipment": "p1", "tracking": { "carrier": "UPS", "number": "1Z1" } });
    let ship = format!("{path}/requests/1/ship");
    server.done("POST", &ship, parcel).await;
    let packages = || {
        market.with(|account, _| {
            let known = account.orders().iter().find(|one| one.id == order);
            known.map(|one| (one.packages(), one.shipped_units()))
        })
    };
    until("the package is confirmed", async || {
        packages() == Some((1, 2))
    })
    .await;
    server.kill();
    market.set_faults(amazon::Faults::default());
    let server = setup.start().await;
    until("the account was told", async || {
        server.get(&path).await["reports"][0]["status"] == "told"
    })
    .await;
    is_ours(&server.get(&path).await);
    assert_eq!(packages(), Some((1, 2)));
}
