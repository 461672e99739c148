//! Where a node does what blocks: on threads of its own, or on none.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::clock::Sleep;

/// A journal has few connections for readers: more threads would wait for one. They are apart from the others for
/// blocking work, of which there are as many as were ever wanted at once, each with memory of its own.
const READERS: usize = 4;

/// How long what blocks takes where no thread does it.
pub trait Pace: Send + Sync {
    /// Ends when a read would have.
    fn read(&self) -> Sleep<'static>;

    /// Ends when a flush would have.
    fn flush(&self) -> Sleep<'static>;
}

/// Where a node does what blocks.
#[derive(Clone, Default)]
pub enum Threads {
    /// On threads of its own.
    #[default]
    Own,
    /// On none: in tasks, that a simulator runs on one thread in an order which a seed gives.
    None(Arc<dyn Pace>),
}

impl Threads {
    /// Has something done that blocks.
    pub(crate) fn spawn_blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        match self {
            Self::Own => tokio::task::spawn_blocking(work),
            Self::None(pace) => {
                let ends = pace.read();
                tokio::spawn(async move {
                    ends.await;
                    work()
                })
            }
        }
    }
}

/// What reads the journal. Its threads are started when they are needed, and end when they have nothing to do.
pub(crate) struct Readers {
    threads: Threads,
    own: Option<Runtime>,
}

impl Readers {
    /// # Errors
    /// Those of the system.
    pub fn new(threads: Threads) -> std::io::Result<Self> {
        let own = match &threads {
            Threads::Own => Some(
                Builder::new_current_thread()
                    .thread_name("reader")
                    .max_blocking_threads(READERS)
                    .build()?,
            ),
            Threads::None(_) => None,
        };
        Ok(Self { threads, own })
    }

    /// Has something read, once it is its turn.
    pub fn spawn<R: Send + 'static>(
        &self,
        read: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        match &self.own {
            Some(own) => own.handle().spawn_blocking(read),
            None => self.threads.spawn_blocking(read),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            // What drops it may be a task, which must not wait.
            own.shutdown_background();
        }
    }
}
