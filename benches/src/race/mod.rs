//! Many buyers want few units at once: of Crossdock, of the usual codings, and of engines that users would pick instead.
//!
//! Each buyer presses once; one that is told to come back comes back under the same key, as the target asks for it.
//! Whoever has prepared a cart has prepared it before the start. What was sold is what buyers were told.

mod codings;
mod crossdock;
mod medusa;
mod peer;
pub(crate) mod redis_server;
pub(crate) mod shop;
mod vendure;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use codings::Coding;

const BUYERS: usize = 200;
const UNITS: u32 = 50;
/// Races on one SKU against each target; what is told is the one in the middle, by what was sold.
const RUNS: usize = 3;
/// Crossed races: where they deadlock, each takes a minute.
const CROSSED_RUNS: usize = 1;
/// Carts that are prepared at once.
const PREPARED_AT_ONCE: usize = 8;
/// How long a buyer goes on trying.
const PATIENCE: Duration = Duration::from_secs(180);
/// Kinds of failures told of a race.
const FAILURES_MAX: usize = 3;

/// What each buyer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One unit of one SKU.
    One,
    /// One unit each of two SKUs, which half of the buyers name the other way round.
    Crossed,
}

impl Kind {
    const ALL: [Self; 2] = [Self::One, Self::Crossed];

    fn runs(self) -> usize {
        match self {
            Self::One => RUNS,
            Self::Crossed => CROSSED_RUNS,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::One => "one SKU",
            Self::Crossed => "two SKUs, crossed",
        }
    }

    /// SKUs of a race, by its number at its target.
    fn skus(self, race: usize) -> Vec<String> {
        let letters: &[&str] = match self {
            Self::One => &["A"],
            Self::Crossed => &["A", "B"],
        };
        let sku = |letter: &&str| format!("RACE-{race}-{letter}");
        letters.iter().map(sku).collect()
    }

    fn basket(self, race: usize, buyer: usize) -> Vec<String> {
        let mut skus = self.skus(race);
        if buyer % 2 == 1 {
            skus.reverse();
        }
        skus
    }
}

/// What a buyer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Sold,
    SoldOut,
    /// To come back after so many milliseconds.
    Again(u64),
    /// Anything else.
    Failed(String),
}

/// Somebody who sells.
trait Target: Send + Sync + 'static {
    /// What a buyer has before the last button.
    type Cart: Send + Sync;

    /// What it is, with its version.
    fn name(&self) -> String;
    /// How often it is raced against.
    fn runs(&self, kind: Kind) -> usize {
        kind.runs()
    }
    /// Has so many units of each SKU.
    fn stock(&self, skus: &[String], units: u32) -> impl Future<Output = ()> + Send;
    /// Does all that a buyer does before.
    fn prepare(
        &self,
        buyer: String,
        basket: Vec<String>,
    ) -> impl Future<Output = Result<Self::Cart, String>> + Send;
    /// Presses the last button.
    fn press(&self, cart: &Self::Cart) -> impl Future<Output = Told> + Send;
}

/// What came of one race.
#[derive(Debug, Default)]
struct Outcome {
    sold: u32,
    sold_out: u32,
    failures: BTreeMap<String, u32>,
    latencies: Vec<Duration>,
}

impl Outcome {
    fn enter(&mut self, told: Told, latency: Duration) {
        self.latencies.push(latency);
        match told {
            Told::Sold => self.sold += 1,
            Told::SoldOut => self.sold_out += 1,
            Told::Again(_) => *self.failures.entry("busy".to_owned()).or_default() += 1,
            Told::Failed(why) => *self.failures.entry(why).or_default() += 1,
        }
    }

    fn failed(&self) -> u32 {
        self.failures.values().sum()
    }

    fn oversold(&self) -> u32 {
        self.sold.saturating_sub(UNITS)
    }

    /// Units that nobody has, though somebody was turned away.
    fn left(&self) -> u32 {
        let turned_away = self.sold_out + self.failed();
        UNITS.saturating_sub(self.sold).min(turned_away)
    }

    fn latency_ms(&self, permille: usize) -> u128 {
        let mut all = self.latencies.clone();
        all.sort_unstable();
        let index = (all.len() * permille).div_ceil(1000).saturating_sub(1);
        all.get(index).map_or(0, Duration::as_millis)
    }
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    target: String,
    kind: Kind,
    races: Vec<Outcome>,
}

impl Row {
    /// The race in the middle, by what was sold.
    fn middle(&self) -> &Outcome {
        let mut sorted: Vec<&Outcome> = self.races.iter().collect();
        sorted.sort_by_key(|race| race.sold);
        sorted[sorted.len() / 2]
    }

    fn sold(&self) -> Vec<u32> {
        self.races.iter().map(|race| race.sold).collect()
    }
}

/// The figures of all targets that are there.
#[derive(Debug)]
pub struct Table(Vec<Row>);

/// Races against all of them, one after the other.
pub fn run(binary: &Path) -> Table {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(all(binary))
}

async fn all(binary: &Path) -> Table {
    let mut rows = Vec::new();
    rows.extend(against(crossdock::Crossdock::start(binary).await).await);
    for coding in Coding::ALL {
        match codings::Postgres::start(coding).await {
            Some(store) => rows.extend(against(shop::Shop::open(store).await).await),
            None => eprintln!("skipped: no Postgres here (apt-get install postgresql)"),
        }
    }
    match redis_server::Redis::start().await {
        Some(store) => rows.extend(against(shop::Shop::open(store).await).await),
        None => eprintln!("skipped: no Redis here (apt-get install redis-server)"),
    }
    let peers = std::env::var_os("PEERS").map(std::path::PathBuf::from);
    let Some(peers) = peers else {
        eprintln!("skipped: Vendure and Medusa (benches/peers/peers install DIR, and PEERS=DIR)");
        return Table(rows);
    };
    match vendure::Vendure::find(&peers) {
        Some(vendure) => rows.extend(against(vendure).await),
        None => eprintln!("skipped: Vendure does not run (benches/peers/peers start DIR)"),
    }
    match medusa::Medusa::find(&peers) {
        Some(medusa) => rows.extend(against(medusa).await),
        None => eprintln!("skipped: Medusa does not run (benches/peers/peers start DIR)"),
    }
    Table(rows)
}

async fn against<T: Target>(target: T) -> Vec<Row> {
    let target = Arc::new(target);
    let mut rows = Vec::new();
    let mut numbers = 0..;
    for kind in Kind::ALL {
        let mut races = Vec::new();
        for number in numbers.by_ref().take(target.runs(kind)) {
            let outcome = race(&target, kind, number).await;
            eprintln!(
                "{}, {}: {} sold, {} sold out, {:?}",
                target.name(),
                kind.name(),
                outcome.sold,
                outcome.sold_out,
                outcome.failures
            );
            races.push(outcome);
        }
        let target = target.name();
        rows.push(Row {
            target,
            kind,
            races,
        });
    }
    rows
}

/// All buyers press at once; latency counts from then.
async fn race<T: Target>(target: &Arc<T>, kind: Kind, number: usize) -> Outcome {
    target.stock(&kind.skus(number), UNITS).await;
    let (start, started) = tokio::sync::watch::channel(None);
    let mut buyers = JoinSet::new();
    for cart in prepared(target, kind, number).await {
        let (target, mut started) = (Arc::clone(target), started.clone());
        buyers.spawn(async move {
            let start: Instant = started.wait_for(Option::is_some).await.unwrap().unwrap();
            let told = match cart {
                Ok(cart) => buy(&*target, &cart, start).await,
                Err(why) => Told::Failed(format!("no cart: {why}")),
            };
            (told, start.elapsed())
        });
    }
    start.send(Some(Instant::now())).unwrap();
    let mut outcome = Outcome::default();
    while let Some(buyer) = buyers.join_next().await {
        let (told, latency) = buyer.unwrap();
        outcome.enter(told, latency);
    }
    outcome
}

async fn prepared<T: Target>(
    target: &Arc<T>,
    kind: Kind,
    number: usize,
) -> Vec<Result<T::Cart, String>> {
    use futures::StreamExt;
    let carts = (0..BUYERS).map(|buyer| {
        let target = Arc::clone(target);
        let name = format!("race-{number}-{buyer}");
        async move { target.prepare(name, kind.basket(number, buyer)).await }
    });
    let carts = futures::stream::iter(carts).buffered(PREPARED_AT_ONCE);
    carts.collect().await
}

async fn buy<T: Target>(target: &T, cart: &T::Cart, start: Instant) -> Told {
    loop {
        match target.press(cart).await {
            Told::Again(ms) if start.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            told => return told,
        }
    }
}

impl Table {
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let race = row.middle();
            json!({
                "target": row.target, "race": row.kind.name(), "buyers": BUYERS, "units": UNITS,
                "sold": race.sold, "sold_out": race.sold_out, "failed": race.failed(),
                "oversold": race.oversold(), "left_unsold": race.left(), "sold_by_race": row.sold(),
                "latency_ms_p50": race.latency_ms(500), "latency_ms_p99": race.latency_ms(990),
                "latency_ms_max": race.latency_ms(1000), "failures": race.failures,
            })
        };
        json!(self.0.iter().map(row).collect::<Vec<_>>())
    }

    pub fn markdown(&self) -> String {
        let mut table = format!(
            "{BUYERS} buyers at once, {UNITS} units of each SKU\n\n\
             | target | race | sold, each run | oversold | told sold out | failed | left unsold | p50, ms | p99, ms |\n\
             |---|---|---|---|---|---|---|---|---|\n"
        );
        for row in &self.0 {
            let race = row.middle();
            let sold: Vec<String> = row.sold().iter().map(u32::to_string).collect();
            table += &format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                row.target,
                row.kind.name(),
                sold.join(", "),
                race.oversold(),
                race.sold_out,
                race.failed(),
                race.left(),
                race.latency_ms(500),
                race.latency_ms(990),
            );
        }
        for row in &self.0 {
            for (why, count) in row.middle().failures.iter().take(FAILURES_MAX) {
                table += &format!("\n{}, {}: {count} × {why}\n", row.target, row.kind.name());
            }
        }
        table
    }
}
