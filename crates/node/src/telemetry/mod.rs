//! Logs and traces. Logs go to standard error; spans leave by OTLP when an endpoint is configured.

mod outcome;
mod spans;

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::Context;
use crossdock_api::trace::Spans;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Telemetry;
use spans::OtlpSpans;

/// Keeps telemetry going; [`Guard::close`] sends what is left.
#[derive(Debug, Default)]
pub struct Guard {
    spans: Option<Arc<OtlpSpans>>,
}

impl Guard {
    /// Where spans go; none when no endpoint is configured.
    #[must_use]
    pub fn spans(&self) -> Option<Arc<dyn Spans>> {
        self.spans.clone().map(|spans| spans as Arc<dyn Spans>)
    }

    /// Registers figures of the spans sent.
    pub fn register(&self, registry: &mut Registry) {
        if let Some(spans) = &self.spans {
            spans.register(registry);
        }
    }

    /// Sends what is left and stops. Blocks for up to some seconds: call it from a thread for blocking work.
    pub fn close(&self) {
        if let Some(spans) = &self.spans {
            spans.close();
        }
    }
}

/// Times of flushes, to be registered and observed.
#[must_use]
pub fn flushes() -> Histogram {
    Histogram::new(exponential_buckets(10e-6, 2.0, 20))
}

/// Starts logs and, when configured, traces.
///
/// # Errors
/// When the log filter cannot be read, the exporter cannot be built, or telemetry was started before. A collector
/// that takes nothing is no error: the log tells of it, and the node goes on without traces.
pub fn start(settings: &Telemetry) -> anyhow::Result<Guard> {
    let filter = EnvFilter::try_new(&settings.log).context("telemetry.log is not a log filter")?;
    let plain = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let logs = match settings.log_json {
        true => plain.json().with_filter(filter).boxed(),
        false => plain.with_filter(filter).boxed(),
    };
    tracing_subscriber::registry()
        .with(logs)
        .try_init()
        .context("telemetry was started before")?;
    let endpoint = settings.otlp_endpoint.as_deref();
    let spans = endpoint
        .map(|url| OtlpSpans::start(url, settings.trace_ratio))
        .transpose()?
        .map(Arc::new);
    if let Some(spans) = spans.clone() {
        // Apart, as a collector that does not answer would hold up the start.
        std::thread::Builder::new()
            .name("otlp-self-test".to_owned())
            .spawn(move || spans.test())
            .context("no thread for the test of the collector")?;
    }
    Ok(Guard { spans })
}
