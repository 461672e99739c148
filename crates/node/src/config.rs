//! Configuration: one TOML file, the sum of the parts' settings. All mistakes are reported at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crossdock_model::ChannelId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

/// The whole configuration of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where HTTP is served.
    pub server: Server,
    /// Where data is kept.
    pub data: Data,
    /// What is told about what happens.
    pub telemetry: Telemetry,
    /// What locations are told, and how.
    pub warehouse: Warehouse,
    /// Sales channels by id.
    pub channels: BTreeMap<String, Channel>,
    /// Secrets of locations' and endpoints' webhooks by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Files imported when a journal is new, for trying things out.
    pub seed: Option<Seed>,
}

/// Where HTTP is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port, `127.0.0.1:8080`; port 0 picks a free one.
    pub listen: String,
    /// Largest body of a request, in bytes (imports have their own limit of 32 MiB).
    pub body_bytes_max: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            body_bytes_max: 1 << 20,
        }
    }
}

/// Where data is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// The data directory. One process at a time.
    pub dir: PathBuf,
    /// File with the master key of personal data; made when absent. Default: `master.key` in `dir`.
    /// Keep a copy elsewhere: without it, personal data in backups cannot be read.
    pub master_key_file: Option<PathBuf>,
    /// Live entities kept in memory at most, about 8 KB each.
    pub live_entities_max: usize,
    /// Days for which keys of commands are remembered.
    pub dedup_days: u64,
    /// How hard the journal syncs. Anything but `full` loses acknowledged orders when the power fails: it is
    /// there so that tests can show that they notice.
    pub synchronous: Synchronous,
}

/// How hard the journal syncs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Synchronous {
    /// Before every answer.
    #[default]
    Full,
    /// At checkpoints of the write-ahead log only. Loses.
    Normal,
    /// Never. Loses.
    Off,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data"),
            master_key_file: None,
            live_entities_max: 100_000,
            dedup_days: 7,
            synchronous: Synchronous::default(),
        }
    }
}

impl Data {
    /// Where the master key is.
    #[must_use]
    pub fn master_key(&self) -> PathBuf {
        self.master_key_file
            .clone()
            .unwrap_or_else(|| self.dir.join("master.key"))
    }
}

/// What is told about what happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Log filter, `info` or `info,crossdock_runtime=debug`.
    pub log: String,
    /// Logs as JSON lines.
    pub log_json: bool,
    /// OTLP endpoint for traces, `http://127.0.0.1:4318`; none: no traces leave.
    pub otlp_endpoint: Option<String>,
    /// Share of requests that are traced, 0 to 1.
    pub trace_ratio: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            log_json: false,
            otlp_endpoint: None,
            trace_ratio: 0.01,
        }
    }
}

/// What locations are told, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Warehouse {
    /// Whether webhooks may go to private and loopback addresses. Off, except in a closed network.
    pub allow_private_addresses: bool,
}

/// A sales channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Which connector.
    pub kind: ChannelKind,
    /// Whether the channel asks before it sells, or has sold already.
    #[serde(default)]
    pub sale: SaleSetting,
    /// Whether a listing that is not mapped stands for the SKU of the same text.
    #[serde(default = "yes")]
    pub map_by_sku: bool,
    /// Secrets that sign its webhooks; two while one is being replaced.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretSource>,
}

fn yes() -> bool {
    true
}

/// Connectors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A Shopify shop.
    Shopify,
    /// Orders through this server's own API.
    Api,
}

/// How a channel sells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SaleSetting {
    /// It asks first and can be refused.
    Asks,
    /// The buyer holds a confirmation: never refused.
    #[default]
    AlreadySold,
}

/// Where a secret comes from: never from this file itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; white space around its contents is dropped.
    File(PathBuf),
}

/// Files imported when a journal is new.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// Locations, JSON Lines.
    pub locations: Option<PathBuf>,
    /// SKUs, CSV.
    pub skus: Option<PathBuf>,
    /// Stock, CSV.
    pub stock: Option<PathBuf>,
}

/// A mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 when it concerns the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// A file being read, with what was found wrong so far.
struct Reading<'a> {
    file: &'a Path,
    text: &'a str,
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn mistake(&mut self, offset: Option<usize>, what: impl Into<String>) {
        let line = offset.map_or(0, |at| {
            self.text[..at.min(self.text.len())].matches('\n').count() + 1
        });
        let mistake = Mistake {
            file: self.file.to_owned(),
            line,
            what: what.into(),
        };
        self.mistakes.push(mistake);
    }

    fn section<T: serde::de::DeserializeOwned>(
        &mut self,
        value: toml::Spanned<DeValue<'_>>,
    ) -> Option<T> {
        let start = value.span().start;
        match T::deserialize(toml::de::ValueDeserializer::from(value)) {
            Ok(section) => Some(section),
            Err(error) => {
                let at = error.span().map_or(start, |span| span.start);
                self.mistake(Some(at), error.message());
                None
            }
        }
    }

    /// A table of named parts, each read on its own so that one mistake does not hide the next.
    fn parts<T: serde::de::DeserializeOwned>(
        &mut self,
        value: toml::Spanned<DeValue<'_>>,
        check: impl Fn(&str, &T) -> Option<String>,
    ) -> BTreeMap<String, T> {
        let start = value.span().start;
        let DeValue::Table(table) = value.into_inner() else {
            self.mistake(Some(start), "expected a table");
            return BTreeMap::new();
        };
        let mut parts = BTreeMap::new();
        for (name, value) in table {
            let (at, name) = (name.span().start, name.into_inner().into_owned());
            if let Some(part) = self.section::<T>(value) {
                if let Some(problem) = check(&name, &part) {
                    self.mistake(Some(at), problem);
                }
                parts.insert(name, part);
            }
        }
        parts
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Every [`Mistake`] found, in the order of the file.
    pub fn read(file: &Path) -> Result<Self, Vec<Mistake>> {
        let whole = |what: String| {
            vec![Mistake {
                file: file.to_owned(),
                line: 0,
                what,
            }]
        };
        let text = std::fs::read_to_string(file).map_err(|e| {
            whole(format!(
                "cannot be read: {e}; make one with `crossdock init`"
            ))
        })?;
        Self::parse(file, &text)
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// Every [`Mistake`] found, in the order of the file.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Mistake>> {
        let mut reading = Reading {
            file,
            text,
            mistakes: Vec::new(),
        };
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                reading.mistake(error.span().map(|span| span.start), error.message());
                return Err(reading.mistakes);
            }
        };
        let mut config = Self::default();
        for (name, value) in table {
            let at = name.span().start;
            match name.into_inner().as_ref() {
                "server" => config.server = reading.section(value).unwrap_or_default(),
                "data" => config.data = reading.section(value).unwrap_or_default(),
                "telemetry" => config.telemetry = reading.section(value).unwrap_or_default(),
                "warehouse" => config.warehouse = reading.section(value).unwrap_or_default(),
                "seed" => config.seed = reading.section(value),
                "channels" => config.channels = reading.parts(value, check_channel),
                "secrets" => config.secrets = reading.parts(value, |_, _| None),
                other => {
                    let known = "server, data, telemetry, warehouse, channels, secrets, seed";
                    reading.mistake(
                        Some(at),
                        format!("unknown section {other:?}; known are {known}"),
                    );
                }
            }
        }
        check_values(&config, &mut reading);
        if reading.mistakes.is_empty() {
            Ok(config)
        } else {
            Err(sorted(reading.mistakes))
        }
    }
}

fn sorted(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by_key(|mistake| mistake.line);
    mistakes
}

fn check_channel(name: &str, channel: &Channel) -> Option<String> {
    if let Err(error) = ChannelId::checked(name) {
        return Some(format!("channel {name:?}: {error}"));
    }
    match (channel.kind, channel.webhook_secrets.len()) {
        (ChannelKind::Shopify, 0) => Some(format!(
            "channel {name:?} has no webhook_secrets: add webhook_secrets = [{{ env = \"…\" }}]"
        )),
        (_, 0..=2) => None,
        (_, count) => Some(format!(
            "channel {name:?} has {count} webhook_secrets, at most 2 are live"
        )),
    }
}

fn check_values(config: &Config, reading: &mut Reading<'_>) {
    let mut check = |good: bool, key: &str, what: &str| {
        if !good {
            let at = reading.text.find(key);
            reading.mistake(at, format!("{key}: {what}"));
        }
    };
    let listen = config.server.listen.parse::<std::net::SocketAddr>().is_ok();
    check(
        listen,
        "listen",
        "expected an address and port, as 127.0.0.1:8080",
    );
    let ratio = (0.0..=1.0).contains(&config.telemetry.trace_ratio);
    check(ratio, "trace_ratio", "expected a share from 0 to 1");
    check(
        (1..=90).contains(&config.data.dedup_days),
        "dedup_days",
        "expected 1 to 90 days",
    );
    check(
        config.data.live_entities_max >= 100,
        "live_entities_max",
        "expected at least 100",
    );
    check(
        (1024..=(16 << 20)).contains(&config.server.body_bytes_max),
        "body_bytes_max",
        "expected 1024 to 16777216 bytes",
    );
}

impl SecretSource {
    /// The secret itself.
    ///
    /// # Errors
    /// Says which variable or file is missing or empty, never what is in it.
    pub fn read(&self) -> Result<String, String> {
        let (found, name) = match self {
            Self::Env(name) => (
                std::env::var(name).ok(),
                format!("environment variable {name}"),
            ),
            Self::File(path) => (
                std::fs::read_to_string(path).ok(),
                format!("file {}", path.display()),
            ),
        };
        let secret = found
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        secret.ok_or_else(|| format!("secret: {name} is not set or empty"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        match Config::parse(Path::new("c.toml"), text) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn all_mistakes_are_reported_with_their_lines() {
        let text = "[server]\nlisten = \"nowhere\"\n\n[telemetry]\ntrace_ratio = 7\n\n\
                    [data]\ndri = \"x\"\n\n[chanels.shop]\nkind = \"shopify\"\n\n\
                    [channels.shop]\nkind = \"shopify\"\n[channels.etsy]\nkind = \"etsy\"\n";
        let found = mistakes(text);
        let lines: Vec<&str> = found.iter().filter_map(|m| m.split(':').nth(1)).collect();
        assert_eq!(lines, ["2", "5", "8", "10", "13", "16"], "{found:#?}");
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(
            Config::parse(Path::new("c.toml"), ""),
            Ok(Config::default())
        );
    }

    #[test]
    fn secrets_come_from_files_and_are_never_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s");
        std::fs::write(&file, " hush\n").unwrap();
        assert_eq!(SecretSource::File(file).read().as_deref(), Ok("hush"));
        let missing = SecretSource::Env("CROSSDOCK_TEST_NOT_SET".to_owned()).read();
        assert!(missing.unwrap_err().contains("CROSSDOCK_TEST_NOT_SET"));
    }
}
