//! Tells endpoints what happened: signed webhooks (Standard Webhooks), at least once, in order, each on its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_channels::Secret;
use crossdock_channels::warehouse::{HttpSender, SendError};
use crossdock_insight::{Delivered, FeedEvent, Insight};
use crossdock_model::answer::EndpointView;
use crossdock_model::command::{ExceptionCommand, SystemCommand};
use crossdock_model::{Answer, Command, CredentialId, EntityId};
use crossdock_runtime::{By, Handle};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::exceptions;

/// How often the feed is looked at.
const POLL: Wait = Wait::from_millis(250);
/// Events told to one endpoint before its place is recorded.
const EVENTS_MAX: usize = 50;
/// Times that many events told before the endpoint's settings are looked at again.
const BATCHES_MAX: usize = 20;
/// First pause after a failure, in milliseconds; doubled with each, for about three days in all.
const RETRY_MS: i64 = 5_000;
/// Longest pause, in milliseconds.
const RETRY_MS_MAX: i64 = 6 * 3_600_000;
/// Failures in a row after which an event is passed over and an exception opened.
const FAILURES_MAX: u32 = 20;
/// Refusals (4xx) in a row after which the first event is passed over; twice as many for each that follows.
const REFUSALS_MAX: u32 = 5;

/// Tells endpoints.
#[derive(Clone)]
pub struct Outgoing {
    /// The door to the node.
    pub handle: Handle,
    /// Where the feed is.
    pub insight: Arc<Insight>,
    /// Who sends.
    pub sender: HttpSender,
    /// Secrets by name.
    pub secrets: Arc<BTreeMap<String, Secret>>,
}

impl Outgoing {
    /// Tells endpoints until the runtime it is spawned on ends. One that is slow or fails delays no other.
    pub async fn run(self) {
        let mut telling: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
        loop {
            tokio::time::sleep(POLL).await;
            telling.retain(|_, task| !task.is_finished());
            for endpoint in self.endpoints().await {
                if telling.contains_key(&endpoint.id) {
                    continue;
                }
                let (id, outgoing) = (endpoint.id.clone(), self.clone());
                let task = async move {
                    let mut told = outgoing.tell(&endpoint).await;
                    for _ in 1..BATCHES_MAX {
                        if !matches!(told, Ok(true)) {
                            break;
                        }
                        told = outgoing.tell(&endpoint).await;
                    }
                    if let Err(error) = told {
                        let endpoint = endpoint.id;
                        tracing::warn!(endpoint, error, "an endpoint could not be told");
                    }
                };
                telling.insert(id, tokio::spawn(task));
            }
        }
    }

    async fn endpoints(&self) -> Vec<EndpointView> {
        let Ok(principal) = CredentialId::new("outgoing") else {
            return Vec::new();
        };
        let read = Command::System(SystemCommand::ReadEndpoints);
        match self
            .handle
            .ask(EntityId::System(0), read, By::new(principal))
            .await
            .map(|r| r.answer)
        {
            Ok(Answer::Endpoints(endpoints)) => endpoints,
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    /// Tells an endpoint what it was not told yet; says whether there is more.
    async fn tell(&self, endpoint: &EndpointView) -> Result<bool, String> {
        let insight = Arc::clone(&self.insight);
        let id = endpoint.id.clone();
        let mut told = blocking(move || insight.delivered(&id)).await?;
        if self.handle.now().as_ms() < told.retry_at {
            return Ok(false);
        }
        let (insight, last) = (Arc::clone(&self.insight), told.last);
        let events = blocking(move || insight.feed(last, EVENTS_MAX)).await?;
        let is_full = events.len() == EVENTS_MAX;
        for event in events {
            let wanted = endpoint.topics.is_empty()
                || endpoint
                    .topics
                    .iter()
                    .any(|topic| event.topic.starts_with(topic.as_str()));
            if !wanted {
                told.last = event.id;
                continue;
            }
            if let Err(undelivered) = self.send(endpoint, &event).await {
                return self.failed(endpoint, &event, told, undelivered).await;
            }
            told = Delivered::up_to(event.id);
        }
        self.note(&endpoint.id, told).await?;
        Ok(is_full)
    }

    async fn send(&self, endpoint: &EndpointView, event: &FeedEvent) -> Result<(), Undelivered> {
        let name = &endpoint.secret_name;
        let secret = self.secrets.get(name).ok_or_else(|| Undelivered {
            why: format!("there is no secret {name:?}: add secrets.{name} to the configuration"),
            is_refused: false,
        })?;
        let at = jiff::Timestamp::from_millisecond(event.at).unwrap_or_default();
        let body = json!({
            "type": event.topic, "timestamp": at.to_string(), "id": event.id, "subject": event.subject, "data": event.data
        });
        let id = format!("event:{}", event.id);
        let bytes = body.to_string().into_bytes();
        let sent = self
            .sender
            .send(&endpoint.url, secret, &id, self.handle.now(), bytes)
            .await;
        sent.map_err(|error| Undelivered {
            is_refused: matches!(error, SendError::Status(400..=499)),
            why: error.to_string(),
        })
    }

    async fn failed(
        &self,
        endpoint: &EndpointView,
        event: &FeedEvent,
        mut told: Delivered,
        undelivered: Undelivered,
    ) -> Result<bool, String> {
        let Undelivered { why, is_refused } = undelivered;
        told.failures += 1;
        let passes_over = told.failures >= tries_max(is_refused, told.passed_over);
        if passes_over {
            self.open_exception(endpoint, event, &why).await;
            told = Delivered {
                passed_over: told.passed_over + 1,
                ..Delivered::up_to(event.id)
            };
        } else {
            let pause = (RETRY_MS << told.failures.min(16)).min(RETRY_MS_MAX);
            told.retry_at = self.handle.now().as_ms() + pause;
        }
        told.error = Some(why);
        self.note(&endpoint.id, told).await?;
        Ok(passes_over)
    }

    async fn note(&self, endpoint: &str, told: Delivered) -> Result<(), String> {
        let (insight, id) = (Arc::clone(&self.insight), endpoint.to_owned());
        blocking(move || insight.set_delivered(&id, &told)).await
    }

    async fn open_exception(&self, endpoint: &EndpointView, event: &FeedEvent, error: &str) {
        let Ok(principal) = CredentialId::new("outgoing") else {
            return;
        };
        let open = ExceptionCommand::open_with(
            "undelivered_event",
            &format!("endpoint:{}", endpoint.id),
            format!(
                "Endpoint {} did not take event {} after all tries: {error}.",
                endpoint.id, event.id
            ),
            vec![("event".to_owned(), event.id.to_string())],
        );
        exceptions::tell(&self.handle, &By::new(principal), None, open).await;
    }
}

/// Why an endpoint did not take an event.
struct Undelivered {
    why: String,
    /// Whether it was there and said no: a matter of this event, most often.
    is_refused: bool,
}

/// Tries of an event before it is passed over. One that is refused must not keep back all others; but if more are
/// refused after it, it is the endpoint that needs mending, and what it refuses is kept for it longer and longer.
fn tries_max(is_refused: bool, passed_over: u32) -> u32 {
    match is_refused {
        true => (REFUSALS_MAX << passed_over.min(8)).min(FAILURES_MAX),
        false => FAILURES_MAX,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crossdock_insight::InsightError> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| e.to_string())?;
    done.map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;
