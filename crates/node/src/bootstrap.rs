//! What a node needs before it serves: connected channels, the saved rules in force, a first key, seeds.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use crossdock_channels::Secret;
use crossdock_logic::router::{CompiledRules, parse_rules};
use crossdock_model::command::{ChannelCommand, ExceptionCommand, SystemCommand};
use crossdock_model::v1::{ChannelMode, ChannelSettings, Sale};
use crossdock_model::{Answer, ChannelId, Command, CredentialId, EntityId};
use crossdock_runtime::{AskError, By, Handle};

use crate::config::{Channel, ChannelKind, Config, SaleSetting, SecretSource};
use crate::first_key::{ADMIN_KEY_FILE, create_key_in};

/// Exception kind: a channel shows numbers of ours, and nothing says how to set them any more.
const NOT_PUBLISHED: &str = "not_published";

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
    let tell = async |command: ChannelCommand| {
        let told = handle.ask(entity.clone(), Command::Channel(command), by()?);
        told.await.map(drop).map_err(anyhow::Error::from)
    };
    let publishing = channel.publishing(id)?;
    let is_left = publishing.is_none() && is_published_to(handle, &entity).await?;
    let told = match publishing {
        Some(publishing) => tell(ChannelCommand::PublishAs(Box::new(publishing))).await,
        None => Ok(()),
    };
    told.with_context(|| format!("publishing to channel {id}"))?;
    let exception = match is_left {
        true => {
            let cause = format!(
                "Numbers were published to {id}, and its section of the configuration that says how is gone: it goes on \
                 showing the last ones, whatever is sold. Put the section back. To end publishing, take all its places \
                 out of it first, which sets their numbers to 0, or set the channel's mode to observed and see to the \
                 numbers in the channel."
            );
            ExceptionCommand::open(NOT_PUBLISHED, id.as_str(), cause)
        }
        false => {
            let how = "the configuration says how to publish, or nothing is to be";
            ExceptionCommand::close(NOT_PUBLISHED, id.as_str(), how)
        }
    };
    tell(ChannelCommand::Exception(exception))
        .await
        .with_context(|| format!("telling of channel {id}"))
}

/// Whether a channel shows numbers of ours, by what it was told before.
async fn is_published_to(handle: &Handle, channel: &EntityId) -> anyhow::Result<bool> {
    let known = handle.read(channel.clone()).await?.answer;
    Ok(match known {
        Answer::Channel {
            mode, publishing, ..
        } => {
            let has_places = publishing.is_some_and(|known| !known.places.is_empty());
            has_places && mode != ChannelMode::Observed
        }
        _ => false,
    })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossdock_journal::{Journal, MemoryJournal};
    use crossdock_model::Timestamp;
    use crossdock_model::v1::ExceptionKey;
    use crossdock_runtime::{Clock, Node, Options, PausedClock, Unconnected};

    use super::*;

    fn config(publish: &str) -> Config {
        let text = format!(
            "[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{{ env = \"HOME\" }}]\n{publish}"
        );
        Config::parse(Path::new("c.toml"), &text).unwrap()
    }

    async fn node() -> Node {
        let clock = Arc::new(PausedClock::new(Timestamp::from_ms(1_000_000)));
        let journal = Arc::new(MemoryJournal::new(1, clock.now()));
        let started = Node::start(
            journal as Arc<dyn Journal>,
            clock as Arc<dyn Clock>,
            Arc::new(Unconnected),
            Options::new(1),
            |error| panic!("a flush failed in memory: {error}"),
        );
        started.await.unwrap()
    }

    /// A channel that shows our numbers is not forgotten with its section.
    #[tokio::test]
    async fn a_section_that_is_gone_is_an_exception_until_it_is_back() {
        let node = node().await;
        let handle = node.handle();
        let published = config(
            "[channels.shop.publish]\nurl = \"https://example.myshopify.com\"\ntoken = { env = \"HOME\" }\n\
             places = { 8050 = [\"reno\"] }\n",
        );
        let shop = EntityId::Channel(ChannelId::checked("shop").unwrap());
        let ask = async |command| {
            let asked = handle.ask(shop.clone(), Command::Channel(command), by().unwrap());
            asked.await.map(|reply| reply.answer)
        };
        let note = |episode| {
            let key = ExceptionKey {
                kind: NOT_PUBLISHED.to_owned(),
                subject: "shop".to_owned(),
                episode,
            };
            let text = "seen".to_owned();
            ChannelCommand::Exception(ExceptionCommand::Note { key, text })
        };
        connect_channels(&handle, &published).await.unwrap();
        connect_channels(&handle, &config("")).await.unwrap();
        assert!(ask(note(1)).await.is_err(), "it was only observed");
        connect_channels(&handle, &published).await.unwrap();
        let active = ChannelCommand::SetMode(ChannelMode::Active);
        ask(active).await.unwrap();
        for episode in [1, 2] {
            for _ in 0..2 {
                connect_channels(&handle, &config("")).await.unwrap();
            }
            assert!(ask(note(episode)).await.is_ok(), "{episode}");
            connect_channels(&handle, &published).await.unwrap();
            assert!(ask(note(episode)).await.is_err(), "{episode} is over");
        }
        node.stop().await;
    }
}
