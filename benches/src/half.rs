//! How long callers wait at half of what is possible, for a minute each, checkpoints included.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{self, Make, Tally};
use crate::orders::{SKUS, Shop, line};
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
        let hold =
            |_: &str, sku: String| json!({ "lines": [{ "line": "1", "sku": sku, "units": 1 }], "expires_in_s": 600 });
        let held = shop.at_half("/v1/holds", hold).await;
        enter(report, ("hold", "holds", 1), &held, flush_ms);
        let order = |name: &str, sku: String| {
            let lines = [json!({ "line": "1", "sku": sku, "units": 1 })];
            let to = json!({ "country": "US" });
            json!({ "channel": "api", "external_id": name, "lines": lines, "destination": to })
        };
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
        let make: Make = Arc::new(move |number| requests[number as usize].clone());
        let opened = load::open(self.server.addr, CLIENTS, per_s, HALF, make);
        opened.await.all_done()
    }

    /// Posts documents as fast as they are answered, then half as many a second.
    async fn at_half(
        &self,
        path: &'static str,
        document: impl Fn(&str, String) -> Value + Copy + Send + Sync + 'static,
    ) -> Tally {
        let key = format!("Bearer {}", self.server.key);
        let make = |turn: &'static str| -> Make {
            let key = key.clone();
            Arc::new(move |number| {
                let name = format!("{turn}{}-{number}", path.replace('/', "-"));
                let sku = format!("S-{}", number as usize * 7 % SKUS);
                let body = document(&name, sku).to_string();
                let head = [
                    ("authorization", key.as_str()),
                    ("content-type", "application/json"),
                    ("idempotency-key", name.as_str()),
                ];
                load::post(path, &head, body.as_bytes())
            })
        };
        let to = self.server.addr;
        let most = load::closed(to, CLIENTS, FULL, u64::MAX, make("full")).await;
        let per_s = most.all_done().rate() / 2.0;
        self.last_record().await;
        let half = load::open(to, CLIENTS, per_s, HALF, make("half")).await;
        self.last_record().await;
        half.all_done()
    }
}
