//! The inbox: deliveries are stored raw, answered from that alone, and worked on afterwards.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use crossdock_journal::{InboxId, InboxInsert, InboxRow, InboxState};
use crossdock_model::ShardId;
use tokio::sync::{Notify, oneshot};

use crate::ask::AskError;
use crate::shared::Shared;

/// Deliveries that may wait to be stored.
const STORING_MAX: usize = 8192;
/// Deliveries kept in memory to be worked on; the rest is found in the journal by its state.
const READY_MAX: usize = 16_384;
/// How often open deliveries are looked up in the journal.
const SWEEP: Wait = Wait::from_secs(10);

#[derive(Default)]
struct Ready {
    rows: VecDeque<InboxRow>,
    /// Deliveries that are in `rows` or being worked on.
    taken: HashSet<InboxId>,
    /// Some open rows may be in the journal only.
    incomplete: bool,
}

/// Deliveries to be worked on.
#[derive(Default)]
pub(crate) struct Inbox {
    ready: Mutex<Ready>,
    filled: Notify,
}

impl Inbox {
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
            if ready.rows.len() >= READY_MAX {
                ready.incomplete = true;
            } else if ready.taken.insert(row.delivery.id.clone()) {
                ready.rows.push_back(row);
            }
        }
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
        self.lock().taken.remove(id);
    }
}

/// Finds open deliveries in the journal by their state, until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut first = true;
    while !shared.is_stopping() {
        if std::mem::take(&mut first) || std::mem::take(&mut shared.inbox.lock().incomplete) {
            sweep(&shared).await;
        }
        tokio::time::sleep(SWEEP).await;
        shared.inbox.lock().incomplete = true;
    }
}

async fn sweep(shared: &Arc<Shared>) {
    let sweeper = Arc::clone(shared);
    let found = tokio::task::spawn_blocking(move || {
        for shard in ShardId::all() {
            let room = READY_MAX.saturating_sub(sweeper.inbox.lock().rows.len());
            if room == 0 {
                break;
            }
            sweeper.inbox.offer(
                sweeper
                    .journal
                    .inbox(shard, InboxState::Open, room.min(1024))?,
            );
        }
        Ok::<_, crossdock_journal::JournalError>(())
    })
    .await;
    if let Ok(Err(error)) = found {
        tracing::error!(%error, "open deliveries cannot be read; tried again with the next sweep");
    }
}
