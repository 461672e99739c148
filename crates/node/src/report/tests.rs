//! A node that tells a shop and an account what became of orders, over loopback, with what goes wrong: the books of the
//! other side say how often each thing was done.

use std::sync::Mutex;
use std::time::Duration as Wait;

use crossdock_channels::Secret;
use crossdock_channels::amazon::{Operation, Seller, SellerAccount};
use crossdock_channels::shopify::admin::{Admin, AdminOptions};
use crossdock_insight::{ExceptionFilter, Insight, ReportRow};
use crossdock_journal::{Journal, MemoryJournal};
use crossdock_model::command::{ChannelCommand, LocationCommand, SkuCommand};
use crossdock_model::v1::{
    ChannelSettings, Destination, LineFacts, LocationFacts, OrderFacts, Origin, ParcelTracking,
    Part, Payment, Sale, Tracking,
};
use crossdock_model::{LocationId, OrderId, Timestamp};
use crossdock_runtime::{Budget, Clock, FastClock, Node, Options, Unconnected};
use crossdock_sim::amazon::{self, Listing, Market};
use crossdock_sim::shopify::{Fault, Faults, Serving, Store, StoreOptions};
use tokio::net::TcpListener;

use super::*;
use crate::spend::{Purse, Spend};

/// How much faster than the world's the time of these tests is.
const TIMES: u32 = 50;
/// Shorter than a minute of that time.
const CALL_MAX: Wait = Wait::from_millis(500);

fn id<T: std::str::FromStr>(text: impl AsRef<str>) -> T
where
    T::Err: std::fmt::Debug,
{
    text.as_ref().parse().unwrap()
}

fn spend(clock: &Arc<dyn Clock>) -> Spend {
    let purse = Purse::new(Budget::new(1_000_000, 1_000_000, clock.now()));
    Spend::new(&purse, 1, 0, clock)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(FastClock::new(Timestamp::from_ms(1_800_000_000_000), TIMES))
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
        for _ in 0..3_000 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Wait::from_millis(10)).await;
        }
        let orders = self.insight.timeline("shop:1");
        panic!("never {what}: {:?} {orders:?}", self.open_exceptions());
    }
}

/// A shop with two places that sells tees from the first of them; ours are sent from the second.
struct ShopWorld {
    shop: Arc<crossdock_sim::shopify::Shop>,
    _serving: Serving,
    variant: u64,
    places: [u64; 2],
    scene: Scene,
}

impl ShopWorld {
    async fn new() -> Self {
        let clock = clock();
        let mut store = Store::new(StoreOptions::default());
        let places = [store.add_location("Counter"), store.add_location("Reno")];
        let tee = store.add_product("TEE", 2_400);
        for place in places {
            store.set_by_hand(tee.item, place, 50, clock.now());
        }
        let secret = Secret::new;
        let shop = crossdock_sim::shopify::Shop::new(
            store,
            Arc::clone(&clock),
            secret("token"),
            secret("hush"),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = shop.serve(listener).unwrap();
        let mut options = AdminOptions::new(serving.url(), secret("token"));
        options.call_max = CALL_MAX;
        let told = Shop::new(
            Admin::new(&options).unwrap(),
            ShopOptions {
                places: [(id::<LocationId>("reno"), places[1].to_string())].into(),
                notify: true,
                refund: false,
            },
            [spend(&clock), spend(&clock)],
        );
        let scene = Scene::start(Arc::new(told), clock).await;
        Self {
            shop,
            _serving: serving,
            variant: tee.variant,
            places,
            scene,
        }
    }

    /// An order of the shop, by its id and that of its line.
    async fn buys(&self, units: u32) -> (String, String) {
        let bought = self.shop.with(|store, now| {
            let order = store.buy(self.variant, units, now).unwrap();
            let known = store.orders().find(|one| one.id == order).unwrap();
            (order.to_string(), known.lines[0].id.to_string())
        });
        self.scene.sold(&bought.0, &bought.1, units).await;
        bought
    }

    fn goes_wrong(&self, faults: &[(Fault, &'static str)]) {
        let planned = faults
            .iter()
            .fold(Faults::none(1), |all, (kind, operation)| {
                all.once(*kind, operation)
            });
        self.shop.with(|store, _| store.set_faults(planned));
    }

    fn carried_out(&self, operation: &str) -> u64 {
        self.shop.with(|store, _| store.carried_out(operation))
    }

    /// Units and tracking of each of an order's fulfilments, by the shop's books.
    fn fulfilments(&self, order: &str) -> Vec<(u32, Option<String>)> {
        self.shop.with(|store, _| {
            let known = store.orders().find(|one| one.id.to_string() == order);
            let sent = known.unwrap().fulfilments.iter().map(|one| {
                let units = one.lines.iter().map(|(_, units)| units).sum();
                (
                    units,
                    one.tracking.as_ref().map(|(_, number)| number.clone()),
                )
            });
            sent.collect()
        })
    }
}

/// Whatever becomes of a call, its parcel is moved once to where it is sent from, and told of once.
#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_is_one_fulfilment_of_the_shop() {
    const MOVE: &str = "fulfillmentOrderMove";
    const CREATE: &str = "fulfillmentCreate";
    let world = ShopWorld::new().await;
    let table: [&[(Fault, &str)]; 7] = [
        &[],
        &[(Fault::BrokenOff, CREATE)],
        &[(Fault::Unanswered, CREATE)],
        &[(Fault::BrokenOff, MOVE)],
        &[(Fault::Unanswered, MOVE), (Fault::Unanswered, CREATE)],
        &[(Fault::BrokenOff, "FulfilmentOrders")],
        &[
            (Fault::BrokenOff, CREATE),
            (Fault::Unanswered, "query Order("),
        ],
    ];
    for (round, faults) in table.into_iter().enumerate() {
        for number in [Some("1Z"), None] {
            let (order, line) = world.buys(2).await;
            world.goes_wrong(faults);
            let before = (world.carried_out(MOVE), world.carried_out(CREATE));
            world.scene.ships(&order, "p1", &line, 1, number).await;
            let told = world.scene.reports_are(&order, &["told"]).await;
            let after = (world.carried_out(MOVE), world.carried_out(CREATE));
            assert_eq!(after, (before.0 + 1, before.1 + 1), "{round} {faults:?}");
            let sent = [(1, number.map(str::to_owned))];
            assert_eq!(world.fulfilments(&order), sent, "{round}");
            let theirs = world.shop.with(|store, _| {
                let known = store
                    .orders()
                    .find(|one| one.id.to_string() == order)
                    .unwrap();
                let from = known
                    .fulfilment_orders
                    .iter()
                    .find(|one| one.lines[0].left == 0);
                assert_eq!(from.unwrap().location, world.places[1], "{round}");
                known.fulfilments[0].id.to_string()
            });
            assert_eq!(told[0].theirs.as_deref(), Some(&*theirs));
            for (kind, _) in faults {
                assert!(world.shop.with(|store, _| store.faults().happened(*kind)) > 0);
            }
            // The rest goes as a parcel of its own, though it is the same.
            world.scene.ships(&order, "p2", &line, 1, number).await;
            world.scene.reports_are(&order, &["told", "told"]).await;
            assert_eq!(world.fulfilments(&order).len(), 2, "{round}");
        }
    }
    assert!(world.scene.open_exceptions().is_empty());
    world.scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_given_up_is_cancelled_in_the_shop_once() {
    const CANCEL: &str = "orderCancel";
    let world = ShopWorld::new().await;
    for faults in [
        vec![],
        vec![(Fault::BrokenOff, CANCEL)],
        vec![(Fault::Unanswered, CANCEL)],
    ] {
        let (order, _) = world.buys(2).await;
        world.goes_wrong(&faults);
        let before = world.carried_out(CANCEL);
        let cancel = OrderCommand::Cancel {
            reason: "inventory".to_owned(),
            lines: None,
        };
        world.scene.order(&order, cancel).await;
        let stop = OrderCommand::AnswerCancel {
            request: 1,
            ask: None,
            accepted: true,
        };
        world.scene.order(&order, stop).await;
        world.scene.reports_are(&order, &["told"]).await;
        assert_eq!(world.carried_out(CANCEL), before + 1, "{faults:?}");
        let why = world.shop.with(|store, _| {
            let known = store.orders().find(|one| one.id.to_string() == order);
            known.unwrap().cancelled.clone().unwrap().1
        });
        assert_eq!(why, "inventory");
    }
    world.scene.node.stop().await;
}

/// What no call says is left to a person; what the shop will not take is, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_told_what_to_do_in_the_shop() {
    let world = ShopWorld::new().await;
    let (order, line) = world.buys(3).await;
    let cancel = OrderCommand::Cancel {
        reason: "broken".to_owned(),
        lines: Some(vec![LineUnits {
            line: id(&line),
            units: 1,
        }]),
    };
    world.scene.order(&order, cancel).await;
    let stop = OrderCommand::AnswerCancel {
        request: 1,
        ask: None,
        accepted: true,
    };
    world.scene.order(&order, stop).await;
    world.scene.reports_are(&order, &["left"]).await;
    assert_eq!(world.scene.open_exceptions(), ["cancel_by_hand"]);
    assert_eq!(world.carried_out("orderCancel"), 0);
    world.scene.node.stop().await;
}

/// A channel that is only observed is told nothing; once it is let in, all that waited.
#[tokio::test(flavor = "multi_thread")]
async fn an_observed_shop_is_told_once_it_is_let_in() {
    let world = ShopWorld::new().await;
    let observed = ChannelCommand::SetMode(ChannelMode::Observed);
    world.scene.channel(observed).await;
    let (order, line) = world.buys(1).await;
    world.scene.ships(&order, "p1", &line, 1, None).await;
    world.scene.node.handle().sleep(Duration::from_s(10)).await;
    world.scene.reports_are(&order, &["waiting"]).await;
    assert!(world.fulfilments(&order).is_empty());
    world
        .scene
        .channel(ChannelCommand::SetMode(ChannelMode::Active))
        .await;
    world.scene.reports_are(&order, &["told"]).await;
    assert_eq!(world.fulfilments(&order).len(), 1);
    let about = r#"channel="shop",operation="shipped""#;
    let figure = |name: &str| world.scene.figure(name);
    let told = format!("crossdock_report_calls_total{{{about},outcome=\"told\"}}");
    assert_eq!(figure(&told), Some(1.0));
    let since = figure(&format!("crossdock_report_lag_seconds_sum{{{about}}}"));
    assert!(since >= Some(10.0), "from the parcel on: {since:?}");
    world.scene.node.stop().await;
}

/// An account whose answers are lost half of the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_confirmed_once_however_often_it_is_said() {
    let clock = clock();
    let options = amazon::Options {
        payment_takes: Duration::default(),
        faults: amazon::Faults {
            lost_answers: 0.5,
            silence: Duration::from_s(5),
            ..amazon::Faults::default()
        },
        ..amazon::Options::default()
    };
    let market = Market::new(options.clone(), Arc::clone(&clock));
    let listing = Listing {
        title: "Tee".to_owned(),
        price_cents: 897,
        units: 50,
        amazon_ships: false,
    };
    market.with(|account, _| account.list("TEE", listing));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(amazon::serve(listener, Arc::clone(&market)));
    let account = SellerAccount {
        token_endpoint: format!("{endpoint}/auth/o2/token"),
        endpoint,
        seller: options.seller,
        marketplace: options.marketplace,
        client_id: "app".to_owned(),
        client_secret: Secret::new(options.client_secret),
        refresh_token: Secret::new(options.refresh_token),
        product_type: "PRODUCT".to_owned(),
        call_max: CALL_MAX,
    };
    let now = {
        let clock = Arc::clone(&clock);
        Arc::new(move || clock.now())
    };
    let seller = Seller::new(account, now).unwrap();
    let per_s = Operation::ConfirmShipment.per_hour() / 3_600;
    let budget = Budget::new(per_s, Operation::ConfirmShipment.burst(), clock.now());
    let spend = Spend::new(&Purse::new(budget), 1, 0, &clock);
    let scene = Scene::start(Arc::new(Account::new(seller, spend)), clock).await;
    for _ in 0..4 {
        let order = market
            .with(|account, now| account.buy("TEE", 3, now))
            .unwrap();
        let item = market.with(|account, _| {
            let orders = account.orders();
            orders
                .iter()
                .find(|one| one.id == order)
                .unwrap()
                .item
                .clone()
        });
        scene.sold(&order, &item, 3).await;
        scene.ships(&order, "p1", &item, 1, Some("1Z1")).await;
        scene.ships(&order, "p2", &item, 1, Some("1Z2")).await;
        scene.ships(&order, "p3", &item, 1, None).await;
        scene.reports_are(&order, &["told", "told", "left"]).await;
        market.with(|account, _| {
            let orders = account.orders();
            let known = orders.iter().find(|one| one.id == order).unwrap();
            assert_eq!((known.packages(), known.shipped_units()), (2, 2));
        });
    }
    assert_eq!(scene.open_exceptions(), ["ship_by_hand"; 4]);
    assert!(market.seen().lost_answers > 0);
    scene.node.stop().await;
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
