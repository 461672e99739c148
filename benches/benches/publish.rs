//! From the commit of a sale to the call on every other channel, on the real binary with simulated shops; what one channel
//! does to the others; and what 200,000 listings cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_channels::Secret;
use crossdock_model::Timestamp;
use crossdock_runtime::{Clock, RealClock};
use crossdock_sim::shopify::{
    Fault, Faults, Pace, Product, Rate, Serving, Shop, Store, StoreOptions,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::report::Report;
use crate::server::{Server, binary};

const TOKEN: &str = "token-of-the-bench";
const SECRET: &str = "secret-of-the-bench";
const SHOPS: usize = 3;
const SKUS: u64 = 5_000;
const UNITS: u32 = 1_000_000;
const SALES_PER_S: u64 = 200;
/// What a channel sells that is flooded, beside what all are sold.
const FLOOD_PER_S: u64 = 10 * SALES_PER_S / SHOPS as u64;
const WINDOW: Wait = Wait::from_secs(20);
const PAIRS: usize = 5;
/// Pause between two looks at all numbers.
const LOOK_PAUSE: Wait = Wait::from_secs(2);
/// Time for what is under way when a window ends.
const REST: Wait = Wait::from_secs(3);
const LISTINGS: u64 = 200_000;
/// What the numbers of a channel that was silent need until they are right again, at most.
const RECOVERY: Wait = Wait::from_secs(180);
/// What the first numbers need to be shown, at most.
const SETTING_UP: Wait = Wait::from_secs(1_800);
/// A budget that limits nothing.
const UNLIMITED: Rate = Rate {
    maximum: 1e12,
    restore_per_s: 1e12,
};

pub fn run(report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::start(SHOPS, SKUS, Sold::ByVariant).await;
        let lags = world.window(None).await;
        for (shop, lag) in lags.iter().enumerate() {
            let name = format!("lag p99 from asking for a sale to the call on shop {shop}");
            report.add(&name, lag.p99_ms, "ms", Some(("limit, ms", 100.0)));
        }
        world.isolation(report, "silent").await;
        world.isolation(report, "flooded").await;
    });
}

struct World {
    server: Server,
    shops: Vec<(Arc<Shop>, Serving)>,
    products: Vec<Vec<Product>>,
    clock: Arc<dyn Clock>,
}

/// What of a product is mapped: what is counted of it, and what orders name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sold {
    ByItem,
    ByVariant,
}

/// How long other channels waited.
struct Lag {
    p99_ms: f64,
}

impl World {
    /// Shops that show what there is of each SKU.
    async fn start(count: usize, skus: u64, sold_by: Sold) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let (mut shops, mut products, mut config) = (Vec::new(), Vec::new(), String::new());
        for number in 0..count {
            let mut store = Store::new(StoreOptions {
                rate: UNLIMITED,
                pace: Pace::BRISK,
                ..StoreOptions::default()
            });
            let place = store.add_location("Reno");
            let sold: Vec<Product> = (0..skus)
                .map(|sku| store.add_product(&format!("S-{sku}"), 1_000))
                .collect();
            for product in &sold {
                store.set_by_hand(product.item, place, 1, Timestamp::from_ms(1));
            }
            let secret = Secret::new;
            let shop = Shop::new(store, Arc::clone(&clock), secret(TOKEN), secret(SECRET));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let serving = shop.serve(listener).unwrap();
            let url = serving.url();
            config.push_str(&format!(
                "[channels.shop{number}]\nkind = \"shopify\"\nwebhook_secrets = [{{ file = \"secret\" }}]\n\
                 [channels.shop{number}.publish]\nurl = {url:?}\ntoken = {{ file = \"token\" }}\n\
                 places = {{ {place} = [\"reno\"] }}\npoints_per_s = 10000\n"
            ));
            shops.push((shop, serving));
            products.push(sold);
        }
        let configure = |dir: &std::path::Path| {
            std::fs::write(dir.join("token"), TOKEN).unwrap();
            std::fs::write(dir.join("secret"), SECRET).unwrap();
            config
        };
        let server = Server::start(&binary(), configure).await;
        server.stock(skus, UNITS).await;
        let world = Self {
            server,
            shops,
            products,
            clock,
        };
        world.connect(sold_by).await;
        world
    }

    async fn connect(&self, sold_by: Sold) {
        for (number, sold) in self.products.iter().enumerate() {
            let (mut lines, mut count) = (String::from("listing,sku\n"), 0);
            for (sku, product) in sold.iter().enumerate() {
                lines.push_str(&format!("inventory_item:{},S-{sku}\n", product.item));
                count += 1;
                if sold_by == Sold::ByVariant {
                    lines.push_str(&format!("{},S-{sku}\n", product.variant));
                    count += 1;
                }
            }
            let what = format!("listings?channel=shop{number}");
            self.server.import(&what, &lines, count).await;
            let path = format!("/v1/channels/shop{number}/mode");
            self.server
                .write("POST", &path, &json!({ "mode": "active" }))
                .await;
            let hook = format!("{}/webhooks/shop{number}", self.server.url);
            self.shops[number].0.with(|store, _| {
                for topic in ["orders/create", "orders/updated", "inventory_levels/update"] {
                    store.subscribe(topic, &hook);
                }
            });
        }
        self.until_right(SETTING_UP).await;
    }

    /// Waits until every shop shows all there is.
    async fn until_right(&self, most: Wait) {
        let until = Instant::now() + most;
        for number in 0..self.shops.len() {
            let path = format!("/v1/channels/shop{number}/numbers?wrong=true");
            loop {
                let page: serde_json::Value =
                    serde_json::from_str(&self.server.text(&path).await).unwrap();
                if page["items"].as_array().is_some_and(Vec::is_empty)
                    && page["next_cursor"].is_null()
                {
                    break;
                }
                assert!(Instant::now() < until, "shop{number} does not come right");
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
    }

    /// Sells through the API for a while; how long each shop's number waited. `flooded`: that shop sells as well.
    async fn window(&self, flooded: Option<usize>) -> Vec<Lag> {
        for (shop, _) in &self.shops {
            shop.with(|store, _| drop(store.take_writes()));
        }
        let (mut sales, mut number) = (Vec::new(), 0);
        let started = Instant::now();
        let mut flood = 0;
        while started.elapsed() < WINDOW {
            let due = started.elapsed().as_millis() as u64 * SALES_PER_S / 1_000;
            while number < due {
                number += 1;
                sales.push(tokio::spawn(self.sell(number)));
            }
            if let Some(shop) = flooded {
                let due = started.elapsed().as_millis() as u64 * FLOOD_PER_S / 1_000;
                while flood < due {
                    flood += 1;
                    // Of SKUs that nobody else sells meanwhile.
                    let product = self.products[shop][(flood * 2 % SKUS) as usize + 1];
                    let buy = |store: &mut Store, now| store.buy(product.variant, 1, now);
                    self.shops[shop].0.with(buy);
                }
            }
            tokio::time::sleep(Wait::from_millis(1)).await;
        }
        let mut sold = Vec::new();
        for sale in sales {
            sold.push(sale.await.unwrap());
        }
        tokio::time::sleep(REST).await;
        let shops = 0..self.shops.len();
        shops.map(|shop| self.lag(shop, &sold)).collect()
    }

    /// One unit of an even SKU; which it was, and when that was asked for: the sale is committed some milliseconds later, so
    /// that what is measured from here is no less than the lag.
    fn sell(&self, number: u64) -> impl Future<Output = (u64, Timestamp)> + use<> {
        let (http, clock) = (self.server.http.clone(), Arc::clone(&self.clock));
        let sku = (number * 2) % SKUS;
        let order = json!({
            "channel": "api", "destination": { "country": "US" },
            "external_id": format!("{}-{number}", self.clock.now().as_ms()),
            "lines": [{ "sku": format!("S-{sku}"), "units": 1 }],
        });
        let post = http
            .post(format!("{}/v1/orders", self.server.url))
            .bearer_auth(&self.server.key)
            .header("idempotency-key", order["external_id"].as_str().unwrap())
            .json(&order);
        async move {
            let asked_at = clock.now();
            let answer = post.send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            (sku, asked_at)
        }
    }

    /// From each sale to the first write of that item that began after the sale was made.
    fn lag(&self, shop: usize, sold: &[(u64, Timestamp)]) -> Lag {
        let writes = self.shops[shop].0.with(|store, _| store.take_writes());
        let mut by_item: BTreeMap<u64, Vec<Timestamp>> = BTreeMap::new();
        for write in writes {
            by_item.entry(write.item).or_default().push(write.at);
        }
        let mut lags: Vec<f64> = sold
            .iter()
            .map(|(sku, at)| {
                let item = self.products[shop][*sku as usize].item;
                let writes = by_item.get(&item).map_or(&[][..], Vec::as_slice);
                let first = writes.iter().find(|write| **write >= *at);
                first.map_or(f64::INFINITY, |write| write.since(*at).as_ms() as f64)
            })
            .collect();
        lags.sort_by(f64::total_cmp);
        let at = (lags.len() * 99).div_ceil(100).saturating_sub(1);
        Lag { p99_ms: lags[at] }
    }

    /// How much longer the others wait while the last shop is silent, or flooded.
    async fn isolation(&self, report: &mut Report, what: &str) {
        let last = self.shops.len() - 1;
        let others = |lags: &[Lag]| {
            lags[..last]
                .iter()
                .map(|lag| lag.p99_ms)
                .fold(0.0, f64::max)
        };
        let (mut calm, mut rough) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            calm.push(others(&self.window(None).await));
            let flooded = (what == "flooded").then_some(last);
            let faults = match what {
                "silent" => Faults::none(1).with(Fault::Silent, 1.0),
                _ => Faults::none(1),
            };
            self.shops[last].0.with(|store, _| store.set_faults(faults));
            rough.push(others(&self.window(flooded).await));
            self.shops[last]
                .0
                .with(|store, _| store.set_faults(Faults::none(1)));
            self.until_right(RECOVERY).await;
        }
        let median = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let changes = rough.iter().zip(&calm).map(|(rough, calm)| rough - calm);
        let change = median(changes.collect());
        let share = if what == "silent" { 0.1 } else { 0.2 };
        let limit = (median(calm.clone()) * share).max(5.0);
        let name = format!("change of the others' lag p99 while one channel is {what}");
        report.add(&name, change, "ms", Some(("limit, ms", limit)));
        let name = format!("lag p99 of the others while one channel is {what}");
        report.add(
            &name,
            median(rough),
            "ms",
            Some(("while all is calm, ms", median(calm))),
        );
    }
}

/// What two channels with 200,000 listings each cost.
pub fn listings(report: &mut Report) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::start(2, LISTINGS, Sold::ByItem).await;
        let limit = || Some(("limit, MB", 500.0));
        let megabytes = |server: &Server| server.resident_bytes() as f64 / 1e6;
        report.add(
            "memory once 2 x 200,000 listings are published",
            megabytes(&world.server),
            "MB",
            limit(),
        );
        let took = world.server.restart(&binary()).await;
        let started = took.as_secs_f64() * 1_000.0;
        report.add("start with 2 x 200,000 listings", started, "ms", None);
        world.until_right(RECOVERY).await;
        report.add(
            "memory after a start with 2 x 200,000 listings, all looked at",
            megabytes(&world.server),
            "MB",
            limit(),
        );
    });
}
