//! The real binary and a simulated shop: what can be sold is what the shop shows, and stays so.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::Arc;

use crossdock_model::Timestamp;
use crossdock_runtime::testing::comes_true;
use crossdock_runtime::{Clock, RealClock};
use crossdock_sim::shopify::{Product, Serving, Shop, Store, StoreOptions};
use serde_json::json;
use support::{SECRET, Server, Setup, settled, stock, until};
use tokio::net::TcpListener;

const TOKEN: &str = "token-of-the-tests";
const SKUS: [&str; 3] = ["TEE", "MUG", "CAP"];

/// A shop that shows 99 of each, of which there are 10, and a server that may publish to it.
struct World {
    shop: Arc<Shop>,
    _serving: Serving,
    place: u64,
    products: Vec<Product>,
    setup: Setup,
    server: Server,
}

impl World {
    async fn start() -> Self {
        let secret = crossdock_channels::Secret::new;
        let mut store = Store::new(StoreOptions::default());
        let place = store.add_location("Reno");
        let products: Vec<Product> = SKUS.map(|sku| store.add_product(sku, 2_400)).into();
        for product in &products {
            store.set_by_hand(product.item, place, 99, Timestamp::from_ms(1));
        }
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let shop = Shop::new(store, clock, secret(TOKEN), secret(SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = shop.serve(listener).unwrap();
        let mut setup = Setup::new();
        setup.config_text = Some(config(&setup, serving.url(), place));
        let server = setup.start().await;
        stock(&server, None, &SKUS.map(|sku| (sku, 10))).await;
        for (product, sku) in products.iter().zip(SKUS) {
            let path = format!("/v1/channels/shop/listings/inventory_item:{}", product.item);
            server.done("PUT", &path, json!({ "sku": sku })).await;
        }
        let hook = format!("{}/webhooks/shop", server.url);
        shop.with(|store, _| {
            for topic in ["orders/create", "orders/updated", "inventory_levels/update"] {
                store.subscribe(topic, &hook);
            }
        });
        Self {
            shop,
            _serving: serving,
            place,
            products,
            setup,
            server,
        }
    }

    fn shown(&self) -> Vec<i64> {
        let item = |product: &Product| {
            let shown = |store: &mut Store, _| store.available(product.item, self.place);
            self.shop.with(shown).unwrap_or(-1)
        };
        self.products.iter().map(item).collect()
    }

    async fn shows(&self, units: [i64; 3]) {
        if !comes_true(async || self.shown() == units).await {
            let numbers = self.server.get("/v1/channels/shop/numbers").await;
            let log = self.setup.log_text();
            panic!("{:?} instead of {units:?}; {numbers}; {log}", self.shown());
        }
    }

    async fn publish(&self) {
        let arguments = ["channel", "publish", "--channel", "shop"];
        let (code, out, error) = self.setup.crossdock(&arguments);
        assert_eq!(code, 0, "{out}{error}");
    }

    /// An order through the API takes units.
    async fn sell(&self, id: &str, sku: &str, units: u32) {
        let order = json!({
            "channel": "api", "external_id": id, "lines": [{ "sku": sku, "units": units }],
            "destination": { "country": "US", "state": "NV" },
        });
        self.server.done("POST", "/v1/orders", order).await;
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
         places = {{ {place} = [\"reno\"] }}\nbuffer = {{ risk = 0.001, lag_s = 5, cap_units = 0 }}\n\
         [channels.api]\nkind = \"api\"\nsale = \"asks\"\n",
        port = setup.port,
        data = setup.data(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_published_before_it_is_said_and_then_every_change() {
    let world = World::start().await;
    let preview = ["channel", "publish", "--channel", "shop", "--preview"];
    until("the preview tells what is shown", async || {
        let (_, out, _) = world.setup.crossdock(&preview);
        let lag = "what others sell within 5.0 s, 0 to 0 units (as configured)";
        out.contains(lag)
            && out.contains("3 numbers would change")
            && out.matches("99").count() == 3
    })
    .await;
    assert_eq!(world.shown(), [99; 3]);
    world.publish().await;
    world.shows([10; 3]).await;

    world.sell("A-1", "TEE", 2).await;
    world.shows([8, 10, 10]).await;

    let variant = world.products[1].variant;
    let order = world
        .shop
        .with(|store, now| store.buy(variant, 3, now))
        .unwrap();
    settled(&world.server, &format!("shop:{order}"), &["requested"]).await;
    world.shows([8, 7, 10]).await;

    let pause = |action: &str, what: &[&str]| {
        let arguments = [&["channel", action, "--channel", "shop"], what].concat();
        let (code, out, error) = world.setup.crossdock(&arguments);
        assert_eq!(code, 0, "{out}{error}");
    };
    pause("pause", &["--sku", "CAP"]);
    world.shows([8, 7, 0]).await;
    pause("pause", &[]);
    world.shows([0, 0, 0]).await;
    pause("resume", &[]);
    world.shows([8, 7, 0]).await;
    pause("resume", &["--sku", "CAP"]);
    world.shows([8, 7, 10]).await;
    let cap = format!("inventory_item:{}", world.products[2].item);
    for (mode, shown) in [("not-in-wave", 0), ("live", 5)] {
        let share: &[&str] = match mode {
            "live" => &["--share-permille", "500"],
            _ => &[],
        };
        let arguments = [&["listing", "mode", "shop", &cap, mode], share].concat();
        let (code, out, error) = world.setup.crossdock(&arguments);
        assert_eq!(code, 0, "{out}{error}");
        world.shows([8, 7, shown]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_takes_up_what_it_had_not_published() {
    let mut world = World::start().await;
    world.publish().await;
    world.shows([10; 3]).await;
    for round in 0..3 {
        world.sell(&format!("K-{round}"), SKUS[round], 1).await;
        world.server.kill();
        world.server = world.setup.start().await;
        let mut units = [10; 3];
        units[..=round].fill(9);
        world.shows(units).await;
    }
}
