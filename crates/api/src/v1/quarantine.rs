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
            "Let it work again without what crashed it",
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
}

/// Something that works again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lifted {
    entity: String,
    /// Marks that were lifted.
    lifted: usize,
}

fn doc(view: &QuarantineView) -> QuarantineDoc {
    QuarantineDoc {
        entity: view.entity.clone(),
        command_hash: view.command_hash.map(|hash| format!("{hash:016x}")),
        cause: view.cause.clone(),
        since: Time(view.since),
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
    lift(&asking, &entity, false).await
}

async fn skip(asking: Asking, Id(entity): Id<EntityId>) -> Answered<Doc<Lifted>> {
    lift(&asking, &entity, true).await
}

/// Durably first, then on this node.
async fn lift(asking: &Asking, entity: &EntityId, skipped: bool) -> Answered<Doc<Lifted>> {
    let found = marks_of(asking, entity).await?;
    for mark in &found {
        let command = Command::System(SystemCommand::LiftQuarantine {
            entity: mark.entity.clone(),
            command_hash: mark.command_hash,
            skipped,
        });
        asking
            .ask_by(EntityId::System(0), command, asking.by())
            .await?;
        asking
            .state
            .handle
            .lift_quarantine(entity, mark.command_hash);
    }
    Ok(Doc::read(Lifted {
        entity: entity.to_string(),
        lifted: found.len(),
    }))
}
