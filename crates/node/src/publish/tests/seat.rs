//! A node that publishes to a seller's account over loopback, whose feeds are worked on when the test says so.

use crossdock_channels::amazon::{Operation, READS_MAX, Rates, Seller};
use crossdock_model::v1::{ShownLevel, Uncounted};
use crossdock_sim::amazon::{self, Faults, Listing, Market};
use tokio::net::TcpListener;

use super::*;
use crate::links::BulkLink;
use crate::rates::AccountRates;
use crate::spend::Purse;

/// Numbers; the seller has no listing for the last one.
pub const NUMBERS: usize = 31;
pub const UNLISTED: usize = NUMBERS - 1;
/// So many wait before a feed is begun: all of them.
const WAITING_MIN: usize = NUMBERS;
/// When a feed is worked on by itself.
pub const FEED_TAKES: Duration = Duration::from_days(1);
/// Units there are of each, before a test sells some.
pub const UNITS: u32 = 50;

pub struct Seat {
    pub market: Arc<Market>,
    seller: Seller,
    rates: Arc<AccountRates>,
    journal: Arc<MemoryJournal>,
    /// It goes on by itself, and leaps where the test says so.
    pub time: Arc<PausedClock>,
    clock: Arc<dyn Clock>,
    /// What a feed leaves room for.
    pub set_within: Duration,
    /// Pause after a feed that was given up.
    pub rest: Duration,
}

/// One process.
pub struct Process {
    pub node: Node,
    pub publisher: Arc<Publisher>,
    /// What numbers that are sent by themselves are paid from.
    singles: Arc<Purse>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Seat {
    /// A seller whose listings show 5 each.
    pub async fn new(faults: Faults) -> Self {
        let time = Arc::new(PausedClock::new(RealClock::default().now()));
        testing::flow(&time);
        let clock = Arc::clone(&time) as Arc<dyn Clock>;
        let options = amazon::Options {
            feed_takes: FEED_TAKES,
            faults,
            ..amazon::Options::default()
        };
        let market = Market::new(options.clone(), Arc::clone(&clock));
        for number in 0..UNLISTED {
            let listed = Listing::of_seller(&number.to_string(), 100, 5);
            market.with(|account, _| account.list(listing(number).as_str(), listed));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(amazon::serve(listener, Arc::clone(&market)));
        let account = options.account(&endpoint, Wait::from_secs(10));
        let rates = AccountRates::new(&clock);
        let now = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now())
        };
        Self {
            market,
            seller: Seller::new(account, now, Arc::clone(&rates) as Arc<dyn Rates>).unwrap(),
            rates,
            journal: Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1))),
            time,
            clock,
            set_within: Duration::default(),
            rest: OPEN_MAX,
        }
    }

    fn link(&self) -> Link {
        let limits = DeskLimits {
            batch_max: 1,
            reads_max: READS_MAX,
            read_cost: 0,
            ..LIMITS
        };
        let numbers = Arc::new(self.seller.clone()) as Arc<dyn Numbers>;
        let numbers = (numbers, limits, Duration::from_minutes(60));
        let mut link = Link::of(
            shop_id(),
            numbers,
            (Arc::new(Unlisted), Pace::EASY),
            &self.clock,
        );
        let rates = &self.rates;
        link.numbers.purse = Arc::clone(rates.purse(Operation::PatchListingsItem));
        link.numbers.read_purse = Some(Arc::clone(rates.purse(Operation::SearchListingsItems)));
        link.numbers.bulk = Some(BulkLink {
            bulk: Arc::new(self.seller.clone()),
            spends: [Operation::CreateFeedDocument, Operation::CreateFeed]
                .map(|operation| rates.spend(operation))
                .into(),
            waiting_min: WAITING_MIN,
            look_every: Duration::from_ms(500),
            set_within: self.set_within,
            list_every: Duration::from_s(2),
            open_max: OPEN_MAX,
            rest: self.rest,
        });
        link
    }

    pub async fn start(&self, owner: u128) -> Process {
        let link = Arc::new(self.link());
        let singles = Arc::clone(&link.numbers.purse);
        let publisher = Publisher::new(Arc::clone(&link), Arc::clone(&self.clock), Arc::default());
        let publisher = Arc::new(publisher);
        let publishers = Arc::new(Publishers::new([Arc::clone(&publisher)]));
        let mut options = Options::new(owner);
        options.outbound = Arc::clone(&publishers) as Arc<dyn Outbound>;
        let journal = Arc::clone(&self.journal) as Arc<dyn Journal>;
        let clock = Arc::clone(&self.clock);
        let node = Node::start(journal, clock, Arc::new(Unconnected), options, |_| {});
        let node = node.await.unwrap();
        let mut tasks = publishers.start(&node.handle(), &CredentialId::new("publisher").unwrap());
        tasks.push(tokio::spawn(read_orders(link, node.handle())));
        Process {
            node,
            publisher,
            singles,
            tasks,
        }
    }

    /// The same, where nothing can be sent by itself.
    pub async fn start_with_feeds_only(&self, owner: u128) -> Process {
        let process = self.start(owner).await;
        let burst = Operation::PatchListingsItem.burst();
        process.singles.budget().claim(burst);
        process
    }

    /// Everything is to show 50; a feed is begun with it and lies there. Nothing can be sent by itself before that.
    pub async fn handed_over(&self) -> Process {
        let process = self.start_with_feeds_only(1).await;
        self.set_up(&process).await;
        self.until("a feed is begun", || self.feeds() == 1).await;
        let burst = Operation::PatchListingsItem.burst();
        process.singles.budget().unclaim(burst);
        process.singles.correct(burst, self.clock.now());
        process
    }

    pub async fn set_up(&self, process: &Process) {
        for number in 0..NUMBERS {
            process.set_up(number).await;
        }
        let publishing = Publishing {
            writes: Writes::Absolute,
            places: vec![ChannelPlace {
                place: place(),
                locations: vec![reno()],
            }],
            uncounted: Uncounted::SentByChannel,
            unseen_for: Duration::default(),
            call_for: Duration::from_s(15),
            ..publishing()
        };
        for step in connecting("amazon", publishing) {
            let channel = EntityId::Channel(shop_id());
            process.ask(channel, Command::Channel(step)).await;
        }
    }

    pub async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let is_so = testing::comes_true(async || is_so()).await;
        let shown = || {
            let shown = (0..NUMBERS).map(|number| self.shown(number));
            shown.collect::<Vec<_>>()
        };
        assert!(is_so, "{what}: {:?}", shown());
    }

    pub fn feeds(&self) -> usize {
        self.market.with(|account, _| account.feeds_begun())
    }

    /// What is shown of a listing now.
    pub fn shown(&self, number: usize) -> Option<u32> {
        let listing = listing(number);
        self.market
            .with(|account, now| account.shown(listing.as_str(), now))
    }

    /// A number that lies in the feed, and is not shown yet.
    pub async fn in_feed(&self, process: &Process) -> usize {
        self.in_feed_with(process, UNITS).await
    }

    /// The same of a number that it sets to that.
    pub async fn in_feed_with(&self, process: &Process, units: u32) -> usize {
        let most = Some(i64::from(units));
        for number in 0..UNLISTED {
            if process.number(number).await.shown == most && self.shown(number) == Some(5) {
                return number;
            }
        }
        panic!("the feed has none of them");
    }

    /// All feeds are worked on now.
    pub fn work_on_feeds(&self) {
        self.market.with(|account, now| {
            account.settle(now + FEED_TAKES + FEED_TAKES);
        });
    }

    /// Whether every listing shows 50, but the one of that number, which shows so many.
    pub fn shows(&self, number: usize, units: u32) -> bool {
        let should = |one| if one == number { units } else { UNITS };
        (0..UNLISTED).all(|one| self.shown(one) == Some(should(one)))
    }
}

impl Process {
    pub async fn ask(&self, to: EntityId, command: Command) -> Answer {
        let asked = self.node.handle().ask(to, command, by()).await;
        asked.unwrap().answer
    }

    pub async fn adjust(&self, number: usize, delta: i64) {
        let adjust = SkuCommand::Adjust {
            location: reno(),
            delta,
            reason: "sold elsewhere".to_owned(),
        };
        self.ask(sku(number), Command::Sku(adjust)).await;
    }

    /// There are so many of it, and its listing is mapped.
    pub async fn map(&self, number: usize) {
        let define = SkuCommand::Define {
            title: number.to_string(),
            tracking: Tracking::Tracked,
        };
        self.ask(sku(number), Command::Sku(define)).await;
        self.adjust(number, UNITS.into()).await;
        let map = BucketCommand::Map {
            listing: listing(number),
            target: single(number),
        };
        self.ask(bucket(number), Command::Bucket(map)).await;
    }

    async fn set_up(&self, number: usize) {
        self.map(number).await;
        let show = BucketCommand::Show {
            listing: listing(number),
            level: ShownLevel {
                place: place(),
                units: Some(5),
                at: self.node.handle().now(),
            },
            asked_at: None,
        };
        self.ask(bucket(number), Command::Bucket(show)).await;
    }

    pub async fn number(&self, number: usize) -> NumberView {
        let look = Command::Bucket(BucketCommand::LookNumbers);
        let Answer::Numbers(views) = self.ask(bucket(number), look).await else {
            panic!("a bucket says its numbers");
        };
        let mut views = views.into_iter();
        views.find(|view| view.listing == listing(number)).unwrap()
    }

    /// Waits until nothing is to be done about any number that the seller has.
    pub async fn settled(&self) {
        self.settled_while(|| ()).await;
    }

    /// The same, while that goes on.
    pub async fn settled_while(&self, goes_on: impl Fn()) {
        for number in 0..UNLISTED {
            let is_right = async || {
                goes_on();
                self.number(number).await.wrong_since.is_none()
            };
            let is_so = testing::comes_true(is_right).await;
            assert!(is_so, "{:?}", self.number(number).await);
        }
    }
}

fn place() -> SourceId {
    SourceId::new("shop/DEFAULT").unwrap()
}

pub fn bucket(number: usize) -> EntityId {
    EntityId::Bucket(shop_id(), bucket_of(&listing(number)))
}

/// For how long a feed may be open at most: longer than any test lasts, but where one lets that time pass.
pub const OPEN_MAX: Duration = Duration::from_days(2);
