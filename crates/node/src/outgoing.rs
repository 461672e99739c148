//! Tells endpoints what happened: signed webhooks (Standard Webhooks), at least once, in order, each on its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_channels::Secret;
use crossdock_channels::warehouse::HttpSender;
use crossdock_insight::{FeedEvent, Insight};
use crossdock_model::answer::EndpointView;
use crossdock_model::command::SystemCommand;
use crossdock_model::{Answer, Command, CredentialId, EntityId};
use crossdock_runtime::{By, Handle};
use serde_json::json;
use tokio::task::JoinHandle;

/// How often the feed is looked at.
const POLL: Wait = Wait::from_millis(250);
/// Events told to one endpoint before its place is recorded.
const EVENTS_MAX: usize = 50;
/// First pause after a failure, in milliseconds; doubled with each, for about three days in all.
const RETRY_MS: i64 = 5_000;
/// Longest pause, in milliseconds.
const RETRY_MS_MAX: i64 = 6 * 3_600_000;
/// Failures in a row after which an event is passed over and an exception opened.
const FAILURES_MAX: u32 = 20;

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
                    if let Err(error) = outgoing.tell(&endpoint).await {
                        tracing::warn!(
                            endpoint = endpoint.id,
                            error,
                            "an endpoint could not be told"
                        );
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

    async fn tell(&self, endpoint: &EndpointView) -> Result<(), String> {
        let insight = Arc::clone(&self.insight);
        let id = endpoint.id.clone();
        let told = blocking(move || insight.delivered(&id)).await?;
        let (mut last, failures, retry_at) = told;
        if self.handle.now().as_ms() < retry_at {
            return Ok(());
        }
        let insight = Arc::clone(&self.insight);
        for event in blocking(move || insight.feed(last, EVENTS_MAX)).await? {
            let wanted = endpoint.topics.is_empty()
                || endpoint
                    .topics
                    .iter()
                    .any(|topic| event.topic.starts_with(topic.as_str()));
            if wanted && let Err(error) = self.send(endpoint, &event).await {
                return self
                    .failed(endpoint, &event, last, failures + 1, &error)
                    .await;
            }
            last = event.id;
        }
        self.note(&endpoint.id, last, 0, 0).await
    }

    async fn send(&self, endpoint: &EndpointView, event: &FeedEvent) -> Result<(), String> {
        let name = &endpoint.secret_name;
        let secret = self.secrets.get(name).ok_or_else(|| {
            format!("there is no secret {name:?}: add [secrets.{name}] to the configuration")
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
        sent.map_err(|error| error.to_string())
    }

    async fn failed(
        &self,
        endpoint: &EndpointView,
        event: &FeedEvent,
        last: i64,
        failures: u32,
        error: &str,
    ) -> Result<(), String> {
        if failures >= FAILURES_MAX {
            self.note(&endpoint.id, event.id, 0, 0).await?;
            self.open_exception(endpoint, event, error).await;
            return Ok(());
        }
        let pause = (RETRY_MS << failures.min(16)).min(RETRY_MS_MAX);
        self.note(
            &endpoint.id,
            last,
            failures,
            self.handle.now().as_ms() + pause,
        )
        .await
    }

    async fn note(
        &self,
        endpoint: &str,
        last: i64,
        failures: u32,
        retry_at: i64,
    ) -> Result<(), String> {
        let (insight, id) = (Arc::clone(&self.insight), endpoint.to_owned());
        blocking(move || insight.set_delivered(&id, last, failures, retry_at)).await
    }

    async fn open_exception(&self, endpoint: &EndpointView, event: &FeedEvent, error: &str) {
        let Ok(principal) = CredentialId::new("outgoing") else {
            return;
        };
        let command = Command::System(SystemCommand::OpenException {
            kind: "undelivered_event".to_owned(),
            subject: format!("endpoint:{}", endpoint.id),
            cause: format!(
                "Endpoint {} did not take event {} after all tries: {error}.",
                endpoint.id, event.id
            ),
            evidence: vec![("event".to_owned(), event.id.to_string())],
        });
        if let Err(error) = self
            .handle
            .ask(EntityId::System(0), command, By::new(principal))
            .await
        {
            tracing::warn!(%error, "an exception could not be recorded");
        }
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
