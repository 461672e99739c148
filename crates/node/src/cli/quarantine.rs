//! `quarantine`: what was put aside after repeated crashes.

use clap::Subcommand;
use serde_json::json;

use super::exit::Outcome;
use super::out::{plain, rows};
use super::target::Target;

/// Arguments of `quarantine`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what is put aside
    List,
    /// Show why something is put aside
    Show {
        /// The entity, `sku:A-1`
        entity: String,
    },
    /// Let it work again and try what crashed it once more
    Retry {
        /// The entity, `sku:A-1`
        entity: String,
    },
    /// Let it work again without what crashed it
    Skip {
        /// The entity, `sku:A-1`
        entity: String,
    },
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    let (entity, verb, said) = match args.action {
        Action::List => {
            let document = client.get(&["v1", "quarantine"]).await?;
            out.show(&document, |out, document| {
                let fields = ["entity", "since", "command_hash", "cause"];
                out.table(
                    &["ENTITY", "SINCE", "COMMAND", "CAUSE"],
                    &rows(document, &fields),
                );
            });
            return Ok(());
        }
        Action::Show { entity } => {
            let document = client.get(&["v1", "quarantine", &entity]).await?;
            out.show(&document, |out, document| {
                for (field, value) in document.as_object().into_iter().flatten() {
                    out.line(format_args!("{field:<14}{}", plain(value)));
                }
            });
            return Ok(());
        }
        Action::Retry { entity } => (
            entity,
            "retry",
            "works again; what crashed it is tried once more",
        ),
        Action::Skip { entity } => (entity, "skip", "works again; what crashed it is left out"),
    };
    let document = client
        .post(&["v1", "quarantine", &entity, verb], &json!({}))
        .await?;
    out.show(&document, |out, _| {
        out.line(format_args!("{entity} {said}"))
    });
    Ok(())
}
