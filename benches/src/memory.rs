//! What SKUs and orders hold in memory, live and passive, and how soon a server starts on a million open orders.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossdock_journal::Journal;
use crossdock_journal::sqlite::SqliteJournal;
use futures::StreamExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::json;

use crate::engine::{self, Engine};
use crate::report::{Report, Row};
use crate::server::{Server, resident_bytes};

/// As many as a node keeps live.
const LIVE: usize = 100_000;
const LIVE_MB_MAX: f64 = 1_000.0;
/// Bytes of a live SKU, beyond those of an actor that does nothing.
const LIVE_BYTES_MAX: f64 = 2_500.0;
const PASSIVE: usize = 1_000_000;
/// What so many passive SKUs may hold: noise.
const PASSIVE_MB_MAX: f64 = 10.0;
const ORDERS: usize = 1_000_000;
const ORDERS_MB_MAX: f64 = 200.0;
const START_S_MAX: f64 = 3.0;
const SOLD_SKUS: usize = 5_000;
/// At a time.
const CLIENTS: usize = 64;
/// Nothing is written for so long once all is done.
const QUIET: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// Measures what SKUs hold: first of all, as what others have let go hides it. For the same reason another process makes them.
pub(crate) fn skus(report: &mut Report, binary: &Path) {
    let runtime = crate::reserve::runtime();
    runtime.block_on(async {
        let (_idle, of_an_actor) = idle_actors().await;
        let mut server = Server::start(binary, |_| String::new()).await;
        server.stock(LIVE as u64, 1_000_000).await;
        server.stop();
        let engine = Engine::start(&server.data()).await;
        let before = resident_bytes("self");
        engine.read_all(LIVE).await;
        let live = resident_bytes("self").saturating_sub(before) as f64;
        engine.are_live(LIVE).await;
        engine.stop().await;
        report.add(Row::new("memory of 100,000 live SKUs", live / 1e6, "MB").at_most(LIVE_MB_MAX));
        let beyond = live / LIVE as f64 - of_an_actor;
        let row = Row::new(
            "a live SKU, beyond an actor that does nothing",
            beyond,
            "bytes",
        );
        report.add(row.at_most(LIVE_BYTES_MAX));
        eprintln!("an actor that does nothing: {of_an_actor:.0} bytes");
    });
}

/// Measures what servers hold, and how soon they start.
pub(crate) fn servers(report: &mut Report, binary: &Path) {
    let runtime = crate::reserve::runtime();
    runtime.block_on(async {
        let few = known_skus(binary, 1_000).await;
        let many = known_skus(binary, PASSIVE).await;
        let row = Row::new("memory of 1,000,000 passive SKUs", many - few, "MB");
        report.add(row.at_most(PASSIVE_MB_MAX));
        let (started, megabytes) = open_orders(binary).await;
        let name = "start with 1,000,000 open orders, until the next one is taken";
        report.add(Row::new(name, started.as_secs_f64(), "s").at_most(START_S_MAX));
        let row = Row::new(
            "memory of a server with 1,000,000 open orders",
            megabytes,
            "MB",
        );
        report.add(row.at_most(ORDERS_MB_MAX));
    });
}

/// Megabytes of a server that knows so many SKUs, none of them live.
async fn known_skus(binary: &Path, skus: usize) -> f64 {
    let mut server = Server::start(binary, |_| String::new()).await;
    server.stop();
    let engine = Engine::start(&server.data()).await;
    engine.stock((0..skus).map(engine::sku)).await;
    engine.stop().await;
    server.resume().await;
    server.until_read_models_follow().await;
    server.restart().await;
    server.resident_bytes() as f64 / 1e6
}

/// How soon a server with a million open orders takes another, and megabytes that it holds then.
async fn open_orders(binary: &Path) -> (Duration, f64) {
    let mut server = Server::start(binary, |_| String::new()).await;
    server.stop();
    let engine = Engine::start(&server.data()).await;
    engine.stock((0..SOLD_SKUS).map(engine::sku)).await;
    let began = Instant::now();
    let orders =
        (0..ORDERS).map(|number| engine::order(&number.to_string(), &[number % SOLD_SKUS]));
    engine.ask_all(orders).await;
    let journal = engine.journal();
    until_quiet(&journal).await;
    drop(journal);
    let (last, _) = engine::order(&(ORDERS - 1).to_string(), &[0]);
    assert!(engine.is_requested(&last).await, "{last}");
    engine.stop().await;
    eprintln!("{ORDERS} orders made in {:?}", began.elapsed());
    let starting = Instant::now();
    server.resume().await;
    let lines = [json!({ "line": "1", "sku": "S-1", "units": 1 })];
    let to = json!({ "country": "US" });
    let order =
        json!({ "channel": "api", "external_id": "next", "lines": lines, "destination": to });
    server.write("POST", "/v1/orders", &order).await;
    let started = starting.elapsed();
    (started, server.resident_bytes() as f64 / 1e6)
}

async fn until_quiet(journal: &Arc<SqliteJournal>) {
    let (mut tails, mut since) = (journal.tails().unwrap(), Instant::now());
    while since.elapsed() < QUIET {
        tokio::time::sleep(PAUSE).await;
        let now = journal.tails().unwrap();
        if now != tails {
            (tails, since) = (now, Instant::now());
        }
    }
}

impl Engine {
    /// Fails unless about so many entities are live: some of the first may be passive again.
    async fn are_live(&self, entities: usize) {
        tokio::time::sleep(QUIET).await;
        let live = self.handle.metrics().live.get();
        assert!(live >= entities as i64 * 99 / 100, "{live} are live");
    }

    async fn read_all(&self, skus: usize) {
        let each =
            |number| async move { drop(self.handle.read(engine::sku(number)).await.unwrap()) };
        let all = futures::stream::iter(0..skus);
        all.for_each_concurrent(CLIENTS, each).await;
    }
}

/// Actors that do nothing, and bytes of each.
async fn idle_actors() -> (Vec<ActorRef<()>>, f64) {
    let before = resident_bytes("self");
    let mut idle = Vec::with_capacity(LIVE);
    for _ in 0..LIVE {
        idle.push(Actor::spawn(None, Idle, ()).await.unwrap().0);
    }
    let bytes = resident_bytes("self").saturating_sub(before) as f64;
    (idle, bytes / LIVE as f64)
}

struct Idle;

impl Actor for Idle {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}
