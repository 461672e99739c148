//! What a node needs before it serves: connected channels, the saved rules in force, a first key, seeds.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use crossdock_channels::Secret;
use crossdock_logic::router::{CompiledRules, parse_rules};
use crossdock_model::command::{BucketCommand, ChannelCommand, ExceptionCommand, SystemCommand};
use crossdock_model::v1::{ChannelMode, ChannelPlace, ChannelSettings, Publishing, Sale};
use crossdock_model::{Answer, ChannelId, Command, CredentialId, Duration, EntityId};
use crossdock_runtime::{AskError, BUCKETS, By, Handle};

use crate::closed::closed;
use crate::config::{ChannelKind, Config, SaleSetting, SecretSource};
use crate::first_key::{ADMIN_KEY_FILE, create_key_in};
use crate::publish::{NOT_STOCKED, places_of};

/// So long that nobody is told of a number that is wrong: a hundred years.
const NEVER: Duration = Duration::from_minutes(60 * 24 * 365 * 100);
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

/// Tells each configured channel its settings; unchanged ones record nothing. One that is put aside is passed over. One that
/// was connected and is not configured any more may still show numbers.
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
            Ok(_) => {
                name_channel(handle, &id).await?;
                publish_as(handle, entity, &id, channel.publishing(&id)?).await?;
            }
            // The way out of a quarantine needs a server that runs.
            Err(error @ AskError::Quarantined { .. }) => {
                tracing::error!(channel = %name, %error, "a channel keeps the settings it had");
            }
            Err(error) => return Err(error).context(format!("connecting channel {name}")),
        }
    }
    for id in named_channels(handle).await? {
        if config.channels.contains_key(id.as_str()) {
            continue;
        }
        let told = publish_as(handle, EntityId::Channel(id.clone()), &id, None).await;
        if let Err(error) = told {
            tracing::error!(channel = %id, %error, "a channel that is not configured any more was not told so");
        }
    }
    Ok(())
}

async fn name_channel(handle: &Handle, id: &ChannelId) -> anyhow::Result<()> {
    let channel = id.clone();
    let name = Command::System(SystemCommand::NameChannel { channel });
    let named = handle.ask(EntityId::System(0), name, by()?).await;
    named
        .map(drop)
        .with_context(|| format!("remembering channel {id}"))
}

/// Every channel that was ever connected.
async fn named_channels(handle: &Handle) -> anyhow::Result<Vec<ChannelId>> {
    let read = Command::System(SystemCommand::ReadChannels);
    let reply = handle.ask(EntityId::System(0), read, by()?).await?;
    Ok(match reply.answer {
        Answer::Channels(channels) => channels,
        _ => Vec::new(),
    })
}

/// Tells a channel how its numbers are written, if the configuration says.
async fn publish_as(
    handle: &Handle,
    entity: EntityId,
    id: &ChannelId,
    wanted: Option<Publishing>,
) -> anyhow::Result<()> {
    let tell = async |command: ChannelCommand| {
        let told = handle.ask(entity.clone(), Command::Channel(command), by()?);
        told.await.map(drop).map_err(anyhow::Error::from)
    };
    let is_wanted = wanted.is_some();
    let (publishing, is_left) = match wanted {
        Some(publishing) => (Some(publishing), false),
        None => {
            let left = left_published(handle, id).await;
            let left = left.with_context(|| format!("asking what channel {id} shows"))?;
            left.map_or((None, false), |(left, is_left)| (Some(left), is_left))
        }
    };
    if let Some(publishing) = publishing {
        tell(ChannelCommand::PublishAs(Box::new(publishing)))
            .await
            .with_context(|| format!("publishing to channel {id}"))?;
        // Also of places that were not named before.
        tell(closed(handle))
            .await
            .with_context(|| format!("telling channel {id} which locations are closed"))?;
    }
    if !is_wanted {
        forget_missing(handle, id).await?;
    }
    let exception = match is_left {
        true => {
            let cause = format!(
                "Numbers were published to {id}, and its section of the configuration that says how is gone: it goes on \
                 showing the last ones, whatever is sold. Put the section back. To end publishing, pause the channel first \
                 (`crossdock channel pause --channel {id}`), which sets its numbers to 0, and take the section out once \
                 `crossdock channel publish --channel {id} --preview` lists none; or see to the numbers in the channel, and \
                 let it only be observed (`crossdock channel observe --channel {id}`)."
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

/// Nobody looks any more for what a channel does not stock at its places.
async fn forget_missing(handle: &Handle, id: &ChannelId) -> anyhow::Result<()> {
    let entity = EntityId::Channel(id.clone());
    let known = handle.read(entity.clone()).await?.answer;
    for place in places_of(known) {
        let how = "nothing is published to the channel any more";
        let over = ExceptionCommand::close(NOT_STOCKED, place.as_str(), how);
        let over = Command::Channel(ChannelCommand::Exception(over));
        let told = handle.ask(entity.clone(), over, by()?).await;
        told.with_context(|| format!("telling of what {id} does not stock"))?;
    }
    Ok(())
}

/// What is published to a channel without its section, where that is something else than with it, and whether numbers of ours
/// are left there that somebody has to keep up: those of its places, and while it is paused, or has no places any more, what is
/// not set to 0 yet. Places that wait to be let in are none any more.
async fn left_published(
    handle: &Handle,
    id: &ChannelId,
) -> anyhow::Result<Option<(Publishing, bool)>> {
    let known = handle.read(EntityId::Channel(id.clone())).await?.answer;
    let Answer::Channel {
        mode: mode @ (ChannelMode::Active | ChannelMode::Paused),
        publishing: Some(mut publishing),
        ..
    } = known
    else {
        return Ok(None);
    };
    let mut places = publishing.places.iter();
    let sells = mode == ChannelMode::Active && places.any(|one| publishing.sends_to(&one.place));
    let is_left = sells || is_any_wrong(handle, id, &publishing).await?;
    if is_left {
        // One exception says it of all numbers.
        publishing.wrong_for = NEVER;
    }
    let observed = publishing.observed_places.clone();
    let is_let_in = |one: &ChannelPlace| !observed.contains(&one.place);
    publishing.places.retain(is_let_in);
    let is_other = is_left || !observed.is_empty();
    Ok(is_other.then_some((*publishing, is_left)))
}

/// Whether a channel shows something else than it should where numbers are sent, as far as is known.
async fn is_any_wrong(
    handle: &Handle,
    id: &ChannelId,
    publishing: &Publishing,
) -> anyhow::Result<bool> {
    for number in 0..BUCKETS {
        let bucket = EntityId::Bucket(id.clone(), number);
        let look = Command::Bucket(BucketCommand::LookNumbers);
        let views = match handle.ask(bucket, look, by()?).await {
            Ok(reply) => reply.answer,
            // What it shows nobody can say.
            Err(AskError::Quarantined { .. }) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let Answer::Numbers(views) = views else {
            continue;
        };
        let is_wrong = |should: u32, shown: Option<i64>| shown != Some(should.into());
        let mut views = views.into_iter();
        if views.any(|view| {
            // What the channel does not count, or have, nobody has to set.
            let should = view.should.filter(|_| view.is_tracked && !view.is_missing);
            let should = should.filter(|_| publishing.sends_to(&view.place));
            should.is_some_and(|should| is_wrong(should, view.shown))
        }) {
            return Ok(true);
        }
    }
    Ok(false)
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

    use crossdock_model::command::SkuCommand;
    use crossdock_model::v1::{ListingTarget, ShownLevel, Tracking};
    use crossdock_model::{ListingId, LocationId, SkuId, SourceId, Timestamp};
    use crossdock_runtime::{Clock, Node, PausedClock, bucket_of, testing};

    use super::*;
    use crate::testing::{InMemory, is_open};

    fn config(publish: &str) -> Config {
        let text = format!(
            "[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{{ env = \"HOME\" }}]\n{publish}"
        );
        Config::parse(Path::new("c.toml"), &text).unwrap()
    }

    /// A shop's section that publishes at these places.
    fn published(places: &str) -> Config {
        config(&format!(
            "[channels.shop.publish]\nurl = \"https://example.myshopify.com\"\ntoken = {{ env = \"HOME\" }}\n\
             places = {{ {places} }}\n"
        ))
    }

    const PLACES: &str = "8050 = [\"reno\"]";

    struct Scene {
        node: Node,
        clock: Arc<PausedClock>,
    }

    impl Scene {
        async fn start() -> Self {
            let memory = InMemory::start(Timestamp::from_ms(1_000_000)).await;
            let InMemory { node, clock, .. } = memory;
            Self { node, clock }
        }

        async fn starts_with(&self, config: &Config) {
            let handle = self.node.handle();
            connect_channels(&handle, config).await.unwrap();
        }

        async fn ask(&self, entity: EntityId, command: Command) -> Result<Answer, AskError> {
            let handle = self.node.handle();
            let asked = handle.ask(entity, command, by().unwrap());
            asked.await.map(|reply| reply.answer)
        }

        async fn tell(&self, command: ChannelCommand) -> Result<Answer, AskError> {
            self.ask(EntityId::Channel(shop()), Command::Channel(command))
                .await
        }

        /// Whether the exception is open, for so many times.
        async fn is_told(&self, episode: u32) -> bool {
            let about = (NOT_PUBLISHED, "shop", episode);
            is_open(&self.node.handle(), Some(&shop()), about).await
        }

        /// It is told with every start without, and of no number by itself, until the next one with.
        async fn is_told_until_it_is_back(&self, with: &Config, without: &Config) {
            for episode in [1, 2] {
                for _ in 0..2 {
                    self.starts_with(without).await;
                }
                assert!(self.is_told(episode).await, "{episode}");
                // One exception says it of all numbers.
                assert!(self.wrong_minutes().await > 1_000_000);
                self.starts_with(with).await;
                assert!(!self.is_told(episode).await, "{episode} is over");
                assert_eq!(self.wrong_minutes().await, 10);
            }
        }

        /// After how many minutes a person is told of a number that is wrong.
        async fn wrong_minutes(&self) -> u64 {
            let read = self.ask(EntityId::Channel(shop()), Command::Read);
            match read.await.unwrap() {
                Answer::Channel {
                    publishing: Some(publishing),
                    ..
                } => publishing.wrong_for.as_ms() / 60_000,
                other => panic!("{other:?}"),
            }
        }

        /// Five mugs, and what sells them.
        async fn sells_mugs(&self) {
            let sku = SkuId::new("MUG").unwrap();
            let define = SkuCommand::Define {
                title: "Mug".to_owned(),
                tracking: Tracking::Tracked,
            };
            let receive = SkuCommand::Receive {
                location: LocationId::new("reno").unwrap(),
                units: 5,
                reference: None,
            };
            for command in [define, receive] {
                let told = self.ask(EntityId::Sku(sku.clone()), Command::Sku(command));
                told.await.unwrap();
            }
            let target = ListingTarget::Sku { sku, multiplier: 1 };
            let listing = mug();
            let map = BucketCommand::Map { listing, target };
            self.ask(bucket(), Command::Bucket(map)).await.unwrap();
        }

        /// The shop shows so many mugs.
        async fn shows(&self, units: i64) {
            self.clock.advance(Duration::from_s(1));
            let show = BucketCommand::Show {
                listing: mug(),
                level: ShownLevel {
                    place: SourceId::new("shop/8050").unwrap(),
                    units: Some(units),
                    at: self.clock.now(),
                },
                asked_at: None,
            };
            self.ask(bucket(), Command::Bucket(show)).await.unwrap();
        }

        /// Waits until it is known how many mugs the shop should show.
        async fn should_show(&self, units: u32) {
            testing::until("the bucket has heard", async || {
                let look = Command::Bucket(BucketCommand::LookNumbers);
                let Ok(Answer::Numbers(views)) = self.ask(bucket(), look).await else {
                    return false;
                };
                views.iter().any(|view| view.should == Some(units))
            })
            .await;
        }
    }

    fn shop() -> ChannelId {
        ChannelId::checked("shop").unwrap()
    }

    fn mug() -> ListingId {
        ListingId::new("inventory_item:77").unwrap()
    }

    fn bucket() -> EntityId {
        EntityId::Bucket(shop(), bucket_of(&mug()))
    }

    /// A channel that shows our numbers is not forgotten with its section.
    #[tokio::test]
    async fn a_section_that_is_gone_is_an_exception_until_it_is_back() {
        let scene = Scene::start().await;
        let (with, without) = (published(PLACES), config(""));
        scene.starts_with(&with).await;
        scene.starts_with(&without).await;
        assert!(!scene.is_told(1).await, "it was only observed");
        scene.starts_with(&with).await;
        let active = ChannelCommand::SetMode(ChannelMode::Active);
        scene.tell(active).await.unwrap();
        scene.is_told_until_it_is_back(&with, &without).await;
        scene.node.stop().await;
    }

    /// What is not stocked at a place is looked at no more.
    #[tokio::test]
    async fn what_is_not_stocked_is_over_with_the_section() {
        let scene = Scene::start().await;
        scene.starts_with(&published(PLACES)).await;
        let lacks = ExceptionCommand::open(NOT_STOCKED, "shop/8050", "two of them".to_owned());
        scene.tell(ChannelCommand::Exception(lacks)).await.unwrap();
        let handle = scene.node.handle();
        let about = (NOT_STOCKED, "shop/8050", 1);
        scene.starts_with(&published(PLACES)).await;
        assert!(is_open(&handle, Some(&shop()), about).await);
        scene.starts_with(&config("")).await;
        assert!(!is_open(&handle, Some(&shop()), about).await);
        scene.node.stop().await;
    }

    /// A place that waits to be let in is none any more without its section, whether numbers are left elsewhere or not.
    #[tokio::test]
    async fn a_place_that_waits_is_over_with_its_section() {
        for mode in [ChannelMode::Active, ChannelMode::Paused] {
            let scene = Scene::start().await;
            let both = published("8050 = [\"reno\"], 8051 = [\"york\"]");
            scene.starts_with(&published(PLACES)).await;
            for mode in [ChannelMode::Active, mode] {
                scene.tell(ChannelCommand::SetMode(mode)).await.unwrap();
            }
            let handle = scene.node.handle();
            let shop = shop();
            for episode in [1, 2] {
                let about = ("place_observed", "shop/8051", episode);
                scene.starts_with(&both).await;
                assert!(is_open(&handle, Some(&shop), about).await, "{mode:?}");
                scene.starts_with(&config("")).await;
                assert!(!is_open(&handle, Some(&shop), about).await, "{mode:?}");
            }
            let is_left = mode == ChannelMode::Active;
            assert_eq!(scene.is_told(2).await, is_left, "{mode:?}");
            scene.node.stop().await;
        }
    }

    /// The same of a channel of which nothing at all is configured any more.
    #[tokio::test]
    async fn a_channel_that_is_gone_is_an_exception_until_it_is_back() {
        let scene = Scene::start().await;
        let (with, gone) = (
            published(PLACES),
            Config::parse(Path::new("c.toml"), "").unwrap(),
        );
        assert_eq!(gone.channels.len(), 0);
        scene.starts_with(&with).await;
        scene.starts_with(&gone).await;
        assert!(!scene.is_told(1).await, "it was only observed");
        let active = ChannelCommand::SetMode(ChannelMode::Active);
        scene.tell(active).await.unwrap();
        scene.is_told_until_it_is_back(&with, &gone).await;
        scene.node.stop().await;
    }

    /// Publishing has ended once the last number is 0, and not before: whether the channel is paused, or has no places any
    /// more. Where it is observed, nobody has to set anything.
    #[tokio::test]
    async fn publishing_ends_once_every_number_is_none() {
        // (the mode before the section goes, the places in its last version)
        let cases = [
            (ChannelMode::Paused, PLACES),
            (ChannelMode::Active, ""),
            (ChannelMode::Paused, ""),
        ];
        for (mode, places) in cases {
            let scene = Scene::start().await;
            scene.starts_with(&published(PLACES)).await;
            scene.sells_mugs().await;
            scene.shows(5).await;
            let active = ChannelCommand::SetMode(ChannelMode::Active);
            scene.tell(active).await.unwrap();
            scene.should_show(5).await;
            scene.tell(ChannelCommand::SetMode(mode)).await.unwrap();
            scene.starts_with(&published(places)).await;
            scene.should_show(0).await;
            scene.starts_with(&config("")).await;
            assert!(scene.is_told(1).await, "{mode:?} {places}: 5 are shown");
            scene.shows(0).await;
            scene.starts_with(&config("")).await;
            assert!(!scene.is_told(1).await, "{mode:?} {places}: it is over");
            scene.node.stop().await;
        }
        let scene = Scene::start().await;
        scene.starts_with(&published(PLACES)).await;
        for mode in [ChannelMode::Active, ChannelMode::Observed] {
            scene.tell(ChannelCommand::SetMode(mode)).await.unwrap();
        }
        scene.starts_with(&config("")).await;
        assert!(!scene.is_told(1).await);
        scene.node.stop().await;
    }
}
