//! Holds on one hot SKU over HTTP: of the server as users run it, and of the usual codings behind the same front.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;

use crate::database;
use crate::load::{self, Make, Tally};
use crate::postgres::{self, Coding, Reserving};
use crate::report::{RUNS, Report, Row, middle};
use crate::server::Server;

const CLIENTS: usize = 64;
const RUN: Duration = Duration::from_secs(2);
/// A SKU keeps 100,000 live holds at most.
const HOLDS_MAX: u64 = 90_000;
/// Connections to Postgres.
const DATABASE_CONNECTIONS: usize = 32;
/// Loads at which latencies are compared, as shares of what the best coding does at most.
const SHARES: [f64; 3] = [0.25, 0.5, 0.75];

/// Measures them.
pub(crate) fn run(report: &mut Report, binary: &Path) {
    let runtime = crate::reserve::runtime();
    runtime.block_on(async {
        let ours = Ours::start(binary).await;
        let database = database::Server::start();
        let mut theirs = Vec::new();
        if let Some(database) = &database {
            postgres::make_tables(&database.url()).await;
            for coding in Coding::ALL {
                theirs.push(Shop::start(&database.url(), coding).await);
            }
        }
        let (mut our_rates, mut their_rates) = (Vec::new(), vec![Vec::new(); theirs.len()]);
        for _ in 0..RUNS {
            let make = ours.make().await;
            let tally = load::closed(ours.server.addr, CLIENTS, RUN, HOLDS_MAX, make).await;
            our_rates.push(tally.all_done().rate());
            for (shop, rates) in theirs.iter().zip(&mut their_rates) {
                rates.push(shop.closed().await.rate());
            }
        }
        let their_rates: Vec<f64> = their_rates.into_iter().map(middle).collect();
        let best = (0..theirs.len()).max_by(|a, b| their_rates[*a].total_cmp(&their_rates[*b]));
        let (name, value) = ("holds over HTTP, one SKU, 64 clients", middle(our_rates));
        let row = Row::new(name, value, "holds/s");
        let peer = "best Postgres coding, same front";
        report.add(
            row.against(peer, best.map(|best| their_rates[best]))
                .ratio_at_least(15.0),
        );
        let Some(best) = best else {
            return;
        };
        for share in SHARES {
            let per_s = (share * their_rates[best]).round();
            let (mut our_ms, mut their_ms) = (Vec::new(), Vec::new());
            for _ in 0..RUNS {
                our_ms.push(ours.open(per_s).await.all_done().ms(990));
                their_ms.push(theirs[best].open(per_s).await.all_done().ms(990));
            }
            let name = format!("p99 of holds over HTTP, one SKU, {per_s} a second");
            let row = Row::new(name, middle(our_ms), "ms");
            report.add(row.against(peer, Some(middle(their_ms))).ratio_at_most(1.0));
        }
    });
}

struct Ours {
    server: Server,
    /// Each run has a SKU of its own.
    runs: Mutex<u64>,
}

impl Ours {
    async fn start(binary: &Path) -> Self {
        let server = Server::start(binary, |_| String::new()).await;
        server.stock(100, 1_000_000).await;
        let runs = Mutex::new(0);
        Self { server, runs }
    }

    /// Requests for the next SKU.
    async fn make(&self) -> Make {
        let mut runs = self.runs.lock().await;
        *runs += 1;
        let run = *runs;
        let lines = [json!({ "line": "1", "sku": format!("S-{run}"), "units": 1 })];
        let body = json!({ "lines": lines, "expires_in_s": 1_800 }).to_string();
        let key = format!("Bearer {}", self.server.key);
        Arc::new(move |number| {
            let name = format!("hold-{run}-{number}");
            let head = [
                ("authorization", key.as_str()),
                ("content-type", "application/json"),
                ("idempotency-key", &name),
            ];
            load::post("/v1/holds", &head, body.as_bytes())
        })
    }

    async fn open(&self, per_s: f64) -> Tally {
        let make = self.make().await;
        load::open(self.server.addr, CLIENTS, per_s, RUN, make).await
    }
}

/// A minimal shop around a database, in this process.
struct Shop {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Deserialize)]
struct Hold {
    sku: i32,
}

struct Pool {
    idle: std::sync::Mutex<Vec<Reserving>>,
    /// As many as there are idle connections.
    free: Semaphore,
}

impl Shop {
    async fn start(url: &str, coding: Coding) -> Self {
        let mut idle = Vec::new();
        for _ in 0..DATABASE_CONNECTIONS {
            idle.push(Reserving::connect(url, coding).await);
        }
        let pool = Pool {
            idle: std::sync::Mutex::new(idle),
            free: Semaphore::new(DATABASE_CONNECTIONS),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let routes = axum::Router::new().route("/holds", post(hold));
        let routes = routes.with_state(Arc::new(pool));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { addr, serving }
    }

    fn make() -> Make {
        Arc::new(|number| {
            let name = format!("hold-{number}");
            let head = [
                ("content-type", "application/json"),
                ("idempotency-key", name.as_str()),
            ];
            load::post("/holds", &head, br#"{"sku":1,"units":1}"#)
        })
    }

    async fn closed(&self) -> Tally {
        let tally = load::closed(self.addr, CLIENTS, RUN, u64::MAX, Self::make()).await;
        tally.all_done()
    }

    async fn open(&self, per_s: f64) -> Tally {
        load::open(self.addr, CLIENTS, per_s, RUN, Self::make()).await
    }
}

async fn hold(State(pool): State<Arc<Pool>>, Json(hold): Json<Hold>) -> (StatusCode, Json<Value>) {
    let _free = pool.free.acquire().await.unwrap();
    let mut client = pool.idle.lock().unwrap().pop().unwrap();
    client.reserve(hold.sku).await;
    pool.idle.lock().unwrap().push(client);
    (StatusCode::CREATED, Json(json!({ "sku": hold.sku })))
}
