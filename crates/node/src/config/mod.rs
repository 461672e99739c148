//! Configuration: one TOML file, the sum of the parts' settings. All mistakes are reported at once.

mod amazon;
mod publish;
mod read;
mod secret;
mod shipping;

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crossdock_model::ChannelId;
use crossdock_model::v1::Publishing;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use amazon::Amazon;
pub use publish::{MeasuredBuffer, Publish};
pub use secret::SecretSource;
pub use shipping::Method;

/// The bits of a mode that let others than the owner in.
const OTHERS: u32 = 0o077;

/// The whole configuration of a node. Relative paths are read from the folder that the file is in.
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

impl Config {
    /// Channels on the seller's account of one of them, itself among them.
    pub(crate) fn channels_of(&self, account: &[String; 3]) -> u32 {
        let sellers = self.channels.values().filter_map(|one| one.amazon.as_ref());
        let channels = sellers
            .filter(|amazon| amazon.account() == *account)
            .count();
        u32::try_from(channels).unwrap_or(u32::MAX)
    }
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
    /// Live entities kept in memory at most, about 13 KB each.
    pub live_entities_max: usize,
    /// Days for which keys of commands are remembered.
    pub dedup_days: u64,
    /// Days after which log moves from the database into sealed, compressed files.
    pub hot_days: u32,
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
            live_entities_max: 10_000,
            dedup_days: 7,
            hot_days: 30,
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

    /// Where others on this machine may look at what is stored, and what to do.
    #[must_use]
    pub fn exposures(&self) -> Vec<String> {
        let [dir, key] = [self.dir.clone(), self.master_key()];
        let open = [(dir, "700"), (key, "600")].into_iter();
        let open = open.filter(|(path, _)| {
            let found = std::fs::metadata(path);
            found.is_ok_and(|found| found.permissions().mode() & OTHERS != 0)
        });
        open.map(|(path, mode)| {
            let path = path.display();
            format!("{path}: others on this machine may look into it: chmod {mode} {path}")
        })
        .collect()
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
    /// Where locations tell what they have, by location: read every `every_minutes`, `{ reno = { url =
    /// "https://wms.example/counts", secret = "warehouse" } }`.
    pub counts: BTreeMap<String, Counts>,
}

/// Where a location tells what it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The address.
    pub url: String,
    /// Name of the secret that the request is signed with.
    pub secret: String,
    /// Minutes between two readings.
    #[serde(default = "hourly")]
    pub every_minutes: u32,
    /// Whether what our orders are to get is not in the counts any more.
    #[serde(default)]
    pub net_of_allocated: bool,
    /// What it means that a SKU is left out of a whole list, where the location names the list as its stock source.
    #[serde(default)]
    pub absent: Absent,
}

/// What it means that a SKU is not in a list of what a location has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// A person is to see to it.
    #[default]
    Told,
    /// There is none of it.
    None,
}

fn hourly() -> u32 {
    60
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
    /// Secrets that sign its webhooks, or (Amazon) that whoever passes notifications on shows as `x-crossdock-key`; two while
    /// one is being replaced.
    #[serde(default, deserialize_with = "secret::list")]
    pub webhook_secrets: Vec<SecretSource>,
    /// Whose days are counted in what its ways of sending promise, `America/New_York`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// What its ways of sending promise; the first that fits an order counts.
    #[serde(default)]
    pub shipping: Vec<Method>,
    /// What is published to it. Nothing is, until it is made active: `crossdock channel publish`.
    #[serde(default)]
    pub publish: Option<Publish>,
    /// The seller's account, of a channel of the kind `amazon`: its orders are read, and what can be sold is published to
    /// it, once it is made active.
    #[serde(default)]
    pub amazon: Option<Amazon>,
}

impl Channel {
    /// What is published to it, if anything can be.
    ///
    /// # Errors
    /// When a place or location is no id.
    pub fn publishing(&self, channel: &ChannelId) -> anyhow::Result<Option<Publishing>> {
        match (&self.publish, &self.amazon) {
            (Some(publish), _) => publish.publishing(channel).map(Some),
            (None, Some(amazon)) => amazon.publishing(channel).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Secrets that its API is called with, by the setting each is in.
    pub(crate) fn api_secrets(&self) -> impl Iterator<Item = (&'static str, &SecretSource)> {
        let shop = self.publish.iter();
        let shop = shop.map(|publish| ("publish.token", &publish.token));
        let seller = self.amazon.iter().flat_map(|amazon| {
            [
                ("amazon.client_secret", &amazon.client_secret),
                ("amazon.refresh_token", &amazon.refresh_token),
            ]
        });
        shop.chain(seller)
    }

    fn secrets_mut(&mut self) -> impl Iterator<Item = &mut SecretSource> {
        let shop = self.publish.iter_mut().map(|publish| &mut publish.token);
        let seller = self
            .amazon
            .iter_mut()
            .flat_map(|amazon| [&mut amazon.client_secret, &mut amazon.refresh_token]);
        self.webhook_secrets.iter_mut().chain(shop).chain(seller)
    }
}

fn yes() -> bool {
    true
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Connectors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A Shopify shop.
    Shopify,
    /// A seller's account on Amazon.
    Amazon,
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

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Every [`Mistake`] found, in the order of the file.
    pub fn read(file: &Path) -> Result<Self, Vec<Mistake>> {
        Self::parse(file, &text_of(file)?)
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// Every [`Mistake`] found, in the order of the file.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Mistake>> {
        let (config, reading) = read::parse(file, text)?;
        reading.ended().map(|()| config)
    }

    /// Reads a configuration file and looks whether what it names is there: seeds, and secrets if asked.
    ///
    /// # Errors
    /// Every [`Mistake`] found, in the order of the file.
    pub fn check(file: &Path, with_secrets: bool) -> Result<Self, Vec<Mistake>> {
        let text = text_of(file)?;
        let (config, mut reading) = read::parse(file, &text)?;
        reading.look_for_files(&config);
        if with_secrets {
            reading.look_for_secrets(&config);
        }
        reading.ended().map(|()| config)
    }

    /// Makes relative paths relative to a folder, instead of to where the process happens to be.
    fn based_on(mut self, folder: &Path) -> Self {
        let data = &mut self.data;
        let data = [Some(&mut data.dir), data.master_key_file.as_mut()];
        let seeds = self.seed.iter_mut().flat_map(Seed::files_mut);
        let secrets = self.channels.values_mut().flat_map(Channel::secrets_mut);
        let secrets = secrets.chain(self.secrets.values_mut());
        let secrets = secrets.filter_map(|source| match source {
            SecretSource::File(path) => Some(path),
            SecretSource::Env(_) => None,
        });
        for path in data.into_iter().flatten().chain(seeds).chain(secrets) {
            *path = folder.join(&path);
        }
        self
    }
}

fn text_of(file: &Path) -> Result<String, Vec<Mistake>> {
    std::fs::read_to_string(file).map_err(|error| {
        vec![Mistake {
            file: file.to_owned(),
            line: 0,
            what: format!("cannot be read: {error}; make one with `crossdock init`"),
        }]
    })
}

impl Seed {
    /// The files by the name of what they hold, in the order they are imported.
    #[must_use]
    pub fn files(&self) -> [(&'static str, Option<&Path>); 3] {
        [
            ("locations", self.locations.as_deref()),
            ("skus", self.skus.as_deref()),
            ("stock", self.stock.as_deref()),
        ]
    }

    fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let files = [&mut self.locations, &mut self.skus, &mut self.stock];
        files.into_iter().flatten()
    }
}
