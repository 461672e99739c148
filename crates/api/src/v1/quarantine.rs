//! Quarantine: what was put aside after repeated crashes, and how it works again.

use crossdock_model::answer::QuarantineView;
use crossdock_model::command::SystemCommand;
use crossdock_model::v1::Scope;
use crossdock_model::{Answer, Command, EntityId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::Id;
use crate::route::Route;
use crate::wire::{Items, Time};

/// Routes of the quarantine.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/v1/quarantine",
            Scope::Read,
            "List what is put aside",
            list,
        )
        .answers::<Items<QuarantineDoc>>(),
        Route::get(
            "/v1/quarantine/{entity}",
            Scope::Read,
            "Show why it is put aside",
            show,
        )
        .answers::<QuarantineDoc>(),
        Route::post(
            "/v1/quarantine/{entity}/retry",
            Scope::Admin,
            "Let it work again",
            retry,
        )
        .answers::<Lifted>(),
        Route::post(
            "/v1/quarantine/{entity}/skip",
            Scope::Admin,
            "Let it work again, and keep refusing what crashed it",
            skip,
        )
        .answers::<Lifted>(),
    ]
}

/// Something put aside.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuarantineDoc {
    entity: String,
    /// The command; absent: the whole entity.
    command_hash: Option<String>,
    cause: String,
    since: Time,
    /// A person gave the command up: it stays refused.
    skipped: bool,
}

/// What works again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lifted {
    entity: String,
    /// Marks that were decided on.
    lifted: usize,
}

fn doc(view: &QuarantineView) -> QuarantineDoc {
    QuarantineDoc {
        entity: view.entity.clone(),
        command_hash: view.command_hash.map(|hash| format!("{hash:016x}")),
        cause: view.cause.clone(),
        since: Time(view.since),
        skipped: view.skipped,
    }
}

async fn marks(asking: &Asking) -> Result<Vec<QuarantineView>, ApiError> {
    let read = Command::System(SystemCommand::ReadQuarantine);
    let asked = asking.ask_by(EntityId::System(0), read, asking.by());
    match asked.await?.answer {
        Answer::Quarantine(marks) => Ok(marks),
        other => Err(ApiError::internal(&format!(
            "quarantine was answered by {other:?}"
        ))),
    }
}

async fn marks_of(asking: &Asking, entity: &EntityId) -> Result<Vec<QuarantineView>, ApiError> {
    let name = entity.to_string();
    let mut found = marks(asking).await?;
    found.retain(|mark| mark.entity == name);
    match found.is_empty() {
        true => Err(ApiError::not_found(format!("a quarantine of {entity}"))),
        false => Ok(found),
    }
}

async fn list(asking: Asking) -> Answered<Doc<Items<QuarantineDoc>>> {
    let items = marks(&asking).await?.iter().map(doc).collect();
    Ok(Doc::read(Items::all(items)))
}

async fn show(asking: Asking, Id(entity): Id<EntityId>) -> Answered<Doc<QuarantineDoc>> {
    let found = marks_of(&asking, &entity).await?;
    let missing = || ApiError::not_found(format!("a quarantine of {entity}"));
    found
        .first()
        .map(|mark| Doc::read(doc(mark)))
        .ok_or_else(missing)
}

async fn retry(asking: Asking, Id(entity): Id<EntityId>) -> Answered<Doc<Lifted>> {
    decide(&asking, &entity, false).await
}

async fn skip(asking: Asking, Id(entity): Id<EntityId>) -> Answered<Doc<Lifted>> {
    decide(&asking, &entity, true).await
}

/// Lets what is put aside come again; with `skipped` the entity works again and its commands stay refused.
/// Durably first, then on this node.
async fn decide(asking: &Asking, entity: &EntityId, skipped: bool) -> Answered<Doc<Lifted>> {
    let mut found = marks_of(asking, entity).await?;
    found.retain(|mark| !(skipped && mark.skipped));
    for mark in &found {
        let command = Command::System(SystemCommand::LiftQuarantine {
            entity: mark.entity.clone(),
            command_hash: mark.command_hash,
            skipped,
        });
        asking
            .ask_by(EntityId::System(0), command, asking.by())
            .await?;
        let handle = &asking.state.handle;
        match mark.command_hash {
            Some(hash) if skipped => handle.skip_quarantined(entity, hash),
            hash => handle.lift_quarantine(entity, hash),
        }
    }
    Ok(Doc::read(Lifted {
        entity: entity.to_string(),
        lifted: found.len(),
    }))
}
