//! Creates API keys through the entities themselves, where no server runs yet.

use crossdock_model::command::SystemCommand;
use crossdock_model::v1::Scope;
use crossdock_model::{Command, CredentialId, EntityId};
use crossdock_runtime::{By, Handle};
use sha2::{Digest, Sha256};

use super::client::random_key;
use super::exit::Outcome;

/// Creates a key and returns its secret, which is stored nowhere.
pub(crate) async fn create_key(handle: &Handle, name: &str, scope: Scope) -> Outcome<String> {
    let secret = format!("cdk_{}", random_key()?);
    let command = SystemCommand::CreateKey {
        id: CredentialId::new(name).map_err(anyhow::Error::from)?,
        name: name.to_owned(),
        scope,
        secret_sha256: Sha256::digest(secret.as_bytes()).into(),
        expires_at: None,
    };
    let by = By::new(CredentialId::new("command-line").map_err(anyhow::Error::from)?);
    let asked = handle.ask(EntityId::System(0), Command::System(command), by);
    asked.await.map_err(anyhow::Error::from)?;
    Ok(secret)
}
