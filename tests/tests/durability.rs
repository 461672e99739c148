//! The real process while its disk fails, is slow, tears what it writes, or is full, while its clock steps, and while it is
//! killed or stopped: a thousand orders and more by three ways, none lost, none doubled, nothing oversold. A run counts only if
//! each fault was seen to happen. What finds what is wrong is shown something wrong, and must find it.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use support::customers::{Crowd, Customers, settle};
use support::disk::Shim;
use support::ledger::{
    Books, HOLD_S_MAX, Ledger, ORDERS_MIN, PLENTY, Run, SCARCE, Told, Way, Wish, Wrong,
};
use support::{Server, Setup, metric, until};

/// How often each fault strikes in a run.
const STRIKES: usize = 7;
/// Orders that succeed before a control goes wrong, and after.
const ORDERS_OF_CONTROL: usize = 50;
/// Orders that show that work goes on.
const ORDERS_GO_ON: usize = 20;
/// What was acknowledged last is asked for once more at the end.
const REPEATS: usize = 50;
/// Flushes that are slow at a time, and how slow.
const SLOW_FLUSHES: usize = 5;
const SLOW: &str = "sync-slow 250";
const STOPPED: Duration = Duration::from_secs(2);
const HOUR_S: i64 = 3_600;
/// How exactly clocks agree, on a slow machine.
const CLOCK_S: f64 = 60.0;
const SIGKILL: i32 = 9;

/// By how much the wall clock is ahead, whether the process is killed and starts again then, and by how much its own is ahead
/// after that: it follows at a start only, and never to what was before its newest record.
const CLOCK_STEPS: [(i64, bool, i64); STRIKES] = [
    (HOUR_S, false, -HOUR_S),
    (-HOUR_S, false, HOUR_S),
    (-HOUR_S, true, HOUR_S),
    (0, false, 0),
    (HOUR_S, true, 0),
    (0, false, HOUR_S),
    (0, true, HOUR_S),
];

#[derive(Debug, Clone, Copy)]
enum Fault {
    FailedFlush,
    SlowFlushes,
    TornWrite,
    FullDisk,
    ClockStep,
    Killed,
    Stopped,
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_flushes() {
    check(Fault::FailedFlush).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_flushes() {
    check(Fault::SlowFlushes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_writes() {
    check(Fault::TornWrite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disks() {
    check(Fault::FullDisk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_the_clock() {
    check(Fault::ClockStep).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills() {
    check(Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops() {
    check(Fault::Stopped).await;
}

async fn check(fault: Fault) {
    let mut house = House::open(HOLD_S_MAX).await;
    let mut run = Run::default();
    for strike in 0..STRIKES {
        house.sells(ORDERS_MIN * (strike + 1) / STRIKES).await;
        run.faults += 1;
        run.seen += usize::from(house.strike(fault, strike).await);
    }
    house.judge(&mut run).await;
    eprintln!("{fault:?}: {run}");
    assert_eq!(
        run.complaints(),
        Vec::<String>::new(),
        "{}",
        house.setup.log_text()
    );
}

/// The control of every fault of the disk: one that says what is not so.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_lies_is_found_to_lose() {
    let mut house = House::open(HOLD_S_MAX).await;
    house.sells(ORDERS_OF_CONTROL).await;
    house.disk().behave("sync-lies");
    house.sells(2 * ORDERS_OF_CONTROL).await;
    house.server.kill();
    house.disk().behave("ok");
    house.restart().await;
    let wrongs = house.wrongs().await;
    assert!(
        wrongs
            .iter()
            .any(|wrong| matches!(wrong, Wrong::Lost(order) if order.contains(':'))),
        "{wrongs:?}"
    );
}

/// The control of the clock: what follows it loses what should have lasted longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_a_step_ends_is_found_lost() {
    let half_an_hour = HOUR_S.unsigned_abs() / 2;
    let mut house = House::open(half_an_hour).await;
    house.sells(ORDERS_OF_CONTROL).await;
    house.quiet().await;
    house.server.kill();
    house.disk().behave(&format!("clock {HOUR_S}"));
    house.restart().await;
    // They end once their SKU is woken for it.
    until("holds are found lost", async || {
        let wrongs = house.wrongs().await;
        wrongs
            .iter()
            .any(|wrong| matches!(wrong, Wrong::Lost(units) if units.contains("held")))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_twice_is_found_doubled() {
    let mut house = House::open(HOLD_S_MAX).await;
    house.sells(ORDERS_OF_CONTROL).await;
    let wish = Wish(5);
    assert_eq!((wish.way(), wish.sku()), (Way::Hold, PLENTY));
    let body = wish.body(HOLD_S_MAX);
    let again = house.server.try_post("/v1/holds", "another key", &body);
    assert_eq!(again.await.unwrap().0, 201);
    let wrongs = house.wrongs().await;
    assert!(
        matches!(&wrongs[..], [Wrong::Doubled(units)] if units.contains("held")),
        "{wrongs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_stocked_is_found_oversold() {
    let mut house = House::open(HOLD_S_MAX).await;
    let more = json!({ "location": "reno", "units": 10 });
    house
        .server
        .done("POST", "/v1/stock/SCARCE/receipts", more)
        .await;
    // One in fifteen asks for what is scarce.
    house.sells(15 * 40).await;
    let wrongs = house.wrongs().await;
    assert!(
        wrongs
            .iter()
            .any(|wrong| matches!(wrong, Wrong::Oversold(_))),
        "{wrongs:?}"
    );
}

/// The control of what sees faults.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_seen_where_nothing_goes_wrong() {
    let mut house = House::open(HOLD_S_MAX).await;
    house.sells(ORDERS_OF_CONTROL).await;
    for fault in ["sync-eio", "sync-slow", "sync-torn", "full", "clock"] {
        assert_eq!(house.disk().seen(fault), 0, "{fault}");
    }
    assert!(!house.is_stopped());
    assert!(house.runs());
    assert!(!house.is_ahead(HOUR_S).await && !house.is_ahead(-HOUR_S).await);
    assert_eq!(house.readiness().await, 200);
    let mut run = Run {
        faults: 1,
        ..Run::default()
    };
    house.judge(&mut run).await;
    let complaints = run.complaints();
    assert_eq!(complaints[0], "seen 0 of 1 faults");
    assert!(
        complaints[1].ends_with("of 1000 orders succeeded"),
        "{complaints:?}"
    );
}

/// A server, its disk and clock, and the customers who are at it.
struct House {
    setup: Setup,
    server: Server,
    customers: Arc<Customers>,
    crowd: Option<Crowd>,
}

impl House {
    async fn open(hold_s: u64) -> Self {
        let mut setup = Setup::new();
        setup.preload = Some(Shim::build(setup.dir.path()));
        let server = setup.start().await;
        let customers = Customers::of(&server, hold_s).await;
        Self {
            setup,
            server,
            customers,
            crowd: None,
        }
    }

    fn disk(&self) -> &Shim {
        self.setup.preload.as_ref().unwrap()
    }

    fn orders(&self) -> usize {
        self.customers.ledger().orders()
    }

    /// Until so many orders were acknowledged in all.
    async fn sells(&mut self, orders: usize) {
        self.crowd
            .get_or_insert_with(|| Crowd::at(&self.server, &self.customers));
        until("orders are acknowledged", async || self.orders() >= orders).await;
    }

    /// Work goes on, in the process that is there.
    async fn goes_on(&mut self) {
        self.sells(self.orders() + ORDERS_GO_ON).await;
        assert!(self.runs(), "{}", self.setup.log_text());
        until("it is ready", async || self.readiness().await == 200).await;
    }

    /// A process that has ended, and the next one, with the customers that it sent away.
    async fn restart(&mut self) {
        if let Some(crowd) = self.crowd.take() {
            crowd.leave().await;
        }
        self.server = self.setup.start().await;
        self.crowd = Some(Crowd::at(&self.server, &self.customers));
    }

    fn runs(&mut self) -> bool {
        self.server.child.try_wait().unwrap().is_none()
    }

    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.server.child.id()));
        stat.unwrap().contains(") T ")
    }

    fn signal(&self, signal: &str) {
        let pid = self.server.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    async fn readiness(&self) -> u16 {
        self.server.call("GET", "/readyz", None).await.0
    }

    /// Whether the process's clock is ahead of the wall clock by so much.
    async fn is_ahead(&self, seconds: i64) -> bool {
        let ahead = metric(&self.server, "crossdock_clock_ahead_seconds").await;
        (ahead - seconds as f64).abs() < CLOCK_S
    }

    /// Lets it go wrong once, and recover; whether it was seen to go wrong.
    async fn strike(&mut self, fault: Fault, strike: usize) -> bool {
        match fault {
            Fault::FailedFlush => self.fail_a_flush().await,
            Fault::SlowFlushes => self.slow_flushes().await,
            Fault::TornWrite => self.tear_a_write().await,
            Fault::FullDisk => self.fill_the_disk().await,
            Fault::ClockStep => self.step_the_clock(CLOCK_STEPS[strike]).await,
            Fault::Killed => self.kill().await,
            Fault::Stopped => self.stop().await,
        }
    }

    /// What is on disk is unknown then: the process ends by itself, and the next one recovers.
    async fn fail_a_flush(&mut self) -> bool {
        let seen = self.disk().seen("sync-eio");
        self.disk().behave("sync-eio");
        let code = self.server.ended().await;
        assert_eq!(code, Some(1), "{}", self.setup.log_text());
        assert!(self.setup.log_text().contains("this process ends"));
        self.disk().behave("ok");
        self.restart().await;
        self.disk().seen("sync-eio") > seen
    }

    async fn slow_flushes(&mut self) -> bool {
        let seen = self.disk().seen("sync-slow");
        self.disk().behave(SLOW);
        until("flushes are slow", async || {
            self.disk().seen("sync-slow") >= seen + SLOW_FLUSHES
        })
        .await;
        self.goes_on().await;
        self.disk().behave("ok");
        self.disk().seen("sync-slow") >= seen + SLOW_FLUSHES
    }

    /// The disk ends the process in the middle of a flush.
    async fn tear_a_write(&mut self) -> bool {
        let seen = self.disk().seen("sync-torn");
        self.disk().behave("sync-torn");
        assert_eq!(self.server.ended().await, None, "it ended by itself");
        self.disk().behave("ok");
        self.restart().await;
        self.disk().seen("sync-torn") > seen
    }

    async fn fill_the_disk(&mut self) -> bool {
        let seen = self.disk().seen("full");
        self.disk().behave("full");
        until("it is not ready", async || self.readiness().await == 503).await;
        self.disk().behave("ok");
        self.goes_on().await;
        assert!(self.setup.log_text().contains("full"));
        self.disk().seen("full") > seen
    }

    async fn step_the_clock(&mut self, (offset_s, restarts, ahead_s): (i64, bool, i64)) -> bool {
        self.disk().behave(&format!("clock {offset_s}"));
        if restarts {
            self.server.kill();
            self.restart().await;
        }
        until("the step shows", async || self.is_ahead(ahead_s).await).await;
        self.goes_on().await;
        self.is_ahead(ahead_s).await
    }

    async fn kill(&mut self) -> bool {
        self.server.kill();
        let status = self.server.child.wait().unwrap();
        self.restart().await;
        status.signal() == Some(SIGKILL)
    }

    async fn stop(&mut self) -> bool {
        self.signal("-STOP");
        until("it is stopped", async || self.is_stopped()).await;
        // What it had answered before is still read for a moment.
        tokio::time::sleep(STOPPED / 2).await;
        let orders = self.orders();
        tokio::time::sleep(STOPPED / 2).await;
        let seen = self.is_stopped() && self.orders() == orders;
        self.signal("-CONT");
        self.goes_on().await;
        seen
    }

    /// Everybody has been answered and is gone.
    async fn quiet(&mut self) {
        if let Some(crowd) = self.crowd.take() {
            crowd.leave().await;
        }
        settle(&self.server, &self.customers).await;
    }

    /// Everything that is wrong once nothing is under way.
    async fn wrongs(&mut self) -> Vec<Wrong> {
        self.quiet().await;
        self.customers.judge(&self.server).await
    }

    /// Judges what is still there after one more kill.
    async fn judge(&mut self, run: &mut Run) {
        self.quiet().await;
        self.server.kill();
        let (code, said, error) = self.setup.crossdock(&["journal", "verify"]);
        assert_eq!(code, 0, "{said}{error}");
        self.server = self.setup.start().await;
        run.wrongs = self.wrongs().await;
        // A repeat of what is lost would bring it back: not before it is judged.
        self.customers.repeat_newest(&self.server, REPEATS).await;
        run.wrongs.extend(self.wrongs().await);
        let ledger = self.customers.ledger();
        (run.orders, run.holds) = (ledger.orders(), ledger.holds());
    }
}

/// Each mistake in the books is found, and named as what it is.
#[test]
fn planted_mistakes_are_found() {
    type Plant = fn(&mut Ledger, &mut Books);
    let lost = |what: &str| Wrong::Lost(what.to_owned());
    let doubled = |what: &str| Wrong::Doubled(what.to_owned());
    let table: [(&str, Plant, Vec<Wrong>); 7] = [
        ("nothing", |_, _| {}, vec![]),
        (
            "an order that is gone",
            |_, books| drop(books.orders.remove(0)),
            vec![lost("shop:3")],
        ),
        (
            "an order that is there twice",
            |_, books| books.orders.push("api:4".to_owned()),
            vec![doubled("api:4 is listed 2 times")],
        ),
        (
            "an order that nobody has",
            |_, books| books.orders.push("api:99".to_owned()),
            vec![doubled("api:99: nobody has it")],
        ),
        (
            "units that are committed to nobody",
            |_, books| books.shelves.get_mut(PLENTY).unwrap().committed += 1,
            vec![doubled("3 units of PLENTY ordered, not 2")],
        ),
        (
            "a hold that is gone",
            |_, books| books.shelves.get_mut(PLENTY).unwrap().held -= 1,
            vec![lost("0 units of PLENTY held, not 1")],
        ),
        (
            "a repeat that is answered otherwise",
            |ledger, _| {
                ledger.told(Wish(1), Told::Kept(json!("api:1")));
                ledger.told(Wish(1), Told::Refused);
            },
            vec![
                Wrong::Changed("Wish(1): Refused, then Kept(String(\"api:1\"))".to_owned()),
                Wrong::Changed("Wish(1): Kept(String(\"api:1\")), then Refused".to_owned()),
            ],
        ),
    ];
    for (what, plant, found) in table {
        let (mut ledger, mut books) = sound();
        plant(&mut ledger, &mut books);
        assert_eq!(ledger.judge(&books), found, "{what}");
    }
}

/// More is promised than is there, by what customers were told, or by the books.
#[test]
fn a_unit_too_many_is_found_oversold() {
    let (mut ledger, mut books) = sound();
    ledger.told(Wish(1), Told::Kept(json!("api:1")));
    books.orders.push("api:1".to_owned());
    books.shelves.get_mut(SCARCE).unwrap().committed = 1;
    let oversold = Wrong::Oversold("2 of 1 units of SCARCE".to_owned());
    assert_eq!(ledger.judge(&books).last(), Some(&oversold));
}

/// What a machine said after the moment to which its disk falls back is no promise.
#[test]
fn what_was_told_after_the_moment_is_asked_for_again() {
    let (mut ledger, _) = sound();
    let moment = ledger.clone();
    let late = ledger.next();
    ledger.told(late, Told::Refused);
    ledger.rewind(&moment);
    assert_eq!(ledger.unanswered(), [late]);
    assert_eq!(ledger.orders(), moment.orders());
}

/// One unit of what is scarce is held, and refused to an order; a sale, an order and a hold of what is not.
fn sound() -> (Ledger, Books) {
    let mut ledger = Ledger::default();
    ledger.stocked(PLENTY, 10);
    ledger.stocked(SCARCE, 1);
    let answers = [
        Told::Refused,
        Told::Kept(json!("a hold of what is scarce")),
        Told::Kept(json!(null)),
        Told::Kept(json!("api:4")),
        Told::Kept(json!("a hold")),
    ];
    for told in answers {
        let wish = ledger.next();
        ledger.told(wish, told);
    }
    let shelf = |on_hand, committed, held| support::ledger::Shelf {
        on_hand,
        committed,
        held,
    };
    let books = Books {
        orders: vec!["shop:3".to_owned(), "api:4".to_owned()],
        shelves: [
            (PLENTY.to_owned(), shelf(10, 2, 1)),
            (SCARCE.to_owned(), shelf(1, 0, 1)),
        ]
        .into(),
    };
    (ledger, books)
}
