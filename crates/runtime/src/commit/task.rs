//! The committer without a thread: a task, for which a flush takes as long as it is told. A node in a simulator that runs all of it
//! on one thread has it.

use std::sync::Arc;

use crossdock_journal::JournalError;
use tokio::sync::mpsc;

use super::write::{Written, write};
use super::{CommitQueue, FULL_PAUSE, LEAVING_MAX};
use crate::leaving;
use crate::shared::Shared;
use crate::threads::Pace;

/// The task's loop, as [`super::run`].
pub(crate) async fn run(shared: Arc<Shared>, pace: Arc<dyn Pace>) -> Result<(), JournalError> {
    let queue = &shared.commits;
    let (exit, batches) = mpsc::channel(LEAVING_MAX);
    tokio::spawn(leaving::let_out(Arc::clone(&shared), batches));
    while queue.comes().await {
        let gathered = queue.take(queue.lock());
        pace.flush().await;
        let Written { leaving, is_full } = write(&shared, gathered)?;
        let _ = exit.send(leaving).await;
        if is_full {
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }
    Ok(())
}

impl CommitQueue {
    /// As [`Self::next_work`]: whether there is something to be written.
    async fn comes(&self) -> bool {
        while !self.lock().is_waiting() {
            if self.lock().stopping {
                return false;
            }
            self.stirred().await;
        }
        let urgent = async {
            while self.lock().lingers() {
                self.stirred().await;
            }
        };
        let _ = tokio::time::timeout(self.company.linger, urgent).await;
        if self.lock().gathers() && self.busy.is_busy() {
            tokio::time::sleep(self.company.gather).await;
        }
        true
    }

    async fn stirred(&self) {
        match &self.filled_for_task {
            Some(filled) => filled.notified().await,
            // A thread commits.
            None => std::future::pending().await,
        }
    }
}
