//! What work costs as there is more of everything: SKUs that are known, a longer journal, a SKU that was sold ten million
//! times. Costs are the time that all threads of this process spend; the load is part of it.

use std::path::Path;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use crossdock_journal::Journal;
use crossdock_model::EntityId;
use futures::StreamExt;
use serde_json::Value;

use crate::engine::{self, Engine, cpu};
use crate::report::{RUNS, Report, Row, middle};

const FEW_SKUS: usize = 1_000;
const MANY_SKUS: usize = 1_000_000;
/// Orders of a run: of a unit of one SKU or of two, in turn.
const ORDERS: usize = 3_000;
const CLIENTS: usize = 64;
/// How often the busy SKU is reserved and let go.
const FEW_PAIRS: usize = 1_000;
const MANY_PAIRS: usize = 10_000_000;
/// Pairs of a run.
const PAIRS: usize = 20_000;
const COST_RATIO_MAX: f64 = 1.15;
const BUSY_RATIO_MAX: f64 = 1.10;
const VERIFIED_PER_S_MIN: f64 = 300_000.0;
const PAUSE: Duration = Duration::from_millis(20);

/// Measures it.
pub(crate) fn run(report: &mut Report, binary: &Path) {
    let runtime = crate::reserve::runtime();
    runtime.block_on(async {
        let few = Grown::make(FEW_SKUS, FEW_PAIRS).await;
        let many = Grown::make(MANY_SKUS, FEW_PAIRS).await;
        let old = Grown::make(FEW_SKUS, MANY_PAIRS).await;
        let (mut of_few, mut of_many, mut of_old) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..RUNS {
            of_few.push(few.costs(run).await);
            of_many.push(many.costs(run).await);
            of_old.push(old.costs(run).await);
        }
        let order = |costs: &[Costs]| middle(costs.iter().map(|one| one.order_us).collect());
        let pair = |costs: &[Costs]| middle(costs.iter().map(|one| one.pair_us).collect());
        let state = |costs: &[Costs]| middle(costs.iter().map(|one| one.state_bytes).collect());
        let least = order(&of_few);
        for (name, costs) in [
            ("an order, 1,000,000 SKUs known", &of_many),
            ("an order, 20,000,000 events in the journal", &of_old),
        ] {
            let row = Row::new(format!("processor time of {name}"), order(costs), "µs");
            let row = row.against("1,000 SKUs, 10,000 events", Some(least));
            report.add(row.ratio_at_most(COST_RATIO_MAX));
        }
        let after = format!("after {FEW_PAIRS} reservations");
        let name = "processor time of reserving and letting go, after 10,000,000 of one SKU";
        let row = Row::new(name, pair(&of_old), "µs").against(&after, Some(pair(&of_few)));
        report.add(row.ratio_at_most(BUSY_RATIO_MAX));
        let row = Row::new("state of that SKU", state(&of_old), "bytes");
        let row = row.against(&after, Some(state(&of_few)));
        report.add(row.ratio_at_most(BUSY_RATIO_MAX));
        let row = Row::new("journal verify", old.verified_per_s(binary), "events/s");
        report.add(row.at_least(VERIFIED_PER_S_MIN));
    });
}

/// A data directory of some age.
struct Grown {
    dir: tempfile::TempDir,
}

/// What a run found.
struct Costs {
    order_us: f64,
    pair_us: f64,
    state_bytes: f64,
}

impl Grown {
    async fn make(skus: usize, pairs: usize) -> Self {
        let started = Instant::now();
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::start(dir.path()).await;
        engine
            .stock((0..skus).map(engine::sku).chain([busy()]))
            .await;
        engine.reserve_and_release("before", pairs).await;
        engine.stop().await;
        eprintln!(
            "{skus} SKUs, {pairs} reservations made in {:?}",
            started.elapsed()
        );
        Self { dir }
    }

    async fn costs(&self, run: usize) -> Costs {
        let engine = Engine::start(self.dir.path()).await;
        let order_us = engine.sell(run).await;
        let before = cpu();
        engine
            .reserve_and_release(&format!("run-{run}"), PAIRS)
            .await;
        let pair_us = us(cpu() - before, PAIRS);
        let journal = engine.stop().await;
        let state = journal.load(&busy()).unwrap().unwrap();
        Costs {
            order_us,
            pair_us,
            state_bytes: state.body.len() as f64,
        }
    }

    /// Events a second that `journal verify` reads.
    fn verified_per_s(&self, binary: &Path) -> f64 {
        let mut verify = Program::new(binary);
        verify
            .args(["journal", "verify", "--json", "--data"])
            .arg(self.dir.path());
        let started = Instant::now();
        let said = verify.output().unwrap();
        let lasted = started.elapsed();
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!(said["problem_count"], 0, "{said}");
        said["frames"].as_f64().unwrap() / lasted.as_secs_f64()
    }
}

impl Engine {
    /// Sells some SKUs of the first thousand; what an order took.
    async fn sell(&self, run: usize) -> f64 {
        let orders = (0..ORDERS).map(|number| {
            let skus = [number * 7 % FEW_SKUS, number * 13 % FEW_SKUS];
            let lines = 1 + number % 2;
            engine::order(&format!("{run}-{number}"), &skus[..lines])
        });
        let orders: Vec<_> = orders.collect();
        let ids: Vec<_> = orders.iter().map(|(id, _)| id.clone()).collect();
        let before = cpu();
        self.ask_all(orders.into_iter()).await;
        for id in &ids {
            while !self.is_requested(id).await {
                tokio::time::sleep(PAUSE).await;
            }
        }
        us(cpu() - before, ORDERS)
    }

    /// Reserves a unit of the busy SKU and lets it go, so often.
    async fn reserve_and_release(&self, turn: &str, pairs: usize) {
        let names = futures::stream::iter((0..pairs).map(|number| format!("{turn}-{number}")));
        let pair = |name: String| async move {
            self.ask(&busy(), engine::reserve(&name)).await;
            self.ask(&busy(), engine::release(&name)).await;
        };
        names.for_each_concurrent(CLIENTS, pair).await;
    }
}

fn busy() -> EntityId {
    engine::sku(MANY_SKUS)
}

fn us(spent: Duration, times: usize) -> f64 {
    spent.as_secs_f64() * 1e6 / times as f64
}
