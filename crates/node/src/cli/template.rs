//! The commented example configuration, made from the schema so that no setting is missing and no default wrong.

use anyhow::{Context, anyhow};
use serde_json::Value;

use super::schema::schema;

/// Sections of which there is one, in the order they are shown.
const SECTIONS: &[&str] = &["server", "data", "telemetry", "warehouse"];
const HEAD: &str = "\
# Crossdock's configuration. A setting that is absent has the default shown here; relative paths are read from the
# folder of this file.
# After a change: crossdock check. For editors: crossdock schema > crossdock.schema.json
";
/// Widest line of a comment, in characters.
const COMMENT_WIDTH: usize = 110;

/// The configuration with its data in `data` and the secret of the example channel in `secret`, both as the
/// configuration's folder sees them.
pub(crate) fn text(data: &str, secret: &str) -> anyhow::Result<String> {
    let schema = schema();
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        text.push('\n');
        let properties =
            section_of(&schema, section).with_context(|| format!("section {section}"))?;
        comment(&mut text, described(&schema["properties"][section]));
        text.push_str(&format!("[{section}]\n"));
        // Tables of tables are among the examples.
        let is_single = |default: &Value| !default.is_object();
        let single = properties
            .iter()
            .filter(|(_, one)| is_single(&one["default"]));
        for (name, property) in single {
            comment(&mut text, described(property));
            let value = match (*section, name.as_str()) {
                ("data", "dir") => Value::String(data.to_owned()),
                _ => property["default"].clone(),
            };
            let shown = toml_value(&value)?;
            text.push_str(&shown.map_or_else(
                || format!("# {name} =\n"),
                |value| format!("{name} = {value}\n"),
            ));
        }
    }
    text.push_str(&examples(secret)?);
    Ok(text)
}

/// The properties of a section: its definition, through the reference to it.
fn section_of<'a>(schema: &'a Value, section: &str) -> Option<&'a serde_json::Map<String, Value>> {
    let found = &schema["properties"][section];
    let reference = found["$ref"]
        .as_str()
        .or(found["allOf"][0]["$ref"].as_str());
    let definition = match reference {
        Some(reference) => schema.pointer(reference.strip_prefix('#')?)?,
        None => found,
    };
    definition["properties"].as_object()
}

fn described(property: &Value) -> &str {
    property["description"].as_str().unwrap_or_default()
}

/// A comment, broken at spaces.
fn comment(text: &mut String, words: &str) {
    let mut line = "#".to_owned();
    for word in words.split_whitespace() {
        if line.len() + word.len() >= COMMENT_WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = "#".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        text.push_str(&line);
        text.push('\n');
    }
}

/// A default as TOML; nothing for "not set".
fn toml_value(value: &Value) -> anyhow::Result<Option<String>> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => return Err(anyhow!("{value} is no single value")),
    }))
}

const AMAZON: &str = r#"# A seller's account on Amazon, a channel of the kind "amazon": its orders are read, and what can be sold at these
# locations is published to it, once `crossdock channel publish` has said so. Room is left for what Amazon may have sold
# within some minutes and not told yet, but for a risk, and in a feed for what it sells until that is worked on. Its
# notifications are taken at /webhooks/market from whoever shows one of the secrets as x-crossdock-key. The rest as above.
# [channels.market]
# kind = "amazon"
# webhook_secrets = [{ env = "AMAZON_NOTIFICATION_KEY" }]
# [channels.market.amazon]
# endpoint = "https://sellingpartnerapi-eu.amazon.com"
# token_endpoint = "https://api.amazon.com/auth/o2/token"
# seller = "A1SELLER"
# marketplace = "A1PA6795UKMFR9"
# client_id = "amzn1.application-oa2-client.example"
# client_secret = { env = "AMAZON_CLIENT_SECRET" }
# refresh_token = { env = "AMAZON_REFRESH_TOKEN" }
# product_type = "PRODUCT"
# locations = ["reno", "york"]
# buffer_units = 0
# unseen_minutes = 5
# unseen_risk = 0.001
# feed_minutes = 15
# list_lag_s = 120
# wrong_minutes = 30
# recheck_minutes = 60
"#;

fn examples(secret: &str) -> anyhow::Result<String> {
    let secret = toml_value(&Value::String(secret.to_owned()))?.unwrap_or_default();
    Ok(format!(
        r#"
# A sales channel, here with the id `shop`: its webhooks go to /webhooks/shop.
[channels.shop]
# Which connector: "shopify", "amazon", or "api" for orders through this server's own API.
kind = "shopify"
# "already_sold": the buyer holds a confirmation and is never refused. "asks": it asks before it sells.
sale = "already_sold"
# Whether a listing that is not mapped stands for the SKU of the same text.
map_by_sku = true
# Secrets that sign its webhooks, from files or the environment; two while one is being replaced.
# This one is made up, for `crossdock trigger`: put the shop's own there.
webhook_secrets = [{{ file = {secret} }}]
# Whose days are counted in what its ways of sending promise.
time_zone = "UTC"

# What a way of sending promises, by its title or code in the shop (a * at the end stands for whatever follows): the
# service level, and how long after the order it leaves and arrives at the latest. The first that fits counts.
# [[channels.shop.shipping]]
# method = "Express*"
# service = "express"
# ship_within = "1d"
# deliver_within = "3d"

# The shop's orders are read beside what its webhooks tell (which are subscribed at webhook_url, if it is given, and again
# when the shop has deleted them), and what can be sold is published to it, once `crossdock channel publish` has said so:
# its address, an access token, and its places by their ids with the locations whose stock each sells. (`crossdock
# channel places` lists the places; without any in here, nothing is published.) Of each listing some units are kept back:
# always as many, or (buffer) as many as others sell until the shop shows it, but for a risk: within lag_s seconds, or
# longer while the shop is slower. In place of the risk what an oversold and a hidden unit cost may be said, as
# oversold_costs = 30, hidden_costs = 4. The shop's API gives so many points a second, its list of orders is so many seconds
# late; a number that is wrong for so many minutes becomes an exception.
# [channels.shop.publish]
# url = "https://example.myshopify.com"
# token = {{ env = "SHOP_TOKEN" }}
# webhook_url = "https://orders.example.com/webhooks/shop"
# places = {{ 8050 = ["reno", "york"] }}
# buffer_units = 0
# buffer = {{ risk = 0.001, lag_s = 5, floor_units = 0, cap_units = 100 }}
# list_lag_s = 5
# points_per_s = 100
# wrong_minutes = 10
# recheck_minutes = 60
# The shop is told of parcels, and of orders that were given up here: whether it writes to the buyer, and whether the
# money goes back.
# notify_buyers = true
# refund_cancelled = false

{AMAZON}
# Orders through POST /v1/orders: the caller asks first and can be refused.
[channels.api]
kind = "api"
sale = "asks"

# Secrets of locations' and endpoints' webhooks, by the name they are used under.
# [secrets]
# warehouse = {{ env = "WAREHOUSE_WEBHOOK_SECRET" }}

# Where a location tells what it has.
# [warehouse.counts.reno]
# url = "https://wms.example/counts"
# secret = "warehouse"
# every_minutes = 60
# net_of_allocated = false
# absent = "told"             # of what it leaves out a person is told; "none": there is none of it

# Files imported when the journal is new, for trying things out.
# [seed]
# locations = "locations.jsonl"
# skus = "skus.csv"
# stock = "stock.csv"
"#
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_example_is_the_default_with_a_channel() {
        let text = text("data", "data/shop.secret").unwrap();
        let mut config = Config::parse(Path::new("c.toml"), &text).expect(&text);
        assert_eq!(
            config
                .channels
                .remove("shop")
                .map(|shop| shop.webhook_secrets.len()),
            Some(1)
        );
        assert!(config.channels.remove("api").is_some());
        assert_eq!(config, Config::default());
    }

    #[test]
    fn every_setting_is_in_it() {
        let text = text("data", "s").unwrap();
        let schema = schema();
        for (section, _) in schema["properties"].as_object().unwrap() {
            assert!(text.contains(&format!("[{section}")), "{section}");
        }
        for (_, definition) in schema["$defs"].as_object().unwrap() {
            for (name, _) in definition["properties"].as_object().into_iter().flatten() {
                let given = name == "env" || name == "file";
                let shown = [
                    format!("{name} ="),
                    format!(".{name}]]"),
                    format!(".{name}]"),
                    format!(".{name}."),
                ];
                assert!(
                    given || shown.iter().any(|shown| text.contains(shown)),
                    "{name} in\n{text}"
                );
            }
        }
    }
}
