//! How telling channels what became of their orders goes: calls by what came of them, and how long it takes until a channel
//! knows. How much is still to be told is counted from the read models.

use crossdock_model::command::Said;
use crossdock_model::v1::ReportKind;
use crossdock_model::{ChannelId, Duration};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

type Labels = Vec<(&'static str, String)>;

/// Figures of all channels.
#[derive(Debug)]
pub struct Figures {
    calls: Family<Labels, Counter>,
    lags: Family<Labels, Histogram>,
}

impl Default for Figures {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.05, 2.0, 20));
        Self {
            calls: Family::default(),
            lags: Family::new_with_constructor(seconds),
        }
    }
}

impl Figures {
    /// A channel was told, or was not; so long after it was first to know.
    pub fn observe(
        &self,
        channel: &ChannelId,
        operation: &'static str,
        said: &Said,
        after: Duration,
    ) {
        let about = vec![
            ("channel", channel.to_string()),
            ("operation", operation.to_owned()),
        ];
        if matches!(said, Said::Told { .. }) {
            let lags = self.lags.get_or_create_owned(&about);
            lags.observe(after.as_ms() as f64 / 1000.0);
        }
        let outcome = ("outcome", outcome(said).to_owned());
        let calls = about.into_iter().chain([outcome]).collect();
        self.calls.get_or_create(&calls).inc();
    }

    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "crossdock_report_calls",
            "Tries to tell a channel of a parcel (shipped) or of what was cancelled, by what came of them",
            self.calls.clone(),
        );
        registry.register_with_unit(
            "crossdock_report_lag",
            "Time from a parcel, or from units being cancelled, to the answer by which the channel knows",
            Unit::Seconds,
            self.lags.clone(),
        );
    }
}

/// What is told, as the read models call it.
pub(super) fn operation(kind: &ReportKind) -> &'static str {
    match kind {
        ReportKind::Shipped { .. } => "shipped",
        ReportKind::Cancelled { .. } => "cancelled",
    }
}

fn outcome(said: &Said) -> &'static str {
    match said {
        Said::Told { .. } => "told",
        Said::NotTold => "not_told",
        Said::Failed {
            in_doubt: false, ..
        } => "failed",
        Said::Failed { in_doubt: true, .. } => "in_doubt",
        Said::Later { .. } => "throttled",
        Said::ByHand { .. } => "by_hand",
        Said::Unknown { .. } => "unknown",
    }
}
