//! The race itself: every buyer waits for the start, presses, and presses again while the server is busy.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::exit::{Failure, Outcome};
use super::verdict::{Ended, Tally};

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

/// A door that buyers press.
pub(super) trait Door: Send + Sync + 'static {
    /// A buyer presses; a repeat is under the same key.
    fn press(&self, buyer: u32) -> impl Future<Output = Pressed> + Send;
}

/// Lets all buyers press at once, at most `at_once` of them on their way at a time. Times count from the start.
pub(super) async fn race<D: Door>(door: D, buyers: u32, at_once: usize) -> Outcome<Tally> {
    let (door, ways) = (Arc::new(door), Arc::new(Semaphore::new(at_once)));
    let (start, started) = watch::channel(None);
    let mut tasks = JoinSet::new();
    for buyer in 0..buyers {
        let (door, ways, mut started) = (Arc::clone(&door), Arc::clone(&ways), started.clone());
        tasks.spawn(async move {
            let start = match started.wait_for(Option::is_some).await {
                Ok(start) => start.unwrap_or_else(Instant::now),
                Err(_) => {
                    return (
                        Ended::Unsettled("the race was called off".to_owned()),
                        Duration::ZERO,
                    );
                }
            };
            let ended = buy(&*door, &ways, buyer, start).await;
            (ended, start.elapsed())
        });
    }
    let _ = start.send(Some(Instant::now()));
    let mut tally = Tally::default();
    while let Some(joined) = tasks.join_next().await {
        let (ended, after) =
            joined.map_err(|error| Failure::failed(format!("a buyer: {error}")))?;
        tally.enter(ended, after);
    }
    Ok(tally)
}

async fn buy<D: Door>(door: &D, ways: &Semaphore, buyer: u32, start: Instant) -> Ended {
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
        if start.elapsed() > PATIENCE {
            return Ended::Unsettled(format!("busy for {} s", PATIENCE.as_secs()));
        }
        let spread_ms = u64::from(buyer) * 37 % SPREAD_MS;
        tokio::time::sleep(Duration::from_millis(again_ms + spread_ms)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Busy at each buyer's first press; then the first two are sold.
    #[derive(Default)]
    struct Shop {
        presses: AtomicU32,
        seen: std::sync::Mutex<std::collections::BTreeSet<u32>>,
        sold: AtomicU32,
    }

    impl Door for Shop {
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
        let tally = race(Shop::default(), 10, 3).await.unwrap();
        assert_eq!((tally.ids().len(), tally.unsettled()), (2, 0));
    }
}
