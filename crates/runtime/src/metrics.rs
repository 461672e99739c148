//! Figures of a node: contention, commits, shedding. Registered under the prefix `crossdock`.

use std::sync::atomic::AtomicU64;
use std::time::Duration as Wait;

use crossdock_engine::Door;
use crossdock_model::{Answer, Rejection};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(10e-6, 2.0, 20))
}

fn counts() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 14))
}

/// Figures of a node.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Requests for units.
    pub reserve: ReserveMetrics,
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
    /// Requests that were told to come again, as webhooks waited too long: by their door.
    put_off: Family<Label, Counter>,
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
    /// SKUs of which something has not been taken over by the buckets that list them.
    pub untold_skus: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reserve: ReserveMetrics::default(),
            commit: seconds(),
            commit_records: counts(),
            records: Counter::default(),
            refused: Counter::default(),
            contended: Counter::default(),
            shed: Counter::default(),
            put_off: Family::default(),
            crashes: Counter::default(),
            disk_full: Counter::default(),
            live: Gauge::default(),
            waiting_steps: Gauge::default(),
            clock_ahead: Gauge::default(),
            deliveries: Counter::default(),
            deliveries_open: Gauge::default(),
            untold_skus: Gauge::default(),
        }
    }
}

impl Metrics {
    /// A request was told to come again.
    pub(crate) fn put_off(&self, door: Door) {
        self.put_off.get_or_create(&[("door", door.name())]).inc();
    }

    /// Registers every figure.
    pub fn register(&self, registry: &mut Registry) {
        let reg = registry.sub_registry_with_prefix("crossdock");
        let s = Unit::Seconds;
        self.reserve.register(reg);
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
        self.register_counts(reg);
    }

    fn register_counts(&self, reg: &mut Registry) {
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
            "requests_put_off",
            "Requests told to come again because webhooks waited, by what they ask",
            self.put_off.clone(),
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
        reg.register(
            "untold_skus",
            "SKUs whose listings have not taken over what they say",
            self.untold_skus.clone(),
        );
    }
}

type Label = [(&'static str, &'static str); 1];

/// Figures of requests for units, reservations and holds: how they wait, and how they end.
#[derive(Debug, Clone)]
pub struct ReserveMetrics {
    wait: Family<Label, Histogram>,
    service: Family<Label, Histogram>,
    batch: Histogram,
    outcomes: Family<Label, Counter>,
}

impl Default for ReserveMetrics {
    fn default() -> Self {
        Self {
            wait: Family::new_with_constructor(seconds),
            service: Family::new_with_constructor(seconds),
            batch: counts(),
            outcomes: Family::default(),
        }
    }
}

impl ReserveMetrics {
    /// A SKU handled so many messages in so much time, among them requests that had waited so long.
    pub(crate) fn handled(&self, is_hot: bool, waits: &[Wait], spent: Wait, messages: usize) {
        let Ok(share) = u32::try_from(messages) else {
            return;
        };
        if waits.is_empty() {
            return;
        }
        let heat = [("heat", if is_hot { "hot" } else { "cold" })];
        let (wait, service) = (
            self.wait.get_or_create_owned(&heat),
            self.service.get_or_create_owned(&heat),
        );
        for waited in waits {
            wait.observe(waited.as_secs_f64());
            service.observe((spent / share.max(1)).as_secs_f64());
        }
        self.batch.observe(waits.len() as f64);
    }

    /// A SKU answered; says whether a request was refused. What no request for units is answered is not counted.
    pub(crate) fn answered(&self, result: &Result<Answer, Rejection>) -> bool {
        let outcome = match result {
            Ok(Answer::Reserved { .. } | Answer::Held { .. }) => "granted",
            Ok(Answer::Queued) | Err(Rejection::Contended { .. }) => "conflict",
            Err(Rejection::Short { .. }) => "out_of_stock",
            Err(Rejection::Busy { .. }) => "shed",
            Err(Rejection::HoldExpired { .. }) => "expired",
            Ok(_) | Err(_) => return false,
        };
        self.count(outcome);
        !matches!(outcome, "granted" | "conflict")
    }

    /// A request was not even queued.
    pub(crate) fn shed(&self) {
        self.count("shed");
    }

    fn count(&self, outcome: &'static str) {
        self.outcomes.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "reserve_requests",
            "Reservations and holds by how a SKU answered; conflict: contended or queued, tried again",
            self.outcomes.clone(),
        );
        registry.register_with_unit(
            "reserve_mailbox_wait",
            "Wait of reservations and holds in a SKU's queue, hot SKUs apart",
            Unit::Seconds,
            self.wait.clone(),
        );
        registry.register_with_unit(
            "reserve_service",
            "Time a SKU works on one of them",
            Unit::Seconds,
            self.service.clone(),
        );
        registry.register(
            "reserve_batch_size",
            "Reservations and holds a SKU takes in one go",
            self.batch.clone(),
        );
    }
}
