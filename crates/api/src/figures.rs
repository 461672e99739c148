//! Figures of HTTP and webhooks, and those that are read when somebody looks: hot SKUs, exceptions, lag. Labels are
//! few and known beforehand: nobody outside can make more of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crossdock_insight::{Insight, InsightError};
use crossdock_runtime::Handle;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

type Labels = Vec<(&'static str, String)>;

/// Figures of HTTP.
pub(crate) struct Figures {
    requests: Family<Labels, Histogram>,
    webhooks: Family<Labels, Counter>,
    webhook_ack: Family<Labels, Histogram>,
    webhook_age: Family<Labels, Histogram>,
    /// Distinguishes request ids of one process from each other.
    pub next_id: AtomicU64,
}

impl Default for Figures {
    fn default() -> Self {
        let answers = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        let ages = || Histogram::new(exponential_buckets(0.1, 2.0, 20));
        Self {
            requests: Family::new_with_constructor(answers),
            webhooks: Family::default(),
            webhook_ack: Family::new_with_constructor(answers),
            webhook_age: Family::new_with_constructor(ages),
            next_id: AtomicU64::new(1),
        }
    }
}

impl Figures {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "http_server_request_duration",
            "Time to answer a request, by route and status",
            Unit::Seconds,
            self.requests.clone(),
        );
        let registry = registry.sub_registry_with_prefix("crossdock");
        registry.register(
            "webhook_received",
            "Webhooks by what became of them",
            self.webhooks.clone(),
        );
        registry.register_with_unit(
            "webhook_ack",
            "Time until a stored webhook is acknowledged",
            Unit::Seconds,
            self.webhook_ack.clone(),
        );
        registry.register_with_unit(
            "webhook_event_age",
            "Age of an event when its webhook is stored, by the channel's clock",
            Unit::Seconds,
            self.webhook_age.clone(),
        );
        let build = vec![
            ("version", env!("CARGO_PKG_VERSION")),
            ("rev", option_env!("CROSSDOCK_REV").unwrap_or("unknown")),
        ];
        registry.register("build", "What runs here", Info::new(build));
    }

    /// A request was answered.
    pub fn answered(&self, method: &str, route: String, status: u16, took: Duration) {
        let labels = vec![
            ("http_request_method", method.to_owned()),
            ("http_route", route),
            ("http_response_status_code", status.to_string()),
        ];
        let requests = self.requests.get_or_create_owned(&labels);
        requests.observe(took.as_secs_f64());
    }

    /// A webhook of a configured channel came to an end. `topic`: one that is known, or `other`.
    pub fn webhook(&self, channel: &str, topic: &str, outcome: &str) {
        let labels = vec![
            ("channel", channel.to_owned()),
            ("topic", topic.to_owned()),
            ("outcome", outcome.to_owned()),
        ];
        self.webhooks.get_or_create(&labels).inc();
    }

    /// A webhook was stored, so long after it came, and so long after what it tells.
    pub fn webhook_stored(&self, channel: &str, took: Duration, age: Option<Duration>) {
        let labels = vec![("channel", channel.to_owned())];
        let ack = self.webhook_ack.get_or_create_owned(&labels);
        ack.observe(took.as_secs_f64());
        if let Some(age) = age {
            let ages = self.webhook_age.get_or_create_owned(&labels);
            ages.observe(age.as_secs_f64());
        }
    }
}

fn tell(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl Metric,
) -> fmt::Result {
    let kind = EncodeMetric::metric_type(metric);
    metric.encode(encoder.encode_descriptor(name, help, unit, kind)?)
}

type Seconds = Counter<f64, AtomicU64>;

/// The hottest SKUs, read when somebody looks.
pub(crate) struct HotSkus(pub Handle);

impl fmt::Debug for HotSkus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HotSkus")
    }
}

impl Collector for HotSkus {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (busy, waited) = (
            Family::<Labels, Seconds>::default(),
            Family::<Labels, Seconds>::default(),
        );
        let (requests, refused) = (
            Family::<Labels, Counter>::default(),
            Family::<Labels, Counter>::default(),
        );
        let (depth, available) = (
            Family::<Labels, Gauge>::default(),
            Family::<Labels, Gauge>::default(),
        );
        let hot = self.0.hot_skus();
        let tracked = Gauge::<i64>::default();
        tracked.set(gauge(hot.len()));
        for sku in hot {
            let labels = vec![("sku", sku.sku.to_string())];
            busy.get_or_create(&labels).inc_by(sku.busy.as_secs_f64());
            waited
                .get_or_create(&labels)
                .inc_by(sku.waited.as_secs_f64());
            requests.get_or_create(&labels).inc_by(sku.requests);
            refused.get_or_create(&labels).inc_by(sku.refused);
            depth.get_or_create(&labels).set(gauge(sku.queued));
            if let Some(units) = sku.available_units {
                available.get_or_create(&labels).set(gauge(units));
            }
        }
        let (e, s) = (&mut encoder, Some(&Unit::Seconds));
        let name = |name: &str| format!("crossdock_hot_sku_{name}");
        tell(e, &name("tracked"), "SKUs named below", None, &tracked)?;
        tell(e, &name("busy"), "Work of a SKU's actor", s, &busy)?;
        let help = "Wait of reservations and holds in its queue, all together";
        tell(e, &name("wait"), help, s, &waited)?;
        let help = "Reservations and holds asked for";
        tell(e, &name("requests"), help, None, &requests)?;
        tell(e, &name("refused"), "Those refused", None, &refused)?;
        let help = "Messages in its queue";
        tell(e, &name("mailbox_depth"), help, None, &depth)?;
        let help = "Units available to sell";
        tell(e, &name("available_units"), help, None, &available)
    }
}

fn gauge(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// What the read models say of themselves and of what needs a person, read when somebody looks. Blocking.
pub(crate) struct Looks {
    pub handle: Handle,
    pub insight: Arc<Insight>,
}

impl fmt::Debug for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Looks")
    }
}

impl Collector for Looks {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let looked = self.look().map_err(|error| {
            tracing::error!(%error, "the read models give no figures");
            fmt::Error
        });
        looked?.encode(encoder)
    }
}

#[derive(Default)]
struct Looked {
    open: Family<Labels, Gauge>,
    oldest: Family<Labels, Gauge>,
    lag: Gauge,
    stopped: Gauge,
    endpoint_lag: Family<Labels, Gauge>,
    endpoint_failures: Family<Labels, Gauge>,
    owed: Family<Labels, Gauge>,
}

impl Looks {
    fn look(&self) -> Result<Looked, InsightError> {
        let looked = Looked::default();
        let now = self.handle.now().as_ms();
        for kind in self.insight.open_exceptions()? {
            let labels = vec![("kind", kind.kind)];
            looked.open.get_or_create(&labels).set(gauge(kind.count));
            let age = (now - kind.oldest_at).max(0) / 1000;
            looked.oldest.get_or_create(&labels).set(age);
        }
        for owed in self.insight.reports_owed()? {
            let labels = vec![("channel", owed.channel), ("status", owed.status)];
            let reports = looked.owed.get_or_create_owned(&labels);
            reports.set(gauge(owed.reports));
        }
        let lag = self.insight.lag(&*self.handle.journal())?;
        looked.lag.set(gauge(lag.records));
        looked.stopped.set(gauge(self.insight.stopped().len()));
        let (endpoints, newest) = self.insight.all_delivered()?;
        for (endpoint, told) in endpoints {
            let labels = vec![("endpoint", endpoint)];
            let behind = (newest - told.last).max(0);
            looked.endpoint_lag.get_or_create(&labels).set(behind);
            let failures = looked.endpoint_failures.get_or_create_owned(&labels);
            failures.set(i64::from(told.failures));
        }
        Ok(looked)
    }
}

impl Looked {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let e = &mut encoder;
        let name = |name: &str| format!("crossdock_{name}");
        let help = "Open exceptions";
        tell(e, &name("exceptions_open"), help, None, &self.open)?;
        let (help, s) = ("Age of the oldest open one", Some(&Unit::Seconds));
        tell(e, &name("exception_oldest"), help, s, &self.oldest)?;
        let help = "Records that the read models do not show yet";
        tell(e, &name("insight_lag_records"), help, None, &self.lag)?;
        let help = "Shards of which they show nothing newer, because of a record they cannot take";
        tell(
            e,
            &name("insight_stopped_shards"),
            help,
            None,
            &self.stopped,
        )?;
        let help = "Parcels and cancellations that a channel was not told of yet";
        tell(e, &name("reports_owed"), help, None, &self.owed)?;
        let (help, lag) = ("Events an endpoint was not told yet", &self.endpoint_lag);
        tell(e, &name("endpoint_lag_events"), help, None, lag)?;
        let help = "Failures in a row to tell it the next one";
        let failures = &self.endpoint_failures;
        tell(e, &name("endpoint_failures"), help, None, failures)
    }
}
