//! What a test has the disk do, and what it asks of it.

use std::time::Duration;

use crossdock_model::ShardId;

use super::{MemoryJournal, State};
use crate::{Batch, CommitOutcome};

/// A fault that the next commit meets. Faults queue up and are used in order, one a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: nothing is written.
    Full,
    /// The flush fails. Whether the batch was `written` is told to the test, not to the caller; every later
    /// commit is refused until [`MemoryJournal::reopen`].
    Unknown {
        /// Whether the batch is there after [`MemoryJournal::reopen`].
        written: bool,
    },
    /// One shard is refused as if another owner had it; all others are kept.
    Refuse(ShardId),
}

type Watches = Box<dyn FnMut(&Batch, &CommitOutcome) + Send>;

/// Sees every batch that was written.
#[derive(Default)]
pub(super) struct Watcher(Option<Watches>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Watcher").finish_non_exhaustive()
    }
}

impl Watcher {
    pub fn see(&mut self, batch: &Batch, outcome: &CommitOutcome) {
        if let Some(watches) = &mut self.0 {
            watches(batch, outcome);
        }
    }
}

impl MemoryJournal {
    /// Lets a test see every batch that is written from now on, and what was refused of it.
    pub fn watch(&self, watches: impl FnMut(&Batch, &CommitOutcome) + Send + 'static) {
        self.lock().watcher = Watcher(Some(Box::new(watches)));
    }

    /// Lets a later commit meet this fault, after those queued before.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// Lets so many commits pass; the one after them meets [`Fault::Unknown`].
    pub fn fail_after(&self, commits: u64, written: bool) {
        self.lock().fails_after = Some((commits, written));
    }

    /// What a restart of the process does: commits are taken again after an unknown outcome.
    pub fn reopen(&self) {
        let mut state = self.lock();
        (state.failed, state.fails_after) = (false, None);
    }

    /// Lets every commit take so long from now on, as a disk's flush does.
    pub fn set_flush(&self, flush: Duration) {
        self.lock().flush = flush;
    }

    /// How many commits wrote something.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// How often it was asked what is parked on a name.
    #[must_use]
    pub fn parked_reads(&self) -> u64 {
        self.lock().parked_reads
    }
}

impl State {
    pub(super) fn next_fault(&mut self) -> Option<Fault> {
        match &mut self.fails_after {
            Some((0, written)) => return Some(Fault::Unknown { written: *written }),
            Some((left, _)) => *left -= 1,
            None => {}
        }
        self.faults.pop_front()
    }
}
