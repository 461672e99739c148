//! How tests of whatever stands on a node wait: until something holds, however slow the machine is, and on time that goes
//! on by itself and leaps where the test says so.

use std::sync::Arc;
use std::time::{Duration as Wait, Instant};

use crossdock_model::Duration;
use tokio::task::JoinHandle;

use crate::PausedClock;

/// How long is waited for what must come about by itself. Only a defect takes so long.
const WAIT_MAX: Wait = Wait::from_secs(60);
/// How often it is looked.
const PAUSE: Wait = Wait::from_millis(10);
/// How far a clock goes on at a time.
const TICK_MS: u64 = 5;

/// Waits until something holds, and gives up after a minute; whether it holds.
pub async fn comes_true(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let started = Instant::now();
    while !holds().await {
        if started.elapsed() > WAIT_MAX {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// Waits until something holds.
///
/// # Panics
/// When it does not within a minute.
pub async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    assert!(comes_true(holds).await, "waited in vain until {what}");
}

/// What a future comes to.
///
/// # Panics
/// When it takes longer than a minute.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(WAIT_MAX, future).await {
        Ok(done) => done,
        Err(_) => panic!("waited in vain until {what}"),
    }
}

/// Lets time pass on a clock that stands still otherwise, as fast as the machine's own or slower; until nobody else has it.
pub fn flow(clock: &Arc<PausedClock>) -> JoinHandle<()> {
    flow_times(clock, 1)
}

/// The same, so many times as fast: where the machine is slow, so is the clock.
pub fn flow_times(clock: &Arc<PausedClock>, times: u64) -> JoinHandle<()> {
    let clock = Arc::downgrade(clock);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Wait::from_millis(TICK_MS)).await;
            let Some(clock) = clock.upgrade() else { return };
            clock.advance(Duration::from_ms(TICK_MS * times));
        }
    })
}
