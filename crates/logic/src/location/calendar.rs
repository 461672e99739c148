//! Days of a location, in its own zone. The zones' rules are part of the program: nothing is looked up.

use crossdock_model::v1::LocationFacts;
use crossdock_model::{Duration, Rejection, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Days in which a location's time to acknowledge is looked for: the longest one, and a year of closed days.
const ACKNOWLEDGE_DAYS: usize = 30 + 366;

pub(super) fn check_zone(name: &str) -> Result<(), Rejection> {
    let problem = "expected an IANA time zone, as America/Los_Angeles";
    TimeZone::get(name)
        .map(drop)
        .map_err(|_| Rejection::invalid("time_zone", problem))
}

/// A closed date is compared as text, so only the one spelling is taken.
pub(super) fn check_date(text: &str) -> Result<(), Rejection> {
    let parsed: Option<Date> = text.parse().ok();
    match parsed.is_some_and(|date| date.to_string() == text) {
        true => Ok(()),
        false => Err(Rejection::invalid(
            "closed_dates",
            "expected dates, as 2026-12-25",
        )),
    }
}

/// The local day of `now`.
pub(super) fn today(facts: &LocationFacts, now: Timestamp) -> String {
    local(facts, now).date().to_string()
}

/// The local days among the next so many on which work that comes in now can be done, earliest first.
pub(super) fn open_days(
    facts: &LocationFacts,
    now: Timestamp,
    ahead: usize,
) -> impl Iterator<Item = String> {
    let days = working_days(facts, now, ahead);
    days.map(|day| day.to_string())
}

/// By when the location acknowledges a request made out now. Its time runs from when work on the request can
/// begin, on open days only; a location without open days is given the plain time.
#[must_use]
pub fn acknowledge_by(facts: &LocationFacts, now: Timestamp) -> Timestamp {
    let within = Duration::from_minutes(u64::from(facts.acknowledge_within_minutes));
    let mut left_ms = within.as_ms();
    for day in working_days(facts, now, ACKNOWLEDGE_DAYS) {
        let (begin, end) = (starts_at(facts, day), day.tomorrow().ok());
        let begin = begin.map(|begin| begin.max(now));
        let end = end.and_then(|end| starts_at(facts, end));
        let (Some(begin), Some(end)) = (begin, end) else {
            break;
        };
        let open_ms = end.since(begin).as_ms();
        if left_ms <= open_ms {
            return begin + Duration::from_ms(left_ms);
        }
        left_ms -= open_ms;
    }
    now + within
}

/// Open days from now on; today only before the cut-off.
fn working_days(facts: &LocationFacts, now: Timestamp, ahead: usize) -> impl Iterator<Item = Date> {
    let local = local(facts, now);
    let minutes = i32::from(local.hour()) * 60 + i32::from(local.minute());
    let too_late = facts
        .cut_off_minutes
        .is_some_and(|cut_off| minutes >= i32::from(cut_off));
    std::iter::successors(Some(local.date()), |day| day.tomorrow().ok())
        .take(ahead)
        .skip(usize::from(too_late))
        .filter(|day| is_open(facts, *day))
}

fn is_open(facts: &LocationFacts, day: Date) -> bool {
    let weekday = day.weekday().to_monday_one_offset();
    let mut closed = facts.closed_weekdays.iter();
    !closed.any(|closed| i16::from(*closed) == i16::from(weekday))
        && !facts.closed_dates.contains(&day.to_string())
}

fn local(facts: &LocationFacts, now: Timestamp) -> DateTime {
    let instant =
        jiff::Timestamp::from_millisecond(now.as_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    zone(facts).to_datetime(instant)
}

/// The first instant of a local day.
fn starts_at(facts: &LocationFacts, day: Date) -> Option<Timestamp> {
    let start = zone(facts).to_timestamp(day.at(0, 0, 0, 0)).ok()?;
    Some(Timestamp::from_ms(start.as_millisecond()))
}

fn zone(facts: &LocationFacts) -> TimeZone {
    TimeZone::get(&facts.time_zone).unwrap_or(TimeZone::UTC)
}
