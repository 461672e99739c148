//! One call: its token, its address, and what its answer means for whether it was done.

use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_model::{Duration, Timestamp};
use reqwest::header::{DATE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::clock::Ahead;
use super::operation::{Operation, Rates};
use super::token::Tokens;
use crate::inbound::Secret;
use crate::outbound::{self, CallError, said};

/// Bytes of an answer that are read: a page of a hundred orders has under one million.
pub(super) const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Longest pause that is believed.
const PAUSE_MAX: Duration = Duration::from_minutes(60);

/// Where the present time comes from.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What to call.
pub(super) struct Request<'a> {
    pub(super) operation: Operation,
    pub(super) method: Method,
    /// Parts of the path; each is escaped.
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

/// What Amazon answered about the call.
pub(super) enum Answer {
    /// It was done.
    Done(Vec<u8>),
    /// It was refused as it stands; nothing was done.
    Refused { status: u16, problem: String },
}

/// Calls of one seller's account.
pub(super) struct Wire {
    pub(super) http: reqwest::Client,
    pub(super) base: Url,
    pub(super) tokens: Tokens,
    pub(super) rates: Arc<dyn Rates>,
    pub(super) now: Now,
    pub(super) ahead: Ahead,
    /// Time for a whole call, with its tokens.
    pub(super) call_max: Wait,
}

impl Wire {
    /// Makes a call, once it may be made. Behind its time nothing of it is sent any more.
    pub(super) async fn call(&self, request: &Request<'_>) -> Result<Answer, CallError> {
        self.rates.turn(request.operation).await;
        let ends_at = Instant::now() + self.call_max;
        // A token that is refused is renewed once.
        let token = in_time(ends_at, self.tokens.access(), no_token).await?;
        let answer = in_time(ends_at, self.send(request, &token), no_answer).await?;
        let Answer::Refused {
            status: 401 | 403, ..
        } = answer
        else {
            return Ok(answer);
        };
        let token = in_time(ends_at, self.tokens.access_after(&token), no_token).await?;
        match in_time(ends_at, self.send(request, &token), no_answer).await? {
            Answer::Refused {
                status: 401 | 403,
                problem,
            } => Err(CallError::NotDone(format!(
                "{problem}: check what the seller authorised, and the application's roles"
            ))),
            answer => Ok(answer),
        }
    }

    async fn send(&self, request: &Request<'_>, token: &Secret) -> Result<Answer, CallError> {
        let url = self.url(request)?;
        let mut token = HeaderValue::from_str(token.expose())
            .map_err(|_| CallError::NotDone("the access token is no header".to_owned()))?;
        token.set_sensitive(true);
        let mut call = self
            .http
            .request(request.method.clone(), url)
            .header("x-amz-access-token", token);
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        let asked_at = (self.now)();
        let answer = call.send().await;
        let mut answer = answer.map_err(|error| unanswered(&error))?;
        let date = answer
            .headers()
            .get(DATE)
            .and_then(|date| date.to_str().ok());
        if let Some(said) = date.and_then(outbound::http_date) {
            self.ahead.hear(said, asked_at, (self.now)());
        }
        let status = answer.status();
        let is_over = status == StatusCode::TOO_MANY_REQUESTS;
        let granted = granted(answer.headers());
        self.rates.told(request.operation, granted, is_over);
        if is_over {
            let retry_after = pause(answer.headers(), request.operation);
            return Err(CallError::Throttled { retry_after });
        }
        if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            return Err(CallError::Unknown(format!("status {}", status.as_u16())));
        }
        let body = read_body(&mut answer).await;
        if status.is_success() {
            return body.map(Answer::Done).map_err(CallError::Unknown);
        }
        Ok(Answer::Refused {
            status: status.as_u16(),
            problem: problem(status, &body.unwrap_or_default()),
        })
    }

    /// The time by Amazon's clock.
    pub(super) fn time_there(&self) -> Timestamp {
        self.ahead.at((self.now)())
    }

    fn url(&self, request: &Request<'_>) -> Result<Url, CallError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(request.path);
            }
            Err(()) => return Err(CallError::NotDone("the endpoint has no path".to_owned())),
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }
}

/// What comes of a part of a call, or of its being late.
async fn in_time<T>(
    ends_at: Instant,
    part: impl Future<Output = Result<T, CallError>>,
    late: fn() -> CallError,
) -> Result<T, CallError> {
    let part = timeout_at(ends_at, part).await;
    part.unwrap_or_else(|_| Err(late()))
}

/// As long as there is none, nothing is sent, or what was sent is refused.
fn no_token() -> CallError {
    CallError::NotDone("no access token in time".to_owned())
}

fn no_answer() -> CallError {
    CallError::Unknown("nothing in time".to_owned())
}

/// Whether a call that has no answer may have been done: not without a connection.
pub(super) fn unanswered(error: &reqwest::Error) -> CallError {
    let was_sent = !error.is_connect() && !error.is_builder();
    let what = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "nothing in time",
        (false, true) => "no connection",
        (false, false) => "the connection broke",
    };
    match was_sent {
        true => CallError::Unknown(what.to_owned()),
        false => CallError::NotDone(what.to_owned()),
    }
}

pub(super) async fn read_body(answer: &mut reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES_MAX => {
                return Err("the answer is too long".to_owned());
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err("the answer broke off".to_owned()),
        }
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Calls that are granted a second.
fn granted(headers: &HeaderMap) -> Option<f64> {
    let per_s = number(headers, "x-amzn-ratelimit-limit");
    per_s.filter(|per_s| per_s.is_finite() && *per_s > 0.0)
}

/// How long to wait: as Amazon says, or as long as one more call takes to be granted.
fn pause(headers: &HeaderMap, operation: Operation) -> Duration {
    let told = number(headers, "retry-after").or_else(|| granted(headers).map(f64::recip));
    let told = told.and_then(outbound::seconds);
    told.unwrap_or_else(|| operation.pause()).min(PAUSE_MAX)
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// All problems in one text, as far as it is kept.
pub(super) fn problems(problems: &[Problem]) -> String {
    let one = |problem: &Problem| format!("{}: {}", problem.code, problem.message);
    said(&problems.iter().map(one).collect::<Vec<_>>().join("; "))
}

fn problem(status: StatusCode, body: &[u8]) -> String {
    let told = serde_json::from_slice::<Errors>(body).map(|told| problems(&told.errors));
    match told.unwrap_or_default() {
        told if told.is_empty() => format!("status {}", status.as_u16()),
        told => format!("status {}, {told}", status.as_u16()),
    }
}

/// Pairs as a form has them.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("form://body") else {
        return String::new();
    };
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Amazon says is journaled: a sentence of it, however much it finds wrong.
    #[test]
    fn problems_are_kept_in_part() {
        let one = || Problem {
            code: "90000900".to_owned(),
            message: "invalid".to_owned(),
        };
        assert_eq!(problems(&[one()]), "90000900: invalid");
        let many: Vec<Problem> = (0..10_000).map(|_| one()).collect();
        let told = problems(&many);
        assert!(told.starts_with("90000900: invalid; 90000900"), "{told}");
        assert_eq!(told.chars().count(), 301);
    }
}
