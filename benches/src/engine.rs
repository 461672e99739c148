//! A node in this process, over a journal in a folder, and what benches ask of it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossdock_journal::Journal;
use crossdock_journal::sqlite::{SqliteJournal, SqliteOptions, WAL_BYTES_READY, master_key};
use crossdock_model::command::{LocationCommand, OrderCommand, SkuCommand};
use crossdock_model::v1::{
    AttemptId, Destination, LineFacts, LocationFacts, OrderFacts, OrderStatus, Origin, Part,
    Payment, Sale, Take, Tracking,
};
use crossdock_model::{
    Answer, Command, CredentialId, EntityId, LineId, LocationId, SkuId, Timestamp,
};
use crossdock_runtime::{By, Clock, Handle, Node, Options, RealClock, Unconnected};
use futures::StreamExt;

/// Asked at a time.
const CLIENTS: usize = 256;
const STOCK: u32 = 1_000_000_000;
/// How long actors may take to end.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// A node, as `crossdock serve` has one.
pub(crate) struct Engine {
    pub(crate) handle: Handle,
    node: Node,
    journal: Arc<SqliteJournal>,
    by: By,
}

impl Engine {
    /// Starts it on what is in the folder.
    pub(crate) async fn start(dir: &Path) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let key = master_key(dir, &dir.join("master.key")).unwrap();
        let mut options = SqliteOptions::new(key);
        options.wal_bytes_ready = WAL_BYTES_READY;
        let journal = Arc::new(SqliteJournal::open(dir, options, clock.now()).unwrap());
        let connector = Arc::new(Unconnected);
        let fatal = |e| panic!("{e}");
        let options = Options::new(1);
        let log = Arc::clone(&journal) as Arc<dyn Journal>;
        let node = Node::start(log, clock, connector, options, fatal).await;
        let node = node.unwrap();
        Self {
            handle: node.handle(),
            node,
            journal,
            by: By::new(CredentialId::new("bench").unwrap()),
        }
    }

    pub(crate) fn journal(&self) -> Arc<SqliteJournal> {
        Arc::clone(&self.journal)
    }

    /// Ends it in order, until only the caller has the journal, which can still be read.
    pub(crate) async fn stop(self) -> Arc<SqliteJournal> {
        let Self {
            handle,
            node,
            journal,
            by: _,
        } = self;
        drop(handle);
        node.stop().await;
        let stopped = Instant::now();
        while Arc::strong_count(&journal) > 1 {
            assert!(stopped.elapsed() < PATIENCE, "somebody keeps the journal");
            tokio::time::sleep(PAUSE).await;
        }
        journal
    }

    pub(crate) async fn ask(&self, to: &EntityId, command: Command) {
        let asked = self.handle.ask(to.clone(), command, self.by.clone());
        asked.await.unwrap();
    }

    /// Whether an order is asked of its location.
    pub(crate) async fn is_requested(&self, order: &EntityId) -> bool {
        let read = self.handle.read(order.clone()).await.unwrap();
        matches!(read.answer, Answer::Order(order) if order.status == OrderStatus::Requested)
    }

    /// Asks all of them, in any order.
    pub(crate) async fn ask_all(&self, commands: impl Iterator<Item = (EntityId, Command)>) {
        let asked = futures::stream::iter(commands);
        let each = |(to, command): (EntityId, Command)| async move { self.ask(&to, command).await };
        asked.for_each_concurrent(CLIENTS, each).await;
    }

    /// Makes Reno, and these SKUs with more units there than are ever sold.
    pub(crate) async fn stock(&self, skus: impl Iterator<Item = EntityId> + Clone) {
        let facts = LocationFacts {
            coordinates: Some((39_530_000, -119_810_000)),
            ..LocationFacts::plain(reno(), "US")
        };
        let define = Command::Location(LocationCommand::Define(Box::new(facts)));
        self.ask(&EntityId::Location(reno()), define).await;
        let define = |sku: EntityId| {
            let define = SkuCommand::Define {
                title: sku.to_string(),
                tracking: Tracking::Tracked,
            };
            (sku, Command::Sku(define))
        };
        self.ask_all(skus.clone().map(define)).await;
        let receive = |sku| {
            let receive = SkuCommand::Receive {
                location: reno(),
                units: STOCK,
                reference: None,
            };
            (sku, Command::Sku(receive))
        };
        self.ask_all(skus.map(receive)).await;
    }
}

pub(crate) fn reno() -> LocationId {
    LocationId::new("reno").unwrap()
}

pub(crate) fn sku(number: usize) -> EntityId {
    EntityId::Sku(sku_id(number))
}

fn sku_id(number: usize) -> SkuId {
    SkuId::new(format!("S-{number}")).unwrap()
}

/// An order that is sold and paid, a unit of each of these SKUs; and its name.
pub(crate) fn order(name: &str, skus: &[usize]) -> (EntityId, Command) {
    let line = |(number, sku): (usize, &usize)| LineFacts {
        line: LineId::new(number.to_string()).unwrap(),
        title: "A bowl".to_owned(),
        ordered_units: 1,
        cancelled_units: 0,
        parts: vec![Part {
            sku: sku_id(*sku),
            units_per_line_unit: 1,
        }],
        unit_price: None,
        ships: true,
    };
    let facts = OrderFacts {
        name: name.to_owned(),
        placed_at: Timestamp::from_ms(1),
        updated_at: Timestamp::from_ms(1),
        sale: Sale::AlreadySold,
        lines: skus.iter().enumerate().map(line).collect(),
        destination: Some(Destination {
            country: "US".to_owned(),
            ..Destination::default()
        }),
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment: Payment::Ready,
        cancelled: None,
        total: None,
        tags: Vec::new(),
        test: false,
    };
    let state = OrderCommand::State {
        facts: Box::new(facts),
        origin: Origin::Api,
        settle: false,
    };
    let id = format!("order:bench:{name}").parse().unwrap();
    (id, Command::Order(state))
}

/// A unit for an order of that name, which asks for it.
pub(crate) fn reserve(name: &str) -> Command {
    let take = Take {
        location: reno(),
        units: 1,
    };
    Command::Sku(SkuCommand::Reserve {
        id: attempt(name),
        takes: vec![take],
        sale: Sale::Asks,
        promised_at: Timestamp::from_ms(1),
        added_units: 0,
        queue: false,
    })
}

/// That order lets it go.
pub(crate) fn release(name: &str) -> Command {
    Command::Sku(SkuCommand::Release { id: attempt(name) })
}

fn attempt(name: &str) -> AttemptId {
    AttemptId {
        order: format!("bench:{name}").parse().unwrap(),
        attempt: 1,
    }
}

/// What this process has had of all cores so far.
pub(crate) fn cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec as u32)
}
