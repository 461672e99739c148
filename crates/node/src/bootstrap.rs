//! What a node needs before it serves: connected channels, the saved rules in force, a first key, seeds.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use crossdock_channels::Secret;
use crossdock_logic::router::{CompiledRules, parse_rules};
use crossdock_model::command::{ChannelCommand, SystemCommand};
use crossdock_model::v1::{ChannelSettings, Sale};
use crossdock_model::{Answer, ChannelId, Command, CredentialId, EntityId};
use crossdock_runtime::{AskError, By, Handle};

use crate::config::{Channel, ChannelKind, Config, SaleSetting, SecretSource};
use crate::first_key::{ADMIN_KEY_FILE, create_key_in};

fn by() -> anyhow::Result<By> {
    Ok(By::new(CredentialId::new("configuration")?))
}

/// Connects channels, puts the saved rules in force, and makes the first admin key when there is none; returns
/// that key when it was made.
///
/// # Errors
/// When an entity cannot be asked, or the saved rules cannot be read any more.
pub async fn prepare(handle: &Handle, config: &Config) -> anyhow::Result<Option<String>> {
    connect_channels(handle, config).await?;
    load_rules(handle).await?;
    first_key(handle, &config.data.dir).await
}

/// Tells each configured channel its settings; unchanged ones record nothing. One that is put aside is passed over.
///
/// # Errors
/// When a channel's entity cannot be asked for another reason.
async fn connect_channels(handle: &Handle, config: &Config) -> anyhow::Result<()> {
    for (name, channel) in &config.channels {
        let connector = match channel.kind {
            ChannelKind::Shopify => "shopify",
            ChannelKind::Amazon => "amazon",
            ChannelKind::Api => "api",
        };
        let sale = match channel.sale {
            SaleSetting::Asks => Sale::Asks,
            SaleSetting::AlreadySold => Sale::AlreadySold,
        };
        let settings = ChannelSettings {
            connector: connector.to_owned(),
            sale,
            map_by_sku: channel.map_by_sku,
        };
        let id = ChannelId::checked(name)?;
        let entity = EntityId::Channel(id.clone());
        let connect = Command::Channel(ChannelCommand::Connect(settings));
        match handle.ask(entity.clone(), connect, by()?).await {
            Ok(_) => publish_as(handle, entity, &id, channel).await?,
            // The way out of a quarantine needs a server that runs.
            Err(error @ AskError::Quarantined { .. }) => {
                tracing::error!(channel = %name, %error, "a channel keeps the settings it had");
            }
            Err(error) => return Err(error).context(format!("connecting channel {name}")),
        }
    }
    Ok(())
}

/// Tells a channel how its numbers are written, if the configuration says.
async fn publish_as(
    handle: &Handle,
    entity: EntityId,
    id: &ChannelId,
    channel: &Channel,
) -> anyhow::Result<()> {
    let Some(publishing) = channel.publishing(id)? else {
        return Ok(());
    };
    let command = Command::Channel(ChannelCommand::PublishAs(Box::new(publishing)));
    let told = handle.ask(entity, command, by()?).await;
    told.map(drop)
        .context(format!("publishing to channel {id}"))
}

/// Puts the saved rule set in force; the default one holds until one is saved.
///
/// # Errors
/// When the saved document cannot be read any more.
async fn load_rules(handle: &Handle) -> anyhow::Result<()> {
    let read = Command::System(SystemCommand::ReadRuleSet);
    let reply = handle.ask(EntityId::System(0), read, by()?).await?;
    let Answer::RuleSet {
        version: version @ 1..,
        document,
    } = reply.answer
    else {
        return Ok(());
    };
    let set = parse_rules(&document)
        .map_err(anyhow::Error::msg)
        .context("the saved rule set")?;
    let known = handle.location_ids();
    let compiled = CompiledRules::compile(version, &set, &known).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(
            "the saved rule set does not fit any more: {}",
            all.join("; ")
        )
    })?;
    handle.set_rules(compiled);
    Ok(())
}

/// Makes the first admin key when there is none, and leaves it in `<data>/admin.key` (mode 0600) for the
/// command line on this machine. Returns the key when it was made.
///
/// # Errors
/// When the key cannot be stored.
async fn first_key(handle: &Handle, data: &Path) -> anyhow::Result<Option<String>> {
    let read = Command::System(SystemCommand::ReadKeys);
    let reply = handle.ask(EntityId::System(0), read, by()?).await?;
    let Answer::Keys(keys) = reply.answer else {
        return Ok(None);
    };
    if keys.iter().any(|key| !key.revoked) {
        return Ok(None);
    }
    let key = create_key_in(&data.join(ADMIN_KEY_FILE), handle, "admin").await?;
    Ok(Some(key))
}

/// Reads secrets by name.
///
/// # Errors
/// Every secret that is missing, at once.
pub fn read_secrets(
    sources: &BTreeMap<String, SecretSource>,
) -> anyhow::Result<BTreeMap<String, Secret>> {
    let mut secrets = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, source) in sources {
        match source.read() {
            Ok(secret) => drop(secrets.insert(name.clone(), Secret::new(secret))),
            Err(what) => missing.push(format!("secrets.{name}: {what}")),
        }
    }
    anyhow::ensure!(missing.is_empty(), "{}", missing.join("; "));
    Ok(secrets)
}
