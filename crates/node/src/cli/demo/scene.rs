//! The scene of a demo: the real server on a journal of its own, a shop, a seller's account, a till and three
//! warehouses around it, and shoppers who come to all of them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use crossdock_api::Page;
use crossdock_channels::Secret;
use crossdock_model::v1::Scope;
use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::{Clock, RealClock};
use crossdock_sim::Dice;
use crossdock_sim::shopify::{Faults, Pace, Product, Rate, Serving, Shop, Store, StoreOptions};
use crossdock_sim::world::{
    Counter, Door, Habits, Manner, MarketFront, Mishap, Open, ShopFront, Till, Visits, Warehouse,
    WorkPace, visit,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::super::client::{Client, random_key};
use super::super::exit::{Failure, Outcome};
use super::market::{LISTED, Stand};
use super::{Args, mischief, supply};
use crate::config::Config;
use crate::first_key::create_key;
use crate::serve::{Options, Server};

/// The shop's channel.
pub(super) const SHOP: &str = "shop";
/// The till's channel.
pub(super) const TILL: &str = "till";
/// Where goods lie: name, state, latitude and longitude.
const LOCATIONS: [(&str, &str, f64, f64); 3] = [
    ("reno", "NV", 39.53, -119.81),
    ("tulsa", "OK", 36.15, -95.99),
    ("york", "PA", 39.96, -76.73),
];
/// Things that are sold.
const SKUS: usize = 120;
/// Share of the visits that go to the till.
const TILL_SHARE: f64 = 0.35;
/// Share of the visits that go to the seller's account.
const MARKET_SHARE: f64 = 0.05;
/// Share of the shop's visits that cancel an order, and as many that take a unit out of one.
const CHANGES: f64 = 0.01;
/// Zipf's exponent of what is wanted.
const ZIPF: f64 = 0.9;
/// Units that a shopper wants, on average.
const UNITS_MEAN: f64 = 1.25;
/// Points a second of the shop's API: those of a large shop's plan.
const POINTS_PER_S: u32 = 1_000;
/// How late the shop lists orders.
const LIST_LAG: Duration = Duration::from_s(2);
/// Things that are set up at once.
const SET_UP_AT_ONCE: usize = 16;

/// Something that is sold.
#[derive(Debug, Clone)]
pub(super) struct Goods {
    pub sku: String,
    pub product: Product,
    /// What shoppers would buy of it.
    pub units_per_s: f64,
}

/// The scene.
pub(super) struct Scene {
    pub server: Server,
    pub shop: Arc<Shop>,
    pub place: u64,
    pub stand: Stand,
    pub till: Arc<Till>,
    pub warehouses: Vec<Arc<Warehouse>>,
    pub goods: Vec<Goods>,
    pub clock: Arc<dyn Clock>,
    stop: watch::Sender<bool>,
    visits: Vec<JoinHandle<Visits>>,
    /// Goods that come in, and trouble.
    rest: Vec<JoinHandle<()>>,
    _serving: Serving,
    _open: Vec<Open>,
    _folder: TempDir,
}

/// Secrets of a scene, made for it.
struct Secrets {
    webhooks: String,
    token: String,
    warehouses: String,
}

impl Secrets {
    /// New ones, in files of their own.
    fn make(folder: &Path) -> Outcome<Self> {
        let made = Self {
            webhooks: random_key()?,
            token: random_key()?,
            warehouses: random_key()?,
        };
        let files = [
            (&made.webhooks, "shop-webhooks"),
            (&made.token, "shop-token"),
            (&made.warehouses, "warehouses"),
        ];
        for (secret, name) in files {
            std::fs::write(folder.join(name), secret).context("temporary secrets")?;
        }
        Ok(made)
    }
}

/// A shop that shows none of anything yet.
fn shop(seed: u64, clock: &Arc<dyn Clock>, secrets: &Secrets) -> (Arc<Shop>, u64, Vec<Product>) {
    let mut store = Store::new(StoreOptions {
        rate: Rate {
            maximum: f64::from(POINTS_PER_S) * 20.0,
            restore_per_s: f64::from(POINTS_PER_S),
        },
        list_lag: LIST_LAG,
        pace: Pace::BRISK,
        ..StoreOptions::default()
    });
    let place = store.add_location("All warehouses");
    let products: Vec<Product> = (0..SKUS)
        .map(|rank| store.add_product(&sku(rank), 1_900 + 100 * (rank as u64 % 30)))
        .collect();
    for product in &products {
        store.set_by_hand(product.item, place, 0, Timestamp::from_ms(1));
    }
    store.set_faults(Faults::none(seed));
    let (token, signs) = (
        Secret::new(&*secrets.token),
        Secret::new(&*secrets.webhooks),
    );
    let shop = Shop::new(store, Arc::clone(clock), token, signs);
    (shop, place, products)
}

/// What happens in the warehouses, how often.
fn manner() -> Manner {
    let often = [
        (Mishap::Unheard, 0.02),
        (Mishap::Slow, 0.01),
        (Mishap::Rejected, 0.01),
        (Mishap::ShortPicked, 0.01),
        (Mishap::Late, 0.02),
        (Mishap::Parcels, 0.3),
    ];
    Manner {
        pace: WorkPace::BRISK,
        chances: often.into(),
    }
}

fn sku(rank: usize) -> String {
    format!("SKU-{:03}", rank + 1)
}

/// The server's configuration, as anybody would write it.
fn config(
    args: &Args,
    folder: &Path,
    listen: SocketAddr,
    (shop_url, place): (&str, u64),
    market: &str,
) -> Outcome<Config> {
    let data = args.data.clone().unwrap_or_else(|| folder.join("data"));
    let data = std::path::absolute(data).context("the data folder")?;
    let text = format!(
        r#"
        [server]
        listen = "{listen}"
        [data]
        dir = {data:?}
        [warehouse]
        allow_private_addresses = true
        [secrets]
        warehouses = {{ file = "warehouses" }}
        [channels.{TILL}]
        kind = "api"
        sale = "asks"
        [channels.{SHOP}]
        kind = "shopify"
        webhook_secrets = [{{ file = "shop-webhooks" }}]
        [channels.{SHOP}.publish]
        url = {shop_url:?}
        token = {{ file = "shop-token" }}
        places = {{ {place} = ["reno", "tulsa", "york"] }}
        points_per_s = {POINTS_PER_S}
        webhook_url = "http://{listen}/webhooks/{SHOP}"
        recheck_minutes = 1
        {market}
        "#,
    );
    let config = Config::parse(&folder.join("demo.toml"), &text);
    config.map_err(|mistakes| Failure::config(&mistakes))
}

async fn listener(address: &str) -> Outcome<TcpListener> {
    let bound = TcpListener::bind(address).await;
    Ok(bound.with_context(|| format!("listening on {address}"))?)
}

impl Scene {
    /// Sets everything up and lets shoppers in.
    pub(super) async fn start(args: &Args, page: Page) -> Outcome<Self> {
        let folder = TempDir::with_prefix("crossdock-demo-").context("a temporary folder")?;
        let secrets = Secrets::make(folder.path())?;
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let (shop, place, products) = shop(args.seed, &clock, &secrets);
        let serving = shop
            .serve(listener("127.0.0.1:0").await?)
            .context("the shop")?;
        // The shop is told where its webhooks go before the server listens there.
        let listen = listener(&args.listen)
            .await?
            .local_addr()
            .context("listening")?;
        let goods = goods(args, products);
        let stand = Stand::open(listener("127.0.0.1:0").await?, args.seed, &clock, &goods)?;
        for (secret, name) in stand.secrets() {
            std::fs::write(folder.path().join(name), secret).context("temporary secrets")?;
        }
        let shop_at = (serving.url(), place);
        let config = config(args, folder.path(), listen, shop_at, &stand.config())?;
        let options = Options {
            page: Some(page),
            ..Options::default()
        };
        let server = Server::start(config, options).await?;
        let url = format!("http://{}", server.addr);
        let key = create_key(&server.handle, "demo", Scope::Admin, None).await?;
        let client = Client::new(&url, Some(key.clone()))?;
        let door = Door::new(&url, Secret::new(key), Arc::clone(&clock)).context("HTTP")?;
        let mut dice = Dice::new(args.seed);
        let (warehouses, open) = warehouses(&client, &door, &clock, &secrets, &mut dice).await?;
        fill(&client, &warehouses, &goods).await?;
        publish(&client).await?;
        stand.publish(&client, &goods).await?;
        shown(&shop, place, &goods, &warehouses).await?;
        shop.with(|store, _| store.set_faults(mischief::faults(args.seed)));
        let till = Arc::new(Till::new(door, TILL, skus(&goods)));
        let (stop, stopped) = watch::channel(false);
        let doing = Doing {
            args,
            goods: &goods,
            clock: &clock,
            stopped,
        };
        let visits = doing.visits(&till, &shop, &stand, &mut dice);
        let rest = doing.rest(&shop, &warehouses, &mut dice);
        Ok(Self {
            server,
            shop,
            place,
            stand,
            till,
            warehouses,
            goods,
            clock,
            stop,
            visits,
            rest,
            _serving: serving,
            _open: open,
            _folder: folder,
        })
    }

    /// Nobody comes any more, and nothing goes wrong any more. Returns once the last shoppers have left.
    pub(super) async fn calm_down(&mut self) -> Visits {
        // It is received by the tasks that are awaited here.
        let _ = self.stop.send(true);
        let mut all = Visits::default();
        for visits in self.visits.drain(..) {
            let visits = visits.await.unwrap_or_default();
            all.bought += visits.bought;
            all.left += visits.left;
            all.changed += visits.changed;
        }
        for task in self.rest.drain(..) {
            let _ = task.await;
        }
        self.shop.with(|store, _| {
            // The last thing that goes wrong: what is on its way is never told.
            store.delete_subscriptions();
            let calm = store.faults().clone().calmed();
            store.set_faults(calm);
        });
        self.warehouses.iter().for_each(|one| one.calm_down());
        all
    }
}

/// What goes on in a scene until it is stopped.
struct Doing<'a> {
    args: &'a Args,
    goods: &'a [Goods],
    clock: &'a Arc<dyn Clock>,
    stopped: watch::Receiver<bool>,
}

impl Doing<'_> {
    /// Shoppers come to the till and to the shop.
    fn visits(
        &self,
        till: &Arc<Till>,
        shop: &Arc<Shop>,
        stand: &Stand,
        dice: &mut Dice,
    ) -> Vec<JoinHandle<Visits>> {
        let front = ShopFront {
            shop: Arc::clone(shop),
            variants: self.goods.iter().map(|one| one.product.variant).collect(),
        };
        let market = MarketFront {
            market: Arc::clone(&stand.market),
            skus: skus(&self.goods[..LISTED.min(self.goods.len())]),
        };
        let at_shop = 1.0 - TILL_SHARE - MARKET_SHARE;
        vec![
            self.come(Arc::clone(till), habits(self.args, TILL_SHARE, 0.0), dice),
            self.come(Arc::new(market), habits(self.args, MARKET_SHARE, 0.0), dice),
            self.come(Arc::new(front), habits(self.args, at_shop, CHANGES), dice),
        ]
    }

    fn come<C: Counter>(
        &self,
        counter: Arc<C>,
        habits: Habits,
        dice: &mut Dice,
    ) -> JoinHandle<Visits> {
        let dice = Dice::new(dice.bits());
        let (clock, stopped) = (Arc::clone(self.clock), self.stopped.clone());
        let visits = visit(counter, self.goods.len(), habits, dice, clock, stopped);
        tokio::spawn(visits)
    }

    /// Goods come in, and things go wrong.
    fn rest(
        &self,
        shop: &Arc<Shop>,
        warehouses: &[Arc<Warehouse>],
        dice: &mut Dice,
    ) -> Vec<JoinHandle<()>> {
        let (goods, warehouses) = (self.goods.to_vec(), warehouses.to_vec());
        let (clock, stopped) = (Arc::clone(self.clock), self.stopped.clone());
        let dice = Dice::new(dice.bits());
        let supply = supply::deliver(goods, warehouses, dice, clock, stopped);
        let (clock, stopped) = (Arc::clone(self.clock), self.stopped.clone());
        let mischief = mischief::make(Arc::clone(shop), self.args.time, clock, stopped);
        vec![tokio::spawn(supply), tokio::spawn(mischief)]
    }
}

fn habits(args: &Args, share: f64, changes: f64) -> Habits {
    Habits {
        visits_per_h: args.orders_per_s * share * 3_600.0,
        zipf: ZIPF,
        looks_max: 3,
        cancel: changes,
        edit: changes,
    }
}

fn skus(goods: &[Goods]) -> Vec<String> {
    goods.iter().map(|one| one.sku.clone()).collect()
}

fn goods(args: &Args, products: Vec<Product>) -> Vec<Goods> {
    let weight = |rank: usize| 1.0 / libm::pow(rank as f64 + 1.0, ZIPF);
    let all: f64 = (0..products.len()).map(weight).sum();
    let products = products.into_iter().enumerate();
    products
        .map(|(rank, product)| Goods {
            sku: sku(rank),
            product,
            units_per_s: args.orders_per_s * UNITS_MEAN * weight(rank) / all,
        })
        .collect()
}

pub(super) async fn put(client: &Client, path: &[&str], body: &Value) -> Outcome {
    let call = client.call(Method::PUT, path).json(body);
    client.run(call.key(&random_key()?)).await.map(drop)
}

/// Opens the warehouses, and tells the server where they are.
async fn warehouses(
    client: &Client,
    door: &Door,
    clock: &Arc<dyn Clock>,
    secrets: &Secrets,
    dice: &mut Dice,
) -> Outcome<(Vec<Arc<Warehouse>>, Vec<Open>)> {
    let (mut warehouses, mut all_open) = (Vec::new(), Vec::new());
    for (location, state, latitude, longitude) in LOCATIONS {
        let secret = Secret::new(&*secrets.warehouses);
        let (clock, chance) = (Arc::clone(clock), Dice::new(dice.bits()));
        let warehouse = Warehouse::new(location, secret, door.clone(), clock, manner(), chance);
        let open = warehouse
            .open(listener("127.0.0.1:0").await?)
            .context("a warehouse")?;
        let facts = json!({
            "name": location, "time_zone": "UTC", "country": "US", "state": state,
            "latitude": latitude, "longitude": longitude,
            "webhook_url": open.url(), "webhook_secret": "warehouses", "acknowledge_within_minutes": 60,
        });
        put(client, &["v1", "locations", location], &facts).await?;
        warehouses.push(warehouse);
        all_open.push(open);
    }
    Ok((warehouses, all_open))
}

/// Defines what is sold, maps the shop's listings to it, and puts goods on the shelves.
async fn fill(client: &Client, warehouses: &[Arc<Warehouse>], goods: &[Goods]) -> Outcome {
    for some in goods.chunks(SET_UP_AT_ONCE) {
        let mut tasks = JoinSet::new();
        for one in some.iter().cloned() {
            let (client, warehouses) = (client.clone(), warehouses.to_vec());
            tasks.spawn(async move {
                let path = ["v1", "skus", &one.sku];
                put(&client, &path, &json!({ "title": one.sku })).await?;
                let listing = format!("inventory_item:{}", one.product.item);
                let path = ["v1", "channels", SHOP, "listings", &listing];
                put(&client, &path, &json!({ "sku": one.sku })).await?;
                let units = supply::first_units(&one, warehouses.len());
                for warehouse in &warehouses {
                    warehouse.receive(&one.sku, units, "first").await;
                }
                Outcome::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| Failure::failed(format!("setting up: {error}")))??;
        }
    }
    Ok(())
}

/// The shop is published to from now on.
async fn publish(client: &Client) -> Outcome {
    let mode = json!({ "mode": "active" });
    let path = ["v1", "channels", SHOP, "mode"];
    client.post(&path, &mode).await.map(drop)
}

/// Waits until the shop shows what is on the shelves, and tells of what happens.
async fn shown(
    shop: &Arc<Shop>,
    place: u64,
    goods: &[Goods],
    warehouses: &[Arc<Warehouse>],
) -> Outcome {
    let on_shelves = |sku: &str| -> i64 {
        let units = warehouses
            .iter()
            .map(|one| one.with(|book| book.shelf.get(sku).copied()));
        units
            .map(|units| i64::from(units.unwrap_or_default()))
            .sum()
    };
    for _ in 0..600 {
        let is_shown = |one: &Goods| {
            let shown = shop.with(|store, _| store.available(one.product.item, place));
            shown == Some(on_shelves(&one.sku))
        };
        if goods.iter().all(is_shown) && shop.with(|store, _| store.subscribed()) > 0 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(Failure::failed(
        "the shop does not show what there is after a minute",
    ))
}
