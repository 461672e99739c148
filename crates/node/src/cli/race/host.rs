//! The server a race runs on: a running one, or one of its own on a free port with temporary data.

use std::time::Duration;

use anyhow::Context;
use crossdock_channels::Secret;
use crossdock_model::v1::Scope;
use crossdock_runtime::Handle;
use tempfile::TempDir;
use tokio::time::Instant;

use super::super::client::{Client, random_key};
use super::super::exit::{Failure, Outcome};
use super::super::target::Target;
use super::verdict::Books;
use super::{Args, Path};
use crate::config::{Channel, ChannelKind, Config, SaleSetting, SecretSource};
use crate::first_key::create_key;
use crate::serve::Server;

/// How long the books may take to settle after the last answer.
const SETTLE: Duration = Duration::from_secs(30);
/// Wait between two looks at the books.
const LOOK: Duration = Duration::from_millis(50);

/// The server of a race.
pub(super) struct Host {
    client: Client,
    /// The channel that webhooks go to, and its secret.
    channel: String,
    secret: Option<Secret>,
    own: Option<Own>,
}

/// A server that lives as long as the race.
struct Own {
    server: Server,
    _data: TempDir,
}

impl Host {
    /// The server of `--url`, else one of its own.
    pub(super) async fn find(target: &Target, args: &Args) -> Outcome<Self> {
        if target.url.is_none() {
            return Self::start().await;
        }
        if args.path == Path::Engine {
            return Err(Failure::usage(
                "--path engine races in this process: leave --url out",
            ));
        }
        let client = target.client()?;
        let secret = match args.path {
            Path::Webhook => Some(target.channel_secret(&args.channel)?),
            Path::Engine | Path::Hold | Path::Order => None,
        };
        Ok(Self {
            client,
            channel: args.channel.clone(),
            secret,
            own: None,
        })
    }

    async fn start() -> Outcome<Self> {
        let data = TempDir::with_prefix("crossdock-race-").context("temporary data")?;
        let (channel, secret) = ("race".to_owned(), random_key()?);
        let secret_file = data.path().join("secret");
        std::fs::write(&secret_file, &secret).context("temporary data")?;
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".to_owned();
        config.data.dir = data.path().join("data");
        let api = Channel {
            amazon: None,
            kind: ChannelKind::Api,
            sale: SaleSetting::Asks,
            map_by_sku: true,
            webhook_secrets: Vec::new(),
            time_zone: "UTC".to_owned(),
            shipping: Vec::new(),
            publish: None,
        };
        let shop = Channel {
            kind: ChannelKind::Shopify,
            sale: SaleSetting::AlreadySold,
            webhook_secrets: vec![SecretSource::File(secret_file)],
            ..api.clone()
        };
        config.channels.insert(channel.clone(), shop);
        config.channels.insert("api".to_owned(), api);
        let server = Server::start(config, crate::serve::Options::default()).await?;
        let key = create_key(&server.handle, "race", Scope::Admin, None).await?;
        let client = Client::new(&format!("http://{}", server.addr), Some(key))?;
        let own = Own {
            server,
            _data: data,
        };
        Ok(Self {
            client,
            channel,
            secret: Some(Secret::new(&secret)),
            own: Some(own),
        })
    }

    /// The door to the server.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The channel that webhooks go to.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// What signs its webhooks.
    pub(super) fn secret(&self) -> Outcome<&Secret> {
        let missing = || Failure::usage("the channel's secret is not known here");
        self.secret.as_ref().ok_or_else(missing)
    }

    /// The entities, where the server is of this process.
    pub(super) fn handle(&self) -> Outcome<&Handle> {
        let missing = || Failure::usage("--path engine races in this process: leave --url out");
        self.own
            .as_ref()
            .map(|own| &own.server.handle)
            .ok_or_else(missing)
    }

    /// Stops the server if it is of this race.
    pub(super) async fn stop(self) {
        if let Some(own) = self.own {
            own.server.stop().await;
        }
    }
}

/// Reads the books until they have settled, or for long enough.
pub(super) async fn settled<F: Future<Output = Outcome<Books>>>(
    read: impl Fn() -> F,
    is_settled: impl Fn(&Books) -> bool,
) -> Outcome<Books> {
    let start = Instant::now();
    loop {
        let books = read().await?;
        if is_settled(&books) || start.elapsed() > SETTLE {
            return Ok(books);
        }
        tokio::time::sleep(LOOK).await;
    }
}
