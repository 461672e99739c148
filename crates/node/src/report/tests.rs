//! A node that tells a shop and an account what became of orders, over loopback, with what goes wrong: the books of the
//! other side say how often each thing was done.

mod account;
mod observed;
mod shop;

use std::sync::Mutex;
use std::time::Duration as Wait;

use crossdock_channels::Secret;
use crossdock_insight::{ExceptionFilter, Insight, ReportRow};
use crossdock_journal::{Journal, MemoryJournal};
use crossdock_model::command::{ChannelCommand, LocationCommand, SkuCommand};
use crossdock_model::v1::{
    ChannelSettings, Destination, LineFacts, LocationFacts, OrderFacts, Origin, ParcelTracking,
    Part, Payment, Sale, Tracking,
};
use crossdock_model::{LocationId, OrderId, Timestamp};
use crossdock_runtime::{Budget, Clock, Node, Options, PausedClock, Unconnected, testing};
use tokio::net::TcpListener;

use super::*;
use crate::spend::{Purse, Spend};

/// How much faster than the world's the time of these tests is, at most.
const TIMES: u64 = 50;
/// Longer than any machine takes for a call: whoever does not answer gives up by the tests' own time.
const CALL_MAX: Wait = Wait::from_secs(60);

fn id<T: std::str::FromStr>(text: impl AsRef<str>) -> T
where
    T::Err: std::fmt::Debug,
{
    text.as_ref().parse().unwrap()
}

/// Points without end.
fn purse(clock: &Arc<dyn Clock>) -> Arc<Purse> {
    Purse::new(Budget::new(1_000_000, 1_000_000, clock.now()))
}

fn clock() -> Arc<dyn Clock> {
    let time = Arc::new(PausedClock::new(Timestamp::from_ms(1_800_000_000_000)));
    testing::flow_times(&time, TIMES);
    time
}

/// A node with one location, and stock of one SKU, whose channel `shop` is told by `told`.
struct Scene {
    journal: Arc<MemoryJournal>,
    insight: Insight,
    reporters: Arc<Reporters>,
    node: Node,
}

impl Scene {
    async fn start(told: Arc<dyn Told>, clock: Arc<dyn Clock>) -> Self {
        let journal = Arc::new(MemoryJournal::new(7, clock.now()));
        let reporters = Arc::new(Reporters::new([(id("shop"), told)]));
        let mut options = Options::new(1);
        options.reports = Arc::clone(&reporters) as Arc<dyn Reports>;
        let stored = Arc::clone(&journal) as Arc<dyn Journal>;
        let node = Node::start(stored, clock, Arc::new(Unconnected), options, |_| {});
        let node = node.await.unwrap();
        reporters.connect(node.handle(), &id("reporter"));
        let insight = Insight::open_in_memory().unwrap();
        let scene = Self {
            journal,
            insight,
            reporters,
            node,
        };
        scene.prepare().await;
        scene
    }

    async fn prepare(&self) {
        let settings = ChannelSettings {
            connector: "shopify".to_owned(),
            sale: Sale::AlreadySold,
            map_by_sku: true,
        };
        self.channel(ChannelCommand::Connect(settings)).await;
        self.channel(ChannelCommand::SetMode(ChannelMode::Active))
            .await;
        let facts = LocationFacts {
            acknowledge_within_minutes: 600,
            ..LocationFacts::plain(id("reno"), "US")
        };
        let define = Command::Location(LocationCommand::Define(Box::new(facts)));
        self.ask(EntityId::Location(id("reno")), define).await;
        let define = SkuCommand::Define {
            title: "Tee".to_owned(),
            tracking: Tracking::Tracked,
        };
        let receive = SkuCommand::Receive {
            location: id("reno"),
            units: 100,
            reference: None,
        };
        for command in [define, receive] {
            self.ask(EntityId::Sku(id("TEE")), Command::Sku(command))
                .await;
        }
    }

    async fn ask(&self, to: EntityId, command: Command) -> Answer {
        let by = By::new(id("test"));
        self.node
            .handle()
            .ask(to, command, by)
            .await
            .unwrap()
            .answer
    }

    async fn channel(&self, command: ChannelCommand) {
        self.ask(EntityId::Channel(id("shop")), Command::Channel(command))
            .await;
    }

    async fn order(&self, external: &str, command: OrderCommand) -> Answer {
        let order: OrderId = id(format!("shop:{external}"));
        self.ask(EntityId::Order(order), Command::Order(command))
            .await
    }

    /// The channel sold some units in one line, and they are requested.
    async fn sold(&self, external: &str, line: &str, units: u32) {
        let now = self.node.handle().now();
        let facts = OrderFacts {
            name: external.to_owned(),
            placed_at: now,
            updated_at: now,
            sale: Sale::AlreadySold,
            lines: vec![LineFacts {
                line: id(line),
                title: "Tee".to_owned(),
                ordered_units: units,
                cancelled_units: 0,
                parts: vec![Part {
                    sku: id("TEE"),
                    units_per_line_unit: 1,
                }],
                unit_price: None,
                ships: true,
            }],
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
            origin: Origin::Channel,
            settle: true,
        };
        self.order(external, state).await;
        self.until("it is requested", || async {
            let order = EntityId::Order(id(format!("shop:{external}")));
            let read = self.node.handle().read(order).await.unwrap();
            matches!(read.answer, Answer::Order(known) if !known.requests.is_empty())
        })
        .await;
    }

    /// A parcel of some units leaves.
    async fn ships(
        &self,
        external: &str,
        parcel: &str,
        line: &str,
        units: u32,
        number: Option<&str>,
    ) {
        let ship = OrderCommand::Ship {
            request: 1,
            shipment: id(parcel),
            lines: vec![crossdock_model::v1::RequestLine {
                line: id(line),
                sku: id("TEE"),
                units,
            }],
            tracking: number.map(|number| ParcelTracking {
                carrier: Some("UPS".to_owned()),
                number: Some(number.to_owned()),
                url: None,
            }),
            shipped_at: self.node.handle().now(),
        };
        self.order(external, ship).await;
    }

    /// The location sends nothing of an order any more.
    async fn stops(&self, external: &str) {
        let stop = OrderCommand::AnswerCancel {
            request: 1,
            ask: None,
            accepted: true,
        };
        self.order(external, stop).await;
    }

    fn reports(&self, external: &str) -> Vec<ReportRow> {
        self.insight.catch_up(&*self.journal).unwrap();
        self.insight.reports(&format!("shop:{external}")).unwrap()
    }

    /// Waits until every report of an order has that status.
    async fn reports_are(&self, external: &str, statuses: &[&str]) -> Vec<ReportRow> {
        let found = || {
            let reports = self.reports(external);
            let found: Vec<String> = reports.iter().map(|one| one.status.clone()).collect();
            found
        };
        self.until(&format!("{statuses:?}"), || async { found() == statuses })
            .await;
        self.reports(external)
    }

    /// A figure of how telling went, by its name and labels.
    fn figure(&self, name: &str) -> Option<f64> {
        let mut registry = Registry::default();
        self.reporters.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().parse().unwrap())
    }

    fn open_exceptions(&self) -> Vec<String> {
        let filter = ExceptionFilter {
            open: Some(true),
            limit: 10,
            ..ExceptionFilter::default()
        };
        self.insight.catch_up(&*self.journal).unwrap();
        let page = self.insight.exceptions(&filter).unwrap();
        page.rows.into_iter().map(|one| one.kind).collect()
    }

    async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> F) {
        if testing::comes_true(async || holds().await).await {
            return;
        }
        let orders = self.insight.timeline("shop:1");
        panic!("never {what}: {:?} {orders:?}", self.open_exceptions());
    }
}

/// One that must not be told twice, and whose answer never came.
struct Blind(Mutex<u32>);

impl Told for Blind {
    fn repeat(&self) -> Repeat {
        Repeat::Once
    }

    fn turn(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }

    fn tell(&self, _call: ReportCall, _task: ReportTask) -> Telling {
        *self.0.lock().unwrap() += 1;
        Box::pin(std::future::ready(Said::Failed {
            error: "no answer".to_owned(),
            in_doubt: true,
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_told_once_only_is_never_told_again_by_itself() {
    let blind = Arc::new(Blind(Mutex::new(0)));
    let scene = Scene::start(Arc::clone(&blind) as Arc<dyn Told>, clock()).await;
    scene.sold("1", "11", 1).await;
    scene.ships("1", "p1", "11", 1, None).await;
    scene.reports_are("1", &["left"]).await;
    assert_eq!(scene.open_exceptions(), ["unknown_outcome"]);
    assert_eq!(*blind.0.lock().unwrap(), 1);
    for (outcome, calls) in [("in_doubt", 1.0), ("unknown", 1.0)] {
        let about = format!(r#"channel="shop",operation="shipped",outcome="{outcome}""#);
        let found = scene.figure(&format!("crossdock_report_calls_total{{{about}}}"));
        assert_eq!(found, Some(calls), "{outcome}");
    }
    scene.node.stop().await;
}

/// Nobody is to be told of an order of a channel that has no API here.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_where_nobody_is() {
    let blind = Arc::new(Blind(Mutex::new(0)));
    let scene = Scene::start(Arc::clone(&blind) as Arc<dyn Told>, clock()).await;
    let other = Reporters::new([]);
    let call = ReportCall {
        order: id("other:1"),
        report: 1,
        attempt: 1,
    };
    assert_eq!(other.tell(call).await, Some(Said::NotTold));
    scene.node.stop().await;
}
