//! A crash in every gap between the flush of a sale and the channel's confirmation, on either side: after it, the channel
//! comes to show what it should.
//!
//! A run without a crash counts the commits and calls that a change leads to. Then each commit is the last one, flushed or
//! not; and each call, carried out or not.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossdock_channels::Orders;
use crossdock_model::answer::NumberView;

use super::*;

/// Time in which it comes right.
const BOUND: Wait = Wait::from_secs(30);
const PAUSE: Wait = Wait::from_millis(10);

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gap {
    Nowhere,
    /// At the commit after so many.
    Commit {
        after: u64,
        is_flushed: bool,
    },
    /// At the call after so many.
    Call {
        after: usize,
        is_carried_out: bool,
    },
}

/// The shop, as one process reaches it.
struct Door {
    shop: Arc<Shop>,
    journal: Arc<MemoryJournal>,
    is_dead: AtomicBool,
    calls: AtomicUsize,
    gap: Mutex<Gap>,
}

impl Door {
    fn die(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        self.journal.fail_after(0, false);
    }

    fn reach<T: Send + 'static>(&self, call: impl FnOnce() -> Calling<T>) -> Calling<T> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        let before = self.calls.fetch_add(1, Ordering::SeqCst);
        match *lock(&self.gap) {
            Gap::Call {
                after,
                is_carried_out,
            } if after == before => {
                if is_carried_out {
                    drop(call());
                }
                self.die();
                Box::pin(std::future::pending())
            }
            _ => call(),
        }
    }
}

impl Numbers for Door {
    fn set(&self, numbers: Vec<NumberSet>) -> Calling<SetOutcome> {
        self.reach(|| self.shop.set(numbers))
    }

    fn read(&self, numbers: Vec<(ListingId, SourceId)>) -> Calling<Option<NumberShown>> {
        self.reach(|| self.shop.read(numbers))
    }
}

/// One process. What it still does when it is over reaches nobody.
struct Process {
    node: Node,
    door: Arc<Door>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.door.is_dead.store(true, Ordering::SeqCst);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Process {
    async fn start(journal: &Arc<MemoryJournal>, shop: &Arc<Shop>, owner: u128) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let door = Arc::new(Door {
            shop: Arc::clone(shop),
            journal: Arc::clone(journal),
            is_dead: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            gap: Mutex::new(Gap::Nowhere),
        });
        let numbers = Arc::clone(&door) as Arc<dyn Numbers>;
        let numbers = (numbers, LIMITS, Duration::from_minutes(60));
        let orders = (Arc::new(Unlisted) as Arc<dyn Orders>, Pace::EASY);
        let link = Arc::new(Link::of(shop_id(), numbers, orders, &clock));
        let publisher = Publisher::new(link, Arc::clone(&clock));
        let publishers = Arc::new(Publishers::new([Arc::new(publisher)]));
        let mut options = Options::new(owner);
        options.outbound = Arc::clone(&publishers) as Arc<dyn Outbound>;
        let stored = Arc::clone(journal) as Arc<dyn Journal>;
        let dying = Arc::clone(&door);
        let on_fatal = move |_| dying.die();
        let node = Node::start(stored, clock, Arc::new(Unconnected), options, on_fatal);
        let node = node.await.unwrap();
        let mut tasks = publishers.start(&node.handle(), &CredentialId::new("publisher").unwrap());
        tasks.push(tokio::spawn(read_orders(node.handle())));
        Self { node, door, tasks }
    }

    async fn ask(&self, to: EntityId, command: Command) -> Result<Answer, AskError> {
        let asked = self.node.handle().ask(to, command, by()).await;
        asked.map(|reply| reply.answer)
    }

    async fn set_up(&self, writes: Writes) {
        for step in connecting(writes) {
            let channel = EntityId::Channel(shop_id());
            self.ask(channel, Command::Channel(step)).await.unwrap();
        }
        for number in 0..2 {
            let define = SkuCommand::Define {
                title: number.to_string(),
                tracking: Tracking::Tracked,
            };
            let map = BucketCommand::Map {
                listing: listing(number),
                target: single(number),
            };
            let done = self.ask(sku(number), Command::Sku(define)).await;
            done.unwrap();
            self.adjust(number, 50).await.unwrap();
            let done = self.ask(bucket(number), Command::Bucket(map)).await;
            done.unwrap();
        }
    }

    async fn adjust(&self, number: usize, delta: i64) -> Result<Answer, AskError> {
        let adjust = SkuCommand::Adjust {
            location: reno(),
            delta,
            reason: "sold, or come in".to_owned(),
        };
        self.ask(sku(number), Command::Sku(adjust)).await
    }

    async fn number(&self, number: usize) -> Option<NumberView> {
        let look = Command::Bucket(BucketCommand::LookNumbers);
        let Ok(Answer::Numbers(views)) = self.ask(bucket(number), look).await else {
            return None;
        };
        let mut views = views.into_iter();
        views.find(|view| view.listing == listing(number))
    }

    /// Waits until the shop shows what there is. Nobody asks the SKUs: they speak of their own accord.
    async fn comes_right(&self, gap: Gap, there: [i64; 2]) {
        let started = std::time::Instant::now();
        while !self.is_right(there).await {
            let numbers = (self.number(0).await, self.number(1).await);
            assert!(started.elapsed() < BOUND, "{gap:?}: {there:?}, {numbers:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn is_right(&self, there: [i64; 2]) -> bool {
        for (number, there) in there.into_iter().enumerate() {
            let shows = self.door.shop.books().shown.get(&listing(number)).copied();
            let should = self.number(number).await.and_then(|view| view.should);
            let should = should.map(i64::from);
            // What may be sold unseen is taken off, and no more than that.
            let is_of = should.is_some_and(|should| (there - 2..=there).contains(&should));
            if shows != should || !is_of {
                return false;
            }
        }
        true
    }
}

/// Records of a SKU.
fn records(journal: &MemoryJournal, number: usize) -> usize {
    let entity = sku(number);
    let frames = journal.read(entity.shard(), 0, usize::MAX).unwrap();
    let frames = frames.iter();
    frames
        .filter(|stored| stored.frame.entity == entity)
        .count()
}

fn connecting(writes: Writes) -> [ChannelCommand; 3] {
    let settings = ChannelSettings {
        connector: "shopify".to_owned(),
        sale: Sale::AlreadySold,
        map_by_sku: true,
    };
    let publishing = Publishing {
        writes,
        ..publishing()
    };
    [
        ChannelCommand::Connect(settings),
        ChannelCommand::PublishAs(Box::new(publishing)),
        ChannelCommand::SetMode(ChannelMode::Active),
    ]
}

fn bucket(number: usize) -> EntityId {
    EntityId::Bucket(shop_id(), bucket_of(&listing(number)))
}

/// All orders are read up to now, all the time.
async fn read_orders(handle: Handle) {
    loop {
        tokio::time::sleep(PAUSE).await;
        for number in 0..2 {
            let up_to = handle.now();
            let prove = Command::Bucket(BucketCommand::Prove { up_to });
            let _ = handle.ask(bucket(number), prove, by()).await;
        }
    }
}

/// A sale of one SKU and a delivery of another, and a crash there. What that led to without one: commits, calls.
async fn crash(writes: Writes, gap: Gap) -> (u64, usize) {
    let shop = Arc::new(Shop::default());
    for number in 0..2 {
        shop.books().shown.insert(listing(number), 5);
    }
    let journal = Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)));
    let process = Process::start(&journal, &shop, 1).await;
    process.set_up(writes).await;
    process.comes_right(gap, [50, 50]).await;
    let commits = journal.commits();
    let before = [0, 1].map(|number| records(&journal, number));
    process.door.calls.store(0, Ordering::SeqCst);
    *lock(&process.door.gap) = gap;
    if let Gap::Commit { after, is_flushed } = gap {
        journal.fail_after(after, is_flushed);
    }
    let changed = tokio::join!(process.adjust(0, -3), process.adjust(1, 5));
    if gap == Gap::Nowhere {
        process.comes_right(gap, [47, 55]).await;
        let calls = process.door.calls.load(Ordering::SeqCst);
        return (journal.commits() - commits, calls);
    }
    let started = std::time::Instant::now();
    while !process.door.is_dead.load(Ordering::SeqCst) {
        // Both numbers went in one call: there is no later one.
        if matches!(gap, Gap::Call { after: 1.., .. }) && process.is_right([47, 55]).await {
            return (0, 0);
        }
        assert!(started.elapsed() < BOUND, "{gap:?} never comes");
        tokio::time::sleep(PAUSE).await;
    }
    drop(process);
    journal.reopen();
    // What is not in the journal did not happen; what was answered is.
    let is_durable = |number: usize| records(&journal, number) > before[number];
    assert!(is_durable(0) || changed.0.is_err());
    assert!(is_durable(1) || changed.1.is_err());
    let there = |number, after| if is_durable(number) { after } else { 50 };
    let process = Process::start(&journal, &shop, 2).await;
    process.comes_right(gap, [there(0, 47), there(1, 55)]).await;
    (0, 0)
}

async fn crash_everywhere(writes: Writes) {
    let (commits, calls) = crash(writes, Gap::Nowhere).await;
    assert!(commits >= 3 && calls >= 1, "{commits}, {calls}");
    for after in 0..commits {
        for is_flushed in [false, true] {
            crash(writes, Gap::Commit { after, is_flushed }).await;
        }
    }
    for after in 0..calls {
        for is_carried_out in [false, true] {
            let gap = Gap::Call {
                after,
                is_carried_out,
            };
            crash(writes, gap).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_anywhere_is_got_over_where_a_shop_compares() {
    crash_everywhere(Writes::CompareAndSet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_anywhere_is_got_over_where_writes_replace() {
    crash_everywhere(Writes::Absolute).await;
}
