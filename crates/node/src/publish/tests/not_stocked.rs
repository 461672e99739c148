//! Items that a shop does not stock at its place.

use super::*;
use crate::testing::is_open;

/// Longer than any pause that is waited for.
const LEAP: Duration = Duration::from_s(10);

/// A shop that does not stock two of what is listed, and its clock. Nothing is looked at by itself.
async fn half_stocked() -> (Scene, Arc<PausedClock>) {
    let time = Arc::new(PausedClock::new(RealClock::default().now()));
    let clock = Arc::clone(&time) as Arc<dyn Clock>;
    let rarely = |link: &mut Link| link.numbers.recheck_every = Duration::from_days(1);
    let scene = Scene::stocked_with(clock, publishing(), rarely).await;
    for number in [3, 4] {
        scene.shop.books().shown.remove(&listing(number));
        scene.adjust(number, -1).await;
    }
    (scene, time)
}

impl Scene {
    /// Waits until a person is told of the place, or is told no more, and lets time pass.
    async fn is_told(&self, time: &PausedClock, is_told: bool, episode: u32) {
        let (handle, shop) = (self.node.handle(), shop_id());
        let key = ("not_stocked", "shop/1", episode);
        let is_so = async || {
            time.advance(LEAP);
            is_open(&handle, Some(&shop), key).await == is_told
        };
        testing::until(&format!("it is told: {is_told}"), is_so).await;
    }

    async fn is_missing(&self, number: usize) -> bool {
        let bucket = EntityId::Bucket(shop_id(), bucket_of(&listing(number)));
        let look = Command::Bucket(BucketCommand::LookNumbers);
        let looked = self.node.handle().ask(bucket, look, by()).await;
        let Answer::Numbers(views) = looked.unwrap().answer else {
            return false;
        };
        let mut views = views.into_iter();
        views.any(|view| view.listing == listing(number) && view.is_missing)
    }
}

/// One exception for the place, also over a restart, and no call is made about what cannot be set, whatever is sold of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_place_does_not_stock_is_told_once_and_costs_no_calls() {
    let (scene, time) = half_stocked().await;
    scene.is_told(&time, true, 1).await;
    for number in [3, 4] {
        assert!(scene.is_missing(number).await, "{number}");
    }
    let before = scene.shop.books().calls;
    for _ in 0..20 {
        scene.adjust(3, -1).await;
        time.advance(LEAP);
    }
    scene.list_elsewhere().await;
    assert_eq!(scene.shop.books().calls, before);
    scene.node.stop().await;

    // All are looked at while nothing else is done, by a process that looks often.
    let scene = Scene::start_at(scene.journal, scene.shop, Arc::clone(&time) as _).await;
    scene.shop.books().shown.insert(listing(3), 0);
    let is_back = async || {
        time.advance(LEAP);
        scene.shop.books().shown.get(&listing(3)) == Some(&29)
    };
    testing::until("it has its number", is_back).await;
    scene.is_told(&time, true, 1).await;
    scene.shop.books().shown.insert(listing(4), 0);
    scene.is_told(&time, false, 1).await;
    scene.node.stop().await;
}

/// Nothing is changed, and it is found all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_of_stock_is_found_by_looking() {
    let scene = Scene::stocked().await;
    scene.shows(|_| 50).await;
    scene.shop.books().shown.remove(&listing(3));
    testing::until("it is found", async || scene.is_missing(3).await).await;
    scene.shop.books().shown.insert(listing(3), 70);
    scene.shows(|_| 50).await;
    assert!(!scene.is_missing(3).await);
    scene.node.stop().await;
}
