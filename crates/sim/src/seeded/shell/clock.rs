//! The clock of a process whose time is tokio's, which stands still while anything is done.

use std::sync::atomic::{AtomicU64, Ordering};

use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::{Clock, Sleep};
use tokio::time::Instant;

/// Goes on with tokio's time. Whoever waits on it may wait a little longer, as on a machine that is slow.
#[derive(Debug)]
pub(super) struct StillClock {
    began_at: Timestamp,
    began: Instant,
    grain_ms: AtomicU64,
}

impl StillClock {
    /// Of a runtime that begins now.
    pub fn new(now: Timestamp) -> Self {
        Self {
            began_at: now,
            began: Instant::now(),
            grain_ms: AtomicU64::new(1),
        }
    }

    /// Waits end at multiples of so many milliseconds from now on.
    pub fn set_grain(&self, grain_ms: u64) {
        self.grain_ms.store(grain_ms, Ordering::Relaxed);
    }

    /// When a moment comes by tokio's time.
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ms = u64::try_from(at.as_ms() - self.began_at.as_ms()).unwrap_or(0);
        self.began + std::time::Duration::from_millis(ms)
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        let passed = self.began.elapsed().as_millis();
        self.began_at + Duration::from_ms(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep<'_> {
        let grain = self.grain_ms.load(Ordering::Relaxed);
        let ms = u64::try_from(at.as_ms()).unwrap_or(0);
        let ms = ms.div_ceil(grain) * grain;
        let at = Timestamp::from_ms(ms.try_into().unwrap_or(i64::MAX));
        Box::pin(tokio::time::sleep_until(self.instant(at.max(self.now()))))
    }
}
