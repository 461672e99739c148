//! One caller's request: who asks entities, under which key, in which trace.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use crossdock_model::v1::TraceContext;
use crossdock_model::{Class, Command, CommandKey, CredentialId, EntityId, Timestamp};
use crossdock_runtime::{By, Door, Personal, Reply, body_hash};

use crate::auth::Caller;
use crate::error::ApiError;
use crate::route::KeyUse;
use crate::state::ApiState;
use crate::wire::Time;

/// Longest Idempotency-Key.
const KEY_BYTES_MAX: usize = 128;
/// Longest reason given with a command.
const REASON_BYTES_MAX: usize = 500;

/// Header: the key of a command, by which a repeat is known.
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Header: why, in the caller's words.
pub(crate) const REASON: &str = "Crossdock-Reason";
/// Header: when a keyed command was issued first.
pub(crate) const ISSUED_AT: &str = "Idempotency-Issued-At";

/// A caller's request.
pub(crate) struct Asking {
    pub state: ApiState,
    pub caller: Caller,
    /// What is called, as a hash: with a key, it tells one call without a body from another.
    pub called: u64,
    key: Option<String>,
    key_use: KeyUse,
    reason: Option<String>,
    issued_at: Option<Timestamp>,
    trace: Option<TraceContext>,
    class: Class,
}

impl FromRequestParts<ApiState> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(ApiError::unauthorized)?;
        let key = text_header(&parts.headers, IDEMPOTENCY_KEY, KEY_BYTES_MAX)?;
        let key_use = parts.extensions.get::<KeyUse>().copied();
        let key_use = key_use.unwrap_or(KeyUse::Welcome);
        if key_use == KeyUse::Needed && key.is_none() {
            return Err(key_missing());
        }
        let reason = text_header(&parts.headers, REASON, REASON_BYTES_MAX)?;
        Ok(Self {
            state: state.clone(),
            caller,
            called: body_hash(&called(&parts.method, &parts.uri)),
            key,
            key_use,
            reason,
            issued_at: issued_at(&parts.headers, state.handle.now())?,
            trace: parts.extensions.get::<TraceContext>().copied(),
            class: Class::AskFirst,
        })
    }
}

/// Method and path of a call: one key for two calls is a conflict, also where the bodies are alike.
pub(crate) fn called(method: &Method, uri: &Uri) -> Vec<u8> {
    format!("{method} {}\n", uri.path()).into_bytes()
}

fn text_header(headers: &HeaderMap, name: &str, max: usize) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().map(str::trim).unwrap_or("");
    match (1..=max).contains(&text.len()) {
        true => Ok(Some(text.to_owned())),
        false => Err(ApiError::invalid(
            name,
            format!("expected 1 to {max} visible ASCII characters"),
        )),
    }
}

fn key_missing() -> ApiError {
    let detail = "send an Idempotency-Key: a repeat with it is never done twice";
    ApiError::new(StatusCode::BAD_REQUEST, "idempotency_key_missing", detail)
}

/// When a caller says that it issued the command first: what it repeats after the time for which keys are remembered is
/// refused rather than done again.
fn issued_at(headers: &HeaderMap, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text_header(headers, ISSUED_AT, KEY_BYTES_MAX)? else {
        return Ok(None);
    };
    match text.parse::<Time>() {
        Ok(at) => Ok(Some(at.0.min(now))),
        Err(problem) => Err(ApiError::invalid(ISSUED_AT, problem)),
    }
}

impl Asking {
    /// The same request, whose work is of another class than that of a buyer who waits.
    pub fn of(self, class: Class) -> Self {
        Self { class, ..self }
    }

    /// The same request, with a reason if its caller gave none.
    pub fn because(self, reason: &str) -> Self {
        let reason = self.reason.or_else(|| Some(reason.to_owned()));
        Self { reason, ..self }
    }

    /// The caller without a key.
    pub fn by(&self) -> By {
        By {
            reason: self.reason.clone(),
            issued_at: self.issued_at,
            trace: self.trace,
            class: self.class,
            ..By::new(self.caller.id.clone())
        }
    }

    /// The caller with its Idempotency-Key, if it gave one. `part` tells apart the commands of one request.
    pub fn keyed(&self, hash: u64, part: &str) -> Result<By, ApiError> {
        let Some(key) = &self.key else {
            return Ok(self.by());
        };
        let key = CommandKey::new(format!("{}:{key}{part}", self.caller.id))?;
        Ok(self.by().keyed(key, hash))
    }

    /// The caller's Idempotency-Key, which this route needs, as the table of routes says.
    pub fn need_key(&self) -> Result<CommandKey, ApiError> {
        debug_assert_ne!(self.key_use, KeyUse::Welcome, "the table must tell of it");
        Ok(CommandKey::new(self.key.as_ref().ok_or_else(key_missing)?)?)
    }

    /// A text by which the same key of the same caller is always known, and no other.
    pub fn key_digest(&self) -> Result<String, ApiError> {
        use sha2::{Digest, Sha256};
        let text = format!("{}:{}", self.caller.id, self.need_key()?);
        let digest = Sha256::digest(text.as_bytes());
        Ok(digest[..12]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }

    /// Asks an entity under the caller's key.
    pub async fn ask(&self, to: EntityId, command: Command, hash: u64) -> Result<Reply, ApiError> {
        let by = self.keyed(hash, "")?;
        self.ask_by(to, command, by).await
    }

    /// Asks an entity about something that happened at a time of its own.
    pub async fn ask_at(
        &self,
        to: EntityId,
        command: Command,
        hash: u64,
        effective_at: Option<Timestamp>,
    ) -> Result<Reply, ApiError> {
        let by = By {
            effective_at,
            ..self.keyed(hash, "")?
        };
        self.ask_by(to, command, by).await
    }

    /// Asks an entity.
    pub async fn ask_by(&self, to: EntityId, command: Command, by: By) -> Result<Reply, ApiError> {
        Ok(self.state.handle.ask(to, command, by).await?)
    }

    /// Whether an entity would do it now: refused as the command would be, and nothing is changed.
    pub async fn try_out(&self, to: EntityId, command: Command) -> Result<(), ApiError> {
        let command = Command::Try(Box::new(command));
        self.ask_by(to, command, self.by()).await.map(drop)
    }

    /// Tells an order something with its buyer's data beside it.
    pub async fn ask_with_buyer(
        &self,
        order: EntityId,
        buyer: Option<Personal>,
        command: Command,
        by: By,
    ) -> Result<Reply, ApiError> {
        let handle = &self.state.handle;
        Ok(handle.ask_with_buyer(order, buyer, command, by).await?)
    }

    /// An entity's view of itself.
    pub async fn read(&self, entity: EntityId) -> Result<Reply, ApiError> {
        Ok(self.state.handle.read(entity).await?)
    }

    /// An entity's view of itself, for a command that comes through that door.
    pub async fn read_through(&self, door: Door, entity: EntityId) -> Result<Reply, ApiError> {
        Ok(self.state.handle.read_through(door, entity).await?)
    }

    /// The caller's id.
    pub fn principal(&self) -> CredentialId {
        self.caller.id.clone()
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.state.handle.now()
    }
}
