//! What tests of several modules start from.

use std::sync::Arc;

use crossdock_journal::{Journal, MemoryJournal};
use crossdock_model::Timestamp;
use crossdock_runtime::{Clock, Node, Options, PausedClock, Unconnected};

/// A node on a journal in memory, to which nothing is connected and for which time stands still.
pub struct InMemory {
    pub node: Node,
    pub journal: Arc<MemoryJournal>,
    pub clock: Arc<PausedClock>,
}

impl InMemory {
    pub async fn start(now: Timestamp) -> Self {
        Self::over(now, |_| {}).await
    }

    /// On a journal that `before` has written to.
    pub async fn over(now: Timestamp, before: impl FnOnce(&MemoryJournal)) -> Self {
        let clock = Arc::new(PausedClock::new(now));
        let journal = Arc::new(MemoryJournal::new(1, now));
        before(&journal);
        let node = Node::start(
            Arc::clone(&journal) as Arc<dyn Journal>,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(Unconnected),
            Options::new(1),
            |error| panic!("a flush failed in memory: {error}"),
        );
        Self {
            node: node.await.unwrap(),
            journal,
            clock,
        }
    }
}
