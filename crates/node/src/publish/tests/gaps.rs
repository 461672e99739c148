//! A crash in every gap between the flush of a sale and the channel's confirmation, on either side: after it, the channel
//! comes to show what it should.
//!
//! Each commit that a change leads to is the last one, flushed or not; and each call, carried out or not. The first run in
//! which there is no such commit or call any more is one without a crash.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossdock_channels::Orders;

use super::*;

/// More commits and calls than these come of something that never ends.
const COMMITS_MAX: usize = 30;
const CALLS_MAX: usize = 8;

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gap {
    /// At the commit after so many.
    Commit { after: u64, is_flushed: bool },
    /// At the call after so many.
    Call { after: usize, is_carried_out: bool },
}

/// The shop, as one process reaches it.
struct Door {
    shop: Arc<Shop>,
    journal: Arc<MemoryJournal>,
    is_dead: AtomicBool,
    calls: AtomicUsize,
    gap: Mutex<Option<Gap>>,
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
            Some(Gap::Call {
                after,
                is_carried_out,
            }) if after == before => {
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
        // Where the machine stalls, so does the clock: no call is given up, and no commit made, because of that.
        let time = Arc::new(PausedClock::new(RealClock::default().now()));
        testing::flow(&time);
        let clock: Arc<dyn Clock> = time;
        let door = Arc::new(Door {
            shop: Arc::clone(shop),
            journal: Arc::clone(journal),
            is_dead: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            gap: Mutex::default(),
        });
        let numbers = Arc::clone(&door) as Arc<dyn Numbers>;
        let numbers = (numbers, LIMITS, Duration::from_minutes(60));
        let orders = (Arc::new(Unlisted) as Arc<dyn Orders>, Pace::EASY);
        let link = Arc::new(Link::of(shop_id(), numbers, orders, &clock));
        let publisher = Publisher::new(Arc::clone(&link), Arc::clone(&clock), Arc::default());
        let publishers = Arc::new(Publishers::new([Arc::new(publisher)]));
        let mut options = Options::new(owner);
        options.outbound = Arc::clone(&publishers) as Arc<dyn Outbound>;
        let stored = Arc::clone(journal) as Arc<dyn Journal>;
        let dying = Arc::clone(&door);
        let on_fatal = move |_| dying.die();
        let node = Node::start(stored, clock, Arc::new(Unconnected), options, on_fatal);
        let node = node.await.unwrap();
        let mut tasks = publishers.start(&node.handle(), &CredentialId::new("publisher").unwrap());
        tasks.push(tokio::spawn(read_orders(link, node.handle())));
        Self { node, door, tasks }
    }

    async fn ask(&self, to: EntityId, command: Command) -> Result<Answer, AskError> {
        let asked = self.node.handle().ask(to, command, by()).await;
        asked.map(|reply| reply.answer)
    }

    async fn set_up(&self, writes: Writes) {
        let publishing = Publishing {
            writes,
            call_for: Duration::from_s(2),
            ..publishing()
        };
        for step in connecting("shopify", publishing) {
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
        let is_so = testing::comes_true(async || self.is_right(there).await).await;
        let numbers = (self.number(0).await, self.number(1).await);
        let shown = self.door.shop.books().shown.clone();
        assert!(is_so, "{gap:?}: {there:?}, {shown:?}, {numbers:?}");
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

    /// Whether the shop shows what there is, and both buckets know so: nothing is to be done any more.
    async fn is_done(&self, there: [i64; 2]) -> bool {
        for number in 0..2 {
            let view = self.number(number).await;
            if view.is_none_or(|view| view.wrong_since.is_some()) {
                return false;
            }
        }
        self.is_right(there).await
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

fn bucket(number: usize) -> EntityId {
    EntityId::Bucket(shop_id(), bucket_of(&listing(number)))
}

/// A sale of one SKU and a delivery of another, and a crash there: whether there was such a place before all was done.
async fn crash(writes: Writes, gap: Gap) -> bool {
    let shop = Arc::new(Shop::default());
    for number in 0..2 {
        shop.books().shown.insert(listing(number), 5);
    }
    let journal = Arc::new(MemoryJournal::new(7, Timestamp::from_ms(1)));
    let process = Process::start(&journal, &shop, 1).await;
    process.set_up(writes).await;
    let is_ready = testing::comes_true(async || process.is_done([50, 50]).await).await;
    assert!(is_ready, "{gap:?}");
    let before = [0, 1].map(|number| records(&journal, number));
    process.door.calls.store(0, Ordering::SeqCst);
    *lock(&process.door.gap) = Some(gap);
    if let Gap::Commit { after, is_flushed } = gap {
        journal.fail_after(after, is_flushed);
    }
    let changed = tokio::join!(process.adjust(0, -3), process.adjust(1, 5));
    let is_dead = || process.door.is_dead.load(Ordering::SeqCst);
    let is_over = async || is_dead() || process.is_done([47, 55]).await;
    assert!(testing::comes_true(is_over).await, "{gap:?} never comes");
    if !is_dead() {
        return false;
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
    true
}

/// Crashes at the first place of a kind, at the second, and so on; how many there are.
async fn crash_at_each(writes: Writes, place: impl Fn(usize, bool) -> Gap) -> usize {
    let mut after = 0;
    loop {
        let mut was_there = false;
        for is_done in [false, true] {
            was_there |= crash(writes, place(after, is_done)).await;
        }
        if !was_there {
            return after;
        }
        after += 1;
    }
}

async fn crash_everywhere(writes: Writes) {
    let commits = crash_at_each(writes, |after, is_flushed| Gap::Commit {
        after: after as u64,
        is_flushed,
    });
    let calls = crash_at_each(writes, |after, is_carried_out| Gap::Call {
        after,
        is_carried_out,
    });
    let (commits, calls) = (commits.await, calls.await);
    // A sale, what its bucket heard and began, and what came of that, of two SKUs that share some of it.
    assert!((3..=COMMITS_MAX).contains(&commits), "{commits}");
    assert!((1..=CALLS_MAX).contains(&calls), "{calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_anywhere_is_got_over_where_a_shop_compares() {
    crash_everywhere(Writes::CompareAndSet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_anywhere_is_got_over_where_writes_replace() {
    crash_everywhere(Writes::Absolute).await;
}
