//! How long callers wait at half of what is possible, for a minute each, checkpoints included.

use std::path::Path;
use std::time::Duration;

use crate::load::{self, Tally};
use crate::orders::{Document, Shop, each, hold, line, order};
use crate::report::{Report, Row};

const CLIENTS: usize = 64;
/// How long the most that is possible is looked for, and how long half of it lasts.
const FULL: Duration = Duration::from_secs(5);
const HALF: Duration = Duration::from_secs(60);
/// Milliseconds beyond the flushes that an answer waits for, that 99 % of answers may take.
const BEYOND_FLUSHES_MS: f64 = 5.0;
const P999_MS_MAX: f64 = 25.0;
const LONGEST_MS_MAX: f64 = 250.0;

/// Measures them.
pub(crate) fn run(report: &mut Report, binary: &Path) {
    let runtime = crate::reserve::runtime();
    runtime.block_on(async {
        let shop = Shop::start(binary).await;
        let (sold, _) = shop.sell(0).await;
        let hooks = shop.webhooks(1, (sold / 2.0 * HALF.as_secs_f64()) as u64);
        let stored = shop.open(sold / 2.0, hooks).await;
        shop.last_record().await;
        let flush_ms = flush_ms(&shop.server.text("/metrics").await);
        report.add(Row::new("one flush, on average", flush_ms, "ms"));
        enter(report, ("webhook", "webhooks", 1), &stored, flush_ms);
        let held = shop.at_half("/v1/holds", hold).await;
        enter(report, ("hold", "holds", 1), &held, flush_ms);
        let ordered = shop.at_half("/v1/orders", order).await;
        enter(report, ("API order", "API orders", 3), &ordered, flush_ms);
    });
}

/// The mean of all flushes so far.
fn flush_ms(metrics: &str) -> f64 {
    let of = |what: &str| -> f64 {
        let name = format!("crossdock_journal_fsync_seconds_{what} ");
        line(metrics, &name).parse().unwrap()
    };
    1_000.0 * of("sum") / of("count")
}

fn enter(
    report: &mut Report,
    (one, many, flushes): (&str, &str, u32),
    tally: &Tally,
    flush_ms: f64,
) {
    let per_s = tally.rate().round();
    let most = BEYOND_FLUSHES_MS + f64::from(flushes) * flush_ms;
    for (what, permille, most) in [
        (format!("p99 of {many}"), 990, most),
        (format!("p99.9 of {many}"), 999, P999_MS_MAX),
        (format!("longest {one}"), 1_000, LONGEST_MS_MAX),
    ] {
        let name = format!("{what}, half load: {per_s} a second");
        report.add(Row::new(name, tally.ms(permille), "ms").at_most(most));
    }
}

impl Shop {
    async fn open(&self, per_s: f64, requests: Vec<load::Request>) -> Tally {
        let opened = load::open(self.server.addr, CLIENTS, per_s, HALF, each(requests));
        opened.await.all_done()
    }

    /// Posts documents as fast as they are answered, then half as many a second.
    async fn at_half(&self, path: &'static str, document: Document) -> Tally {
        let to = self.server.addr;
        let full = self.posts("full", path, document);
        let most = load::closed(to, CLIENTS, FULL, u64::MAX, full).await;
        let per_s = most.all_done().rate() / 2.0;
        self.last_record().await;
        let half = load::open(to, CLIENTS, per_s, HALF, self.posts("half", path, document)).await;
        self.last_record().await;
        half.all_done()
    }
}
