//! Spans of requests: whether one is wanted is decided first, and it is made only once the request has ended.
//!
//! A span costs a microsecond or two even when it is thrown away; looking at the sampled bit costs nothing. What
//! failed or was slow is reported also when it was not sampled.

use std::time::{Duration, SystemTime};

use axum::http::HeaderMap;
use crossdock_model::v1::TraceContext;

/// From this on a request is slow, and reported also when it was not sampled.
pub const SLOW: Duration = Duration::from_secs(1);
/// The flag of a sampled trace (W3C trace context).
const SAMPLED: u8 = 1;

/// Where spans go: the node's telemetry.
pub trait Spans: Send + Sync {
    /// The context of new work: in the caller's trace if it has one, with a span id of its own. `forced`: sampled
    /// whatever the ratio says.
    fn begin(&self, parent: Option<TraceContext>, forced: bool) -> TraceContext;

    /// Takes a span of work that has ended.
    fn report(&self, span: FinishedSpan);

    /// How sending goes, in one line that anybody may read: no addresses, no texts of errors.
    fn health(&self) -> Option<String> {
        None
    }
}

/// A span of work that has ended.
#[derive(Debug, Clone)]
pub struct FinishedSpan {
    /// Its own context.
    pub context: TraceContext,
    /// What it was part of.
    pub parent: Option<TraceContext>,
    /// What kind of work: few different ones.
    pub name: String,
    /// Whether it answered somebody outside.
    pub is_server: bool,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// Facts about it; no personal data, no secrets.
    pub attributes: Vec<(&'static str, String)>,
}

impl FinishedSpan {
    /// Whether anybody wants to see it.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        is_sampled(&self.context) || self.error.is_some() || self.took >= SLOW
    }
}

/// Whether the trace is sampled.
#[must_use]
pub fn is_sampled(context: &TraceContext) -> bool {
    context.flags & SAMPLED != 0
}

/// Whether the caller asks for a trace of just this request.
pub(crate) fn is_forced(headers: &HeaderMap) -> bool {
    headers
        .get("crossdock-debug")
        .is_some_and(|value| value == "1")
}

/// The caller's context, from the header `traceparent` (W3C trace context): `00-{32 hex}-{16 hex}-{2 hex}`.
pub(crate) fn parent(headers: &HeaderMap) -> Option<TraceContext> {
    read(headers.get("traceparent")?.to_str().ok()?)
}

/// Reads a `traceparent`; none if it is not one.
#[must_use]
pub fn read(text: &str) -> Option<TraceContext> {
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    let sizes = (version.len(), trace.len(), span.len(), flags.len());
    if sizes != (2, 32, 16, 2) || version == "ff" {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok()?;
    let span = u64::from_str_radix(span, 16).ok()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    (trace != 0 && span != 0).then(|| TraceContext {
        trace_id: trace.to_be_bytes(),
        span_id: span.to_be_bytes(),
        flags,
    })
}

/// A context as a `traceparent`.
#[must_use]
pub fn write(context: &TraceContext) -> String {
    let trace = u128::from_be_bytes(context.trace_id);
    let span = u64::from_be_bytes(context.span_id);
    format!("00-{trace:032x}-{span:016x}-{:02x}", context.flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_as_it_is_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = read(text).unwrap();
        assert!(is_sampled(&context));
        assert_eq!(write(&context), text);
    }

    #[test]
    fn what_is_no_context_is_none() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
