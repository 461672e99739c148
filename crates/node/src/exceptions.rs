//! Tells people what goes wrong, and when it is over: exceptions of a channel, or of the system.

use crossdock_model::command::{ChannelCommand, ExceptionCommand, SystemCommand};
use crossdock_model::{ChannelId, Command, Duration, EntityId};
use crossdock_runtime::{AskError, By, Handle};

/// Times that something is told which cannot be noted for the moment.
const TRIES: u32 = 5;
/// First pause between two of them; it doubles with each.
const PAUSE: Duration = Duration::from_ms(250);

/// Tells of a channel, or of the system; whether it is noted. To tell the same again changes nothing.
pub(crate) async fn tell(
    handle: &Handle,
    by: &By,
    channel: Option<&ChannelId>,
    command: ExceptionCommand,
) -> bool {
    let (entity, command) = match channel {
        Some(channel) => {
            let command = Command::Channel(ChannelCommand::Exception(command));
            (EntityId::Channel(channel.clone()), command)
        }
        None => {
            let command = Command::System(SystemCommand::Exception(command));
            (EntityId::System(0), command)
        }
    };
    let mut tries = 1;
    loop {
        let asked = handle.ask(entity.clone(), command.clone(), by.clone());
        let Err(error) = asked.await else {
            return true;
        };
        if tries == TRIES || !passes_soon(&error) {
            tracing::warn!(%entity, %error, "an exception could not be noted");
            return false;
        }
        let pause = PAUSE.as_ms() << (tries - 1);
        handle.sleep(Duration::from_ms(pause)).await;
        tries += 1;
    }
}

/// Whether what stands in the way may be gone in a moment.
fn passes_soon(error: &AskError) -> bool {
    match error {
        AskError::Overloaded { .. } | AskError::Unknown | AskError::Unavailable(_) => true,
        AskError::Rejected(_) | AskError::Quarantined { .. } | AskError::ShuttingDown => false,
    }
}

#[cfg(test)]
mod tests {
    use crossdock_journal::memory::Fault;
    use crossdock_model::{CredentialId, Timestamp};
    use crossdock_runtime::testing;

    use super::*;
    use crate::testing::{InMemory, is_open};

    /// What happens while nothing can be written is told all the same, and what is refused is told once.
    #[tokio::test]
    async fn what_cannot_be_noted_for_the_moment_is_told_again() {
        let memory = InMemory::start(Timestamp::from_ms(1_000_000)).await;
        let _flows = testing::flow(&memory.clock);
        let (handle, by) = (
            memory.node.handle(),
            By::new(CredentialId::new("test").unwrap()),
        );
        let shop = ChannelId::checked("shop").unwrap();
        for (channel, episode) in [(Some(&shop), 1), (None, 1), (Some(&shop), 2)] {
            memory.journal.inject(Fault::Full);
            let open = ExceptionCommand::open("kind", "subject", "cause".to_owned());
            assert!(tell(&handle, &by, channel, open).await, "{channel:?}");
            assert!(is_open(&handle, channel, ("kind", "subject", episode)).await);
            let close = ExceptionCommand::close("kind", "subject", "how");
            assert!(tell(&handle, &by, channel, close).await, "{channel:?}");
            assert!(!is_open(&handle, channel, ("kind", "subject", episode)).await);
        }
        memory.node.stop().await;
        let late = ExceptionCommand::open("kind", "subject", "cause".to_owned());
        assert!(!tell(&handle, &by, Some(&shop), late).await);
    }
}
