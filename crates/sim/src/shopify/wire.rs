//! How the shop writes ids, times and amounts.

use crossdock_model::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::Value;

/// `gid://shopify/{kind}/{id}`.
pub(super) fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// The number in a GraphQL id of that kind.
pub(super) fn id_of(kind: &str, value: &Value) -> Option<u64> {
    let text = value.as_str()?.strip_prefix("gid://shopify/")?;
    let (found, id) = text.split_once('/')?;
    id.parse().ok().filter(|_| found == kind)
}

/// Whole seconds in the shop's zone, as webhooks have them.
pub(super) fn rest_time(at: Timestamp) -> String {
    written(
        at,
        TimeZone::fixed(Offset::constant(-5)),
        "%Y-%m-%dT%H:%M:%S%:z",
    )
}

/// Whole seconds, as GraphQL has them.
pub(super) fn graphql_time(at: Timestamp) -> String {
    written(at, TimeZone::UTC, "%Y-%m-%dT%H:%M:%SZ")
}

/// As the `Date` of an answer.
pub(super) fn http_time(at: Timestamp) -> String {
    written(at, TimeZone::UTC, "%a, %d %b %Y %H:%M:%S GMT")
}

fn written(at: Timestamp, zone: TimeZone, format: &str) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.as_ms()).unwrap_or_default();
    instant.to_zoned_datetime(zone).strftime(format).to_string()
}

/// An amount with two decimals.
pub(super) fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_the_shop_writes_them() {
        let at = Timestamp::from_ms(1_793_629_800_999);
        assert_eq!(rest_time(at), "2026-11-02T09:30:00-05:00");
        assert_eq!(graphql_time(at), "2026-11-02T14:30:00Z");
        assert_eq!(http_time(at), "Mon, 02 Nov 2026 14:30:00 GMT");
        assert_eq!(dollars(2405), "24.05");
        let gid = Value::from(gid("Order", 820_982_911_946_154_508));
        assert_eq!(id_of("Order", &gid), Some(820_982_911_946_154_508));
        assert_eq!(id_of("Location", &gid), None);
    }
}
