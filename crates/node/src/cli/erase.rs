//! `erase`: erases the personal data of an order.

use serde_json::json;

use super::exit::Outcome;
use super::target::Target;

/// Arguments of `erase`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The order, `channel:id`
    order: String,
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let order = args.order;
    let document = target
        .client()?
        .post(&["v1", "orders", &order, "erase"], &json!({}))
        .await?;
    target.out().show(&document, |out, _| {
        out.line(format_args!("the personal data of {order} is erased"));
        out.say(
            "backups taken before still hold it, unreadable after a restore: keep erasures.log",
        );
    });
    Ok(())
}
