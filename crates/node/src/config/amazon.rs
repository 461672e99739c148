//! A seller's account on Amazon: how it is called, and what is published to it.

use crossdock_channels::keeps_secrets;
use crossdock_model::v1::{ChannelPlace, Publishing, Uncounted, Writes};
use crossdock_model::{ChannelId, Duration, LocationId, SourceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretSource;
use super::publish::{KeptBack, MeasuredBuffer, published, risk_ppm, spans};

/// The fulfilment channel whose number is set: what the seller ships.
const PLACE: &str = "DEFAULT";
/// Minutes in which Amazon allows an account one list of orders.
const LIST_EVERY_MINUTES: u32 = 3;
/// Seconds by which a read may be late without anything being lowered for it.
const READ_SLACK_S: u64 = 30;

/// A seller's account on one marketplace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amazon {
    /// Where the API of its region is: `https://sellingpartnerapi-eu.amazon.com`.
    pub endpoint: String,
    /// Where tokens are granted.
    #[serde(default = "token_endpoint")]
    pub token_endpoint: String,
    /// The seller's id.
    pub seller: String,
    /// The marketplace's id, `A1PA6795UKMFR9`.
    pub marketplace: String,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretSource,
    /// What the seller authorised the application by.
    pub refresh_token: SecretSource,
    /// Of all listings; their numbers may be set as `PRODUCT` whatever they are.
    #[serde(default = "product")]
    pub product_type: String,
    /// The locations whose stock it sells.
    pub locations: Vec<String>,
    /// Units of each listing that are kept back.
    #[serde(default)]
    pub buffer_units: u32,
    /// As many units of each listing kept back as others sell until Amazon shows it, in place of `buffer_units`.
    #[serde(default)]
    pub buffer: Option<MeasuredBuffer>,
    /// Minutes from a sale on Amazon until its unit is taken off the stock here, at the 99th percentile. Where channels share an
    /// account, at least three for each of them, and as many as lists are late.
    #[serde(default = "unseen")]
    pub unseen_minutes: u32,
    /// Risk at which more was sold in that time than room is left for.
    #[serde(default = "risk")]
    pub unseen_risk: f64,
    /// Minutes from handing over a feed until Amazon has set its numbers, at the 99th percentile: they leave room for what
    /// is sold until then.
    #[serde(default = "feed")]
    pub feed_minutes: u32,
    /// Seconds by which Amazon's lists of orders are late.
    #[serde(default = "list_lag")]
    pub list_lag_s: u32,
    /// Minutes after which a number that is still wrong becomes an exception.
    #[serde(default = "wrong")]
    pub wrong_minutes: u32,
    /// Minutes in which every number is looked at once, whether Amazon still shows it; longer where its rate does not
    /// allow that.
    #[serde(default = "recheck")]
    pub recheck_minutes: u32,
}

fn token_endpoint() -> String {
    "https://api.amazon.com/auth/o2/token".to_owned()
}

fn product() -> String {
    "PRODUCT".to_owned()
}

fn unseen() -> u32 {
    5
}

fn risk() -> f64 {
    0.001
}

fn feed() -> u32 {
    15
}

fn list_lag() -> u32 {
    120
}

fn wrong() -> u32 {
    30
}

fn recheck() -> u32 {
    60
}

impl Amazon {
    /// Names the account that it is on, whose channels share what it may call.
    pub(crate) fn account(&self) -> [String; 3] {
        let endpoint = self.endpoint.trim_end_matches('/');
        [endpoint, &self.seller, &self.client_id].map(str::to_owned)
    }

    /// How often the orders of each of so many channels of an account can be read.
    pub(crate) fn read_every(channels: u32) -> Duration {
        Duration::from_minutes(u64::from(LIST_EVERY_MINUTES) * u64::from(channels))
    }

    /// What `unseen_minutes` must be at least where so many channels share the account: orders are read as seldom, and a ninth
    /// more seldom where what Amazon sends is listed apart; and their lists are late.
    pub(super) fn unseen_minutes_min(&self, channels: u32) -> u32 {
        let every = LIST_EVERY_MINUTES.saturating_mul(channels);
        let every = every.saturating_add(every.div_ceil(9));
        every.saturating_add(self.list_lag_s.div_ceil(60))
    }

    /// After so long without a read more may be sold unseen than there is room for as a rule. A read may be a little late.
    pub(crate) fn behind_after(&self) -> Duration {
        Duration::from_s(u64::from(self.unseen_minutes) * 60 + READ_SLACK_S)
    }

    fn kept_back(&self) -> KeptBack<'_> {
        KeptBack {
            units: self.buffer_units,
            measured: self.buffer.as_ref(),
        }
    }

    /// What is wrong with it, each with the setting concerned.
    pub(super) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let is_id = |text: &str| !text.trim().is_empty();
        let mut locations = self.locations.iter();
        let checks = [
            (
                keeps_secrets(&self.endpoint),
                "endpoint",
                "expected where the API of the region is, as \"https://sellingpartnerapi-eu.amazon.com\"",
            ),
            (
                keeps_secrets(&self.token_endpoint),
                "token_endpoint",
                "expected where tokens are granted, as \"https://api.amazon.com/auth/o2/token\"",
            ),
            (is_id(&self.seller), "seller", "expected the seller's id"),
            (
                is_id(&self.marketplace),
                "marketplace",
                "expected the marketplace's id, as \"A1PA6795UKMFR9\"",
            ),
            (
                is_id(&self.client_id),
                "client_id",
                "expected the application's id",
            ),
            (
                !self.locations.is_empty()
                    && locations.all(|named| LocationId::new(named.as_str()).is_ok()),
                "locations",
                "expected the ids of locations whose stock is sold there, as [\"reno\"]",
            ),
            (
                (1..=60).contains(&self.unseen_minutes),
                "unseen_minutes",
                "expected 1 to 60 minutes",
            ),
            (
                (1..=120).contains(&self.feed_minutes),
                "feed_minutes",
                "expected 1 to 120 minutes",
            ),
            (
                self.unseen_risk > 0.0 && self.unseen_risk < 1.0,
                "unseen_risk",
                "expected a risk between 0 and 1, as 0.001",
            ),
        ];
        let spans = spans(self.list_lag_s, self.wrong_minutes, self.recheck_minutes);
        let checks = checks.into_iter().chain(spans);
        let wrong = checks.filter(|(good, _, _)| !good);
        let wrong = wrong.map(|(_, key, what)| (key, what));
        wrong.chain(self.kept_back().problems()).collect()
    }

    /// As the channel is told. Mode, pauses and version are the channel's own.
    ///
    /// # Errors
    /// When a location is no id.
    pub(super) fn publishing(&self, channel: &ChannelId) -> anyhow::Result<Publishing> {
        let locations = self.locations.iter().map(|id| LocationId::new(id.as_str()));
        let place = ChannelPlace {
            place: SourceId::new(format!("{channel}/{PLACE}"))?,
            locations: locations.collect::<Result<_, _>>()?,
        };
        let wrong_for = Duration::from_minutes(self.wrong_minutes.into());
        let buffer = self.kept_back().buffer();
        Ok(Publishing {
            // What has no number at the place of what the seller ships, Amazon ships.
            uncounted: Uncounted::SentByChannel,
            unseen_for: Duration::from_minutes(self.unseen_minutes.into()),
            unseen_risk_ppm: risk_ppm(self.unseen_risk),
            ..published(Writes::Absolute, vec![place], buffer, wrong_for)
        })
    }
}
