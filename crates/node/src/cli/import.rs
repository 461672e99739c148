//! `import`: sends a CSV or JSON Lines file to the server, which tells each bad line with its number.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use reqwest::Method;
use serde_json::Value;

use super::client::random_key;
use super::exit::{Failure, Outcome};
use super::follow::follow;
use super::out::{Out, many, text};
use super::target::Target;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the file holds
    #[arg(value_enum)]
    kind: Kind,
    /// The file: CSV with a head line, or JSON Lines (`.jsonl`)
    file: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    preview: bool,
    /// The channel of the listings
    #[arg(long, required_if_eq("kind", "listings"))]
    channel: Option<String>,
}

/// What can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// SKUs: sku, title, tracking, components
    Skus,
    /// Counted stock: sku, location, on hand
    Stock,
    /// Locations
    Locations,
    /// What listings stand for: listing, sku, multiplier
    Listings,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Skus => "skus",
            Self::Stock => "stock",
            Self::Locations => "locations",
            Self::Listings => "listings",
        }
    }
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    let file = &args.file;
    let body = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let call = client
        .call(Method::POST, &["v1", "imports", args.kind.name()])
        .query("channel", args.channel.as_deref())
        .query("preview", args.preview.then_some("true"))
        .query("wait", Some("false"))
        .key(&random_key()?)
        .body(content_type(file), body);
    let begun = client.run(call).await?;
    let id = text(&begun, "import");
    let tell = |document: &Value| {
        let lines = |field: &str| document[field].as_u64().unwrap_or_default();
        let done = lines("imported") + lines("bad") + lines("left");
        out.say(format_args!("{done} of {} lines", text(document, "lines")));
    };
    let path = ["v1", "imports", &id];
    tokio::select! {
        document = follow(&client, &path, &["running"], tell) => finish(out, file, args.preview, &document?),
        _ = tokio::signal::ctrl_c() => {
            let what = format!("no longer followed: the server goes on with import {id}");
            Err(Failure::failed(what).remedy(format!("GET /v1/imports/{id} tells how far it is")))
        }
    }
}

/// What kind of lines a file has, by its name.
fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl" | "ndjson" | "json") => "application/x-ndjson",
        _ => "text/csv",
    }
}

fn errors(document: &Value) -> &[Value] {
    document["errors"].as_array().map_or(&[], Vec::as_slice)
}

fn finish(out: Out, file: &Path, preview: bool, document: &Value) -> Outcome {
    if out.is_json() {
        out.line(document);
    }
    for error in errors(document) {
        let (line, detail) = (text(error, "line"), text(error, "detail"));
        out.say(format_args!("{}:{line}: {detail}", file.display()));
    }
    let verb = if preview {
        "would be imported"
    } else {
        "imported"
    };
    let [good, bad, left] =
        ["imported", "bad", "left"].map(|field| document[field].as_u64().unwrap_or_default());
    out.say(format_args!("{} {verb}, {bad} bad", many(good, "line")));
    if document["state"] == "stopped" {
        let what = match left {
            0 => "the import broke off".to_owned(),
            left => format!("{} could not be done for now", many(left, "line")),
        };
        let remedy = "import the file again: good lines may come twice";
        return Err(Failure::failed(what).remedy(remedy).told());
    }
    if bad == 0 {
        return Ok(());
    }
    let remedy = "correct them and import the file again: good lines may come twice";
    Err(Failure::failed(many(bad, "bad line")).remedy(remedy).told())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_lines_a_file_has() {
        assert_eq!(content_type(Path::new("a.csv")), "text/csv");
        assert_eq!(content_type(Path::new("a.jsonl")), "application/x-ndjson");
    }
}
