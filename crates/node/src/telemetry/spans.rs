//! Spans by OTLP over HTTP. They are made when the work has ended, and only for what was sampled, failed or was slow:
//! a live span costs a microsecond or two even when it is thrown away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use crossdock_api::trace::{FinishedSpan, Spans};
use crossdock_model::v1::TraceContext;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, IdGenerator, OTEL_BSP_MAX_QUEUE_SIZE,
    RandomIdGenerator, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::outcome::{Outcomes, without_credentials};

/// Spans that may wait to be sent, unless the environment says otherwise; more are dropped.
const QUEUE_SPANS_MAX: usize = 65_536;
const SAMPLED: u8 = 1;

/// Sends spans in batches.
#[derive(Debug)]
pub struct OtlpSpans {
    processor: BatchSpanProcessor,
    ids: RandomIdGenerator,
    /// Share of traces that begin here and are sampled, of 2^64.
    sampled_below: u64,
    scope: InstrumentationScope,
    queue_spans_max: usize,
    figures: Figures,
}

/// What became of spans.
#[derive(Debug, Clone, Default)]
struct Figures {
    sent: Counter,
    failed: Counter,
    dropped: Counter,
    /// Spans that wait to be sent or are on their way: the processor does not tell what it drops.
    waiting: Arc<AtomicUsize>,
    outcomes: Arc<Outcomes>,
}

/// How many spans may wait, as `OTEL_BSP_MAX_QUEUE_SIZE` says where it is set.
fn queue_spans_max(set: Option<&str>) -> usize {
    let set = set.and_then(|text| text.trim().parse().ok());
    set.filter(|max| *max > 0).unwrap_or(QUEUE_SPANS_MAX)
}

impl OtlpSpans {
    /// Starts sending to the OTLP endpoint, `http://127.0.0.1:4318`.
    ///
    /// # Errors
    /// When the endpoint cannot be used.
    pub fn start(endpoint: &str, ratio: f64) -> anyhow::Result<Self> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()
            .map_err(|error| anyhow::anyhow!(without_credentials(&error.to_string())))
            .context("telemetry.otlp_endpoint cannot be used")?;
        let figures = Figures::default();
        let told = Told {
            exporter,
            figures: figures.clone(),
        };
        let set = std::env::var(OTEL_BSP_MAX_QUEUE_SIZE).ok();
        let queue_spans_max = queue_spans_max(set.as_deref());
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(queue_spans_max)
            .build();
        let mut processor = BatchSpanProcessor::builder(told)
            .with_batch_config(batches)
            .build();
        processor.set_resource(&Resource::builder().with_service_name("crossdock").build());
        Ok(Self {
            processor,
            ids: RandomIdGenerator::default(),
            sampled_below: (ratio.clamp(0.0, 1.0) * u64::MAX as f64) as u64,
            scope: InstrumentationScope::builder("crossdock")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            queue_spans_max,
            figures,
        })
    }

    /// Registers figures of the spans sent.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("crossdock");
        let (sent, failed) = (self.figures.sent.clone(), self.figures.failed.clone());
        registry.register("trace_spans_sent", "Spans that the collector took", sent);
        registry.register("trace_spans_failed", "Spans that could not be sent", failed);
        let dropped = self.figures.dropped.clone();
        registry.register(
            "trace_spans_dropped",
            "Spans for which no room was left",
            dropped,
        );
    }

    /// Sends one span at once, and tells the log if the collector does not take it: at the start somebody looks, later
    /// traces are missed only when they are needed. Blocks for up to some seconds.
    pub fn test(&self) {
        self.report(FinishedSpan {
            context: self.begin(None, true),
            parent: None,
            name: "start".to_owned(),
            is_server: false,
            started: SystemTime::now(),
            took: Duration::ZERO,
            attributes: Vec::new(),
            error: None,
        });
        if let Err(error) = self.processor.force_flush() {
            let error = without_credentials(&error.to_string());
            tracing::error!(
                error,
                "no collector takes spans: see that one for OTLP over HTTP (port 4318) is at telemetry.otlp_endpoint; \
                 the node goes on without traces"
            );
        }
    }

    /// Sends what is left.
    pub fn close(&self) {
        if let Err(error) = self.processor.shutdown() {
            let error = without_credentials(&error.to_string());
            tracing::warn!(error, "the last spans could not be sent");
        }
    }

    fn sampled(&self, trace_id: TraceId) -> u8 {
        let [.., a, b, c, d, e, f, g, h] = trace_id.to_bytes();
        let drawn = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        u8::from(drawn < self.sampled_below || self.sampled_below == u64::MAX)
    }
}

impl Spans for OtlpSpans {
    fn begin(&self, parent: Option<TraceContext>, forced: bool) -> TraceContext {
        let span_id = self.ids.new_span_id().to_bytes();
        let forced = if forced { SAMPLED } else { 0 };
        match parent {
            Some(parent) => TraceContext {
                span_id,
                flags: parent.flags | forced,
                ..parent
            },
            None => {
                let trace = self.ids.new_trace_id();
                let flags = self.sampled(trace) | forced;
                TraceContext {
                    trace_id: trace.to_bytes(),
                    span_id,
                    flags,
                }
            }
        }
    }

    fn report(&self, span: FinishedSpan) {
        let waiting = &self.figures.waiting;
        if waiting.fetch_add(1, Ordering::Relaxed) >= self.queue_spans_max {
            waiting.fetch_sub(1, Ordering::Relaxed);
            self.figures.dropped.inc();
            return;
        }
        let attributes = span.attributes.into_iter();
        self.processor.on_end(SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(span.context.trace_id),
                SpanId::from_bytes(span.context.span_id),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: span
                .parent
                .map_or(SpanId::INVALID, |p| SpanId::from_bytes(p.span_id)),
            parent_span_is_remote: span.parent.is_some(),
            span_kind: if span.is_server {
                SpanKind::Server
            } else {
                SpanKind::Internal
            },
            name: span.name.into(),
            start_time: span.started,
            end_time: span.started + span.took,
            attributes: attributes
                .map(|(key, value)| KeyValue::new(key, value))
                .collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.error.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        });
    }

    fn health(&self) -> Option<String> {
        Some(self.figures.outcomes.line(Instant::now()))
    }
}

/// An exporter that tells when it begins to fail and when it works again: traces that are silently lost are
/// missed only when they are needed.
#[derive(Debug)]
struct Told {
    exporter: opentelemetry_otlp::SpanExporter,
    figures: Figures,
}

impl SpanExporter for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let count = spans as u64;
        let sent = self.exporter.export(batch).await;
        let waiting = &self.figures.waiting;
        waiting.fetch_sub(spans, Ordering::Relaxed);
        let was_failing = self.figures.outcomes.note(&sent, Instant::now());
        match &sent {
            Ok(()) => {
                self.figures.sent.inc_by(count);
                if was_failing {
                    tracing::info!("spans are sent again");
                }
            }
            Err(error) => {
                self.figures.failed.inc_by(count);
                if !was_failing {
                    let error = without_credentials(&error.to_string());
                    tracing::warn!(
                        error,
                        "spans cannot be sent: is telemetry.otlp_endpoint right?"
                    );
                }
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::Mutex;

    use super::*;

    /// What the log says, for a test.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes one request, and answers it with the status.
    fn answer(collector: &TcpListener, status: &str) -> io::Result<()> {
        let mut stream = BufReader::new(collector.accept()?.0);
        let (mut line, mut length) = (String::new(), 0);
        while stream.read_line(&mut line)? > 2 {
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        stream.read_exact(&mut vec![0; length])?;
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes())
    }

    /// The log and the health after the test at the start, with a collector that answers with the status.
    fn tested(status: &'static str) -> (String, String) {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = collector.local_addr().unwrap().port();
        let collector = std::thread::spawn(move || answer(&collector, status));
        let spans = OtlpSpans::start(&format!("http://user:word@127.0.0.1:{port}"), 0.0).unwrap();
        let log = Log::default();
        let writer = log.clone();
        let told = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(told.finish(), || spans.test());
        collector.join().unwrap().unwrap();
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        (log, spans.health().unwrap())
    }

    #[test]
    fn a_collector_that_refuses_is_told_at_the_start() {
        let (log, health) = tested("403 Forbidden");
        assert!(log.contains("ERROR"), "{log}");
        assert!(log.contains("telemetry.otlp_endpoint"), "{log}");
        assert!(!log.contains("word"), "{log}");
        let wanted = "traces: last success: never; last error: not sent, ";
        assert!(health.starts_with(wanted), "{health}");
    }

    #[test]
    fn a_collector_that_takes_the_first_span_is_told() {
        let (log, health) = tested("200 OK");
        assert_eq!(log, "");
        assert!(!health.contains("last success: never"), "{health}");
        assert!(health.ends_with("; last error: never"), "{health}");
    }

    fn spans(ratio: f64) -> OtlpSpans {
        OtlpSpans::start("http://127.0.0.1:9", ratio).unwrap()
    }

    #[test]
    fn the_environment_sets_how_many_may_wait() {
        let cases = [
            (None, QUEUE_SPANS_MAX),
            (Some("10"), 10),
            (Some("0"), QUEUE_SPANS_MAX),
            (Some("many"), QUEUE_SPANS_MAX),
        ];
        for (set, max) in cases {
            assert_eq!(queue_spans_max(set), max, "{set:?}");
        }
    }

    /// Every span is sent, failed or dropped, and none is lost uncounted.
    #[test]
    fn what_finds_no_room_is_counted() {
        let mut spans = spans(1.0);
        spans.queue_spans_max = 3;
        for _ in 0..1000 {
            spans.report(FinishedSpan {
                context: spans.begin(None, true),
                parent: None,
                name: "work".into(),
                is_server: false,
                started: SystemTime::now(),
                took: Duration::ZERO,
                attributes: Vec::new(),
                error: None,
            });
        }
        spans.close();
        let Figures {
            sent,
            failed,
            dropped,
            ..
        } = &spans.figures;
        assert_eq!(sent.get(), 0);
        assert!(dropped.get() > 0);
        assert_eq!(failed.get() + dropped.get(), 1000);
    }

    #[test]
    fn the_ratio_decides_where_a_trace_begins() {
        for (ratio, flags) in [(0.0, 0), (1.0, 1)] {
            let context = spans(ratio).begin(None, false);
            assert_eq!(context.flags, flags, "{ratio}");
            assert_ne!((context.trace_id, context.span_id), ([0; 16], [0; 8]));
        }
        assert_eq!(spans(0.0).begin(None, true).flags, 1);
    }

    #[test]
    fn the_caller_decides_where_it_goes_on() {
        let parent = TraceContext {
            trace_id: [7; 16],
            span_id: [8; 8],
            flags: 0,
        };
        let context = spans(1.0).begin(Some(parent), false);
        assert_eq!((context.trace_id, context.flags), ([7; 16], 0));
        assert_ne!(context.span_id, parent.span_id);
        let sampled = TraceContext { flags: 1, ..parent };
        assert_eq!(spans(0.0).begin(Some(sampled), false).flags, 1);
    }
}
