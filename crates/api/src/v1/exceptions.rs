//! Exceptions: what a person must see, and what was done about it.

use axum::http::StatusCode;
use crossdock_insight::{ExceptionFilter, ExceptionRow};
use crossdock_model::command::{
    BucketCommand, ChannelCommand, ExceptionCommand, OrderCommand, SkuCommand, SystemCommand,
};
use crossdock_model::v1::{ExceptionKey, Scope};
use crossdock_model::{Command, EntityId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consistent::{consistent, look, page};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::auth::Names;
use crate::error::ApiError;
use crate::extract::{Filter, Input, read_id};
use crate::route::Route;
use crate::wire::{Items, Time};

/// Routes of exceptions.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/exceptions", Scope::Read, "List exceptions", list)
            .filters::<ExceptionQuery>()
            .answers::<Items<ExceptionDoc>>(),
        Route::get(
            "/v1/exceptions/{exception}",
            Scope::Read,
            "Show an exception with its history",
            show,
        )
        .answers::<ExceptionShown>(),
        Route::post(
            "/v1/exceptions/{exception}/resolve",
            Scope::Operate,
            "Say what was done, and close it; deliveries that wait under it are given up",
            resolve,
        )
        .takes::<Resolve>()
        .answers::<ExceptionDoc>(),
        Route::post(
            "/v1/exceptions/{exception}/notes",
            Scope::Operate,
            "Write a note",
            note,
        )
        .takes::<ExceptionNote>()
        .answers::<ExceptionDoc>(),
    ]
}

/// Which exceptions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExceptionQuery {
    /// `open` or `closed`; both if absent.
    #[param(inline)]
    state: Option<StateName>,
    /// Of this kind: `unmapped`, `short`, `drift`, …
    kind: Option<String>,
    /// About this.
    subject: Option<String>,
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// Whether an exception is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateName {
    Open,
    Closed,
}

/// An exception.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExceptionDoc {
    id: i64,
    kind: String,
    /// What it is about.
    subject: String,
    /// How often (kind, subject) was opened.
    episode: i64,
    /// The entity that keeps it.
    entity: String,
    /// What happened.
    cause: String,
    /// Facts that prove it.
    evidence: serde_json::Value,
    opened_at: Time,
    closed_at: Option<Time>,
    /// How it ended.
    how: Option<String>,
    /// What people wrote onto it, the oldest first; the newest 100 of them.
    notes: Vec<NoteDoc>,
    /// Deliveries that waited under it and were given up with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<usize>,
}

/// An exception, and all episodes of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExceptionShown {
    #[serde(flatten)]
    exception: ExceptionDoc,
    /// What became of the same thing each time, the first time first; up to a page.
    history: Vec<ExceptionDoc>,
}

/// What somebody wrote onto an exception.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteDoc {
    at: Time,
    /// Who wrote it.
    by: String,
    text: String,
}

/// What was done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolve {
    how: String,
}

/// A note on an exception.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExceptionNote {
    text: String,
}

/// Evidence is kept as pairs and shown as an object.
fn evidence(pairs: serde_json::Value) -> serde_json::Value {
    match serde_json::from_value::<Vec<(String, String)>>(pairs.clone()) {
        Ok(pairs) => pairs
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>()
            .into_iter()
            .map(|(name, value)| (name, serde_json::Value::from(value)))
            .collect(),
        Err(_) => pairs,
    }
}

fn doc(row: ExceptionRow, names: &Names) -> ExceptionDoc {
    let notes = row.notes.into_iter().map(|note| NoteDoc {
        at: Time::from_ms(note.at),
        by: names.of(note.principal),
        text: note.text,
    });
    ExceptionDoc {
        id: row.id,
        kind: row.kind,
        subject: row.subject,
        episode: row.episode,
        entity: row.entity,
        cause: row.cause,
        evidence: evidence(row.evidence),
        opened_at: Time::from_ms(row.opened_at),
        closed_at: row.closed_at.map(Time::from_ms),
        how: row.how,
        notes: notes.collect(),
        dropped: None,
    }
}

async fn list(
    asking: Asking,
    Filter(query): Filter<ExceptionQuery>,
) -> Answered<Doc<Items<ExceptionDoc>>> {
    consistent(&asking.state, query.consistent_with.as_deref()).await?;
    let filter = ExceptionFilter {
        id: None,
        kind: query.kind,
        subject: query.subject,
        open: query.state.map(|state| state == StateName::Open),
        cursor: query.cursor,
        limit: page(query.limit)?,
    };
    let rows = look(&asking.state, move |insight| insight.exceptions(&filter)).await?;
    let names = names(&asking).await?;
    Ok(Doc::read(Items::of(rows, |row| doc(row, &names))))
}

async fn names(asking: &Asking) -> Result<Names, ApiError> {
    asking.state.keys.names(&asking.state.handle).await
}

/// The exception of that number.
struct ExceptionPath(i64);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for ExceptionPath {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<i64>::from_request_parts(parts, state).await;
        let number = path.map_err(|_| ApiError::invalid("exception", "expected a number"))?;
        Ok(Self(number.0))
    }
}

async fn find(asking: &Asking, id: i64) -> Result<ExceptionRow, ApiError> {
    let filter = ExceptionFilter {
        id: Some(id),
        limit: 1,
        ..ExceptionFilter::default()
    };
    let found = look(&asking.state, move |insight| insight.exceptions(&filter)).await?;
    let row = found.rows.into_iter().next();
    row.ok_or_else(|| ApiError::not_found(format!("exception {id}")))
}

async fn show(asking: Asking, ExceptionPath(id): ExceptionPath) -> Answered<Doc<ExceptionShown>> {
    let row = find(&asking, id).await?;
    let history = look(&asking.state, move |insight| insight.exception_history(id)).await?;
    let names = names(&asking).await?;
    let history = history.into_iter().map(|row| doc(row, &names)).collect();
    let exception = doc(row, &names);
    Ok(Doc::read(ExceptionShown { exception, history }))
}

fn no_holder(entity: &EntityId) -> ApiError {
    let detail = format!("{entity} holds no exceptions");
    ApiError::new(StatusCode::CONFLICT, "unsupported", detail)
}

fn key(row: &ExceptionRow) -> ExceptionKey {
    ExceptionKey {
        kind: row.kind.clone(),
        subject: row.subject.clone(),
        episode: u32::try_from(row.episode).unwrap_or(u32::MAX),
    }
}

async fn resolve(
    asking: Asking,
    ExceptionPath(id): ExceptionPath,
    input: Input<Resolve>,
) -> Answered<Doc<ExceptionDoc>> {
    let row = find(&asking, id).await?;
    let names = names(&asking).await?;
    if row.closed_at.is_some() {
        return Ok(Doc::read(doc(row, &names)));
    }
    let entity: EntityId = read_id("entity", &row.entity)?;
    let (key, how) = (key(&row), input.value.how.clone());
    let command = match &entity {
        EntityId::Sku(_) => Command::Sku(SkuCommand::ResolveException { key, how }),
        EntityId::Order(_) => Command::Order(OrderCommand::ResolveException { key, how }),
        EntityId::Channel(_) => {
            let resolve = ExceptionCommand::Resolve { key, how };
            Command::Channel(ChannelCommand::Exception(resolve))
        }
        EntityId::Bucket(..) => Command::Bucket(BucketCommand::ResolveException { key, how }),
        EntityId::System(_) => {
            let resolve = ExceptionCommand::Resolve { key, how };
            Command::System(SystemCommand::Exception(resolve))
        }
        other => return Err(no_holder(other)),
    };
    // Given up while it is open, so that a resolve that breaks off is repeated; and not before it may be closed.
    let dropped = match &entity {
        EntityId::Channel(_) => {
            let by = asking.keyed(input.hash, "")?;
            let tried = Command::Try(Box::new(command.clone()));
            asking.ask_by(entity.clone(), tried, by).await?;
            Some(asking.state.handle.drop_parked(&row.subject).await?)
        }
        _ => None,
    };
    let done = asking.ask(entity, command, input.hash).await?;
    let closed = ExceptionRow {
        closed_at: Some(asking.now().as_ms()),
        how: Some(input.value.how),
        ..row
    };
    let closed = ExceptionDoc {
        dropped,
        ..doc(closed, &names)
    };
    Ok(Doc::of(&done, closed))
}

async fn note(
    asking: Asking,
    ExceptionPath(id): ExceptionPath,
    input: Input<ExceptionNote>,
) -> Answered<Doc<ExceptionDoc>> {
    let mut row = find(&asking, id).await?;
    let entity: EntityId = read_id("entity", &row.entity)?;
    let (key, text) = (key(&row), input.value.text);
    let noted = crossdock_insight::ExceptionNote {
        at: asking.now().as_ms(),
        principal: asking.caller.id.to_string(),
        text: text.clone(),
    };
    let command = match &entity {
        EntityId::Sku(_) => Command::Sku(SkuCommand::NoteException { key, text }),
        EntityId::Order(_) => Command::Order(OrderCommand::NoteException { key, text }),
        EntityId::Channel(_) => {
            let note = ExceptionCommand::Note { key, text };
            Command::Channel(ChannelCommand::Exception(note))
        }
        EntityId::Bucket(..) => Command::Bucket(BucketCommand::NoteException { key, text }),
        EntityId::System(_) => {
            let note = ExceptionCommand::Note { key, text };
            Command::System(SystemCommand::Exception(note))
        }
        other => return Err(no_holder(other)),
    };
    let done = asking.ask(entity, command, input.hash).await?;
    row.notes.push(noted);
    Ok(Doc::of(&done, doc(row, &names(&asking).await?)))
}
