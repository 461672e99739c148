//! Figures of a node: contention, commits, shedding. Registered under the prefix `crossdock`.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Figures of a node.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Time a message waited in its entity's queue, in seconds.
    pub queue_wait: Histogram,
    /// Messages an entity handled in one go.
    pub handled_batch: Histogram,
    /// Time of one commit with its flush, in seconds.
    pub commit: Histogram,
    /// Records made durable by one commit.
    pub commit_records: Histogram,
    /// Records made durable.
    pub records: Counter,
    /// Commands refused by an entity.
    pub refused: Counter,
    /// Reservations that met a contended SKU.
    pub contended: Counter,
    /// Commands shed because a queue was full.
    pub shed: Counter,
    /// Actors that crashed and were recovered.
    pub crashes: Counter,
    /// Commits refused by a full disk.
    pub disk_full: Counter,
    /// Live entities.
    pub live: Gauge,
    /// Steps waiting for the committer.
    pub waiting_steps: Gauge,
    /// How far the node's clock is ahead of the wall clock, in seconds.
    pub clock_ahead: Gauge<f64, AtomicU64>,
    /// Deliveries stored for the first time.
    pub deliveries: Counter,
    /// Deliveries in memory that are waiting or worked on.
    pub deliveries_open: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(10e-6, 2.0, 20));
        let counts = || Histogram::new(exponential_buckets(1.0, 2.0, 14));
        Self {
            queue_wait: seconds(),
            handled_batch: counts(),
            commit: seconds(),
            commit_records: counts(),
            records: Counter::default(),
            refused: Counter::default(),
            contended: Counter::default(),
            shed: Counter::default(),
            crashes: Counter::default(),
            disk_full: Counter::default(),
            live: Gauge::default(),
            waiting_steps: Gauge::default(),
            clock_ahead: Gauge::default(),
            deliveries: Counter::default(),
            deliveries_open: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Registers every figure.
    pub fn register(&self, registry: &mut Registry) {
        let reg = registry.sub_registry_with_prefix("crossdock");
        let s = Unit::Seconds;
        reg.register_with_unit(
            "mailbox_wait",
            "Wait in an entity's queue",
            s.clone(),
            self.queue_wait.clone(),
        );
        reg.register(
            "mailbox_batch_messages",
            "Messages handled in one go",
            self.handled_batch.clone(),
        );
        reg.register_with_unit(
            "clock_ahead",
            "How far the node's clock is ahead of the wall clock: a step of that one is followed slowly",
            s.clone(),
            self.clock_ahead.clone(),
        );
        reg.register_with_unit(
            "journal_commit",
            "One commit with its flush",
            s,
            self.commit.clone(),
        );
        reg.register(
            "journal_batch_records",
            "Records of one commit",
            self.commit_records.clone(),
        );
        reg.register(
            "journal_records",
            "Records made durable",
            self.records.clone(),
        );
        reg.register(
            "refused",
            "Commands refused by an entity",
            self.refused.clone(),
        );
        reg.register(
            "contended",
            "Reservations that met a contended SKU",
            self.contended.clone(),
        );
        reg.register(
            "shed",
            "Commands shed because a queue was full",
            self.shed.clone(),
        );
        reg.register(
            "actor_crashes",
            "Actors that crashed and were recovered",
            self.crashes.clone(),
        );
        reg.register(
            "disk_full",
            "Commits refused by a full disk",
            self.disk_full.clone(),
        );
        reg.register("actors", "Live entities", self.live.clone());
        reg.register(
            "commit_queue_steps",
            "Steps waiting for the committer",
            self.waiting_steps.clone(),
        );
        reg.register(
            "deliveries",
            "Deliveries stored for the first time",
            self.deliveries.clone(),
        );
        reg.register(
            "deliveries_open",
            "Deliveries in memory that are waiting or worked on",
            self.deliveries_open.clone(),
        );
    }
}
