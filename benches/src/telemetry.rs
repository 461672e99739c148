//! What telemetry costs, in instructions of the server as users run it: time depends on who else uses the machine, and three of a
//! hundred are less than it varies by.
//!
//! Traces can be switched off, and are: the same orders without them are the peer. Metrics cannot. What they take is read from the
//! profile: all that their own functions do, and what these call. What the compiler put into other functions, an addition or two
//! for a counter, is not seen. What the server does while nobody asks is taken off: a slower machine takes more time, not more work.

mod profile;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::load;
use crate::orders::{Shop, each};
use crate::report::{Report, Row, middle};
use crate::server::Launch;
use profile::Counted;

/// Orders of one count, and counts of one server. All come one after the other: how many share a flush is part of what they cost.
const ORDERS: u64 = 200;
const TURNS: u64 = 5;
const SKUS: usize = 100;
const UNITS: u32 = 1_000_000;
/// What counts is fifty times slower than the processor itself.
const ENDLESS: Duration = Duration::from_secs(600);
/// So long after the last order its fulfilment is requested and the read models know it.
const QUIET: Duration = Duration::from_secs(3);
/// How long it is looked at what the server does while nobody asks.
const IDLE: Duration = Duration::from_secs(3);
/// How much more an order may cost with telemetry.
const COSTS_MAX: f64 = 1.03;

/// Measures it; where nothing counts, the row says so.
pub(crate) fn run(report: &mut Report, binary: &Path) {
    let name = "an order with metrics and 1 % of traces";
    if Command::new("valgrind").arg("--version").output().is_err() {
        let row = Row::new(name, f64::NAN, "instructions").against("valgrind", None);
        return report.add(row.ratio_at_most(COSTS_MAX));
    }
    let runtime = crate::reserve::runtime();
    let (with, without) = runtime.block_on(taking_turns(binary));
    let of = |counts: &[Counted], figure: fn(&Counted) -> f64| {
        let counts = counts.iter().map(figure);
        middle(counts.map(|count| count / ORDERS as f64).collect())
    };
    let (on, untraced) = (
        of(&with, |count| count.all),
        of(&without, |count| count.all),
    );
    let bare = of(&without, |count| count.all - count.metrics);
    let row = Row::new(name, on, "instructions").against("without both", Some(bare));
    report.add(row.ratio_at_most(COSTS_MAX));
    let row = Row::new(name, on, "instructions");
    report.add(row.against("without traces", Some(untraced)));
    let metrics = of(&without, |count| count.metrics);
    let row = Row::new("of an order, metrics", metrics, "instructions");
    report.add(row.against("all of it", Some(untraced)));
}

/// What orders cost with traces and without, in turns: what else goes on changes with the time that an order takes.
async fn taking_turns(binary: &Path) -> (Vec<Counted>, Vec<Counted>) {
    let collector = collector().await;
    let endpoint =
        format!("otlp_endpoint = \"http://127.0.0.1:{collector}\"\ntrace_ratio = 0.01\n");
    let mut with = Counting::start(binary, endpoint).await;
    let mut without = Counting::start(binary, String::new()).await;
    let mut counts = (Vec::new(), Vec::new());
    for turn in 1..=TURNS {
        counts.0.push(with.orders(turn).await);
        counts.1.push(without.orders(turn).await);
    }
    counts
}

/// A server of which instructions are counted.
struct Counting {
    shop: Shop,
    counter: Counter,
    _folder: TempDir,
}

impl Counting {
    async fn start(binary: &Path, telemetry: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dumps = folder.path().join("part");
        let out = format!("--callgrind-out-file={}", dumps.display());
        let callgrind = ["--quiet".into(), "--tool=callgrind".into(), out.into()];
        let launch = Launch::of(binary).telemetry(telemetry);
        let shop = Shop::launch(launch.under("valgrind", callgrind), SKUS).await;
        shop.server.stock(SKUS as u64, UNITS).await;
        shop.sell_slowly(0).await;
        let mut counter = Counter {
            id: shop.server.id(),
            dumps,
            parts: 0,
            since: Instant::now(),
        };
        // The start is in this one.
        counter.take();
        Self {
            shop,
            counter,
            _folder: folder,
        }
    }

    /// What the orders of a turn cost.
    async fn orders(&mut self, turn: u64) -> Counted {
        tokio::time::sleep(IDLE).await;
        let (idle, lasted) = self.counter.take();
        self.shop.sell_slowly(turn).await;
        let (counted, took) = self.counter.take();
        eprintln!("{counted:?} in {took:?}; {idle:?} in {lasted:?} without orders");
        counted.less(&idle, took.as_secs_f64() / lasted.as_secs_f64())
    }
}

/// Tells what was counted since it told last.
struct Counter {
    /// The process that counts.
    id: u32,
    dumps: PathBuf,
    parts: u32,
    since: Instant,
}

impl Counter {
    fn take(&mut self) -> (Counted, Duration) {
        let dumped = Command::new("callgrind_control")
            .arg("--dump")
            .arg(self.id.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&dumped.stderr);
        assert!(dumped.status.success(), "{said}");
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.since, now);
        self.parts += 1;
        let part = self.dumps.with_extension(self.parts.to_string());
        let profile = std::fs::read_to_string(part).unwrap();
        (Counted::read(&profile), took)
    }
}

impl Shop {
    /// One order after the other, until nothing of them is under way.
    async fn sell_slowly(&self, turn: u64) {
        let hooks = each(self.webhooks(turn, ORDERS));
        let sold = load::closed(self.server.addr, 1, ENDLESS, ORDERS, hooks).await;
        assert_eq!(sold.all_done().done(), ORDERS);
        self.are_requested(turn, ORDERS).await;
        tokio::time::sleep(QUIET).await;
    }
}

/// Takes whatever is sent to it; its port.
async fn collector() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream));
        }
    });
    port
}

async fn take(mut stream: TcpStream) {
    let mut received = Vec::new();
    while stream
        .read_buf(&mut received)
        .await
        .is_ok_and(|read| read > 0)
    {
        let Some(body) = load::body(&received) else {
            continue;
        };
        if received.len() >= body.end {
            received.drain(..body.end);
            let answered = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            if answered.await.is_err() {
                return;
            }
        }
    }
}
