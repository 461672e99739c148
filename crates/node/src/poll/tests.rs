//! A node that reads the orders of a channel which tells it nothing by itself.

mod account;
mod changes;
mod fake;
mod subscriptions;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossdock_channels::{
    Calling, Listed, NumberSet, NumberShown, Numbers, OrderRead, Orders, OrdersListed, Reading,
    SetOutcome, Told, amazon, shopify,
};
use crossdock_journal::{InboxId, InboxInsert, Journal, MemoryJournal};
use crossdock_model::command::{LocationCommand, SkuCommand};
use crossdock_model::v1::{
    ChannelMode, ChannelPlace, ChannelSettings, ExceptionKey, ListingTarget, LocationFacts,
    Publishing, Sale, Tracking, Writes,
};
use crossdock_model::{ChannelId, ListingId, LocationId, OrderId, SkuId, SourceId};
use crossdock_runtime::{
    Budget, DeskLimits, Node, Options, Outbound, PausedClock, RealClock, Unconnected, bucket_of,
    testing,
};
use serde_json::{Value, json};

use self::fake::{Fake, Fault};
use super::*;
use crate::ingest;
use crate::links::Pace;
use crate::publish::Publishers;
use crate::spend::{Purse, Spend};

const LONG: Duration = Duration::from_minutes(60);

fn channel() -> ChannelId {
    ChannelId::new("market").unwrap()
}

fn listing(id: &str) -> ListingId {
    ListingId::new(id).unwrap()
}

fn reno() -> LocationId {
    LocationId::new("reno").unwrap()
}

fn sku(id: &str) -> SkuId {
    SkuId::new(id).unwrap()
}

fn order(id: &str) -> EntityId {
    EntityId::Order(OrderId {
        channel: channel(),
        external: ExternalId::new(id).unwrap(),
    })
}

fn publishing(writes: Writes) -> Publishing {
    let place = ChannelPlace {
        place: SourceId::new("market/DEFAULT").unwrap(),
        locations: vec![reno()],
    };
    Publishing {
        mode: ChannelMode::Active,
        unseen_for: Duration::from_ms(1),
        unseen_risk_ppm: 999_999,
        call_for: Duration::from_s(5),
        ..Publishing::plain(writes, vec![place])
    }
}

/// A channel that shows 10 of A and of B, of which there are as many.
struct Scene {
    journal: Arc<MemoryJournal>,
    fake: Arc<Fake>,
    node: Node,
    /// What lists of orders are paid from.
    list_purse: Arc<Purse>,
    link: Arc<Link>,
    tasks: Vec<JoinHandle<()>>,
}

impl Scene {
    async fn start(journal: Arc<MemoryJournal>, fake: Arc<Fake>) -> Self {
        let clock = Arc::clone(&fake.clock);
        let pace = Pace {
            every: fake.list_lag.map_or(Duration::from_ms(300), |_| LONG),
            pause: Duration::from_ms(20),
            unplaced_max: fake.unplaced_max,
            late: fake.list_lag.unwrap_or(Duration::from_ms(20)),
            unread_after: Duration::from_ms(0),
            behind_after: fake.behind_after,
        };
        let limits = DeskLimits {
            batch_max: 1,
            calls_max: 2,
            cost: 1,
            reads_max: 1,
            read_cost: 1,
        };
        let numbers = Arc::clone(&fake) as Arc<dyn Numbers>;
        let numbers = (numbers, limits, Duration::from_minutes(60));
        let orders = (Arc::clone(&fake) as Arc<dyn Orders>, pace);
        let mut link = Link::of(channel(), numbers, orders, &clock);
        let list_purse = Purse::new(Budget::new(1_000_000, 1_000_000, clock.now()));
        link.orders.list = Spend::new(&list_purse, 50, 10, &clock);
        let link = Arc::new(link);
        let links: Links = Arc::new(BTreeMap::from([(channel(), Arc::clone(&link))]));
        let publishers = Arc::new(Publishers::of(&links, &clock, &Arc::default()));
        let mut options = Options::new(1);
        options.outbound = Arc::clone(&publishers) as Arc<dyn Outbound>;
        let stored = Arc::clone(&journal) as Arc<dyn Journal>;
        let node = Node::start(
            stored,
            Arc::clone(&clock),
            Arc::new(Unconnected),
            options,
            |_| {},
        );
        let node = node.await.unwrap();
        let handle = node.handle();
        ingest::start(&handle, &ingest::Ways::default(), &links, None);
        let principal = CredentialId::new("test").unwrap();
        let mut tasks = publishers.start(&handle, &principal);
        tasks.extend(start(&links, &handle, &clock, &principal));
        Self {
            journal,
            fake,
            node,
            list_purse,
            link,
            tasks,
        }
    }

    async fn stocked(connector: &'static str) -> Self {
        let writes = match connector {
            "shopify" => Writes::CompareAndSet,
            _ => Writes::Absolute,
        };
        Self::stocked_as(connector, writes).await
    }

    async fn stocked_as(connector: &'static str, writes: Writes) -> Self {
        Self::stocked_with(Fake::new(connector), publishing(writes)).await
    }

    async fn stocked_with(fake: Fake, publishing: Publishing) -> Self {
        let journal = Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)));
        let (connector, fake) = (fake.connector, Arc::new(fake));
        fake.books().shown = ["A", "B"].map(|id| (listing(id), 10)).into();
        let scene = Self::start(journal, fake).await;
        let define = Command::Location(LocationCommand::Define(Box::new(LocationFacts::plain(
            reno(),
            "US",
        ))));
        scene.ask(EntityId::Location(reno()), define).await;
        let settings = ChannelSettings {
            connector: connector.to_owned(),
            sale: Sale::AlreadySold,
            map_by_sku: false,
        };
        for step in [
            ChannelCommand::Connect(settings),
            ChannelCommand::PublishAs(Box::new(publishing)),
            ChannelCommand::SetMode(ChannelMode::Active),
        ] {
            let to = EntityId::Channel(channel());
            scene.ask(to, Command::Channel(step)).await;
        }
        for id in ["A", "B"] {
            let define = SkuCommand::Define {
                title: id.to_owned(),
                tracking: Tracking::Tracked,
            };
            let entity = EntityId::Sku(sku(id));
            scene.ask(entity, Command::Sku(define)).await;
            scene.adjust(id, 10).await;
            scene.map(id, id).await;
        }
        scene.shows("A", 10).await;
        scene.shows("B", 10).await;
        scene
    }

    /// Up to when orders are settled.
    fn reached(&self) -> Option<Timestamp> {
        *self.link.reached.up_to().borrow()
    }

    async fn ask(&self, to: EntityId, command: Command) {
        let by = By::new(CredentialId::new("test").unwrap());
        self.node.handle().ask(to, command, by).await.unwrap();
    }

    async fn adjust(&self, id: &str, delta: i64) {
        let adjust = SkuCommand::Adjust {
            location: reno(),
            delta,
            reason: "counted".to_owned(),
        };
        self.ask(EntityId::Sku(sku(id)), Command::Sku(adjust)).await;
    }

    async fn map(&self, name: &str, id: &str) {
        let map = BucketCommand::Map {
            listing: listing(name),
            target: ListingTarget::Sku {
                sku: sku(id),
                multiplier: 1,
            },
        };
        let bucket = EntityId::Bucket(channel(), bucket_of(&listing(name)));
        self.ask(bucket, Command::Bucket(map)).await;
        let subject = format!("market/{name}");
        self.node.handle().unpark(vec![subject]).await.unwrap();
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let is_so = testing::comes_true(holds).await;
        assert!(
            is_so,
            "waited in vain until {what}: {:?}",
            self.fake.books().shown
        );
    }

    async fn shows(&self, id: &str, units: u32) {
        let shown = async || self.fake.books().shown.get(&listing(id)) == Some(&units);
        self.until(&format!("{units} of {id} are shown"), shown)
            .await;
    }

    async fn is_known(&self, id: &str) {
        let known = async || self.node.handle().read(order(id)).await.is_ok();
        self.until(&format!("order {id} is known"), known).await;
    }

    /// Waits until the channel was listed so often.
    async fn listed(&self, times: usize) {
        let wanted = self.fake.books().lists + times;
        let listed = async || self.fake.books().lists >= wanted;
        self.until("it was listed", listed).await;
    }

    /// Waits until where reading stands is kept like that.
    async fn kept(&self, what: &str, holds: impl Fn(&Standing) -> bool) {
        let kept = async || {
            let handle = self.node.handle();
            let channel = handle.read(EntityId::Channel(channel()));
            let Ok(Answer::Channel {
                polled: Some(polled),
                ..
            }) = channel.await.map(|reply| reply.answer)
            else {
                return false;
            };
            holds(&Standing::read(&polled))
        };
        self.until(what, kept).await;
    }

    /// The same channel and another process: the one before was not stopped in order.
    async fn crash(self) -> Self {
        self.tasks.iter().for_each(JoinHandle::abort);
        drop(self.node);
        Self::start(self.journal, self.fake).await
    }

    /// Kinds of what the channel's entity recorded of exceptions.
    fn told(&self) -> String {
        let entity = EntityId::Channel(channel());
        let log = self.journal.read(entity.shard(), 0, 10_000).unwrap();
        let bodies = log
            .iter()
            .map(|stored| String::from_utf8_lossy(&stored.frame.body).into_owned());
        bodies.collect()
    }

    async fn end(self) {
        self.node.stop().await;
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What the channel sold meanwhile is read first, and not put back by the raise.
#[tokio::test(flavor = "multi_thread")]
async fn a_raise_waits_until_the_orders_before_it_are_read() {
    let scene = Scene::stocked("amazon").await;
    scene.fake.sell("1", "A", 3);
    scene.adjust("A", 5).await;
    scene.shows("A", 12).await;
    let read = scene.node.handle().read(order("1")).await.unwrap();
    let Answer::Order(read) = read.answer else {
        panic!("{read:?}");
    };
    assert!(read.placed);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_listing_is_unknown_holds_every_raise_back() {
    let scene = Scene::stocked("amazon").await;
    scene.fake.sell("1", "who knows", 3);
    scene.listed(2).await;
    scene.adjust("A", 5).await;
    scene.listed(4).await;
    scene.shows("A", 10).await;
    scene.map("who knows", "B").await;
    scene.shows("A", 15).await;
    scene.end().await;
}

/// After a restart what was read and not placed holds back as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_neither_the_cursor_nor_what_was_not_placed() {
    let scene = Scene::stocked("amazon").await;
    scene.fake.sell("1", "A", 2);
    scene.fake.sell("2", "who knows", 1);
    scene.fake.sell("3", "A", 1);
    scene.is_known("3").await;
    let awaited = |standing: &Standing| standing.awaited.keys().eq(["order:2"]);
    scene.kept("the cursor is kept", awaited).await;
    // The list has nothing any more: what is awaited is known from before.
    scene.fake.books().orders.clear();
    let scene = scene.crash().await;
    scene.adjust("A", 5).await;
    scene.listed(4).await;
    scene.shows("A", 7).await;
    scene.map("who knows", "B").await;
    scene.shows("A", 12).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_got_over_and_told_when_they_last() {
    let scene = Scene::stocked("amazon").await;
    let faults = [Fault::Throttled, Fault::Away, Fault::Crash];
    scene.fake.books().faults = faults.into();
    scene.fake.sell("1", "A", 3);
    scene.is_known("1").await;
    let told = async || {
        let told = scene.told();
        told.contains("orders_unread") && told.contains("orders are read again")
    };
    scene.until("it is told and taken back", told).await;
    assert!(scene.fake.books().faults.is_empty());
    scene.end().await;
}

/// A webhook was lost: the fall of the number says that something was sold, and reading says what.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_webhook_is_made_good_and_each_order_read_at_most_twice() {
    let scene = Scene::stocked("shopify").await;
    let hour = Duration::from_minutes(60);
    let later = scene.fake.clock.now() + hour;
    scene.fake.sell_at(later, "1", "A", 3);
    scene.is_known("1").await;
    scene.adjust("A", 5).await;
    scene.shows("A", 12).await;
    scene.listed(8).await;
    assert_eq!(scene.fake.books().reads, 1, "its second is not over");
    scene.fake.time.advance(Duration::from_minutes(61));
    let read_again = async || scene.fake.books().reads >= 2;
    scene.until("its second is over", read_again).await;
    scene.listed(8).await;
    assert_eq!(scene.fake.books().reads, 2);
    scene.end().await;
}

/// What it holds is not known: the orders after it are, and no number rises before it is read.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_read_holds_raises_back_and_no_other_order() {
    let scene = Scene::stocked_as("shopify", Writes::Absolute).await;
    let broken = ["1", "2", "3", "4"].map(|id| ExternalId::new(id).unwrap());
    scene.fake.books().broken = broken.into();
    scene.fake.sell("1", "A", 3);
    for id in ["2", "3", "4"] {
        scene.fake.sell(id, "B", 1);
    }
    scene.fake.sell("5", "B", 1);
    scene.is_known("5").await;
    scene.adjust("A", 5).await;
    let told = async || scene.told().contains("unreadable");
    scene.until("it is told", told).await;
    scene.listed(4).await;
    scene.shows("A", 7).await;
    scene.fake.books().broken.clear();
    scene.shows("A", 12).await;
    let over = async || scene.told().contains("the order is read");
    scene.until("it is taken back", over).await;
    scene.end().await;
}

/// What a webhook told of an order is enough to place it, though it cannot be read once more.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_known_is_placed_though_it_cannot_be_read() {
    let scene = Scene::stocked_as("shopify", Writes::Absolute).await;
    scene.fake.books().broken = [ExternalId::new("1").unwrap()].into();
    // By the shop's clock its second is over.
    let sold_at = scene.fake.clock.now() - Duration::from_minutes(1);
    scene.fake.sell_at(sold_at, "1", "A", 3);
    let told = {
        let books = scene.fake.books();
        let (_, at, body) = &books.orders[0];
        scene.fake.told(*at, body)
    };
    let delivery = InboxInsert {
        id: InboxId {
            channel: channel(),
            delivery: told.delivery_id,
        },
        received_at: scene.fake.clock.now(),
        topic: told.topic.to_owned(),
        headers: Vec::new(),
        body: told.body,
    };
    scene.node.handle().receive(delivery).await.unwrap();
    scene.is_known("1").await;
    scene.adjust("A", 5).await;
    scene.shows("A", 12).await;
    scene.end().await;
}

/// A person gives up what cannot be read: raises go on without it.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_resolved_holds_nothing_back() {
    let scene = Scene::stocked_as("shopify", Writes::Absolute).await;
    scene.fake.books().broken = [ExternalId::new("1").unwrap()].into();
    scene.fake.sell("1", "A", 3);
    let told = async || scene.told().contains("unreadable");
    scene.until("it is told", told).await;
    scene.adjust("A", 5).await;
    scene.shows("A", 7).await;
    let resolve = ExceptionCommand::Resolve {
        key: ExceptionKey {
            kind: "unreadable".to_owned(),
            subject: "order:market:1".to_owned(),
            episode: 1,
        },
        how: "it is a test".to_owned(),
    };
    let resolve = Command::Channel(ChannelCommand::Exception(resolve));
    scene.ask(EntityId::Channel(channel()), resolve).await;
    scene.shows("A", 15).await;
    scene.end().await;
}

/// Nobody says what the first ones hold: those after them are read once somebody does, and none of them is lost.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_read_than_can_wait_to_be_placed() {
    let fake = Fake {
        unplaced_max: 2,
        ..Fake::new("amazon")
    };
    let scene = Scene::stocked_with(fake, publishing(Writes::Absolute)).await;
    for (id, name) in [
        ("1", "who knows"),
        ("2", "who knows"),
        ("3", "A"),
        ("4", "B"),
    ] {
        scene.fake.sell(id, name, 1);
    }
    let told = async || {
        scene
            .told()
            .contains("2 orders that were read are not placed")
    };
    scene.until("it is told", told).await;
    let waits = |standing: &Standing| standing.awaited.keys().eq(["order:1", "order:2"]);
    scene.kept("they wait", waits).await;
    let (lists, since) = (scene.fake.books().lists, scene.fake.clock.now());
    let looked_again = async || {
        scene.fake.time.advance(Duration::from_ms(100));
        scene.fake.clock.now() > since + LOOK_MAX + LOOK_MAX
    };
    scene.until("it is looked again", looked_again).await;
    assert_eq!(scene.fake.books().lists, lists, "nothing more is read");
    assert!(scene.node.handle().read(order("3")).await.is_err());
    scene.map("who knows", "B").await;
    scene.is_known("4").await;
    scene.is_known("3").await;
    let over = async || scene.told().contains("orders are read again");
    scene.until("it is taken back", over).await;
    scene.end().await;
}

/// A list has more pages than may be read: that is told before it is read to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_too_long_is_told() {
    let fake = Fake {
        list_lag: Some(Duration::from_ms(1)),
        ..Fake::new("amazon")
    };
    let scene = Scene::stocked_with(fake, publishing(Writes::Absolute)).await;
    for id in ["1", "2", "3"] {
        scene.fake.sell(id, "A", 1);
    }
    let now = scene.fake.clock.now();
    *scene.list_purse.budget() = Budget::per_hour(1, 1_000, now);
    // One page, and what is left to others.
    assert!(scene.list_purse.budget().take(940, now));
    scene.link.waits.hurry();
    let told = async || scene.told().contains("the rest of the list waits for more");
    scene.until("it is told", told).await;
    assert!(scene.node.handle().read(order("3")).await.is_err());
    scene.list_purse.correct(1_000, scene.fake.clock.now());
    scene.is_known("3").await;
    let over = async || scene.told().contains("orders are read again");
    scene.until("it is taken back", over).await;
    scene.end().await;
}

/// Something else takes every point as soon as there are ten: that orders are not read is told, and they have their turn.
#[tokio::test(flavor = "multi_thread")]
async fn orders_are_read_though_others_use_the_calls_up() {
    let scene = Scene::stocked("amazon").await;
    let (clock, purse) = (Arc::clone(&scene.fake.clock), Arc::clone(&scene.list_purse));
    *purse.budget() = Budget::new(100, 1_000, clock.now());
    let greedy = tokio::spawn(async move {
        loop {
            while purse.budget().take(10, clock.now()) {}
            clock.sleep(Duration::from_ms(10)).await;
        }
    });
    let told = async || scene.told().contains("others use the channel's calls up");
    scene.until("it is told", told).await;
    scene.fake.sell("1", "A", 3);
    let lists = scene.fake.books().lists;
    let read = async || scene.fake.books().lists > lists;
    scene.until("its turn comes", read).await;
    scene.is_known("1").await;
    greedy.abort();
    scene.end().await;
}

/// A restart knows what could not be read.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_read_is_not_forgotten() {
    let scene = Scene::stocked_as("shopify", Writes::Absolute).await;
    scene.fake.books().broken = [ExternalId::new("1").unwrap()].into();
    scene.fake.sell("1", "A", 3);
    let awaited = |standing: &Standing| standing.awaited.keys().eq(["order:1"]);
    scene.kept("it is kept", awaited).await;
    let scene = scene.crash().await;
    scene.fake.books().orders[0].1 = Timestamp::from_ms(0);
    scene.adjust("A", 5).await;
    scene.listed(4).await;
    scene.shows("A", 7).await;
    scene.fake.books().broken.clear();
    scene.shows("A", 12).await;
    scene.end().await;
}

/// More than one look can take in.
#[tokio::test(flavor = "multi_thread")]
async fn many_orders_at_once_are_all_placed_before_a_raise() {
    let scene = Scene::stocked("amazon").await;
    scene.adjust("B", 290).await;
    scene.shows("B", 300).await;
    for id in 0..250 {
        scene.fake.sell(&id.to_string(), "B", 1);
    }
    scene.adjust("B", 100).await;
    scene.shows("B", 150).await;
    scene.end().await;
}

/// Sells B elsewhere, one unit after the other, until what is shown is that many fewer than there are.
async fn sold_elsewhere_until_kept_back(scene: &Scene, units: &mut u32, kept: u32) {
    loop {
        *units -= 1;
        scene.adjust("B", -1).await;
        let shown = || scene.fake.books().shown[&listing("B")];
        let is_lowered = async || shown() <= *units;
        scene.until("it is lowered", is_lowered).await;
        if shown() + kept <= *units {
            return;
        }
    }
}

/// Nothing is read any more: what is written leaves room for what may be sold meanwhile, also in the next process, until
/// orders are read again.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_leave_room_while_nothing_is_read() {
    let fake = Fake {
        behind_after: Some(Duration::from_s(1)),
        ..Fake::new("amazon")
    };
    let publishing = Publishing {
        unseen_risk_ppm: 1,
        ..publishing(Writes::Absolute)
    };
    let scene = Scene::stocked_with(fake, publishing).await;
    let mut units = 300;
    scene.adjust("B", 290).await;
    scene.shows("B", units).await;
    scene.fake.books().faults = vec![Fault::Away; 100_000].into();
    // A unit an hour, as far as is known: in some seconds one at most, but for one in a million.
    sold_elsewhere_until_kept_back(&scene, &mut units, 1).await;
    let scene = scene.crash().await;
    scene.fake.books().shown.insert(listing("B"), units);
    units -= 1;
    scene.adjust("B", -1).await;
    let kept_back = async || scene.fake.books().shown[&listing("B")] < units;
    scene.until("it is kept back", kept_back).await;
    scene.fake.books().faults.clear();
    scene.shows("B", units).await;
    scene.end().await;
}

/// What waits for a person is read: no number leaves room for it for ever. What is still worked on is not.
#[tokio::test(flavor = "multi_thread")]
async fn orders_are_settled_when_they_are_placed_or_wait_for_a_person() {
    let scene = Scene::stocked("amazon").await;
    let sold_at = scene.fake.clock.now();
    scene.fake.sell("1", "who knows", 3);
    let waits = |standing: &Standing| standing.awaited.keys().eq(["order:1"]);
    scene.kept("it waits", waits).await;
    let settled = async || scene.reached() > Some(sold_at);
    scene.until("it is settled all the same", settled).await;
    scene.end().await;
}

/// Lists that are late say up to when they were looked for: a raise that waits for its orders needs one list, and not one
/// after the other until as much time has passed again.
#[tokio::test(flavor = "multi_thread")]
async fn a_raise_waits_for_one_list_that_is_late() {
    let fake = Fake {
        list_lag: Some(Duration::from_s(1)),
        ..Fake::new("amazon")
    };
    let scene = Scene::stocked_with(fake, publishing(Writes::Absolute)).await;
    scene.listed(0).await;
    let lists = scene.fake.books().lists;
    scene.adjust("A", 5).await;
    scene.shows("A", 15).await;
    let lists = scene.fake.books().lists - lists;
    assert!((1..=2).contains(&lists), "{lists}");
    scene.end().await;
}
