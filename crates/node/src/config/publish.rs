//! What is published to a channel, and how.

use std::collections::BTreeMap;

use crossdock_model::v1::{Buffer, ChannelMode, ChannelPlace, Publishing, Writes};
use crossdock_model::{ChannelId, Duration, LocationId, SourceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretSource;

/// A call that has not ended after that is of unknown outcome. The connector gives up before.
const CALL_FOR: Duration = Duration::from_s(15);
/// Most units kept back: more is as good as showing none.
const BUFFER_UNITS_MAX: u32 = 1_000_000;

/// What is published to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Where the shop is, without a path: `https://example.myshopify.com`.
    pub url: String,
    /// The app's access token.
    pub token: SecretSource,
    /// The shop's place by its id, and the locations whose stock it sells: `{ 8050 = ["reno", "york"] }`.
    pub places: BTreeMap<String, Vec<String>>,
    /// Units of each listing that are kept back.
    #[serde(default)]
    pub buffer_units: u32,
    /// Points of the shop's API a second (100 on its smallest plan).
    #[serde(default = "points")]
    pub points_per_s: u32,
    /// Minutes after which a number that is still wrong becomes an exception.
    #[serde(default = "wrong")]
    pub wrong_minutes: u32,
    /// Minutes in which every number is looked at once, whether the channel still shows it; longer where its rate does
    /// not allow that.
    #[serde(default = "recheck")]
    pub recheck_minutes: u32,
}

fn points() -> u32 {
    100
}

fn wrong() -> u32 {
    10
}

fn recheck() -> u32 {
    60
}

impl Publish {
    /// What is wrong with it, each with the setting concerned.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let has_scheme = |scheme: &str| self.url.starts_with(scheme);
        let is_id = |text: &String| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let mut locations = self.places.values().flatten();
        let checks = [
            (
                has_scheme("https://") || has_scheme("http://127.0.0.1"),
                "url",
                "expected where the shop is, as \"https://example.myshopify.com\"",
            ),
            (
                self.places.len() == 1 && self.places.keys().all(is_id),
                "places",
                "expected one place by its id, as { 8050 = [\"reno\"] }: several cannot be published to yet",
            ),
            (
                self.places.values().all(|named| !named.is_empty())
                    && locations.all(|named| LocationId::new(named.as_str()).is_ok()),
                "places",
                "expected the ids of locations whose stock is sold there, as [\"reno\"]",
            ),
            (
                self.buffer_units <= BUFFER_UNITS_MAX,
                "buffer_units",
                "expected at most 1000000 units",
            ),
            (
                (1..=10_000).contains(&self.points_per_s),
                "points_per_s",
                "expected 1 to 10000 points",
            ),
            (
                (1..=10_080).contains(&self.wrong_minutes),
                "wrong_minutes",
                "expected 1 to 10080 minutes",
            ),
            (
                (1..=10_080).contains(&self.recheck_minutes),
                "recheck_minutes",
                "expected 1 to 10080 minutes",
            ),
        ];
        let wrong = checks.into_iter().filter(|(good, _, _)| !good);
        wrong.map(|(_, key, what)| (key, what)).collect()
    }

    /// As the channel is told. Mode, pauses and version are the channel's own.
    ///
    /// # Errors
    /// When a place or location is no id.
    pub fn publishing(&self, channel: &ChannelId) -> anyhow::Result<Publishing> {
        let place = |(id, locations): (&String, &Vec<String>)| {
            let locations = locations.iter().map(|id| LocationId::new(id.as_str()));
            anyhow::Ok(ChannelPlace {
                place: SourceId::new(format!("{channel}/{id}"))?,
                locations: locations.collect::<Result<_, _>>()?,
            })
        };
        Ok(Publishing {
            version: 0,
            mode: ChannelMode::Observed,
            writes: Writes::CompareAndSet,
            places: self
                .places
                .iter()
                .map(place)
                .collect::<anyhow::Result<_>>()?,
            buffer: Buffer::Fixed {
                units: self.buffer_units,
            },
            unseen_for: Duration::default(),
            unseen_risk_ppm: 0,
            call_for: CALL_FOR,
            wrong_for: Duration::from_minutes(self.wrong_minutes.into()),
            paused_skus: Vec::new(),
            paused_locations: Vec::new(),
        })
    }
}
