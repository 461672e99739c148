//! Files of an example configuration, imported once through the server's own API.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;

use crossdock_journal::sqlite::make_private_file;
use crossdock_model::Duration;
use crossdock_model::v1::Scope;
use crossdock_runtime::Handle;

use crate::config::Seed;
use crate::first_key::create_key;

/// Longest time an import may take.
const KEY_LIFE: Duration = Duration::from_minutes(10);
/// There until everything is imported, so that a start that ended half-way is finished by the next.
const PENDING: &str = "seed.pending";

/// Notes that a journal is to be seeded, before anything is written to it.
///
/// # Errors
/// When the note cannot be written.
pub fn plan(data: &Path) -> anyhow::Result<()> {
    let note = data.join(PENDING);
    let made = make_private_file(&note)?.sync_all();
    made.with_context(|| format!("writing {}", note.display()))
}

/// Whether a journal is still to be seeded.
#[must_use]
pub fn is_planned(data: &Path) -> bool {
    data.join(PENDING).exists()
}

/// Imports what a new journal is seeded with. Repeating it changes nothing.
///
/// # Errors
/// When a file cannot be read, or a line of it is refused.
pub async fn import(
    handle: &Handle,
    addr: SocketAddr,
    seed: &Seed,
    data: &Path,
) -> anyhow::Result<()> {
    let expires_at = Some(handle.now() + KEY_LIFE);
    let key = create_key(handle, "seed", Scope::Admin, expires_at).await?;
    let http = reqwest::Client::new();
    let files = seed.files().into_iter();
    for (kind, file) in files.filter_map(|(kind, file)| Some((kind, file?))) {
        let body =
            std::fs::read(file).with_context(|| format!("reading the seed {}", file.display()))?;
        let answer = http
            .post(format!("http://{addr}/v1/imports/{kind}"))
            .bearer_auth(&key)
            .header("content-type", content_type(file))
            .header("idempotency-key", format!("seed-{kind}"))
            .body(body)
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let is_whole = report["errors"].as_array().is_some_and(Vec::is_empty);
        anyhow::ensure!(
            status.is_success() && is_whole,
            "importing {}: {text}",
            file.display()
        );
        tracing::info!(file = %file.display(), "imported");
    }
    let note = data.join(PENDING);
    std::fs::remove_file(&note).with_context(|| format!("removing {}", note.display()))
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => "text/csv",
        _ => "application/x-ndjson",
    }
}
