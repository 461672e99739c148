//! Orders end to end over HTTP, on the real binary, against the requests that the same server answers when they
//! need nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossdock_channels::Secret;
use crossdock_channels::shopify::{TemplateLine, TemplateOptions, headers, sign, template};
use serde_json::json;

use crate::report::{Report, median};
use crate::server::{Server, binary};

const RUN: Duration = Duration::from_secs(4);
const CLIENTS: usize = 64;
const SKUS: u64 = 1000;
/// Ids of orders made from templates start here.
const FIRST_ORDER: u64 = 820_000_000_000_000_000;
const PAUSE: Duration = Duration::from_millis(20);
const SECRET: &str = "secret-of-the-bench";

pub fn run(report: &mut Report) {
    let binary = binary();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let measure = |work: Work, skus: u64| {
        median(|| runtime.block_on(async { Bench::start(&binary).await.rate(work, skus).await }))
    };
    let idle = measure(Work::Nothing, 1);
    let limit = || Some(("GET /healthz", idle));
    report.add(
        "API orders, reserved when answered, one SKU",
        measure(Work::Order, 1),
        "orders/s",
        limit(),
    );
    report.add(
        "API orders, reserved when answered, 1,000 SKUs",
        measure(Work::Order, SKUS),
        "orders/s",
        limit(),
    );
    report.add(
        "webhooks, stored when answered",
        measure(Work::Webhook, SKUS),
        "webhooks/s",
        limit(),
    );
    report.add(
        "webhooks, all the way to requested",
        measure(Work::Requested, SKUS),
        "orders/s",
        limit(),
    );
}

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Nothing,
    Order,
    Webhook,
    /// Webhooks, and the time until the last order is requested.
    Requested,
}

struct Bench {
    client: Arc<Caller>,
}

struct Caller {
    server: Server,
    secret: Secret,
    next: AtomicU64,
}

impl Bench {
    async fn start(binary: &Path) -> Self {
        let server = Server::start(binary, |dir| {
            std::fs::write(dir.join("secret"), SECRET).unwrap();
            "[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{ file = \"secret\" }]\n"
                .to_owned()
        });
        let client = Caller {
            server: server.await,
            secret: Secret::new(SECRET),
            next: AtomicU64::new(1),
        };
        client.server.stock(SKUS, 1_000_000).await;
        Self {
            client: Arc::new(client),
        }
    }

    /// What all clients get done in a second.
    async fn rate(&self, work: Work, skus: u64) -> f64 {
        let started = Instant::now();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let client = Arc::clone(&self.client);
                tokio::spawn(async move { client.work(work, skus, started + RUN).await })
            })
            .collect();
        let (mut done, mut last) = (0, Vec::new());
        for client in clients {
            let (count, number) = client.await.unwrap();
            done += count;
            last.push(number);
        }
        if work == Work::Requested {
            self.client.until_requested(&last).await;
        }
        done as f64 / started.elapsed().as_secs_f64()
    }
}

impl Caller {
    /// Works until the time has come; how much was done, and the number of the last.
    async fn work(&self, work: Work, skus: u64, until: Instant) -> (u64, u64) {
        let (mut done, mut number) = (0, 0);
        while Instant::now() < until {
            number = self.next.fetch_add(1, Ordering::Relaxed);
            let sku = format!("S-{}", number % skus);
            let request = match work {
                Work::Nothing => self.server.http.get(format!("{}/healthz", self.server.url)),
                Work::Order => self.order(number, &sku),
                Work::Webhook | Work::Requested => self.webhook(number, sku),
            };
            let answer = request.send().await.unwrap();
            assert!(
                answer.status().is_success(),
                "{}",
                answer.text().await.unwrap()
            );
            answer.bytes().await.unwrap();
            done += 1;
        }
        (done, number)
    }

    fn order(&self, number: u64, sku: &str) -> reqwest::RequestBuilder {
        let order = json!({
            "channel": "api", "external_id": number.to_string(), "destination": { "country": "US" },
            "lines": [{ "sku": sku, "units": 1 }],
        });
        let post = self
            .server
            .http
            .post(format!("{}/v1/orders", self.server.url))
            .bearer_auth(&self.server.key);
        post.header("idempotency-key", format!("o-{number}"))
            .json(&order)
    }

    fn webhook(&self, number: u64, sku: String) -> reqwest::RequestBuilder {
        let options = TemplateOptions {
            number,
            lines: vec![TemplateLine { sku, units: 1 }],
            updated_at: "2026-11-20T10:00:00Z".to_owned(),
        };
        let body = template("orders/create", &options).unwrap();
        let (event, signature) = (format!("event-{number}"), sign(&self.secret, &body));
        let headers = headers(
            "orders/create",
            &event,
            &event,
            "example.myshopify.com",
            &signature,
        );
        let hook = format!("{}/webhooks/shop", self.server.url);
        let post = self.server.http.post(hook);
        let post = headers
            .into_iter()
            .fold(post, |post, (name, value)| post.header(name, value));
        post.body(body)
    }

    /// Waits until nothing waits to be worked on and these orders, the last of each client, are requested.
    async fn until_requested(&self, last: &[u64]) {
        while !self
            .server
            .text("/metrics")
            .await
            .contains("\ncrossdock_deliveries_open 0\n")
        {
            tokio::time::sleep(PAUSE).await;
        }
        for number in last {
            let path = format!("/v1/orders/shop:{}", FIRST_ORDER + number);
            while !self
                .server
                .text(&path)
                .await
                .contains("\"status\":\"requested\"")
            {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
