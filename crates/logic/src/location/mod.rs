//! A fulfilment location: what it is and how much it can do in a day.
//!
//! Capacity is taken by an attempt of an order together with the stock, for the next open local day that has
//! room, and given back by the same attempt. A location without a limit keeps nothing and writes nothing: its
//! answer costs no flush.

mod calendar;
mod check;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crossdock_model::command::LocationCommand;
use crossdock_model::v1::{LocationEvent, LocationFacts};
use crossdock_model::{Answer, Duration, EntityId, OrderId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};
use crate::kept::Kept;

pub use calendar::acknowledge_by;

/// Days in which capacity is looked for, today included.
pub const DAYS_AHEAD: usize = 14;
/// Most orders of which it is remembered within the dedup window that they gave capacity back.
pub const CLOSED_MAX: usize = 100_000;

/// State of a location.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LocationState {
    facts: Option<Box<LocationFacts>>,
    /// Since when it names its source of stock truth.
    source_since: Option<Timestamp>,
    /// By order and attempt: several attempts of one order may hold capacity, for what each of them placed.
    taken: BTreeMap<(OrderId, u32), Slot>,
    /// Units taken per local day.
    per_day: BTreeMap<String, u32>,
    /// Per order the highest attempt that was given back: a late request for it is refused.
    closed: Kept<OrderId, u32>,
}

/// Capacity of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    day: String,
    units: u32,
    granted_at: Timestamp,
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
            LocationCommand::TakeCapacity {
                order,
                attempt,
                units,
            } => self.take(asked, order, *attempt, *units),
            LocationCommand::ReleaseCapacity { order, attempt } => {
                Ok(self.release(order, *attempt))
            }
        }
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Ok(Answer::Location {
            facts: Box::new(self.known(asked)?.clone()),
            source_since: self.source_since,
        })
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &LocationEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event {
            LocationEvent::Defined(facts) => self.become_as(facts, at),
            LocationEvent::CapacityTaken {
                order,
                attempt,
                day,
                units,
            } => return self.fill(order, *attempt, day, *units, at),
            LocationEvent::CapacityReleased { order, attempt } => {
                self.give_back(order, *attempt);
                let highest = self
                    .closed
                    .get(order)
                    .map_or(*attempt, |known| *known.max(attempt));
                self.closed.note(order.clone(), highest, at, CLOSED_MAX);
            }
            LocationEvent::DaysClosed { before } => self.close_days(before),
        }
        Ok(())
    }

    fn forget(&mut self, now: Timestamp, window: Duration) {
        self.closed.forget(now, window);
    }
}

impl LocationState {
    /// What the location is, once defined.
    #[must_use]
    pub fn facts(&self) -> Option<&LocationFacts> {
        self.facts.as_deref()
    }

    fn known(&self, asked: &Asked<'_>) -> Result<&LocationFacts, Rejection> {
        self.facts()
            .ok_or_else(|| Rejection::NotFound(asked.id.to_string()))
    }

    fn define(
        &self,
        asked: &Asked<'_>,
        facts: &LocationFacts,
    ) -> Result<Decision<LocationEvent>, Rejection> {
        if self.facts() == Some(facts) {
            return Ok(Decision::unchanged(Answer::Done));
        }
        if EntityId::Location(facts.location.clone()) != *asked.id {
            let problem = format!("is not the location that is asked, {}", asked.id);
            return Err(Rejection::invalid("location", problem));
        }
        check::check(facts)?;
        let defined = LocationEvent::Defined(Box::new(facts.clone()));
        Ok(Decision::done(vec![defined]))
    }

    fn become_as(&mut self, facts: &LocationFacts, at: Timestamp) {
        let named = self.facts().and_then(|known| known.stock_source.as_ref());
        if facts.stock_source.as_ref() != named {
            self.source_since = facts.stock_source.as_ref().map(|_| at);
        }
        self.facts = Some(Box::new(facts.clone()));
    }

    fn take(
        &self,
        asked: &Asked<'_>,
        order: &OrderId,
        attempt: u32,
        units: u32,
    ) -> Result<Decision<LocationEvent>, Rejection> {
        let facts = self.known(asked)?;
        let granted = |day: String, at: Timestamp| Answer::CapacityGranted {
            day,
            acknowledge_by: acknowledge_by(facts, at),
        };
        if let Some(slot) = self.taken.get(&(order.clone(), attempt)) {
            let answer = granted(slot.day.clone(), slot.granted_at);
            return Ok(Decision::unchanged(answer));
        }
        if self.is_closed(order, attempt) {
            return Err(Rejection::Superseded);
        }
        let today = calendar::today(facts, asked.now);
        let mut first = None;
        let day = calendar::open_days(facts, asked.now, DAYS_AHEAD).find(|day| {
            first.get_or_insert_with(|| day.clone());
            self.has_room(facts, day, units)
        });
        let Some(day) = day else {
            let day = first.unwrap_or(today);
            return Err(Rejection::CapacityFull { day });
        };
        let events = match facts.capacity_units_per_day {
            Some(_) => self.taking(order, attempt, &day, units, today),
            None => Vec::new(),
        };
        Ok(Decision {
            events,
            answer: granted(day, asked.now),
            notices: Vec::new(),
        })
    }

    /// Takes the capacity, and forgets days that have passed while there is something to write anyway.
    fn taking(
        &self,
        order: &OrderId,
        attempt: u32,
        day: &str,
        units: u32,
        today: String,
    ) -> Vec<LocationEvent> {
        let passed = self.per_day.keys().next().is_some_and(|day| *day < today);
        let closed = passed.then_some(LocationEvent::DaysClosed { before: today });
        let taken = LocationEvent::CapacityTaken {
            order: order.clone(),
            attempt,
            day: day.to_owned(),
            units,
        };
        closed.into_iter().chain([taken]).collect()
    }

    fn has_room(&self, facts: &LocationFacts, day: &str, units: u32) -> bool {
        let taken = self.per_day.get(day).copied().unwrap_or(0);
        facts
            .capacity_units_per_day
            .is_none_or(|capacity| u64::from(taken) + u64::from(units) <= u64::from(capacity))
    }

    fn is_closed(&self, order: &OrderId, attempt: u32) -> bool {
        let closed = self.closed.get(order);
        closed.is_some_and(|closed| attempt <= *closed)
    }

    /// Releasing what was never taken closes the attempt, so that a request that arrives late takes nothing.
    fn release(&self, order: &OrderId, attempt: u32) -> Decision<LocationEvent> {
        let held = self.taken.contains_key(&(order.clone(), attempt));
        let limited = self
            .facts()
            .is_some_and(|facts| facts.capacity_units_per_day.is_some());
        if !held && (!limited || self.is_closed(order, attempt)) {
            return Decision::unchanged(Answer::Done);
        }
        Decision::done(vec![LocationEvent::CapacityReleased {
            order: order.clone(),
            attempt,
        }])
    }

    fn fill(
        &mut self,
        order: &OrderId,
        attempt: u32,
        day: &str,
        units: u32,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        let slot = Slot {
            day: day.to_owned(),
            units,
            granted_at: at,
        };
        if self.taken.insert((order.clone(), attempt), slot).is_some() {
            let what = format!("attempt {attempt} of {order} takes capacity twice");
            return Err(IllegalHistory(what));
        }
        let sum = self.per_day.entry(day.to_owned()).or_default();
        *sum = sum.saturating_add(units);
        Ok(())
    }

    fn give_back(&mut self, order: &OrderId, attempt: u32) {
        if let Some(slot) = self.taken.remove(&(order.clone(), attempt))
            && let Some(sum) = self.per_day.get_mut(&slot.day)
        {
            *sum = sum.saturating_sub(slot.units);
        }
    }

    fn close_days(&mut self, before: &str) {
        self.per_day.retain(|day, _| day.as_str() >= before);
        self.taken.retain(|_, slot| slot.day.as_str() >= before);
    }
}
