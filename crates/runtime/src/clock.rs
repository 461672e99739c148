//! The one clock: an anchor plus monotonic progress, so that no deadline sees the wall clock jump.

use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use crossdock_model::{Duration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Where `now` comes from. Every wait, budget and time-out asks the same clock.
pub trait Clock: Send + Sync + Debug {
    /// The present time; never falls.
    fn now(&self) -> Timestamp;
}

/// Largest correction per second of progress, in milliseconds: a wall-clock step is slewed, not followed.
const SLEW_MS_PER_S_MAX: i64 = 5;
/// A step of the wall clock larger than this is alarmed, in milliseconds.
const STEP_ALARM_MS: i64 = 500;

#[derive(Debug)]
struct Anchor {
    now_ms: i64,
    boot_ms: i64,
    alarmed: bool,
}

/// Anchored on the wall clock at start and advanced by `CLOCK_BOOTTIME`, which also counts suspended time.
#[derive(Debug)]
pub struct RealClock {
    anchor: Mutex<Anchor>,
    last_ms: AtomicI64,
}

impl Default for RealClock {
    fn default() -> Self {
        let anchor = Anchor {
            now_ms: wall_ms(),
            boot_ms: boot_ms(),
            alarmed: false,
        };
        Self {
            last_ms: AtomicI64::new(anchor.now_ms),
            anchor: Mutex::new(anchor),
        }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let mut anchor = self
            .anchor
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let boot = boot_ms();
        let passed = (boot - anchor.boot_ms).max(0);
        let mut now = anchor.now_ms + passed;
        if passed >= 1000 {
            now += anchor.slew(wall_ms() - now, passed);
            (anchor.now_ms, anchor.boot_ms) = (now, boot);
        }
        Timestamp::from_ms(self.last_ms.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

impl Anchor {
    /// The correction towards the wall clock for the time that passed, in milliseconds.
    fn slew(&mut self, off_ms: i64, passed_ms: i64) -> i64 {
        let large = off_ms.abs() >= STEP_ALARM_MS;
        if large && !self.alarmed {
            tracing::warn!(
                off_ms,
                "the wall clock stepped; deadlines follow slowly. Check time synchronisation"
            );
        }
        self.alarmed = large;
        let most = passed_ms * SLEW_MS_PER_S_MAX / 1000;
        off_ms.clamp(-most, most)
    }
}

fn wall_ms() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

fn boot_ms() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// Stands still until it is told to go on.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_ms()))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(
            i64::try_from(by.as_ms()).unwrap_or(i64::MAX),
            Ordering::SeqCst,
        );
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_is_slewed() {
        let mut anchor = Anchor {
            now_ms: 0,
            boot_ms: 0,
            alarmed: false,
        };
        assert_eq!(anchor.slew(3_600_000, 2_000), 10);
        assert!(anchor.alarmed);
        assert_eq!(anchor.slew(-3_600_000, 1_000), -5);
        assert_eq!(anchor.slew(3, 1_000), 3);
        assert!(!anchor.alarmed);
    }

    #[test]
    fn time_never_falls() {
        let clock = RealClock::default();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
