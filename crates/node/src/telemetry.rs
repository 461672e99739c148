//! Logs and traces. Logs go to standard error; traces leave by OTLP when an endpoint is configured.
//!
//! A span costs 1 to 2 microseconds even when it is sampled out, so no command of an entity makes one: spans
//! are per request and per delivery. The exporter must not trace itself, and ractor opens a span for an actor's
//! whole life, so both are kept from the OTLP layer.

use std::io::IsTerminal;

use anyhow::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Telemetry;

/// Crates whose spans never leave: the exporter's own, and actors' life-long spans.
const SILENT: [&str; 7] = [
    "ractor",
    "hyper",
    "hyper_util",
    "h2",
    "tonic",
    "reqwest",
    "opentelemetry",
];

/// Keeps telemetry going; [`Guard::close`] sends what is left.
#[derive(Debug, Default)]
pub struct Guard {
    traces: Option<SdkTracerProvider>,
}

impl Guard {
    /// Sends what is left and stops. Blocks for up to some seconds: call it from a thread for blocking work.
    pub fn close(self) {
        if let Some(Err(error)) = self.traces.map(|traces| traces.shutdown()) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Starts logs and, when configured, traces.
///
/// # Errors
/// When the log filter cannot be read, the exporter cannot be built, or telemetry was started before.
pub fn start(settings: &Telemetry) -> anyhow::Result<Guard> {
    let filter = EnvFilter::try_new(&settings.log).context("telemetry.log is not a log filter")?;
    let plain = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let logs = match settings.log_json {
        true => plain.json().with_filter(filter).boxed(),
        false => plain.with_filter(filter).boxed(),
    };
    let provider = settings
        .otlp_endpoint
        .as_deref()
        .map(|url| traces(url, settings))
        .transpose()?;
    let spans = provider.as_ref().map(|provider| {
        let silent = SILENT.map(|name| (name, LevelFilter::OFF));
        let targets = Targets::new()
            .with_default(LevelFilter::INFO)
            .with_targets(silent);
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("crossdock"))
            .with_location(false)
            .with_threads(false)
            .with_filter(targets)
    });
    tracing_subscriber::registry()
        .with(logs)
        .with(spans)
        .try_init()
        .context("telemetry was started before")?;
    Ok(Guard { traces: provider })
}

fn traces(endpoint: &str, settings: &Telemetry) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .context("telemetry.otlp_endpoint cannot be used")?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.trace_ratio)));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(Resource::builder().with_service_name("crossdock").build())
        .build())
}
