//! The inbox: deliveries are stored raw, answered from that alone, and worked on afterwards.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use crossdock_journal::{InboxId, InboxInsert, InboxRow, InboxState};
use crossdock_model::ShardId;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, oneshot};

use crate::ask::AskError;
use crate::shared::Shared;

/// Deliveries that may wait to be stored.
const STORING_MAX: usize = 8192;
/// Deliveries kept in memory to be worked on; the rest is found in the journal by its state.
const READY_MAX: usize = 16_384;
/// How often open deliveries are looked up in the journal.
const SWEEP: Wait = Wait::from_secs(10);
/// Sweeps for open deliveries to one for parked ones: five minutes.
const SWEEPS_PER_PARKED: u64 = 30;

#[derive(Default)]
struct Ready {
    rows: VecDeque<InboxRow>,
    /// Deliveries that are in `rows` or being worked on.
    taken: HashSet<InboxId>,
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
        if shared.commits.inbox_waiting() >= STORING_MAX {
            shared.metrics.shed.inc();
            return Err(AskError::Overloaded {
                retry_after_ms: 1000,
            });
        }
        let (stored, told) = oneshot::channel();
        shared.commits.push_inbox(delivery.clone(), stored);
        let new = match told.await {
            Ok(Ok(new)) => new,
            Ok(Err(trouble)) => return Err(AskError::Unavailable(trouble)),
            Err(_) => return Err(AskError::Unknown),
        };
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
            if ready.rows.len() < READY_MAX && ready.taken.insert(row.delivery.id.clone()) {
                ready.rows.push_back(row);
            }
        }
        self.open.set(ready.taken.len() as i64);
        drop(ready);
        self.filled.notify_waiters();
        self.filled.notify_one();
    }

    pub async fn next(&self) -> InboxRow {
        loop {
            let filled = self.filled.notified();
            if let Some(row) = self.lock().rows.pop_front() {
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

/// Finds deliveries in the journal by their state, until the node stops. Parked ones are tried at start as well
/// as now and then: what they wait for may have come in a way that names no delivery, or just before a crash.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut sweeps: u64 = 0;
    while !shared.is_stopping() {
        sweep(&shared, InboxState::Open).await;
        if sweeps.is_multiple_of(SWEEPS_PER_PARKED) {
            sweep(&shared, InboxState::Parked).await;
        }
        sweeps += 1;
        tokio::time::sleep(SWEEP).await;
    }
}

async fn sweep(shared: &Arc<Shared>, state: InboxState) {
    let sweeper = Arc::clone(shared);
    let found = tokio::task::spawn_blocking(move || {
        for shard in ShardId::all() {
            let room = READY_MAX.saturating_sub(sweeper.inbox.lock().rows.len());
            if room == 0 {
                break;
            }
            let found = sweeper.journal.inbox(shard, state, room.min(1024))?;
            sweeper.inbox.offer(found);
        }
        Ok::<_, crossdock_journal::JournalError>(())
    })
    .await;
    if let Ok(Err(error)) = found {
        tracing::error!(%error, "deliveries cannot be read; tried again with the next sweep");
    }
}
