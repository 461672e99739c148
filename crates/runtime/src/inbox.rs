//! The inbox: deliveries are stored raw, answered from that alone, and worked on afterwards.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossdock_journal::{
    InboxId, InboxInsert, InboxRow, InboxState, Inserted, Journal, JournalError,
};
use crossdock_model::{ChannelId, Duration, SHARD_COUNT, ShardId};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, oneshot};

use crate::ask::AskError;
use crate::clock::{Clock, within};
use crate::commit::Stored;
use crate::fair::{FairQueue, Room};
use crate::shared::Shared;

/// Header of a delivery whose id another one with another body has: that id.
pub const CONFLICT_HEADER: &str = "crossdock-conflicts-with";

/// Deliveries that may wait to be stored. One channel may have half of it, so that a shop's burst is not shed early.
const STORING: Room = Room {
    rows: 8192,
    bytes: 64 << 20,
    divisor: 1,
};
/// Deliveries kept in memory to be worked on; the rest is found in the journal by its state. One channel may have a
/// quarter of it.
const READY: Room = Room {
    rows: 16_384,
    bytes: 64 << 20,
    divisor: 3,
};
/// Deliveries of one channel that are worked on at once. So many keep the disk busy: one is done after a few flushes. And
/// they are few enough that a channel that is flooded, or whose own API does not answer, leaves workers to others.
pub const CHANNEL_AT_ONCE: usize = 64;
/// Open deliveries of a channel and shard looked up in one sweep, that all shards together fill the memory there is
/// for the channel.
const OPEN_PAGE: usize = READY.rows / (READY.divisor + 1) / SHARD_COUNT as usize;
/// Parked deliveries of a channel and shard looked up in one sweep. Each that is tried in vain is parked again and comes
/// behind the others, which the next sweeps find.
const PARKED_PAGE: usize = 256;
/// How often open deliveries are looked up in the journal.
const SWEEP: Duration = Duration::from_s(10);
/// How often at most, when channels have worked off what they have in memory.
const SWEEP_EARLY: Duration = Duration::from_ms(500);
/// How often parked deliveries are looked up.
const PARKED_SWEEP: Duration = Duration::from_s(300);

/// Deliveries to be worked on that are in memory.
pub struct Ready {
    queue: FairQueue<InboxRow>,
    /// Deliveries that are in `queue` or being worked on.
    taken: HashSet<InboxId>,
    /// How many of a channel are being worked on; none is 0.
    at_work: BTreeMap<ChannelId, usize>,
    /// Channels of which some that were never tried are in the journal only.
    left_out: BTreeSet<ChannelId>,
}

impl Default for Ready {
    fn default() -> Self {
        Self::new(READY)
    }
}

impl Ready {
    /// With that much room.
    #[must_use]
    pub fn new(room: Room) -> Self {
        Self {
            queue: FairQueue::new(room),
            taken: HashSet::new(),
            at_work: BTreeMap::new(),
            left_out: BTreeSet::new(),
        }
    }

    /// Takes one in, unless it is here or being worked on already, or its channel has no room.
    pub fn push(&mut self, row: InboxRow) {
        let id = row.delivery.id.clone();
        if self.taken.contains(&id) {
            return;
        }
        let is_untried = row.attempts == 0;
        if self.queue.push(row) {
            self.taken.insert(id);
        } else if is_untried {
            self.leave_out(id.channel);
        }
    }

    /// Some of the channel that were never tried stay where they are stored.
    pub fn leave_out(&mut self, channel: ChannelId) {
        self.left_out.insert(channel);
    }

    /// The next one, of a channel that has not too many at work.
    pub fn pop(&mut self) -> Option<InboxRow> {
        let row = self.queue.pop(|channel| !is_full(&self.at_work, channel))?;
        let channel = row.delivery.id.channel.clone();
        *self.at_work.entry(channel).or_default() += 1;
        Some(row)
    }

    fn has_next(&self) -> bool {
        let next = self.queue.peek(|channel| !is_full(&self.at_work, channel));
        next.is_some()
    }

    /// Work on one of the channel has ended; whether that lets another of its deliveries go.
    pub fn end(&mut self, channel: &ChannelId) -> bool {
        let was_full = is_full(&self.at_work, channel);
        if let Some(count) = self.at_work.get_mut(channel) {
            *count -= 1;
            if *count == 0 {
                self.at_work.remove(channel);
            }
        }
        was_full
    }

    /// The delivery's mark is written or lost: it may be taken in again.
    pub fn finished(&mut self, id: &InboxId) {
        self.taken.remove(id);
    }

    /// Whether the channel has room for what was left out. Says so once, until some is left out again.
    pub fn wants_more(&mut self, channel: &ChannelId) -> bool {
        self.queue.is_low(channel) && self.left_out.remove(channel)
    }
}

/// Whether the channel has as many at work as it may.
fn is_full(at_work: &BTreeMap<ChannelId, usize>, channel: &ChannelId) -> bool {
    at_work
        .get(channel)
        .is_some_and(|count| *count >= CHANNEL_AT_ONCE)
}

/// Deliveries that wait to be stored.
pub(crate) struct Storing(FairQueue<(InboxInsert, Stored)>);

impl Default for Storing {
    fn default() -> Self {
        Self(FairQueue::new(STORING))
    }
}

impl Storing {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes one in, if its channel has room.
    pub fn push(&mut self, insert: InboxInsert, stored: Stored) -> bool {
        self.0.push((insert, stored))
    }

    /// The next ones, at most so many and, but for the first, so many bytes.
    pub fn take(&mut self, rows_max: usize, bytes_max: usize) -> (Vec<InboxInsert>, Vec<Stored>) {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < rows_max
            && let Some((insert, _)) = self.0.peek(|_| true)
        {
            bytes += insert.body.len();
            if bytes > bytes_max && !taken.is_empty() {
                break;
            }
            taken.extend(self.0.pop(|_| true));
        }
        taken.into_iter().unzip()
    }
}

/// Whether a delivery may be parked, for those who would have to look into the journal to know.
struct Parked {
    /// How many were parked by this process.
    count: AtomicU64,
    /// The count with which none was found.
    none_at: AtomicU64,
}

impl Default for Parked {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            none_at: AtomicU64::new(u64::MAX),
        }
    }
}

/// Deliveries to be worked on.
pub(crate) struct Inbox {
    ready: Mutex<Ready>,
    /// One can be worked on: whoever takes it passes it on if there is another.
    filled: Notify,
    /// A channel has room for what it has in the journal.
    drained: Notify,
    parked: Parked,
    /// How many are in memory.
    open: Gauge,
}

/// A delivery that is being worked on. Dropped, it lets another one of its channel go.
pub struct AtWork {
    row: InboxRow,
    shared: Arc<Shared>,
}

impl Deref for AtWork {
    type Target = InboxRow;

    fn deref(&self) -> &InboxRow {
        &self.row
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.shared.inbox.ended(&self.row.delivery.id.channel);
    }
}

impl Inbox {
    pub fn new(open: Gauge) -> Self {
        Self {
            ready: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            parked: Parked::default(),
            open,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn receive(&self, shared: &Shared, delivery: InboxInsert) -> Result<bool, AskError> {
        let mut delivery = delivery;
        let mut stored = store(shared, &delivery).await?;
        if stored == Inserted::Conflict {
            delivery = beside(delivery);
            stored = store(shared, &delivery).await?;
        }
        let new = stored == Inserted::New;
        if new {
            shared.metrics.deliveries.inc();
            self.offer([InboxRow::new(delivery)]);
        }
        Ok(new)
    }

    /// Puts rows to work, unless they are at work already.
    pub fn offer(&self, rows: impl IntoIterator<Item = InboxRow>) {
        let mut ready = self.lock();
        for row in rows {
            ready.push(row);
        }
        self.open.set(ready.taken.len() as i64);
        drop(ready);
        self.filled.notify_one();
    }

    pub async fn next(&self, shared: &Arc<Shared>) -> AtWork {
        loop {
            let filled = self.filled.notified();
            if let Some(row) = self.take() {
                let shared = Arc::clone(shared);
                return AtWork { row, shared };
            }
            filled.await;
        }
    }

    fn take(&self) -> Option<InboxRow> {
        let mut ready = self.lock();
        let row = ready.pop()?;
        let wants_more = ready.wants_more(&row.delivery.id.channel);
        let has_next = ready.has_next();
        drop(ready);
        if has_next {
            self.filled.notify_one();
        }
        if wants_more {
            self.drained.notify_one();
        }
        Some(row)
    }

    /// The delivery is worked on no more.
    pub fn finished(&self, id: &InboxId) {
        let mut ready = self.lock();
        ready.finished(id);
        self.open.set(ready.taken.len() as i64);
    }

    /// One is parked, durably. Whoever is told of it tries that delivery once more: what it waits for may just have come.
    pub fn note_parked(&self) {
        self.parked.count.fetch_add(1, Ordering::SeqCst);
    }

    /// How many were parked, for [`Inbox::note_none_parked`]. Nothing: none is.
    pub fn may_be_parked(&self) -> Option<u64> {
        let count = self.parked.count.load(Ordering::SeqCst);
        (self.parked.none_at.load(Ordering::SeqCst) != count).then_some(count)
    }

    /// None is parked in the journal, as it was read after so many had been parked.
    pub fn note_none_parked(&self, count: u64) {
        self.parked.none_at.store(count, Ordering::SeqCst);
    }

    fn ended(&self, channel: &ChannelId) {
        if self.lock().end(channel) {
            self.filled.notify_one();
        }
    }
}

async fn store(shared: &Shared, delivery: &InboxInsert) -> Result<Inserted, AskError> {
    let (stored, told) = oneshot::channel();
    if !shared.commits.push_inbox(delivery.clone(), stored) {
        shared.metrics.shed.inc();
        return Err(AskError::Overloaded {
            retry_after_ms: 1000,
        });
    }
    match told.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(trouble)) => Err(AskError::Unavailable(trouble)),
        Err(_) => Err(AskError::Unknown),
    }
}

/// A delivery whose id another one has, under an id that its body makes its own. It says so in a header: whoever
/// works on it tells people of it.
#[must_use]
pub fn beside(delivery: InboxInsert) -> InboxInsert {
    let InboxId {
        channel,
        delivery: taken,
    } = delivery.id;
    let hash = crate::ask::body_hash(&delivery.body);
    let mut headers = delivery.headers;
    headers.push((CONFLICT_HEADER.to_owned(), taken.clone()));
    InboxInsert {
        id: InboxId {
            channel,
            delivery: format!("{taken}~{hash:016x}"),
        },
        headers,
        ..delivery
    }
}

/// The shard that each channel's next sweep begins with.
type Firsts = BTreeMap<ChannelId, usize>;

/// Finds deliveries in the journal by their state, until the node stops. Parked ones are tried at start as well
/// as now and then: what they wait for may have come in a way that names no delivery, or just before a crash.
pub(crate) async fn run(shared: Arc<Shared>) {
    let (mut open, mut parked) = (Firsts::new(), Firsts::new());
    let mut parked_due_at = shared.clock.now();
    while !shared.is_stopping() {
        sweep(&shared, InboxState::Open, &mut open).await;
        if shared.clock.now() >= parked_due_at {
            parked_due_at = shared.clock.now() + PARKED_SWEEP;
            sweep(&shared, InboxState::Parked, &mut parked).await;
        }
        until_due(&*shared.clock, &shared.inbox).await;
    }
}

/// Until the next sweep is due: early, once a channel has room for what it has in the journal.
async fn until_due(clock: &dyn Clock, inbox: &Inbox) {
    let early = async {
        clock.sleep(SWEEP_EARLY).await;
        inbox.drained.notified().await;
    };
    within(clock, SWEEP, early).await;
}

/// Looks up deliveries of all channels.
async fn sweep(shared: &Arc<Shared>, state: InboxState, firsts: &mut Firsts) {
    let (sweeper, from) = (Arc::clone(shared), firsts.clone());
    let found = shared
        .threads
        .spawn_blocking(move || look_up(&*sweeper.journal, &sweeper.inbox, state, &from));
    match found.await {
        Ok(Ok(next)) => *firsts = next,
        Ok(Err(error)) => {
            tracing::error!(%error, "deliveries cannot be read; tried again with the next sweep");
        }
        Err(_) => {}
    }
}

/// Puts deliveries to work, each channel's while it has room; where each begins the next time.
fn look_up(
    journal: &dyn Journal,
    inbox: &Inbox,
    state: InboxState,
    firsts: &Firsts,
) -> Result<Firsts, JournalError> {
    let channels = journal.inbox_channels(state)?.into_iter();
    let looked_up = channels.map(|channel| {
        let first = firsts.get(&channel).copied().unwrap_or(0);
        let next = look_up_channel(journal, inbox, state, &channel, first)?;
        Ok((channel, next))
    });
    looked_up.collect()
}

/// Puts deliveries of a channel to work while there is room. The next sweep begins with the shard that found none, so
/// that those of no shard wait for ever behind those of others.
fn look_up_channel(
    journal: &dyn Journal,
    inbox: &Inbox,
    state: InboxState,
    channel: &ChannelId,
    first: usize,
) -> Result<usize, JournalError> {
    let page = match state {
        InboxState::Parked => PARKED_PAGE,
        InboxState::Open | InboxState::Done => OPEN_PAGE,
    };
    let shards = ShardId::all().skip(first).chain(ShardId::all());
    for (shard, looked_up) in shards.zip(0..usize::from(SHARD_COUNT)) {
        let Some(bytes_max) = inbox.lock().queue.bytes_left(channel) else {
            return Ok((first + looked_up) % usize::from(SHARD_COUNT));
        };
        let rows = journal.inbox(shard, state, channel, page, bytes_max)?;
        let bytes: usize = rows.iter().map(|row| row.delivery.body.len()).sum();
        let is_cut = rows.len() == page || bytes >= bytes_max;
        // Those that were tried are last: with them there is no hurry.
        if is_cut && rows.last().is_some_and(|row| row.attempts == 0) {
            inbox.lock().leave_out(channel.clone());
        }
        inbox.offer(rows);
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_journal::{Batch, MemoryJournal};
    use crossdock_model::Timestamp;

    use crate::PausedClock;

    const SHOP: &str = "shop";

    fn delivery(channel: &str, number: usize, bytes: usize) -> InboxInsert {
        InboxInsert {
            id: InboxId {
                channel: ChannelId::checked(channel).unwrap(),
                delivery: number.to_string(),
            },
            received_at: Timestamp::default(),
            topic: String::new(),
            headers: Vec::new(),
            body: vec![0; bytes],
        }
    }

    fn row(channel: &str, number: usize, bytes: usize) -> InboxRow {
        InboxRow {
            delivery: delivery(channel, number, bytes),
            state: InboxState::Open,
            parked_on: None,
            subject: None,
            attempts: 0,
        }
    }

    fn journal(deliveries: Vec<InboxInsert>) -> MemoryJournal {
        let journal = MemoryJournal::new(1, Timestamp::default());
        let batch = Batch {
            inbox: deliveries,
            ..Batch::default()
        };
        journal.commit(&batch).unwrap();
        journal
    }

    /// Works on all there is in memory; which they were.
    fn work(inbox: &Inbox) -> Vec<InboxId> {
        let mut worked = Vec::new();
        while let Some(row) = inbox.take() {
            let id = row.delivery.id;
            inbox.finished(&id);
            inbox.ended(&id.channel);
            worked.push(id);
        }
        worked
    }

    #[test]
    fn large_deliveries_wait_in_few_rows() {
        let mut storing = Storing::default();
        let wait = |storing: &mut Storing, channel, number| {
            storing.push(delivery(channel, number, 1 << 20), oneshot::channel().0)
        };
        let fill = |storing: &mut Storing, channel| {
            let taken = (0..STORING.rows).take_while(|number| wait(storing, channel, *number));
            taken.count()
        };
        // One alone takes half of the room, the next half of what is left.
        let filled = ["one", "two"].map(|channel| fill(&mut storing, channel));
        assert_eq!(filled, [32, 16]);
        assert_eq!(storing.take(1024, 8 << 20).0.len(), 8);
        assert_eq!(storing.take(3, 8 << 20).0.len(), 3);
        assert_eq!(storing.take(1024, 1).0.len(), 1, "one goes, however large");
        assert!(wait(&mut storing, "two", 99), "what was taken makes room");
        assert_eq!(storing.take(1024, usize::MAX).0.len(), 48 - 12 + 1);
        assert!(storing.is_empty());
    }

    #[test]
    fn one_of_another_channel_is_stored_with_the_next_batch() {
        let mut storing = Storing::default();
        let wait = |storing: &mut Storing, channel, number| {
            storing.push(delivery(channel, number, 1), oneshot::channel().0)
        };
        let mut numbers = 0..STORING.rows;
        let flood = numbers.find(|number| !wait(&mut storing, SHOP, *number));
        assert_eq!(flood, Some(STORING.rows / 2), "the others' room is left");
        assert!(wait(&mut storing, "till", 1));
        let next = storing.take(2, usize::MAX).0;
        assert!(next.iter().any(|one| one.id.channel.as_str() == "till"));
    }

    #[test]
    fn large_deliveries_are_worked_on_in_few_rows() {
        let mut ready = Ready::default();
        for number in 0..100 {
            ready.push(row(SHOP, number, 1 << 20));
        }
        assert_eq!((ready.queue.len(), ready.taken.len()), (16, 16));
        while ready.pop().is_some() {}
        assert!(ready.queue.is_empty());
    }

    #[test]
    fn a_flooded_channel_leaves_workers_to_others() {
        let inbox = Inbox::new(Gauge::default());
        inbox.offer((0..READY.rows).map(|number| row(SHOP, number, 1)));
        inbox.offer([row("till", 1, 1)]);
        let next = [0; 2].map(|_| inbox.take().unwrap().delivery.id.channel);
        assert!(next.iter().any(|channel| channel.as_str() == "till"));
        let mut at_work = 1;
        while inbox.take().is_some() {
            at_work += 1;
        }
        assert_eq!(at_work, CHANNEL_AT_ONCE);
        inbox.offer([row("till", 2, 1)]);
        assert_eq!(inbox.take().unwrap().delivery.id.channel.as_str(), "till");
        let shop = ChannelId::checked(SHOP).unwrap();
        inbox.ended(&shop);
        let next = inbox.take().unwrap().delivery.id;
        assert_eq!(next.delivery, CHANNEL_AT_ONCE.to_string(), "in their order");
        assert!(inbox.take().is_none());
    }

    /// More than there is room for, none of which is ever done.
    #[test]
    fn deliveries_of_every_shard_are_looked_up_in_turn() {
        // Two and a half times what each has room for.
        const ALL: [(&str, usize); 2] = [(SHOP, 40), ("till", 30)];
        let all = || {
            let of = |(channel, count)| (0..count).map(move |one| delivery(channel, one, 1 << 20));
            ALL.into_iter().flat_map(of)
        };
        let journal = journal(all().collect());
        let inbox = Inbox::new(Gauge::default());
        let (mut firsts, mut seen) = (Firsts::new(), BTreeSet::new());
        for _ in 0..4 {
            firsts = look_up(&journal, &inbox, InboxState::Open, &firsts).unwrap();
            assert!(inbox.lock().queue.len() <= 16 + 12);
            let worked = work(&inbox).into_iter();
            seen.extend(worked.map(|id| (id.shard(), id.channel)));
        }
        assert_eq!(
            seen,
            all().map(|one| (one.id.shard(), one.id.channel)).collect()
        );
    }

    /// A channel has more than there is room for in one shard, all of it older than what others have.
    #[test]
    fn a_flooded_channel_hides_no_other_in_the_journal() {
        let shard = delivery("till", 0, 0).id.shard();
        let of = |channel, bytes| {
            let all = (0..).map(move |number| delivery(channel, number, bytes));
            all.filter(|one| one.id.shard() == shard)
        };
        let flood: Vec<_> = of(SHOP, 1 << 20).take(40).collect();
        let others = || of("till", 1).take(2).chain(of("cafe", 1).take(1));
        let journal = journal(flood.iter().cloned().chain(others()).collect());
        let inbox = Inbox::new(Gauge::default());
        let firsts = look_up(&journal, &inbox, InboxState::Open, &Firsts::new()).unwrap();
        let shop = flood[0].id.channel.clone();
        assert_eq!(inbox.lock().left_out, BTreeSet::from([shop]));
        let seen: BTreeSet<_> = work(&inbox).into_iter().collect();
        let all_others: BTreeSet<_> = others().map(|one| one.id).collect();
        assert!(seen.is_superset(&all_others), "{seen:?}");
        assert_eq!(seen.len(), all_others.len() + OPEN_PAGE);
        assert_eq!(firsts.len(), 3);
    }

    #[test]
    fn what_was_left_out_is_asked_for_once_most_is_worked_off() {
        let inbox = Inbox::new(Gauge::default());
        let tried = InboxRow {
            attempts: 1,
            ..row("till", 1, 17 << 20)
        };
        inbox.offer((0..20).map(|number| row(SHOP, number, 1 << 20)));
        inbox.offer([row("till", 0, 17 << 20), tried]);
        let shop = ChannelId::checked(SHOP).unwrap();
        assert_eq!(inbox.lock().left_out, BTreeSet::from([shop.clone()]));
        let (mut ready, mut asked) = (inbox.lock(), Vec::new());
        while let Some(row) = ready.pop() {
            if ready.wants_more(&row.delivery.id.channel) {
                asked.push(row.delivery.id);
            }
        }
        let channels: Vec<_> = asked.iter().map(|id| &id.channel).collect();
        assert_eq!(channels, [&shop], "{asked:?}");
        let number: usize = asked[0].delivery.parse().unwrap();
        assert!((4..12).contains(&number), "{asked:?}");
    }

    #[tokio::test]
    async fn the_journal_is_looked_up_early_where_it_has_more() {
        // (deliveries of a megabyte, time that passes once they are worked off, whether the journal is looked up)
        for (count, passed, is_due) in [
            (16, Duration::from_ms(499), false),
            (17, Duration::from_ms(499), false),
            (16, SWEEP_EARLY, false),
            (17, SWEEP_EARLY, true),
            (16, SWEEP, true),
        ] {
            let (clock, inbox) = (
                PausedClock::new(Timestamp::default()),
                Inbox::new(Gauge::default()),
            );
            let due = until_due(&clock, &inbox);
            tokio::pin!(due);
            let mut is_over = async || {
                tokio::select! {
                    biased;
                    () = &mut due => true,
                    () = std::future::ready(()) => false,
                }
            };
            assert!(!is_over().await);
            inbox.offer((0..count).map(|number| row(SHOP, number, 1 << 20)));
            assert_eq!(work(&inbox).len(), 16);
            clock.advance(passed);
            assert_eq!(is_over().await, is_due, "{count} {passed:?}");
        }
    }
}
