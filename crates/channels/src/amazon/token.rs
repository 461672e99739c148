//! Access tokens of Login with Amazon: asked for before the old one runs out, by one caller at a time.
//!
//! Source: <https://developer-docs.amazon.com/sp-api/docs/connecting-to-the-selling-partner-api>.

use crossdock_model::{Duration, Timestamp};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::wire::{Now, form, read_body};
use crate::inbound::Secret;
use crate::outbound::{CallError, said};

/// A token is not used in its last minute: a call may take that long.
const MARGIN: Duration = Duration::from_minutes(1);
/// Pause when Amazon does not say how long.
const PAUSE: Duration = Duration::from_s(5);

/// Who we are.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) refresh_token: Secret,
}

struct Held {
    access: Secret,
    good_until: Timestamp,
}

/// The one access token of a seller's account.
pub(super) struct Tokens {
    http: reqwest::Client,
    endpoint: Url,
    credentials: Credentials,
    now: Now,
    held: Mutex<Option<Held>>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Tokens {
    pub(super) fn new(
        http: reqwest::Client,
        endpoint: Url,
        credentials: Credentials,
        now: Now,
    ) -> Self {
        Self {
            http,
            endpoint,
            credentials,
            now,
            held: Mutex::new(None),
        }
    }

    /// A token that is good for a call.
    pub(super) async fn access(&self) -> Result<Secret, CallError> {
        let mut held = self.held.lock().await;
        let now = (self.now)();
        if let Some(held) = held.as_ref().filter(|held| now < held.good_until) {
            return Ok(held.access.clone());
        }
        self.renew(&mut held).await
    }

    /// Another token than the one that was refused. Of many callers it was refused to, one asks.
    pub(super) async fn access_after(&self, refused: &Secret) -> Result<Secret, CallError> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| held.access != *refused) {
            return Ok(held.access.clone());
        }
        self.renew(&mut held).await
    }

    async fn renew(&self, held: &mut Option<Held>) -> Result<Secret, CallError> {
        let asked_at = (self.now)();
        let granted = self.ask().await?;
        let span = Duration::from_s(granted.expires_in);
        let margin = MARGIN.as_ms().min(span.as_ms() / 2);
        let access = Secret::new(granted.access_token);
        *held = Some(Held {
            access: access.clone(),
            good_until: asked_at + Duration::from_ms(span.as_ms() - margin),
        });
        Ok(access)
    }

    /// Whatever goes wrong here, the call that needs the token was not made.
    async fn ask(&self) -> Result<Granted, CallError> {
        let not_done = |what: String| CallError::NotDone(format!("no access token: {what}"));
        let body = form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", self.credentials.refresh_token.expose()),
            ("client_id", &self.credentials.client_id),
            ("client_secret", self.credentials.client_secret.expose()),
        ]);
        let request = self
            .http
            .post(self.endpoint.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await;
        let mut answer = answer.map_err(|e| not_done(e.without_url().to_string()))?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(CallError::Throttled { retry_after: PAUSE });
        }
        let body = read_body(&mut answer).await.map_err(not_done)?;
        if !status.is_success() {
            return Err(not_done(denied(status, &body)));
        }
        serde_json::from_slice(&body).map_err(|_| not_done("the answer is none".to_owned()))
    }
}

/// What a person has to do about it.
fn denied(status: StatusCode, body: &[u8]) -> String {
    match serde_json::from_slice::<Denied>(body) {
        Ok(Denied {
            error,
            error_description,
        }) if status.is_client_error() => format!(
            "Amazon answers {} ({}): check client_id, client_secret and refresh_token, and \
             authorise the application again if the seller has withdrawn it",
            said(&error),
            said(&error_description)
        ),
        Ok(_) | Err(_) => format!("Amazon answers with status {}", status.as_u16()),
    }
}
