//! From the commit of a sale to the call on every other channel, on the real binary with simulated shops; what one channel
//! does to the others; and what 200,000 listings cost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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

use crate::report::{Report, Row, middle};
use crate::server::Server;

const TOKEN: &str = "token-of-the-bench";
const SECRET: &str = "secret-of-the-bench";
const SHOPS: usize = 3;
const SKUS: u64 = 5_000;
const UNITS: u32 = 1_000_000;
/// 200 sales a second, as many as make the machine busy.
const BUSY: Load = Load {
    sales_per_s: 200,
    flood_per_s: 0,
};
/// Ten sales a second for each channel. A machine of two cores that runs the shops as well has some to spare then, also
/// when one of them sells ten times that: what is measured is what a channel takes from the others, and not the machine.
const SPARE: Load = Load {
    sales_per_s: 10 * SHOPS as u64,
    flood_per_s: 0,
};
const FLOODED: Load = Load {
    flood_per_s: 10 * SPARE.sales_per_s / SHOPS as u64,
    ..SPARE
};
/// Ten times a channel's part of what makes the machine busy already.
const OVERLOADED: Load = Load {
    flood_per_s: 10 * BUSY.sales_per_s / SHOPS as u64,
    ..BUSY
};
const TROUBLES: [Trouble; 3] = [
    Trouble {
        what: "silent",
        calm: SPARE,
        rough: SPARE,
        fault: Some(Fault::Silent),
        windows_before: 3,
        share_max: Some(0.1),
    },
    Trouble {
        what: "flooded",
        calm: SPARE,
        rough: FLOODED,
        fault: None,
        windows_before: 0,
        share_max: Some(0.2),
    },
    Trouble {
        what: "overloaded",
        calm: BUSY,
        rough: OVERLOADED,
        fault: None,
        windows_before: 0,
        share_max: None,
    },
];
/// A change that is not told from none.
const CHANGE_MS_MAX: f64 = 5.0;
const WINDOW: Wait = Wait::from_secs(20);
const PAIRS: usize = 5;
/// Pause between two looks at all numbers.
const LOOK_PAUSE: Wait = Wait::from_secs(2);
/// Time for what is under way when a window ends.
const REST: Wait = Wait::from_secs(3);
const LISTINGS: u64 = 200_000;
const MEMORY_MB_MAX: f64 = 500.0;
/// What the numbers of a channel that was silent need until they are right again, and what a flood left until it is worked
/// off, at most.
const RECOVERY: Wait = Wait::from_secs(180);
/// Looks in a row by which nothing is left: some of it may be in the journal only.
const CALM_LOOKS: u32 = 3;
/// What it takes until what nobody asks any more is passive, at most.
const IDLE: Wait = Wait::from_secs(300);
/// By then each has begun another life: after ten minutes.
const RENEWED: Wait = Wait::from_secs(11 * 60);
/// Buckets, channels and the like stay.
const IDLE_ENTITIES_MAX: u64 = 1_000;
/// What the first numbers need to be shown, at most.
const SETTING_UP: Wait = Wait::from_secs(1_800);
/// A budget that limits nothing.
const UNLIMITED: Rate = Rate {
    maximum: 1e12,
    restore_per_s: 1e12,
};

/// `publish lag`, and `publish` with what is wrong: those of them that are wanted.
pub fn run(report: &mut Report, binary: fn() -> PathBuf, wanted: impl Fn(&str) -> bool) {
    let lag = wanted("publish lag");
    let mut troubles = TROUBLES.iter().collect::<Vec<_>>();
    troubles.retain(|trouble| wanted(&format!("publish {}", trouble.what)));
    if !lag && troubles.is_empty() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::start(&binary(), SHOPS, SKUS, Sold::ByVariant).await;
        world.until_calm().await;
        if lag {
            let lags = world.window(BUSY).await;
            for (shop, lag) in lags.iter().enumerate() {
                let name = format!("lag p99 from asking for a sale to the call on shop {shop}");
                report.add(Row::new(name, lag.p99_ms, "ms").at_most(100.0));
            }
        }
        for trouble in troubles {
            world.isolation(report, trouble).await;
        }
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

/// What is sold in a window.
#[derive(Debug, Clone, Copy)]
struct Load {
    /// Through the API, which every shop is told of.
    sales_per_s: u64,
    /// By the last shop.
    flood_per_s: u64,
}

/// What is wrong with the last shop for a while.
struct Trouble {
    what: &'static str,
    calm: Load,
    rough: Load,
    fault: Option<Fault>,
    /// Windows of it before the one that is measured: some calls wait in vain, until no more are made.
    windows_before: u32,
    /// By how much the others' lag may change, as a share of it.
    share_max: Option<f64>,
}

/// How long other channels waited.
struct Lag {
    p99_ms: f64,
}

impl World {
    /// Shops that show what there is of each SKU.
    async fn start(binary: &Path, count: usize, skus: u64, sold_by: Sold) -> Self {
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
        let server = Server::start(binary, configure).await;
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

    /// Waits until every number is right, and what came before is worked off and folded.
    async fn until_calm(&self) {
        self.until_right(RECOVERY).await;
        let (until, mut calm) = (Instant::now() + RECOVERY, 0);
        while calm < CALM_LOOKS {
            assert!(Instant::now() < until, "what came before is not worked off");
            tokio::time::sleep(LOOK_PAUSE).await;
            let figures = self.server.text("/metrics").await;
            let none = ["deliveries_open", "insight_lag_records"]
                .iter()
                .all(|name| figures.contains(&format!("\ncrossdock_{name} 0\n")));
            calm = if none { calm + 1 } else { 0 };
        }
    }

    /// Waits until nearly all entities that nobody asks any more are passive, and the others were brought to life anew.
    async fn until_settled(&self) {
        self.until_idle().await;
        tokio::time::sleep(RENEWED).await;
        self.until_idle().await;
    }

    async fn until_idle(&self) {
        let until = Instant::now() + IDLE;
        loop {
            let figures = self.server.text("/metrics").await;
            let live = figures
                .lines()
                .find_map(|line| line.strip_prefix("crossdock_actors "));
            if live.unwrap().parse::<u64>().unwrap() < IDLE_ENTITIES_MAX {
                return;
            }
            assert!(Instant::now() < until, "what is idle stays in memory");
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Sells for a while; how long each shop's number waited for what was sold through the API.
    async fn window(&self, load: Load) -> Vec<Lag> {
        for (shop, _) in &self.shops {
            shop.with(|store, _| drop(store.take_writes()));
        }
        let (mut sales, mut number) = (Vec::new(), 0);
        let started = Instant::now();
        let mut flood = 0;
        while started.elapsed() < WINDOW {
            let due = started.elapsed().as_millis() as u64 * load.sales_per_s / 1_000;
            while number < due {
                number += 1;
                sales.push(tokio::spawn(self.sell(number)));
            }
            let due = started.elapsed().as_millis() as u64 * load.flood_per_s / 1_000;
            while flood < due {
                flood += 1;
                self.buy_of_last(flood);
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

    /// A shopper buys one unit of an odd SKU at the last shop; nobody else sells that meanwhile.
    fn buy_of_last(&self, number: u64) {
        let last = self.shops.len() - 1;
        let product = self.products[last][(number * 2 % SKUS) as usize + 1];
        let buy = |store: &mut Store, now| store.buy(product.variant, 1, now);
        self.shops[last].0.with(buy);
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

    /// How much longer the others wait while the last shop is in trouble.
    async fn isolation(&self, report: &mut Report, trouble: &Trouble) {
        let last = self.shops.len() - 1;
        let others = |lags: &[Lag]| {
            lags[..last]
                .iter()
                .map(|lag| lag.p99_ms)
                .fold(0.0, f64::max)
        };
        let fail = |faults| self.shops[last].0.with(|store, _| store.set_faults(faults));
        let (mut calm, mut rough) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            self.until_calm().await;
            calm.push(others(&self.window(trouble.calm).await));
            let faults = Faults::none(1);
            fail(match trouble.fault {
                Some(fault) => faults.with(fault, 1.0),
                None => faults,
            });
            for _ in 0..trouble.windows_before {
                self.window(trouble.rough).await;
            }
            rough.push(others(&self.window(trouble.rough).await));
            fail(Faults::none(1));
        }
        let ms = |lags: &[f64]| {
            lags.iter()
                .map(|lag| format!("{lag:.0}"))
                .collect::<Vec<_>>()
        };
        eprintln!(
            "{}: calm {}, rough {} ms",
            trouble.what,
            ms(&calm).join(" "),
            ms(&rough).join(" ")
        );
        let changes = rough.iter().zip(&calm).map(|(rough, calm)| rough - calm);
        let change = middle(changes.collect());
        let (calm, rough) = (middle(calm), middle(rough));
        let what = trouble.what;
        let name = format!("change of the others' lag p99 while one channel is {what}");
        let row = Row::new(name, change, "ms");
        report.add(match trouble.share_max {
            Some(share) => row.at_most((calm * share).max(CHANGE_MS_MAX)),
            None => row,
        });
        let name = format!("lag p99 of the others while one channel is {what}");
        report.add(Row::new(name, rough, "ms").against("while all is calm", Some(calm)));
    }
}

/// What two channels with 200,000 listings each cost.
pub fn listings(report: &mut Report, binary: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::start(binary, 2, LISTINGS, Sold::ByItem).await;
        let megabytes = |server: &Server| server.resident_bytes() as f64 / 1e6;
        let row = |name: &str, server: &Server| Row::new(name, megabytes(server), "MB");
        let name = "memory right after 2 x 200,000 listings were imported and published";
        report.add(row(name, &world.server));
        world.until_settled().await;
        let name = "memory once 2 x 200,000 listings are published";
        report.add(row(name, &world.server).at_most(MEMORY_MB_MAX));
        let took = world.server.restart().await;
        let started = took.as_secs_f64() * 1_000.0;
        report.add(Row::new("start with 2 x 200,000 listings", started, "ms"));
        world.until_right(RECOVERY).await;
        let name = "memory after a start with 2 x 200,000 listings, all looked at";
        report.add(row(name, &world.server).at_most(MEMORY_MB_MAX));
    });
}
