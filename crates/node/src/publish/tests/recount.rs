//! A shop that is its location's source of stock truth, and whose webhooks are all lost.

use crossdock_channels::Secret;
use crossdock_channels::shopify::admin::{Admin, AdminOptions};
use crossdock_model::command::LocationCommand;
use crossdock_model::v1::{CountBasis, LocationFacts};
use crossdock_sim::shopify::{self, Serving, Store, StoreOptions};
use tokio::net::TcpListener;

use super::*;
use crate::ingest;
use crate::rates::ShopPoints;

/// A shop that counts 7 mugs at the place of `reno`, and a node that reads it.
struct World {
    shop: Arc<shopify::Shop>,
    _serving: Serving,
    item: u64,
    place: u64,
    time: Arc<PausedClock>,
    node: Node,
}

impl World {
    async fn start() -> Self {
        let time = Arc::new(PausedClock::new(RealClock::default().now()));
        testing::flow(&time);
        let clock = Arc::clone(&time) as Arc<dyn Clock>;
        let mut store = Store::new(StoreOptions::default());
        let place = store.add_location("Reno");
        let item = store.add_product("MUG", 2_400).item;
        store.set_by_hand(item, place, 7, clock.now());
        let secret = Secret::new;
        let shop = shopify::Shop::new(store, Arc::clone(&clock), secret("token"), secret("hush"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = shop.serve(listener).unwrap();
        let options = AdminOptions::new(serving.url(), secret("token"));
        let purse = Purse::new(Budget::new(1_000_000, 1_000_000, clock.now()));
        let admin = Admin::new(&options, ShopPoints::of(&purse, &clock)).unwrap();
        let link = Link::of(
            shop_id(),
            (Arc::new(admin), LIMITS, Duration::from_ms(640)),
            (Arc::new(Unlisted), Pace::EASY),
            &clock,
        );
        let publisher = Publisher::new(Arc::new(link), Arc::clone(&clock), Arc::default());
        let publishers = Arc::new(Publishers::new([Arc::new(publisher)]));
        let mut options = Options::new(1);
        options.outbound = Arc::clone(&publishers) as Arc<dyn Outbound>;
        let journal = Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)));
        let node = Node::start(journal, clock, Arc::new(Unconnected), options, |_| {});
        let node = node.await.unwrap();
        let handle = node.handle();
        ingest::start(&handle, &ingest::Ways::default(), &Links::default(), None);
        publishers.start(&handle, &CredentialId::new("publisher").unwrap());
        let world = Self {
            shop,
            _serving: serving,
            item,
            place,
            time,
            node,
        };
        world.set_up().await;
        world
    }

    async fn set_up(&self) {
        let location = LocationCommand::Define(Box::new(LocationFacts {
            stock_source: Some(self.source()),
            ..LocationFacts::plain(reno(), "US")
        }));
        self.ask(EntityId::Location(reno()), Command::Location(location))
            .await;
        let define = SkuCommand::Define {
            title: "Mug".to_owned(),
            tracking: Tracking::Tracked,
        };
        self.ask(sku(1), Command::Sku(define)).await;
        let listing = ListingId::new(format!("inventory_item:{}", self.item)).unwrap();
        let bucket = EntityId::Bucket(shop_id(), bucket_of(&listing));
        let target = single(1);
        let map = Command::Bucket(BucketCommand::Map { listing, target });
        self.ask(bucket, map).await;
        let [connect, ..] = connecting("shopify", publishing());
        self.tell(connect).await;
    }

    fn source(&self) -> SourceId {
        SourceId::new(format!("shop/{}", self.place)).unwrap()
    }

    async fn ask(&self, to: EntityId, command: Command) -> Answer {
        let asked = self.node.handle().ask(to, command, by()).await;
        asked.unwrap().answer
    }

    async fn tell(&self, command: ChannelCommand) {
        self.ask(EntityId::Channel(shop_id()), Command::Channel(command))
            .await;
    }

    /// Somebody in the shop counts, some time later.
    fn sets(&self, units: i64) {
        self.time.advance(Duration::from_s(5));
        let set = |store: &mut Store, now| store.set_by_hand(self.item, self.place, units, now);
        self.shop.with(set);
    }

    fn shown(&self) -> Option<i64> {
        let shown = |store: &mut Store, _| store.available(self.item, self.place);
        self.shop.with(shown)
    }

    async fn on_hand(&self) -> i64 {
        match self.ask(sku(1), Command::Read).await {
            Answer::Stock(view) => view.locations.iter().map(|one| one.on_hand).sum(),
            other => panic!("{other:?}"),
        }
    }

    async fn counts(&self, units: i64) {
        testing::until("it is counted", async || self.on_hand().await == units).await;
    }

    /// It is looked at everything twice more.
    async fn two_rounds(&self) {
        let read = |store: &mut Store, _| store.carried_out("nodes");
        let before = self.shop.with(read);
        testing::until("two rounds", async || self.shop.with(read) >= before + 2).await;
    }
}

/// Though the channel is only observed, and has no place that is published to. A number that is older than the last count is
/// none, and neither is one of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_whose_webhook_was_lost_is_taken_within_a_round() {
    let world = World::start().await;
    world.counts(7).await;
    world.sets(3);
    world.counts(3).await;

    world.time.advance(Duration::from_s(5));
    let count = SkuCommand::Count {
        location: reno(),
        source: world.source(),
        truth: Some(world.source()),
        basis: CountBasis::NetOfChannel(shop_id()),
        counted: 9,
        effective_at: world.time.now(),
    };
    world.ask(sku(1), Command::Sku(count)).await;
    world.two_rounds().await;
    assert_eq!(world.on_hand().await, 9, "the shop's number is older");
    world.sets(6);
    world.counts(6).await;

    let place = ChannelPlace {
        place: world.source(),
        locations: vec![reno()],
    };
    let ours = Publishing {
        counted: "inventory_item:".to_owned(),
        places: vec![place],
        buffer: Buffer::Fixed { units: 1 },
        ..publishing()
    };
    let [_, publish, activate] = connecting("shopify", ours);
    for step in [publish, activate] {
        world.tell(step).await;
    }
    world.sets(50);
    testing::until("it is lowered", async || world.shown() == Some(5)).await;
    world.two_rounds().await;
    assert_eq!(world.on_hand().await, 6, "what is ours is no count");
    world.node.stop().await;
}
