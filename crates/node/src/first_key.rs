//! Creates API keys through the entities themselves, where no key exists yet to ask the server with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use crossdock_api::new_key;
use crossdock_model::command::SystemCommand;
use crossdock_model::v1::Scope;
use crossdock_model::{Command, CredentialId, EntityId, Timestamp};
use crossdock_runtime::{By, Handle};

/// The first admin key, in the data directory.
pub const ADMIN_KEY_FILE: &str = "admin.key";

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
    store(handle, key.command).await?;
    Ok(key.shown)
}

/// Creates an admin key and leaves it in a file (mode 0600). The file is on disk before the key is good for
/// anything, so that a key nobody has seen is never the only one.
///
/// # Errors
/// When there is no randomness, the file cannot be written, or the key cannot be stored.
pub async fn create_key_in(file: &Path, handle: &Handle, name: &str) -> anyhow::Result<String> {
    let key = new_key(name, Scope::Admin, None).map_err(anyhow::Error::msg)?;
    write_private(file, &key.shown).with_context(|| format!("writing {}", file.display()))?;
    store(handle, key.command).await?;
    Ok(key.shown)
}

async fn store(handle: &Handle, key: SystemCommand) -> anyhow::Result<()> {
    let by = By::new(CredentialId::new("command-line")?);
    handle
        .ask(EntityId::System(0), Command::System(key), by)
        .await?;
    Ok(())
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
