//! API keys: 256 random bits shown once, stored as SHA-256, compared in constant time; scopes by route.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use crossdock_model::answer::KeyView;
use crossdock_model::command::SystemCommand;
use crossdock_model::v1::Scope;
use crossdock_model::{Answer, Command, CredentialId, EntityId, Rejection, Timestamp};
use crossdock_runtime::{By, Handle};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::error::ApiError;
use crate::state::ApiState;

/// Keys are read again after this: a revoked key is refused within it.
const FRESH: Duration = Duration::from_secs(5);
/// How long known keys are believed when they cannot be read again.
const BELIEVED: Duration = Duration::from_secs(60);
const PREFIX: &str = "cdk_";

/// A key that was just made.
pub struct NewKey {
    /// The command for `system:0` that records it.
    pub command: SystemCommand,
    /// Its id.
    pub id: CredentialId,
    /// The whole key, to be shown once and kept nowhere.
    pub shown: String,
}

/// Makes an API key.
///
/// # Errors
/// When the system gives no randomness, in one sentence.
pub fn new_key(name: &str, scope: Scope, expires_at: Option<Timestamp>) -> Result<NewKey, String> {
    let (id, secret) = (random::<6>()?, random::<32>()?);
    let shown = format!("{PREFIX}{id}_{secret}");
    let id = CredentialId::new(&id).map_err(|error| error.to_string())?;
    let command = SystemCommand::CreateKey {
        id: id.clone(),
        name: name.to_owned(),
        scope,
        secret_sha256: digest(&shown),
        expires_at,
    };
    Ok(NewKey { command, id, shown })
}

fn random<const BYTES: usize>() -> Result<String, String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn digest(shown: &str) -> [u8; 32] {
    Sha256::digest(shown.as_bytes()).into()
}

/// Who calls, and what they may.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub id: CredentialId,
    pub scope: Scope,
}

#[derive(Clone)]
struct Known {
    keys: Arc<HashMap<CredentialId, KeyView>>,
    read_at: Instant,
}

/// The keys, as read from the system's documents at most [`FRESH`] ago.
#[derive(Default)]
pub(crate) struct KeyCache {
    known: RwLock<Option<Known>>,
    reading: tokio::sync::Mutex<()>,
}

impl KeyCache {
    fn known(&self) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Reads the keys again with the next call, after a change.
    pub fn changed(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn keys(&self, handle: &Handle) -> Result<Arc<HashMap<CredentialId, KeyView>>, ApiError> {
        let fresh = |known: &Known| known.read_at.elapsed() < FRESH;
        if let Some(known) = self.known().filter(fresh) {
            return Ok(known.keys);
        }
        let _turn = self.reading.lock().await;
        if let Some(known) = self.known().filter(fresh) {
            return Ok(known.keys);
        }
        let read_at = Instant::now();
        match read_keys(handle).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                let known = Known {
                    keys: Arc::clone(&keys),
                    read_at,
                };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                Ok(keys)
            }
            Err(error) => match self.known() {
                Some(known) if known.read_at.elapsed() < BELIEVED => Ok(known.keys),
                Some(_) | None => Err(error),
            },
        }
    }

    /// Who stands behind each key: the names that were given to them.
    pub async fn names(&self, handle: &Handle) -> Result<Names, ApiError> {
        Ok(Names(self.keys(handle).await?))
    }

    /// The caller behind a key; `None` for anything that is not a live key.
    async fn caller(&self, handle: &Handle, shown: &str) -> Result<Option<Caller>, ApiError> {
        let Some(id) = key_id(shown) else {
            return Ok(None);
        };
        let keys = self.keys(handle).await?;
        let Some(key) = keys.get(&id) else {
            return Ok(None);
        };
        let scope = key.scope;
        let live = live(key, shown, handle.now());
        Ok(live.then_some(Caller { id, scope }))
    }
}

/// Names of persons and systems, by the keys they use.
pub(crate) struct Names(Arc<HashMap<CredentialId, KeyView>>);

impl Names {
    /// The person or system behind a principal; a part of the server itself has no key, and is its own name.
    pub fn of(&self, principal: String) -> String {
        let id = CredentialId::new(&principal).ok();
        let key = id.and_then(|id| self.0.get(&id));
        key.map_or(principal, |key| key.name.clone())
    }
}

async fn read_keys(handle: &Handle) -> Result<HashMap<CredentialId, KeyView>, ApiError> {
    let by = By::new(CredentialId::new("api")?);
    let read = Command::System(SystemCommand::ReadKeys);
    match handle.ask(EntityId::System(0), read, by).await?.answer {
        Answer::Keys(keys) => Ok(keys.into_iter().map(|key| (key.id.clone(), key)).collect()),
        other => Err(ApiError::internal(&format!(
            "keys were answered by {other:?}"
        ))),
    }
}

fn key_id(shown: &str) -> Option<CredentialId> {
    let (id, _) = shown.strip_prefix(PREFIX)?.split_once('_')?;
    CredentialId::new(id).ok()
}

fn live(key: &KeyView, shown: &str, now: Timestamp) -> bool {
    let fits: bool = digest(shown).ct_eq(&key.secret_sha256).into();
    let expired = key.expires_at.is_some_and(|at| at <= now);
    fits && !key.revoked && !expired
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// What a route needs.
#[derive(Clone)]
pub(crate) struct Guard {
    pub state: ApiState,
    pub needed: Scope,
}

/// Lets callers through whose key has the scope of the route.
pub(crate) async fn guard(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    match admitted(&guard, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn admitted(guard: &Guard, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let shown = bearer(headers).ok_or_else(ApiError::unauthorized)?;
    let state = &guard.state;
    let caller = state.keys.caller(&state.handle, shown).await?;
    let caller = caller.ok_or_else(ApiError::unauthorized)?;
    if caller.scope < guard.needed {
        let needed = scope_name(guard.needed).to_owned();
        return Err(Rejection::Forbidden { needed }.into());
    }
    Ok(caller)
}

/// A scope as the API calls it.
pub(crate) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Operate => "operate",
        Scope::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(key: &NewKey) -> KeyView {
        let SystemCommand::CreateKey {
            id,
            name,
            scope,
            secret_sha256,
            expires_at,
        } = key.command.clone()
        else {
            panic!("not a key");
        };
        KeyView {
            id,
            name,
            scope,
            secret_sha256,
            expires_at,
            revoked: false,
        }
    }

    #[test]
    fn a_key_lives_until_it_expires_or_is_revoked() {
        let at = Timestamp::from_ms;
        let key = new_key("till", Scope::Operate, Some(at(100))).unwrap();
        let mut view = view(&key);
        assert_eq!(key_id(&key.shown), Some(key.id.clone()));
        assert!(live(&view, &key.shown, at(99)));
        assert!(!live(&view, &key.shown, at(100)));
        assert!(!live(&view, &format!("{}0", key.shown), at(99)));
        view.revoked = true;
        assert!(!live(&view, &key.shown, at(99)));
    }

    #[test]
    fn no_two_keys_are_alike_and_none_is_kept() {
        let (one, two) = (
            new_key("a", Scope::Read, None).unwrap(),
            new_key("a", Scope::Read, None).unwrap(),
        );
        assert_ne!(one.shown, two.shown);
        let secret = one.shown.rsplit('_').next().unwrap();
        assert_eq!(secret.len(), 64);
        assert!(!format!("{:?}", one.command).contains(secret));
    }
}
