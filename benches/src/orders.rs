//! Orders end to end on the real binary: a signed webhook, stored, reserved, routed and requested, all of it durable.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossdock_channels::Secret;
use crossdock_channels::shopify::{TemplateLine, TemplateOptions, headers, sign, template};
use serde_json::{Value, json};

use crate::draw::{Draw, Spread};
use crate::load::{self, Make, Request};
use crate::report::{RUNS, Report, Row, middle};
use crate::server::{Launch, Server};

const CLIENTS: usize = 64;
pub(crate) const SKUS: usize = 5_000;
const ORDERS: u64 = 10_000;
/// Lines of ten orders: 1.6 each.
const LINES: [usize; 10] = [1, 1, 1, 1, 1, 2, 2, 2, 2, 3];
/// Ids of orders made from templates start here.
const FIRST_ORDER: u64 = 820_000_000_000_000_000;
const PAUSE: Duration = Duration::from_millis(10);
/// Between looks that are not to cost much.
const SLOWLY: Duration = Duration::from_secs(1);
/// So long after the last record nothing is under way any more.
const QUIET: Duration = Duration::from_millis(500);
const ENDLESS: Duration = Duration::from_secs(600);
const SECRET: &str = "secret-of-the-bench";
/// How far read models may be behind.
const BEHIND_S_MAX: f64 = 5.0;

/// Measures them.
pub(crate) fn run(report: &mut Report, binary: &Path) {
    let runtime = crate::reserve::runtime();
    let (mut rates, mut behind) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (rate, s) = runtime.block_on(async { Shop::start(binary).await.sell(0).await });
        rates.push(rate);
        behind.push(s);
    }
    let name = "orders, from the signed webhook to the fulfilment request, 5,000 SKUs, Zipf 0.99";
    report.add(Row::new(name, middle(rates), "orders/s").at_least(5_000.0));
    let name = "read models behind when the last of these orders is requested";
    report.add(Row::new(name, middle(behind), "s").at_most(BEHIND_S_MAX));
}

/// A server with a shop whose webhooks are signed.
pub(crate) struct Shop {
    pub(crate) server: Server,
    skus: usize,
}

impl Shop {
    pub(crate) async fn start(binary: &Path) -> Self {
        let shop = Self::launch(Launch::of(binary), SKUS).await;
        shop.server.stock(SKUS as u64, 1_000_000).await;
        shop
    }

    /// With nothing in stock yet; webhooks ask for so many SKUs.
    pub(crate) async fn launch(launch: Launch, skus: usize) -> Self {
        let server = launch.start(|dir| {
            std::fs::write(dir.join("secret"), SECRET).unwrap();
            "[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{ file = \"secret\" }]\n"
                .to_owned()
        });
        let server = server.await;
        Self { server, skus }
    }

    /// Webhooks of so many orders, of a turn of its own.
    pub(crate) fn webhooks(&self, turn: u64, count: u64) -> Vec<Request> {
        webhooks(turn * ORDERS, count, self.skus)
    }

    /// Requests that post documents, named after their turn and number; the SKUs take turns.
    pub(crate) fn posts(&self, turn: &str, path: &'static str, document: Document) -> Make {
        let key = format!("Bearer {}", self.server.key);
        let turn = turn.to_owned();
        Arc::new(move |number| {
            let name = format!("{turn}{}-{number}", path.replace('/', "-"));
            let body = document(&name, sku(number)).to_string();
            let head = [
                ("authorization", key.as_str()),
                ("content-type", "application/json"),
                ("idempotency-key", name.as_str()),
            ];
            load::post(path, &head, body.as_bytes())
        })
    }

    /// Orders a second until the last is requested, and how many seconds read models are behind then.
    pub(crate) async fn sell(&self, turn: u64) -> (f64, f64) {
        let hooks = self.webhooks(turn, ORDERS);
        let start = Instant::now();
        let sold = load::closed(self.server.addr, CLIENTS, ENDLESS, ORDERS, each(hooks)).await;
        let stored = sold.all_done().lasted;
        let lasted = self.last_record().await - start;
        eprintln!("{ORDERS} stored in {stored:?}, requested in {lasted:?}");
        self.server.until_read_models_follow().await;
        let behind = start.elapsed() - lasted;
        self.all_are_requested((turn + 1) * ORDERS).await;
        (ORDERS as f64 / lasted.as_secs_f64(), behind.as_secs_f64())
    }

    /// When the last record of all was written: since then nothing waited to be worked on, and none came.
    pub(crate) async fn last_record(&self) -> Instant {
        let (mut records, mut at) = (String::new(), Instant::now());
        while at.elapsed() < QUIET {
            let metrics = self.server.text("/metrics").await;
            let known = line(&metrics, "crossdock_journal_records_total ");
            let open = line(&metrics, "crossdock_deliveries_open ");
            if known != records || open != "0" {
                (records, at) = (known.to_owned(), Instant::now());
            }
            tokio::time::sleep(PAUSE).await;
        }
        at
    }

    /// The last orders are requested, as the read models say.
    async fn all_are_requested(&self, orders: u64) {
        for number in orders.saturating_sub(CLIENTS as u64)..orders {
            let path = format!("/v1/orders/shop:{}", FIRST_ORDER + number);
            assert!(self.has(&path, "\"status\":\"requested\"").await, "{path}");
        }
    }

    /// Waits until those orders of a turn are requested that came last.
    pub(crate) async fn are_requested(&self, turn: u64, orders: u64) {
        for number in orders.saturating_sub(CLIENTS as u64)..orders {
            let path = format!("/v1/orders/shop:{}", FIRST_ORDER + turn * ORDERS + number);
            while !self.has(&path, "\"status\":\"requested\"").await {
                tokio::time::sleep(SLOWLY).await;
            }
        }
    }

    async fn has(&self, path: &str, what: &str) -> bool {
        self.server.text(path).await.contains(what)
    }
}

/// What a document says of its name and SKU.
pub(crate) type Document = fn(&str, String) -> Value;

/// A hold of one unit.
pub(crate) fn hold(_: &str, sku: String) -> Value {
    json!({ "lines": [{ "line": "1", "sku": sku, "units": 1 }], "expires_in_s": 600 })
}

/// An order of one unit by the API.
pub(crate) fn order(name: &str, sku: String) -> Value {
    let lines = [json!({ "line": "1", "sku": sku, "units": 1 })];
    let to = json!({ "country": "US" });
    json!({ "channel": "api", "external_id": name, "lines": lines, "destination": to })
}

/// The SKU whose turn it is.
pub(crate) fn sku(number: u64) -> String {
    format!("S-{}", number as usize * 7 % SKUS)
}

/// Requests that are made before, one after the other.
pub(crate) fn each(requests: Vec<Request>) -> Make {
    Arc::new(move |number| requests[number as usize].clone())
}

/// What stands behind a name among metrics.
pub(crate) fn line<'a>(metrics: &'a str, name: &str) -> &'a str {
    let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    lines.next().unwrap_or_default()
}

/// Signed webhooks of so many orders, numbered from `first` on.
fn webhooks(first: u64, count: u64, skus: usize) -> Vec<Request> {
    let mut draw = Draw::new(&Spread::zipf(skus, 0.99), 1);
    let secret = Secret::new(SECRET);
    (first..first + count)
        .map(|number| webhook(number, &mut draw, &secret))
        .collect()
}

fn webhook(number: u64, draw: &mut Draw, secret: &Secret) -> Request {
    let line = |_| TemplateLine {
        sku: format!("S-{}", draw.sku()),
        units: 1,
    };
    let lines = (0..LINES[number as usize % LINES.len()]).map(line);
    let options = TemplateOptions {
        number,
        lines: lines.collect(),
        updated_at: "2026-11-20T10:00:00Z".to_owned(),
    };
    let body = template("orders/create", &options).unwrap();
    let (event, signature) = (format!("event-{number}"), sign(secret, &body));
    let shop = "example.myshopify.com";
    let head = headers("orders/create", &event, &event, shop, &signature);
    let head: Vec<(&str, &str)> = head
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    load::post("/webhooks/shop", &head, &body)
}
