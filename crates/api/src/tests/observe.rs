//! What is told of requests: figures with few labels, log lines with the cause.

use std::io;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use axum::routing::get;
use axum::{Router, middleware};

use super::Server;
use crate::error::ApiError;
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
