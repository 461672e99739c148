//! What lies at a location that is closed is not for sale on any channel: each is told which of its locations are.

use crossdock_model::command::ChannelCommand;
use crossdock_model::{ChannelId, Class, Command, CredentialId, Duration, EntityId};
use crossdock_runtime::{AskError, By, Handle};
use tokio::task::JoinHandle;

use crate::links::Links;

/// Pause before a channel is told again that could not take it.
const AGAIN: Duration = Duration::from_s(1);

/// Tells all channels whenever a location is closed or opened. The task runs until it is aborted.
pub fn start(links: &Links, handle: &Handle, principal: &CredentialId) -> JoinHandle<()> {
    let channels = links.keys().cloned().collect();
    let by = By::new(principal.clone()).of(Class::Announcement);
    tokio::spawn(follow(handle.clone(), channels, by))
}

/// What a channel is told: which locations are closed now.
pub(crate) fn closed(handle: &Handle) -> ChannelCommand {
    ChannelCommand::Close {
        locations: handle.closed_locations().into_iter().collect(),
    }
}

async fn follow(handle: Handle, channels: Vec<ChannelId>, by: By) {
    let mut moved = handle.locations_moved();
    loop {
        moved.borrow_and_update();
        let mut is_told = true;
        for channel in &channels {
            let entity = EntityId::Channel(channel.clone());
            let tell = Command::Channel(closed(&handle));
            match handle.ask(entity, tell, by.clone()).await {
                // One that is not connected shows nothing of ours.
                Ok(_) | Err(AskError::Rejected(_) | AskError::ShuttingDown) => {}
                Err(error) => {
                    tracing::debug!(%channel, %error, "which locations are closed was not taken; it is told again");
                    is_told = false;
                }
            }
        }
        match is_told {
            true if moved.changed().await.is_err() => return,
            true => {}
            false => handle.sleep(AGAIN).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::command::LocationCommand;
    use crossdock_model::v1::{
        ChannelPlace, ChannelSettings, LocationFacts, Publishing, Sale, Writes,
    };
    use crossdock_model::{Answer, LocationId, SourceId, Timestamp};
    use crossdock_runtime::testing;

    use super::*;
    use crate::testing::InMemory;

    fn shop() -> ChannelId {
        ChannelId::checked("shop").unwrap()
    }

    fn by() -> By {
        By::new(CredentialId::new("test").unwrap())
    }

    async fn tell(handle: &Handle, command: ChannelCommand) {
        let told = handle.ask(EntityId::Channel(shop()), Command::Channel(command), by());
        told.await.unwrap();
    }

    async fn define(handle: &Handle, id: &str, enabled: bool) {
        let location = LocationId::new(id).unwrap();
        let facts = LocationFacts {
            enabled,
            ..LocationFacts::plain(location.clone(), "US")
        };
        let define = Command::Location(LocationCommand::Define(Box::new(facts)));
        let told = handle.ask(EntityId::Location(location), define, by());
        told.await.unwrap();
    }

    async fn is_told(handle: &Handle, closed: &[&str]) {
        testing::until("the channel knows", async || {
            let read = handle.read(EntityId::Channel(shop())).await;
            let Ok(Answer::Channel { publishing, .. }) = read.map(|reply| reply.answer) else {
                return false;
            };
            publishing.is_some_and(|known| {
                let known = known.closed_locations.iter().map(LocationId::as_str);
                known.eq(closed.iter().copied())
            })
        })
        .await;
    }

    /// Another location than the channel's is no matter of it.
    #[tokio::test]
    async fn a_channel_hears_which_of_its_locations_are_closed() {
        let scene = InMemory::start(Timestamp::from_ms(1_000_000)).await;
        let handle = scene.node.handle();
        define(&handle, "reno", false).await;
        tell(
            &handle,
            ChannelCommand::Connect(ChannelSettings {
                connector: "shopify".to_owned(),
                sale: Sale::AlreadySold,
                map_by_sku: false,
            }),
        )
        .await;
        let place = ChannelPlace {
            place: SourceId::new("shop/1").unwrap(),
            locations: ["reno", "york"]
                .map(|id| LocationId::new(id).unwrap())
                .into(),
        };
        let publishing = Publishing::plain(Writes::CompareAndSet, vec![place]);
        tell(&handle, ChannelCommand::PublishAs(Box::new(publishing))).await;
        let following = tokio::spawn(follow(handle.clone(), vec![shop()], by()));
        is_told(&handle, &["reno"]).await;
        define(&handle, "york", false).await;
        is_told(&handle, &["reno", "york"]).await;
        define(&handle, "reno", true).await;
        define(&handle, "tulsa", false).await;
        is_told(&handle, &["york"]).await;
        following.abort();
        scene.node.stop().await;
    }
}
