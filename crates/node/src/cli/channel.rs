//! `channel`: brings a shop with open orders over without shipping anything twice, and publishes stock to it.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::catalogue;
use super::client::random_key;
use super::exit::{Failure, Outcome};
use super::out::{Out, many, rows, text};
use super::target::Target;

/// Arguments of `channel`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read open orders from the channel or an export: they are reserved, and go to fulfilment only when released
    Adopt(Adopt),
    /// List where the shop keeps stock, and which of our locations sell there
    Places {
        /// The channel
        #[arg(long)]
        channel: String,
    },
    /// Publish what can be sold to a channel that was only observed, and to places that were named since
    Publish {
        /// The channel
        #[arg(long)]
        channel: String,
        /// List every number that would change, and change nothing
        #[arg(long)]
        preview: bool,
    },
    /// Show none of it: of everything on a channel, of a SKU, or of what is at a location
    Pause(Which),
    /// Show it again
    Resume(Which),
    /// Send no more numbers: what is shown stays as it is (pause first, and nothing is shown), orders are taken still
    Observe {
        /// The channel
        #[arg(long)]
        channel: String,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The channel
    #[arg(long)]
    channel: String,
    /// Only this SKU
    #[arg(long, conflicts_with = "location")]
    sku: Option<String>,
    /// Only what is at this location
    #[arg(long)]
    location: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Adopt {
    /// The channel
    #[arg(long)]
    channel: String,
    /// Orders placed before this time are adopted, `2026-11-01T00:00:00Z`
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The shop's export of its orders (JSON, one JSON order a line, or CSV), in place of asking the channel
    #[arg(long, value_name = "EXPORT")]
    file: Option<PathBuf>,
    /// Without an export: what changed in so many days before that time is read
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 60,
        conflicts_with = "file"
    )]
    days: u16,
    /// Say what would happen, and change nothing
    #[arg(long)]
    preview: bool,
    /// Release adopted orders to fulfilment: `all`, `name=#1001` or `status=reserved`
    #[arg(long, value_name = "FILTER")]
    release: Option<String>,
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    match args.action {
        Action::Adopt(one) => adopt(target, one).await,
        Action::Publish {
            channel,
            preview: true,
        } => preview(target, &channel).await,
        Action::Publish { channel, .. } => publish(target, &channel).await,
        Action::Places { channel } => catalogue::places(target, &channel).await,
        Action::Pause(which) => pause(target, which, true).await,
        Action::Resume(which) => pause(target, which, false).await,
        Action::Observe { channel } => set_mode(target, &channel, "observed").await.map(drop),
    }
}

/// Numbers that publishing would change. What the channel does not count cannot be changed.
async fn preview(target: &Target, channel: &str) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    let call = client
        .call(Method::GET, &["v1", "channels", channel, "numbers"])
        .query("wrong", Some("true"));
    let numbers = client.all(call).await?;
    let call = client
        .call(Method::GET, &["v1", "channels", channel, "numbers"])
        .query("sent_by_channel", Some("true"));
    let theirs = client.all(call).await?;
    let call = client
        .call(Method::GET, &["v1", "channels", channel, "numbers"])
        .query("missing", Some("true"));
    let missing = client.all(call).await?;
    let known = client.get(&["v1", "channels", channel]).await?;
    let document = json!({
        "items": numbers, "sent_by_channel": theirs, "missing": missing, "buffer": known["buffer"],
        "observed_places": known["observed_places"],
    });
    out.show(&document, |out, document| {
        let fields = ["listing", "place", "shown", "should"];
        out.table(
            &["LISTING", "PLACE", "SHOWS", "SHOULD"],
            &rows(document, &fields),
        );
        let count = document["items"].as_array().map_or(0, Vec::len) as u64;
        out.line(format_args!("{} would change", many(count, "number")));
        let why = "left alone, as the channel sends them itself (Amazon fulfils them)";
        left_out(out, &document["sent_by_channel"], why, "LEFT ALONE");
        let why = "not there, as the channel does not stock them at the place";
        left_out(out, &document["missing"], why, "NOT THERE");
        let unread = document["items"].as_array().into_iter().flatten();
        let unread = unread.filter(|number| number["shown"].is_null()).count() as u64;
        if unread > 0 {
            let unread = many(unread, "number");
            out.line(format_args!("not read yet: {unread}; look again later"));
        }
        if let Some(places) = document["observed_places"].as_array() {
            let places: Vec<&str> = places.iter().filter_map(Value::as_str).collect();
            out.line(format_args!("not published to yet: {}", places.join(", ")));
        }
        out.line(format_args!(
            "kept back of each listing: {}",
            kept_back(&document["buffer"])
        ));
    });
    Ok(())
}

/// Numbers of which none is sent.
fn left_out(out: Out, numbers: &Value, why: &str, title: &str) {
    let count = numbers.as_array().map_or(0, Vec::len) as u64;
    if count > 0 {
        out.line(format_args!("{why}: {}", many(count, "listing")));
        let numbers = json!({ "items": numbers });
        out.table(&[title, "PLACE"], &rows(&numbers, &["listing", "place"]));
    }
}

async fn publish(target: &Target, channel: &str) -> Outcome {
    let path = ["v1", "channels", channel, "mode"];
    let body = json!({ "mode": "active", "let_in_places": true });
    let known = change(target, &path, &body).await?;
    if known["publishes"] == false {
        let named = format!("`crossdock channel places --channel {channel}` lists those of a shop");
        target.out().say(format_args!(
            "nothing is published to it: the configuration names no place of it; {named}"
        ));
    }
    Ok(())
}

/// What is kept back of each listing, and why so much.
fn kept_back(buffer: &Value) -> String {
    if buffer["kind"] != "measured" {
        return many(buffer["units"].as_u64().unwrap_or(0), "unit");
    }
    let why = match &buffer["measured"] {
        Value::Null => "as configured".to_owned(),
        measured => format!(
            "as measured: 99 of 100 changes were shown within {} s, of {}",
            text(measured, "p99_s"),
            text(measured, "changes")
        ),
    };
    let [lag, floor, cap] = ["lag_s", "floor_units", "cap_units"].map(|field| text(buffer, field));
    format!("what others sell within {lag} s, {floor} to {cap} units ({why})")
}

async fn set_mode(target: &Target, channel: &str, mode: &str) -> Outcome<Value> {
    let path = ["v1", "channels", channel, "mode"];
    change(target, &path, &json!({ "mode": mode })).await
}

async fn pause(target: &Target, which: Which, paused: bool) -> Outcome {
    let Which {
        channel,
        sku,
        location,
    } = which;
    if sku.is_none() && location.is_none() {
        let known = target.client()?.get(&["v1", "channels", &channel]).await?;
        if known["mode"] == "observed" {
            let what = format!("{channel} is observed: nothing is published to it");
            let remedy =
                "see what would change with `crossdock channel publish --preview`, then publish";
            return Err(Failure::failed(what).remedy(remedy));
        }
        let mode = if paused { "paused" } else { "active" };
        return set_mode(target, &channel, mode).await.map(drop);
    }
    let action = if paused { "pause" } else { "resume" };
    let path = ["v1", "channels", &channel, action];
    let body = json!({ "sku": sku, "location": location });
    change(target, &path, &body).await.map(drop)
}

async fn change(target: &Target, path: &[&str], body: &Value) -> Outcome<Value> {
    let (client, out) = (target.client()?, target.out());
    let call = client.call(Method::POST, path).json(body);
    let document = client.run(call.key(&random_key()?)).await?;
    out.show(&document, |out, document| {
        let (channel, mode) = (text(document, "channel"), text(document, "mode"));
        out.line(format_args!("{channel} is {mode}"));
    });
    Ok(document)
}

async fn adopt(target: &Target, adopt: Adopt) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    let body = match &adopt.file {
        Some(file) => {
            std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?
        }
        None => Vec::new(),
    };
    let is_csv = |file: &PathBuf| file.extension().is_some_and(|found| found == "csv");
    let kind = match adopt.file.as_ref().is_some_and(is_csv) {
        true => "text/csv",
        false => "application/json",
    };
    let asks_channel = adopt.file.is_none() && adopt.release.is_none();
    let days = asks_channel.then(|| adopt.days.to_string());
    let call = client
        .call(Method::POST, &["v1", "channels", &adopt.channel, "adopt"])
        .query("from", Some(&adopt.from))
        .query("preview", adopt.preview.then_some("true"))
        .query("release", adopt.release.as_deref())
        .query("read_days", days.as_deref())
        .key(&random_key()?)
        .body(kind, body)
        .long();
    let document = client.run(call).await?;
    out.show(&document, show);
    finish(&document)
}

/// Orders that could not be read or taken are named; that there are any is the end of it.
fn finish(document: &Value) -> Outcome {
    let bad = document["errors"].as_array().map_or(0, Vec::len);
    if bad == 0 {
        return Ok(());
    }
    let what = format!("{} could not be adopted", many(bad as u64, "order"));
    let remedy = "see to what is named, and adopt the export again: nothing is taken twice";
    Err(Failure::failed(what).remedy(remedy).told())
}

fn show(out: Out, document: &Value) {
    let fields = ["order", "name", "status", "action"];
    out.table(
        &["ORDER", "NAME", "STATUS", "WHAT HAPPENS"],
        &rows(document, &fields),
    );
    for error in document["errors"].as_array().into_iter().flatten() {
        out.say(format_args!(
            "order {}: {}",
            text(error, "line"),
            text(error, "detail")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn orders_that_were_not_adopted_are_a_failure() {
        assert!(finish(&json!({"adopted": [], "errors": []})).is_ok());
        let failure = finish(&json!({"adopted": [{}], "errors": [{"line": 3, "detail": "x"}]}));
        assert_eq!(failure.unwrap_err().what, "1 order could not be adopted");
    }

    #[test]
    fn what_is_kept_back_says_where_its_lag_comes_from() {
        let measured = |measured: Value| json!({"kind": "measured", "lag_s": 7.593, "floor_units": 0, "cap_units": 100, "measured": measured});
        let table = [
            (json!({"kind": "fixed", "units": 1}), "1 unit"),
            (
                measured(Value::Null),
                "what others sell within 7.593 s, 0 to 100 units (as configured)",
            ),
            (
                measured(json!({"p99_s": 6.1, "changes": 412})),
                "what others sell within 7.593 s, 0 to 100 units (as measured: 99 of 100 changes were shown within 6.1 s, of 412)",
            ),
        ];
        for (buffer, words) in table {
            assert_eq!(kept_back(&buffer), words);
        }
    }
}
