//! Outgoing webhooks: who is told of which events.

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
use crate::wire::Items;

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
    /// Which events: `order.shipped`, `stock.changed`, …; all if empty.
    #[serde(default)]
    topics: Vec<String>,
    /// Name of the signing secret in the configuration.
    secret: String,
}

/// An outgoing webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointDoc {
    endpoint: String,
    url: String,
    topics: Vec<String>,
    /// Name of the signing secret in the configuration.
    secret: String,
}

/// An endpoint that is told nothing any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointRemoved {
    endpoint: String,
    removed: bool,
}

fn doc(view: EndpointView) -> EndpointDoc {
    EndpointDoc {
        endpoint: view.id,
        url: view.url,
        topics: view.topics,
        secret: view.secret_name,
    }
}

async fn list(asking: Asking) -> Answered<Doc<Items<EndpointDoc>>> {
    let read = Command::System(SystemCommand::ReadEndpoints);
    let reply = asking
        .ask_by(EntityId::System(0), read, asking.by())
        .await?;
    match reply.answer.clone() {
        Answer::Endpoints(all) => {
            let items = all.into_iter().map(doc).collect();
            Ok(Doc::of(&reply, Items::all(items)))
        }
        other => Err(ApiError::internal(&format!(
            "endpoints were answered by {other:?}"
        ))),
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
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err(ApiError::invalid("url", "expected https://…"));
    }
    if topics.len() > TOPICS_MAX {
        return Err(ApiError::invalid("topics", format!("at most {TOPICS_MAX}")));
    }
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
    // It is told everything from here on, not from when somebody first looks at it.
    let endpoint = view.id.clone();
    look(&asking.state, move |insight| insight.delivered(&endpoint)).await?;
    Ok(Doc::of(&done, doc(view)))
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
