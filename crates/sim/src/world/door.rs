//! The server as outsiders reach it.

use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_channels::Secret;
use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::Clock;
use reqwest::redirect;
use serde_json::Value;

/// Longest wait for an answer.
const ANSWER_MAX: Wait = Wait::from_secs(30);
/// Tries of one call, all under one key.
const TRIES_MAX: u32 = 30;
/// First pause before a call is tried again; it doubles each time.
const AGAIN_MIN: Duration = Duration::from_ms(50);
/// Longest such pause.
const AGAIN_MAX: Duration = Duration::from_s(2);

/// The server's REST interface.
#[derive(Debug, Clone)]
pub struct Door {
    http: reqwest::Client,
    url: String,
    key: Secret,
    clock: Arc<dyn Clock>,
}

/// What a call was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body's JSON; null if it is none.
    pub body: Value,
}

impl Answer {
    /// Whether it was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The stable code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    /// Whether the same call may be answered otherwise in a moment.
    fn is_for_later(&self) -> bool {
        let code = self.code().unwrap_or_default();
        self.status == 429
            || self.status >= 500
            || matches!(code, "busy" | "contended" | "overloaded" | "unknown")
    }
}

impl Door {
    /// The door of the server at `url`, without a path, for the bearer of a key.
    ///
    /// # Errors
    /// When HTTP cannot be set up on this machine.
    pub fn new(url: &str, key: Secret, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(ANSWER_MAX)
            .no_proxy()
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            http,
            url: url.to_owned(),
            key,
            clock,
        })
    }

    /// The present time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says something under a key, again while the server is busy or no answer comes. `None`: it never came.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Option<Answer> {
        let mut pause = AGAIN_MIN;
        for tried in 0..TRIES_MAX {
            if tried > 0 {
                self.clock.sleep(pause).await;
                pause = Duration::from_ms(pause.as_ms() * 2).min(AGAIN_MAX);
            }
            if let Some(answer) = self.try_post(path, key, body).await
                && !answer.is_for_later()
            {
                return Some(answer);
            }
        }
        None
    }

    async fn try_post(&self, path: &str, key: &str, body: &Value) -> Option<Answer> {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.bearer_auth(self.key.expose());
        let request = request.header("idempotency-key", key).json(body);
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.ok()?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Some(Answer { status, body })
    }
}
