//! Orders end to end over HTTP, on the real binary, against the requests that the same server answers when they
//! need nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossdock_channels::Secret;
use crossdock_channels::shopify::{TemplateLine, TemplateOptions, headers, sign, template};
use reqwest::Client;
use serde_json::{Value, json};

use crate::report::{Report, median};

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
        median(|| runtime.block_on(async { Server::start(&binary).await.rate(work, skus).await }))
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

struct Server {
    child: Child,
    client: Arc<Caller>,
    _dir: tempfile::TempDir,
}

struct Caller {
    url: String,
    key: String,
    http: Client,
    secret: Secret,
    next: AtomicU64,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    async fn start(binary: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        std::fs::write(dir.path().join("secret"), SECRET).unwrap();
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[data]\ndir = {:?}\n[telemetry]\nlog = \"error\"\n\
             [channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{{ file = {:?} }}]\n\
             [channels.api]\nkind = \"api\"\nsale = \"asks\"\n",
            dir.path().join("data"),
            dir.path().join("secret"),
        );
        let file = dir.path().join("crossdock.toml");
        std::fs::write(&file, config).unwrap();
        let mut serve = Command::new(binary);
        let child = serve
            .arg("serve")
            .arg("--config")
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut client = Caller {
            url: format!("http://127.0.0.1:{port}"),
            key: String::new(),
            http: Client::new(),
            secret: Secret::new(SECRET),
            next: AtomicU64::new(1),
        };
        while client
            .http
            .get(format!("{}/readyz", client.url))
            .send()
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let key = std::fs::read_to_string(dir.path().join("data/admin.key")).unwrap();
        client.key = key.trim().to_owned();
        client.stock().await;
        Self {
            child,
            client: Arc::new(client),
            _dir: dir,
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
    async fn stock(&self) {
        let location =
            json!({ "name": "Reno", "time_zone": "America/Los_Angeles", "country": "US" });
        self.put("/v1/locations/reno", &location).await;
        let mut stock = String::from("sku,location,on_hand\n");
        let mut skus = String::from("sku,title\n");
        for sku in 0..SKUS {
            stock.push_str(&format!("S-{sku},reno,1000000\n"));
            skus.push_str(&format!("S-{sku},S-{sku}\n"));
        }
        for (kind, lines) in [("skus", skus), ("stock", stock)] {
            let answer = self
                .http
                .post(format!("{}/v1/imports/{kind}", self.url))
                .bearer_auth(&self.key)
                .header("idempotency-key", kind)
                .header("content-type", "text/csv")
                .body(lines);
            let report: Value = answer.send().await.unwrap().json().await.unwrap();
            assert_eq!(report["imported"], SKUS, "{report}");
        }
    }

    async fn put(&self, path: &str, body: &Value) {
        let put = self
            .http
            .put(format!("{}{path}", self.url))
            .bearer_auth(&self.key);
        let answer = put
            .header("idempotency-key", path)
            .json(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    /// Works until the time has come; how much was done, and the number of the last.
    async fn work(&self, work: Work, skus: u64, until: Instant) -> (u64, u64) {
        let (mut done, mut number) = (0, 0);
        while Instant::now() < until {
            number = self.next.fetch_add(1, Ordering::Relaxed);
            let sku = format!("S-{}", number % skus);
            let request = match work {
                Work::Nothing => self.http.get(format!("{}/healthz", self.url)),
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
            .http
            .post(format!("{}/v1/orders", self.url))
            .bearer_auth(&self.key);
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
        let post = self.http.post(format!("{}/webhooks/shop", self.url));
        let post = headers
            .into_iter()
            .fold(post, |post, (name, value)| post.header(name, value));
        post.body(body)
    }

    /// Waits until nothing waits to be worked on and these orders, the last of each client, are requested.
    async fn until_requested(&self, last: &[u64]) {
        while !self
            .text("/metrics")
            .await
            .contains("\ncrossdock_deliveries_open 0\n")
        {
            tokio::time::sleep(PAUSE).await;
        }
        for number in last {
            let path = format!("/v1/orders/shop:{}", FIRST_ORDER + number);
            while !self.text(&path).await.contains("\"status\":\"requested\"") {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn text(&self, path: &str) -> String {
        let get = self
            .http
            .get(format!("{}{path}", self.url))
            .bearer_auth(&self.key);
        get.send().await.unwrap().text().await.unwrap()
    }
}

/// The server as users run it.
fn binary() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "crossdock-node",
        "--bin",
        "crossdock",
    ]);
    assert!(
        build.status().unwrap().success(),
        "the binary does not build"
    );
    let here = std::env::current_exe().unwrap();
    here.ancestors()
        .find(|dir| dir.ends_with("release"))
        .unwrap()
        .join("crossdock")
}
