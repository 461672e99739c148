//! A node on the journal in memory: orders from state to request, races, lost appends, crashes and restarts.
#![allow(clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::Arc;

use crossdock_journal::MemoryJournal;
use crossdock_journal::memory::Fault;
use crossdock_model::command::{Command, LocationCommand, OrderCommand, SkuCommand, SystemCommand};
use crossdock_model::v1::{LocationFacts, OrderStatus, Origin, Payment, Sale, Tracking};
use crossdock_model::{
    Answer, CommandKey, Duration, EntityId, HoldId, LocationId, OrderId, Rejection, SkuId,
    Timestamp,
};
use crossdock_runtime::{AskError, Clock, Handle, Node, Options, PausedClock, RealClock, Reply};

use support::{by, facts, in_time, journal};

async fn start(journal: &Arc<MemoryJournal>) -> Node {
    support::start(journal, Options::new(1)).await
}

fn location(name: &str) -> LocationId {
    LocationId::new(name).unwrap()
}

async fn define(handle: &Handle, name: &str) {
    let facts = LocationFacts {
        coordinates: Some((39_530_000, -119_810_000)),
        ..LocationFacts::plain(location(name), "US")
    };
    let command = Command::Location(LocationCommand::Define(Box::new(facts)));
    handle
        .ask(EntityId::Location(location(name)), command, by())
        .await
        .unwrap();
}

fn sku(name: &str) -> EntityId {
    EntityId::Sku(SkuId::new(name).unwrap())
}

async fn stock(handle: &Handle, name: &str, units: u32) {
    let define = SkuCommand::Define {
        title: name.to_owned(),
        tracking: Tracking::Tracked,
    };
    let receive = SkuCommand::Receive {
        location: location("reno"),
        units,
        reference: None,
    };
    for command in [define, receive] {
        handle
            .ask(sku(name), Command::Sku(command), by())
            .await
            .unwrap();
    }
}

fn order_id(number: usize) -> OrderId {
    format!("shop:{number}").parse().unwrap()
}

fn state(lines: &[(&str, u32)], sale: Sale) -> Command {
    Command::Order(OrderCommand::State {
        facts: Box::new(facts(lines, Payment::Ready, sale)),
        origin: Origin::Api,
        settle: true,
    })
}

/// What an order comes to, however often it is to be asked again.
async fn place(handle: &Handle, number: usize, command: Command) -> Result<Reply, AskError> {
    let placed = async {
        loop {
            let asked = handle
                .ask(EntityId::Order(order_id(number)), command.clone(), by())
                .await;
            match asked {
                Err(AskError::Rejected(Rejection::Busy { .. }) | AskError::Overloaded { .. }) => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                asked => return asked,
            }
        }
    };
    in_time(&format!("order {number} is answered"), placed).await
}

async fn status(handle: &Handle, number: usize) -> OrderStatus {
    match handle
        .read(EntityId::Order(order_id(number)))
        .await
        .unwrap()
        .answer
    {
        Answer::Order(summary) => summary.status,
        other => panic!("{other:?}"),
    }
}

async fn until(handle: &Handle, number: usize, wanted: OrderStatus) {
    support::until(&format!("order {number} is {wanted:?}"), async || {
        status(handle, number).await == wanted
    })
    .await;
}

/// Units (on hand, committed, held, tentative) of a SKU at reno.
async fn units(handle: &Handle, name: &str) -> (i64, u32, u32, u32) {
    match handle.read(sku(name)).await.unwrap().answer {
        Answer::Stock(view) => {
            let at = &view.locations[0];
            (at.on_hand, at.committed, at.held, at.tentative)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_flows_to_requested_and_survives_a_restart() {
    let journal = journal();
    let node = start(&journal).await;
    let handle = node.handle();
    define(&handle, "reno").await;
    stock(&handle, "A", 5).await;
    stock(&handle, "B", 5).await;
    place(&handle, 1, state(&[("A", 2), ("B", 1)], Sale::AlreadySold))
        .await
        .unwrap();
    until(&handle, 1, OrderStatus::Requested).await;
    assert_eq!(units(&handle, "A").await, (5, 2, 0, 0));
    place(&handle, 2, state(&[("A", 4)], Sale::AlreadySold))
        .await
        .unwrap();
    until(&handle, 2, OrderStatus::Backordered).await;
    let refused = place(&handle, 3, state(&[("A", 4)], Sale::Asks))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, AskError::Rejected(Rejection::Short { .. })),
        "{refused:?}"
    );
    node.stop().await;

    let node = start(&journal).await;
    let handle = node.handle();
    assert_eq!(status(&handle, 1).await, OrderStatus::Requested);
    assert_eq!(status(&handle, 2).await, OrderStatus::Backordered);
    let receive = SkuCommand::Receive {
        location: location("reno"),
        units: 10,
        reference: None,
    };
    handle
        .ask(sku("A"), Command::Sku(receive), by())
        .await
        .unwrap();
    until(&handle, 2, OrderStatus::Requested).await;
    let again = place(&handle, 3, state(&[("A", 4)], Sale::Asks))
        .await
        .unwrap_err();
    assert!(
        matches!(again, AskError::Rejected(Rejection::Short { .. })),
        "the same answer: {again:?}"
    );
    node.stop().await;
}

/// 200 buyers, 50 units, two crossed lines each: exactly 50 are sold, and nobody is refused while units are left.
#[tokio::test(flavor = "multi_thread")]
async fn crossed_orders_sell_exactly_what_is_there() {
    let journal = journal();
    let node = start(&journal).await;
    let handle = node.handle();
    define(&handle, "reno").await;
    stock(&handle, "A", 50).await;
    stock(&handle, "B", 50).await;
    let buyers = (0..200).map(|number| {
        let handle = handle.clone();
        let lines = if number % 2 == 0 {
            [("A", 1), ("B", 1)]
        } else {
            [("B", 1), ("A", 1)]
        };
        tokio::spawn(async move { place(&handle, number, state(&lines, Sale::Asks)).await })
    });
    let (mut sold, mut refused) = (0, 0);
    for buyer in buyers.collect::<Vec<_>>() {
        match buyer.await.unwrap() {
            Ok(_) => sold += 1,
            Err(AskError::Rejected(Rejection::Short { .. })) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((sold, refused), (50, 150));
    let (a, b) = (units(&handle, "A").await, units(&handle, "B").await);
    assert_eq!((a.1 + a.3, b.1 + b.3), (50, 50));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_command_has_one_answer() {
    let journal = journal();
    let node = start(&journal).await;
    let handle = node.handle();
    stock(&handle, "A", 3).await;
    let hold = |units| SkuCommand::Hold {
        hold: HoldId::new("h1").unwrap(),
        units,
        takes: Vec::new(),
        among: None,
        expires_at: Timestamp::MAX,
    };
    let key = || CommandKey::new("k1").unwrap();
    let ask =
        |units, hash| handle.ask(sku("A"), Command::Sku(hold(units)), by().keyed(key(), hash));
    let first = ask(2, 1).await.unwrap();
    assert_eq!(ask(2, 1).await.unwrap().answer, first.answer);
    let other = ask(3, 2).await.unwrap_err();
    assert_eq!(other, AskError::Rejected(Rejection::KeyConflict));
    assert_eq!(units(&handle, "A").await.2, 2);
    node.stop().await;
}

/// A lost append takes everything computed from it along; the callers hear *unknown*, and the state is what is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_acknowledges_nothing_and_work_resumes() {
    let journal = journal();
    let node = start(&journal).await;
    let handle = node.handle();
    stock(&handle, "A", 3).await;
    journal.inject(Fault::Full);
    let receive = || {
        Command::Sku(SkuCommand::Receive {
            location: location("reno"),
            units: 1,
            reference: None,
        })
    };
    let lost = handle.ask(sku("A"), receive(), by()).await.unwrap_err();
    assert!(
        matches!(lost, AskError::Unknown | AskError::Unavailable(_)),
        "{lost:?}"
    );
    support::until("work resumes", async || {
        handle.ask(sku("A"), receive(), by()).await.is_ok()
    })
    .await;
    assert_eq!(
        units(&handle, "A").await.0,
        4,
        "the lost unit was never received"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_command_is_put_aside_and_its_entity_works_on() {
    let journal = journal();
    let mut options = Options::new(1);
    options.crash_on = Some(|entity, command| {
        matches!(command, Command::Sku(SkuCommand::Adjust { delta: 13, .. }))
            && entity.to_string() == "sku:A"
    });
    let node = support::start(&journal, options).await;
    let handle = node.handle();
    stock(&handle, "A", 3).await;
    let adjust = |delta| {
        let command = SkuCommand::Adjust {
            location: location("reno"),
            delta,
            reason: "test".to_owned(),
        };
        handle.ask(sku("A"), Command::Sku(command), by())
    };
    for _ in 0..3 {
        assert_eq!(adjust(13).await.unwrap_err(), AskError::Unknown);
    }
    support::until("it is put aside", async || {
        adjust(13).await.unwrap_err() != AskError::Unknown
    })
    .await;
    let refused = adjust(13).await.unwrap_err();
    assert!(
        matches!(refused, AskError::Rejected(Rejection::Invalid { .. })),
        "{refused:?}"
    );
    adjust(1).await.unwrap();
    assert_eq!(units(&handle, "A").await.0, 4);
    let read = Command::System(SystemCommand::ReadQuarantine);
    match handle
        .ask(EntityId::System(0), read, by())
        .await
        .unwrap()
        .answer
    {
        Answer::Quarantine(marks) => assert_eq!(marks.len(), 1),
        other => panic!("{other:?}"),
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_hold_is_free_at_that_instant() {
    let clock = Arc::new(PausedClock::new(Timestamp::from_ms(1)));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let node = support::start_at(&journal(), Options::new(1), given).await;
    let handle = node.handle();
    stock(&handle, "A", 1).await;
    let hold = |name: &str, expires_at| {
        let hold = HoldId::new(name).unwrap();
        let command = SkuCommand::Hold {
            hold,
            units: 1,
            takes: Vec::new(),
            among: None,
            expires_at,
        };
        handle.ask(sku("A"), Command::Sku(command), by())
    };
    let instant = Duration::from_ms(1);
    let soon = handle.now() + instant + instant;
    hold("h1", soon).await.unwrap();
    for name in ["h2", "just before"] {
        assert!(hold(name, Timestamp::MAX).await.is_err(), "{name}");
        clock.advance(instant);
    }
    hold("h3", Timestamp::MAX).await.unwrap();
    node.stop().await;
}

/// A connector that panics when it is called for the first time.
#[derive(Default)]
struct PanicsOnce(std::sync::atomic::AtomicUsize);

impl crossdock_runtime::Connector for PanicsOnce {
    fn deliver(
        &self,
        _delivery: crossdock_model::command::Delivery,
    ) -> crossdock_runtime::DeliverFuture {
        let calls = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move {
            assert!(calls > 0, "planted panic of a connector");
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_connector_panicked_is_tried_again() {
    let connector = Arc::new(PanicsOnce::default());
    let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
    let mut options = Options::new(1);
    options.limits.resend_after = Duration::from_ms(100);
    let given: Arc<dyn crossdock_runtime::Connector> = Arc::clone(&connector) as _;
    let node = Node::start(journal(), clock, given, options, |_| {})
        .await
        .unwrap();
    let handle = node.handle();
    define(&handle, "reno").await;
    stock(&handle, "A", 5).await;
    place(&handle, 1, state(&[("A", 1)], Sale::AlreadySold))
        .await
        .unwrap();
    support::until("the delivery is tried again", async || {
        connector.0.load(std::sync::atomic::Ordering::SeqCst) > 1
    })
    .await;
    node.stop().await;
}

/// Whoever is told that a location is defined finds it at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_known() {
    let node = start(&journal()).await;
    let handle = node.handle();
    for number in 0..500 {
        let name = format!("shop-{number}");
        define(&handle, &name).await;
        assert!(handle.known_location(&location(&name)).is_some(), "{name}");
    }
    node.stop().await;
}
