//! Creates API keys through the entities themselves, where no key exists yet to ask the server with.

use crossdock_api::new_key;
use crossdock_model::v1::Scope;
use crossdock_model::{Command, CredentialId, EntityId, Timestamp};
use crossdock_runtime::{By, Handle};

/// Creates a key and returns it whole; only its hash is stored.
///
/// # Errors
/// When there is no randomness, or the key cannot be stored.
pub async fn create_key(
    handle: &Handle,
    name: &str,
    scope: Scope,
    expires_at: Option<Timestamp>,
) -> anyhow::Result<String> {
    let key = new_key(name, scope, expires_at).map_err(anyhow::Error::msg)?;
    let by = By::new(CredentialId::new("command-line")?);
    handle
        .ask(EntityId::System(0), Command::System(key.command), by)
        .await?;
    Ok(key.shown)
}
