//! What the handlers share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crossdock_channels::{ChannelOrder, Place, Secret, Variants};
use crossdock_insight::Insight;
use crossdock_model::{ChannelId, Timestamp};
use crossdock_runtime::{Handle, Reply};
use prometheus_client::registry::Registry;

use crate::auth::KeyCache;
use crate::figures::{Figures, HotSkus, Looks};
use crate::outbound::Outbound;
use crate::page::Page;
use crate::trace::Spans;
use crate::v1::{Catalogues, Jobs, Kits};

/// Connectors whose webhooks can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorKind {
    /// A Shopify shop.
    Shopify,
    /// A seller's account on Amazon: its orders are read.
    Amazon,
    /// Orders through this API: no webhooks come in.
    Api,
}

impl ConnectorKind {
    /// As the configuration and the API call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Amazon => "amazon",
            Self::Api => "api",
        }
    }
}

/// How a channel's webhooks are believed.
#[derive(Debug, Clone)]
pub struct ChannelAuth {
    /// Its connector.
    pub kind: ConnectorKind,
    /// Live secrets: two while one is being replaced.
    pub secrets: Vec<Secret>,
    /// Whether webhooks are taken.
    pub enabled: bool,
}

/// Channels of the configuration, by id.
pub type ChannelTable = BTreeMap<String, ChannelAuth>;

/// Bounds of a request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// Largest body of an import, in bytes.
    pub import_bytes_max: usize,
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// Longest time for a request's head, and for silence between two requests of a connection.
    pub head: Duration,
    /// Longest time for an answer.
    pub answer: Duration,
    /// Longest wait of a read for what the caller has written.
    pub consistent: Duration,
    /// How long an import goes on trying while none of its lines can be done for the moment.
    pub import_patience: Duration,
    /// How long it is kept what became of each variant in an import of what a channel sells.
    pub catalogue_kept_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            import_bytes_max: 32 << 20,
            connections_max: 4096,
            head: Duration::from_secs(60),
            answer: Duration::from_secs(30),
            consistent: Duration::from_secs(2),
            import_patience: Duration::from_secs(30),
            catalogue_kept_for: Duration::from_secs(3_600),
        }
    }
}

/// The future of an adoption: the order's answer, none for a preview.
pub type AdoptFuture = Pin<Box<dyn Future<Output = Result<Option<Reply>, String>> + Send>>;
/// Takes an order of an export in as adopted, or (a preview) only looks whether it could be; the error is one sentence.
pub type AdoptFn = Arc<dyn Fn(Handle, ChannelId, ChannelOrder, bool) -> AdoptFuture + Send + Sync>;

/// Why something could not be read from a channel: one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// Nothing here can read it from this channel.
    Unsupported(String),
    /// The channel was asked, and did not tell.
    Failed(String),
}

/// The future of reading something from a channel.
pub type ReadFuture<T> = Pin<Box<dyn Future<Output = Result<T, ReadError>> + Send>>;
/// Reads the open orders of a channel that changed since then from the channel itself: each, or why it cannot be read.
pub type ReadOrdersFn = Arc<
    dyn Fn(ChannelId, Timestamp) -> ReadFuture<Vec<Result<ChannelOrder, String>>> + Send + Sync,
>;
/// Reads what a channel sells: a page, from where an earlier one said that the list goes on.
pub type ReadVariantsFn =
    Arc<dyn Fn(ChannelId, Option<String>) -> ReadFuture<Variants> + Send + Sync>;
/// Reads where a channel keeps stock.
pub type ReadPlacesFn = Arc<dyn Fn(ChannelId) -> ReadFuture<Vec<Place>> + Send + Sync>;

/// What a backup wrote.
#[derive(Debug, Clone, Copy)]
pub struct BackupReport {
    /// Files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Copies the journal into a directory that does not exist yet. Blocking; the error is one sentence.
pub type BackupFn = Arc<dyn Fn(PathBuf) -> Result<BackupReport, String> + Send + Sync>;

/// What the node gives to the API.
pub struct Parts {
    /// The door to the entities.
    pub handle: Handle,
    /// The read models; the node folds the journal into them.
    pub insight: Arc<Insight>,
    /// Channels of the configuration.
    pub channels: ChannelTable,
    /// Bounds of a request.
    pub limits: Limits,
    /// Figures of other parts, registered already; the runtime's and the API's are added.
    pub registry: Registry,
    /// Takes orders of an export in; none: adoption is not offered.
    pub adopt: Option<AdoptFn>,
    /// Reads channels' open orders; none: they come in exports only.
    pub read_orders: Option<ReadOrdersFn>,
    /// Reads what channels sell; none: listings are mapped by hand only.
    pub read_variants: Option<ReadVariantsFn>,
    /// Reads where channels keep stock; none: that is not offered.
    pub read_places: Option<ReadPlacesFn>,
    /// Copies the journal; none: backups are not offered.
    pub backup: Option<BackupFn>,
    /// Where spans go; none: nobody traces.
    pub spans: Option<Arc<dyn Spans>>,
    /// What webhooks are sent with.
    pub outbound: Outbound,
    /// A page beside the API, if there is one.
    pub page: Option<Page>,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

/// The contents of [`ApiState`].
pub struct Inner {
    pub(crate) handle: Handle,
    pub(crate) insight: Arc<Insight>,
    pub(crate) channels: ChannelTable,
    pub(crate) limits: Limits,
    pub(crate) registry: Registry,
    pub(crate) figures: Figures,
    pub(crate) keys: KeyCache,
    pub(crate) jobs: Jobs,
    pub(crate) catalogues: Catalogues,
    pub(crate) kits: Kits,
    pub(crate) adopt: Option<AdoptFn>,
    pub(crate) read_orders: Option<ReadOrdersFn>,
    pub(crate) read_variants: Option<ReadVariantsFn>,
    pub(crate) read_places: Option<ReadPlacesFn>,
    pub(crate) backup: Option<BackupFn>,
    pub(crate) spans: Option<Arc<dyn Spans>>,
    pub(crate) outbound: Outbound,
    pub(crate) page: Option<Page>,
}

impl ApiState {
    /// Puts the parts together and registers their figures.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let mut registry = parts.registry;
        parts.handle.metrics().register(&mut registry);
        let figures = Figures::default();
        figures.register(&mut registry);
        registry.register_collector(Box::new(HotSkus(parts.handle.clone())));
        registry.register_collector(Box::new(Looks {
            handle: parts.handle.clone(),
            insight: Arc::clone(&parts.insight),
        }));
        Self(Arc::new(Inner {
            handle: parts.handle,
            insight: parts.insight,
            channels: parts.channels,
            limits: parts.limits,
            registry,
            figures,
            keys: KeyCache::default(),
            jobs: Jobs::default(),
            catalogues: Catalogues::default(),
            kits: Kits::default(),
            adopt: parts.adopt,
            read_orders: parts.read_orders,
            read_variants: parts.read_variants,
            read_places: parts.read_places,
            backup: parts.backup,
            spans: parts.spans,
            outbound: parts.outbound,
            page: parts.page,
        }))
    }
}

impl std::ops::Deref for ApiState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiState(…)")
    }
}
