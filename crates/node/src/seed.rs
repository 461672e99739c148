//! Files of an example configuration, imported once through the server's own API.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;

use crate::config::Seed;

/// Imports what a new journal is seeded with.
///
/// # Errors
/// When a file cannot be read, or a line of it is refused.
pub async fn import(addr: SocketAddr, key: &str, seed: &Seed) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let files = [
        ("locations", &seed.locations),
        ("skus", &seed.skus),
        ("stock", &seed.stock),
    ];
    for (kind, file) in files
        .into_iter()
        .filter_map(|(kind, file)| Some((kind, file.as_deref()?)))
    {
        let body =
            std::fs::read(file).with_context(|| format!("reading the seed {}", file.display()))?;
        let answer = http
            .post(format!("http://{addr}/v1/imports/{kind}"))
            .bearer_auth(key)
            .header("content-type", content_type(file))
            .body(body)
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status.is_success(), "importing {}: {text}", file.display());
        tracing::info!(file = %file.display(), "imported");
    }
    Ok(())
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => "text/csv",
        _ => "application/x-ndjson",
    }
}
