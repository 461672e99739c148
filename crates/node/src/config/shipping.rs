//! What a channel's ways of sending promise.

use crossdock_channels::{Shipping, ShippingMethod, Within};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Channel;

/// A way of sending, as the channel names it, and what it promises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Title or code of the way, in any case; a `*` at its end stands for whatever follows.
    pub method: String,
    /// The service level of its orders; the channel's name if absent.
    #[serde(default)]
    pub service: Option<String>,
    /// How long after the order it leaves at the latest: `36h`, or `2d` for days of the calendar.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ship_within: Option<Within>,
    /// How long after the order it arrives at the latest.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub deliver_within: Option<Within>,
}

impl Method {
    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let named = !self.method.trim_end_matches('*').trim().is_empty();
        let serviced = self
            .service
            .as_ref()
            .is_none_or(|text| !text.trim().is_empty());
        match (named, serviced) {
            (false, _) => Some("method: expected what the channel calls it, as \"Express\""),
            (_, false) => Some("service: expected a service level, as \"express\""),
            (true, true) => None,
        }
    }
}

impl Channel {
    /// The channel's ways of sending, ready to be asked.
    #[must_use]
    pub fn shipping(&self) -> Shipping {
        let methods = self.shipping.iter().cloned();
        Shipping {
            zone: TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC),
            methods: methods
                .map(|one| ShippingMethod {
                    method: one.method,
                    service: one.service,
                    ship_within: one.ship_within,
                    deliver_within: one.deliver_within,
                })
                .collect(),
        }
    }
}
