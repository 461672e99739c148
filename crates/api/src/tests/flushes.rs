//! How many flushes an answer waits for.

use std::cell::Cell;
use std::pin::pin;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use crossdock_journal::memory::Hold;
use crossdock_journal::{InboxId, InboxInsert, Journal};
use crossdock_model::{ChannelId, Timestamp};
use crossdock_runtime::{Company, Options};
use serde_json::json;

use super::Server;

/// Only a defect takes so long.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often one thing that is done leads to the next until all has come to rest, at most: on other threads, and between
/// two of those times on this one.
const HOPS_MAX: u32 = 16;
const STEPS_MAX: u32 = 32;

/// Lets flushes end one at a time, each when everything else has come to rest: what can be decided while one lasts is in the
/// next, however slow the machine is.
struct Flushes<'a> {
    server: &'a Server,
    hold: Hold<'a>,
    deliveries: Cell<u32>,
}

impl<'a> Flushes<'a> {
    async fn begin(server: &'a Server) -> Self {
        let flushes = Self {
            server,
            hold: server.journal.hold(),
            deliveries: Cell::new(0),
        };
        flushes.store_something().await;
        flushes.wait_until(|| server.journal.held() == 1);
        flushes
    }

    /// What comes of a call, and how many flushes of records ended before.
    async fn count<T>(&self, call: impl Future<Output = T>) -> (T, u32) {
        let mut call = pin!(call);
        let mut count = 0;
        loop {
            tokio::select! {
                biased;
                done = &mut call => return (done, count),
                () = all_rests() => {}
            }
            count += u32::from(self.next().await);
        }
    }

    /// Until no record is written any more.
    async fn settle(&self) {
        let mut without = 0;
        while without < 2 {
            without = if self.next().await { 0 } else { without + 1 };
        }
    }

    /// Lets a flush end, and waits for the next one; whether there were records in the one that ended. This thread waits
    /// too, so that nothing is decided between the two.
    async fn next(&self) -> bool {
        self.store_something().await;
        let (journal, records) = (&self.server.journal, self.records());
        let before = journal.commits();
        self.hold.let_one_through();
        self.wait_until(|| journal.commits() > before && journal.held() == 1);
        self.records() > records
    }

    /// Something that is to be flushed with whatever else is.
    async fn store_something(&self) {
        let number = self.deliveries.replace(self.deliveries.get() + 1);
        let delivery = InboxInsert {
            id: InboxId {
                channel: ChannelId::checked("shop").unwrap(),
                delivery: number.to_string(),
            },
            received_at: Timestamp::from_ms(1),
            topic: "orders/create".to_owned(),
            headers: Vec::new(),
            body: b"{}".to_vec(),
        };
        let handle = self.server.handle.clone();
        tokio::spawn(async move { handle.receive(delivery).await });
        all_rests().await;
    }

    fn records(&self) -> u64 {
        let tails = self.server.journal.tails().unwrap();
        tails.iter().map(|(_, last)| last).sum()
    }

    fn wait_until(&self, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < WAIT_MAX, "nothing is flushed");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Until nothing is left to do but what waits for a flush, where one thread does all that others are asked to do.
async fn all_rests() {
    for _ in 0..HOPS_MAX {
        for _ in 0..STEPS_MAX {
            tokio::task::yield_now().await;
        }
        // What that thread was asked to do before is done then.
        tokio::task::spawn_blocking(|| {}).await.unwrap();
    }
}

/// One flush for a hold, at most three for an order: its claim; what it states, its buyer and reservations; that it
/// is reserved. What follows the answer is not counted.
#[test]
fn an_answer_waits_for_few_flushes() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(few_flushes());
}

async fn few_flushes() {
    let mut options = Options::new(1);
    options.company = Company {
        linger: Duration::ZERO,
        gather: Duration::ZERO,
    };
    let server = Server::start_with(options).await;
    server.stocked("A-1", 20).await;
    server.stocked("A-2", 20).await;
    let order = |number: u32| {
        json!({
            "external_id": number.to_string(), "destination": {"country": "US"},
            "lines": [{"sku": "A-1", "units": 1}, {"sku": "A-2", "units": 1}],
            "buyer": {"name": "Canary Grimmelshausen", "email": "canary@example.com"},
        })
    };
    let hold = json!({"lines": [{"sku": "A-1", "units": 1}], "expires_in_s": 600});
    let flushes = Flushes::begin(&server).await;
    for number in 0..5 {
        flushes.settle().await;
        let key = format!("h{number}");
        let (held, count) = flushes.count(server.post("/v1/holds", &key, &hold)).await;
        assert_eq!(held.status, StatusCode::CREATED, "{}", held.text);
        assert_eq!(count, 1, "a hold");

        flushes.settle().await;
        let (key, order) = (format!("o{number}"), order(number));
        let (placed, count) = flushes.count(server.post("/v1/orders", &key, &order)).await;
        assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.text);
        assert!(count <= 3, "order {number} took {count} flushes");
    }
}
