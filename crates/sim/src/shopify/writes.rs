//! What apps wrote, so that it can be told how long it took.

use std::collections::VecDeque;

use crossdock_model::Timestamp;

/// Writes that are remembered.
const WRITES_MAX: usize = 100_000;

/// A number that an app set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Of which inventory item.
    pub item: u64,
    /// At which location.
    pub location: u64,
    /// Units shown since then.
    pub units: i64,
    /// When.
    pub at: Timestamp,
}

/// The newest writes.
#[derive(Debug, Default)]
pub(super) struct Writes(VecDeque<Written>);

impl Writes {
    pub fn note(&mut self, written: Written) {
        if self.0.len() >= WRITES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(written);
    }

    pub fn take(&mut self) -> Vec<Written> {
        self.0.drain(..).collect()
    }
}
