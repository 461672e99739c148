//! Time as the node sees it: what is due happens though nobody asks, what has run out stays so, and what nobody asks
//! for leaves memory. The clock stands still but where a test moves it.
#![allow(clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::{Arc, Mutex};

use crossdock_journal::{Journal, MemoryJournal};
use crossdock_model::command::{Command, Delivery, LocationCommand, SkuCommand};
use crossdock_model::{Answer, Duration, EntityId, HoldId, OrderId, Timestamp, v1};
use crossdock_runtime::{
    AskError, Clock, Connector, DeliverFuture, Handle, Node, Options, PausedClock, RealClock,
    last_commit_at,
};
use support::{
    ask, define, journal, marks, order, receive, reno, sku, sold, sold_by, start_at, status,
    stocked, until,
};

/// Notes deliveries, and answers them or not.
#[derive(Default)]
struct Warehouse {
    delivered: Mutex<Vec<OrderId>>,
    is_silent: bool,
}

impl Warehouse {
    /// How often an order was delivered.
    fn delivered(&self, number: usize) -> usize {
        let delivered = self.delivered.lock().unwrap();
        let of = |id: &&OrderId| EntityId::Order((*id).clone()) == order(number);
        delivered.iter().filter(of).count()
    }
}

impl Connector for Warehouse {
    fn deliver(&self, delivery: Delivery) -> DeliverFuture {
        self.delivered.lock().unwrap().push(delivery.order);
        match self.is_silent {
            true => Box::pin(std::future::pending()),
            false => Box::pin(std::future::ready(Ok(()))),
        }
    }
}

struct World {
    node: Node,
    handle: Handle,
    clock: Arc<PausedClock>,
}

async fn world(
    journal: &Arc<MemoryJournal>,
    now: Timestamp,
    options: Options,
    warehouse: &Arc<Warehouse>,
) -> World {
    let clock = Arc::new(PausedClock::new(now));
    let journal: Arc<dyn Journal> = Arc::clone(journal) as Arc<dyn Journal>;
    let connector: Arc<dyn Connector> = Arc::clone(warehouse) as _;
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let node = Node::start(journal, given, connector, options, |_| {}).await;
    let node = node.unwrap();
    let handle = node.handle();
    World {
        node,
        handle,
        clock,
    }
}

impl World {
    /// Lets time pass in small steps until something holds.
    async fn passes_until(&self, what: &str, step: Duration, holds: impl AsyncFn() -> bool) {
        until(what, async || {
            self.clock.advance(step);
            holds().await
        })
        .await;
    }
}

impl World {
    /// Lets a second pass, after which the node has looked which entities are to go, and what was to be written before
    /// they do is written.
    async fn is_looked_over(&self) {
        let live = &self.handle.metrics().live;
        live.set(-1);
        self.clock.advance(Duration::from_s(1));
        until("it is looked over", async || live.get() >= 0).await;
        marks(&self.handle).await;
    }
}

/// Five units at a location that is told of its work.
async fn told_by_webhook(handle: &Handle) {
    stocked(handle, 0, 5).await;
    let location = EntityId::Location(reno());
    let Answer::Location { mut facts, .. } = handle.read(location.clone()).await.unwrap().answer
    else {
        panic!("no location");
    };
    facts.connector = v1::Connector::Webhook {
        url: "https://warehouse.example/".to_owned(),
        secret_name: "wms".to_owned(),
    };
    let define = Command::Location(LocationCommand::Define(facts));
    ask(handle, location, define).await.unwrap();
}

/// An order that came later is at its location: what was due before it would be, too.
async fn told_of_another(handle: &Handle, warehouse: &Warehouse) {
    ask(handle, order(2), sold(0)).await.unwrap();
    until("it is told of another", async || {
        warehouse.delivered(2) == 1
    })
    .await;
}

/// An order's payment is good after a restart; nobody asks for the order, and its location is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_after_a_restart_happens_though_nobody_asks() {
    let (journal, warehouse) = (journal(), Arc::new(Warehouse::default()));
    let began = Timestamp::from_ms(1_000_000);
    let hour = Duration::from_minutes(60);
    let before = world(&journal, began, Options::new(1), &warehouse).await;
    told_by_webhook(&before.handle).await;
    let payment = v1::Payment::OnHoldUntil(began + hour);
    ask(&before.handle, order(1), sold_by(0, payment))
        .await
        .unwrap();
    let reserved = async || status(&before.handle, 1).await == v1::OrderStatus::Reserved;
    until("it is reserved", reserved).await;
    before.node.stop().await;

    let after = world(&journal, began, Options::new(2), &warehouse).await;
    told_of_another(&after.handle, &warehouse).await;
    assert_eq!(warehouse.delivered(1), 0);
    after.clock.advance(hour);
    let told = async || warehouse.delivered(1) == 1;
    after
        .passes_until("the location is told", Duration::from_ms(10), told)
        .await;
    after.node.stop().await;
}

/// A process that starts with the wall clock set back by an hour.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_run_out_stays_so_when_the_wall_clock_is_set_back() {
    let (journal, warehouse) = (journal(), Arc::new(Warehouse::default()));
    let ahead = RealClock::default().now() + Duration::from_minutes(60);
    let before = world(&journal, ahead, Options::new(1), &warehouse).await;
    stocked(&before.handle, 0, 1).await;
    let hold = |name: &str, expires_at| {
        Command::Sku(SkuCommand::Hold {
            hold: HoldId::new(name).unwrap(),
            units: 1,
            takes: Vec::new(),
            among: None,
            expires_at,
        })
    };
    let expires_at = ahead + Duration::from_minutes(1);
    ask(&before.handle, sku(0), hold("h1", expires_at))
        .await
        .unwrap();
    before.clock.advance(Duration::from_minutes(2));
    // Something else is recorded later.
    ask(&before.handle, sku(1), define(1)).await.unwrap();
    before.node.stop().await;

    let recorded = last_commit_at(&*journal).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(RealClock::anchored(recorded));
    assert!(clock.ahead_ms() >= 3_600_000);
    let node = start_at(&journal, Options::new(2), clock).await;
    let held = ask(&node.handle(), sku(0), hold("h2", Timestamp::MAX)).await;
    assert!(held.is_ok(), "{held:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_answered_is_made_again() {
    let warehouse = Arc::new(Warehouse {
        is_silent: true,
        ..Warehouse::default()
    });
    let world = world(
        &journal(),
        Timestamp::from_ms(1),
        Options::new(1),
        &warehouse,
    )
    .await;
    told_by_webhook(&world.handle).await;
    ask(&world.handle, order(1), sold(0)).await.unwrap();
    until("it is called", async || warehouse.delivered(1) == 1).await;
    world.clock.advance(Duration::from_s(119));
    told_of_another(&world.handle, &warehouse).await;
    assert_eq!(warehouse.delivered(1), 1, "the call is under way");
    let again = async || warehouse.delivered(1) == 2;
    world
        .passes_until("it is called again", Duration::from_s(1), again)
        .await;
    world.node.stop().await;
}

/// No more are live than may be, whoever is asked; and none when nobody asks. All are what they were.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asks_for_leaves_memory() {
    let (journal, warehouse) = (journal(), Arc::new(Warehouse::default()));
    let mut options = Options::new(1);
    options.live_max = 20;
    let world = world(&journal, Timestamp::from_ms(1), options, &warehouse).await;
    let handle = &world.handle;
    for number in 0..200 {
        ask(handle, sku(number), define(number)).await.unwrap();
    }
    assert!(handle.live_entities() > 100);
    // So that the machine's speed does not count, time passes no faster than the node looks who is to go.
    until("few are live", async || {
        world.is_looked_over().await;
        handle.live_entities() <= 20
    })
    .await;
    assert!(
        world.clock.now() < Timestamp::from_ms(119_000),
        "not by age"
    );
    let none = async || handle.live_entities() == 0;
    world
        .passes_until("none is live", Duration::from_s(1), none)
        .await;
    assert!(world.clock.now() > Timestamp::from_ms(120_000));
    for number in 0..200 {
        let received = ask(handle, sku(number), receive(0)).await;
        let unknown = Err(AskError::Unknown);
        assert_ne!(received.map(|_| ()), unknown);
        let read = handle.read(sku(number)).await.unwrap().answer;
        assert!(matches!(read, Answer::Stock(view) if view.title == number.to_string()));
    }
    world.node.stop().await;
}
