//! The real binary and channels that are read: what they do not tell is found out, and numbers rise only after that.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::Arc;

use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::testing::comes_true;
use crossdock_runtime::{Clock, RealClock};
use crossdock_sim::amazon::{self, Listing};
use crossdock_sim::shopify::{Fault, Faults, Product, Rate, Serving, Shop, Store, StoreOptions};
use serde_json::{Value, json};
use support::seat::Seat;
use support::{SECRET, Server, Setup, settled, stock, until};
use tokio::net::TcpListener;

/// Enough that no test waits for it.
const RATE: Rate = Rate {
    maximum: 20_000.0,
    restore_per_s: 1_000.0,
};
const TOKEN: &str = "token-of-the-tests";

fn clock() -> Arc<dyn Clock> {
    Arc::new(RealClock::default())
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn head(setup: &Setup) -> String {
    for (file, secret) in [("secret", SECRET), ("token", TOKEN)] {
        std::fs::write(setup.dir.path().join(file), secret).unwrap();
    }
    setup.head()
}

fn publish(setup: &Setup, channel: &str) {
    let (code, out, error) = setup.crossdock(&["channel", "publish", "--channel", channel]);
    assert_eq!(code, 0, "{out}{error}");
}

async fn receive(server: &Server, sku: &str, location: &str, units: u32) {
    let path = format!("/v1/stock/{sku}/receipts");
    let receipt = json!({ "location": location, "units": units });
    server.done("POST", &path, receipt).await;
}

async fn exceptions(server: &Server, kind: &str) -> Vec<Value> {
    let found = server.get(&format!("/v1/exceptions?kind={kind}")).await;
    found["items"].as_array().unwrap().clone()
}

/// A shop of two places that show 99 of a mug, of which there are 10 in Reno and 5 in York, and a server that may publish
/// to it: to each place its own, or all to the first.
struct World {
    shop: Arc<Shop>,
    _serving: Serving,
    places: [u64; 2],
    mug: Product,
    setup: Setup,
    server: Server,
}

impl World {
    async fn start(faults: Faults, is_split: bool) -> Self {
        let secret = crossdock_channels::Secret::new;
        let mut store = Store::new(StoreOptions {
            rate: RATE,
            faults,
            ..StoreOptions::default()
        });
        let places = ["Reno", "York"].map(|name| store.add_location(name));
        let mug = store.add_product("MUG", 2_400);
        for place in places {
            store.set_by_hand(mug.item, place, 99, Timestamp::from_ms(1));
        }
        let shop = Shop::new(store, clock(), secret(TOKEN), secret(SECRET));
        let serving = shop.serve(listener().await).unwrap();
        let mut setup = Setup::new();
        setup.config_text = Some(format!(
            "{}[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{{ file = \"secret\" }}]\n\
             [channels.shop.publish]\nurl = {:?}\ntoken = {{ file = \"token\" }}\nlist_lag_s = 1\n\
             points_per_s = 1000\nwebhook_url = \"http://127.0.0.1:{}/webhooks/shop\"\n\
             places = {{ {} }}\n",
            head(&setup),
            serving.url(),
            setup.port,
            match is_split {
                true => format!("{} = [\"reno\"], {} = [\"york\"]", places[0], places[1]),
                false => format!("{} = [\"reno\", \"york\"]", places[0]),
            },
        ));
        let server = setup.start().await;
        stock(&server, None, &[("MUG", 10)]).await;
        let york = json!({
            "name": "York", "time_zone": "America/New_York", "country": "US", "state": "PA",
            "acknowledge_within_minutes": 600,
        });
        server.done("PUT", "/v1/locations/york", york).await;
        receive(&server, "MUG", "york", 5).await;
        let path = format!("/v1/channels/shop/listings/inventory_item:{}", mug.item);
        server.done("PUT", &path, json!({ "sku": "MUG" })).await;
        publish(&setup, "shop");
        let world = Self {
            shop,
            _serving: serving,
            places,
            mug,
            setup,
            server,
        };
        world.shows(if is_split { [10, 5] } else { [15, 99] }).await;
        world
    }

    fn shown(&self) -> [i64; 2] {
        self.shop.with(|store, _| {
            let shown = |place| store.available(self.mug.item, place).unwrap_or(-1);
            self.places.map(shown)
        })
    }

    async fn shows(&self, units: [i64; 2]) {
        if !comes_true(async || self.shown() == units).await {
            let numbers = self.server.get("/v1/channels/shop/numbers").await;
            let log = self.setup.log_text();
            panic!("{:?} instead of {units:?}; {numbers}; {log}", self.shown());
        }
    }
}

/// Units were sold, and nobody said so; then some arrive. With two places only orders tell which number fell by what.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_webhook_is_made_good_before_a_number_rises() {
    let all_lost = Faults::none(1).with(Fault::Lost, 1.0);
    let mut world = World::start(all_lost, true).await;
    let order = world
        .shop
        .with(|store, now| store.buy(world.mug.variant, 3, now))
        .unwrap();
    receive(&world.server, "MUG", "york", 2).await;
    world.shows([7, 7]).await;
    let order = format!("shop:{order}");
    settled(&world.server, &order, &["requested"]).await;
    world.server.kill();
    world.server = world.setup.start().await;
    receive(&world.server, "MUG", "reno", 1).await;
    world.shows([8, 7]).await;
    let known = world.server.get("/v1/orders?channel=shop").await;
    assert_eq!(known["items"].as_array().unwrap().len(), 1, "{known}");
    assert!(exceptions(&world.server, "listing_drift").await.is_empty());
}

/// A shop goes live with an open order: it is read from the shop, reserved, and not sent.
#[tokio::test(flavor = "multi_thread")]
async fn open_orders_are_adopted_straight_from_the_channel() {
    let all_lost = Faults::none(1).with(Fault::Lost, 1.0);
    let world = World::start(all_lost, false).await;
    let buy = |units| {
        let variant = world.mug.variant;
        world.shop.with(|store, now| store.buy(variant, units, now))
    };
    let from = "2100-01-01T00:00:00Z";
    let adopt = |more: &[&str]| {
        let arguments = [
            &[
                "channel",
                "adopt",
                "--json",
                "--channel",
                "shop",
                "--from",
                from,
                "--days",
                "40000",
            ],
            more,
        ];
        let (code, out, error) = world.setup.crossdock(&arguments.concat());
        assert_eq!(code, 0, "{out}{error}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    // From here on what is read is adopted, whoever reads it first.
    assert_eq!(adopt(&[])["adopted"], json!([]));
    let (open, over) = (buy(2).unwrap(), buy(1).unwrap());
    world
        .shop
        .with(|store, now| store.cancel(over, "customer", true, now));
    for more in [&["--preview"][..], &[]] {
        let adopted = adopt(more);
        let adopted = adopted["adopted"].as_array().unwrap();
        assert_eq!(adopted.len(), 1, "{adopted:?}");
        assert_eq!(adopted[0]["order"], format!("shop:{open}"));
    }
    settled(&world.server, &format!("shop:{open}"), &["reserved"]).await;
}

/// Somebody lowers a number by hand in the shop: no order explains it, so it is told, and put right.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_by_hand_is_told_and_put_right() {
    let world = World::start(Faults::default(), false).await;
    let [reno, _] = world.places;
    world
        .shop
        .with(|store, now| store.set_by_hand(world.mug.item, reno, 4, now));
    world.shows([15, 99]).await;
    until("it is told", async || {
        !exceptions(&world.server, "listing_drift").await.is_empty()
    })
    .await;
}

/// The shop has deleted all subscriptions while the server was away: they are made again, and what was missed is read.
#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_that_the_shop_deleted_are_made_again() {
    let mut world = World::start(Faults::default(), false).await;
    let subscribed = |world: &World| world.shop.with(|store, _| store.subscribed());
    until("all topics are subscribed", async || {
        subscribed(&world) == 9
    })
    .await;
    let buy = |world: &World| {
        let buy = world
            .shop
            .with(|store, now| store.buy(world.mug.variant, 1, now));
        format!("shop:{}", buy.unwrap())
    };
    let told = buy(&world);
    settled(&world.server, &told, &["requested"]).await;
    let kept = async || world.server.get("/v1/channels/shop").await["read_up_to"].is_string();
    until("it is noted that orders were read", kept).await;
    world.server.kill();
    world.shop.with(|store, _| store.delete_subscriptions());
    let missed = buy(&world);
    world.server = world.setup.start().await;
    until("they are made again", async || subscribed(&world) == 9).await;
    settled(&world.server, &missed, &["requested"]).await;
    until("it was told", async || {
        let path = "/v1/exceptions?kind=subscription_lost&state=closed";
        let found = world.server.get(path).await;
        found["items"]
            .as_array()
            .is_some_and(|items| items.len() == 1)
    })
    .await;
}

/// Amazon tells nothing: it is read. What it sold meanwhile is not put back by what arrives, whatever goes wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_market_that_tells_nothing_is_read_before_a_number_rises() {
    let options = amazon::Options {
        list_lag: Duration::from_s(1),
        ..amazon::Options::default()
    };
    let seat = Seat::open(options, 10).await;
    let market = &seat.market;
    let mut setup = Setup::new();
    setup.config_text = Some(seat.config(&setup, "", "list_lag_s = 1\n"));
    let mut server = setup.start().await;
    stock(&server, None, &[("TEE", 10)]).await;
    let listing = "/v1/channels/market/listings/TEE";
    server.done("PUT", listing, json!({ "sku": "TEE" })).await;
    publish(&setup, "market");
    let shown = || market.with(|account, now| account.shown("TEE", now).unwrap());
    until("room is left for unseen sales", async || {
        (1..10).contains(&shown())
    })
    .await;
    let order = market.with(|account, now| account.buy("TEE", 1, now).unwrap());
    receive(&server, "TEE", "reno", 20).await;
    server.kill();
    server = setup.start().await;
    until("what arrived is shown", async || {
        let shown = shown();
        assert!(shown <= 29, "{shown} are shown");
        shown > 20
    })
    .await;
    // It is not paid: reserved, and not to leave.
    settled(&server, &format!("market:{order}"), &["reserved"]).await;
    let known = server.get("/v1/orders?channel=market").await;
    assert_eq!(known["items"].as_array().unwrap().len(), 1, "{known}");
    let channel = server.get("/v1/channels/market").await;
    assert!(channel["read_up_to"].is_string(), "{channel}");
    market.revoke_tokens();
    let before = shown();
    receive(&server, "TEE", "reno", 5).await;
    until("it goes on with another token", async || shown() > before).await;
    assert!(market.seen().denied > 0, "the token was not good any more");
}

/// Somebody buys and does not pay: the market puts it back on sale, on top of what was written meanwhile. The order is heard
/// of when it is cancelled already.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_market_puts_back_on_sale_is_taken_off() {
    let options = amazon::Options {
        list_lag: Duration::from_ms(0),
        payment_takes: Duration::from_s(8),
        payments_fail: 1.0,
        ..amazon::Options::default()
    };
    let seat = Seat::open(options, 30).await;
    let market = &seat.market;
    let mug = Listing::of_seller("Mug", 900, 0);
    market.with(|account, _| account.list("MUG", mug));
    let mut setup = Setup::new();
    setup.config_text = Some(seat.config(&setup, "", "list_lag_s = 1\n"));
    let server = setup.start().await;
    stock(&server, None, &[("TEE", 30), ("MUG", 1)]).await;
    for sku in ["TEE", "MUG"] {
        let listing = format!("/v1/channels/market/listings/{sku}");
        server.done("PUT", &listing, json!({ "sku": sku })).await;
    }
    publish(&setup, "market");
    let shown = || market.with(|account, now| account.shown("TEE", now).unwrap());
    until("room is left for unseen sales", async || shown() < 30).await;
    let before = shown();
    let order = market.with(|account, now| account.buy("TEE", 1, now).unwrap());
    let lost = json!({ "location": "reno", "delta": -2, "reason": "damaged" });
    server.done("POST", "/v1/stock/TEE/adjustments", lost).await;
    until("less is shown", async || shown() < before - 1).await;
    let is_cancelled = |order: &amazon::Order| order.status() == amazon::Status::Cancelled;
    until("it is put back", async || {
        market.with(|account, now| {
            account.settle(now);
            account.orders().iter().all(is_cancelled)
        })
    })
    .await;
    // Its number can rise once orders are read.
    receive(&server, "MUG", "reno", 20).await;
    settled(&server, &format!("market:{order}"), &["cancelled"]).await;
    until("as much is shown as should be", async || {
        let numbers = server.get("/v1/channels/market/numbers").await;
        let mut items = numbers["items"].as_array().unwrap().iter();
        let tee = items.find(|item| item["listing"] == "TEE").unwrap();
        tee["wrong_since"].is_null() && tee["should"] == shown()
    })
    .await;
}

/// It is mapped like all else: the preview names it, and publishing would change the other one only.
#[tokio::test(flavor = "multi_thread")]
async fn the_preview_names_what_amazon_fulfils() {
    let seat = Seat::open(amazon::Options::default(), 10).await;
    let lamp = Listing {
        amazon_ships: true,
        ..Listing::of_seller("Lamp", 900, 5)
    };
    seat.market.with(|account, _| account.list("LAMP", lamp));
    let mut setup = Setup::new();
    setup.config_text = Some(seat.config(&setup, "", ""));
    let server = setup.start().await;
    stock(&server, None, &[("TEE", 30), ("LAMP", 7)]).await;
    for sku in ["TEE", "LAMP"] {
        let listing = format!("/v1/channels/market/listings/{sku}");
        server.done("PUT", &listing, json!({ "sku": sku })).await;
    }
    let preview = ["channel", "publish", "--channel", "market", "--preview"];
    let names = async || {
        let (code, out, error) = setup.crossdock(&preview);
        assert_eq!(code, 0, "{out}{error}");
        let (changes, left) = out.split_once("left alone").unwrap_or((&out, ""));
        let is_left = left.contains("(Amazon fulfils them): 1 listing") && left.contains("LAMP");
        is_left && changes.contains("1 number would change") && !changes.contains("LAMP")
    };
    until("it is named", names).await;
}

/// What the seller lists is read from Amazon: mapped by its SKU, but for what Amazon fulfils.
#[tokio::test(flavor = "multi_thread")]
async fn a_sellers_listings_are_imported() {
    let seat = Seat::open(amazon::Options::default(), 10).await;
    let lamp = Listing {
        amazon_ships: true,
        ..Listing::of_seller("Lamp", 900, 5)
    };
    seat.market.with(|account, _| account.list("LAMP", lamp));
    let mut setup = Setup::new();
    setup.config_text = Some(seat.config(&setup, "", ""));
    let server = setup.start().await;
    stock(&server, None, &[("TEE", 12), ("LAMP", 7)]).await;
    let (code, out, error) = setup.crossdock(&["listing", "import", "--channel", "market"]);
    assert_eq!(code, 0, "{out}{error}");
    let told = format!("{out}{error}");
    let counts = "2 variants: 1 mapped, 1 left out, as the channel sends them itself";
    assert!(told.contains(counts), "{told}");
    let is_listed = async || {
        let listings = server.get("/v1/channels/market/listings").await;
        let listings = listings["items"].as_array().unwrap();
        assert!(listings.len() <= 1, "{listings:?}");
        listings.iter().any(|listing| listing["sku"] == "TEE")
    };
    until("it is listed", is_listed).await;
}
