//! The race itself: every buyer waits until it is due, presses, and presses again while the server is busy.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::exit::{Failure, Outcome};
use super::verdict::{Ended, Tally, Told};

/// How long a buyer goes on trying.
const PATIENCE: Duration = Duration::from_secs(120);
/// Buyers do not come back all in the same moment: spread of their tries, in milliseconds.
const SPREAD_MS: u64 = 64;

/// What the server said to one press.
#[derive(Debug)]
pub(super) enum Pressed {
    /// It is settled.
    Settled(Ended),
    /// Busy, or no answer: the same again after a while, in milliseconds.
    Again(u64),
}

/// Who presses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    /// How many.
    pub buyers: u32,
    /// How many of them a second; all at once if it is not said.
    pub rate: Option<u32>,
}

impl Crowd {
    /// When a buyer is to press, whatever became of those before.
    pub(super) fn due(self, buyer: u32, start: Instant) -> Instant {
        let after = self
            .rate
            .map(|rate| Duration::from_secs(buyer.into()) / rate);
        start + after.unwrap_or_default()
    }
}

/// A door that buyers press.
pub(super) trait Door: Send + Sync + 'static {
    /// When a buyer is to press, in a race that starts then.
    fn due(&self, buyer: u32, start: Instant) -> Instant;
    /// A buyer presses; a repeat is under the same key.
    fn press(&self, buyer: u32) -> impl Future<Output = Pressed> + Send;
}

/// Lets every buyer press when it is due, at most `at_once` of them on their way at a time. Latency counts from when
/// the buyer was due, not from when it was let in: who stands in line waits too.
pub(super) async fn race<D: Door>(
    door: &Arc<D>,
    buyers: impl IntoIterator<Item = u32>,
    at_once: usize,
) -> Outcome<Tally> {
    let ways = Arc::new(Semaphore::new(at_once));
    let (start, started) = watch::channel(None);
    let mut tasks = JoinSet::new();
    for buyer in buyers {
        let (door, ways, mut started) = (Arc::clone(door), Arc::clone(&ways), started.clone());
        tasks.spawn(async move {
            let start = started.wait_for(Option::is_some).await;
            let start = start.map_or(None, |start| *start);
            let due = door.due(buyer, start.unwrap_or_else(Instant::now));
            tokio::time::sleep_until(due).await;
            let late = due.elapsed();
            let ended = buy(&*door, &ways, buyer, due).await;
            let latency = due.elapsed();
            let told = Told {
                ended,
                latency,
                late,
            };
            (buyer, told)
        });
    }
    let _ = start.send(Some(Instant::now()));
    let mut tally = Tally::default();
    while let Some(joined) = tasks.join_next().await {
        let (buyer, told) = joined.map_err(|error| Failure::failed(format!("a buyer: {error}")))?;
        tally.enter(buyer, told);
    }
    Ok(tally)
}

async fn buy<D: Door>(door: &D, ways: &Semaphore, buyer: u32, due: Instant) -> Ended {
    loop {
        let pressed = {
            let Ok(_way) = ways.acquire().await else {
                return Ended::Unsettled("the race was called off".to_owned());
            };
            door.press(buyer).await
        };
        let again_ms = match pressed {
            Pressed::Settled(ended) => return ended,
            Pressed::Again(ms) => ms,
        };
        if due.elapsed() > PATIENCE {
            return Ended::Unsettled(format!("busy for {} s", PATIENCE.as_secs()));
        }
        let spread_ms = u64::from(buyer) * 37 % SPREAD_MS;
        tokio::time::sleep(Duration::from_millis(again_ms + spread_ms)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::Mode;
    use super::super::scene::Scene;
    use super::super::verdict::{Books, Verdict};
    use super::*;

    /// Busy at each buyer's first press; then the first two are sold.
    #[derive(Default)]
    struct Shop {
        presses: AtomicU32,
        seen: std::sync::Mutex<std::collections::BTreeSet<u32>>,
        sold: AtomicU32,
    }

    impl Door for Shop {
        fn due(&self, buyer: u32, start: Instant) -> Instant {
            let rate = Some(1000);
            Crowd { buyers: 10, rate }.due(buyer, start)
        }

        async fn press(&self, buyer: u32) -> Pressed {
            self.presses.fetch_add(1, Ordering::Relaxed);
            if self.seen.lock().unwrap().insert(buyer) {
                return Pressed::Again(1);
            }
            Pressed::Settled(match self.sold.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Ended::Sold(buyer.to_string()),
                _ => Ended::Refused,
            })
        }
    }

    #[tokio::test]
    async fn the_busy_are_not_refused() {
        let door = Arc::new(Shop::default());
        let tally = race(&door, 0..10, 3).await.unwrap();
        assert_eq!((tally.sold().len(), tally.unsettled()), (2, 0));
        assert_eq!(door.presses.load(Ordering::Relaxed), 20);
    }

    #[test]
    fn at_a_rate_nobody_waits_for_those_before() {
        let start = Instant::now();
        let due = |rate| Crowd { buyers: 9, rate }.due(5, start) - start;
        assert_eq!(due(None), Duration::ZERO);
        assert_eq!(due(Some(1000)), Duration::from_millis(5));
    }

    /// One buyer presses at a time: those behind it are answered later, and that counts.
    #[tokio::test]
    async fn whoever_stands_in_line_waits() {
        struct Slow;
        impl Door for Slow {
            fn due(&self, _: u32, start: Instant) -> Instant {
                start
            }

            async fn press(&self, _: u32) -> Pressed {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Pressed::Settled(Ended::Refused)
            }
        }
        let tally = race(&Arc::new(Slow), 0..5, 1).await.unwrap();
        let verdict = Verdict::of(&Scene::new(Mode::One, 0, "x"), &tally, &Books::new());
        assert!(verdict.latency_ms_max() >= 100, "{verdict:?}");
    }
}
