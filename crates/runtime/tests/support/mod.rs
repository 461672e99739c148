//! What tests of a node share: the journal in memory, entities and commands.
#![allow(dead_code, reason = "each test target uses some")]

use std::sync::Arc;

use crossdock_journal::{Journal, MemoryJournal};
use crossdock_model::command::{Command, LocationCommand, OrderCommand, SkuCommand, SystemCommand};
use crossdock_model::v1::{
    Destination, LineFacts, LocationFacts, OrderFacts, OrderStatus, Origin, Part, Payment, Sale,
    Tracking,
};
use crossdock_model::{
    Answer, CredentialId, EntityId, LineId, LocationId, SkuId, Timestamp, answer::QuarantineView,
};
pub use crossdock_runtime::testing::{in_time, until};
use crossdock_runtime::{
    AskError, By, Clock, Handle, Node, Options, RealClock, Reply, Unconnected,
};

pub fn by() -> By {
    By::new(CredentialId::new("test").unwrap())
}

pub fn journal() -> Arc<MemoryJournal> {
    Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)))
}

pub async fn start(journal: &Arc<MemoryJournal>, options: Options) -> Node {
    let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
    start_at(journal, options, clock).await
}

pub async fn start_at(
    journal: &Arc<MemoryJournal>,
    options: Options,
    clock: Arc<dyn Clock>,
) -> Node {
    let journal: Arc<dyn Journal> = Arc::clone(journal) as Arc<dyn Journal>;
    Node::start(journal, clock, Arc::new(Unconnected), options, |_| {})
        .await
        .unwrap()
}

/// An answer, whatever it says.
pub async fn ask(handle: &Handle, to: EntityId, command: Command) -> Result<Reply, AskError> {
    in_time("it is answered", handle.ask(to, command, by())).await
}

pub fn sku(number: usize) -> EntityId {
    EntityId::Sku(SkuId::new(format!("S{number}")).unwrap())
}

pub fn reno() -> LocationId {
    LocationId::new("reno").unwrap()
}

pub fn order(number: usize) -> EntityId {
    format!("order:shop:{number}").parse().unwrap()
}

pub fn define(title: usize) -> Command {
    Command::Sku(SkuCommand::Define {
        title: title.to_string(),
        tracking: Tracking::Tracked,
    })
}

pub fn adjust(delta: i64) -> Command {
    Command::Sku(SkuCommand::Adjust {
        location: reno(),
        delta,
        reason: "test".to_owned(),
    })
}

pub fn receive(units: u32) -> Command {
    Command::Sku(SkuCommand::Receive {
        location: reno(),
        units,
        reference: None,
    })
}

/// A location, and so many units of a SKU there.
pub async fn stocked(handle: &Handle, number: usize, units: u32) {
    let facts = LocationFacts {
        coordinates: Some((39_530_000, -119_810_000)),
        ..LocationFacts::plain(reno(), "US")
    };
    let defined = Command::Location(LocationCommand::Define(Box::new(facts)));
    for (to, command) in [
        (EntityId::Location(reno()), defined),
        (sku(number), define(number)),
        (sku(number), receive(units)),
    ] {
        ask(handle, to, command).await.unwrap();
    }
}

/// An order of one unit, which is sold and paid already.
pub fn sold(number: usize) -> Command {
    sold_by(number, Payment::Ready)
}

pub fn sold_by(number: usize, payment: Payment) -> Command {
    stated(number, payment, Sale::AlreadySold)
}

/// An order of one unit whose buyer waits for the answer.
pub fn asking(number: usize) -> Command {
    stated(number, Payment::Ready, Sale::Asks)
}

fn stated(number: usize, payment: Payment, sale: Sale) -> Command {
    let sku = format!("S{number}");
    let facts = facts(&[(&sku, 1)], payment, sale);
    Command::Order(OrderCommand::State {
        facts: Box::new(facts),
        origin: Origin::Api,
        settle: sale == Sale::Asks,
    })
}

/// An order of so many units of each of these SKUs, a line each.
pub fn facts(lines: &[(&str, u32)], payment: Payment, sale: Sale) -> OrderFacts {
    let line = |(number, (sku, units)): (usize, &(&str, u32))| LineFacts {
        line: LineId::new(number.to_string()).unwrap(),
        title: (*sku).to_owned(),
        ordered_units: *units,
        cancelled_units: 0,
        parts: vec![Part {
            sku: SkuId::new(sku).unwrap(),
            units_per_line_unit: 1,
        }],
        unit_price: None,
        ships: true,
    };
    OrderFacts {
        name: "#1".to_owned(),
        placed_at: Timestamp::from_ms(1),
        updated_at: Timestamp::from_ms(1),
        sale,
        lines: lines.iter().enumerate().map(line).collect(),
        destination: Some(Destination {
            country: "US".to_owned(),
            ..Destination::default()
        }),
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment,
        cancelled: None,
        total: None,
        tags: Vec::new(),
        test: false,
    }
}

pub async fn status(handle: &Handle, number: usize) -> OrderStatus {
    match handle.read(order(number)).await.unwrap().answer {
        Answer::Order(summary) => summary.status,
        other => panic!("{other:?}"),
    }
}

/// Waits until an order's location is to send it.
pub async fn is_requested(handle: &Handle, number: usize) {
    until(&format!("order {number} is requested"), async || {
        status(handle, number).await == OrderStatus::Requested
    })
    .await;
}

/// Units on hand of a SKU at its one location.
pub async fn on_hand(handle: &Handle, number: usize) -> i64 {
    match handle.read(sku(number)).await.unwrap().answer {
        Answer::Stock(view) => view.locations[0].on_hand,
        other => panic!("{other:?}"),
    }
}

pub async fn marks(handle: &Handle) -> Vec<QuarantineView> {
    let read = Command::System(SystemCommand::ReadQuarantine);
    match ask(handle, EntityId::System(0), read).await.unwrap().answer {
        Answer::Quarantine(marks) => marks,
        other => panic!("{other:?}"),
    }
}
