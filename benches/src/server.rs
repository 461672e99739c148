//! The real binary in a process of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

const PAUSE: Duration = Duration::from_millis(20);

/// How a server is started.
pub struct Launch {
    program: PathBuf,
    /// What comes before the arguments of the server: those of the program, where that runs the server.
    before: Vec<OsString>,
    /// Further lines of the configuration of telemetry.
    telemetry: String,
}

impl Launch {
    /// As users start it.
    pub fn of(binary: &Path) -> Self {
        Self {
            program: binary.to_owned(),
            before: Vec::new(),
            telemetry: String::new(),
        }
    }

    /// Run by a program that is given these arguments first.
    pub fn under(self, program: &str, arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut before: Vec<OsString> = arguments.into_iter().collect();
        before.push(self.program.into());
        Self {
            program: program.into(),
            before,
            telemetry: self.telemetry,
        }
    }

    /// With further lines of the configuration of telemetry.
    pub fn telemetry(self, lines: String) -> Self {
        Self {
            telemetry: lines,
            ..self
        }
    }

    fn spawn(&self, config: &Path) -> Child {
        let mut serve = Command::new(&self.program);
        serve.args(&self.before);
        serve.arg("serve").arg("--config").arg(config);
        serve.stdout(Stdio::null()).spawn().unwrap()
    }

    /// `configure` puts files into the folder of the configuration and says what else is in it.
    pub async fn start(self, configure: impl FnOnce(&Path) -> String) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[data]\ndir = \"data\"\n[telemetry]\nlog = \"error\"\n{}\
             [channels.api]\nkind = \"api\"\nsale = \"asks\"\n{}",
            self.telemetry,
            configure(dir.path())
        );
        let file = dir.path().join("crossdock.toml");
        std::fs::write(&file, config).unwrap();
        let child = self.spawn(&file);
        let mut server = Server {
            url: format!("http://127.0.0.1:{port}"),
            addr: ([127, 0, 0, 1], port).into(),
            key: String::new(),
            http: Client::new(),
            child,
            launch: self,
            _dir: dir,
        };
        server.is_ready().await;
        let key = std::fs::read_to_string(server._dir.path().join("data/admin.key")).unwrap();
        server.key = key.trim().to_owned();
        server
    }
}

/// A running server with an API channel, and whatever else was configured.
pub struct Server {
    pub url: String,
    pub addr: SocketAddr,
    pub key: String,
    pub http: Client,
    child: Child,
    launch: Launch,
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
        Launch::of(binary).start(configure).await
    }

    async fn is_ready(&mut self) {
        let ready = format!("{}/readyz", self.url);
        while !matches!(self.http.get(&ready).send().await, Ok(answer) if answer.status().is_success())
        {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "the server ended before it was ready");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SKUs `S-0`, `S-1`, … with so many units of each in Reno.
    pub async fn stock(&self, skus: u64, units: u32) {
        self.name_skus(skus).await;
        self.import("stock", &counts(skus, units), skus).await;
    }

    /// SKUs `S-0`, `S-1`, … and Reno, where nothing is yet.
    pub async fn name_skus(&self, skus: u64) {
        let location =
            json!({ "name": "Reno", "time_zone": "America/Los_Angeles", "country": "US" });
        self.write("PUT", "/v1/locations/reno", &location).await;
        let named: String = (0..skus).map(|sku| format!("S-{sku},S-{sku}\n")).collect();
        self.import("skus", &format!("sku,title\n{named}"), skus)
            .await;
    }

    /// Imports CSV: `skus`, `stock`, or `listings?channel=shop`.
    pub async fn import(&self, what: &str, lines: &str, count: u64) {
        self.import_as(what, what, lines, count).await;
    }

    /// Imports CSV under a key.
    pub async fn import_as(&self, key: &str, what: &str, lines: &str, count: u64) {
        let post = self
            .http
            .post(format!("{}/v1/imports/{what}", self.url))
            .bearer_auth(&self.key)
            .header("idempotency-key", key)
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
    pub async fn restart(&mut self) -> Duration {
        self.stop();
        self.resume().await
    }

    /// Ends the process in order.
    pub fn stop(&mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").arg(id).status().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it after that; the time until it is ready.
    pub async fn resume(&mut self) -> Duration {
        let file = self._dir.path().join("crossdock.toml");
        let started = std::time::Instant::now();
        self.child = self.launch.spawn(&file);
        self.is_ready().await;
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

/// Lines of an import: so many units of each SKU in Reno.
pub fn counts(skus: u64, units: u32) -> String {
    let counted = (0..skus).map(|sku| format!("S-{sku},reno,{units}\n"));
    format!("sku,location,on_hand\n{}", counted.collect::<String>())
}
