//! Bulk import of SKUs, stock, locations and listings: CSV or JSON Lines, each line standing by itself.
//!
//! Importing a file again is safe: a line that says what holds already changes nothing. One key stands for one file:
//! a repeat finds the import that it began, or goes on where that broke off. A line that meets a server too busy for
//! it is tried again; what cannot be done for long is left, and named, for such a repeat.

mod job;
mod lines;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use crossdock_model::v1::Scope;
use crossdock_model::{ChannelId, Class, ExternalId, OrderId, SkuId, Timestamp};
use crossdock_runtime::{Door, body_hash};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use utoipa::IntoParams;

pub(crate) use job::Jobs;

use self::job::{AtWork, Begun, ImportDoc, Job, LineError};
use self::lines::{Kind, Line};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::cells::{self, FileLine};
use crate::doors::enter;
use crate::error::ApiError;
use crate::extract::{Filter, unread};
use crate::route::Route;
use crate::v1::brought::Brought;
use crate::v1::orders::claim;
use crate::v1::patience::Patience;

/// Lines worked on at once: so many that one flush does not set the pace, and so few that a buyer's order, which stands in line
/// behind them at each of its steps, does not wait for long. With 64 an import is a quarter faster, and orders beside it take twice as long.
const AT_ONCE: usize = 16;
/// When a line that is put off is tried again, in milliseconds.
const LINE_AGAIN_MS: u64 = 250;

/// Routes of imports.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/v1/imports/{import}",
            Scope::Operate,
            "Import skus, stock, locations or listings",
            start,
        )
        .filters::<ImportQuery>()
        .takes_text("text/csv")
        .takes_text("application/x-ndjson")
        .needs_key()
        .answers::<ImportDoc>()
        .may_be_later()
        .import(),
        Route::get(
            "/v1/imports/{import}",
            Scope::Read,
            "How far an import is",
            show,
        )
        .answers::<ImportDoc>(),
    ]
}

/// How to import.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    /// Only check the lines.
    #[serde(default)]
    preview: bool,
    /// The channel of listings.
    channel: Option<String>,
    /// Answer at the end; else at once, and `GET /v1/imports/{import}` tells how far it is.
    wait: Option<bool>,
}

async fn start(
    asking: Asking,
    Path(kind): Path<String>,
    Filter(query): Filter<ImportQuery>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answered<Doc<ImportDoc>> {
    let kind = Kind::read(&kind, query.channel.as_deref())?;
    let body = body.map_err(unread)?;
    let id = asking.key_digest()?;
    let hash = hash_of(&kind, &query, &body);
    claim(&asking, stands_for(&id)?, hash).await?;
    let job = match asking
        .state
        .jobs
        .begin(Job::new(id, kind.name(), query.preview))?
    {
        Begun::Known(job) => job,
        Begun::New(at_work) => {
            let job = Arc::clone(&at_work.job);
            let (of, asking) = (Arc::clone(&job), asking.of(Class::Import));
            // A file takes a second to read, in which others have their turn.
            let lines = tokio::task::spawn_blocking(move || read(&kind, &headers, &body, &of));
            let (counted, is_counted) = oneshot::channel();
            // On its own: a caller who hangs up does not break it off.
            tokio::spawn(async move {
                if let Ok(lines) = lines.await {
                    let _ = counted.send(());
                    work(asking, hash, at_work, lines).await;
                }
            });
            // The answer says how many lines there are.
            let _ = is_counted.await;
            job
        }
    };
    if query.wait == Some(false) {
        return Ok(Doc::read(job.doc()).accepted());
    }
    job.ended().await;
    Ok(Doc::read(job.doc()))
}

/// What a key is claimed for that imports a file.
fn stands_for(id: &str) -> Result<OrderId, ApiError> {
    Ok(OrderId {
        channel: ChannelId::checked("imports")?,
        external: ExternalId::new(id)?,
    })
}

/// By what a repeat is told from another import: what is imported, and whether at all.
fn hash_of(kind: &Kind, query: &ImportQuery, body: &[u8]) -> u64 {
    let channel = query.channel.as_deref().unwrap_or_default();
    let head = format!("{} {channel} {}\n", kind.name(), query.preview);
    body_hash(&[head.as_bytes(), body].concat())
}

async fn show(asking: Asking, Path(id): Path<String>) -> Answered<Doc<ImportDoc>> {
    let job = asking.state.jobs.find(&id);
    let job = job.ok_or_else(|| ApiError::not_found(format!("import {id}")))?;
    Ok(Doc::read(job.doc()))
}

/// The lines that can be read and say something of their own; the others are bad. One at a time: as it stands in the file a
/// line takes a multiple of what it says.
fn read(kind: &Kind, headers: &HeaderMap, body: &[u8], job: &Job) -> Vec<(u64, Line)> {
    let (mut good, mut told, mut count) = (Vec::new(), BTreeMap::new(), 0);
    let each = |(number, value): FileLine| {
        count += 1;
        let line = value
            .map_err(|what| ApiError::invalid("line", what))
            .and_then(|value| Line::read(kind, value))
            .and_then(|line| match told.entry(line.about()) {
                Entry::Vacant(free) => {
                    free.insert(number);
                    Ok(line)
                }
                Entry::Occupied(known) => {
                    let (about, first) = (known.key(), known.get());
                    let what = format!("line {first} is about {about} already");
                    Err(ApiError::invalid("line", what))
                }
            });
        match line {
            Ok(line) => good.push((number, line)),
            Err(error) => job.failed(LineError::of(number, &error)),
        }
    };
    let named = headers.get(header::CONTENT_TYPE);
    let named = named.and_then(|value| value.to_str().ok()).unwrap_or("");
    match named.contains("json") {
        true => cells::read_json(body, each),
        false => cells::read(body, kind.columns(), each),
    }
    job.found(count);
    good
}

/// A file that is imported.
struct Import {
    asking: Asking,
    hash: u64,
    now: Timestamp,
    job: Arc<Job>,
    /// SKUs that its good lines define.
    defined: BTreeSet<SkuId>,
    brought: Brought,
    patience: Patience,
}

async fn work(asking: Asking, hash: u64, at_work: AtWork, mut lines: Vec<(u64, Line)>) {
    let job = Arc::clone(&at_work.job);
    let defined = lines.iter().filter_map(|(_, line)| line.defines());
    let import = Arc::new(Import {
        hash,
        now: asking.now(),
        job,
        defined: defined.cloned().collect(),
        brought: Brought::default(),
        patience: Patience::new(asking.state.limits.import_patience),
        asking,
    });
    let kits: Vec<_> = lines.extract_if(.., |(_, line)| line.is_kit()).collect();
    for lines in [lines, kits] {
        each(&import, lines).await;
    }
    import.brought.finish(&import.asking.state.handle).await;
    at_work.finish();
}

async fn each(import: &Arc<Import>, lines: Vec<(u64, Line)>) {
    let mut working = JoinSet::new();
    for (number, line) in lines {
        if working.len() >= AT_ONCE {
            working.join_next().await;
        }
        let import = Arc::clone(import);
        working.spawn(async move {
            let taken = import.patience.take(|| import.take(number, &line));
            match taken.await {
                Ok(()) => import.job.imported(),
                Err(error) if error.retry_after().is_some() => {
                    import.job.left(LineError::of(number, &error));
                }
                Err(error) => import.job.failed(LineError::of(number, &error)),
            }
        });
    }
    while working.join_next().await.is_some() {}
}

impl Import {
    /// Does what a line says; a preview asks everybody concerned whether they would.
    async fn take(&self, number: u64, line: &Line) -> Result<(), ApiError> {
        let asking = &self.asking;
        let _entered = enter(&asking.state.handle, Door::Import, LINE_AGAIN_MS)?;
        line.check(asking, &self.defined).await?;
        for (to, command, part) in line.commands(asking, self.now) {
            if self.job.is_preview() {
                asking.try_out(to, command).await?;
            } else {
                let by = asking.keyed(self.hash, &format!("/{number}{part}"))?;
                asking.ask_by(to, command, by).await?;
            }
        }
        if !self.job.is_preview() {
            let waited_for = line.waited_for(asking);
            self.brought.add(&asking.state.handle, waited_for).await;
        }
        Ok(())
    }
}
