//! `key`: creates, lists and revokes API keys.

use clap::{Subcommand, ValueEnum};
use crossdock_model::v1;
use crossdock_runtime::Handle;
use reqwest::Method;
use serde_json::json;

use super::exit::{Failure, Outcome};
use super::offline::with_node;
use super::out::{rows, text};
use super::target::Target;
use crate::first_key::create_key;

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
        /// Make it in the data directory itself, where no server runs: for whoever has lost the admin key
        #[arg(long)]
        offline: bool,
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
    let out = target.out();
    if let Action::Create {
        name,
        scope,
        offline: true,
    } = args.action
    {
        return create_offline(target, &name, scope).await;
    }
    let client = target.client()?;
    match args.action {
        Action::Create { name, scope, .. } => {
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

/// Whoever may write the data directory may do everything already: no key is asked for.
async fn create_offline(target: &Target, name: &str, scope: Scope) -> Outcome {
    let data = target.config_or_default()?.data;
    if !data.master_key().exists() {
        let what = format!("{} holds no journal", data.dir.display());
        return Err(Failure::failed(what).remedy("name the configuration with --config"));
    }
    let scope = match scope {
        Scope::Read => v1::Scope::Read,
        Scope::Operate => v1::Scope::Operate,
        Scope::Admin => v1::Scope::Admin,
    };
    let create = async |handle: Handle| create_key(&handle, name, scope, None).await;
    let secret = with_node(&data, create).await?;
    let document = json!({ "name": name, "secret": secret });
    target.out().show(&document, |out, _| {
        out.line(&secret);
        out.say("this is shown once: keep it where only its owner reads");
    });
    Ok(())
}
