//! What tests of several modules start from.

use std::sync::Arc;

use crossdock_journal::{Journal, MemoryJournal};
use crossdock_model::command::{ChannelCommand, ExceptionCommand, SystemCommand};
use crossdock_model::v1::ExceptionKey;
use crossdock_model::{ChannelId, Command, CredentialId, EntityId, Timestamp};
use crossdock_runtime::{By, Clock, Handle, Node, Options, PausedClock, Unconnected};

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

/// Whether an exception of a channel, or of the system, is open for so many times.
pub async fn is_open(
    handle: &Handle,
    channel: Option<&ChannelId>,
    (kind, subject, episode): (&str, &str, u32),
) -> bool {
    let key = ExceptionKey {
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        episode,
    };
    // Onto one that is over nobody writes.
    let text = "seen".to_owned();
    let note = ExceptionCommand::Note { key, text };
    let (entity, note) = match channel {
        Some(channel) => {
            let note = Command::Channel(ChannelCommand::Exception(note));
            (EntityId::Channel(channel.clone()), note)
        }
        None => {
            let note = Command::System(SystemCommand::Exception(note));
            (EntityId::System(0), note)
        }
    };
    let by = By::new(CredentialId::new("test").unwrap());
    handle.ask(entity, note, by).await.is_ok()
}
