//! `key`: creates, lists and revokes API keys.

use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::json;

use super::exit::Outcome;
use super::out::{rows, text};
use super::target::Target;

/// Arguments of `key`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a key and print it, once
    Create {
        /// Whose key it is: a person or system
        #[arg(long)]
        name: String,
        /// What it may do; each includes the ones before it
        #[arg(long, value_enum)]
        scope: Scope,
    },
    /// List keys
    List,
    /// Revoke a key
    Revoke {
        /// Its id, as listed
        id: String,
    },
}

/// What a key may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    /// See everything but personal data of keys
    Read,
    /// Take orders, move stock, answer for locations
    Operate,
    /// Keys, channels, rules, erasure
    Admin,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    match args.action {
        Action::Create { name, scope } => {
            let body = json!({ "name": name, "scope": scope.name() });
            let document = client.post(&["v1", "keys"], &body).await?;
            out.show(&document, |out, document| {
                out.line(text(document, "secret"));
                out.say("this is shown once: keep it where only its owner reads");
            });
        }
        Action::List => {
            let document = client.get(&["v1", "keys"]).await?;
            out.show(&document, |out, document| {
                let fields = ["id", "name", "scope", "expires_at", "revoked"];
                out.table(
                    &["ID", "NAME", "SCOPE", "EXPIRES", "REVOKED"],
                    &rows(document, &fields),
                );
            });
        }
        Action::Revoke { id } => {
            let call = client.call(Method::DELETE, &["v1", "keys", &id]);
            let document = client.run(call).await?;
            out.show(&document, |out, _| {
                out.line(format_args!("{id} is revoked"))
            });
        }
    }
    Ok(())
}
