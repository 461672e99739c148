//! The inbox: deliveries are stored raw, answered from that alone, and worked on afterwards.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossdock_journal::{
    InboxId, InboxInsert, InboxRow, InboxState, Inserted, Journal, JournalError,
};
use crossdock_model::{Duration, SHARD_COUNT, ShardId};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, oneshot};

use crate::ask::AskError;
use crate::commit::Stored;
use crate::shared::Shared;

/// Header of a delivery whose id another one with another body has: that id.
pub const CONFLICT_HEADER: &str = "crossdock-conflicts-with";

/// Deliveries that may wait to be stored.
const STORING_MAX: usize = 8192;
/// Bytes of deliveries that may wait to be stored.
const STORING_BYTES_MAX: usize = 64 << 20;
/// Deliveries kept in memory to be worked on; the rest is found in the journal by its state.
const READY_MAX: usize = 16_384;
/// Bytes of deliveries kept in memory to be worked on.
const READY_BYTES_MAX: usize = 64 << 20;
/// Open deliveries of a shard looked up in one sweep, that all shards together fill the memory there is for them.
const OPEN_PAGE: usize = READY_MAX / SHARD_COUNT as usize;
/// Parked deliveries of a shard looked up in one sweep. Each that is tried in vain is parked again and comes behind
/// the others, which the next sweeps find.
const PARKED_PAGE: usize = 256;
/// How often open deliveries are looked up in the journal.
const SWEEP: Duration = Duration::from_s(10);
/// Sweeps for open deliveries to one for parked ones: five minutes.
const SWEEPS_PER_PARKED: u64 = 30;

#[derive(Default)]
struct Ready {
    rows: VecDeque<InboxRow>,
    /// Bytes of the bodies in `rows`.
    bytes: usize,
    /// Deliveries that are in `rows` or being worked on.
    taken: HashSet<InboxId>,
}

impl Ready {
    fn has_room(&self) -> bool {
        self.rows.len() < READY_MAX && self.bytes < READY_BYTES_MAX
    }

    /// Bytes there is room for, if there is any.
    fn bytes_left(&self) -> Option<usize> {
        self.has_room().then(|| READY_BYTES_MAX - self.bytes)
    }

    fn push(&mut self, row: InboxRow) {
        if self.has_room() && self.taken.insert(row.delivery.id.clone()) {
            self.bytes += row.delivery.body.len();
            self.rows.push_back(row);
        }
    }

    fn pop(&mut self) -> Option<InboxRow> {
        let row = self.rows.pop_front()?;
        self.bytes -= row.delivery.body.len();
        Some(row)
    }
}

/// Deliveries that wait to be stored.
#[derive(Default)]
pub(crate) struct Storing {
    rows: VecDeque<(InboxInsert, Stored)>,
    bytes: usize,
}

impl Storing {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes one in, if there is room.
    pub fn push(&mut self, insert: InboxInsert, stored: Stored) -> bool {
        let room = self.rows.len() < STORING_MAX && self.bytes < STORING_BYTES_MAX;
        if room {
            self.bytes += insert.body.len();
            self.rows.push_back((insert, stored));
        }
        room
    }

    /// The oldest, at most so many and, but for the first, so many bytes.
    pub fn take(&mut self, rows_max: usize, bytes_max: usize) -> (Vec<InboxInsert>, Vec<Stored>) {
        let (mut bytes, mut count) = (0, 0);
        for (insert, _) in self.rows.iter().take(rows_max) {
            bytes += insert.body.len();
            if count > 0 && bytes > bytes_max {
                break;
            }
            count += 1;
        }
        let (inserts, stored): (Vec<InboxInsert>, Vec<Stored>) = self.rows.drain(..count).unzip();
        self.bytes -= inserts
            .iter()
            .map(|insert| insert.body.len())
            .sum::<usize>();
        (inserts, stored)
    }
}

/// Deliveries to be worked on.
pub(crate) struct Inbox {
    ready: Mutex<Ready>,
    filled: Notify,
    /// How many are in memory.
    open: Gauge,
}

impl Inbox {
    pub fn new(open: Gauge) -> Self {
        Self {
            ready: Mutex::default(),
            filled: Notify::new(),
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
            let row = InboxRow {
                delivery,
                state: InboxState::Open,
                parked_on: None,
                subject: None,
                attempts: 0,
            };
            self.offer([row]);
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
        self.filled.notify_waiters();
        self.filled.notify_one();
    }

    pub async fn next(&self) -> InboxRow {
        loop {
            let filled = self.filled.notified();
            if let Some(row) = self.lock().pop() {
                return row;
            }
            filled.await;
        }
    }

    /// The delivery is worked on no more.
    pub fn finished(&self, id: &InboxId) {
        let mut ready = self.lock();
        ready.taken.remove(id);
        self.open.set(ready.taken.len() as i64);
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
fn beside(delivery: InboxInsert) -> InboxInsert {
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

/// Finds deliveries in the journal by their state, until the node stops. Parked ones are tried at start as well
/// as now and then: what they wait for may have come in a way that names no delivery, or just before a crash.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut sweeps: u64 = 0;
    let (mut open_first, mut parked_first) = (0, 0);
    while !shared.is_stopping() {
        open_first = sweep(&shared, InboxState::Open, open_first).await;
        if sweeps.is_multiple_of(SWEEPS_PER_PARKED) {
            parked_first = sweep(&shared, InboxState::Parked, parked_first).await;
        }
        sweeps += 1;
        shared.clock.sleep(SWEEP).await;
    }
}

/// Looks up deliveries of all shards from `first` on; the shard to begin with next.
async fn sweep(shared: &Arc<Shared>, state: InboxState, first: usize) -> usize {
    let sweeper = Arc::clone(shared);
    let found = tokio::task::spawn_blocking(move || {
        look_up(&*sweeper.journal, &sweeper.inbox, state, first)
    });
    match found.await {
        Ok(Ok(next)) => next,
        Ok(Err(error)) => {
            tracing::error!(%error, "deliveries cannot be read; tried again with the next sweep");
            first
        }
        Err(_) => first,
    }
}

/// Puts deliveries to work while there is room. The next sweep begins with the shard that found none, so that those
/// of no shard wait for ever behind those of others.
fn look_up(
    journal: &dyn Journal,
    inbox: &Inbox,
    state: InboxState,
    first: usize,
) -> Result<usize, JournalError> {
    let page = match state {
        InboxState::Parked => PARKED_PAGE,
        InboxState::Open | InboxState::Done => OPEN_PAGE,
    };
    let shards = ShardId::all().skip(first).chain(ShardId::all());
    for (shard, looked_up) in shards.zip(0..usize::from(SHARD_COUNT)) {
        let Some(bytes_max) = inbox.lock().bytes_left() else {
            return Ok((first + looked_up) % usize::from(SHARD_COUNT));
        };
        inbox.offer(journal.inbox(shard, state, page, bytes_max)?);
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crossdock_journal::{Batch, MemoryJournal};
    use crossdock_model::{ChannelId, Timestamp};

    fn delivery(number: usize, bytes: usize) -> InboxInsert {
        InboxInsert {
            id: InboxId {
                channel: ChannelId::checked("shop").unwrap(),
                delivery: number.to_string(),
            },
            received_at: Timestamp::default(),
            topic: String::new(),
            headers: Vec::new(),
            body: vec![0; bytes],
        }
    }

    #[test]
    fn large_deliveries_wait_in_few_rows() {
        let mut storing = Storing::default();
        let wait = |storing: &mut Storing, number| {
            storing.push(delivery(number, 1 << 20), oneshot::channel().0)
        };
        let taken = (0..STORING_MAX).take_while(|number| wait(&mut storing, *number));
        assert_eq!(taken.count(), 64);
        assert_eq!(storing.take(1024, 8 << 20).0.len(), 8);
        assert_eq!(storing.take(3, 8 << 20).0.len(), 3);
        assert_eq!(storing.take(1024, 1).0.len(), 1, "one goes, however large");
        assert!(wait(&mut storing, 99), "what was taken makes room");
        assert_eq!(storing.take(1024, usize::MAX).0.len(), 64 - 12 + 1);
        assert_eq!(storing.bytes, 0);
    }

    #[test]
    fn large_deliveries_are_worked_on_in_few_rows() {
        let mut ready = Ready::default();
        for number in 0..100 {
            ready.push(InboxRow {
                delivery: delivery(number, 1 << 20),
                state: InboxState::Open,
                parked_on: None,
                subject: None,
                attempts: 0,
            });
        }
        assert_eq!((ready.rows.len(), ready.taken.len()), (64, 64));
        while ready.pop().is_some() {}
        assert_eq!(ready.bytes, 0);
    }

    /// More than there is room for, none of which is ever done.
    #[test]
    fn deliveries_of_every_shard_are_looked_up_in_turn() {
        const ALL: usize = 150;
        let journal = MemoryJournal::new(1, Timestamp::default());
        let batch = Batch {
            inbox: (0..ALL).map(|number| delivery(number, 1 << 20)).collect(),
            ..Batch::default()
        };
        journal.commit(&batch).unwrap();
        let inbox = Inbox::new(Gauge::default());
        let (mut first, mut seen) = (0, BTreeSet::new());
        for _ in 0..4 {
            first = look_up(&journal, &inbox, InboxState::Open, first).unwrap();
            let mut ready = inbox.lock();
            assert!(ready.rows.len() <= 65);
            while let Some(row) = ready.pop() {
                ready.taken.remove(&row.delivery.id);
                seen.insert(row.delivery.id.shard());
            }
        }
        let all = (0..ALL).map(|number| delivery(number, 0).id.shard());
        assert_eq!(seen, all.collect());
    }
}
