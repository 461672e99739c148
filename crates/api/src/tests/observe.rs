//! What is told of requests: figures with few labels, log lines with the cause.

use std::io;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use axum::routing::get;
use axum::{Router, middleware};
use crossdock_model::v1::TraceContext;
use crossdock_runtime::testing::comes_true;
use serde_json::json;

use super::Server;
use crate::error::ApiError;
use crate::server::router;
use crate::trace::{FinishedSpan, Spans};
use crate::{Limits, observe};

/// What the log says, for a test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Listens on this thread, until the guard is dropped.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let told = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || log.clone());
        tracing::subscriber::set_default(told.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Anybody may make up methods: they are one label, or memory would grow with each.
#[tokio::test]
async fn made_up_methods_are_one_label() {
    let server = Server::start().await;
    for number in 0..20 {
        let method = Method::from_bytes(format!("FLOOD{number}").as_bytes()).unwrap();
        server.anonymous(method, "/healthz").send().await;
    }
    server.get("/v1/locations").await;
    let figures = server.anonymous(Method::GET, "/metrics").send().await.text;
    assert!(!figures.contains("FLOOD"), "{figures}");
    for label in ["_OTHER", "GET"] {
        let label = format!("http_request_method=\"{label}\"");
        assert!(figures.contains(&label), "{label} in {figures}");
    }
}

/// The caller's id and the cause stand in one line of the log; the cause in no answer.
#[tokio::test]
async fn a_failure_is_logged_with_the_requests_id_and_its_cause() {
    let mut server = Server::start().await;
    let fails = || async { ApiError::internal(&"no such table: orders") };
    let state = server.state(Limits::default());
    let told = middleware::from_fn_with_state(state, observe::request);
    server.router = Router::new().route("/fails", get(fails)).layer(told);
    let log = Log::default();
    let listening = log.listen();
    let call = server.anonymous(Method::GET, "/fails");
    let answer = call.header("X-Request-Id", "ask-7").send().await;
    drop(listening);
    assert_eq!(answer.code(), "internal", "{}", answer.text);
    assert!(!answer.text.contains("no such table"), "{}", answer.text);
    let log = log.text();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in ["ask-7", "/fails", "no such table: orders"] {
        assert!(lines[0].contains(part), "{part} in {log}");
    }
}

/// Spans that are lost, and say so.
struct Lost;

impl Spans for Lost {
    fn begin(&self, _: Option<TraceContext>, _: bool) -> TraceContext {
        TraceContext {
            trace_id: [1; 16],
            span_id: [1; 8],
            flags: 0,
        }
    }

    fn report(&self, _: FinishedSpan) {}

    fn health(&self) -> Option<String> {
        Some("traces: lost".to_owned())
    }
}

/// Lost traces are told, but are no reason to restart the process.
#[tokio::test]
async fn health_is_ok_and_tells_of_traces() {
    let mut server = Server::start().await;
    let traced: Arc<dyn Spans> = Arc::new(Lost);
    for (spans, wanted) in [(None, "ok"), (Some(traced), "ok\ntraces: lost")] {
        server.spans = spans;
        server.router = router(server.state(Limits::default()));
        let health = server.anonymous(Method::GET, "/healthz").send().await;
        assert_eq!((health.status.as_u16(), &*health.text), (200, wanted));
    }
}

/// Every figure that dashboards are made of, by its name.
#[tokio::test]
async fn figures_have_their_names() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let ready = server.anonymous(Method::GET, "/readyz").send().await;
    assert_eq!(ready.text, "ready");
    for (key, wanted) in [("a", 201), ("b", 409)] {
        let hold = json!({"lines": [{"sku": "A-1", "units": 1}], "expires_in_s": 300});
        let held = server.post("/v1/holds", key, &hold).await;
        assert_eq!(held.status.as_u16(), wanted, "{}", held.text);
    }
    server.catch_up();
    let expected = [
        "http_route=\"/v1/skus/{sku}\"",
        "crossdock_build_info{version=",
        "crossdock_reserve_requests_total{outcome=\"granted\"} 1",
        "crossdock_reserve_requests_total{outcome=\"out_of_stock\"} 1",
        "crossdock_reserve_mailbox_wait_seconds_count{heat=",
        "crossdock_reserve_service_seconds_count{heat=",
        "crossdock_reserve_batch_size_count 2",
        "crossdock_hot_sku_requests_total{sku=\"A-1\"} 2",
        "crossdock_hot_sku_refused_total{sku=\"A-1\"} 1",
        "crossdock_hot_sku_busy_seconds_total{sku=\"A-1\"}",
        "crossdock_hot_sku_wait_seconds_total{sku=\"A-1\"}",
        "crossdock_hot_sku_mailbox_depth{sku=\"A-1\"} 0",
        "crossdock_hot_sku_available_units{sku=\"A-1\"} 0",
        "crossdock_journal_records",
        "crossdock_insight_lag_records 0",
        "crossdock_insight_stopped_shards 0",
        "# TYPE crossdock_exceptions_open gauge",
        "# TYPE crossdock_reports_owed gauge",
        "# TYPE crossdock_endpoint_lag_events gauge",
        "# EOF",
    ];
    // Who is hot is looked at once a second.
    comes_true(async || {
        let figures = server.anonymous(Method::GET, "/metrics").send().await.text;
        expected.iter().all(|expected| figures.contains(expected))
    })
    .await;
    let figures = server.anonymous(Method::GET, "/metrics").send().await.text;
    for expected in expected {
        assert!(
            figures.contains(expected),
            "{expected} is missing in {figures}"
        );
    }
}
