//! `exceptions`: what needs a person.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::exit::Outcome;
use super::out::{Out, plain, rows, text};
use super::target::Target;

/// Arguments of `exceptions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List exceptions, the oldest first
    List {
        /// Also those that are closed
        #[arg(long)]
        all: bool,
        /// Only of this kind: unmapped, short, drift, …
        #[arg(long)]
        kind: Option<String>,
    },
    /// Show an exception with its evidence and its history
    Show {
        /// Its id, as listed
        id: String,
        /// With the delivery behind it, as the channel sent it: personal data
        #[arg(long)]
        body: bool,
    },
    /// Close an exception; deliveries that wait under it are given up
    Resolve {
        /// Its id, as listed
        id: String,
        /// What was done about it
        #[arg(long)]
        how: String,
    },
    /// Write a note onto an exception
    Note {
        /// Its id, as listed
        id: String,
        /// The note
        text: String,
    },
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    match args.action {
        Action::List { all, kind } => {
            let call = client
                .call(Method::GET, &["v1", "exceptions"])
                .query("state", (!all).then_some("open"))
                .query("kind", kind.as_deref());
            let document = client.run(call).await?;
            out.show(&document, |out, document| {
                let fields = ["id", "kind", "subject", "opened_at", "cause"];
                out.table(
                    &["ID", "KIND", "SUBJECT", "OPENED", "CAUSE"],
                    &rows(document, &fields),
                );
            });
        }
        Action::Show { id, body } => {
            let mut document = client.get(&["v1", "exceptions", &id]).await?;
            if body && let Some((channel, delivery)) = delivery(&document) {
                let path = ["v1", "channels", &channel, "deliveries", &delivery];
                document["delivery"] = client.get(&path).await?;
            }
            out.show(&document, show);
        }
        Action::Resolve { id, how } => {
            let body = json!({ "how": how });
            let document = client
                .post(&["v1", "exceptions", &id, "resolve"], &body)
                .await?;
            out.show(&document, |out, document| {
                out.line(format_args!("{id} is resolved"));
                if let Some(dropped @ 1..) = document["dropped"].as_u64() {
                    out.line(format_args!(
                        "{dropped} deliveries that waited are given up"
                    ));
                }
            });
        }
        Action::Note { id, text } => {
            let body = json!({ "text": text });
            let document = client
                .post(&["v1", "exceptions", &id, "notes"], &body)
                .await?;
            out.show(&document, |out, _| out.line(format_args!("{id} is noted")));
        }
    }
    Ok(())
}

fn show(out: Out, exception: &Value) {
    for field in [
        "id",
        "kind",
        "subject",
        "episode",
        "opened_at",
        "cause",
        "closed_at",
        "how",
    ] {
        let value = text(exception, field);
        if !value.is_empty() {
            out.line(format_args!("{field:<12}{value}"));
        }
    }
    let evidence = exception["evidence"].as_object().into_iter().flatten();
    for (name, value) in evidence {
        out.line(format_args!("  {name}: {}", plain(value)));
    }
    let notes = exception["notes"].as_array().into_iter().flatten();
    for note in notes {
        let (at, by, said) = (text(note, "at"), text(note, "by"), text(note, "text"));
        out.line(format_args!("{at}  {by}: {said}"));
    }
    let history = exception["history"].as_array();
    if let Some(history) = history.filter(|episodes| episodes.len() > 1) {
        let fields = ["episode", "opened_at", "closed_at", "how"];
        let rows = rows(&json!({ "items": history }), &fields);
        out.table(&["EPISODE", "OPENED", "CLOSED", "HOW"], &rows);
    }
    let sent = &exception["delivery"];
    match (sent["body"].as_str(), delivery(exception)) {
        (Some(body), _) => out.line(format_args!("{body}")),
        (None, Some(_)) if sent.is_object() => out.line(format_args!("its body was erased")),
        (None, Some(_)) => out.line(format_args!("as the channel sent it: --body")),
        (None, None) => {}
    }
}

/// The channel and name of the delivery behind an exception.
fn delivery(exception: &Value) -> Option<(String, String)> {
    let channel = exception["entity"].as_str()?.strip_prefix("channel:")?;
    let delivery = exception["evidence"]["delivery"].as_str()?;
    Some((channel.to_owned(), delivery.to_owned()))
}
