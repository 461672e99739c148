//! Who waits until a channel's orders are read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossdock_model::Timestamp;
use tokio::sync::Notify;

/// Which buckets of a channel wait until its orders are read, and up to when.
#[derive(Default)]
pub struct Waits {
    buckets: Mutex<BTreeMap<u16, Timestamp>>,
    is_hurried: AtomicBool,
    changed: Notify,
}

impl Waits {
    fn buckets(&self) -> MutexGuard<'_, BTreeMap<u16, Timestamp>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a bucket waits for now.
    pub fn set(&self, bucket: u16, until: Option<Timestamp>) {
        let before = match until {
            Some(until) => self.buckets().insert(bucket, until),
            None => self.buckets().remove(&bucket),
        };
        if before != until {
            self.changed.notify_one();
        }
    }

    /// Orders are to be read at once, whoever waits.
    pub fn hurry(&self) {
        self.is_hurried.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Whether orders are to be read at once, told once.
    #[must_use]
    pub fn take_hurry(&self) -> bool {
        self.is_hurried.swap(false, Ordering::SeqCst)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeMap<u16, Timestamp> {
        self.buckets().clone()
    }

    /// Ends when something else is waited for.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
