//! `erase`: erases the personal data of an order.

use serde_json::{Value, json};

use super::exit::Outcome;
use super::out::text;
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
    target.out().show(&document, |out, document| {
        out.line(format_args!("the personal data of {order} is erased"));
        for request in document["requests"].as_array().into_iter().flatten() {
            out.say(of_location(request));
        }
        out.say(
            "backups taken before still hold it, unreadable after a restore: keep erasures.log",
        );
    });
    Ok(())
}

/// What is left to do about a request, at its location.
fn of_location(request: &Value) -> String {
    let [number, location, status] =
        ["request", "location", "status"].map(|field| text(request, field));
    let given = format!("{location} was asked to send it (request {number}, {status})");
    match &*status {
        "shipped" | "rejected" | "cancelled" => {
            format!("{given}: have the address erased there too")
        }
        _ => format!(
            "{given} and gets the address from here no longer: let it end the request, then erase the address too"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_location_has_is_told() {
        for (status, expected) in [
            ("sent", "let it end the request"),
            ("cancelling", "let it end the request"),
            ("shipped", "have the address erased there too"),
        ] {
            let request = json!({ "request": 2, "location": "reno", "status": status });
            let told = of_location(&request);
            assert!(told.contains(expected), "{told}");
            assert!(
                told.starts_with("reno ") && told.contains("request 2"),
                "{told}"
            );
        }
    }
}
