//! A shop that is asked to tell us of everything: each topic once, whatever becomes of an answer or of the process that
//! waits for it.

use crossdock_channels::Secret;
use crossdock_channels::shopify::TOPICS;
use crossdock_channels::shopify::admin::{Admin, AdminOptions, DOCUMENTS};
use crossdock_sim::shopify::{Fault, Faults, Serving, Shop, Store, StoreOptions};
use tokio::net::TcpListener;

use super::*;
use crate::links::testing::Unlisted;
use crate::rates::ShopPoints;
use crate::testing::is_open;

const CREATE: &str = "webhookSubscriptionCreate";
const LIST: &str = "webhookSubscriptions";
/// How much time passes with each look.
const LEAP: Duration = Duration::from_s(1);

/// A shop, and where what is known of it is kept.
struct World {
    shop: Arc<Shop>,
    serving: Serving,
    journal: Arc<MemoryJournal>,
    time: Arc<PausedClock>,
}

/// One process.
struct Process {
    node: Node,
    /// What its calls are paid from: more than the shop grants, unless it says what it does.
    purse: Arc<Purse>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    async fn new() -> Self {
        let time = Arc::new(PausedClock::new(RealClock::default().now()));
        let clock = Arc::clone(&time) as Arc<dyn Clock>;
        let store = Store::new(StoreOptions::default());
        let (token, hush) = (Secret::new("token"), Secret::new("hush"));
        let shop = Shop::new(store, clock, token, hush);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = shop.serve(listener).unwrap();
        Self {
            shop,
            serving,
            journal: Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1))),
            time,
        }
    }

    async fn start(&self, owner: u128) -> Process {
        let clock = Arc::clone(&self.time) as Arc<dyn Clock>;
        let options = AdminOptions::new(self.serving.url(), Secret::new("token"));
        let fake = Arc::new(Fake::new("shopify"));
        let limits = DeskLimits {
            batch_max: 1,
            calls_max: 1,
            cost: 1,
            reads_max: 1,
            read_cost: 1,
        };
        let numbers = (fake as Arc<dyn Numbers>, limits, LONG);
        let orders = (Arc::new(Unlisted) as Arc<dyn Orders>, Pace::EASY);
        let mut link = Link::of(channel(), numbers, orders, &clock);
        let purse = Purse::new(Budget::per_hour(1, 1_000_000, clock.now()));
        link.shop = Some(Admin::new(&options, ShopPoints::of(&purse, &clock)).unwrap());
        link.numbers.purse = Arc::clone(&purse);
        link.webhook_url = Some("https://crossdock.example/webhooks/shop".to_owned());
        let links: Links = Arc::new(BTreeMap::from([(channel(), Arc::new(link))]));
        let journal = Arc::clone(&self.journal) as Arc<dyn Journal>;
        let (time, connector) = (Arc::clone(&clock), Arc::new(Unconnected));
        let node = Node::start(journal, time, connector, Options::new(owner), |_| {});
        let node = node.await.unwrap();
        let principal = CredentialId::new("test").unwrap();
        let tasks = start(&links, &node.handle(), &clock, &principal);
        Process { node, purse, tasks }
    }

    fn carried_out(&self, operation: &str) -> u64 {
        self.shop.with(|store, _| store.carried_out(operation))
    }

    /// Waits until something holds, as time goes by.
    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let holds = async || {
            self.time.advance(LEAP);
            holds()
        };
        testing::until(what, holds).await;
    }
}

/// It is carried out and not answered in time, and the process waits on, or ends meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn every_topic_is_subscribed_once() {
    for is_killed in [false, true] {
        let world = World::new().await;
        let faults = Faults::none(1).once(Fault::Unanswered, CREATE);
        world.shop.with(|store, _| store.set_faults(faults));
        let mut process = world.start(1).await;
        let settings = ChannelSettings {
            connector: "shopify".to_owned(),
            sale: Sale::AlreadySold,
            map_by_sku: false,
        };
        let connect = Command::Channel(ChannelCommand::Connect(settings));
        let (to, by) = (
            EntityId::Channel(channel()),
            By::new(CredentialId::new("test").unwrap()),
        );
        process.node.handle().ask(to, connect, by).await.unwrap();
        world
            .until("one is made", || world.carried_out(CREATE) == 1)
            .await;
        if is_killed {
            drop(process);
            process = world.start(2).await;
        }
        let all = u64::try_from(TOPICS.len()).unwrap();
        world
            .until("all are made", || world.carried_out(CREATE) >= all)
            .await;
        let looks = world.carried_out(LIST);
        world
            .until("it is looked again", || {
                world.carried_out(LIST) >= looks + 2
            })
            .await;
        let subscribed = world.shop.with(|store, _| store.subscribed());
        assert_eq!((subscribed, world.carried_out(CREATE)), (TOPICS.len(), all));
        let clock = Arc::clone(&world.time) as Arc<dyn Clock>;
        let left = |points| process.purse.budget().take(points, clock.now());
        assert!(!left(2_001) && left(1_000), "the shop says what is left");
    }
}

impl Process {
    /// Whether an exception of the channel is open.
    async fn is_told(&self, kind: &str) -> bool {
        let (channel, handle) = (channel(), self.node.handle());
        is_open(&handle, Some(&channel), (kind, channel.as_str(), 1)).await
    }
}

/// The shop refuses one topic: all others are made, and a person is told in its words until it takes that one too.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_refused_keeps_no_other_back_and_is_told() {
    let world = World::new().await;
    let topic = TOPICS[0];
    world.shop.with(|store, _| store.refuse_topic(topic, true));
    let process = world.start(1).await;
    let settings = ChannelSettings {
        connector: "shopify".to_owned(),
        sale: Sale::AlreadySold,
        map_by_sku: false,
    };
    let connect = Command::Channel(ChannelCommand::Connect(settings));
    let by = By::new(CredentialId::new("test").unwrap());
    let to = EntityId::Channel(channel());
    process.node.handle().ask(to, connect, by).await.unwrap();
    let subscribed = || world.shop.with(|store, _| store.subscribed());
    world
        .until("the others are made", || subscribed() == TOPICS.len() - 1)
        .await;
    let told = async |holds: bool| {
        let is_so = async || {
            world.time.advance(LEAP);
            process.is_told("subscription_refused").await == holds
        };
        testing::until("it is told, or over", is_so).await;
    };
    told(true).await;
    world.shop.with(|store, _| store.refuse_topic(topic, false));
    told(false).await;
    assert_eq!(subscribed(), TOPICS.len());
    assert!(!process.is_told("subscription_lost").await, "none was lost");
}

/// Changes that are made at a shop, and where it is tested that an answer to one is lost, and that the process ends before it
/// comes.
const CHANGES: [(&str, &str); 5] = [
    (
        "fulfillmentCreate",
        "report/tests/shop.rs, tests/reporting.rs",
    ),
    (
        "fulfillmentOrderMove",
        "report/tests/shop.rs, tests/reporting.rs",
    ),
    (
        "inventorySetQuantities",
        "publish/tests.rs, publish/tests/gaps.rs",
    ),
    ("orderCancel", "report/tests/shop.rs, tests/reporting.rs"),
    (CREATE, "here"),
];

/// Whoever makes another one adds both tests of it.
#[test]
fn every_change_is_tested_without_its_answer() {
    let changes = DOCUMENTS.iter().filter(|one| one.starts_with("mutation"));
    let names = changes.map(|document| {
        let (_, body) = document.split_once('{').unwrap();
        body.trim().split('(').next().unwrap()
    });
    let names: BTreeSet<&str> = names.collect();
    assert_eq!(names, CHANGES.map(|(name, _)| name).into());
}
