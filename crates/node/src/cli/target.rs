//! Which configuration, which server and which key a command works with.

use std::path::{Path, PathBuf};

use clap::Args;
use crossdock_channels::Secret;

use super::client::Client;
use super::exit::{Exit, Failure, Outcome};
use super::out::Out;
use crate::config::Config;
use crate::first_key::ADMIN_KEY_FILE;

/// The configuration that is read when none is named.
pub(crate) const CONFIG_FILE: &str = "crossdock.toml";
/// The address of the server, when `--url` is not given.
const URL_VARIABLE: &str = "CROSSDOCK_URL";
/// The API key, when it is not the admin key of this machine.
const KEY_VARIABLE: &str = "CROSSDOCK_API_KEY";

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Configuration file [default: crossdock.toml]
    #[arg(long, global = true, value_name = "FILE", env = "CROSSDOCK_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address of the running server [default: $CROSSDOCK_URL, else `server.listen` of the configuration]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

impl Target {
    /// Where results go.
    pub(crate) fn out(&self) -> Out {
        Out::new(self.json)
    }

    /// The file the configuration is in.
    pub(crate) fn config_file(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(CONFIG_FILE))
    }

    /// The configuration, which must be there.
    pub(crate) fn config(&self) -> Outcome<Config> {
        Config::read(self.config_file()).map_err(|mistakes| Failure::config(&mistakes))
    }

    /// The configuration; the defaults when none is named and none is there.
    pub(crate) fn config_or_default(&self) -> Outcome<Config> {
        if self.config.is_none() && !self.config_file().exists() {
            return Ok(Config::default());
        }
        self.config()
    }

    /// What signs the webhooks of a channel: the first of its secrets.
    pub(crate) fn channel_secret(&self, channel: &str) -> Outcome<Secret> {
        let config = self.config_or_default()?;
        let file = self.config_file().display();
        let missing = |what: &str| {
            Failure::new(Exit::NotFound, format!("{what} in {file}"))
                .remedy("name the server's configuration with --config")
        };
        let found = config.channels.get(channel);
        let found = found.ok_or_else(|| missing(&format!("there is no channel {channel:?}")))?;
        let source = found.webhook_secrets.first();
        let source =
            source.ok_or_else(|| missing(&format!("channel {channel:?} has no secret")))?;
        let text = source.read();
        text.map(|text| Secret::new(&text))
            .map_err(|what| Failure::new(Exit::Config, what))
    }

    /// The door to the running server.
    pub(crate) fn client(&self) -> Outcome<Client> {
        let config = self.config_or_default()?;
        let url = self
            .url
            .clone()
            .or_else(|| variable(URL_VARIABLE))
            .unwrap_or_else(|| format!("http://{}", config.server.listen));
        Client::new(&url, api_key(&config))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The key of the environment, or the one that `init` left on this machine.
fn api_key(config: &Config) -> Option<String> {
    let file = || std::fs::read_to_string(config.data.dir.join(ADMIN_KEY_FILE)).ok();
    let key = variable(KEY_VARIABLE).or_else(file)?;
    Some(key.trim().to_owned()).filter(|key| !key.is_empty())
}
