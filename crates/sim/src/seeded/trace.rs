//! The fingerprint of a run: the same seed gives the same one on every machine.

use crossdock_model::{EntityId, Timestamp};
use xxhash_rust::xxh3::Xxh3;

/// Of everything that happened so far, in order.
#[derive(Default)]
pub(super) struct Trace {
    hash: Xxh3,
    events: u64,
}

impl Trace {
    /// Something happens.
    pub fn event(&mut self, now: Timestamp) {
        self.events += 1;
        self.hash.update(&now.as_ms().to_le_bytes());
    }

    /// An entity has handled what waited for it.
    pub fn entity(&mut self, entity: &EntityId, version: u64) {
        self.hash.update(entity.to_string().as_bytes());
        self.hash.update(&version.to_le_bytes());
    }

    /// A record was decided.
    pub fn bytes(&mut self, body: &[u8]) {
        self.hash.update(body);
    }

    pub fn events(&self) -> u64 {
        self.events
    }

    pub fn digest(&self) -> u64 {
        self.hash.digest()
    }
}
