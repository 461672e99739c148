//! Puts a server together: journal, node, read models, ingest, HTTP; and takes it apart in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Wait;

use anyhow::Context;
use crossdock_api::{ApiState, Outbound};
use crossdock_channels::Secret;
use crossdock_channels::warehouse::{HttpSender, Policy};
use crossdock_insight::Insight;
use crossdock_journal::sqlite::{
    OnFlush, SqliteJournal, SqliteOptions, WAL_BYTES_READY, make_private_dir, master_key,
};
use crossdock_journal::{Journal, JournalError};
use crossdock_model::{CredentialId, Duration};
use crossdock_runtime::{Clock, Connector, Handle, Limits, Node, RealClock, last_commit_at};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::{Config, Synchronous};
use crate::connector::Warehouses;
use crate::first_key::ADMIN_KEY_FILE;
use crate::links::{Links, links};
use crate::outgoing::Outgoing;
use crate::read_models::ReadModels;
use crate::{bootstrap, closed, counts, http, ingest, poll, publish, report, seed, telemetry};

/// Time for requests in flight to end when the server stops.
const DRAIN: Wait = Wait::from_secs(5);

/// What only tests and tools set.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where spans go and what they count.
    pub telemetry: Arc<telemetry::Guard>,
    /// Whether a failed flush ends the process at once (it must, in a server of its own process).
    pub exit_on_failed_flush: bool,
    /// A page beside the API.
    pub page: Option<crossdock_api::Page>,
}

/// A running server.
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The door to its entities.
    pub handle: Handle,
    /// The first admin key, when this start made it.
    pub first_key: Option<String>,
    /// The read models.
    pub insight: Arc<Insight>,
    /// How long changes take until channels show them.
    pub lags: Arc<publish::Lags>,
    node: Node,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    read_models: ReadModels,
}

impl Server {
    /// Starts a server and returns once it listens and is ready.
    ///
    /// # Errors
    /// When the data directory is in use or damaged, a secret is missing, or the address is taken.
    pub async fn start(config: Config, options: Options) -> anyhow::Result<Self> {
        let listener = listen(&config.server.listen).await?;
        Self::start_on(listener, config, options).await
    }

    /// As [`Server::start`], where somebody listens already.
    ///
    /// # Errors
    /// As there.
    pub async fn start_on(
        listener: TcpListener,
        config: Config,
        options: Options,
    ) -> anyhow::Result<Self> {
        let secrets = Arc::new(bootstrap::read_secrets(&config.secrets)?);
        let (channels, ways) = (http::channels(&config)?, http::ways(&config)?);
        let addr = listener.local_addr()?;
        let flushes = telemetry::flushes();
        let (journal, clock) = open_journal(&config, flushes.clone()).await?;
        if config.seed.is_some() && journal.tails()?.is_empty() {
            seed::plan(&config.data.dir)?;
        }
        let insight = Arc::new(Insight::open(&config.data.dir.join("insight.sqlite"))?);
        let policy = Policy {
            allow_private: config.warehouse.allow_private_addresses,
        };
        let sender = HttpSender::new(policy).context("sending webhooks")?;
        let warehouses = Arc::new(Warehouses::new(sender.clone(), Arc::clone(&secrets)));
        let links = links(&config, &clock)?;
        let callers = Callers::of(&config, &links, &clock);
        let lags = Arc::clone(&callers.lags);
        let node = Node::start(
            Arc::clone(&journal) as Arc<dyn Journal>,
            Arc::clone(&clock),
            Arc::clone(&warehouses) as Arc<dyn Connector>,
            node_options(&config, &callers)?,
            on_fatal(options.exit_on_failed_flush),
        )
        .await?;
        let handle = node.handle();
        warehouses.connect(handle.clone());
        let first_key = bootstrap::prepare(&handle, &config).await?;
        let spans = options.telemetry.spans();
        ingest::start(&handle, &ways, &links, spans.as_ref());
        let read_models = ReadModels::follow(&insight, &journal, &handle)?;
        let mut tasks = vec![tokio::spawn(
            outgoing(&handle, &insight, &sender, &secrets).run(),
        )];
        tasks.extend(callers.start(&links, &handle, &clock)?);
        let on = (&insight, &clock);
        tasks.extend(counts::start(&config, &handle, &sender, &secrets, on)?);
        let on = http::Footing {
            channels,
            ways,
            links,
            clock,
            handle: &handle,
            insight: &insight,
            journal: &journal,
            telemetry: &options.telemetry,
            registry: registry(&options.telemetry, flushes, &callers),
            outbound: Outbound {
                secrets: secrets.keys().cloned().collect(),
                sender,
            },
            page: options.page,
        };
        let state = http::state(&config, on);
        let (stop, ended) = serve(listener, state);
        sow(&config, &handle, addr).await?;
        Ok(Self {
            addr,
            handle,
            first_key,
            insight,
            lags,
            node,
            stop,
            ended,
            tasks,
            read_models,
        })
    }

    /// Stops in order: no new requests, those in flight end, what waits is written.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(DRAIN, self.ended).await;
        self.node.stop().await;
        for task in self.tasks {
            task.abort();
        }
        self.read_models.end().await;
    }
}

/// Who calls channels.
struct Callers {
    publishers: Arc<publish::Publishers>,
    lags: Arc<publish::Lags>,
    reporters: Arc<report::Reporters>,
}

impl Callers {
    fn of(config: &Config, links: &Links, clock: &Arc<dyn Clock>) -> Self {
        let lags = Arc::default();
        Self {
            publishers: Arc::new(publish::Publishers::of(links, clock, &lags)),
            lags,
            reporters: Arc::new(report::Reporters::of(config, links, clock)),
        }
    }

    /// Begins to call them, once the node runs.
    fn start(
        &self,
        links: &Links,
        handle: &Handle,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Vec<JoinHandle<()>>> {
        self.reporters
            .connect(handle.clone(), &CredentialId::new("reporter")?);
        let publisher = CredentialId::new("publisher")?;
        let mut tasks = self.publishers.start(handle, &publisher);
        let reader = CredentialId::new("reader")?;
        tasks.extend(poll::start(links, handle, clock, &reader));
        tasks.push(closed::start(links, handle, &publisher));
        Ok(tasks)
    }
}

/// Imports what a new journal begins with, also after a crash in the middle of it.
async fn sow(config: &Config, handle: &Handle, addr: SocketAddr) -> anyhow::Result<()> {
    let dir = &config.data.dir;
    match &config.seed {
        Some(seed) if seed::is_planned(dir) => seed::import(handle, addr, seed, dir).await,
        Some(_) | None => Ok(()),
    }
}

async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("listening on {address} (is another server running?)"))
}

/// Serves until it is told to stop, or nobody can tell it any more.
fn serve(listener: TcpListener, state: ApiState) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(async move {
        let stop = async { drop(stopped.await) };
        crossdock_api::serve(listener, state, stop).await;
    });
    (stop, ended)
}

/// The journal, and a clock that is not behind it.
async fn open_journal(
    config: &Config,
    flushes: Histogram,
) -> anyhow::Result<(Arc<SqliteJournal>, Arc<dyn Clock>)> {
    let data = config.data.clone();
    let opened = tokio::task::spawn_blocking(move || {
        make_private_dir(&data.dir)?;
        let mut options = SqliteOptions::new(master_key(&data.dir, &data.master_key())?);
        options.hot_days = data.hot_days;
        options.wal_bytes_ready = WAL_BYTES_READY;
        options.synchronous = match data.synchronous {
            Synchronous::Full => crossdock_journal::sqlite::Synchronous::Full,
            Synchronous::Normal => crossdock_journal::sqlite::Synchronous::Normal,
            Synchronous::Off => crossdock_journal::sqlite::Synchronous::Off,
        };
        let told = OnFlush::new(move |took| flushes.observe(took.as_secs_f64()));
        options.on_flush = Some(told);
        let now = RealClock::default().now();
        let journal = SqliteJournal::open(&data.dir, options, now)?;
        let clock = RealClock::anchored(last_commit_at(&journal)?);
        anyhow::Ok((Arc::new(journal), Arc::new(clock) as Arc<dyn Clock>))
    });
    opened.await?
}

/// Figures of the parts that the API does not know.
fn registry(telemetry: &telemetry::Guard, flushes: Histogram, callers: &Callers) -> Registry {
    let mut registry = Registry::default();
    telemetry.register(&mut registry);
    callers.lags.register(&mut registry);
    callers.reporters.register(&mut registry);
    let help = "The flush of one commit";
    let name = "crossdock_journal_fsync";
    registry.register_with_unit(name, help, Unit::Seconds, flushes);
    registry
}

fn node_options(config: &Config, callers: &Callers) -> anyhow::Result<crossdock_runtime::Options> {
    let mut owner = [0; 16];
    getrandom::fill(&mut owner).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let mut options = crossdock_runtime::Options::new(u128::from_le_bytes(owner));
    options.live_max = config.data.live_entities_max;
    options.outbound = Arc::clone(&callers.publishers) as Arc<dyn crossdock_runtime::Outbound>;
    options.reports = Arc::clone(&callers.reporters) as Arc<dyn crossdock_runtime::Reports>;
    options.limits = Limits {
        dedup_window: Duration::from_days(config.data.dedup_days),
        ..Limits::default()
    };
    Ok(options)
}

/// After a failed flush what is on disk is unknown: the next flush would lie. The process ends and recovers.
fn on_fatal(exits: bool) -> impl FnOnce(JournalError) + Send + 'static {
    move |error| {
        tracing::error!(%error, "the journal failed: this process ends, the next start recovers from disk");
        if exits {
            std::process::exit(1);
        }
    }
}

fn outgoing(
    handle: &Handle,
    insight: &Arc<Insight>,
    sender: &HttpSender,
    secrets: &Arc<BTreeMap<String, Secret>>,
) -> Outgoing {
    Outgoing {
        handle: handle.clone(),
        insight: Arc::clone(insight),
        sender: sender.clone(),
        secrets: Arc::clone(secrets),
    }
}

/// Serves until the process is told to end (Ctrl-C or SIGTERM).
///
/// # Errors
/// As [`Server::start`].
pub async fn run(config: Config) -> anyhow::Result<()> {
    let telemetry = Arc::new(telemetry::start(&config.telemetry)?);
    let data = config.data.dir.clone();
    let server = Server::start(
        config,
        Options {
            telemetry: Arc::clone(&telemetry),
            exit_on_failed_flush: true,
            page: None,
        },
    )
    .await?;
    tracing::info!(address = %server.addr, "serving on http://{}", server.addr);
    if server.first_key.is_some() {
        announce_key(&data);
    }
    wait_for_end().await?;
    tracing::info!("stopping: requests in flight end, what waits is written");
    server.stop().await;
    tokio::task::spawn_blocking(move || telemetry.close()).await?;
    tracing::info!("stopped: all that was taken in is written");
    Ok(())
}

fn announce_key(data: &Path) {
    let file = data.join(ADMIN_KEY_FILE);
    tracing::info!(file = %file.display(), "made the first admin key; the command line on this machine finds it there");
}

async fn wait_for_end() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
