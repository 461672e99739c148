//! The threads that read the journal.

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// A journal has few connections for readers: more threads would wait for one. They are apart from the others for
/// blocking work, of which there are as many as were ever wanted at once, each with memory of its own.
const READERS: usize = 4;

/// The threads that read the journal. They are started when they are needed, and end when they have nothing to do.
pub(crate) struct Readers {
    handle: Handle,
    threads: Option<Runtime>,
}

impl Readers {
    /// # Errors
    /// Those of the system.
    pub fn new() -> std::io::Result<Self> {
        let threads = Builder::new_current_thread()
            .thread_name("reader")
            .max_blocking_threads(READERS)
            .build()?;
        Ok(Self {
            handle: threads.handle().clone(),
            threads: Some(threads),
        })
    }

    /// Has something read, once it is its turn.
    pub fn spawn<R: Send + 'static>(
        &self,
        read: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        self.handle.spawn_blocking(read)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // What drops it may be a task, which must not wait.
            threads.shutdown_background();
        }
    }
}
