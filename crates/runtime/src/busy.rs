//! How many entities are deciding right now: a flush waits a moment for what they will want written.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts them.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    deciding: AtomicUsize,
    /// Somebody waits until none is left.
    is_waited_for: AtomicBool,
    lock: Mutex<()>,
    ended: Condvar,
}

/// One that decides, from when it is woken until it has handed over what it decided. Also one that dies on the way.
#[derive(Debug)]
pub(crate) struct Deciding(Arc<Busy>);

impl Drop for Deciding {
    fn drop(&mut self) {
        let busy = &self.0;
        let last = busy.deciding.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && busy.is_waited_for.load(Ordering::SeqCst) {
            drop(busy.lock());
            busy.ended.notify_all();
        }
    }
}

impl Busy {
    /// Another one decides.
    pub fn begin(self: &Arc<Self>) -> Deciding {
        self.deciding.fetch_add(1, Ordering::SeqCst);
        Deciding(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_busy(&self) -> bool {
        self.deciding.load(Ordering::SeqCst) > 0
    }

    /// Waits until nobody decides, no longer than that.
    pub fn wait(&self, longest: Duration) {
        if !self.is_busy() {
            return;
        }
        let until = Instant::now() + longest;
        self.is_waited_for.store(true, Ordering::SeqCst);
        let mut lock = self.lock();
        while self.is_busy() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.ended.wait_timeout(lock, left);
            lock = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.is_waited_for.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn nobody_is_waited_for_where_nobody_decides() {
        let busy = Arc::new(Busy::default());
        drop(busy.begin());
        busy.wait(LONG);
    }

    #[test]
    fn the_last_one_ends_the_wait() {
        let busy = Arc::new(Busy::default());
        let both = [busy.begin(), busy.begin()];
        let ends = std::thread::spawn(move || {
            for one in both {
                std::thread::sleep(Duration::from_millis(5));
                drop(one);
            }
        });
        busy.wait(LONG);
        assert!(!busy.is_busy());
        ends.join().unwrap();
    }

    #[test]
    fn a_wait_has_its_limit() {
        let busy = Arc::new(Busy::default());
        let _one = busy.begin();
        busy.wait(Duration::from_millis(1));
        assert!(busy.is_busy());
    }
}
