//! What orders of a channel are promised by the way they are to be sent: channels name the way, and rarely the times.

use std::fmt;
use std::str::FromStr;

use crossdock_model::Timestamp;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use serde::{Deserialize, Serialize};

/// Longest promise, in days.
const DAYS_MAX: u32 = 365;

/// A time after the order: `36h`, or `2d` for days of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Within {
    /// Hours.
    Hours(u32),
    /// Days: until the same time of a later day.
    Days(u32),
}

impl Within {
    fn span(self) -> Span {
        match self {
            Self::Hours(hours) => i64::from(hours).hours(),
            Self::Days(days) => i64::from(days).days(),
        }
    }
}

impl FromStr for Within {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.split_at_checked(text.len().saturating_sub(1));
        let read = split.and_then(|(number, unit)| {
            let number: u32 = number.parse().ok()?;
            match unit {
                "h" if (1..=DAYS_MAX * 24).contains(&number) => Some(Self::Hours(number)),
                "d" if (1..=DAYS_MAX).contains(&number) => Some(Self::Days(number)),
                _ => None,
            }
        });
        read.ok_or_else(|| format!("expected hours or days up to {DAYS_MAX}, as \"36h\" or \"2d\""))
    }
}

impl TryFrom<String> for Within {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Within> for String {
    fn from(within: Within) -> Self {
        within.to_string()
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hours(hours) => write!(f, "{hours}h"),
            Self::Days(days) => write!(f, "{days}d"),
        }
    }
}

/// A way of sending, and what it promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippingMethod {
    /// What the channel calls it, in any case; with a `*` at its end, what the channel's name begins with.
    pub method: String,
    /// The service level; none: the channel's name.
    pub service: Option<String>,
    /// When it leaves at the latest, after the order.
    pub ship_within: Option<Within>,
    /// When it arrives at the latest, after the order.
    pub deliver_within: Option<Within>,
}

impl ShippingMethod {
    fn is(&self, name: &str) -> bool {
        let (method, name) = (self.method.to_lowercase(), name.to_lowercase());
        match method.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == method,
        }
    }
}

/// Ways of sending of a channel; the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipping {
    /// Whose days are counted.
    pub zone: TimeZone,
    /// The ways.
    pub methods: Vec<ShippingMethod>,
}

/// What an order is promised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promise {
    /// The service level.
    pub service_level: Option<String>,
    /// When it leaves at the latest.
    pub ship_by: Option<Timestamp>,
    /// When it arrives at the latest.
    pub deliver_by: Option<Timestamp>,
}

impl Promise {
    /// What is promised here, and for the rest what is promised otherwise.
    #[must_use]
    pub fn or(self, otherwise: Self) -> Self {
        Self {
            service_level: self.service_level.or(otherwise.service_level),
            ship_by: self.ship_by.or(otherwise.ship_by),
            deliver_by: self.deliver_by.or(otherwise.deliver_by),
        }
    }
}

impl Default for Shipping {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            methods: Vec::new(),
        }
    }
}

impl Shipping {
    /// What is promised to an order placed then that is to be sent in a way of these names, the surest first.
    #[must_use]
    pub fn promise(&self, names: &[String], placed_at: Timestamp) -> Promise {
        let fits = |method: &&ShippingMethod| names.iter().any(|name| method.is(name));
        let found = self.methods.iter().find(fits);
        let own_name = || names.first().map(|name| name.to_lowercase());
        let after = |within: Option<Within>| self.after(placed_at, within?);
        Promise {
            service_level: found
                .and_then(|method| method.service.clone())
                .or_else(own_name),
            ship_by: after(found.and_then(|method| method.ship_within)),
            deliver_by: after(found.and_then(|method| method.deliver_within)),
        }
    }

    fn after(&self, placed_at: Timestamp, within: Within) -> Option<Timestamp> {
        let placed = jiff::Timestamp::from_millisecond(placed_at.as_ms()).ok()?;
        let end = placed
            .to_zoned_datetime(self.zone.clone())
            .checked_add(within.span());
        Some(Timestamp::from_ms(end.ok()?.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::timestamp;

    fn method(method: &str, service: Option<&str>, ship: &str, deliver: &str) -> ShippingMethod {
        ShippingMethod {
            method: method.to_owned(),
            service: service.map(str::to_owned),
            ship_within: ship.parse().ok(),
            deliver_within: deliver.parse().ok(),
        }
    }

    #[test]
    fn the_first_method_that_fits_says_what_is_promised() {
        let shipping = Shipping {
            zone: TimeZone::get("America/New_York").unwrap(),
            methods: vec![
                method("Express", Some("express"), "36h", "2d"),
                method("exp*", None, "1d", ""),
                method("Pick up", Some("pickup"), "", ""),
            ],
        };
        // Two days before, and two days into, the clocks there going back an hour on 1 November.
        let placed = timestamp("2026-10-31T12:00:00-04:00").unwrap();
        let table = [
            (
                vec!["EXPRESS"],
                "express",
                "2026-11-02T04:00:00Z",
                "2026-11-02T17:00:00Z",
            ),
            (
                vec!["dhl-1", "Express"],
                "express",
                "2026-11-02T04:00:00Z",
                "2026-11-02T17:00:00Z",
            ),
            (
                vec!["Express saver"],
                "express saver",
                "2026-11-01T17:00:00Z",
                "",
            ),
            (vec!["pick up"], "pickup", "", ""),
            (vec!["Pick up today"], "pick up today", "", ""),
            (vec![], "", "", ""),
        ];
        for (names, service, ship_by, deliver_by) in table {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let expected = Promise {
                service_level: Some(service.to_owned()).filter(|text| !text.is_empty()),
                ship_by: timestamp(ship_by),
                deliver_by: timestamp(deliver_by),
            };
            assert_eq!(shipping.promise(&names, placed), expected, "{names:?}");
        }
    }

    /// What a channel promised itself stands; what it left open is promised by the way of sending.
    #[test]
    fn a_channels_own_promise_comes_first() {
        let promise = |service: Option<&str>, ship_by: Option<i64>| Promise {
            service_level: service.map(str::to_owned),
            ship_by: ship_by.map(Timestamp::from_ms),
            deliver_by: None,
        };
        let merged = promise(None, Some(1)).or(promise(Some("express"), Some(2)));
        assert_eq!(merged, promise(Some("express"), Some(1)));
    }

    #[test]
    fn spans_are_hours_or_days() {
        for text in ["1h", "36h", "365d"] {
            assert_eq!(text.parse::<Within>().unwrap().to_string(), text);
        }
        for text in ["", "d", "0d", "366d", "2w", "-1d", "1.5d", "2 d", "3ü"] {
            assert!(text.parse::<Within>().is_err(), "{text}");
        }
    }
}
