//! API keys: made, listed, revoked. The key itself is shown once.

use crossdock_model::answer::KeyView;
use crossdock_model::command::SystemCommand;
use crossdock_model::v1::Scope;
use crossdock_model::{Answer, Command, CredentialId, EntityId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::auth::{new_key, scope_name};
use crate::error::ApiError;
use crate::extract::{Id, Input};
use crate::route::Route;
use crate::wire::{Items, Time};

/// Longest name of a key.
const NAME_BYTES_MAX: usize = 100;

/// Routes of API keys.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/v1/keys",
            Scope::Admin,
            "Make a key; it is shown once",
            create,
        )
        .takes::<KeyInput>()
        .creates::<MadeKey>(),
        Route::get("/v1/keys", Scope::Admin, "List keys", list).answers::<Items<KeyDoc>>(),
        Route::delete("/v1/keys/{key}", Scope::Admin, "Revoke a key", revoke).answers::<Revoked>(),
    ]
}

/// A new key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyInput {
    /// Whose it is: a person or system.
    name: String,
    /// What it may do.
    scope: ScopeName,
    /// When it ends; never if absent.
    expires_at: Option<Time>,
}

/// What a key may do; each includes the ones before it.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScopeName {
    /// See everything but personal data and keys.
    Read,
    /// Take orders, move stock, answer for locations.
    Operate,
    /// Keys, channels, rules, erasure.
    Admin,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeKey {
    #[serde(flatten)]
    key: KeyDoc,
    /// The key, shown this once.
    secret: String,
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyDoc {
    id: String,
    name: String,
    scope: &'static str,
    expires_at: Option<Time>,
    revoked: bool,
}

/// A revoked key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revoked {
    id: String,
    revoked: bool,
}

fn doc(key: KeyView) -> KeyDoc {
    KeyDoc {
        id: key.id.to_string(),
        name: key.name,
        scope: scope_name(key.scope),
        expires_at: key.expires_at.map(Time),
        revoked: key.revoked,
    }
}

async fn create(asking: Asking, input: Input<KeyInput>) -> Answered<Doc<MadeKey>> {
    let KeyInput {
        name,
        scope,
        expires_at,
    } = input.value;
    if !(1..=NAME_BYTES_MAX).contains(&name.trim().len()) {
        let problem = format!("expected 1 to {NAME_BYTES_MAX} bytes");
        return Err(ApiError::invalid("name", problem));
    }
    let scope = match scope {
        ScopeName::Read => Scope::Read,
        ScopeName::Operate => Scope::Operate,
        ScopeName::Admin => Scope::Admin,
    };
    let key = new_key(name.trim(), scope, expires_at.map(|at| at.0));
    let key = key.map_err(|cause| ApiError::internal(&cause))?;
    // Without the caller's key: a repeat could not show the same secret, so it makes another one.
    let done = asking
        .ask_by(
            EntityId::System(0),
            Command::System(key.command),
            asking.by(),
        )
        .await?;
    asking.state.keys.changed();
    let made = MadeKey {
        key: KeyDoc {
            id: key.id.to_string(),
            name: name.trim().to_owned(),
            scope: scope_name(scope),
            expires_at,
            revoked: false,
        },
        secret: key.shown,
    };
    Ok(Doc::of(&done, made).created())
}

async fn list(asking: Asking) -> Answered<Doc<Items<KeyDoc>>> {
    let read = Command::System(SystemCommand::ReadKeys);
    let reply = asking
        .ask_by(EntityId::System(0), read, asking.by())
        .await?;
    match reply.answer.clone() {
        Answer::Keys(keys) => {
            let items = keys.into_iter().map(doc).collect();
            Ok(Doc::of(&reply, Items::all(items)))
        }
        other => Err(ApiError::internal(&format!(
            "keys were answered by {other:?}"
        ))),
    }
}

async fn revoke(asking: Asking, Id(id): Id<CredentialId>) -> Answered<Doc<Revoked>> {
    let revoke = Command::System(SystemCommand::RevokeKey { id: id.clone() });
    let done = asking
        .ask_by(EntityId::System(0), revoke, asking.by())
        .await?;
    asking.state.keys.changed();
    let revoked = Revoked {
        id: id.to_string(),
        revoked: true,
    };
    Ok(Doc::of(&done, revoked))
}
