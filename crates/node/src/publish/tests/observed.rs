//! A channel that is only observed: what it shows is read, also what others set since, and nothing is sent.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_observed_channel_shows_is_read_whatever_others_set() {
    for writes in [Writes::CompareAndSet, Writes::Absolute] {
        let observed = Publishing {
            mode: ChannelMode::Observed,
            writes,
            ..publishing()
        };
        let scene = Scene::stocked_at(Arc::new(RealClock::default()), observed).await;
        scene.reads(|_| 5).await;
        *scene.shop.books().shown.get_mut(&listing(3)).unwrap() = 9;
        scene.reads(|number| if number == 3 { 9 } else { 5 }).await;
        assert_eq!(scene.shop.books().keys, Vec::<String>::new(), "{writes:?}");
        scene.node.stop().await;
    }
}

impl Scene {
    /// Waits until it is known that the shop shows so many of each, and that others should be shown.
    async fn reads(&self, units: impl Fn(usize) -> i64) {
        let is_read = |number, view: &NumberView| {
            view.shown == Some(units(number)) && view.should.is_some() && view.wrong_since.is_some()
        };
        self.views_are(&shop_id(), is_read).await;
    }
}
