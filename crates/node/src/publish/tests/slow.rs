//! A channel that becomes slow, and fast again: as much is kept back as others may sell until it shows it.

use crossdock_model::v1::MeasuredLag;

use super::*;

/// How long a call takes while the channel is slow.
const SLOW: Duration = Duration::from_minutes(2);

impl Scene {
    /// What the channel reckons with, beyond what is configured.
    async fn lag(&self) -> Option<MeasuredLag> {
        let channel = EntityId::Channel(shop_id());
        match self.node.handle().read(channel).await.unwrap().answer {
            Answer::Channel { publishing, .. } => publishing.unwrap().lag_measured,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass until that is so, in such steps.
    async fn until_lag(
        &self,
        (clock, step): (&PausedClock, Duration),
        holds: impl Fn(Option<&MeasuredLag>) -> bool,
    ) {
        let is_so = async || {
            let is_so = holds(self.lag().await.as_ref());
            if !is_so {
                clock.advance(step);
            }
            is_so
        };
        let is_so = testing::comes_true(is_so).await;
        assert!(is_so, "{:?}", self.lag().await);
    }

    async fn sell_one_of_each(&self) {
        for number in 0..SKUS {
            self.adjust(number, -1).await;
        }
    }
}

/// Another channel lists everything and sells one an hour, as far as is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_channel_keeps_more_back_until_it_is_fast_again() {
    let clock = Arc::new(PausedClock::new(RealClock::default().now()));
    let buffered = Publishing {
        buffer: Buffer::Measured {
            risk_ppm: 10_000,
            lag: Duration::from_s(5),
            floor_units: 0,
            cap_units: 1,
        },
        call_for: Duration::from_days(1),
        ..publishing()
    };
    let scene = Scene::stocked_at(Arc::clone(&clock) as Arc<dyn Clock>, buffered).await;
    scene.list_elsewhere().await;
    scene.shows(|_| 50).await;
    scene.shop.books().slow = Some((Arc::clone(&clock), SLOW));
    scene.sell_one_of_each().await;
    scene.shows(|_| 49).await;
    assert_eq!(scene.lag().await, None, "of so few nobody knows");
    // Of the next ones some are shown before the lag is told, and the others after.
    scene.sell_one_of_each().await;
    let (soon, late) = (Duration::from_s(10), Duration::from_minutes(1));
    scene.until_lag((&clock, soon), |lag| lag.is_some()).await;
    scene.shop.books().slow = None;
    let lag = scene.lag().await.unwrap();
    assert!(lag.p99 >= SLOW && lag.lag >= lag.p99, "{lag:?}");
    assert!(lag.changes >= 30, "{lag:?}");
    scene.shows(|_| 47).await;

    scene.until_lag((&clock, late), |lag| lag.is_none()).await;
    scene.shows(|_| 48).await;
    scene.node.stop().await;
}
