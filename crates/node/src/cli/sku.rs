//! `sku`: shows stock and its ledger.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::exit::Outcome;
use super::out::{Out, items, rows, text};
use super::target::Target;

/// Arguments of `sku`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the stock of a SKU at each location
    Show {
        /// The SKU
        sku: String,
    },
    /// Show every movement of a SKU's units, newest first
    Ledger {
        /// The SKU
        sku: String,
        /// Only at this location
        #[arg(long)]
        location: Option<String>,
        /// Movements at most
        #[arg(long, default_value = "50")]
        limit: u32,
    },
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    match args.action {
        Action::Show { sku } => {
            let document = client.get(&["v1", "stock", &sku]).await?;
            out.show(&document, show);
        }
        Action::Ledger {
            sku,
            location,
            limit,
        } => {
            let call = client
                .call(Method::GET, &["v1", "stock", &sku, "ledger"])
                .query("location", location.as_deref())
                .query("limit", Some(&limit.to_string()));
            let document = client.run(call).await?;
            out.show(&document, |out, document| {
                let fields = [
                    "effective_at",
                    "location",
                    "on_hand_delta",
                    "unavailable_delta",
                    "reason",
                ];
                let head = ["WHEN", "LOCATION", "ON HAND", "UNAVAILABLE", "WHY"];
                out.table(&head, &rows(document, &fields));
            });
        }
    }
    Ok(())
}

fn show(out: Out, stock: &Value) {
    out.line(format_args!(
        "{}  {}",
        text(stock, "sku"),
        text(stock, "title")
    ));
    for component in items(&stock["components"]) {
        let (sku, units) = (text(component, "sku"), text(component, "units_per_kit"));
        out.line(format_args!("  made of {units} × {sku}"));
    }
    let fields = [
        "location",
        "on_hand",
        "committed",
        "held",
        "unavailable",
        "incoming",
        "safety",
        "ats",
    ];
    let head = [
        "LOCATION",
        "ON HAND",
        "COMMITTED",
        "HELD",
        "UNAVAILABLE",
        "INCOMING",
        "SAFETY",
        "ATS",
    ];
    let locations = json!(items(&stock["locations"]));
    out.table(&head, &rows(&locations, &fields));
    let waiting = stock["waiting_units"].as_u64().unwrap_or(0);
    if waiting > 0 {
        out.line(format_args!("{waiting} units are sold and wait for stock"));
    }
}
