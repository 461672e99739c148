//! Bulk import of SKUs, stock, locations and listings: CSV or JSON Lines, each line standing by itself.
//!
//! Importing a file again is safe: a line that says what holds already changes nothing.

mod job;
mod lines;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use crossdock_model::v1::Scope;
use serde::Deserialize;
use tokio::task::JoinSet;
use utoipa::IntoParams;

pub(crate) use job::Jobs;

use self::job::{ImportDoc, Job, LineError};
use self::lines::{Kind, Line};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::cells::{self, FileLine};
use crate::error::ApiError;
use crate::extract::{Filter, unread};
use crate::route::Route;

/// Lines worked on at once.
const AT_ONCE: usize = 64;

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
        .answers::<ImportDoc>()
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
    let job = Arc::new(Job::new(asking.key_digest()?, kind.name(), query.preview));
    let turn = asking.state.jobs.begin(&job)?;
    let lines = read(&kind, &headers, &body);
    job.found(lines.len());
    let running = Arc::clone(&job);
    let asking = Arc::new(asking);
    let work = async move {
        run(&asking, &kind, &running, lines).await;
        running.end();
        drop(turn);
    };
    if query.wait == Some(false) {
        tokio::spawn(work);
        return Ok(Doc::read(job.doc()).accepted());
    }
    work.await;
    Ok(Doc::read(job.doc()))
}

async fn show(asking: Asking, Path(id): Path<String>) -> Answered<Doc<ImportDoc>> {
    let job = asking.state.jobs.find(&id);
    let job = job.ok_or_else(|| ApiError::not_found(format!("import {id}")))?;
    Ok(Doc::read(job.doc()))
}

fn read(kind: &Kind, headers: &HeaderMap, body: &[u8]) -> Vec<FileLine> {
    let named = headers.get(header::CONTENT_TYPE);
    let named = named.and_then(|value| value.to_str().ok()).unwrap_or("");
    match named.contains("json") {
        true => cells::read_json(body),
        false => cells::read(body, kind.columns()),
    }
}

async fn run(asking: &Arc<Asking>, kind: &Kind, job: &Arc<Job>, lines: Vec<FileLine>) {
    let mut working = JoinSet::new();
    let now = asking.now();
    for (number, value) in lines {
        let line = value
            .map_err(|what| ApiError::invalid("line", what))
            .and_then(|value| Line::read(kind, value));
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                job.failed(LineError::of(number, &error));
                continue;
            }
        };
        if working.len() >= AT_ONCE {
            working.join_next().await;
        }
        let (asking, job, preview) = (Arc::clone(asking), Arc::clone(job), job.is_preview());
        working.spawn(async move {
            let done = match preview {
                true => line.check(&asking),
                false => line.write(&asking, number, now).await,
            };
            match done {
                Ok(()) => job.imported(),
                Err(error) => job.failed(LineError::of(number, &error)),
            }
        });
    }
    while working.join_next().await.is_some() {}
}
