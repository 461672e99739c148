//! Who is let in from outside, by how long webhooks wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration as Time;

use crossdock_engine::Door;

use crate::ask::Handle;

/// Flushes that a webhook waits for: the one that is under way, and its own.
const FLUSHES: u64 = 2;
/// Share of a new flush in the time that flushes are known to take.
const SHARE: u64 = 8;

/// Requests in progress, and how long webhooks wait.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    doors: Mutex<crossdock_engine::Doors>,
    /// What a flush takes, in microseconds.
    flush_us: AtomicU64,
}

impl Doors {
    fn lock(&self) -> MutexGuard<'_, crossdock_engine::Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit with its flush took so long.
    pub fn flushed(&self, took: Time) {
        let next = match self.flush_us.load(Ordering::Relaxed) {
            0 => micros(took),
            known => known - known / SHARE + micros(took) / SHARE,
        };
        self.flush_us.store(next, Ordering::Relaxed);
    }

    /// A webhook was stored and took so long.
    pub fn stored(&self, took: Time, now_ms: i64) {
        let flushes_us = FLUSHES * self.flush_us.load(Ordering::Relaxed);
        let beyond_us = micros(took).saturating_sub(flushes_us);
        self.lock().stored(beyond_us, now_ms);
    }
}

fn micros(time: Time) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A request that was let in. Dropped, it lets another one in.
pub struct Entered {
    handle: Handle,
    door: Door,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.handle.0.doors.lock().leave(self.door);
    }
}

impl Handle {
    /// Lets a request in through that door; none: it is put off, as webhooks wait too long.
    #[must_use]
    pub fn enter(&self, door: Door) -> Option<Entered> {
        let shared = &self.0;
        let is_in = shared.doors.lock().enter(door, shared.clock.now().as_ms());
        if !is_in {
            shared.metrics.put_off(door);
        }
        is_in.then(|| Entered {
            handle: self.clone(),
            door,
        })
    }
}
