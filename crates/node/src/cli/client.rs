//! The door to a running server: the one module of this crate that speaks HTTP.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, Response, StatusCode, Url};
use serde_json::Value;

use super::exit::{Exit, Failure, Outcome};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Longest wait for work that takes as long as there is data: copying a journal, adopting orders.
const LONG_WORK: Duration = Duration::from_secs(24 * 3600);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Tries of a command that finds the server busy, all under one key.
const TRIES_MAX: u32 = 5;
/// Wait between two tries when the server names none, in milliseconds.
const RETRY_MS: u64 = 200;
/// Longest wait the server can ask for, in seconds.
const RETRY_S_MAX: u64 = 10;

/// A server and the key it is asked with.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<String>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    url: Url,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    answer: Duration,
}

impl Call {
    /// The same call, for which the server may take its time.
    pub(crate) fn long(self) -> Self {
        Self {
            answer: LONG_WORK,
            ..self
        }
    }

    /// The same call with a header.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same call with an idempotency key: a repeat gets the same answer.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    /// The same call with a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string().into_bytes())
    }

    /// The same call with a body.
    pub(crate) fn body(self, content_type: &str, body: Vec<u8>) -> Self {
        self.header("Content-Type", content_type).bytes(body)
    }

    /// The same call with a body whose type a header names already.
    pub(crate) fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// The same call with a query parameter, when it has a value.
    pub(crate) fn query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.url.query_pairs_mut().append_pair(name, value);
        }
        self
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The status.
    pub status: StatusCode,
    /// When to try again, in milliseconds, where the server says so.
    pub retry_after_ms: Option<u64>,
    /// The body: its JSON, or its text.
    pub body: Value,
}

impl Received {
    /// The server's stable code of a refusal.
    pub(crate) fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    /// Whether the server asks for another try under the same key.
    pub(crate) fn is_busy(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
            || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// The body of a success; a refusal as a failure.
    pub(crate) fn success(self) -> Outcome<Value> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        Err(refusal(&self))
    }
}

impl Client {
    /// A door to the server at `url`.
    pub(crate) fn new(url: &str, key: Option<String>) -> Outcome<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .no_proxy()
            .build()
            .context("cannot set up HTTP")?;
        let base = Url::parse(url)
            .ok()
            .filter(|base| !base.cannot_be_a_base() && base.has_host())
            .ok_or_else(|| {
                Failure::usage(format!(
                    "{url:?} is not an address as http://127.0.0.1:8080"
                ))
            })?;
        Ok(Self { http, base, key })
    }

    /// A call of a path, given by its segments: an order's id may contain `/` and `#`.
    pub(crate) fn call(&self, method: Method, path: &[&str]) -> Call {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let headers = self
            .key
            .iter()
            .map(|key| ("Authorization".to_owned(), format!("Bearer {key}")));
        Call {
            method,
            url,
            headers: headers.collect(),
            body: Vec::new(),
            answer: ANSWER,
        }
    }

    /// Sends a call once.
    pub(crate) async fn send(&self, call: &Call) -> Outcome<Received> {
        let request = self.http.request(call.method.clone(), call.url.clone());
        let mut request = request.timeout(call.answer);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if !call.body.is_empty() {
            request = request.body(call.body.clone());
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        received(response)
            .await
            .map_err(|error| self.unreachable(&error))
    }

    /// Sends a call, again while the server is busy, and gives the body of its success.
    pub(crate) async fn run(&self, call: Call) -> Outcome<Value> {
        let mut tries = 1;
        loop {
            let received = self.send(&call).await?;
            if !received.is_busy() || tries == TRIES_MAX {
                return received.success();
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(
                received.retry_after_ms.unwrap_or(RETRY_MS),
            ))
            .await;
        }
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &[&str]) -> Outcome<Value> {
        self.run(self.call(Method::GET, path)).await
    }

    /// Reads a list to its end, page by page.
    pub(crate) async fn all(&self, call: Call) -> Outcome<Vec<Value>> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = call.clone().query("cursor", cursor.as_deref());
            let mut page = self.run(page).await?;
            if let Some(items) = page["items"].as_array_mut() {
                all.append(items);
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    /// Changes something, under a key of its own.
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Outcome<Value> {
        let call = self.call(Method::POST, path).json(body).key(&random_key()?);
        self.run(call).await
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let cause = if error.is_timeout() {
            "it did not answer in time".to_owned()
        } else if error.is_connect() {
            "nothing listens there".to_owned()
        } else {
            error.to_string()
        };
        let what = format!("the server at {} cannot be reached: {cause}", self.base);
        Failure::new(Exit::Unreachable, what)
            .remedy("start it with `crossdock serve`, or name it with --url or CROSSDOCK_URL")
    }
}

async fn received(response: Response) -> reqwest::Result<Received> {
    let status = response.status();
    let retry_after = response
        .headers()
        .get("Retry-After")
        .and_then(|value| value.to_str().ok());
    let retry_after_s: Option<u64> = retry_after.and_then(|text| text.trim().parse().ok());
    let bytes = response.bytes().await?;
    let body: Value = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    let retry_after_ms = body["retry_after_ms"]
        .as_u64()
        .or(retry_after_s.map(|s| s.min(RETRY_S_MAX) * 1000));
    Ok(Received {
        status,
        retry_after_ms,
        body,
    })
}

/// A refusal in the server's words, its code, and what to do.
fn refusal(received: &Received) -> Failure {
    let Received { status, body, .. } = received;
    let said = body["detail"]
        .as_str()
        .or(body["title"].as_str())
        .or(body.as_str());
    let said = said.filter(|text| !text.trim().is_empty());
    let exit = match *status {
        StatusCode::NOT_FOUND => Exit::NotFound,
        _ => Exit::Failed,
    };
    let failure = Failure {
        code: received.code().map(str::to_owned),
        ..Failure::new(
            exit,
            said.map_or_else(|| format!("the server answered {status}"), str::to_owned),
        )
    };
    let given = body["remedy"].as_str().map(str::to_owned);
    match given.or_else(|| remedy(*status, failure.code.as_deref())) {
        Some(remedy) => failure.remedy(remedy),
        None => failure,
    }
}

fn remedy(status: StatusCode, code: Option<&str>) -> Option<String> {
    let text = match status {
        StatusCode::UNAUTHORIZED => {
            "give a key: CROSSDOCK_API_KEY, or run this where `crossdock init` left admin.key in the data directory"
        }
        StatusCode::FORBIDDEN => {
            "use a key of that scope; an admin key makes one: crossdock key create --name NAME --scope SCOPE"
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            "the server is busy: try again"
        }
        _ => return code.map(|code| format!("docs/errors/{code}.md says what to do")),
    };
    Some(text.to_owned())
}

/// A random key for one command.
pub(crate) fn random_key() -> Outcome<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::failed(format!("no randomness: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: Value) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        let received = Received {
            status,
            retry_after_ms: None,
            body,
        };
        received.success().unwrap_err()
    }

    #[test]
    fn refusals_keep_detail_code_and_say_what_to_do() {
        let short = answer(
            409,
            json!({"detail": "not enough stock of A-1", "code": "short"}),
        );
        assert_eq!(short.exit, Exit::Failed);
        assert_eq!(
            short.to_string(),
            "not enough stock of A-1 (short)\n  docs/errors/short.md says what to do"
        );
        assert_eq!(
            answer(404, json!({"detail": "x", "code": "not_found"})).exit,
            Exit::NotFound
        );
        assert!(
            answer(401, json!(""))
                .to_string()
                .contains("CROSSDOCK_API_KEY")
        );
    }

    #[test]
    fn paths_keep_odd_ids_in_one_segment() {
        let client = Client::new("http://h:1/base/", None).unwrap();
        let call = client
            .call(Method::GET, &["v1", "orders", "shop:a/b#1"])
            .query("limit", Some("5"));
        assert_eq!(
            call.url.as_str(),
            "http://h:1/base/v1/orders/shop:a%2Fb%231?limit=5"
        );
        assert_eq!(Client::new("nowhere", None).unwrap_err().exit, Exit::Usage);
    }
}
