//! Shoppers, till and warehouse against a server that only listens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use crossdock_channels::{Secret, standard_webhooks};
use crossdock_model::Timestamp;
use crossdock_runtime::testing::comes_true;
use crossdock_runtime::{Clock, FastClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::shoppers::Ranks;
use super::till::told;
use super::*;
use crate::Dice;

const SECRET: &str = "whsec_c2VjcmV0";

/// What the server was told: path and body.
type Told = Arc<Mutex<Vec<(String, Value)>>>;

async fn listen(State(told): State<Told>, request: Request) -> &'static str {
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await;
    let body = serde_json::from_slice(&body.unwrap()).unwrap();
    told.lock().unwrap().push((path, body));
    "{}"
}

struct World {
    clock: Arc<dyn Clock>,
    told: Told,
    warehouse: Arc<Warehouse>,
    open: Open,
}

impl World {
    /// A warehouse with three tees, to which that always happens.
    async fn new(mishaps: &[Mishap]) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(FastClock::new(Timestamp::from_ms(1_000_000), 50));
        let told = Told::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(listen).with_state(Arc::clone(&told));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let door = Door::new(&url, Secret::new("key"), Arc::clone(&clock)).unwrap();
        let manner = Manner {
            pace: WorkPace::BRISK,
            chances: mishaps.iter().map(|one| (*one, 1.0)).collect(),
        };
        let secret = Secret::new(SECRET);
        let warehouse = Warehouse::new(
            "reno",
            secret,
            door,
            Arc::clone(&clock),
            manner,
            Dice::new(1),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = warehouse.open(listener).unwrap();
        assert!(warehouse.receive("TEE", 3, "first").await);
        told.lock().unwrap().clear();
        Self {
            clock,
            told,
            warehouse,
            open,
        }
    }

    /// Sends a signed request, and hears the status.
    async fn ask(&self, kind: &str, number: u32, units: u32) -> u16 {
        let body = json!({
            "type": kind, "order": "shop:1", "request": number, "ask": 1,
            "lines": [{ "line": "1", "sku": "TEE", "units": units }],
            "answer": { "path": format!("/v1/orders/shop:1/requests/{number}") },
        });
        self.post(&body.to_string(), SECRET).await
    }

    async fn post(&self, body: &str, secret: &str) -> u16 {
        let secret = Secret::new(secret);
        let now = self.clock.now();
        let mut request = reqwest::Client::new().post(self.open.url());
        for (name, value) in standard_webhooks::headers(&secret, "id", now, body.as_bytes()) {
            request = request.header(name, value);
        }
        let answer = request.body(body.to_owned()).send().await.unwrap();
        answer.status().as_u16()
    }

    /// What the server was told, once it was told so many things.
    async fn told(&self, count: usize) -> Vec<(String, Value)> {
        let told = || self.told.lock().unwrap().clone();
        let is_told = comes_true(async || told().len() >= count).await;
        assert!(is_told, "only {:?}", told());
        told()
    }

    fn left(&self) -> u32 {
        let units = |book: &Book| book.left.values().flat_map(BTreeMap::values).sum();
        self.warehouse.with(units)
    }
}

fn words(told: &[(String, Value)]) -> Vec<&str> {
    let word = |(path, _): &'_ (String, Value)| path.rfind('/').map_or(0, |at| at + 1);
    told.iter().map(|one| &one.0[word(one)..]).collect()
}

const FULFIL: &str = "fulfilment.requested";
const CANCEL: &str = "fulfilment.cancel_requested";

#[tokio::test]
async fn what_is_asked_for_leaves_once_however_often_it_is_asked() {
    let world = World::new(&[Mishap::Unheard]).await;
    assert_eq!(world.ask(FULFIL, 1, 2).await, 503);
    assert_eq!(world.ask(FULFIL, 1, 2).await, 503);
    let told = world.told(2).await;
    assert_eq!(words(&told), ["acknowledge", "ship"]);
    assert_eq!(
        told[1].1["lines"],
        json!([{ "line": "1", "sku": "TEE", "units": 2 }])
    );
    assert_eq!(world.left(), 2);
    let seen = |book: &Book| {
        let happened = [Mishap::Unheard, Mishap::Repeated].map(|one| book.happened(one));
        (happened, book.shelf["TEE"], book.open_units())
    };
    assert_eq!(world.warehouse.with(seen), ([2, 1], 1, 0));
}

#[tokio::test]
async fn what_is_not_signed_is_not_done() {
    let world = World::new(&[]).await;
    assert_eq!(world.post("{}", "whsec_b3RoZXI=").await, 401);
    assert_eq!(world.warehouse.with(|book| book.unsigned), 1);
    assert_eq!(world.post("{}", SECRET).await, 400);
}

#[tokio::test]
async fn what_is_stopped_in_time_stays() {
    let world = World::new(&[]).await;
    // It is stopped before it comes, then not at all, then after it left.
    assert_eq!(world.ask(CANCEL, 1, 1).await, 200);
    world.told(1).await;
    assert_eq!(world.ask(FULFIL, 1, 2).await, 200);
    let told = world.told(3).await;
    assert_eq!(words(&told), ["cancel-answer", "acknowledge", "ship"]);
    assert_eq!(told[0].1, json!({ "accepted": true, "ask": 1 }));
    assert_eq!(world.left(), 1);
    assert_eq!(world.ask(CANCEL, 1, 1).await, 200);
    assert_eq!(world.told(4).await[3].1["accepted"], false);
}

#[tokio::test]
async fn mishaps_are_told_and_entered() {
    // (mishap, what is told of a request of two, units that left, that were lost)
    let table: [(Mishap, &[&str], u32, u64); 4] = [
        (Mishap::Rejected, &["reject"], 0, 0),
        (
            Mishap::ShortPicked,
            &["acknowledge", "short-pick", "ship"],
            1,
            1,
        ),
        (Mishap::Parcels, &["acknowledge", "ship", "ship"], 2, 0),
        (Mishap::Late, &["acknowledge", "ship"], 2, 0),
    ];
    for (mishap, said, left, lost) in table {
        let world = World::new(&[mishap]).await;
        assert_eq!(world.ask(FULFIL, 1, 2).await, 200);
        assert_eq!(words(&world.told(said.len()).await), said);
        assert_eq!(world.left(), left, "{mishap:?}");
        let seen = |book: &Book| (book.happened(mishap), book.lost.values().sum::<u64>());
        assert_eq!(world.warehouse.with(seen), (1, lost), "{mishap:?}");
        assert!(world.warehouse.with(|book| book.missing.is_empty()));
    }
}

/// Each under the number that the server was told.
#[tokio::test]
async fn parcels_are_entered_one_by_one() {
    let world = World::new(&[Mishap::Parcels]).await;
    assert_eq!(world.ask(FULFIL, 1, 3).await, 200);
    let told = world.told(3).await;
    let told: Vec<(Value, Value)> = told[1..]
        .iter()
        .map(|(_, ship)| {
            (
                ship["tracking"]["number"].clone(),
                ship["lines"][0]["units"].clone(),
            )
        })
        .collect();
    let entered = world.warehouse.with(|book| book.parcels.clone());
    let entered: Vec<(Value, Value)> = entered
        .iter()
        .map(|one| (json!(one.number), json!(one.lines.values().sum::<u32>())))
        .collect();
    assert_eq!((entered.len(), &entered), (2, &told));
    assert_ne!(told[0].0, told[1].0);
}

#[tokio::test]
async fn an_empty_shelf_is_told_and_entered() {
    let world = World::new(&[]).await;
    assert_eq!(world.ask(FULFIL, 1, 5).await, 200);
    let told = world.told(3).await;
    assert_eq!(words(&told), ["acknowledge", "short-pick", "ship"]);
    assert_eq!(told[1].1["lines"][0]["units"], 2);
    let missing = world.warehouse.with(|book| book.missing.clone());
    let all = Missing {
        order: "shop:1".to_owned(),
        sku: "TEE".to_owned(),
        units: 2,
    };
    assert_eq!(missing, [all]);
}

#[test]
fn a_till_reads_what_it_is_told() {
    let answer = |status, body| Answer { status, body };
    let table = [
        (answer(201, json!({ "status": "reserved" })), Asked::Sold),
        (answer(200, json!({ "status": "requested" })), Asked::Sold),
        (answer(409, json!({ "code": "short" })), Asked::Refused),
        (
            answer(201, json!({ "status": "routed" })),
            Asked::Unanswered,
        ),
        (answer(422, json!({ "code": "invalid" })), Asked::Unanswered),
    ];
    for (answer, asked) in table {
        assert_eq!(told(&answer), asked, "{answer:?}");
    }
}

#[test]
fn the_best_selling_listing_is_wanted_most() {
    let (ranks, mut dice) = (Ranks::new(100, 1.0), Dice::new(3));
    let mut picked = [0_u32; 100];
    for _ in 0..50_000 {
        picked[ranks.pick(&mut dice)] += 1;
    }
    // 1, 1/2 and 1/10 of 1 / H(100) = 0.1928 of all.
    for (rank, count) in [(0, 9_639), (1, 4_820), (9, 964)] {
        let found = f64::from(picked[rank]);
        let off = (found - f64::from(count)).abs() / f64::from(count);
        assert!(off < 0.1, "{rank}: {found} instead of {count}");
    }
    assert!(picked.iter().all(|count| *count > 0));
}

/// Looks at the stall after which it is closed.
const LOOKS: usize = 120;

/// Sells all but the first listing, notes what was wanted, and is closed after so many looks.
struct Stall {
    wanted: Mutex<Vec<(usize, u32)>>,
    changed: Mutex<Vec<String>>,
    stop: watch::Sender<bool>,
}

impl Counter for Stall {
    async fn buy(&self, rank: usize, units: u32) -> Option<String> {
        let mut wanted = self.wanted.lock().unwrap();
        wanted.push((rank, units));
        if wanted.len() >= LOOKS {
            self.stop.send_replace(true);
        }
        (rank > 0).then(|| format!("order-{}", wanted.len()))
    }

    fn cancel(&self, order: &str) {
        self.changed.lock().unwrap().push(order.to_owned());
    }

    fn edit(&self, order: &str) {
        self.cancel(order);
    }
}

/// What shoppers of that seed wanted, and how many changed their minds, until the stall was closed.
async fn shopped(seed: u64, changes: f64) -> (Vec<(usize, u32)>, usize) {
    let habits = Habits {
        visits_per_h: 3_600.0,
        zipf: 1.0,
        looks_max: 2,
        cancel: changes,
        edit: changes,
    };
    let (stop, stopped) = watch::channel(false);
    let stall = Arc::new(Stall {
        wanted: Mutex::default(),
        changed: Mutex::default(),
        stop,
    });
    let clock: Arc<dyn Clock> = Arc::new(FastClock::new(Timestamp::from_ms(0), 500));
    let (counter, dice) = (Arc::clone(&stall), Dice::new(seed));
    let visits = visit(counter, 20, habits, dice, clock, stopped).await;
    let (wanted, changed) = (stall.wanted.lock().unwrap(), stall.changed.lock().unwrap());
    assert_eq!(visits.changed, changed.len() as u64);
    (wanted.clone(), changed.len())
}

#[tokio::test]
async fn shoppers_of_one_seed_want_the_same() {
    let (first, again) = (shopped(9, 0.0).await.0, shopped(9, 0.0).await.0);
    assert_eq!(first[..30], again[..30]);
    assert_ne!(first[..30], shopped(10, 0.0).await.0[..30]);
}

#[tokio::test]
async fn some_shoppers_change_their_minds() {
    let (wanted, changed) = shopped(9, 0.1).await;
    assert!(changed > 2, "{changed}");
    // Whoever finds the first listing sold out looks at another.
    let first = wanted.iter().filter(|(rank, _)| *rank == 0).count();
    assert!(first > 0 && wanted.len() > first + 30, "{wanted:?}");
}
