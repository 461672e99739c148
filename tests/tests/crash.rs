//! kill -9 under load, also during recovery, also on a disk that forgets what was not synced: every acknowledged order
//! is there, none twice, no effect lost, no delivery skipped, and the stock is what all orders together make it. What
//! happened is read from the warehouse and the read models: nothing that could wake an order is asked for. The
//! control, which does not sync, must lose an order that it acknowledged.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::listener::Listener;
use support::{Door, Server, Setup, disk, orders, shop, stock, units};
use tokio::task::JoinHandle;

const KILLS: usize = 50;
/// Every so many kills the next start is killed too, while it recovers.
const KILLS_PER_RECOVERY: usize = 5;
/// Clients that deliver webhooks, and that buy, get their goods and send some back.
const SHOPS: usize = 5;
const BUYERS: usize = 3;
/// Orders of the shop that are acknowledged before each kill, at least.
const ORDERS_PER_KILL: usize = 8;
const SETTLE_MAX: Duration = Duration::from_secs(120);
const ON_HAND: i64 = 1_000_000;
const SCARCE: i64 = 100;
const FIRST_ORDER: u64 = 5_000_000_000_000_001;

#[tokio::test(flavor = "multi_thread")]
async fn killed_fifty_times_under_load() {
    let losses = run(Setup::new(), KILLS).await;
    assert_eq!(losses, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_fifty_times_on_a_disk_that_forgets() {
    let mut setup = Setup::new();
    setup.preload = Some(disk::Shim::build(setup.dir.path()));
    let losses = run(setup, KILLS).await;
    assert_eq!(losses, Vec::<String>::new());
}

/// SIGTERM under load: what was taken in is written, and the process ends well.
#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_under_load() {
    let (setup, warehouse) = (Setup::new(), Listener::start().await);
    let world = Arc::new(World::default());
    let mut server = stocked(&setup, &warehouse).await;
    for stop in 1..=3 {
        let load = load(&server, &world, stop * 50).await;
        assert_eq!(server.terminate().await, Some(0), "{}", setup.log_text());
        ended(load).await;
        server = setup.start().await;
    }
    let losses = judge(server, &warehouse, &world).await;
    assert_eq!(losses, Vec::<String>::new());
}

/// The same test must fail without syncing, or it proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_control_without_syncing_loses() {
    let mut setup = Setup::new();
    setup.synchronous = "off";
    setup.preload = Some(disk::Shim::build(setup.dir.path()));
    let world = Arc::new(World::default());
    let mut server = setup.start().await;
    let units = [("A", 1_000_000), ("B", 1_000_000), ("SCARCE", 100)];
    stock(&server, None, &units).await;
    let load = load(&server, &world, 50).await;
    server.kill();
    ended(load).await;
    let server = setup.start().await;
    let acknowledged = world.shop_orders.lock().unwrap().clone();
    let mut lost = Vec::new();
    for order in acknowledged {
        is_worked_on(&server, &order).await;
        let path = format!("/v1/orders/{order}");
        if server.call("GET", &path, None).await.0 != 200 {
            lost.push(format!("order {order} is missing"));
        }
    }
    println!("without syncing: {} lost: {lost:?}", lost.len());
    assert!(
        !lost.is_empty(),
        "no acknowledged order was lost without syncing: the test cannot tell"
    );
}

/// Waits until the delivery that stated an order, if it was kept, has come to its end: the order is there then, if it is
/// anywhere.
async fn is_worked_on(server: &Server, order: &str) {
    let event = order.replace("shop:", "event-");
    support::until(&format!("{order} is worked on"), async || {
        let kept = support::delivery(server, "orders/create", &event).await;
        kept.is_none_or(|kept| kept["state"] != "open")
    })
    .await;
    support::folded(server).await;
}

/// What was done and acknowledged so far.
#[derive(Default)]
struct World {
    next: AtomicU64,
    /// Acknowledged orders of the shop.
    shop_orders: Mutex<BTreeSet<String>>,
    /// What buyers have begun and the server has not acknowledged.
    begun: Mutex<Vec<Purchase>>,
    bought: Mutex<BTreeSet<String>>,
    returned_units: AtomicUsize,
    held_units: AtomicUsize,
}

async fn run(setup: Setup, kills: usize) -> Vec<String> {
    let warehouse = Listener::start().await;
    let world = Arc::new(World::default());
    let mut server = stocked(&setup, &warehouse).await;
    for kill in 0..kills {
        let load = load(&server, &world, (kill + 1) * ORDERS_PER_KILL).await;
        tokio::time::sleep(Duration::from_millis((kill as u64 * 37) % 200)).await;
        server.kill();
        ended(load).await;
        if kill % KILLS_PER_RECOVERY == 0 {
            let mut recovering = setup.spawn();
            let moment = (kill as u64 * 11) % 150;
            tokio::time::sleep(Duration::from_millis(moment)).await;
            recovering.kill().unwrap();
            recovering.wait().unwrap();
        }
        server = match setup.try_start().await {
            Ok(server) => server,
            Err(what) => return vec![format!("kill {kill}: {what}")],
        };
    }
    judge(server, &warehouse, &world).await
}

async fn stocked(setup: &Setup, warehouse: &Listener) -> Server {
    let server = setup.start().await;
    let webhook = format!("http://127.0.0.1:{}/requests", warehouse.port);
    let plenty = u32::try_from(ON_HAND).unwrap();
    let units = [("A", plenty), ("B", plenty), ("HELD", plenty)];
    stock(&server, Some(&webhook), &units).await;
    stock(&server, Some(&webhook), &[("SCARCE", 100)]).await;
    server
}

/// Clients that order until the server is gone, once so many orders of the shop are acknowledged in all.
async fn load(server: &Server, world: &Arc<World>, acknowledged: usize) -> Vec<JoinHandle<()>> {
    let mut load = Vec::new();
    for _ in 0..SHOPS {
        load.push(tokio::spawn(deliver(server.door(), Arc::clone(world))));
    }
    for _ in 0..BUYERS {
        load.push(tokio::spawn(buy(server.door(), Arc::clone(world))));
    }
    support::until("orders are acknowledged", async || {
        world.shop_orders.lock().unwrap().len() >= acknowledged
    })
    .await;
    load
}

async fn ended(load: Vec<JoinHandle<()>>) {
    for task in load {
        task.await.unwrap();
    }
}

/// What an order of that number wants.
fn lines(number: u64) -> &'static [(&'static str, u32)] {
    match number % 5 {
        0 => &[("A", 1), ("B", 2)],
        1 => &[("B", 1), ("A", 1)],
        2 => &[("SCARCE", 1)],
        _ => &[("A", 1)],
    }
}

/// Delivers orders until the server is gone; some deliveries come twice.
async fn deliver(to: Door, world: Arc<World>) {
    loop {
        let number = world.number();
        let (event, body) = (
            format!("event-{number}"),
            shop::order(number, lines(number)),
        );
        for _ in 0..=u64::from(number.is_multiple_of(7)) {
            match shop::deliver(&to, "orders/create", &event, &body).await {
                Some(200) => {
                    let order = format!("shop:{number}");
                    world.shop_orders.lock().unwrap().insert(order);
                }
                Some(503) => tokio::time::sleep(Duration::from_millis(20)).await,
                Some(status) => panic!("webhook answered {status}"),
                None => return,
            }
        }
    }
}

/// Buys until the server is gone; what was begun at an earlier one goes on first.
async fn buy(from: Door, world: Arc<World>) {
    loop {
        let next = world.begun().unwrap_or_else(|| Purchase {
            number: world.number(),
            stage: Stage::Hold,
        });
        if !next.go_on(&from, &world).await {
            return;
        }
    }
}

/// One buyer's calls, each repeated under its key until it is answered, over all kills.
struct Purchase {
    number: u64,
    stage: Stage,
}

enum Stage {
    /// Keeps a unit for good.
    Hold,
    /// Buys another one.
    Order,
    /// The location sends it.
    Ship,
    /// Some send it back.
    Return,
}

impl World {
    fn number(&self) -> u64 {
        FIRST_ORDER + self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn begun(&self) -> Option<Purchase> {
        self.begun.lock().unwrap().pop()
    }
}

impl Purchase {
    /// Whether it came to its end before the server was gone.
    async fn go_on(mut self, at: &Door, world: &World) -> bool {
        loop {
            let (path, key, body) = self.call();
            let answer = at.try_post(&path, &key, &body).await;
            match answer.map(|(status, _)| status) {
                Some(200..300) => match self.acknowledged(world) {
                    Some(stage) => self.stage = stage,
                    None => return true,
                },
                // Busy, overloaded, or its request has not gone out yet.
                Some(404 | 409 | 429 | 503 | 504) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Some(status) => panic!("{path} answered {status}"),
                None => {
                    world.begun.lock().unwrap().push(self);
                    return false;
                }
            }
        }
    }

    fn call(&self) -> (String, String, Value) {
        let number = self.number;
        let order = format!("/v1/orders/api:{number}");
        match self.stage {
            Stage::Hold => (
                "/v1/holds".to_owned(),
                format!("hold-{number}"),
                json!({"lines": [{"sku": "HELD", "units": 1}], "expires_in_s": 86_400}),
            ),
            Stage::Order => (
                "/v1/orders".to_owned(),
                format!("order-{number}"),
                json!({
                    "external_id": number.to_string(), "destination": {"country": "US"},
                    "lines": [{"line": "1", "sku": "A", "units": 1}],
                }),
            ),
            Stage::Ship => (
                format!("{order}/requests/1/ship"),
                format!("ship-{number}"),
                json!({}),
            ),
            Stage::Return => (
                format!("{order}/returns"),
                format!("return-{number}"),
                json!({"lines": [{"line": "1", "units": 1, "location": "reno"}]}),
            ),
        }
    }

    /// Notes what was answered; what comes next.
    fn acknowledged(&self, world: &World) -> Option<Stage> {
        match self.stage {
            Stage::Hold => {
                world.held_units.fetch_add(1, Ordering::Relaxed);
                Some(Stage::Order)
            }
            Stage::Order => Some(Stage::Ship),
            Stage::Ship => {
                let order = format!("api:{}", self.number);
                world.bought.lock().unwrap().insert(order);
                self.number.is_multiple_of(2).then_some(Stage::Return)
            }
            Stage::Return => {
                world.returned_units.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

fn missing(acknowledged: &BTreeSet<String>, known: &BTreeMap<String, String>) -> Vec<String> {
    let lost = acknowledged
        .iter()
        .filter(|order| !known.contains_key(*order));
    lost.map(|order| format!("order {order} is missing"))
        .collect()
}

/// Whether nothing more will happen to an order by itself.
fn is_settled(order: &str, status: &str) -> bool {
    match order.starts_with("shop:") {
        true => ["requested", "backordered"].contains(&status),
        false => ["shipped", "closed"].contains(&status),
    }
}

/// Everything that went wrong, in sentences, once what was begun has been brought to its end.
async fn judge(server: Server, warehouse: &Listener, world: &World) -> Vec<String> {
    let server = &server;
    while let Some(purchase) = world.begun() {
        purchase.go_on(&server.door(), world).await;
    }
    let until = Instant::now() + SETTLE_MAX;
    let (shop_orders, bought) = (
        world.shop_orders.lock().unwrap().clone(),
        world.bought.lock().unwrap().clone(),
    );
    let known = loop {
        let known = orders(server).await.into_iter().collect::<BTreeMap<_, _>>();
        let all = known
            .iter()
            .all(|(order, status)| is_settled(order, status));
        let none = missing(&shop_orders, &known).is_empty() && missing(&bought, &known).is_empty();
        if (all && none) || Instant::now() > until {
            break known;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut losses = missing(&shop_orders, &known);
    losses.extend(missing(&bought, &known));
    for (order, status) in &known {
        if !is_settled(order, status) {
            losses.push(format!("order {order} is {status}"));
        }
    }
    losses.extend(judge_stock(server, world, &known).await);
    losses.extend(judge_requests(warehouse, &known));
    losses
}

/// The stock against all orders there are, also those whose acknowledgement was lost with the connection.
async fn judge_stock(
    server: &Server,
    world: &World,
    known: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut committed: BTreeMap<&str, i64> = BTreeMap::new();
    let mut waits_for_scarce = 0;
    for (order, status) in known {
        let Some(number) = order.strip_prefix("shop:") else {
            continue;
        };
        for (sku, units) in lines(number.parse().unwrap()) {
            match status.as_str() {
                "requested" => *committed.entry(sku).or_default() += i64::from(*units),
                _ if *sku == "SCARCE" => waits_for_scarce += 1,
                _ => {}
            }
        }
    }
    let of = |sku: &str| committed.get(sku).copied().unwrap_or(0);
    let counted = |count: &AtomicUsize| i64::try_from(count.load(Ordering::Relaxed)).unwrap();
    let sent = i64::try_from(world.bought.lock().unwrap().len()).unwrap();
    let on_hand = ON_HAND - sent + counted(&world.returned_units);
    let table = [
        ("A", on_hand, of("A"), 0),
        ("B", ON_HAND, of("B"), 0),
        ("SCARCE", SCARCE, of("SCARCE"), 0),
        ("HELD", ON_HAND, 0, counted(&world.held_units)),
    ];
    let mut losses = Vec::new();
    for (sku, on_hand, committed, held) in table {
        let stock = server.get(&format!("/v1/stock/{sku}")).await;
        let expected = [
            ("on_hand", on_hand),
            ("committed", committed),
            ("held", held),
            ("tentative", 0),
        ];
        for (field, expected) in expected {
            let found = units(&stock, field);
            if found != expected {
                losses.push(format!("{sku}: {found} {field}, not {expected}"));
            }
        }
    }
    if of("SCARCE") > SCARCE || (waits_for_scarce > 0 && of("SCARCE") < SCARCE) {
        losses.push(format!("SCARCE: {} of {SCARCE} sold", of("SCARCE")));
    }
    losses
}

/// Every order that is to be sent was asked for exactly once, and nothing else was.
fn judge_requests(warehouse: &Listener, known: &BTreeMap<String, String>) -> Vec<String> {
    let mut calls = warehouse.requests_per_order();
    let mut losses = Vec::new();
    for (order, _) in known.iter().filter(|(_, status)| *status != "backordered") {
        match calls.remove(order) {
            Some(1) => {}
            Some(count) => losses.push(format!("order {order} was requested {count} times")),
            // Sent before its location could be told.
            None if order.starts_with("api:") => {}
            None => losses.push(format!("order {order} was never requested")),
        }
    }
    let strays = calls.into_keys();
    losses.extend(strays.map(|order| format!("order {order} was requested and is not known")));
    losses
}
