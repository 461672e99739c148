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
use crossdock_runtime::{Clock, Handle, RealClock};
use crossdock_sim::Dice;
use crossdock_sim::shopify::{Faults, Pace, Product, Rate, Serving, Shop, Store, StoreOptions};
use crossdock_sim::world::{
    Counter, Door, Habits, MarketFront, Open, ShopFront, Till, Visits, Warehouse, visit,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::client::{Client, random_key};
use super::super::exit::{Failure, Outcome};
use super::market::{LISTED, Stand, visits_per_s_max};
use super::set_up::{Ground, list_catalogue};
use super::{Args, LOOK, mischief, supply};
use crate::config::Config;
use crate::first_key::create_key;
use crate::serve::{Options, Server};

/// The shop's channel.
pub(super) const SHOP: &str = "shop";
/// The till's channel.
pub(super) const TILL: &str = "till";
/// Things that are sold.
const SKUS: usize = 120;
/// Share of the visits that go to the till.
const TILL_SHARE: f64 = 0.35;
/// Share of the visits that go to the seller's account, unless that are too many.
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
    pub client: Client,
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

/// Where the server will listen.
async fn front_door(address: &str) -> Outcome<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = Failure::failed(format!("listening on {address}: {error}"));
        failure
            .remedy("if another demo or server runs there, --listen 127.0.0.1:0 takes a free port")
    })
}

pub(super) async fn listener(address: &str) -> Outcome<TcpListener> {
    let bound = TcpListener::bind(address).await;
    Ok(bound.with_context(|| format!("listening on {address}"))?)
}

/// Why the server cannot write, if it cannot.
pub(super) fn trouble(handle: &Handle) -> Option<Failure> {
    let why = handle.trouble()?;
    let failure = Failure::failed(format!("the server cannot write: {why}"));
    Some(failure.remedy("if its disk is full, --data DIR keeps its data elsewhere"))
}

/// Ends once the server cannot write.
async fn in_trouble(handle: &Handle) -> Failure {
    loop {
        if let Some(failure) = trouble(handle) {
            return failure;
        }
        tokio::time::sleep(LOOK).await;
    }
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
        // The shop is told where its webhooks go before anybody answers there.
        let door_at = front_door(&args.listen).await?;
        let listen = door_at.local_addr().context("listening")?;
        let goods = goods(args, products);
        let stand = Stand::open(listener("127.0.0.1:0").await?, args, &clock, &goods)?;
        for (secret, name) in stand.secrets() {
            std::fs::write(folder.path().join(name), secret).context("temporary secrets")?;
        }
        let shop_at = (serving.url(), place);
        let config = config(args, folder.path(), listen, shop_at, &stand.config())?;
        let options = Options {
            page: Some(page),
            ..Options::default()
        };
        let server = Server::start_on(door_at, config, options).await?;
        let url = format!("http://{}", server.addr);
        let key = create_key(&server.handle, "demo", Scope::Admin, None).await?;
        let client = Client::new(&url, Some(key.clone()))?;
        let door = Door::new(&url, Secret::new(key), Arc::clone(&clock)).context("HTTP")?;
        let mut dice = Dice::new(args.seed);
        let ground = Ground {
            client: &client,
            door: &door,
            clock: &clock,
            secret: &secrets.warehouses,
            goods: &goods,
        };
        let (warehouses, open) = tokio::select! {
            done = ground.set_up((&shop, place), &stand, &mut dice) => done?,
            failure = in_trouble(&server.handle) => return Err(failure),
        };
        shop.with(|store, _| store.set_faults(mischief::faults(args.seed)));
        stand.trouble();
        let till = Arc::new(Till::new(door, TILL, skus(&goods)));
        let (stop, stopped) = watch::channel(false);
        let doing = Doing {
            args,
            client: &client,
            goods: &goods,
            clock: &clock,
            stopped,
        };
        let visits = doing.visits(&till, &shop, &stand, &mut dice);
        let rest = doing.rest(&shop, &stand, &warehouses, &mut dice);
        Ok(Self {
            server,
            shop,
            place,
            stand,
            till,
            warehouses,
            goods,
            clock,
            client,
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
            let calm = store.faults().clone().calmed();
            // The last thing that goes wrong, which is not counted: what is on its way is never told.
            store.delete_subscriptions();
            store.set_faults(calm);
        });
        self.stand.calm_down();
        self.warehouses.iter().for_each(|one| one.calm_down());
        all
    }
}

/// What goes on in a scene until it is stopped.
struct Doing<'a> {
    args: &'a Args,
    client: &'a Client,
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
        let at_market = market_share(self.args);
        let at_shop = 1.0 - TILL_SHARE - at_market;
        vec![
            self.come(Arc::clone(till), habits(self.args, TILL_SHARE, 0.0), dice),
            self.come(Arc::new(market), habits(self.args, at_market, 0.0), dice),
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

    /// Goods come in, more is listed, and things go wrong.
    fn rest(
        &self,
        shop: &Arc<Shop>,
        stand: &Stand,
        warehouses: &[Arc<Warehouse>],
        dice: &mut Dice,
    ) -> Vec<JoinHandle<()>> {
        let (goods, all) = (self.goods.to_vec(), warehouses.to_vec());
        let (clock, stopped) = (Arc::clone(self.clock), self.stopped.clone());
        let dice = Dice::new(dice.bits());
        let supply = supply::deliver(goods, all.clone(), dice, clock, stopped);
        let (clock, stopped) = (Arc::clone(self.clock), self.stopped.clone());
        let victims = (Arc::clone(shop), Arc::clone(&stand.market));
        let mischief = mischief::make(victims, self.args.time, clock, stopped);
        let (client, stopped) = (self.client.clone(), self.stopped.clone());
        let listing = list_catalogue(client, all, stopped);
        vec![
            tokio::spawn(supply),
            tokio::spawn(mischief),
            tokio::spawn(listing),
        ]
    }
}

/// Share of the visits that go to the seller's account.
fn market_share(args: &Args) -> f64 {
    let most = visits_per_s_max(args.time) / args.orders_per_s;
    most.min(MARKET_SHARE)
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
