//! A node that publishes to a shop which compares and sets.

mod away;
mod feeds;
mod gaps;
mod late;
mod not_stocked;
mod observed;
mod operations;
mod recount;
mod seat;
mod slow;
mod theirs;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration as Wait;

use crossdock_channels::{Calling, NumberSet, NumberShown, Numbers, SetOutcome};
use crossdock_journal::{Batch, Frame, Journal, MemoryJournal, OwnerId, ShardWrite};
use crossdock_model::answer::NumberView;
use crossdock_model::command::{ChannelCommand, SkuCommand};
use crossdock_model::v1::{
    Buffer, ChannelMode, ChannelPlace, ChannelSettings, ListingTarget, Publishing, Sale, Tracking,
    Writes,
};
use crossdock_model::{ListingId, LocationId, SkuId, SourceId};
use crossdock_runtime::{
    Budget, DeskLimits, Node, Options, PausedClock, RealClock, Unconnected, bucket_of, testing,
};

use super::*;
use crate::links::Pace;
use crate::links::testing::Unlisted;
use crate::spend::{Purse, Spend};

const SKUS: usize = 20;
/// How often it is looked whether orders are to be read.
const PAUSE: Wait = Wait::from_millis(10);
const LIMITS: DeskLimits = DeskLimits {
    batch_max: 5,
    calls_max: 2,
    cost: 1,
    reads_max: 5,
    read_cost: 1,
};

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Lost,
    TimeOutAfterIt,
    Throttled,
    /// It says that it has no room for a minute.
    Busy,
}

#[derive(Default)]
struct Books {
    shown: BTreeMap<ListingId, i64>,
    faults: VecDeque<Fault>,
    calls: usize,
    /// Names of the numbers that it was told, the last one last.
    keys: Vec<String>,
    at_ms: i64,
    /// Setting numbers takes that long, by a clock that stands still otherwise.
    slow: Option<(Arc<PausedClock>, Duration)>,
}

/// A shop in memory.
#[derive(Default)]
struct Shop(Mutex<Books>);

impl Shop {
    fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.0)
    }

    fn call<T>(&self, answer: impl FnOnce(&mut Books) -> Vec<T>) -> Result<Vec<T>, CallError> {
        let mut books = self.books();
        books.calls += 1;
        let fault = books.faults.pop_front();
        match fault {
            Some(Fault::Lost) => return Err(CallError::Unknown("lost".to_owned())),
            Some(Fault::Throttled) => {
                return Err(CallError::Throttled {
                    retry_after: Duration::from_ms(5),
                });
            }
            Some(Fault::Busy) => {
                return Err(CallError::Throttled {
                    retry_after: Duration::from_s(60),
                });
            }
            Some(Fault::TimeOutAfterIt) | None => {}
        }
        let answers = answer(&mut books);
        match fault {
            Some(_) => Err(CallError::Unknown("no answer".to_owned())),
            None => Ok(answers),
        }
    }
}

impl Books {
    fn tick(&mut self) -> Timestamp {
        let now = RealClock::default().now().as_ms();
        self.at_ms = now.max(self.at_ms + 1);
        Timestamp::from_ms(self.at_ms)
    }

    fn set(&mut self, number: &NumberSet) -> SetOutcome {
        let at = self.tick();
        self.keys.push(number.key.clone());
        let shown = self.shown.get_mut(&number.listing);
        match shown {
            None => SetOutcome::Stale,
            Some(shown) if number.change_from.is_some_and(|from| from != *shown) => {
                SetOutcome::Stale
            }
            Some(shown) => {
                *shown = number.units.into();
                SetOutcome::Confirmed { at }
            }
        }
    }
}

impl Numbers for Shop {
    fn set(&self, numbers: Vec<NumberSet>) -> Calling<SetOutcome> {
        if let Some((clock, takes)) = &self.books().slow {
            clock.advance(*takes);
        }
        let called = self.call(|books| numbers.iter().map(|number| books.set(number)).collect());
        Box::pin(std::future::ready(called))
    }

    fn read(&self, numbers: Vec<(ListingId, SourceId)>) -> Calling<Option<NumberShown>> {
        let called = self.call(|books| {
            let shown = numbers.iter().map(|(listing, _)| {
                let at = books.tick();
                let units = books.shown.get(listing).copied()?;
                Some(NumberShown {
                    units: Some(units),
                    at,
                    changed_at: None,
                })
            });
            shown.collect()
        });
        Box::pin(std::future::ready(called))
    }
}

fn by() -> By {
    By::new(CredentialId::new("test").unwrap())
}

fn shop_id() -> ChannelId {
    ChannelId::new("shop").unwrap()
}

fn reno() -> LocationId {
    LocationId::new("reno").unwrap()
}

fn listing(number: usize) -> ListingId {
    ListingId::new(format!("L{number}")).unwrap()
}

fn sku(number: usize) -> EntityId {
    EntityId::Sku(SkuId::new(format!("S{number}")).unwrap())
}

/// One unit of the SKU of that number.
fn single(number: usize) -> ListingTarget {
    ListingTarget::Sku {
        sku: SkuId::new(format!("S{number}")).unwrap(),
        multiplier: 1,
    }
}

fn publishing() -> Publishing {
    let place = ChannelPlace {
        place: SourceId::new("shop/1").unwrap(),
        locations: vec![reno()],
    };
    Publishing {
        mode: ChannelMode::Active,
        unseen_for: Duration::from_minutes(3),
        unseen_risk_ppm: 1_000,
        call_for: Duration::from_ms(200),
        ..Publishing::plain(Writes::CompareAndSet, vec![place])
    }
}

/// What a channel is told until it is published to.
fn connecting(connector: &str, publishing: Publishing) -> [ChannelCommand; 3] {
    let settings = ChannelSettings {
        connector: connector.to_owned(),
        sale: Sale::AlreadySold,
        map_by_sku: true,
    };
    let mode = publishing.mode;
    [
        ChannelCommand::Connect(settings),
        ChannelCommand::PublishAs(Box::new(publishing)),
        ChannelCommand::SetMode(mode),
    ]
}

struct Scene {
    journal: Arc<MemoryJournal>,
    shop: Arc<Shop>,
    /// What calls about numbers are paid from.
    purse: Arc<Purse>,
    link: Arc<Link>,
    publisher: Arc<Publisher>,
    node: Node,
}

impl Scene {
    async fn start(journal: Arc<MemoryJournal>, shop: Arc<Shop>) -> Self {
        Self::start_at(journal, shop, Arc::new(RealClock::default())).await
    }

    async fn start_at(journal: Arc<MemoryJournal>, shop: Arc<Shop>, clock: Arc<dyn Clock>) -> Self {
        Self::start_with(journal, shop, clock, |_| ()).await
    }

    async fn start_with(
        journal: Arc<MemoryJournal>,
        shop: Arc<Shop>,
        clock: Arc<dyn Clock>,
        adjust: impl FnOnce(&mut Link),
    ) -> Self {
        let numbers = Arc::clone(&shop) as Arc<dyn Numbers>;
        let mut link = Link::of(
            shop_id(),
            (numbers, LIMITS, Duration::from_ms(640)),
            (Arc::new(Unlisted), Pace::EASY),
            &clock,
        );
        adjust(&mut link);
        let link = Arc::new(link);
        let purse = Arc::clone(&link.numbers.purse);
        let publisher = Publisher::new(Arc::clone(&link), Arc::clone(&clock), Arc::default());
        let publisher = Arc::new(publisher);
        let publishers = Arc::new(Publishers::new([Arc::clone(&publisher)]));
        let mut options = Options::new(1);
        options.outbound = Arc::clone(&publishers) as Arc<dyn Outbound>;
        options.crash_on = Some(|_, command| {
            let command = format!("{command:?}");
            command.contains("poison") && command.contains("Adjust")
        });
        let stored = Arc::clone(&journal) as Arc<dyn Journal>;
        let node = Node::start(stored, clock, Arc::new(Unconnected), options, |_| {});
        let node = node.await.unwrap();
        publishers.start(&node.handle(), &CredentialId::new("publisher").unwrap());
        Self {
            journal,
            shop,
            purse,
            link,
            publisher,
            node,
        }
    }

    /// A shop that shows 5 of everything, of which there are 50.
    async fn stocked() -> Self {
        Self::stocked_at(Arc::new(RealClock::default()), publishing()).await
    }

    async fn stocked_at(clock: Arc<dyn Clock>, publishing: Publishing) -> Self {
        Self::stocked_with(clock, publishing, |_| ()).await
    }

    async fn stocked_with(
        clock: Arc<dyn Clock>,
        publishing: Publishing,
        adjust: impl FnOnce(&mut Link),
    ) -> Self {
        let shop = Arc::new(Shop::default());
        let journal = Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)));
        let scene = Self::start_with(journal, shop, clock, adjust).await;
        for number in 0..SKUS {
            scene.shop.books().shown.insert(listing(number), 5);
            let define = SkuCommand::Define {
                title: number.to_string(),
                tracking: Tracking::Tracked,
            };
            scene.ask(sku(number), Command::Sku(define)).await;
            scene.adjust(number, 50).await;
            scene.map(&shop_id(), number).await;
        }
        scene.connect(shop_id(), publishing).await;
        scene
    }

    async fn connect(&self, channel: ChannelId, publishing: Publishing) {
        for step in connecting("shopify", publishing) {
            let channel = EntityId::Channel(channel.clone());
            self.ask(channel, Command::Channel(step)).await;
        }
    }

    async fn ask(&self, to: EntityId, command: Command) {
        self.node.handle().ask(to, command, by()).await.unwrap();
    }

    async fn map(&self, channel: &ChannelId, number: usize) {
        let map = BucketCommand::Map {
            listing: listing(number),
            target: single(number),
        };
        let bucket = EntityId::Bucket(channel.clone(), bucket_of(&listing(number)));
        self.ask(bucket, Command::Bucket(map)).await;
    }

    async fn adjust(&self, number: usize, delta: i64) {
        let adjust = SkuCommand::Adjust {
            location: reno(),
            delta,
            reason: "sold elsewhere".to_owned(),
        };
        self.ask(sku(number), Command::Sku(adjust)).await;
    }

    /// Waits until what a channel should show of each is known, and is that.
    async fn should_show(&self, channel: &ChannelId, units: impl Fn(u32) -> bool) {
        let is_so = |_, view: &NumberView| view.should.is_some_and(&units);
        self.views_are(channel, is_so).await;
    }

    /// Waits until that is so of what is known of each of a channel's numbers.
    async fn views_are(&self, channel: &ChannelId, is_it: impl Fn(usize, &NumberView) -> bool) {
        for number in 0..SKUS {
            let bucket = EntityId::Bucket(channel.clone(), bucket_of(&listing(number)));
            let is_so = async || {
                let look = Command::Bucket(BucketCommand::LookNumbers);
                let looked = self.node.handle().ask(bucket.clone(), look, by()).await;
                let Answer::Numbers(views) = looked.unwrap().answer else {
                    return false;
                };
                let mut views = views.iter();
                views.any(|view| view.listing == listing(number) && is_it(number, view))
            };
            testing::until(&format!("{channel} hears of {number}"), is_so).await;
        }
    }

    /// Another channel lists everything, and has heard of it.
    async fn list_elsewhere(&self) {
        let other = ChannelId::new("other").unwrap();
        let place = ChannelPlace {
            place: SourceId::new("other/1").unwrap(),
            locations: vec![reno()],
        };
        let beside = Publishing {
            places: vec![place],
            ..publishing()
        };
        self.connect(other.clone(), beside).await;
        for number in 0..SKUS {
            self.map(&other, number).await;
        }
        self.should_show(&other, |_| true).await;
    }

    /// Waits until so many of each are to be shown, and until what began after that has been done: what could be sent has
    /// had its turn.
    async fn turns_come(&self, units: u32) {
        self.should_show(&shop_id(), |should| should == units).await;
        self.list_elsewhere().await;
    }

    /// Waits until the shop shows so many of each.
    #[track_caller]
    fn shows(&self, units: impl Fn(usize) -> i64 + Copy) -> impl Future<Output = ()> {
        let shop = Arc::clone(&self.shop);
        let wanted: BTreeMap<ListingId, i64> = (0..SKUS).map(|n| (listing(n), units(n))).collect();
        async move {
            let is_so = testing::comes_true(async || shop.books().shown == wanted).await;
            assert!(is_so, "the shop shows {:?}", shop.books().shown);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_sold_is_shown_and_follows_every_change() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    for round in 0..5 {
        for number in 0..SKUS {
            scene.adjust(number, if round == 3 { 2 } else { -1 }).await;
        }
    }
    scene.shows(|_| 48).await;
    scene.node.stop().await;
}

/// Nobody has told the buckets yet how long orders were not read: a write could leave too little room.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_before_it_is_known_how_far_reading_is_behind() {
    let clock = Arc::new(RealClock::default());
    let scene = Scene::stocked_with(clock, publishing(), |link| {
        link.orders.pace.behind_after = Some(Duration::from_minutes(5));
    })
    .await;
    scene.turns_come(50).await;
    let shown: Vec<i64> = scene.shop.books().shown.values().copied().collect();
    assert_eq!(shown, [5; SKUS]);
    scene.link.reached.tell();
    scene.shows(|_| 50).await;
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_channel_are_got_over() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    let faults = [Fault::Lost, Fault::TimeOutAfterIt, Fault::Throttled];
    scene.shop.books().faults = (0..6).map(|n| faults[n % 3]).collect();
    for number in 0..SKUS {
        scene.adjust(number, -10).await;
    }
    scene.shows(|_| 40).await;
    assert!(scene.shop.books().faults.is_empty());
    scene.node.stop().await;
}

/// The shop itself sells some, which nobody is told: a write compares, finds out, and takes the fall off.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sold_unseen_is_not_put_back() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    *scene.shop.books().shown.get_mut(&listing(3)).unwrap() -= 4;
    scene.adjust(3, -1).await;
    scene
        .shows(|number| if number == 3 { 45 } else { 50 })
        .await;
    scene.node.stop().await;
}

/// Nobody tells that somebody raised it: it is seen when it is looked at, and lowered.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_raised_unseen_is_found_and_lowered() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    *scene.shop.books().shown.get_mut(&listing(3)).unwrap() = 70;
    scene.shows(|_| 50).await;
    scene.node.stop().await;
}

/// Time stands still: what waits for points is sent as soon as another call is not waited for any more that had claimed
/// all of them.
#[tokio::test(flavor = "multi_thread")]
async fn points_that_nobody_claims_any_more_are_used_at_once() {
    let clock = Arc::new(PausedClock::new(RealClock::default().now()));
    let scene = Scene::stocked_at(Arc::clone(&clock) as Arc<dyn Clock>, publishing()).await;
    scene.shows(|_| 50).await;
    let time = Arc::clone(&clock) as Arc<dyn Clock>;
    *scene.purse.budget() = Budget::per_hour(1, 1_000, clock.now());
    assert!(scene.purse.budget().take(1, clock.now()));
    let mut turn = Spend::new(&scene.purse, 1_000, 0, &time).turn();
    clock.advance(Duration::from_s(5));
    assert!(!turn.try_take(), "one point is not there yet");
    // All that what is urgent may take of what is claimed.
    assert!(scene.purse.budget().take_urgent(500, clock.now()));
    for number in 0..SKUS {
        scene.adjust(number, -1).await;
    }
    scene.turns_come(49).await;
    let shown: Vec<i64> = scene.shop.books().shown.values().copied().collect();
    assert_eq!(shown, [50; SKUS]);
    drop(turn);
    scene.shows(|_| 49).await;
    scene.node.stop().await;
}

/// Everything that was decided and not heard, or begun and not ended, is taken up by the next process.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_loses_no_number() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    scene.shop.books().faults = std::iter::repeat_n(Fault::TimeOutAfterIt, 4).collect();
    for number in 0..SKUS {
        scene.adjust(number, -1).await;
    }
    let Scene {
        journal,
        shop,
        node,
        ..
    } = scene;
    // Not stopped in order: its tasks are gone with the next claim of the shards.
    drop(node);
    let scene = Scene::start(journal, shop).await;
    for number in 0..SKUS / 2 {
        scene.adjust(number, -1).await;
    }
    scene
        .shows(|number| if number < SKUS / 2 { 48 } else { 49 })
        .await;
    scene.node.stop().await;
}

/// Three commands that crash it, and the SKU is put aside: no more of it may be sold anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_sku_that_is_put_aside_is_shown_as_none() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    for delta in 1..=3 {
        let adjust = SkuCommand::Adjust {
            location: reno(),
            delta,
            reason: "poison".to_owned(),
        };
        // One after the other: commands of one batch crash it once.
        let handle = scene.node.handle();
        let asked = handle.ask(sku(3), Command::Sku(adjust), by()).await;
        assert!(asked.is_err());
    }
    scene.shows(|number| if number == 3 { 0 } else { 50 }).await;
    scene.node.stop().await;
}

/// What is stored of a SKU cannot be read any more, nor who lists it: nobody shows any of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sku_that_cannot_be_read_is_shown_as_none() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    scene.node.stop().await;
    let (journal, shop) = (scene.journal, scene.shop);
    damage(&journal, &sku(3));
    let scene = Scene::start(journal, shop).await;
    scene.shows(|number| if number == 3 { 0 } else { 50 }).await;
    scene.node.stop().await;
}

/// The channel's orders are read up to now whenever a bucket waits for it.
async fn read_orders(link: Arc<Link>, handle: Handle) {
    loop {
        let up_to = handle.now();
        let waits = link.waits.all().into_iter();
        for (bucket, _) in waits.filter(|(_, until)| *until <= up_to) {
            let bucket = EntityId::Bucket(shop_id(), bucket);
            let prove = Command::Bucket(BucketCommand::Prove { up_to });
            let _ = handle.ask(bucket, prove, by()).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A record that follows no other.
fn damage(journal: &MemoryJournal, entity: &EntityId) {
    let shard = entity.shard();
    let owner = OwnerId(99);
    let state = &journal.claim(owner, &[shard]).unwrap()[0];
    let mut write = ShardWrite::new(shard, state.epoch, owner, state.next_seq);
    write.frames.push(Frame {
        entity: entity.clone(),
        body: vec![0; 8],
    });
    let batch = Batch {
        at: Timestamp::from_ms(2),
        shards: vec![write],
        inbox: Vec::new(),
    };
    assert!(journal.commit(&batch).unwrap().refused.is_empty());
}
