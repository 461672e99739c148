//! `listing`: says what a channel's listings stand for.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::catalogue;
use super::client::random_key;
use super::exit::{Failure, Outcome};
use super::out::rows;
use super::target::Target;

/// Arguments of `listing`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Map a listing to a SKU; what waited for it is worked on at once
    Map {
        /// The channel
        channel: String,
        /// What the channel calls the listing
        listing: String,
        /// The SKU or kit, and how many of it one unit of the listing is
        #[arg(value_name = "SKU[:MULTIPLIER]")]
        target: String,
    },
    /// Map what a channel sells to SKUs of the same text, read from the channel; what is mapped already stays as it is
    Import {
        /// The channel
        #[arg(long)]
        channel: String,
        /// List what would happen, and change nothing
        #[arg(long)]
        preview: bool,
    },
    /// List the listings of a channel
    List {
        /// The channel
        channel: String,
    },
    /// Let a listing in with its share of the stock, or show none of it
    Mode {
        /// The channel
        channel: String,
        /// What the channel calls the listing
        listing: String,
        mode: Mode,
        /// Of a live listing: thousandths of the stock that it shows
        #[arg(long, value_name = "1-1000")]
        share_permille: Option<u16>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Mode {
    /// Shows its share of the stock
    Live,
    /// Its wave has not been opened: shows none
    NotInWave,
    /// Shows none
    Paused,
}

impl Mode {
    /// As the API calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::NotInWave => "not_in_wave",
            Self::Paused => "paused",
        }
    }
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    match args.action {
        Action::Map {
            channel,
            listing,
            target,
        } => {
            let body = mapping(&target)?;
            let path = ["v1", "channels", &channel, "listings", &listing];
            let call = client
                .call(Method::PUT, &path)
                .json(&body)
                .key(&random_key()?);
            let document = client.run(call).await?;
            out.show(&document, |out, _| {
                out.line(format_args!("{listing} of {channel} is {target}"));
            });
        }
        Action::Mode {
            channel,
            listing,
            mode,
            share_permille,
        } => {
            let body = match share_permille {
                Some(share) => json!({ "mode": mode.name(), "share_permille": share }),
                None => json!({ "mode": mode.name() }),
            };
            let path = ["v1", "channels", &channel, "listings", &listing, "mode"];
            let call = client.call(Method::POST, &path).json(&body);
            let document = client.run(call.key(&random_key()?)).await?;
            out.show(&document, |out, _| {
                let mode = mode.name();
                out.line(format_args!("{listing} of {channel} is {mode}"));
            });
        }
        Action::Import { channel, preview } => {
            catalogue::import(target, &channel, preview).await?;
        }
        Action::List { channel } => {
            let document = client
                .get(&["v1", "channels", &channel, "listings"])
                .await?;
            out.show(&document, |out, document| {
                let fields = ["listing", "sku", "multiplier"];
                out.table(&["LISTING", "SKU", "UNITS"], &rows(document, &fields));
            });
        }
    }
    Ok(())
}

/// Reads `SKU` or `SKU:MULTIPLIER`. What follows the last `:` is a multiplier when it is a number.
fn mapping(text: &str) -> Outcome<Value> {
    let split = text.rsplit_once(':');
    let numbered = split.and_then(|(sku, number)| Some((sku, number.parse::<u32>().ok()?)));
    let (sku, multiplier) = numbered.unwrap_or((text, 1));
    if sku.is_empty() || multiplier == 0 {
        return Err(Failure::usage(format!(
            "{text:?}: expected SKU or SKU:MULTIPLIER, a multiplier of at least 1"
        )));
    }
    Ok(json!({ "sku": sku, "multiplier": multiplier }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_a_sku_and_a_multiplier() {
        assert_eq!(
            mapping("A-1").unwrap(),
            json!({"sku": "A-1", "multiplier": 1})
        );
        assert_eq!(
            mapping("A:1:12").unwrap(),
            json!({"sku": "A:1", "multiplier": 12})
        );
        assert_eq!(
            mapping("A:b").unwrap(),
            json!({"sku": "A:b", "multiplier": 1})
        );
        assert!(mapping("A:0").is_err());
        assert!(mapping(":3").is_err());
    }
}
