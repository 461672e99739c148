//! A seller's account, of whose orders Amazon sends most.

use std::time::Duration as Wait;

use crossdock_channels::amazon::{Operation, Rates, Seller};
use crossdock_sim::amazon::{self, Listing, Market};
use tokio::net::TcpListener;

use super::*;
use crate::rates::AccountRates;
use crate::testing::is_open;

/// Orders of a list that has more pages than may be read at once.
const MANY: usize = 600;

struct Account {
    market: Arc<Market>,
    rates: Arc<AccountRates>,
    time: Arc<PausedClock>,
    node: Node,
    tasks: Vec<JoinHandle<()>>,
}

impl Account {
    async fn start() -> Self {
        let time = Arc::new(PausedClock::new(RealClock::default().now()));
        testing::flow(&time);
        let clock = Arc::clone(&time) as Arc<dyn Clock>;
        let options = amazon::Options::default();
        let market = Market::new(options.clone(), Arc::clone(&clock));
        market.with(|account, _| {
            account.list("TEE", Listing::of_seller("tee", 900, 50));
            let lamp = Listing {
                amazon_ships: true,
                ..Listing::of_seller("lamp", 900, 10_000)
            };
            account.list("LAMP", lamp);
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(amazon::serve(listener, Arc::clone(&market)));
        let rates = AccountRates::new(&clock);
        let now = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now())
        };
        let account = options.account(&endpoint, Wait::from_secs(20));
        let seller = Seller::new(account, now, Arc::clone(&rates) as Arc<dyn Rates>).unwrap();
        let pace = Pace {
            every: Duration::from_minutes(3),
            pause: Duration::from_s(5),
            late: Duration::from_minutes(2),
            unread_after: Duration::from_minutes(15),
            ..Pace::EASY
        };
        let limits = DeskLimits {
            batch_max: 1,
            calls_max: 1,
            cost: 1,
            reads_max: 1,
            read_cost: 1,
        };
        let numbers = Arc::new(seller.clone()) as Arc<dyn Numbers>;
        let numbers = (numbers, limits, Duration::from_minutes(60));
        let orders = (Arc::new(seller) as Arc<dyn Orders>, pace);
        let mut link = Link::of(channel(), numbers, orders, &clock);
        link.orders.list = rates.spend(Operation::SearchOrders);
        let links: Links = Arc::new(BTreeMap::from([(channel(), Arc::new(link))]));
        let node = Node::start(
            Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1))) as Arc<dyn Journal>,
            Arc::clone(&clock),
            Arc::new(Unconnected),
            Options::new(1),
            |_| {},
        );
        let node = node.await.unwrap();
        ingest::start(&node.handle(), &ingest::Ways::default(), &links, None);
        let principal = CredentialId::new("test").unwrap();
        let tasks = start(&links, &node.handle(), &clock, &principal);
        let account = Self {
            market,
            rates,
            time,
            node,
            tasks,
        };
        account.connect().await;
        account
    }

    async fn connect(&self) {
        let settings = ChannelSettings {
            connector: "amazon".to_owned(),
            sale: Sale::AlreadySold,
            map_by_sku: false,
        };
        let connect = Command::Channel(ChannelCommand::Connect(settings));
        self.ask(EntityId::Channel(channel()), connect).await;
        for id in ["TEE", "LAMP"] {
            let define = SkuCommand::Define {
                title: id.to_owned(),
                tracking: Tracking::Tracked,
            };
            self.ask(EntityId::Sku(sku(id)), Command::Sku(define)).await;
            let map = BucketCommand::Map {
                listing: listing(id),
                target: ListingTarget::Sku {
                    sku: sku(id),
                    multiplier: 1,
                },
            };
            let bucket = EntityId::Bucket(channel(), bucket_of(&listing(id)));
            self.ask(bucket, Command::Bucket(map)).await;
        }
    }

    async fn ask(&self, to: EntityId, command: Command) {
        let by = By::new(CredentialId::new("test").unwrap());
        self.node.handle().ask(to, command, by).await.unwrap();
    }

    fn buy(&self, sku: &str) -> String {
        let bought = self.market.with(|account, now| account.buy(sku, 1, now));
        bought.unwrap()
    }

    /// So many more lists may be asked for at once.
    fn allow(&self, lists: u32) {
        let purse = self.rates.purse(Operation::SearchOrders);
        purse.correct(lists, self.time.now());
    }

    /// Waits until an order is known, while time passes by leaps.
    async fn is_known(&self, id: &str, leap: Duration) {
        let known = async || {
            self.time.advance(leap);
            self.node.handle().read(order(id)).await.is_ok()
        };
        testing::until(&format!("order {id} is known"), known).await;
    }
}

/// What Amazon sends would take more lists than are left: what the seller has to send is read in the next two, and the rest
/// once there are more.
#[tokio::test(flavor = "multi_thread")]
async fn many_orders_that_amazon_sends_keep_no_other_waiting() {
    let account = Account::start().await;
    // The first list is behind it.
    let first = account.buy("TEE");
    account.is_known(&first, Duration::from_s(20)).await;
    let theirs: Vec<String> = (0..MANY).map(|_| account.buy("LAMP")).collect();
    let ours = account.buy("TEE");
    account.allow(2);
    account.time.advance(Duration::from_minutes(3));
    account.is_known(&ours, Duration::default()).await;
    let last = theirs.last().unwrap();
    let handle = account.node.handle();
    assert!(handle.read(order(last)).await.is_err());
    account.allow(20);
    account.is_known(last, Duration::from_s(20)).await;
    // What is sold after that.
    account.allow(20);
    let (lamp, tee) = (account.buy("LAMP"), account.buy("TEE"));
    account.is_known(&lamp, Duration::from_s(20)).await;
    account.is_known(&tee, Duration::from_s(20)).await;
    account.node.stop().await;
    account.tasks.iter().for_each(JoinHandle::abort);
}

/// The account's own orders take all lists that it may ask for: that many which Amazon sends are not read is told after an hour,
/// and over once they are.
#[tokio::test(flavor = "multi_thread")]
async fn orders_that_amazon_sends_and_nobody_can_read_are_told() {
    let account = Account::start().await;
    let first = account.buy("TEE");
    account.is_known(&first, Duration::from_s(20)).await;
    let theirs: Vec<String> = (0..MANY).map(|_| account.buy("LAMP")).collect();
    let began = account.time.now();
    let handle = account.node.handle();
    let channel = channel();
    let exception = ("sent_by_channel_unread", channel.as_str(), 1);
    let is_told = async || {
        // What the next list of other orders costs, and nothing beside it.
        account.allow(1);
        account.time.advance(Duration::from_s(20));
        is_open(&handle, Some(&channel), exception).await
    };
    testing::until("it is told that they are not read", is_told).await;
    assert!(account.time.now().since(began) >= Duration::from_minutes(50));
    let last = theirs.last().unwrap();
    assert!(handle.read(order(last)).await.is_err());
    account.allow(20);
    account.is_known(last, Duration::from_s(20)).await;
    let is_over = async || {
        account.allow(20);
        account.time.advance(Duration::from_s(20));
        !is_open(&handle, Some(&channel), exception).await
    };
    testing::until("it is over", is_over).await;
    account.node.stop().await;
    account.tasks.iter().for_each(JoinHandle::abort);
}
