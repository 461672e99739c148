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

/// A shop that shows what it should, whose numbers are looked at all the time, and its clock, which stands still.
async fn rechecked() -> (Scene, Arc<PausedClock>) {
    let time = Arc::new(PausedClock::new(RealClock::default().now()));
    let flow = testing::flow(&time);
    let scene = Scene::stocked_at(Arc::clone(&time) as Arc<dyn Clock>, publishing()).await;
    scene.shows(|_| 50).await;
    flow.abort();
    (scene, time)
}

/// Lets that many seconds pass, each with time for whoever waits for it.
async fn pass(time: &PausedClock, seconds: usize) {
    for _ in 0..seconds {
        time.advance(Duration::from_s(1));
        tokio::time::sleep(Wait::from_millis(2)).await;
    }
}

/// Waits until it is so, and lets time pass.
async fn until(what: &str, time: &PausedClock, is_so: impl AsyncFn() -> bool) {
    let is_so = async || {
        time.advance(Duration::from_s(1));
        is_so().await
    };
    testing::until(what, is_so).await;
}

/// What is wrong is tried again, less and less often; what is right is not looked at until the channel answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_away_is_only_called_to_see_whether_it_is_back() {
    const MINUTES: usize = 10;
    let (scene, time) = rechecked().await;
    scene.shop.books().faults = std::iter::repeat_n(Fault::Lost, 10_000).collect();
    scene.adjust(3, -1).await;
    let is_away = async || scene.publisher.desk().is_away(time.now());
    until("it is away", &time, is_away).await;
    let before = scene.shop.books().calls;
    pass(&time, MINUTES * 60).await;
    let calls = scene.shop.books().calls - before;
    // Six of them in the first minute, as pauses double, then one in 45 s at most, and one that was under way.
    assert!(calls <= MINUTES * 60 / 45 + 7, "{calls} calls");
    scene.shop.books().faults.clear();
    let back = scene.shop.books().calls;
    let is_looked_at = async || scene.shop.books().calls > back + SKUS;
    until("numbers are looked at again", &time, is_looked_at).await;
    scene
        .shows(|number| if number == 3 { 49 } else { 50 })
        .await;
    scene.node.stop().await;
}

/// Nothing is looked at in the minute that a channel asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_has_no_room_is_not_looked_at_meanwhile() {
    let (scene, time) = rechecked().await;
    scene.shop.books().faults = [Fault::Busy].into();
    let is_told = async || scene.shop.books().faults.is_empty();
    until("it says that it has no room", &time, is_told).await;
    let before = scene.shop.books().calls;
    pass(&time, 50).await;
    assert_eq!(scene.shop.books().calls, before);
    let is_looked_at = async || scene.shop.books().calls > before;
    until("it is looked at again", &time, is_looked_at).await;
    scene.node.stop().await;
}
