//! A fulfilment location: what it is, how much it can do in a day, whether its connector works.

mod calendar;

use std::collections::BTreeMap;

use crossdock_model::command::LocationCommand;
use crossdock_model::v1::{LocationEvent, LocationFacts};
use crossdock_model::{Answer, Duration, EntityId, OrderId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};
use crate::entity::DEDUP_WINDOW;

/// Days ahead in which capacity is looked for.
const DAYS_AHEAD: i64 = 14;

/// State of a location.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LocationState {
    facts: Option<Box<LocationFacts>>,
    /// Per order: the attempt that holds capacity, its local day and units.
    taken: BTreeMap<OrderId, (u32, String, u32)>,
    per_day: BTreeMap<String, u32>,
    /// Per order the highest attempt that was given back, and when: a late request for it is refused.
    closed: BTreeMap<OrderId, (u32, Timestamp)>,
    failing_since: Option<Timestamp>,
}

impl Decider for LocationState {
    type Command = LocationCommand;
    type Event = LocationEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        command: &LocationCommand,
    ) -> Result<Decision<LocationEvent>, Rejection> {
        match command {
            LocationCommand::Define(facts) => self.define(asked, facts),
            LocationCommand::TakeCapacity { order, attempt, units } => {
                self.take(asked, order, *attempt, *units)
            }
            LocationCommand::ReleaseCapacity { order, attempt } => Ok(self.release(order, *attempt)),
            LocationCommand::ConnectorFailed { error } => {
                let failed = LocationEvent::ConnectorFailed { at: asked.now, error: error.clone() };
                Ok(Decision::done(match self.failing_since {
                    None => vec![failed],
                    Some(_) => Vec::new(),
                }))
            }
            LocationCommand::ConnectorWorked => {
                let worked = LocationEvent::ConnectorWorked { at: asked.now };
                Ok(Decision::done(match self.failing_since {
                    Some(_) => vec![worked],
                    None => Vec::new(),
                }))
            }
        }
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Ok(Answer::Location(Box::new(self.known(asked)?.clone())))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &LocationEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event {
            LocationEvent::Defined(facts) => self.facts = Some(facts.clone()),
            LocationEvent::CapacityTaken { order, attempt, day, units } => {
                self.give_back(order);
                *self.per_day.entry(day.clone()).or_default() += units;
                self.taken.insert(order.clone(), (*attempt, day.clone(), *units));
            }
            LocationEvent::CapacityReleased { order, attempt } => {
                if self.taken.get(order).is_some_and(|(held, ..)| held <= attempt) {
                    self.give_back(order);
                }
                let closed = self.closed.entry(order.clone()).or_insert((*attempt, at));
                *closed = (closed.0.max(*attempt), at);
            }
            LocationEvent::DaysClosed { before } => self.forget(before, at),
            LocationEvent::ConnectorFailed { at, .. } => self.failing_since = Some(*at),
            LocationEvent::ConnectorWorked { .. } => self.failing_since = None,
        }
        Ok(())
    }
}

impl LocationState {
    /// What the location is, once defined.
    #[must_use]
    pub fn facts(&self) -> Option<&LocationFacts> {
        self.facts.as_deref()
    }

    fn known(&self, asked: &Asked<'_>) -> Result<&LocationFacts, Rejection> {
        self.facts().ok_or_else(|| Rejection::NotFound(asked.id.to_string()))
    }

    fn define(
        &self,
        asked: &Asked<'_>,
        facts: &LocationFacts,
    ) -> Result<Decision<LocationEvent>, Rejection> {
        if EntityId::Location(facts.location.clone()) != *asked.id {
            return Err(Rejection::invalid("location", "is not the location that is asked"));
        }
        check(facts)?;
        Ok(match self.facts.as_deref() == Some(facts) {
            true => Decision::unchanged(Answer::Done),
            false => Decision::done(vec![LocationEvent::Defined(Box::new(facts.clone()))]),
        })
    }

    fn take(
        &self,
        asked: &Asked<'_>,
        order: &OrderId,
        attempt: u32,
        units: u32,
    ) -> Result<Decision<LocationEvent>, Rejection> {
        let facts = self.known(asked)?;
        let wait = Duration::from_minutes(u64::from(facts.acknowledge_within_minutes));
        let granted = |day: String| Answer::CapacityGranted { day, acknowledge_by: asked.now + wait };
        if let Some((held, day, _)) = self.taken.get(order)
            && *held == attempt
        {
            return Ok(Decision::unchanged(granted(day.clone())));
        }
        if self.closed.get(order).is_some_and(|(closed, _)| attempt <= *closed) {
            return Err(Rejection::Superseded);
        }
        let days = calendar::open_days(facts, asked.now, DAYS_AHEAD);
        let Some(capacity) = facts.capacity_units_per_day else {
            return Ok(Decision::unchanged(granted(days.first().cloned().unwrap_or_default())));
        };
        let room = |day: &&String| self.per_day.get(*day).copied().unwrap_or(0) + units <= capacity;
        let Some(day) = days.iter().find(room).cloned() else {
            return Err(Rejection::CapacityFull { day: days.first().cloned().unwrap_or_default() });
        };
        let mut events = Vec::new();
        if let (Some(first), Some(oldest)) = (days.first(), self.per_day.keys().next())
            && oldest < first
        {
            events.push(LocationEvent::DaysClosed { before: first.clone() });
        }
        let order = order.clone();
        events.push(LocationEvent::CapacityTaken { order, attempt, day: day.clone(), units });
        Ok(Decision { events, answer: granted(day), notices: Vec::new() })
    }

    fn release(&self, order: &OrderId, attempt: u32) -> Decision<LocationEvent> {
        let unlimited = self.facts().is_none_or(|facts| facts.capacity_units_per_day.is_none());
        let closed = self.closed.get(order).is_some_and(|(closed, _)| attempt <= *closed);
        if closed || (unlimited && !self.taken.contains_key(order)) {
            return Decision::unchanged(Answer::Done);
        }
        Decision::done(vec![LocationEvent::CapacityReleased { order: order.clone(), attempt }])
    }

    fn give_back(&mut self, order: &OrderId) {
        if let Some((_, day, units)) = self.taken.remove(order)
            && let Some(sum) = self.per_day.get_mut(&day)
        {
            *sum = sum.saturating_sub(units);
        }
    }

    fn forget(&mut self, before: &str, at: Timestamp) {
        self.per_day.retain(|day, _| day.as_str() >= before);
        self.taken.retain(|_, (_, day, _)| day.as_str() >= before);
        self.closed.retain(|_, (_, closed)| at.since(*closed) <= DEDUP_WINDOW);
    }
}

fn check(facts: &LocationFacts) -> Result<(), Rejection> {
    calendar::check_zone(&facts.time_zone)?;
    let country = &facts.address.country;
    if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Rejection::invalid("country", "expected two capital letters (ISO 3166-1), as US"));
    }
    if !facts.closed_weekdays.iter().all(|day| (1..=7).contains(day)) {
        return Err(Rejection::invalid("closed_weekdays", "expected 1 (Monday) to 7 (Sunday)"));
    }
    if facts.cut_off_minutes.is_some_and(|minutes| minutes >= 24 * 60) {
        return Err(Rejection::invalid("cut_off", "expected a time of day, as 14:00"));
    }
    let in_range = |(lat, lon): (i32, i32)| lat.abs() <= 90_000_000 && lon.abs() <= 180_000_000;
    if !facts.coordinates.is_none_or(in_range) {
        return Err(Rejection::invalid("coordinates", "expected a latitude and a longitude in degrees"));
    }
    facts.closed_dates.iter().try_for_each(|date| calendar::check_date(date))
}
