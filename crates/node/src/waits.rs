//! What waits until a channel's orders are read, and how far they are read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossdock_model::Timestamp;
use tokio::sync::{Notify, watch};

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

/// How far a channel's orders are read.
#[derive(Default)]
pub struct Reached {
    up_to: watch::Sender<Option<Timestamp>>,
    is_told: watch::Sender<bool>,
}

impl Reached {
    /// Orders that changed up to then are read, and what they sold is taken off stock or waits for a person. It never goes
    /// back.
    pub fn set(&self, up_to: Timestamp) {
        self.up_to.send_if_modified(|known| {
            let is_news = *known < Some(up_to);
            *known = (*known).max(Some(up_to));
            is_news
        });
    }

    /// Up to when that is so, now and whenever it changes; `None`: nobody knows yet.
    #[must_use]
    pub fn up_to(&self) -> watch::Receiver<Option<Timestamp>> {
        self.up_to.subscribe()
    }

    /// Every bucket knows how far reading is behind.
    pub fn tell(&self) {
        self.is_told.send_replace(true);
    }

    /// Ends once every bucket has been told by this process: before, a number may leave too little room.
    pub async fn told(&self) {
        // The sender is here as long as it is waited for.
        let _ = self.is_told.subscribe().wait_for(|told| *told).await;
    }
}
