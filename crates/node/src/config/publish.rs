//! What is published to a channel, and how.

use std::collections::BTreeMap;

use crossdock_channels::{keeps_secrets, shopify};
use crossdock_logic::oversell::risk_of_costs;
use crossdock_model::v1::{Buffer, ChannelPlace, Publishing, Writes};
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
    /// Where the shop reaches this server, `https://orders.example.com/webhooks/shop`: the webhooks it needs are
    /// subscribed there, and again when the shop has deleted them.
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// The shop's place by its id, and the locations whose stock it sells: `{ 8050 = ["reno", "york"] }`. Without any,
    /// nothing is published; `crossdock channel places` lists them.
    #[serde(default)]
    pub places: BTreeMap<String, Vec<String>>,
    /// Units of each listing that are kept back.
    #[serde(default)]
    pub buffer_units: u32,
    /// As many units of each listing kept back as others sell until the shop shows it, in place of `buffer_units`.
    #[serde(default)]
    pub buffer: Option<MeasuredBuffer>,
    /// Seconds by which the shop's list of changed orders is late.
    #[serde(default = "list_lag")]
    pub list_lag_s: u32,
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
    /// Whether the shop writes to the buyer when it is told of a parcel, or that an order was given up.
    #[serde(default = "super::yes")]
    pub notify_buyers: bool,
    /// Whether the money of an order that was given up goes back the way it came.
    #[serde(default)]
    pub refund_cancelled: bool,
}

/// Units kept back as formulas say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasuredBuffer {
    /// Risk at which others sell more than is kept back, until the channel shows it. Or both costs below.
    #[serde(default)]
    pub risk: Option<f64>,
    /// What an oversold unit costs (refund, work, standing with the channel), in any money.
    #[serde(default)]
    pub oversold_costs: Option<f64>,
    /// What a unit costs that is not shown until then (its margin, if it would have been sold), in the same money: by both
    /// costs the risk is set at which a unit more is not worth being hidden.
    #[serde(default)]
    pub hidden_costs: Option<f64>,
    /// Seconds from a sale elsewhere until the channel shows it, at the 99th percentile; longer while it is measured to
    /// take longer.
    pub lag_s: u32,
    /// Units kept back at least.
    #[serde(default)]
    pub floor_units: u32,
    /// Units kept back at most.
    #[serde(default = "cap")]
    pub cap_units: u32,
}

impl MeasuredBuffer {
    /// The risk that is named, or follows from the costs; `None`: neither is named, or both are.
    fn wanted_risk(&self) -> Option<f64> {
        match (self.risk, self.oversold_costs, self.hidden_costs) {
            (Some(risk), None, None) => Some(risk),
            (None, Some(over), Some(under)) if over > 0.0 && under > 0.0 => {
                Some(risk_of_costs(over, under))
            }
            _ => None,
        }
    }
}

fn cap() -> u32 {
    100
}

fn list_lag() -> u32 {
    5
}

/// What is kept back, as a section of the configuration says it.
pub(super) struct KeptBack<'a> {
    pub units: u32,
    pub measured: Option<&'a MeasuredBuffer>,
}

impl KeptBack<'_> {
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let fits = |check: fn(&MeasuredBuffer) -> bool| self.measured.is_none_or(check);
        let checks = [
            (
                self.units <= BUFFER_UNITS_MAX,
                "buffer_units",
                "expected at most 1000000 units",
            ),
            (
                self.units == 0 || self.measured.is_none(),
                "buffer",
                "expected either buffer_units or buffer",
            ),
            (
                fits(|one| {
                    one.wanted_risk()
                        .is_some_and(|risk| risk > 0.0 && risk < 1.0)
                }),
                "buffer",
                "expected a risk between 0 and 1, as 0.001, or oversold_costs and hidden_costs above 0",
            ),
            (
                fits(|one| (1..=86_400).contains(&one.lag_s)),
                "buffer",
                "expected lag_s from 1 to 86400 seconds",
            ),
            (
                fits(|one| one.floor_units <= one.cap_units && one.cap_units <= BUFFER_UNITS_MAX),
                "buffer",
                "expected floor_units that are not more than cap_units, and those at most 1000000",
            ),
        ];
        let wrong = checks.into_iter().filter(|(good, _, _)| !good);
        wrong.map(|(_, key, what)| (key, what)).collect()
    }

    pub(super) fn buffer(&self) -> Buffer {
        match self.measured {
            None => Buffer::Fixed { units: self.units },
            Some(measured) => Buffer::Measured {
                risk_ppm: risk_ppm(measured.wanted_risk().unwrap_or_default()),
                lag: Duration::from_s(measured.lag_s.into()),
                floor_units: measured.floor_units,
                cap_units: measured.cap_units,
            },
        }
    }
}

/// A risk in millionths, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share from 0 to 1"
)]
pub(super) fn risk_ppm(risk: f64) -> u32 {
    ((risk.clamp(0.0, 1.0) * 1_000_000.0).round() as u32).max(1)
}

/// What is published, before the channel's own say.
pub(super) fn published(
    writes: Writes,
    places: Vec<ChannelPlace>,
    buffer: Buffer,
    wrong_for: Duration,
) -> Publishing {
    Publishing {
        buffer,
        call_for: CALL_FOR,
        wrong_for,
        ..Publishing::plain(writes, places)
    }
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

/// Whether these are as long as they may be, each with its setting and what is expected.
pub(super) fn spans(
    list_lag_s: u32,
    wrong_minutes: u32,
    recheck_minutes: u32,
) -> [(bool, &'static str, &'static str); 3] {
    let up_to_a_week = |minutes| (1..=10_080).contains(&minutes);
    let minutes = "expected 1 to 10080 minutes";
    [
        (
            list_lag_s <= 3_600,
            "list_lag_s",
            "expected at most 3600 seconds",
        ),
        (up_to_a_week(wrong_minutes), "wrong_minutes", minutes),
        (up_to_a_week(recheck_minutes), "recheck_minutes", minutes),
    ]
}

impl Publish {
    /// What is wrong with it, each with the setting concerned.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let is_id = |text: &String| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let mut locations = self.places.values().flatten();
        let checks = [
            (
                keeps_secrets(&self.url),
                "url",
                "expected where the shop is, as \"https://example.myshopify.com\"",
            ),
            (
                self.webhook_url.as_deref().is_none_or(keeps_secrets),
                "webhook_url",
                "expected where the shop reaches this server, as \"https://orders.example.com/webhooks/shop\"",
            ),
            (
                self.places.keys().all(is_id),
                "places",
                "expected places by their ids, as { 8050 = [\"reno\"] }",
            ),
            (
                self.places.values().all(|named| !named.is_empty())
                    && locations.all(|named| LocationId::new(named.as_str()).is_ok()),
                "places",
                "expected the ids of locations whose stock is sold there, as [\"reno\"]",
            ),
            (
                (1..=10_000).contains(&self.points_per_s),
                "points_per_s",
                "expected 1 to 10000 points",
            ),
        ];
        let spans = spans(self.list_lag_s, self.wrong_minutes, self.recheck_minutes);
        let checks = checks.into_iter().chain(spans);
        let wrong = checks.filter(|(good, _, _)| !good);
        let wrong = wrong.map(|(_, key, what)| (key, what));
        wrong.chain(self.kept_back().problems()).collect()
    }

    fn kept_back(&self) -> KeptBack<'_> {
        KeptBack {
            units: self.buffer_units,
            measured: self.buffer.as_ref(),
        }
    }

    /// As the channel is told. Mode, pauses and version are the channel's own.
    ///
    /// # Errors
    /// When a place or location is no id.
    pub(super) fn publishing(&self, channel: &ChannelId) -> anyhow::Result<Publishing> {
        let place = |(id, locations): (&String, &Vec<String>)| {
            let locations = locations.iter().map(|id| LocationId::new(id.as_str()));
            anyhow::Ok(ChannelPlace {
                place: SourceId::new(format!("{channel}/{id}"))?,
                locations: locations.collect::<Result<_, _>>()?,
            })
        };
        let places = self.places.iter().map(place);
        let wrong_for = Duration::from_minutes(self.wrong_minutes.into());
        let buffer = self.kept_back().buffer();
        let places = places.collect::<anyhow::Result<_>>()?;
        Ok(Publishing {
            counted: shopify::COUNTED.to_owned(),
            ..published(Writes::CompareAndSet, places, buffer, wrong_for)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (what is said, the risk in millionths at which units are kept back; none of what is a mistake)
    #[test]
    fn a_risk_is_named_or_follows_from_costs() {
        let cases = [
            ("risk = 0.001", Some(1_000)),
            ("oversold_costs = 30\nhidden_costs = 4.0", Some(117_647)),
            ("oversold_costs = 999\nhidden_costs = 1", Some(1_000)),
            ("", None),
            ("risk = 1", None),
            ("oversold_costs = 30", None),
            ("oversold_costs = 30\nhidden_costs = 0", None),
            ("risk = 0.1\noversold_costs = 30\nhidden_costs = 4", None),
        ];
        for (words, expected) in cases {
            let measured: MeasuredBuffer = toml::from_str(&format!("lag_s = 5\n{words}")).unwrap();
            let kept = KeptBack {
                units: 0,
                measured: Some(&measured),
            };
            let is_good = kept.problems().is_empty();
            assert_eq!(is_good, expected.is_some(), "{words}");
            if let (Some(ppm), Buffer::Measured { risk_ppm, .. }) = (expected, kept.buffer()) {
                assert_eq!(risk_ppm, ppm, "{words}");
            }
        }
    }
}
