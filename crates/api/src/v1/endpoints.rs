//! Outgoing webhooks: who is told of which events.

use crossdock_insight::{Delivered, Insight, TOPICS};
use crossdock_model::answer::EndpointView;
use crossdock_model::command::SystemCommand;
use crossdock_model::v1::Scope;
use crossdock_model::{Answer, Command, EntityId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::consistent::look;
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Id, Input};
use crate::route::Route;
use crate::wire::{Items, Time};

/// Topics of one endpoint at most.
const TOPICS_MAX: usize = 100;

/// Routes of endpoints.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/endpoints", Scope::Read, "List outgoing webhooks", list)
            .answers::<Items<EndpointDoc>>(),
        Route::put(
            "/v1/endpoints/{endpoint}",
            Scope::Admin,
            "Set an outgoing webhook",
            set,
        )
        .takes::<EndpointInput>()
        .answers::<EndpointDoc>(),
        Route::delete(
            "/v1/endpoints/{endpoint}",
            Scope::Admin,
            "Remove an outgoing webhook",
            remove,
        )
        .answers::<EndpointRemoved>(),
    ]
}

/// An outgoing webhook. It is signed (Standard Webhooks) and never sent to private addresses unless allowed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointInput {
    /// `https://…`
    url: String,
    /// Which events: topics of `GET /v1/events`, or how they begin: `order.shipped`, `stock.`; all if empty.
    #[serde(default)]
    topics: Vec<String>,
    /// Name of the signing secret in the configuration.
    secret: String,
}

/// An outgoing webhook, and how it goes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointDoc {
    endpoint: String,
    url: String,
    topics: Vec<String>,
    /// Name of the signing secret in the configuration.
    secret: String,
    /// Events of the feed that it has not been told yet.
    behind: i64,
    /// Failures in a row to tell it the next one.
    failures: u32,
    /// When it is tried again.
    retry_at: Option<Time>,
    /// Why it failed last; until it takes an event.
    error: Option<String>,
    /// Events that were passed over, one after the other, after all tries.
    passed_over: u32,
}

/// An endpoint that is told nothing any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointRemoved {
    endpoint: String,
    removed: bool,
}

fn doc(view: EndpointView, told: Delivered, newest: i64) -> EndpointDoc {
    EndpointDoc {
        endpoint: view.id,
        url: view.url,
        topics: view.topics,
        secret: view.secret_name,
        behind: (newest - told.last).max(0),
        failures: told.failures,
        retry_at: (told.retry_at > 0).then(|| Time::from_ms(told.retry_at)),
        error: told.error,
        passed_over: told.passed_over,
    }
}

async fn list(asking: Asking) -> Answered<Doc<Items<EndpointDoc>>> {
    let read = Command::System(SystemCommand::ReadEndpoints);
    let reply = asking
        .ask_by(EntityId::System(0), read, asking.by())
        .await?;
    let Answer::Endpoints(all) = &reply.answer else {
        let cause = format!("endpoints were answered by {:?}", reply.answer);
        return Err(ApiError::internal(&cause));
    };
    let (told, newest) = look(&asking.state, Insight::all_delivered).await?;
    let items = all.iter().map(|view| {
        let known = told.get(&view.id).cloned();
        let told = known.unwrap_or_else(|| Delivered::up_to(newest));
        doc(view.clone(), told, newest)
    });
    Ok(Doc::of(&reply, Items::all(items.collect())))
}

fn check_topics(topics: &[String]) -> Result<(), ApiError> {
    if topics.len() > TOPICS_MAX {
        return Err(ApiError::invalid("topics", format!("at most {TOPICS_MAX}")));
    }
    let is_known = |topic: &&String| {
        let mut known = TOPICS.iter().map(|(known, _)| known);
        !topic.is_empty() && known.any(|known| known.starts_with(topic.as_str()))
    };
    match topics.iter().find(|topic| !is_known(topic)) {
        None => Ok(()),
        Some(topic) => {
            let known: Vec<&str> = TOPICS.iter().map(|(known, _)| *known).collect();
            let what = format!(
                "no topic begins with {topic:?}; there are {}",
                known.join(", ")
            );
            Err(ApiError::invalid("topics", what))
        }
    }
}

async fn set(
    asking: Asking,
    Id(id): Id<crossdock_model::SourceId>,
    input: Input<EndpointInput>,
) -> Answered<Doc<EndpointDoc>> {
    let EndpointInput {
        url,
        topics,
        secret,
    } = input.value;
    check_topics(&topics)?;
    let outbound = &asking.state.outbound;
    outbound.check_secret("secret", &secret)?;
    outbound.check_url("url", &url).await?;
    let view = EndpointView {
        id: id.to_string(),
        url,
        topics,
        secret_name: secret,
    };
    let command = Command::System(SystemCommand::SetEndpoint {
        id: view.id.clone(),
        url: view.url.clone(),
        topics: view.topics.clone(),
        secret_name: view.secret_name.clone(),
    });
    let done = asking.ask(EntityId::System(0), command, input.hash).await?;
    // It is told everything from here on, not from when somebody first looks at it; and at once, if what was wrong
    // with it is mended.
    let endpoint = view.id.clone();
    let told = look(&asking.state, move |insight| {
        insight.retry_delivery(&endpoint)?;
        insight.delivered(&endpoint)
    });
    let told = told.await?;
    let (_, newest) = look(&asking.state, Insight::all_delivered).await?;
    Ok(Doc::of(&done, doc(view, told, newest)))
}

async fn remove(
    asking: Asking,
    Id(id): Id<crossdock_model::SourceId>,
) -> Answered<Doc<EndpointRemoved>> {
    let command = Command::System(SystemCommand::RemoveEndpoint { id: id.to_string() });
    let done = asking
        .ask_by(EntityId::System(0), command, asking.by())
        .await?;
    let endpoint = id.to_string();
    look(&asking.state, move |insight| {
        insight.forget_delivered(&endpoint)
    })
    .await?;
    let removed = EndpointRemoved {
        endpoint: id.to_string(),
        removed: true,
    };
    Ok(Doc::of(&done, removed))
}
