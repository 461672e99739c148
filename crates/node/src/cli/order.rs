//! `order`: shows and changes orders through the running server.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::exit::{Failure, Outcome};
use super::out::{Out, items, rows, text};
use super::target::Target;

/// Arguments of `order`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show an order and what happened to it, step by step
    Show {
        /// The order, `channel:id`
        order: String,
    },
    /// List orders, newest first
    List(Filter),
    /// Cancel an order, or units of its lines
    Cancel {
        /// The order, `channel:id`
        order: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// Only these units, `LINE:UNITS`
        #[arg(long = "line", value_name = "LINE:UNITS")]
        lines: Vec<String>,
    },
    /// Put an order, or lines of it, on hold
    Hold {
        /// The order, `channel:id`
        order: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// Until when, `2026-12-01T08:00:00Z`; without end if absent
        #[arg(long)]
        until: Option<String>,
        /// Only these lines
        #[arg(long = "line", value_name = "LINE")]
        lines: Vec<String>,
    },
    /// Release an order, or lines of it, from hold
    Release {
        /// The order, `channel:id`
        order: String,
        /// Only these lines
        #[arg(long = "line", value_name = "LINE")]
        lines: Vec<String>,
    },
    /// Tell an order's channel again what it could not be told
    Tell {
        /// The order, `channel:id`
        order: String,
    },
    /// Write a note onto an order
    Note {
        /// The order, `channel:id`
        order: String,
        /// The note
        text: String,
    },
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only of this channel
    #[arg(long)]
    channel: Option<String>,
    /// Only in this state: received, reserved, requested, backordered, …
    #[arg(long)]
    status: Option<String>,
    /// Orders at most
    #[arg(long, default_value = "50")]
    limit: u32,
    /// Go on where the last list ended
    #[arg(long)]
    cursor: Option<String>,
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    match args.action {
        Action::Show { order } => {
            let document = client.get(&["v1", "orders", &order]).await?;
            out.show(&document, show);
            Ok(())
        }
        Action::List(filter) => list(&client, out, &filter).await,
        Action::Cancel {
            order,
            reason,
            lines,
        } => {
            let body = json!({ "reason": reason, "lines": line_units(&lines)? });
            change(&client, out, &order, "cancel", &body).await
        }
        Action::Hold {
            order,
            reason,
            until,
            lines,
        } => {
            let body = json!({ "reason": reason, "until": until, "lines": lines });
            change(&client, out, &order, "hold", &body).await
        }
        Action::Release { order, lines } => {
            change(&client, out, &order, "release", &json!({ "lines": lines })).await
        }
        Action::Tell { order } => change(&client, out, &order, "tell", &json!({})).await,
        Action::Note { order, text } => {
            change(&client, out, &order, "notes", &json!({ "text": text })).await
        }
    }
}

async fn list(client: &Client, out: Out, filter: &Filter) -> Outcome {
    let call = client
        .call(Method::GET, &["v1", "orders"])
        .query("channel", filter.channel.as_deref())
        .query("status", filter.status.as_deref())
        .query("cursor", filter.cursor.as_deref())
        .query("limit", Some(&filter.limit.to_string()));
    let document = client.run(call).await?;
    out.show(&document, |out, document| {
        let fields = ["order", "name", "status", "placed_at"];
        out.table(
            &["ORDER", "NAME", "STATUS", "PLACED"],
            &rows(document, &fields),
        );
        let next = text(document, "next_cursor");
        if !next.is_empty() {
            out.say(format_args!("more: crossdock order list --cursor {next}"));
        }
    });
    Ok(())
}

async fn change(client: &Client, out: Out, order: &str, what: &str, body: &Value) -> Outcome {
    let document = client.post(&["v1", "orders", order, what], body).await?;
    out.show(&document, |out, document| {
        out.line(format_args!("{order} is {}", text(document, "status")));
    });
    Ok(())
}

/// The order's head, its lines, its requests, and a sentence for each step.
fn show(out: Out, order: &Value) {
    for (field, value) in head(order) {
        out.line(format_args!("{field:<15}{value}"));
    }
    if let Some(lines) = order["lines"].as_array().filter(|lines| !lines.is_empty()) {
        out.line("\nlines");
        let fields = ["line", "title", "units", "status"];
        out.table(
            &["LINE", "TITLE", "UNITS", "STATUS"],
            &rows(&json!(lines), &fields),
        );
    }
    if let Some(requests) = order["requests"]
        .as_array()
        .filter(|found| !found.is_empty())
    {
        out.line("\nfulfilment requests");
        let fields = ["request", "location", "status"];
        out.table(
            &["REQUEST", "LOCATION", "STATUS"],
            &rows(&json!(requests), &fields),
        );
    }
    if let Some(reports) = order["reports"].as_array() {
        out.line("\nits channel is to know");
        let fields = ["report", "kind", "shipment", "status", "theirs", "error"];
        out.table(
            &["REPORT", "WHAT", "PARCEL", "STATUS", "THERE AS", "WHY"],
            &rows(&json!(reports), &fields),
        );
    }
    out.line("\nwhat happened");
    for step in items(&order["timeline"]) {
        let sentence = [text(step, "sentence"), text(step, "text")].concat();
        out.line(format_args!("{}  {sentence}", text(step, "at")));
    }
}

/// What is to be known of an order before anything else: also what keeps it from its locations.
fn head(order: &Value) -> Vec<(&'static str, String)> {
    let fields = [
        "order",
        "name",
        "status",
        "placed_at",
        "service_level",
        "ship_by",
        "deliver_by",
        "payment",
    ];
    let mut head: Vec<_> = fields.map(|field| (field, text(order, field))).into();
    for held in order["holds"].as_array().into_iter().flatten() {
        let what = match text(held, "line") {
            line if line.is_empty() => "the whole order".to_owned(),
            line => format!("line {line}"),
        };
        let until = match text(held, "until") {
            until if until.is_empty() => String::new(),
            until => format!(" until {until}"),
        };
        let reason = text(held, "reason");
        head.push(("on hold", format!("{what}{until}: {reason}")));
    }
    let requests = order["requests"].as_array().into_iter().flatten();
    for request in requests.filter(|one| one["status"] == "cancelling") {
        let (number, location) = (text(request, "request"), text(request, "location"));
        let asked = format!("request {number}: {location} was asked and has not answered");
        head.push(("cancelling", asked));
    }
    head.retain(|(_, value)| !value.is_empty());
    head
}

/// Reads `LINE:UNITS`; none stands for the whole order.
fn line_units(lines: &[String]) -> Outcome<Option<Vec<Value>>> {
    if lines.is_empty() {
        return Ok(None);
    }
    let read = |text: &String| {
        let (line, units) = text.rsplit_once(':')?;
        let units: u32 = units.parse().ok()?;
        Some(json!({ "line": line, "units": units }))
    };
    let all: Option<Vec<Value>> = lines.iter().map(read).collect();
    all.map(Some)
        .ok_or_else(|| Failure::usage("--line: expected LINE:UNITS, as 4412:1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_tells_what_keeps_an_order() {
        let order = json!({
            "order": "api:1", "status": "requested", "payment": null,
            "holds": [{"reason": "fraud?", "until": null},
                      {"line": "2", "reason": "check", "until": "2026-12-01T08:00:00Z"}],
            "requests": [{"request": 1, "location": "reno", "status": "cancelling"},
                         {"request": 2, "location": "newark", "status": "sent"}],
        });
        let told = head(&order);
        let told: Vec<(&str, &str)> = told
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let expected = [
            ("order", "api:1"),
            ("status", "requested"),
            ("on hold", "the whole order: fraud?"),
            ("on hold", "line 2 until 2026-12-01T08:00:00Z: check"),
            (
                "cancelling",
                "request 1: reno was asked and has not answered",
            ),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn lines_read_as_line_and_units() {
        let read = line_units(&["a:b:2".to_owned()]).unwrap();
        assert_eq!(read, Some(vec![json!({"line": "a:b", "units": 2})]));
        assert!(line_units(&["a".to_owned()]).is_err());
        assert_eq!(line_units(&[]).unwrap(), None);
    }
}
