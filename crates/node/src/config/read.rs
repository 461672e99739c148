//! Reads a configuration so that no mistake hides another: what cannot be read is told, left out, and reading goes on.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use crossdock_api::in_plain_words;
use crossdock_logic::bucket::check_publishing;
use crossdock_model::{ChannelId, LocationId};
use jiff::tz::TimeZone;
use serde::de::{Deserialize, DeserializeOwned};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};
use tracing_subscriber::filter::EnvFilter;

use super::{Amazon, Channel, ChannelKind, Config, Mistake, SaleSetting, SecretSource};

type Value<'a> = Spanned<DeValue<'a>>;

/// A file being read, with what was found wrong so far.
pub(super) struct Reading<'a> {
    file: &'a Path,
    text: &'a str,
    /// Where each value that could be read stands, by its path: `channels.shop.webhook_secrets.0`.
    places: BTreeMap<String, usize>,
    mistakes: Vec<Mistake>,
}

/// Reads as much of a configuration as can be read.
pub(super) fn parse<'a>(
    file: &'a Path,
    text: &'a str,
) -> Result<(Config, Reading<'a>), Vec<Mistake>> {
    let mut reading = Reading {
        file,
        text,
        places: BTreeMap::new(),
        mistakes: Vec::new(),
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            reading.mistake(error.span().map(|span| span.start), error.message());
            return Err(reading.mistakes);
        }
    };
    let mut config = Config::default();
    for (name, value) in table {
        let (at, name) = (name.span().start, name.into_inner());
        match name.as_ref() {
            "server" => config.server = reading.section(&name, value).unwrap_or_default(),
            "data" => config.data = reading.section(&name, value).unwrap_or_default(),
            "telemetry" => config.telemetry = reading.section(&name, value).unwrap_or_default(),
            "warehouse" => config.warehouse = reading.section(&name, value).unwrap_or_default(),
            "seed" => config.seed = reading.section(&name, value),
            "channels" => config.channels = reading.parts(&name, value, Reading::channel),
            "secrets" => config.secrets = reading.parts(&name, value, Reading::secret),
            other => {
                let known = "server, data, telemetry, warehouse, channels, secrets, seed";
                let what = format!("unknown section {other:?}; known are {known}");
                reading.mistake(Some(at), what);
            }
        }
    }
    reading.check_values(&config);
    let folder = file.parent().unwrap_or(Path::new(""));
    Ok((config.based_on(folder), reading))
}

impl Reading<'_> {
    /// The mistakes, in the order of the file, if there are any.
    pub(super) fn ended(mut self) -> Result<(), Vec<Mistake>> {
        self.mistakes.sort_by_key(|mistake| mistake.line);
        match self.mistakes.is_empty() {
            true => Ok(()),
            false => Err(self.mistakes),
        }
    }

    /// Files that the server reads and that are not there, and a data directory that cannot be.
    pub(super) fn look_for_files(&mut self, config: &Config) {
        for (name, file) in config.seed.iter().flat_map(|seed| seed.files()) {
            if let Some(Err(error)) = file.map(|file| File::open(file).and_then(is_file)) {
                self.mistake_at(&format!("seed.{name}"), format!("cannot be read: {error}"));
            }
        }
        // What is not there yet is made, in the nearest folder that is.
        let mut there = config.data.dir.ancestors().filter_map(|dir| {
            let known = std::fs::metadata(dir).ok()?;
            Some((dir, known.is_dir() && !known.permissions().readonly()))
        });
        if let Some((dir, false)) = there.next() {
            let what = format!("cannot be made: {} is no folder to write to", dir.display());
            self.mistake_at("data.dir", what);
        }
    }

    /// Secrets that cannot be read, each where it is named.
    pub(super) fn look_for_secrets(&mut self, config: &Config) {
        let channels = config.channels.iter().flat_map(|(name, channel)| {
            let sources = channel.webhook_secrets.iter().enumerate();
            let path = move |at| format!("channels.{name}.webhook_secrets.{at}");
            sources.map(move |(at, source)| (path(at), source))
        });
        let tokens = config.channels.iter().flat_map(|(name, channel)| {
            let section = |setting: &str| setting.split('.').next().unwrap_or_default().to_owned();
            let secrets = channel.api_secrets();
            secrets.map(move |(setting, source)| {
                (format!("channels.{name}.{}", section(setting)), source)
            })
        });
        let named = config.secrets.iter();
        let named = named.map(|(name, source)| (format!("secrets.{name}"), source));
        for (path, source) in channels.chain(tokens).chain(named) {
            if let Err(what) = source.read() {
                self.mistake(self.places.get(&path).copied(), what);
            }
        }
    }

    fn mistake(&mut self, offset: Option<usize>, what: impl Into<String>) {
        let line = offset.map_or(0, |at| {
            let before = self.text.get(..at).unwrap_or(self.text);
            before.matches('\n').count() + 1
        });
        self.mistakes.push(Mistake {
            file: self.file.to_owned(),
            line,
            what: what.into(),
        });
    }

    /// A mistake in the value of a path.
    fn mistake_at(&mut self, path: &str, what: impl Display) {
        let key = path.rsplit('.').next().unwrap_or(path);
        self.mistake(self.places.get(path).copied(), format!("{key}: {what}"));
    }

    /// A table of settings. One that cannot be read is told and left out, until the rest can be.
    fn section<T: DeserializeOwned>(&mut self, path: &str, value: Value<'_>) -> Option<T> {
        let span = value.span();
        let DeValue::Table(mut table) = value.into_inner() else {
            self.mistake(Some(span.start), format!("{path}: expected a table"));
            return None;
        };
        let mut left_out = Vec::new();
        loop {
            let rest = Spanned::new(span.clone(), DeValue::Table(table.clone()));
            let error = match T::deserialize(ValueDeserializer::from(rest)) {
                Ok(read) => {
                    self.note_places(path, &table);
                    return Some(read);
                }
                Err(error) => error,
            };
            let at = error.span().map_or(span.start, |span| span.start);
            let names = |key: &String| error.message().contains(&format!("`{key}`"));
            let found = leave_out(&mut table, at);
            match &found {
                Some(key) if !names(key) => {
                    let what = in_plain_words(error.message());
                    self.mistake(Some(at), format!("{key}: {what}"));
                }
                // What is missed only because it was left out has been told.
                None if left_out.iter().any(names) => {}
                Some(_) | None => self.mistake(Some(at), in_plain_words(error.message())),
            }
            left_out.push(found?);
        }
    }

    /// A table of named parts, each read on its own.
    fn parts<T>(
        &mut self,
        path: &str,
        value: Value<'_>,
        read: impl Fn(&mut Self, &str, usize, Value<'_>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let start = value.span().start;
        let DeValue::Table(table) = value.into_inner() else {
            self.mistake(Some(start), format!("{path}: expected a table"));
            return BTreeMap::new();
        };
        let mut parts = BTreeMap::new();
        for (name, value) in table {
            let (at, name) = (name.span().start, name.into_inner().into_owned());
            if let Some(part) = read(self, &name, at, value) {
                parts.insert(name, part);
            }
        }
        parts
    }

    fn channel(&mut self, name: &str, at: usize, value: Value<'_>) -> Option<Channel> {
        if let Err(error) = ChannelId::checked(name) {
            self.mistake(Some(at), format!("channel {name:?}: {error}"));
        }
        if name == ChannelId::HOLDS {
            let what = "is kept for carts' holds: choose another name";
            self.mistake(Some(at), format!("channel {name:?} {what}"));
        }
        let told = self.mistakes.len();
        let channel: Channel = self.section(&format!("channels.{name}"), value)?;
        match (channel.kind, channel.webhook_secrets.len()) {
            // Those that could not be read have been told.
            (ChannelKind::Shopify, 0) if self.mistakes.len() == told => {
                let what = "has no webhook_secrets: add webhook_secrets = [{ env = \"…\" }]";
                self.mistake(Some(at), format!("channel {name:?} {what}"));
            }
            (_, 0..=2) => {}
            (_, count) => {
                let what = format!("has {count} webhook_secrets, at most 2 are live");
                self.mistake(Some(at), format!("channel {name:?} {what}"));
            }
        }
        self.check_shipping(name, &channel);
        self.check_publish(name, &channel);
        self.check_amazon(name, at, &channel);
        Some(channel)
    }

    fn check_publish(&mut self, name: &str, channel: &Channel) {
        let path = format!("channels.{name}.publish");
        let Some(publish) = &channel.publish else {
            return;
        };
        match channel.kind {
            ChannelKind::Shopify => {}
            ChannelKind::Amazon => {
                let what = "is for shops: say what is published to Amazon in the section amazon";
                self.mistake_at(&path, what);
            }
            ChannelKind::Api => {
                let what = "nothing is published to those who order through the API: they ask for the stock";
                self.mistake_at(&path, what);
            }
        }
        for (key, problem) in publish.problems() {
            self.mistake_at(&path, format!("{key}: {problem}"));
        }
        self.check_places(name, &path, channel);
    }

    /// Whether the channel would take what is published to it.
    fn check_places(&mut self, name: &str, path: &str, channel: &Channel) {
        // What is no id has been told.
        let publishing = ChannelId::checked(name).map(|id| channel.publishing(&id));
        if let Ok(Ok(Some(publishing))) = publishing
            && let Err(problem) = check_publishing(&publishing)
        {
            self.mistake_at(path, problem);
        }
    }

    fn check_amazon(&mut self, name: &str, at: usize, channel: &Channel) {
        let path = format!("channels.{name}.amazon");
        if channel.kind == ChannelKind::Amazon && channel.sale == SaleSetting::Asks {
            let what = "Amazon tells of what it has sold and never asks: write \"already_sold\", or leave it out";
            self.mistake_at(&format!("channels.{name}.sale"), what);
        }
        match (&channel.amazon, channel.kind) {
            (None, ChannelKind::Amazon) => {
                let what =
                    "has no account: add a section amazon with its endpoint, seller and secrets";
                self.mistake(Some(at), format!("channel {name:?} {what}"));
            }
            (Some(_), ChannelKind::Shopify | ChannelKind::Api) => {
                self.mistake_at(&path, "is for channels of the kind \"amazon\"");
            }
            (Some(amazon), ChannelKind::Amazon) => {
                for (key, problem) in amazon.problems() {
                    self.mistake_at(&path, format!("{key}: {problem}"));
                }
                self.check_places(name, &path, channel);
            }
            (None, ChannelKind::Shopify | ChannelKind::Api) => {}
        }
    }

    fn check_shipping(&mut self, name: &str, channel: &Channel) {
        if TimeZone::get(&channel.time_zone).is_err() {
            let expected = "expected a time zone, as America/New_York";
            self.mistake_at(&format!("channels.{name}.time_zone"), expected);
        }
        for (index, method) in channel.shipping.iter().enumerate() {
            let own = "orders through the API say themselves when they are to be sent";
            let problem = match channel.kind {
                ChannelKind::Shopify | ChannelKind::Amazon => method.problem(),
                ChannelKind::Api => Some(own),
            };
            if let Some(problem) = problem {
                let path = format!("channels.{name}.shipping.{index}");
                self.mistake(
                    self.places.get(&path).copied(),
                    format!("shipping: {problem}"),
                );
            }
        }
    }

    fn secret(&mut self, name: &str, _at: usize, value: Value<'_>) -> Option<SecretSource> {
        let start = value.span().start;
        match SecretSource::deserialize(ValueDeserializer::from(value)) {
            Ok(source) => {
                self.places.insert(format!("secrets.{name}"), start);
                Some(source)
            }
            Err(error) => {
                self.mistake(Some(start), format!("{name}: {}", error.message()));
                None
            }
        }
    }

    fn note_places(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = format!("{path}.{}", key.get_ref());
            if let DeValue::Array(elements) = value.get_ref() {
                for (index, element) in elements.iter().enumerate() {
                    let at = element.span().start;
                    self.places.insert(format!("{path}.{index}"), at);
                }
            }
            self.places.insert(path, value.span().start);
        }
    }

    fn check_values(&mut self, config: &Config) {
        let Config {
            server,
            data,
            telemetry,
            ..
        } = config;
        let mut check = |good: bool, path: &str, what: &str| {
            if !good {
                self.mistake_at(path, what);
            }
        };
        let good = server.listen.parse::<SocketAddr>().is_ok();
        let expected = "expected an address and port, as 127.0.0.1:8080";
        check(good, "server.listen", expected);
        let good = (1024..=(16 << 20)).contains(&server.body_bytes_max);
        let expected = "expected 1024 to 16777216 bytes";
        check(good, "server.body_bytes_max", expected);
        let good = (1..=90).contains(&data.dedup_days);
        check(good, "data.dedup_days", "expected 1 to 90 days");
        let good = data.hot_days <= 3_650;
        check(good, "data.hot_days", "expected 0 to 3650 days");
        let good = data.live_entities_max >= 100;
        check(good, "data.live_entities_max", "expected at least 100");
        let good = (0.0..=1.0).contains(&telemetry.trace_ratio);
        check(
            good,
            "telemetry.trace_ratio",
            "expected a share from 0 to 1",
        );
        let good = EnvFilter::try_new(&telemetry.log).is_ok();
        let expected = "expected a log filter, as info,crossdock_runtime=debug";
        check(good, "telemetry.log", expected);
        let url = telemetry.otlp_endpoint.as_deref();
        let expected = "expected a web address, as http://127.0.0.1:4318";
        check(
            url.is_none_or(is_web_address),
            "telemetry.otlp_endpoint",
            expected,
        );
        self.check_counts(config);
        self.check_accounts(config);
    }

    /// Whether channels that share an account leave room for sales for as long as each waits for its turn to be read.
    fn check_accounts(&mut self, config: &Config) {
        for (name, channel) in &config.channels {
            let Some(amazon) = &channel.amazon else {
                continue;
            };
            let channels = config.channels_of(&amazon.account());
            let least = amazon.unseen_minutes_min(channels);
            if channels > 1 && amazon.unseen_minutes < least {
                let every = Amazon::read_every(channels).as_ms() / 60_000;
                let what = format!(
                    "unseen_minutes: expected at least {least}: {channels} channels share what Amazon allows this account, \
                     so the orders of each are read every {every} minutes"
                );
                self.mistake_at(&format!("channels.{name}.amazon"), what);
            }
        }
    }

    fn check_counts(&mut self, config: &Config) {
        for (location, counts) in &config.warehouse.counts {
            let path = |key: &str| format!("warehouse.counts.{location}.{key}");
            let is_known = config.secrets.contains_key(&counts.secret);
            let checks = [
                (
                    LocationId::new(location.as_str()).is_ok(),
                    path("url"),
                    "expected the id of a location before it",
                ),
                (
                    is_web_address(&counts.url),
                    path("url"),
                    "expected a web address, as https://wms.example/counts",
                ),
                (
                    is_known,
                    path("secret"),
                    "expected the name of one of [secrets]",
                ),
                (
                    (1..=10_080).contains(&counts.every_minutes),
                    path("every_minutes"),
                    "expected 1 to 10080 minutes",
                ),
            ];
            for (_, path, what) in checks.iter().filter(|(good, _, _)| !good) {
                self.mistake_at(path, what);
            }
        }
    }
}

/// Removes the entry that a place is in, or the element of its list; says which key that was.
fn leave_out(table: &mut DeTable<'_>, at: usize) -> Option<String> {
    let found = table
        .iter_mut()
        .find(|(key, value)| is_in(at, key.span().start, value));
    let (key, value) = found?;
    let key = key.get_ref().clone().into_owned();
    if let DeValue::Array(elements) = value.get_mut() {
        let rest = elements.iter();
        let rest = rest.filter(|element| !is_in(at, element.span().start, element));
        let rest: DeArray<'_> = rest.cloned().collect();
        if rest.len() < elements.len() {
            *elements = rest;
            return Some(key);
        }
    }
    table.remove(key.as_str());
    Some(key)
}

/// Whether a place is in a value that starts there, or in a part of it: a table's span may be its head alone.
fn is_in(at: usize, start: usize, value: &Value<'_>) -> bool {
    let in_part = match value.get_ref() {
        DeValue::Table(table) => table
            .iter()
            .any(|(key, part)| is_in(at, key.span().start, part)),
        DeValue::Array(elements) => elements.iter().any(|one| is_in(at, one.span().start, one)),
        _ => false,
    };
    in_part || (start..value.span().end).contains(&at)
}

fn is_file(file: File) -> std::io::Result<()> {
    let known = file.metadata()?;
    match (known.is_file(), known.len()) {
        (true, 1..) => Ok(()),
        (true, 0) => Err(std::io::Error::other("it is empty")),
        (false, _) => Err(std::io::Error::other("not a file")),
    }
}

fn is_web_address(text: &str) -> bool {
    let url = reqwest::Url::parse(text);
    url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(checked: Result<(), Vec<Mistake>>) -> Vec<String> {
        let mistakes = checked.err().unwrap_or_default();
        let told = mistakes.iter().map(|m| format!("{}: {}", m.line, m.what));
        told.collect()
    }

    fn check(text: &str, with_secrets: bool) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, text).unwrap();
        told(Config::check(&file, with_secrets).map(drop))
    }

    const WRONG: &str = r#"# listen, trace_ratio and dedup_days are wrong below
[server]
listen = "nowhere"
body_bytes_max = 1
lisen = 3

[telemetry]
log = "info=loud=er"
log_json = "yes"
otlp_endpoint = "collector:4318"
trace_ratio = 7

[data]
dri = "x"
dedup_days = 0
live_entities_max = -1
synchronous = "maybe"

[chanels.shop]
kind = "shopify"

[channels.shop]
kind = "shopify"

[channels.etsy]
kind = "etsy"
sale = 1
webhook_secrets = [
    "in the open",
    { env = "CROSSDOCK_TEST_UNSET" },
    { file = "absent.secret" },
    { env = 3 },
]

[channels.web]
sale = "asks"

[channels.web2]
kind = "shopify"
webhook_secrets = [{ env = "HOME" }]
time_zone = "Mars/Olympus"
[[channels.web2.shipping]]
method = "Fast"
ship_within = "2 weeks"
[[channels.web2.shipping]]
method = "*"
deliver_within = "2d"
[[channels.web2.shipping]]
method = "Slow"
arrives = "2d"

[channels.own]
kind = "api"
shipping = [{ method = "Fast" }]

[secrets]
one = "in the open"
two = { file = "absent.secret" }

[seed]
skus = "absent.csv"
stock = "."
color = "red"
"#;

    /// Every kind of mistake, several in one section, some keys named in a comment above: each with its own line.
    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let found = check(WRONG, true);
        let expected = [
            "3: listen: expected an address",
            "4: body_bytes_max: expected 1024",
            "5: unknown field `lisen`",
            "8: log: expected a log filter",
            "9: log_json: invalid type",
            "10: otlp_endpoint: expected a web address",
            "11: trace_ratio: expected a share",
            "14: unknown field `dri`",
            "15: dedup_days: expected 1",
            "16: live_entities_max: invalid value: integer `-1`, expected a whole number",
            "17: synchronous: unknown variant",
            "19: unknown section \"chanels\"",
            "22: channel \"shop\" has no webhook_secrets",
            "26: kind: unknown variant",
            "27: sale: ",
            "29: webhook_secrets: a secret never stands",
            "32: webhook_secrets: a secret never stands",
            "35: missing field `kind`",
            "41: time_zone: expected a time zone",
            "44: shipping: expected hours or days",
            "45: shipping: method: expected what the channel",
            "50: shipping: unknown field `arrives`",
            "54: shipping: orders through the API",
            "57: one: a secret never stands",
            "58: secret: file",
            "61: skus: cannot be read",
            "62: stock: cannot be read",
            "63: unknown field `color`",
        ];
        for start in expected {
            let is_told = found.iter().any(|told| told.starts_with(start));
            assert!(is_told, "{start} in {found:#?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}");
    }

    #[test]
    fn a_secret_that_is_not_there_is_a_mistake_where_it_is_named() {
        let text = "[channels.shop]\n# CROSSDOCK_TEST_UNSET\nkind = \"shopify\"\nwebhook_secrets = [\n\
                    { env = \"CROSSDOCK_TEST_UNSET\" },\n{ file = \"absent\" }]\n";
        let found = check(text, true);
        assert_eq!(found.len(), 2);
        assert!(
            found[0].starts_with("5: secret: environment variable"),
            "{found:#?}"
        );
        assert!(found[1].starts_with("6: secret: file"), "{found:#?}");
        assert_eq!(check(text, false), Vec::<String>::new());
    }

    /// What the server would refuse when it starts is told before.
    #[test]
    fn a_location_sells_at_one_place() {
        let shop = |places: &str| {
            let text = format!(
                "[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{{ env = \"HOME\" }}]\n\
                 [channels.shop.publish]\nurl = \"https://example.myshopify.com\"\ntoken = {{ env = \"HOME\" }}\n\
                 places = {{ {places} }}\n"
            );
            check(&text, false)
        };
        let told =
            "publish: places: each place is named once, and each location belongs to one place";
        for twice in [
            "8050 = [\"reno\"], 8051 = [\"reno\"]",
            "8050 = [\"reno\", \"reno\"]",
        ] {
            let found = shop(twice);
            assert!(found.len() == 1 && found[0].ends_with(told), "{found:?}");
        }
        for good in ["", "8050 = [\"reno\"], 8051 = [\"york\"]"] {
            assert_eq!(shop(good), Vec::<String>::new());
        }
        let market = "[channels.market]\nkind = \"amazon\"\n[channels.market.amazon]\n\
                      endpoint = \"https://sellingpartnerapi-eu.amazon.com\"\nseller = \"A1\"\nmarketplace = \"A2\"\n\
                      client_id = \"c\"\nclient_secret = { env = \"HOME\" }\nrefresh_token = { env = \"HOME\" }\n\
                      locations = [\"reno\", \"reno\"]\n";
        let found = check(market, false);
        assert!(
            found.len() == 1 && found[0].contains("one place"),
            "{found:?}"
        );
    }

    #[test]
    fn names_of_channels_are_ids() {
        for (name, problem) in [
            ("a:b", "may not contain ':'"),
            (" ", "empty"),
            ("a\\tb", "control"),
        ] {
            let found = check(&format!("\n[channels.\"{name}\"]\nkind = \"api\"\n"), false);
            let is_told = |told: &String| told.starts_with("2: channel") && told.contains(problem);
            assert!(found.len() == 1 && is_told(&found[0]), "{name}: {found:?}");
        }
    }

    /// Sold is sold: an order of Amazon is never refused for want of stock.
    #[test]
    fn amazon_never_asks() {
        let account = "[channels.market.amazon]\nendpoint = \"https://a.example\"\nseller = \"S\"\n\
                       marketplace = \"M\"\nclient_id = \"C\"\nclient_secret = { env = \"A\" }\n\
                       refresh_token = { env = \"B\" }\nlocations = [\"reno\"]\n";
        for (sale, told) in [
            ("", None),
            ("sale = \"already_sold\"", None),
            (
                "sale = \"asks\"",
                Some("3: sale: Amazon tells of what it has sold"),
            ),
        ] {
            let text = format!("[channels.market]\nkind = \"amazon\"\n{sale}\n{account}");
            let found = check(&text, false);
            let is_told = |start: &str| found.len() == 1 && found[0].starts_with(start);
            assert!(told.map_or(found.is_empty(), is_told), "{sale}: {found:?}");
        }
    }

    /// (marketplaces of one account, minutes that room is left for, how late lists are, what that must be at least)
    #[test]
    fn channels_of_an_account_leave_room_until_their_turn_to_be_read() {
        let cases = [
            (1, 5, 120, None),
            (2, 8, 120, Some(9)),
            (2, 9, 120, None),
            (2, 9, 121, Some(10)),
            (3, 5, 3, Some(11)),
        ];
        for (channels, unseen, lag_s, least) in cases {
            let channel = |number: u32| {
                format!(
                    "[channels.m{number}]\nkind = \"amazon\"\n[channels.m{number}.amazon]\n\
                     endpoint = \"https://a.example\"\nseller = \"S\"\nmarketplace = \"M{number}\"\n\
                     client_id = \"C\"\nclient_secret = {{ env = \"A\" }}\nrefresh_token = {{ env = \"B\" }}\n\
                     locations = [\"reno\"]\nunseen_minutes = {unseen}\nlist_lag_s = {lag_s}\n"
                )
            };
            let other = channel(9).replace("seller = \"S\"", "seller = \"T\"");
            let other = other.replace(&format!("unseen_minutes = {unseen}"), "unseen_minutes = 5");
            let text: String = (0..channels).map(channel).chain([other]).collect();
            let found = check(&text, false);
            match least {
                None => assert_eq!(found, Vec::<String>::new(), "{channels} {unseen}"),
                Some(least) => {
                    let told = format!("unseen_minutes: expected at least {least}: {channels} ");
                    let is_told = found.iter().all(|told_of| told_of.contains(&told));
                    assert!(is_told && found.len() == channels as usize, "{found:?}");
                    assert!(found[0].starts_with("3: amazon: "), "{found:?}");
                }
            }
        }
    }

    #[test]
    fn no_channel_has_the_name_that_is_kept_for_holds() {
        let text = "[channels.shop]\nkind = \"api\"\n[channels.holds]\nkind = \"api\"\n";
        let told = "3: channel \"holds\" is kept for carts' holds: choose another name";
        assert_eq!(check(text, false), [told]);
    }

    #[test]
    fn a_folder_that_cannot_be_and_an_empty_seed_are_mistakes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("empty.csv");
        std::fs::write(&file, "").unwrap();
        let text = format!(
            "data.dir = \"{0}/in/a/file\"\nseed.skus = {0:?}\n",
            file.display()
        );
        let found = check(&text, true);
        let expected = [
            "1: dir: cannot be made",
            "2: skus: cannot be read: it is empty",
        ];
        let is_told = |(told, start): (&String, &str)| told.starts_with(start);
        assert!(
            found.len() == 2 && found.iter().zip(expected).all(is_told),
            "{found:#?}"
        );
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let parsed = Config::parse(Path::new("c.toml"), "");
        assert_eq!(parsed, Ok(Config::default()));
    }

    /// Where the process was started does not matter.
    #[test]
    fn relative_paths_are_read_from_the_folder_of_the_file() {
        let text = "data.dir = \"d\"\ndata.master_key_file = \"/k\"\nsecrets.s = { file = \"s\" }\nseed.skus = \"../a\"";
        let config = Config::parse(Path::new("shop/c.toml"), text).unwrap();
        assert_eq!(config.data.dir, Path::new("shop/d"));
        assert_eq!(config.data.master_key(), Path::new("/k"));
        assert_eq!(config.secrets["s"], SecretSource::File("shop/s".into()));
        let skus = config.seed.and_then(|seed| seed.skus);
        assert_eq!(skus.as_deref(), Some(Path::new("shop/../a")));
    }
}
