//! Around every request: its id, its time limit, its figures; and what operators look at.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use crossdock_insight::Stop;
use tokio::time::Instant;

use crate::answer;
use crate::doors::PutOff;
use crate::error::{ApiError, Cause};
use crate::state::ApiState;
use crate::trace::{self, FinishedSpan};

/// Longest time for work that takes as long as there is data: imports, adoption, copies of the journal.
pub(crate) const IMPORT_ANSWER: Duration = Duration::from_secs(24 * 3600);
/// Longest request id taken from a caller.
const REQUEST_ID_BYTES_MAX: usize = 64;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives every request an id and a trace context, counts it, and tells failures to the log.
pub(crate) async fn request(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let (started, started_at) = (Instant::now(), SystemTime::now());
    let id = request_id(&state, request.headers().get(&REQUEST_ID));
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("unmatched", MatchedPath::as_str).to_owned();
    let parent = trace::parent(request.headers());
    let forced = trace::is_forced(request.headers());
    let own = state
        .spans
        .as_ref()
        .map(|spans| spans.begin(parent, forced));
    if let Some(context) = own.or(parent) {
        request.extensions_mut().insert(context);
    }
    let mut response = next.run(request).await;
    let status = response.status();
    let cause = response.extensions_mut().remove::<Cause>();
    let failed = status.is_server_error() && response.extensions_mut().remove::<PutOff>().is_none();
    if failed {
        let id = id.to_str().unwrap_or_default();
        tell(status, method, &route, id, cause);
    }
    if let (Some(spans), Some(context)) = (&state.spans, own) {
        let span = FinishedSpan {
            context,
            parent,
            name: format!("{method} {route}"),
            is_server: true,
            started: started_at,
            took: started.elapsed(),
            error: failed.then(|| status.to_string()),
            attributes: vec![
                ("http.request.method", method.to_owned()),
                ("http.route", route.clone()),
                ("http.response.status_code", status.as_u16().to_string()),
            ],
        };
        if span.is_wanted() {
            spans.report(span);
        }
    }
    state
        .figures
        .answered(method, route, status.as_u16(), started.elapsed());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// A method by its name; what anybody may make up is one label, as OpenTelemetry says.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    let known = KNOWN.into_iter().find(|known| method == known);
    known.unwrap_or("_OTHER")
}

/// Tells the log of a request that was not served: its id and the cause in one line.
fn tell(status: StatusCode, method: &str, route: &str, request_id: &str, cause: Option<Cause>) {
    let (cause, status_code) = (cause.map(|Cause(text)| text), status.as_u16());
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(
            request_id,
            method,
            route,
            status_code,
            cause,
            "a request failed"
        );
    } else {
        tracing::warn!(
            request_id,
            method,
            route,
            status_code,
            cause,
            "a request was not served"
        );
    }
}

fn request_id(state: &ApiState, given: Option<&HeaderValue>) -> HeaderValue {
    let fits = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    if let Some(given) = given.filter(fits) {
        return given.clone();
    }
    let number = state.figures.next_id.fetch_add(1, Ordering::Relaxed);
    let text = format!("{:x}-{number:x}", state.handle.now().as_ms());
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Ends a request that takes too long.
pub(crate) async fn bounded(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "no answer in time, and whether it was done is unknown: repeat it with the same key";
            ApiError::later("timeout", detail, 1000).into_response()
        }
    }
}

/// The process answers; how traces leave is told too, and lost ones are no reason to restart it.
pub(crate) async fn healthz(State(state): State<ApiState>) -> Cow<'static, str> {
    let traces = state.spans.as_ref().and_then(|spans| spans.health());
    traces.map_or(Cow::Borrowed("ok"), |line| format!("ok\n{line}").into())
}

/// The node takes work. Shards whose read models stand still are named: all others go on, and a restart mends nothing.
pub(crate) async fn readyz(State(state): State<ApiState>) -> Result<String, ApiError> {
    // A read model that stands still shows what is no longer so.
    let trouble = state.handle.trouble().or_else(|| state.insight.trouble());
    match trouble {
        None => Ok(ready(&state.insight.stopped())),
        Some(trouble) => {
            let detail = "the node takes no work now; its log says why";
            Err(ApiError::later("not_ready", detail, 1000).because(&trouble))
        }
    }
}

fn ready(stopped: &[Stop]) -> String {
    if stopped.is_empty() {
        return "ready".to_owned();
    }
    let records: Vec<String> = stopped.iter().map(|stop| stop.at.to_string()).collect();
    let records = records.join(", ");
    format!("ready\nread models: shards stand still before record {records}")
}

/// All figures.
pub(crate) async fn metrics(State(state): State<ApiState>) -> Result<Response, ApiError> {
    // Some figures are read from the read models.
    let encoded = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &state.registry).map(|()| text)
    });
    let text = encoded
        .await
        .map_err(|error| ApiError::internal(&error))?
        .map_err(|error| ApiError::internal(&error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(answer::text(kind, text))
}
