//! What a location's facts may say.

use crossdock_model::Rejection;
use crossdock_model::v1::{Connector, LocationFacts};

use super::calendar;

/// Closed dates, groups and services a location may list, each.
const LIST_MAX: usize = 1_000;
const MINUTES_PER_DAY: u16 = 24 * 60;
/// Longest time a location may take to acknowledge a request: 30 days.
const ACKNOWLEDGE_MINUTES_MAX: u32 = 30 * 24 * 60;

/// Refuses facts that cannot be, by the first field that is wrong.
pub(super) fn check(facts: &LocationFacts) -> Result<(), Rejection> {
    calendar::check_zone(&facts.time_zone)?;
    facts
        .closed_dates
        .iter()
        .try_for_each(|date| calendar::check_date(date))?;
    wrong(facts).map_or(Ok(()), |(field, problem)| {
        Err(Rejection::invalid(field, problem))
    })?;
    let lists = [&facts.closed_dates, &facts.groups, &facts.services];
    match lists.iter().any(|list| list.len() > LIST_MAX) {
        true => Err(Rejection::Limit {
            what: "closed dates, groups or services of a location".to_owned(),
            max: LIST_MAX as u64,
        }),
        false => Ok(()),
    }
}

fn wrong(facts: &LocationFacts) -> Option<(&'static str, &'static str)> {
    let country = facts.address.country.as_bytes();
    let weekdays = &facts.closed_weekdays;
    let on_earth = |(lat, lon): (i32, i32)| {
        lat.unsigned_abs() <= 90_000_000 && lon.unsigned_abs() <= 180_000_000
    };
    let rules = [
        (
            !facts.name.trim().is_empty(),
            ("name", "expected what people call the location"),
        ),
        (
            country.len() == 2 && country.iter().all(u8::is_ascii_uppercase),
            (
                "address.country",
                "expected two capital letters (ISO 3166-1), as US",
            ),
        ),
        (
            weekdays.iter().all(|day| (1..=7).contains(day)),
            ("closed_weekdays", "expected 1 (Monday) to 7 (Sunday)"),
        ),
        (
            facts.cut_off_minutes.is_none_or(|at| at < MINUTES_PER_DAY),
            ("cut_off", "expected a time of day, as 14:00"),
        ),
        (
            facts.coordinates.is_none_or(on_earth),
            (
                "coordinates",
                "expected a latitude and a longitude in degrees",
            ),
        ),
        (
            (1..=ACKNOWLEDGE_MINUTES_MAX).contains(&facts.acknowledge_within_minutes),
            (
                "acknowledge_within_minutes",
                "expected 1 minute to 30 days (43200)",
            ),
        ),
        (
            can_be_called(&facts.connector),
            (
                "connector",
                "expected a URL that begins with https:// or http://, and the name of its secret",
            ),
        ),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map(|(_, w)| w)
}

fn can_be_called(connector: &Connector) -> bool {
    match connector {
        Connector::Pull => true,
        Connector::Webhook { url, secret_name } => {
            let http = ["https://", "http://"].iter().any(|s| url.starts_with(s));
            http && !secret_name.is_empty()
        }
    }
}
