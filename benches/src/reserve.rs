//! Durable reservations in process: many clients on one SKU and on 10,000, against the usual codings on Postgres and a
//! script in Redis. All of them take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossdock_model::EntityId;
use tokio::runtime::Runtime;

use crate::database::Server;
use crate::draw::{Draw, Spread};
use crate::engine::{self, Engine};
use crate::postgres::Coding;
use crate::race::redis_server::Redis;
use crate::race::shop::{Line, Order, Store};
use crate::report::{RUNS, Report, Row, middle};

/// How long each run lasts.
pub(crate) const RUN: Duration = Duration::from_secs(2);
const SKUS: usize = 10_000;
/// Reservations of a SKU, after which clients turn to the next one: it keeps 100,000 open ones at most.
const OPEN_MAX: usize = 90_000;
const UNIT: &str = "reservations/s";
const POSTGRES: &str = "best Postgres coding";
const REDIS: &str = "Redis, Lua script, appendfsync always";

/// What is measured against its peers, and by how much it is to be faster.
struct Case {
    filter: &'static str,
    name: &'static str,
    spread: Spread,
    clients: usize,
    at_least: Option<f64>,
    over_postgres: Option<f64>,
    over_redis: Option<f64>,
}

impl Case {
    fn all() -> [Self; 4] {
        let spread = |filter, name, spread| Self {
            filter,
            name,
            spread,
            clients: 64,
            at_least: None,
            over_postgres: Some(5.0),
            over_redis: None,
        };
        [
            Self {
                at_least: Some(80_000.0),
                over_postgres: Some(40.0),
                over_redis: Some(1.5),
                ..spread("reserve hot 64", "one SKU, 64 clients", Spread::One)
            },
            Self {
                clients: 512,
                at_least: Some(200_000.0),
                over_postgres: None,
                over_redis: Some(2.0),
                ..spread("reserve hot 512", "one SKU, 512 clients", Spread::One)
            },
            spread(
                "reserve uniform",
                "10,000 SKUs, 64 clients, uniform",
                Spread::Uniform(SKUS),
            ),
            spread(
                "reserve zipf",
                "10,000 SKUs, 64 clients, Zipf 0.99",
                Spread::zipf(SKUS, 0.99),
            ),
        ]
    }
}

/// Measures the cases that are wanted.
pub(crate) fn run(report: &mut Report, wanted: impl Fn(&str) -> bool) {
    let mut cases = Vec::from(Case::all());
    cases.retain(|case| wanted(case.filter));
    if cases.is_empty() {
        return;
    }
    let runtime = runtime();
    let database = Server::start();
    if database.is_none() {
        eprintln!("no Postgres here (apt-get install postgresql)");
    }
    let redis = runtime.block_on(Redis::start());
    if redis.is_none() {
        eprintln!("no Redis here (apt-get install redis-server)");
    }
    for case in cases {
        case.run(report, &runtime, database.as_ref(), redis.as_ref());
    }
}

/// As `crossdock` runs: two threads for tasks on each core.
pub(crate) fn runtime() -> Runtime {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2 * cores).enable_all();
    builder.build().unwrap()
}

impl Case {
    fn run(
        &self,
        report: &mut Report,
        runtime: &Runtime,
        database: Option<&Server>,
        redis: Option<&Redis>,
    ) {
        let (mut ours, mut of_redis) = (Vec::new(), Vec::new());
        let mut of_codings = Coding::ALL.map(|_| Vec::new());
        for run in 0..RUNS {
            ours.push(runtime.block_on(reservations(&self.spread, self.clients)));
            if let Some(redis) = redis.filter(|_| self.over_redis.is_some()) {
                of_redis.push(runtime.block_on(self.redis(redis, run)));
            }
            let database = database.filter(|_| self.over_postgres.is_some());
            for (coding, rates) in Coding::ALL.iter().zip(&mut of_codings) {
                if let Some(database) = database {
                    let url = database.url();
                    rates.push(runtime.block_on(coding.reservations(&url, &self.spread)));
                }
            }
        }
        let ours = middle(ours);
        let row = || Row::new(self.name, ours, UNIT);
        if let Some(at_least) = self.at_least {
            report.add(row().at_least(at_least));
        }
        if let Some(times) = self.over_postgres {
            let best = of_codings.into_iter().map(middle).reduce(f64::max);
            let best = best.filter(|best| best.is_finite());
            report.add(row().against(POSTGRES, best).ratio_at_least(times));
        }
        if let Some(times) = self.over_redis {
            let redis = Some(middle(of_redis)).filter(|rate| rate.is_finite());
            report.add(row().against(REDIS, redis).ratio_at_least(times));
        }
    }

    async fn redis(&self, redis: &Redis, run: usize) -> f64 {
        let sku = format!("S-{run}");
        let stock = u32::try_from(i32::MAX).unwrap();
        redis.stock(std::slice::from_ref(&sku), stock).await;
        let (sku, redis) = (&sku, &redis);
        let buy = |client: usize| async move {
            let (until, mut done) = (Instant::now() + RUN, 0);
            while Instant::now() < until {
                let line = Line {
                    sku: sku.clone(),
                    units: 1,
                };
                let order = Order {
                    external_id: format!("{run}-{client}-{done}"),
                    lines: vec![line],
                };
                assert_eq!(redis.sell(&order).await, Ok(true));
                done += 1;
            }
            done
        };
        let started = Instant::now();
        let done = futures::future::join_all((0..self.clients).map(buy)).await;
        done.into_iter().sum::<usize>() as f64 / started.elapsed().as_secs_f64()
    }
}

/// Reservations a second of so many clients, each of which asks again once it is answered.
async fn reservations(spread: &Spread, clients: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::start(dir.path()).await;
    let crowd = Arc::new(Crowd::gather(engine, spread).await);
    let started = Instant::now();
    let buyers: Vec<_> = (0..clients)
        .map(|client| tokio::spawn(Arc::clone(&crowd).buy(Draw::new(spread, client), client)))
        .collect();
    for buyer in buyers {
        buyer.await.unwrap();
    }
    let rate = crowd.done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    let crowd = Arc::into_inner(crowd).unwrap();
    crowd.engine.stop().await;
    rate
}

struct Crowd {
    engine: Engine,
    /// With one SKU at a time, those that follow it.
    skus: Vec<EntityId>,
    /// Whether all want the same one at a time.
    is_hot: bool,
    done: AtomicUsize,
}

impl Crowd {
    async fn gather(engine: Engine, spread: &Spread) -> Self {
        let is_hot = spread.skus() == 1;
        let count = if is_hot { 20 } else { spread.skus() };
        let skus: Vec<_> = (0..count).map(engine::sku).collect();
        engine.stock(skus.iter().cloned()).await;
        Self {
            engine,
            skus,
            is_hot,
            done: AtomicUsize::new(0),
        }
    }

    /// One client.
    async fn buy(self: Arc<Self>, mut draw: Draw, client: usize) {
        let until = Instant::now() + RUN;
        for number in 0.. {
            if Instant::now() >= until {
                return;
            }
            let at = match self.is_hot {
                true => self.done.load(Ordering::Relaxed) / OPEN_MAX,
                false => draw.sku(),
            };
            let reserve = engine::reserve(&format!("{client}-{number}"));
            self.engine.ask(&self.skus[at], reserve).await;
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}
