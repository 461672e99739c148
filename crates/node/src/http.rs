//! What the API is given: channels with their secrets, limits, and the ways into ingest and journal.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use crossdock_api::{
    AdoptFn, ApiState, BackupFn, BackupReport, ChannelAuth, ChannelTable, ConnectorKind, Limits,
    Outbound, Page, Parts, ReadError, ReadOrdersFn,
};
use crossdock_channels::Secret;
use crossdock_insight::Insight;
use crossdock_journal::sqlite::SqliteJournal;
use crossdock_model::ChannelId;
use crossdock_runtime::{Clock, Handle};
use prometheus_client::registry::Registry;

use crate::config::{Channel, ChannelKind, Config};
use crate::links::Links;
use crate::poll::open_orders;
use crate::telemetry::Guard;
use crate::{catalogue, ingest};

/// What the API stands on.
pub struct Footing<'a> {
    /// How the webhooks of each channel are believed.
    pub channels: ChannelTable,
    /// What each channel's ways of sending promise.
    pub ways: ingest::Ways,
    /// The ways to channels' APIs.
    pub links: Links,
    /// By which waits for them are timed.
    pub clock: Arc<dyn Clock>,
    /// The way to the entities.
    pub handle: &'a Handle,
    /// The read models.
    pub insight: &'a Arc<Insight>,
    /// The journal, for backups.
    pub journal: &'a Arc<SqliteJournal>,
    /// Where spans go.
    pub telemetry: &'a Guard,
    /// All figures.
    pub registry: Registry,
    /// What endpoints and locations are told with.
    pub outbound: Outbound,
    /// A page beside the API.
    pub page: Option<Page>,
}

/// The API's state.
#[must_use]
pub fn state(config: &Config, on: Footing<'_>) -> ApiState {
    let limits = Limits {
        body_bytes_max: config.server.body_bytes_max,
        ..Limits::default()
    };
    ApiState::new(Parts {
        handle: on.handle.clone(),
        insight: Arc::clone(on.insight),
        channels: on.channels,
        limits,
        registry: on.registry,
        adopt: Some(adopt(on.ways)),
        read_variants: Some(catalogue::read_variants(
            Arc::clone(&on.links),
            Arc::clone(&on.clock),
        )),
        read_places: Some(catalogue::read_places(
            Arc::clone(&on.links),
            Arc::clone(&on.clock),
        )),
        read_orders: Some(read_orders(on.links, on.clock)),
        backup: Some(backup(on.handle.clone(), Arc::clone(on.journal))),
        spans: on.telemetry.spans(),
        outbound: on.outbound,
        page: on.page,
    })
}

/// How the webhooks of the configured channels are believed.
///
/// # Errors
/// Every secret of a channel that is missing, at once.
pub fn channels(config: &Config) -> anyhow::Result<ChannelTable> {
    let mut table = ChannelTable::new();
    let mut missing = Vec::new();
    for (name, channel) in &config.channels {
        match channel_auth(channel) {
            Ok(auth) => drop(table.insert(name.clone(), auth)),
            Err(what) => missing.push(format!("channels.{name}: {what}")),
        }
    }
    anyhow::ensure!(missing.is_empty(), "{}", missing.join("; "));
    Ok(table)
}

/// What the configured channels' ways of sending promise.
///
/// # Errors
/// When a channel's name is no id.
pub fn ways(config: &Config) -> anyhow::Result<ingest::Ways> {
    let ways = config.channels.iter();
    let ways = ways.map(|(name, channel)| Ok((ChannelId::checked(name)?, channel.shipping())));
    Ok(Arc::new(ways.collect::<anyhow::Result<_>>()?))
}

fn channel_auth(channel: &Channel) -> Result<ChannelAuth, String> {
    let secrets = channel
        .webhook_secrets
        .iter()
        .map(|source| Ok(Secret::new(&source.read()?)));
    let kind = match channel.kind {
        ChannelKind::Shopify => ConnectorKind::Shopify,
        ChannelKind::Amazon => ConnectorKind::Amazon,
        ChannelKind::Api => ConnectorKind::Api,
    };
    Ok(ChannelAuth {
        kind,
        secrets: secrets.collect::<Result<_, String>>()?,
        enabled: true,
    })
}

fn adopt(ways: ingest::Ways) -> AdoptFn {
    Arc::new(move |handle, channel, order, preview| {
        let ways = Arc::clone(&ways);
        Box::pin(async move { ingest::adopt(&handle, &ways, &channel, order, preview).await })
    })
}

fn read_orders(links: Links, clock: Arc<dyn Clock>) -> ReadOrdersFn {
    Arc::new(move |channel, since| {
        let (link, clock) = (links.get(&channel).cloned(), Arc::clone(&clock));
        Box::pin(async move {
            let missing = || {
                let detail = format!("nothing here reads orders from {channel}: adopt an export");
                ReadError::Unsupported(detail)
            };
            let link = link.ok_or_else(missing)?;
            let read = open_orders(&link, &*clock, since).await;
            read.map_err(ReadError::Failed)
        })
    })
}

fn backup(handle: Handle, journal: Arc<SqliteJournal>) -> BackupFn {
    Arc::new(move |to: PathBuf| {
        let copied = journal.backup(&to, handle.now());
        let copied = copied.with_context(|| format!("backing up to {}", to.display()));
        let report = copied.map_err(|error| format!("{error:#}"))?;
        Ok(BackupReport {
            files: report.files as u64,
            bytes: report.bytes,
        })
    })
}
