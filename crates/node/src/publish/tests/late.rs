//! Calls that are begun, and could be made only when their buckets would soon take them for ended.

use super::*;

/// When a bucket takes a call for ended, and how long one takes at most.
const CALL_FOR: Duration = Duration::from_s(15);
const CALL_MAX: Duration = Duration::from_s(10);
/// Points that nobody may use before a test says so.
const POINTS: u32 = 1_000_000;

impl Scene {
    /// The last call that its bucket made, by its number there.
    fn last_call_of(&self, number: usize) -> u64 {
        let bucket = format!("{}:{}:", shop_id(), bucket_of(&listing(number)));
        let books = self.shop.books();
        let mut calls = books.keys.iter().rev();
        let call = calls.find_map(|key| key.strip_prefix(&bucket)).unwrap();
        call.split(':').next().unwrap().parse().unwrap()
    }

    /// Whether something waits for points.
    fn is_offered(&self) -> bool {
        let now = self.publisher.clock.now();
        self.publisher.desk().next_due(now).is_some()
    }
}

/// (how long it takes until a call is durably begun, which one is made then)
#[tokio::test(flavor = "multi_thread")]
async fn what_is_begun_late_is_begun_anew() {
    for (flush, made) in [(5_000, 1), (5_001, 2)] {
        let clock = Arc::new(PausedClock::new(RealClock::default().now()));
        let publishing = Publishing {
            call_for: CALL_FOR,
            ..publishing()
        };
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let adjust = |link: &mut Link| link.numbers.call_max = CALL_MAX;
        let scene = Scene::stocked_with(time, publishing, adjust).await;
        scene.shows(|_| 50).await;
        scene.should_show(&shop_id(), |should| should == 50).await;
        scene.purse.budget().claim(POINTS);
        // All that what is urgent may take of it.
        let half = scene.purse.budget().take_urgent(POINTS / 2, clock.now());
        assert!(half, "nothing was taken before");
        scene.adjust(3, -1).await;
        testing::until("it waits", async || scene.is_offered()).await;
        let before = scene.last_call_of(3);
        let hold = scene.journal.hold();
        scene.purse.budget().unclaim(POINTS);
        scene.purse.correct(POINTS, clock.now());
        testing::until("it is begun", async || scene.journal.held() > 0).await;
        clock.advance(Duration::from_ms(flush));
        drop(hold);
        let shown = |number| if number == 3 { 49 } else { 50 };
        scene.shows(shown).await;
        assert_eq!(scene.last_call_of(3), before + made, "{flush}");
        scene.node.stop().await;
    }
}
