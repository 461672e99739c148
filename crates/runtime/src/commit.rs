//! The committer: one transaction and one flush for whatever waits. It has a thread, but where there are none
//! ([`task`]).

pub(crate) mod task;
mod write;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use crossdock_engine::{Batch, Committer, Completed, Handed, Release, Step};
use crossdock_journal::{InboxInsert, InboxMark, Inserted, JournalError, OwnerId, VaultWrite};
use crossdock_model::{Duration, SHARD_COUNT, ShardId, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::ask::Caller;
use crate::busy::Busy;
use crate::inbox::Storing;
use crate::leaving;
use crate::node::{Company, Options};
use crate::shared::Shared;
use crate::takeover::Taken;
use crate::threads::Threads;

use self::write::{Written, write};

/// Steps of one commit at most.
const BATCH_STEPS_MAX: usize = 4096;
/// Bytes of one commit at most.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// Inbox rows of one commit at most. Each is compressed and sealed: of a flood no more than what takes some milliseconds, as
/// all that is in the same commit waits for it.
const BATCH_INBOX_MAX: usize = 256;
/// Pause after the disk was full, before the next try.
const FULL_PAUSE: Wait = Wait::from_millis(250);
/// How long work is refused after a write failed. Then some is let in again to try: if all were refused until a write
/// succeeds, nobody would be left to write.
const TROUBLE_LASTS: Duration = Duration::from_s(1);
/// How long the node says it is not ready, for the same reason: whoever shares out work looks every few seconds.
const UNREADY_LASTS: Duration = Duration::from_s(30);

/// Batches that may wait to be let out.
const LEAVING_MAX: usize = 4;
/// From so many steps on, a flush is worth its while.
const GATHER_BELOW_STEPS: usize = 32;

/// A fenced write beside the entities' steps.
pub(crate) enum OtherWrite {
    Mark(InboxMark),
    Vault(VaultWrite),
}

/// Told what became of a delivery, or why it is not stored.
pub(crate) type Stored = oneshot::Sender<Result<Inserted, String>>;

pub(crate) type Finished = Completed<Caller, oneshot::Sender<()>>;

type Core = Committer<Caller, OtherWrite, oneshot::Sender<()>>;

struct Work {
    core: Core,
    inbox: Storing,
    /// Something is queued that releases an answer, an effect or a delivery.
    urgent: bool,
    stopping: bool,
    /// The thread has ended: nothing is written any more.
    ended: bool,
    /// Why the last write failed, and when.
    trouble: Option<(String, Timestamp)>,
}

impl Work {
    fn is_waiting(&self) -> bool {
        self.core.has_work() || !self.inbox.is_empty()
    }

    /// Whether what waits is in no hurry.
    fn lingers(&self) -> bool {
        !self.urgent && !self.stopping
    }

    /// Whether it is worth a moment's wait for what is being decided right now.
    fn gathers(&self) -> bool {
        self.core.waiting() < GATHER_BELOW_STEPS && !self.stopping
    }

    fn is_troubled(&self) -> bool {
        self.ended || self.trouble.is_some() || self.core.owned() < usize::from(SHARD_COUNT)
    }

    fn trouble(&self, lasts: Duration, now: Timestamp) -> Option<String> {
        let (what, since) = self.trouble.as_ref()?;
        (self.ended || now.since(*since) < lasts).then(|| what.clone())
    }
}

/// What waits for the committer.
pub(crate) struct CommitQueue {
    work: Mutex<Work>,
    filled: Condvar,
    /// In its place, where no thread commits.
    filled_for_task: Option<Notify>,
    /// Stirs whoever waits for the batch in flight once it has ended, in the order in which they came.
    finished: Notify,
    /// Steps that wait, as of the last change: what each command is measured against, without the lock.
    steps: AtomicUsize,
    /// Whether something cannot be written: the last write failed, nothing is written any more, or a shard is not ours.
    is_troubled: AtomicBool,
    /// Batches of which not everything has left.
    leaving: AtomicUsize,
    busy: Arc<Busy>,
    epochs: Vec<u64>,
    owner: OwnerId,
    company: Company,
}

impl CommitQueue {
    pub fn new(taken: &Taken, options: &Options, busy: &Arc<Busy>) -> Self {
        let states = &taken.states;
        let shards = states
            .iter()
            .map(|s| (s.shard, s.next_seq, s.checkpoint_seq));
        let mut core = Committer::new(shards, BATCH_STEPS_MAX, BATCH_BYTES_MAX);
        for (entity, unfolded) in &taken.unfolded {
            core.uncover(entity, unfolded.uncovered.iter().copied());
        }
        let mut epochs = vec![0; usize::from(crossdock_model::SHARD_COUNT)];
        for state in states {
            epochs[usize::from(state.shard.number())] = state.epoch;
        }
        let work = Work {
            core,
            inbox: Storing::default(),
            urgent: false,
            stopping: false,
            ended: false,
            trouble: None,
        };
        Self {
            is_troubled: AtomicBool::new(work.is_troubled()),
            work: Mutex::new(work),
            filled: Condvar::new(),
            filled_for_task: match options.threads {
                Threads::Own => None,
                Threads::None(_) => Some(Notify::new()),
            },
            finished: Notify::new(),
            steps: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            busy: Arc::clone(busy),
            epochs,
            owner: OwnerId(options.owner),
            company: options.company,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There may be something to do.
    fn stir(&self) {
        match &self.filled_for_task {
            None => self.filled.notify_one(),
            Some(filled) => filled.notify_one(),
        }
    }

    /// Takes steps of one entity, in order; what of them leaves now. Those of a life that has ended are dropped: their
    /// callers are told *unknown*.
    pub fn push(&self, steps: Vec<Step<Caller>>) -> Vec<Release<Caller>> {
        let mut leaving = Vec::new();
        if steps.is_empty() {
            return leaving;
        }
        let mut work = self.lock();
        if work.ended {
            return leaving;
        }
        for step in steps {
            let is_urgent = !step.release.is_empty();
            match work.core.push(step) {
                Handed::Waits => work.urgent |= is_urgent,
                Handed::Leaves(release) => leaving.push(release),
                // Dropped, and with it the callers' reply channels.
                Handed::Refused(_) => {}
            }
        }
        let waits = work.core.has_work();
        self.steps.store(work.core.waiting(), Ordering::Relaxed);
        drop(work);
        if waits {
            self.stir();
        }
        leaving
    }

    /// Takes a delivery to be stored; `false`: too much waits.
    pub fn push_inbox(&self, insert: InboxInsert, stored: Stored) -> bool {
        let mut work = self.lock();
        if work.ended {
            // The reply channel is dropped: the caller is told *unknown*.
            return true;
        }
        let pushed = work.inbox.push(insert, stored);
        work.urgent |= pushed;
        drop(work);
        self.stir();
        pushed
    }

    pub fn push_other(&self, other: crossdock_engine::Other<OtherWrite, oneshot::Sender<()>>) {
        let mut work = self.lock();
        if work.ended {
            return;
        }
        work.core.push_other(other);
        drop(work);
        self.stir();
    }

    pub fn waiting(&self) -> usize {
        let work = self.lock();
        work.core.waiting() + work.inbox.len()
    }

    pub fn steps_waiting(&self) -> usize {
        self.steps.load(Ordering::Relaxed)
    }

    pub fn begin_life(&self, entity: &crossdock_model::EntityId, life: u64) {
        self.lock().core.begin_life(entity, life);
    }

    /// Whether nothing waits and nothing is at the journal.
    pub fn is_quiet(&self) -> bool {
        let work = self.lock();
        let leaving = self.leaving.load(Ordering::Acquire) > 0;
        !work.is_waiting() && !work.core.is_busy() && !leaving
    }

    /// Why the node is not ready, if so.
    pub fn trouble(&self, now: Timestamp) -> Option<String> {
        self.lock().trouble(UNREADY_LASTS, now)
    }

    /// Why nothing can be written to that shard now, if so.
    pub fn trouble_of(&self, shard: ShardId, now: Timestamp) -> Option<String> {
        // Most often there is none: every command looks, and the lock is the committer's.
        if !self.is_troubled.load(Ordering::Acquire) {
            return None;
        }
        let work = self.lock();
        let lost = || format!("shard {shard} is written by another process");
        let lost = (!work.core.owns(shard)).then(lost);
        work.trouble(TROUBLE_LASTS, now).or(lost)
    }

    /// All of a batch has left.
    pub fn count_left(&self) {
        self.leaving.fetch_sub(1, Ordering::Release);
    }

    pub fn owns(&self, shard: ShardId) -> bool {
        self.lock().core.owns(shard)
    }

    pub fn uncovered_after(&self, entity: &crossdock_model::EntityId) -> Option<u64> {
        self.lock().core.uncovered_after(entity)
    }

    pub fn is_settled(&self, entity: &crossdock_model::EntityId) -> bool {
        self.lock().core.is_settled(entity)
    }

    pub fn overdue_checkpoints(
        &self,
        records_min: u64,
        limit: usize,
    ) -> Vec<crossdock_model::EntityId> {
        self.lock().core.overdue_checkpoints(records_min, limit)
    }

    /// Ends a crashed life: its queued steps are dropped, what is in flight is waited for.
    pub async fn end_life(&self, entity: &crossdock_model::EntityId, life: u64) {
        drop(self.lock().core.end_life(entity, life));
        self.settled().await;
    }

    /// Waits until the batch in flight, if any, has ended. Many entities may wait at a time: none of them holds a thread.
    pub async fn settled(&self) {
        let finished = {
            let work = self.lock();
            if !work.core.is_busy() {
                return;
            }
            // From now on: under the lock, it cannot end before.
            self.finished.notified()
        };
        finished.await;
    }

    /// Waits until something is to be written. `None`: stopping, and nothing is left.
    fn next_work(&self) -> Option<MutexGuard<'_, Work>> {
        let mut work = self.lock();
        while !work.is_waiting() {
            if work.stopping {
                return None;
            }
            work = self
                .filled
                .wait(work)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let waited = self
            .filled
            .wait_timeout_while(work, self.company.linger, |work| work.lingers());
        Some(self.gather(waited.unwrap_or_else(PoisonError::into_inner).0))
    }

    /// Waits a moment for what is being decided right now: steps of one order at several SKUs are microseconds apart, a
    /// flush takes longer. Where much waits already, or nobody decides, it goes at once.
    fn gather<'a>(&'a self, work: MutexGuard<'a, Work>) -> MutexGuard<'a, Work> {
        if !work.gathers() {
            return work;
        }
        drop(work);
        self.busy.wait(self.company.gather);
        self.lock()
    }

    /// What the next flush writes.
    fn take(&self, mut work: MutexGuard<'_, Work>) -> Gathered {
        let batch = work.core.next_batch();
        let batch = batch.unwrap_or(Batch { shards: Vec::new() });
        let (inserts, stored) = work.inbox.take(BATCH_INBOX_MAX, BATCH_BYTES_MAX);
        work.urgent = work.is_waiting();
        self.steps.store(work.core.waiting(), Ordering::Relaxed);
        drop(work);
        Gathered {
            batch,
            inserts,
            stored,
        }
    }

    /// Nothing is written any more: whoever waits is told *unknown* rather than left waiting.
    pub fn end(&self) {
        let mut work = self.lock();
        work.ended = true;
        work.core.abandon();
        work.inbox = Storing::default();
        self.is_troubled.store(true, Ordering::Release);
        // Under the lock: who begins to wait meanwhile is not to miss it.
        self.finished.notify_waiters();
        drop(work);
    }

    /// Ends the thread once nothing waits.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.stir();
    }
}

/// What one flush writes, and who waits for it.
struct Gathered {
    batch: Batch<OtherWrite>,
    inserts: Vec<InboxInsert>,
    stored: Vec<Stored>,
}

/// The thread's loop. Returns when told to stop and everything is written, or after a failed flush.
pub(crate) fn run(shared: &Arc<Shared>) -> Result<(), JournalError> {
    let queue = &shared.commits;
    let (exit, batches) = mpsc::channel(LEAVING_MAX);
    shared
        .tokio
        .spawn(leaving::let_out(Arc::clone(shared), batches));
    while let Some(work) = queue.next_work() {
        let Written { leaving, is_full } = write(shared, queue.take(work))?;
        // Its other end ends with the process's runtime: nobody waits for an answer then.
        let _ = exit.blocking_send(leaving);
        if is_full {
            std::thread::sleep(FULL_PAUSE);
        }
    }
    Ok(())
}
