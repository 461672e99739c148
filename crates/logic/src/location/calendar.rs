//! Days of a location, in its own zone.

use crossdock_model::v1::LocationFacts;
use crossdock_model::{Rejection, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub(super) fn check_zone(name: &str) -> Result<(), Rejection> {
    let problem = "expected an IANA time zone, as America/Los_Angeles";
    TimeZone::get(name).map(drop).map_err(|_| Rejection::invalid("time_zone", problem))
}

pub(super) fn check_date(text: &str) -> Result<(), Rejection> {
    let parsed: Result<Date, _> = text.parse();
    parsed.map(drop).map_err(|_| Rejection::invalid("closed_dates", "expected dates, as 2026-12-25"))
}

/// The local days on which work of `now` can be done, from the first on.
pub(super) fn open_days(facts: &LocationFacts, now: Timestamp, ahead: i64) -> Vec<String> {
    let zone = TimeZone::get(&facts.time_zone).unwrap_or(TimeZone::UTC);
    let instant = jiff::Timestamp::from_millisecond(now.as_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let local = zone.to_datetime(instant);
    let minutes = i32::from(local.hour()) * 60 + i32::from(local.minute());
    let too_late = facts.cut_off_minutes.is_some_and(|cut_off| minutes >= i32::from(cut_off));
    let mut days = Vec::new();
    let mut day = local.date();
    for number in 0..ahead {
        let weekday = day.weekday().to_monday_one_offset();
        let closed = facts.closed_weekdays.iter().any(|closed| i16::from(*closed) == i16::from(weekday))
            || facts.closed_dates.contains(&day.to_string());
        if !closed && !(number == 0 && too_late) {
            days.push(day.to_string());
        }
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    days
}
