//! The shop on the network: answers calls, and sends signed webhooks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use crossdock_channels::{Secret, shopify};
use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::Clock;
use reqwest::redirect;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::fault::Fault;
use super::outbox::Message;
use super::store::Store;
use super::wire::{graphql_time, http_time};

/// How long the receiver of a webhook has.
const WEBHOOK_MAX: Wait = Wait::from_secs(5);
/// Webhooks under way at most.
const SENDING_MAX: usize = 64;
/// How long a caller waits for an answer that does not come.
const SILENCE: Duration = Duration::from_s(30);
/// Points that a call would have cost which is refused by chance.
const REFUSED_COST: f64 = 50.0;

/// A shop with its secrets and its time.
#[derive(Debug)]
pub struct Shop {
    store: Mutex<Store>,
    clock: Arc<dyn Clock>,
    token: Secret,
    webhook_secret: Secret,
    changed: Notify,
}

impl Shop {
    /// A shop that takes calls with this token and signs its webhooks with that secret.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        token: Secret,
        webhook_secret: Secret,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Mutex::new(store),
            clock,
            token,
            webhook_secret,
            changed: Notify::new(),
        })
    }

    /// Looks at the shop, or does something there, now.
    pub fn with<R>(&self, act: impl FnOnce(&mut Store, Timestamp) -> R) -> R {
        let now = self.clock.now();
        let done = act(&mut self.lock(), now);
        self.changed.notify_one();
        done
    }

    /// Serves the Admin API there, and sends webhooks, until what is returned is dropped.
    ///
    /// # Errors
    /// When HTTP cannot be set up on this machine.
    pub fn serve(self: &Arc<Self>, listener: TcpListener) -> std::io::Result<Serving> {
        let url = format!("http://{}", listener.local_addr()?);
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(WEBHOOK_MAX)
            .no_proxy()
            .build()
            .map_err(std::io::Error::other)?;
        let router = Router::new()
            .route("/admin/api/2026-10/graphql.json", post(call))
            .with_state(Arc::clone(self));
        let answering = tokio::spawn(async move {
            // It ends with this task only.
            let _ = axum::serve(listener, router).await;
        });
        let sending = tokio::spawn(Arc::clone(self).send(client));
        Ok(Serving {
            url,
            tasks: [answering, sending],
        })
    }

    async fn send(self: Arc<Self>, client: reqwest::Client) {
        let room = Arc::new(Semaphore::new(SENDING_MAX));
        loop {
            let (due, next) = {
                let mut store = self.lock();
                let due = store.take_due(self.clock.now());
                (due, store.next_due())
            };
            for message in due {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                    return;
                };
                let (shop, client) = (Arc::clone(&self), client.clone());
                tokio::spawn(async move {
                    let is_taken = shop.post(&client, &message).await;
                    shop.with(|store, now| store.answered(message, is_taken, now));
                    drop(permit);
                });
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.clock.sleep_until(next.unwrap_or(Timestamp::MAX)) => {}
            }
        }
    }

    async fn post(&self, client: &reqwest::Client, message: &Message) -> bool {
        let signature = shopify::sign(&self.webhook_secret, &message.body);
        let domain = self.lock().domain.clone();
        let headers = shopify::headers(
            &message.topic,
            &message.event,
            &message.delivery,
            &domain,
            &signature,
        );
        let mut request = client
            .post(&message.url)
            .header("X-Shopify-Triggered-At", graphql_time(message.triggered_at))
            .body(message.body.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shop that is on the network; it goes off when this is dropped.
#[derive(Debug)]
pub struct Serving {
    url: String,
    tasks: [JoinHandle<()>; 2],
}

impl Serving {
    /// Where it is, without a path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn call(State(shop): State<Arc<Shop>>, headers: HeaderMap, body: Bytes) -> Response {
    let token = headers
        .get("x-shopify-access-token")
        .map(|token| token.as_bytes());
    if token != Some(shop.token.expose().as_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (answer, after) = shop.with(|store, now| carry_out(store, &request, now));
    match after {
        Some(Fault::Silent | Fault::Unanswered) => {
            shop.clock.sleep(SILENCE).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Some(_) => StatusCode::BAD_GATEWAY.into_response(),
        None => answer,
    }
}

/// The answer, and what keeps it from its caller.
fn carry_out(store: &mut Store, request: &Value, now: Timestamp) -> (Response, Option<Fault>) {
    if store.faults.strikes(Fault::TooMany) {
        let later = [(header::RETRY_AFTER, "2.0")];
        return ((StatusCode::TOO_MANY_REQUESTS, later).into_response(), None);
    }
    if store.faults.strikes(Fault::Unavailable) {
        return (StatusCode::SERVICE_UNAVAILABLE.into_response(), None);
    }
    if store.faults.strikes(Fault::Silent) {
        let silence = StatusCode::GATEWAY_TIMEOUT.into_response();
        return (silence, Some(Fault::Silent));
    }
    let answer = match store.faults.strikes(Fault::Throttled) {
        true => store.throttled(REFUSED_COST),
        false => store.answer(request, now),
    };
    let mut after = [Fault::BrokenOff, Fault::Unanswered].into_iter();
    let document = request.get("query").and_then(Value::as_str);
    let document = document.unwrap_or_default();
    let after = after.find(|kind| store.faults.strikes_call(*kind, document));
    let headers = [
        (
            header::CONTENT_TYPE,
            "application/json; charset=utf-8".to_owned(),
        ),
        (header::DATE, http_time(now)),
    ];
    ((headers, answer.to_string()).into_response(), after)
}
