//! The usual codings on Postgres, on the same cores in the same run: one conditional statement, and a row lock.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use crate::report::{Report, median};

const CLIENTS: usize = 64;
const RUN: Duration = Duration::from_secs(3);

/// Reservations a second of the best coding on one row and on 10,000 rows; none without Postgres.
#[derive(Default)]
pub struct Peer {
    pub hot: Option<f64>,
    pub spread: Option<f64>,
}

const SCHEMA: &str = "
    DROP TABLE IF EXISTS reservation; DROP TABLE IF EXISTS stock;
    CREATE TABLE stock (sku int PRIMARY KEY, available bigint NOT NULL);
    CREATE TABLE reservation (id bigserial PRIMARY KEY, sku int NOT NULL, units int NOT NULL);
    INSERT INTO stock SELECT n, 1000000000 FROM generate_series(0, 9999) n;
    ANALYZE stock;";

const CONDITIONAL: &str = "WITH taken AS (UPDATE stock SET available = available - 1
    WHERE sku = $1 AND available >= 1 RETURNING sku)
    INSERT INTO reservation (sku, units) SELECT sku, 1 FROM taken";

#[derive(Clone, Copy)]
enum Coding {
    Conditional,
    RowLock,
}

pub fn run(report: &mut Report) -> Peer {
    let Some(server) = Server::start() else {
        eprintln!("skipped: no Postgres here (apt-get install postgresql)");
        return Peer::default();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let measure = |skus: i32, coding: Coding| {
        median(|| runtime.block_on(reservations(&server.socket, skus, coding)))
    };
    let (hot, hot_lock) = (measure(1, Coding::Conditional), measure(1, Coding::RowLock));
    let (spread, spread_lock) = (
        measure(10_000, Coding::Conditional),
        measure(10_000, Coding::RowLock),
    );
    let unit = "reservations/s";
    report.add("Postgres, conditional UPDATE, one SKU", hot, unit, None);
    report.add("Postgres, SELECT FOR UPDATE, one SKU", hot_lock, unit, None);
    report.add(
        "Postgres, conditional UPDATE, 10,000 SKUs",
        spread,
        unit,
        None,
    );
    report.add(
        "Postgres, SELECT FOR UPDATE, 10,000 SKUs",
        spread_lock,
        unit,
        None,
    );
    Peer {
        hot: Some(hot.max(hot_lock)),
        spread: Some(spread.max(spread_lock)),
    }
}

async fn reservations(socket: &Path, skus: i32, coding: Coding) -> f64 {
    let url = format!("host={} user=bench dbname=postgres", socket.display());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let watched = tokio::spawn(connection);
    client.batch_execute(SCHEMA).await.unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + RUN;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..CLIENTS {
        let (url, done) = (url.clone(), Arc::clone(&done));
        tasks.push(tokio::spawn(async move {
            let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let mut at = number as i32 * 7919;
            while Instant::now() < until {
                at = at.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
                reserve(&mut client, at % skus, coding).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    drop(client);
    watched.await.unwrap().unwrap();
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

async fn reserve(client: &mut tokio_postgres::Client, sku: i32, coding: Coding) {
    match coding {
        Coding::Conditional => drop(client.execute(CONDITIONAL, &[&sku]).await.unwrap()),
        Coding::RowLock => {
            let work = client.transaction().await.unwrap();
            let lock = "SELECT available FROM stock WHERE sku = $1 FOR UPDATE";
            let available: i64 = work.query_one(lock, &[&sku]).await.unwrap().get(0);
            assert!(available >= 1);
            work.execute(
                "UPDATE stock SET available = available - 1 WHERE sku = $1",
                &[&sku],
            )
            .await
            .unwrap();
            work.execute(
                "INSERT INTO reservation (sku, units) VALUES ($1, 1)",
                &[&sku],
            )
            .await
            .unwrap();
            work.commit().await.unwrap();
        }
    }
}

/// A Postgres of this run's own, in a temporary folder, reached by its socket only.
struct Server {
    dir: tempfile::TempDir,
    bin: PathBuf,
    socket: PathBuf,
}

impl Server {
    fn start() -> Option<Self> {
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .flatten()
            .map(|e| e.path())
            .collect();
        versions.sort();
        let bin = versions.pop()?.join("bin");
        if !bin.join("initdb").exists() {
            return None;
        }
        let dir = tempfile::Builder::new().prefix("pg").tempdir().ok()?;
        let server = Self {
            socket: dir.path().to_owned(),
            bin,
            dir,
        };
        server.own();
        let data = server.data();
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c max_connections=100 -c shared_buffers=256MB",
            server.socket.display()
        );
        let log = server.socket.join("log");
        server.tool("initdb", &["-D", &data, "-U", "bench", "--auth=trust"])?;
        server.tool(
            "pg_ctl",
            &[
                "-D",
                &data,
                "-l",
                log.to_str()?,
                "-w",
                "-o",
                &options,
                "start",
            ],
        )?;
        Some(server)
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    /// Postgres does not run as root: give the folder to its own user then.
    fn own(&self) {
        if is_root() {
            let _ = Command::new("chown")
                .arg("postgres")
                .arg(self.dir.path())
                .status();
        }
    }

    fn tool(&self, name: &str, words: &[&str]) -> Option<()> {
        let program = self.bin.join(name);
        let mut command = match is_root() {
            true => {
                let mut as_postgres = Command::new("runuser");
                as_postgres.args(["-u", "postgres", "--"]).arg(program);
                as_postgres
            }
            false => Command::new(program),
        };
        command
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
            .current_dir("/")
            .status()
            .ok()?
            .success()
            .then_some(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.tool("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}
