//! The real binary in a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

const PAUSE: Duration = Duration::from_millis(20);

/// A running server with an API channel, and whatever else was configured.
pub struct Server {
    pub url: String,
    pub addr: SocketAddr,
    pub key: String,
    pub http: Client,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// `configure` puts files into the folder of the configuration and says what else is in it.
    pub async fn start(binary: &Path, configure: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[data]\ndir = \"data\"\n[telemetry]\nlog = \"error\"\n\
             [channels.api]\nkind = \"api\"\nsale = \"asks\"\n{}",
            configure(dir.path())
        );
        let file = dir.path().join("crossdock.toml");
        std::fs::write(&file, config).unwrap();
        let mut serve = Command::new(binary);
        let serve = serve.arg("serve").arg("--config").arg(file);
        let child = serve.stdout(Stdio::null()).spawn().unwrap();
        let mut server = Self {
            url: format!("http://127.0.0.1:{port}"),
            addr: ([127, 0, 0, 1], port).into(),
            key: String::new(),
            http: Client::new(),
            child,
            _dir: dir,
        };
        let ready = format!("{}/readyz", server.url);
        while server.http.get(&ready).send().await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        let key = std::fs::read_to_string(server._dir.path().join("data/admin.key")).unwrap();
        server.key = key.trim().to_owned();
        server
    }

    /// SKUs `S-0`, `S-1`, … with so many units of each in Reno.
    pub async fn stock(&self, skus: u64, units: u32) {
        let location =
            json!({ "name": "Reno", "time_zone": "America/Los_Angeles", "country": "US" });
        self.write("PUT", "/v1/locations/reno", &location).await;
        let lines = |head: &str, line: &dyn Fn(u64) -> String| {
            let lines: String = (0..skus).map(line).collect();
            format!("{head}\n{lines}")
        };
        let named = lines("sku,title", &|sku| format!("S-{sku},S-{sku}\n"));
        self.import("skus", &named, skus).await;
        let counted = lines("sku,location,on_hand", &|sku| {
            format!("S-{sku},reno,{units}\n")
        });
        self.import("stock", &counted, skus).await;
    }

    /// Imports CSV: `skus`, `stock`, or `listings?channel=shop`.
    pub async fn import(&self, what: &str, lines: &str, count: u64) {
        let post = self
            .http
            .post(format!("{}/v1/imports/{what}", self.url))
            .bearer_auth(&self.key)
            .header("idempotency-key", what)
            .header("content-type", "text/csv")
            .body(lines.to_owned());
        let report: Value = post.send().await.unwrap().json().await.unwrap();
        assert_eq!(report["imported"], count, "{report}");
    }

    /// Writes a document.
    pub async fn write(&self, method: &str, path: &str, body: &Value) {
        let method = method.parse().unwrap();
        let call = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.key)
            .header("idempotency-key", path);
        let answer = call.json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    /// Reads a document.
    pub async fn text(&self, path: &str) -> String {
        let get = self.http.get(format!("{}{path}", self.url));
        let answer = get.bearer_auth(&self.key).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// Bytes of memory that the process holds.
    pub fn resident_bytes(&self) -> u64 {
        resident_bytes(&self.child.id().to_string())
    }

    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self._dir.path().join("data")
    }

    /// Until all that is in the journal is folded.
    pub async fn until_read_models_follow(&self) {
        let caught_up = "\ncrossdock_insight_lag_records 0\n";
        while !self.text("/metrics").await.contains(caught_up) {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends the process in order and starts it again; the time until it is ready.
    pub async fn restart(&mut self, binary: &Path) -> Duration {
        self.stop();
        self.resume(binary).await
    }

    /// Ends the process in order.
    pub fn stop(&mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").arg(id).status().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it after that; the time until it is ready.
    pub async fn resume(&mut self, binary: &Path) -> Duration {
        let file = self._dir.path().join("crossdock.toml");
        let started = std::time::Instant::now();
        let mut serve = Command::new(binary);
        let serve = serve.arg("serve").arg("--config").arg(file);
        self.child = serve.stdout(Stdio::null()).spawn().unwrap();
        let ready = format!("{}/readyz", self.url);
        while !matches!(self.http.get(&ready).send().await, Ok(answer) if answer.status().is_success())
        {
            tokio::time::sleep(PAUSE).await;
        }
        started.elapsed()
    }
}

/// Bytes of memory that a process holds: its id, or `self`.
pub fn resident_bytes(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
