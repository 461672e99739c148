//! The real binary in a folder of its own, a shop that signs, and a warehouse that remembers.
#![allow(dead_code, missing_docs, reason = "shared by several test targets")]

pub mod customers;
pub mod disk;
pub mod image;
pub mod ledger;
pub mod listener;
pub mod seat;
pub mod shop;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use crossdock_runtime::testing::until;
use serde_json::{Value, json};

pub const SECRET: &str = "secret-of-the-tests";
/// Of locations and endpoints.
pub const WMS_SECRET: &str = "whsec_c2VjcmV0IG9mIHRoZSB3YXJlaG91c2U=";
const START_MAX: Duration = Duration::from_secs(60);

/// The binary, built once.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--package",
            "crossdock-node",
            "--bin",
            "crossdock",
        ]);
        let mut profile = "debug";
        if !cfg!(debug_assertions) {
            build.arg("--release");
            profile = "release";
        }
        assert!(
            build.status().unwrap().success(),
            "the binary does not build"
        );
        let deps = std::env::current_exe().unwrap();
        deps.ancestors()
            .find(|dir| dir.ends_with(profile))
            .unwrap()
            .join("crossdock")
    })
}

/// What a server runs with.
pub struct Setup {
    pub dir: tempfile::TempDir,
    pub port: u16,
    /// Name of the data directory.
    pub data_name: &'static str,
    pub allow_private: bool,
    /// Where spans go.
    pub otlp: Option<String>,
    /// A configuration of the test's own.
    pub config_text: Option<String>,
    pub synchronous: &'static str,
    pub hot_days: u32,
    pub preload: Option<disk::Shim>,
}

impl Setup {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("crossdock")
            .tempdir()
            .unwrap();
        Self {
            dir,
            port: free_port(),
            data_name: "data",
            allow_private: true,
            otlp: None,
            config_text: None,
            synchronous: "full",
            hot_days: 30,
            preload: None,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join(self.data_name)
    }

    /// How a configuration of a test's own begins: an address, a folder, and few logs.
    pub fn head(&self) -> String {
        format!(
            "[server]\nlisten = \"127.0.0.1:{}\"\n[data]\ndir = {:?}\n[telemetry]\nlog = \"warn\"\n",
            self.port,
            self.data(),
        )
    }

    fn config(&self) -> PathBuf {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [data]\ndir = {data:?}\nsynchronous = \"{synchronous}\"\nhot_days = {hot_days}\n\
             [telemetry]\nlog = \"warn\"\n{otlp}\
             [warehouse]\nallow_private_addresses = {private}\n\
             [secrets.wms]\nfile = {wms:?}\n\
             [channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{{ file = {shop:?} }}]\n\
             [[channels.shop.shipping]]\nmethod = \"Express*\"\nservice = \"express\"\n\
             ship_within = \"1d\"\ndeliver_within = \"36h\"\n\
             [channels.api]\nkind = \"api\"\nsale = \"asks\"\n",
            otlp = self.otlp.as_ref().map_or(String::new(), |url| {
                format!("otlp_endpoint = {url:?}\ntrace_ratio = 0.0\n")
            }),
            private = self.allow_private,
            port = self.port,
            data = self.data(),
            synchronous = self.synchronous,
            hot_days = self.hot_days,
            wms = self.dir.path().join("wms-secret"),
            shop = self.dir.path().join("shop-secret"),
        );
        std::fs::write(self.dir.path().join("wms-secret"), WMS_SECRET).unwrap();
        std::fs::write(self.dir.path().join("shop-secret"), SECRET).unwrap();
        let path = self.dir.path().join("crossdock.toml");
        std::fs::write(&path, self.config_text.as_ref().unwrap_or(&text)).unwrap();
        path
    }

    /// Starts the server and waits until it is ready.
    pub async fn start(&self) -> Server {
        self.try_start().await.unwrap()
    }

    /// As [`Setup::start`]; what went wrong otherwise, with the server's log.
    pub async fn try_start(&self) -> Result<Server, String> {
        let door = Door {
            url: format!("http://127.0.0.1:{}", self.port),
            key: String::new(),
            http: reqwest::Client::new(),
        };
        let mut server = Server {
            child: self.spawn(),
            door,
        };
        server.wait_until_ready(self).await?;
        server.door.key = self.key();
        Ok(server)
    }

    /// Starts `crossdock serve` and waits for nothing.
    pub fn spawn(&self) -> Child {
        let mut command = Command::new(binary());
        command.arg("serve").arg("--config").arg(self.config());
        if let Some(shim) = &self.preload {
            shim.preload(&mut command, &self.data());
        }
        let mut log = std::fs::File::options();
        let log = log.create(true).append(true).open(self.log()).unwrap();
        command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Runs a command of the command line against this server; its exit code, standard output and error.
    pub fn crossdock(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(binary());
        let done = command
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            done.status.code().unwrap_or(-1),
            text(done.stdout),
            text(done.stderr),
        )
    }

    /// The admin key that the first start left.
    pub fn key(&self) -> String {
        let text = std::fs::read_to_string(self.data().join("admin.key")).unwrap();
        text.trim().to_owned()
    }

    pub fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

/// A running server; killed when dropped.
pub struct Server {
    pub child: Child,
    door: Door,
}

impl std::ops::Deref for Server {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

/// The way into a server.
#[derive(Clone)]
pub struct Door {
    pub url: String,
    pub key: String,
    pub http: reqwest::Client,
}

impl Server {
    async fn wait_until_ready(&mut self, setup: &Setup) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let ready = self.http.get(format!("{}/readyz", self.url)).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(ended) = self.child.try_wait().unwrap() {
                return Err(format!("the server ended: {ended}\n{}", setup.log_text()));
            }
            if started.elapsed() > START_MAX {
                return Err(format!("not ready in time\n{}", setup.log_text()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as an init system sends it; the exit code, once the process has ended by itself.
    pub async fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        self.ended().await
    }

    /// The exit code, once the process has ended by itself.
    pub async fn ended(&mut self) -> Option<i32> {
        let child = &mut self.child;
        until("the process ends", async || {
            child.try_wait().unwrap().is_some()
        })
        .await;
        child.wait().unwrap().code()
    }

    /// A way in that others may keep.
    pub fn door(&self) -> Door {
        self.door.clone()
    }
}

impl Door {
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = method.parse().unwrap();
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.key)
            .header("idempotency-key", idempotency_key());
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer_to(request).await.unwrap()
    }

    /// A call under a key of the caller's; its answer, or none when the connection broke.
    pub async fn try_post(&self, path: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.bearer_auth(&self.key).json(body);
        answer_to(request.header("idempotency-key", key)).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, Some(body)).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }
}

/// Status and body, or none when the connection broke.
async fn answer_to(request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.ok()?;
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Some((status, body))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A key that no other call has.
fn idempotency_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Waits until every delivery is done or parked.
pub async fn worked_off(server: &Door) {
    until("every delivery is worked off", async || {
        metric(server, "crossdock_deliveries_open").await == 0.0
    })
    .await;
}

/// Waits until the read models show all that is in the journal.
pub async fn folded(server: &Door) {
    until("the read models have caught up", async || {
        metric(server, "crossdock_insight_lag_records").await == 0.0
    })
    .await;
}

/// A delivery of the shop as the server keeps it; none, if it does not.
pub async fn delivery(server: &Door, topic: &str, event: &str) -> Option<Value> {
    let name = format!("{topic}/{event}").replace('/', "%2F");
    let path = format!("/v1/channels/shop/deliveries/{name}");
    let (status, kept) = server.call("GET", &path, None).await;
    assert!([200, 404].contains(&status), "{status}: {kept}");
    (status == 200).then_some(kept)
}

/// An order once it has one of these states.
pub async fn settled(server: &Door, order: &str, states: &[&str]) -> Value {
    let path = format!("/v1/orders/{order}");
    until(&format!("{order} is {states:?}"), async || {
        let (_, order) = server.call("GET", &path, None).await;
        order["status"]
            .as_str()
            .is_some_and(|status| states.contains(&status))
    })
    .await;
    server.get(&path).await
}

/// Orders by id with their state, as listed: of each page, in the order of the list.
pub async fn orders(server: &Door) -> Vec<(String, String)> {
    let mut orders = Vec::new();
    let mut path = "/v1/orders?limit=200".to_owned();
    loop {
        let page = server.get(&path).await;
        for row in page["items"].as_array().unwrap() {
            let text = |field: &str| row[field].as_str().unwrap().to_owned();
            orders.push((text("order"), text("status")));
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            return orders;
        };
        path = format!("/v1/orders?limit=200&cursor={cursor}");
    }
}

/// Units of a stock answer in this state, at all its locations.
pub fn units(stock: &Value, state: &str) -> i64 {
    let locations = stock["locations"].as_array().cloned().unwrap_or_default();
    locations
        .iter()
        .filter_map(|location| location[state].as_i64())
        .sum()
}

/// A figure of `/metrics`.
pub async fn metric(server: &Door, name: &str) -> f64 {
    let answer = server
        .http
        .get(format!("{}/metrics", server.url))
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    let line = text
        .lines()
        .find(|line| line.split_once(' ').is_some_and(|(n, _)| n == name));
    let line = line.unwrap_or_else(|| panic!("no figure {name}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// A location in Reno with units of some SKUs; told by `webhook`, or asking for its work.
pub async fn stock(server: &Door, webhook: Option<&str>, skus: &[(&str, u32)]) {
    let mut location = json!({
        "name": "Reno", "time_zone": "America/Los_Angeles", "country": "US", "state": "NV",
        "latitude": 39.53, "longitude": -119.81, "acknowledge_within_minutes": 600,
    });
    if let Some(url) = webhook {
        location["webhook_url"] = json!(url);
        location["webhook_secret"] = json!("wms");
    }
    server.done("PUT", "/v1/locations/reno", location).await;
    for (sku, units) in skus {
        let receipt = json!({ "location": "reno", "units": units });
        server
            .done("PUT", &format!("/v1/skus/{sku}"), json!({ "title": sku }))
            .await;
        server
            .done("POST", &format!("/v1/stock/{sku}/receipts"), receipt)
            .await;
    }
}

/// A port that nobody listens on, and that no other test is given. The system gives those out of this range to nobody by
/// itself: it is still free when a server takes it, and when the next one takes it again.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 10_000..32_000;
    /// Tests of one process at most, so that those of the next one begin elsewhere.
    const STRIDE: u32 = 64;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let count = u64::from(PORTS.end - PORTS.start);
    let first = u64::from(std::process::id().wrapping_mul(STRIDE));
    loop {
        let offset = (first + NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start + u16::try_from(offset).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
