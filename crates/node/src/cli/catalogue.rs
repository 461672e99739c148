//! What a channel says of itself: `listing import` maps what it sells, `channel places` lists where it keeps stock.

use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::exit::{Failure, Outcome};
use super::follow::follow;
use super::out::{Out, items, many, plain, text};
use super::target::Target;

/// Rows of a page, as many as the server gives.
const PAGE: &str = "200";

/// Maps what a channel sells to SKUs of the same text, and lists what became of each variant.
pub(crate) async fn import(target: &Target, channel: &str, preview: bool) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    let begin = ["v1", "channels", channel, "catalogue", "import"];
    let call = client.call(Method::POST, &begin);
    let call = call.query("preview", preview.then_some("true"));
    client.run(call.long()).await?;
    let path = ["v1", "channels", channel, "catalogue"];
    let tell = |document: &Value| match document["state"] == "reading" {
        true => out.say(format_args!("{} variants read", text(document, "variants"))),
        false => out.say(format_args!(
            "{} of {} variants",
            text(document, "settled"),
            text(document, "variants")
        )),
    };
    let running = ["reading", "mapping"];
    let followed = tokio::select! {
        followed = follow(&client, &path, &running, tell) => followed,
        _ = tokio::signal::ctrl_c() => {
            let what = "no longer followed: the server goes on with the import";
            let remedy = format!("GET /v1/channels/{channel}/catalogue tells how far it is");
            return Err(Failure::failed(what).remedy(remedy));
        }
    };
    let mut document = followed?;
    let variants = match document["settled"] == 0 {
        true => Vec::new(),
        false => variants(&client, channel).await?,
    };
    document["items"] = variants.into();
    let mode = client.get(&["v1", "channels", channel]).await?;
    out.show(&document, show);
    finish(out, channel, &text(&mode, "mode"), &document)
}

async fn variants(client: &Client, channel: &str) -> Outcome<Vec<Value>> {
    let path = ["v1", "channels", channel, "catalogue", "variants"];
    let call = client.call(Method::GET, &path).query("limit", Some(PAGE));
    client.all(call).await
}

fn show(out: Out, document: &Value) {
    let preview = document["preview"] == true;
    let row = |variant: &Value| {
        let [id, sku, title] = ["variant", "sku", "title"].map(|field| text(variant, field));
        vec![id, sku, title, what(variant, preview)]
    };
    let rows: Vec<_> = items(&document["items"]).iter().map(row).collect();
    out.table(&["VARIANT", "SKU", "TITLE", "WHAT HAPPENS"], &rows);
}

/// What becomes of a variant.
fn what(variant: &Value, preview: bool) -> String {
    let done = match variant["outcome"].as_str() {
        Some("mapped") if preview => "would be mapped",
        Some("mapped") => "mapped",
        Some("known") => "is mapped already",
        Some("sent_by_channel") => return "left out: the channel sends it itself".to_owned(),
        Some(_) => return text(variant, "to_do"),
        None => return "not looked at".to_owned(),
    };
    match variant["counted"] == false {
        true => format!("{done}; nothing of it is published until the shop tracks its quantity"),
        false => done.to_owned(),
    }
}

/// Sums up; what could not be done is the end of it.
fn finish(out: Out, channel: &str, mode: &str, document: &Value) -> Outcome {
    let counts = [
        ("mapped", "mapped"),
        ("known", "mapped before"),
        ("conflicts", "mapped to something else, left so"),
        ("without_sku", "without a SKU"),
        ("unknown_sku", "with an unknown SKU"),
        ("repeated_sku", "with a SKU that others have too"),
        (
            "sent_by_channel",
            "left out, as the channel sends them itself",
        ),
        ("failed", "not done for now"),
    ];
    let number = |field: &str| document[field].as_u64().unwrap_or_default();
    let would = if document["preview"] == true {
        "would be "
    } else {
        ""
    };
    let parts = counts.iter().filter(|(field, _)| number(field) > 0);
    let parts = parts.map(|(field, words)| match *field {
        "mapped" => format!("{} {would}{words}", number(field)),
        field => format!("{} {words}", number(field)),
    });
    let parts = parts.collect::<Vec<_>>().join(", ");
    out.say(format_args!(
        "{}: {parts}",
        many(number("variants"), "variant")
    ));
    if document["state"] == "stopped" {
        let problem = &document["problem"];
        let what = match problem.is_null() {
            true => "the import broke off".to_owned(),
            false => format!("the import broke off: {}", text(problem, "detail")),
        };
        let failure = Failure {
            code: problem["code"].as_str().map(str::to_owned),
            ..Failure::failed(what)
        };
        return Err(failure
            .remedy("import again: what is done stays done")
            .told());
    }
    if number("failed") > 0 {
        let what = format!(
            "{} could not be done for now",
            many(number("failed"), "variant")
        );
        return Err(Failure::failed(what)
            .remedy("import again: what is done stays done")
            .told());
    }
    if let Some(next) = next(channel, mode, document["preview"] == true) {
        out.say(next);
    }
    Ok(())
}

/// What becomes of the numbers of what is mapped.
fn next(channel: &str, mode: &str, preview: bool) -> Option<String> {
    let command = |verb: &str| format!("`crossdock channel {verb} --channel {channel}`");
    match (mode, preview) {
        ("paused", _) => Some(format!(
            "{channel} is paused: it shows none of what is mapped, until {}",
            command("resume")
        )),
        ("active", true) => Some(format!(
            "{channel} is active: what is mapped is published at once"
        )),
        ("observed", false) => Some(format!(
            "{channel} is observed: nothing is published before {}; its --preview lists every number",
            command("publish")
        )),
        _ => None,
    }
}

/// Lists a channel's places beside our locations; that the settings name a wrong one is a failure.
pub(crate) async fn places(target: &Target, channel: &str) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    let call = client.call(Method::GET, &["v1", "channels", channel, "places"]);
    let document = client.run(call.long()).await?;
    out.show(&document, |out, document| {
        let row = |place: &Value| {
            let state = match (place["name"].is_null(), place["active"] == true) {
                (true, _) => "not there",
                (false, true) => "active",
                (false, false) => "deactivated",
            };
            let locations = plain(&place["locations"]);
            vec![
                text(place, "place"),
                text(place, "name"),
                state.to_owned(),
                locations,
            ]
        };
        let rows: Vec<_> = items(document).iter().map(row).collect();
        out.table(&["PLACE", "NAME", "STATE", "SELLS THE STOCK OF"], &rows);
    });
    let problems: Vec<&Value> = items(&document)
        .iter()
        .filter(|place| !place["problem"].is_null())
        .collect();
    for place in &problems {
        out.say(format_args!(
            "{}: {}",
            text(place, "place"),
            text(place, "problem")
        ));
    }
    if problems.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} of the settings cannot be published to",
        many(problems.len() as u64, "place")
    );
    let remedy =
        format!("correct places in [channels.{channel}.publish], and start the server again");
    Err(Failure::failed(what).remedy(remedy).told())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_variant_says_what_happens() {
        let cases = [
            (
                json!({"outcome": "mapped", "counted": true}),
                "mapped",
                "would be mapped",
            ),
            (
                json!({"outcome": "known"}),
                "is mapped already",
                "is mapped already",
            ),
            (
                json!({"outcome": "no_sku", "to_do": "give it one"}),
                "give it one",
                "give it one",
            ),
            (json!({}), "not looked at", "not looked at"),
        ];
        for (variant, done, would) in cases {
            assert_eq!(
                [false, true].map(|preview| what(&variant, preview)),
                [done, would]
            );
        }
        let untracked = what(&json!({"outcome": "mapped", "counted": false}), false);
        assert!(
            untracked.starts_with("mapped; nothing of it is published"),
            "{untracked}"
        );
    }

    /// What a person has to look at is no failure; what did not work is.
    #[test]
    fn an_import_that_broke_off_is_a_failure() {
        let end = |document: Value| finish(Out::new(true), "shop", "observed", &document);
        assert!(end(json!({"state": "done", "variants": 2, "mapped": 1, "conflicts": 1})).is_ok());
        let failed = end(json!({"state": "done", "variants": 1, "failed": 1})).unwrap_err();
        assert_eq!(failed.what, "1 variant could not be done for now");
        let problem = json!({"code": "channel_failed", "detail": "shop does not tell"});
        let stopped = json!({"state": "stopped", "problem": problem});
        let stopped = end(stopped).unwrap_err();
        assert_eq!(stopped.what, "the import broke off: shop does not tell");
        assert_eq!(stopped.code.as_deref(), Some("channel_failed"));
    }
}
