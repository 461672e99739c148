//! A channel that was away, and answers another process.

use crossdock_model::command::ExceptionCommand;

use super::*;
use crate::testing::is_open;

impl Scene {
    async fn is_away(&self) -> bool {
        let (shop, handle) = (shop_id(), self.node.handle());
        is_open(&handle, Some(&shop), (CHANNEL_AWAY, shop.as_str(), 1)).await
    }
}

/// A server that is restarted while a channel is away knows nothing of it, and still tells that it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_back_after_a_restart_is_told() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    let cause = "it does not answer".to_owned();
    let open = ExceptionCommand::open(CHANNEL_AWAY, shop_id().as_str(), cause);
    let open = Command::Channel(ChannelCommand::Exception(open));
    scene.ask(EntityId::Channel(shop_id()), open).await;
    assert!(scene.is_away().await);
    scene.node.stop().await;
    let scene = Scene::start(scene.journal, scene.shop).await;
    testing::until("it is told", async || !scene.is_away().await).await;
    scene.node.stop().await;
}
