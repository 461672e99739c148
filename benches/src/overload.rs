//! Webhooks as fast as they are answered, and twice as much of everything else on top: what was sold is taken in, the
//! rest is put off, memory is bounded, and all is as before once it is over.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::load::{self, Ends, Make, Tally, paced};
use crate::orders::{Shop, each, hold, line, order, sku};
use crate::report::{Report, Row, middle};

/// Times that all of it is done, each on a server of its own.
const TURNS: usize = 3;
/// Connections of shops.
const CLIENTS: usize = 64;
/// Connections of each of the others: more than a server that is too busy for them answers at once.
const OTHERS: usize = 256;
/// How long webhooks have the server to themselves, then share it.
const ALONE: Duration = Duration::from_secs(8);
const PRESSED: Duration = Duration::from_secs(10);
/// How long latencies are looked at, before and after.
const HALF: Duration = Duration::from_secs(10);
/// How long the server has to recover.
const CALM: Duration = Duration::from_secs(5);
/// Turns of webhooks that are far enough apart for all of these.
const APART: u64 = 100;
/// What comes on top, as a multiple of the webhooks.
const ON_TOP: f64 = 2.0;
/// Lines of one import.
const LINES: u64 = 100;
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// What of webhooks' rate is left under pressure, and how much longer they may take afterwards.
const RATE_LEFT_MIN: f64 = 0.8;
const SLOWER_MAX: f64 = 1.2;
/// How far read models may be behind what was taken in.
const BEHIND_S_MAX: f64 = 5.0;
/// What the server's own limits let wait in memory, in MiB: deliveries to be stored (64) and to be worked on (64), the files of two
/// imports (32 each), and batches of 8 MiB: one that gathers, one that is written, four that leave.
const GROWTH_MB_MAX: f64 = 64.0 + 64.0 + 2.0 * 32.0 + 6.0 * 8.0;

/// Those who come on top, in the order in which they are put off.
const KINDS: [&str; 4] = ["imports", "reads", "holds", "API orders"];

/// Measures it.
pub(crate) fn run(report: &mut Report, binary: &Path) {
    let runtime = crate::reserve::runtime();
    let turns: Vec<Turn> = (0..TURNS)
        .map(|_| runtime.block_on(async { Turn::of(&Shop::start(binary).await).await }))
        .collect();
    let of = |figure: fn(&Turn) -> f64| middle(turns.iter().map(figure).collect());
    let row = Row::new(
        "webhooks under twice as much of everything else",
        of(|turn| turn.webhooks.rate()),
        "webhooks/s",
    );
    let alone = Some(of(|turn| turn.alone));
    report.add(row.against("alone", alone).ratio_at_least(RATE_LEFT_MIN));
    let behind = turns.iter().map(|turn| turn.behind_s).fold(0.0, f64::max);
    let row = Row::new("until all of it is worked on and shown", behind, "s");
    report.add(row.at_most(BEHIND_S_MAX));
    let refused: u64 = turns.iter().map(|turn| turn.webhooks.refused()).sum();
    let row = Row::new("webhooks refused meanwhile", refused as f64, "webhooks");
    report.add(row.at_most(0.0));
    for (at, kind) in KINDS.iter().enumerate() {
        let sum = |count: fn(&Tally) -> u64| -> f64 {
            turns
                .iter()
                .map(|turn| count(&turn.others[at]))
                .sum::<u64>() as f64
        };
        let name = format!("{kind} put off meanwhile, each told until when");
        let row = Row::new(name, sum(Tally::put_off), kind);
        let answered = sum(|tally| tally.done() + tally.refused());
        report.add(row.against("answered", Some(answered)));
    }
    let grown = turns.iter().map(|turn| turn.grown_mb).fold(0.0, f64::max);
    let row = Row::new("memory that this takes at most", grown, "MB");
    report.add(row.at_most(GROWTH_MB_MAX));
    let row = Row::new(
        "p99 of webhooks at half load, 5 s after it",
        of(|turn| turn.after_ms),
        "ms",
    );
    let before = Some(of(|turn| turn.before_ms));
    report.add(row.against("before it", before).ratio_at_most(SLOWER_MAX));
}

/// What came of it once.
struct Turn {
    /// Webhooks a second with the server to themselves.
    alone: f64,
    webhooks: Tally,
    /// In the order of [`KINDS`].
    others: Vec<Tally>,
    /// Time until all that was taken in is worked on and shown.
    behind_s: f64,
    grown_mb: f64,
    before_ms: f64,
    after_ms: f64,
}

impl Turn {
    async fn of(shop: &Shop) -> Self {
        let (sold, _) = shop.sell(0).await;
        let half = sold / 2.0;
        let alone = shop.at_most(1, sold, ALONE).await.all_done().rate();
        shop.last_record().await;
        let before = shop.at_rate(2, half).await;
        shop.last_record().await;
        let resident = shop.server.resident_bytes();
        let highest = Highest::default();
        let ((webhooks, others), ()) = tokio::join!(
            async {
                let pressed = tokio::join!(
                    shop.at_most(3, sold, PRESSED),
                    shop.others(ON_TOP * alone / KINDS.len() as f64)
                );
                highest.over.store(true, Ordering::Relaxed);
                pressed
            },
            highest.watch(shop)
        );
        // Latencies are looked at when their time has come, whether or not all is worked on by then.
        let over = Instant::now();
        let in_time = tokio::time::timeout(CALM, shop.catches_up()).await.is_ok();
        let mut behind = over.elapsed();
        tokio::time::sleep(CALM.saturating_sub(behind)).await;
        let after = shop.at_rate(4, half).await;
        if !in_time {
            shop.catches_up().await;
            behind = over.elapsed();
        }
        let grown = highest.bytes.into_inner().saturating_sub(resident);
        let turn = Self {
            alone,
            webhooks,
            others,
            behind_s: behind.as_secs_f64(),
            grown_mb: grown as f64 / f64::from(1 << 20),
            before_ms: before.ms(990),
            after_ms: after.ms(990),
        };
        turn.told();
        turn
    }

    /// Says at once what came of it: a run takes minutes.
    fn told(&self) {
        let put_off = |tally: &Tally| (tally.done(), tally.put_off());
        let others: Vec<(u64, u64)> = self.others.iter().map(put_off).collect();
        eprintln!(
            "webhooks/s {:.0} alone, {:.0} pressed, {:.1} s behind; {KINDS:?} done and put off {others:?}; {:.0} MB; p99 {:.1} ms, then {:.1} ms",
            self.alone,
            self.webhooks.rate(),
            self.behind_s,
            self.grown_mb,
            self.before_ms,
            self.after_ms
        );
    }
}

/// The most memory that a server held.
#[derive(Default)]
struct Highest {
    bytes: AtomicU64,
    over: AtomicBool,
}

impl Highest {
    async fn watch(&self, shop: &Shop) {
        while !self.over.load(Ordering::Relaxed) {
            let resident = shop.server.resident_bytes();
            self.bytes.fetch_max(resident, Ordering::Relaxed);
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

impl Shop {
    /// Until no delivery is left to be worked on, and the read models show them all.
    async fn catches_up(&self) {
        while line(
            &self.server.text("/metrics").await,
            "crossdock_deliveries_open ",
        ) != "0"
        {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        self.server.until_read_models_follow().await;
    }

    /// Webhooks as fast as they are worked on, if they are answered so fast.
    async fn at_most(&self, turn: u64, per_s: f64, lasts: Duration) -> Tally {
        let count = (per_s * lasts.as_secs_f64()) as u64;
        let hooks = each(self.webhooks(turn * APART, count));
        paced(self.server.addr, CLIENTS, per_s, Ends::sharp(lasts), hooks).await
    }

    /// Webhooks at a rate.
    async fn at_rate(&self, turn: u64, per_s: f64) -> Tally {
        let hooks = self.webhooks(turn * APART, (per_s * HALF.as_secs_f64()) as u64);
        let opened = load::open(self.server.addr, CLIENTS, per_s, HALF, each(hooks));
        opened.await.all_done()
    }

    /// Everybody else, with so much a second each, while webhooks come as fast as they can.
    async fn others(&self, per_s: f64) -> Vec<Tally> {
        let kinds: [(Make, f64); 4] = [
            (self.imports(), per_s / LINES as f64),
            (self.reads(), per_s),
            (self.posts("pressed", "/v1/holds", hold), per_s),
            (self.posts("pressed", "/v1/orders", order), per_s),
        ];
        let asking = kinds.map(|(make, per_s)| {
            paced(self.server.addr, OTHERS, per_s, Ends::sharp(PRESSED), make)
        });
        let tallies = futures::future::join_all(asking).await;
        let told = tallies.into_iter().zip(KINDS);
        told.map(|(tally, kind)| tally.done_or_put_off(kind))
            .collect()
    }

    fn reads(&self) -> Make {
        let key = format!("Bearer {}", self.server.key);
        Arc::new(move |number| {
            let path = format!("/v1/stock/{}", sku(number));
            load::get(&path, &[("authorization", key.as_str())])
        })
    }

    /// Counts of some SKUs, which say something new each time.
    fn imports(&self) -> Make {
        let key = format!("Bearer {}", self.server.key);
        Arc::new(move |number| {
            let units = 1_000_000 + number;
            let lines =
                (0..LINES).map(|line| format!("{},reno,{units}\n", sku(number * LINES + line)));
            let body = format!("sku,location,on_hand\n{}", lines.collect::<String>());
            let head = [
                ("authorization", key.as_str()),
                ("content-type", "text/csv"),
                ("idempotency-key", &format!("pressed-{number}")),
            ];
            load::post("/v1/imports/stock", &head, body.as_bytes())
        })
    }
}
