//! Which entity must be woken when.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::{Duration, EntityId, Timestamp};

/// Deadlines of passive entities are kept in memory this far ahead; later ones are found by the next sweep.
pub const HORIZON: Duration = Duration::from_minutes(10);
/// How often deadlines of passive entities are looked up in the journal.
pub const DUE_SWEEP: Duration = Duration::from_minutes(5);

/// Time until an entity is woken again that did nothing when it was woken.
const IDLE_WAKE_PAUSE: Duration = Duration::from_s(1);

/// When an entity is woken next. A deadline that has passed and that waking did nothing about (it is put aside, say) is
/// not tried again at once: `idle` says that it was woken and changed nothing.
#[must_use]
pub fn wake_again_at(at: Option<Timestamp>, now: Timestamp, idle: bool) -> Option<Timestamp> {
    match idle {
        true => at.map(|at| if at <= now { now + IDLE_WAKE_PAUSE } else { at }),
        false => at,
    }
}

/// Deadlines of entities, one each, the earliest first.
#[derive(Debug, Default)]
pub struct Wheel {
    by_time: BTreeSet<(Timestamp, EntityId)>,
    by_entity: BTreeMap<EntityId, Timestamp>,
}

impl Wheel {
    /// Sets, moves or (with `None`) removes an entity's deadline.
    pub fn set(&mut self, entity: &EntityId, at: Option<Timestamp>) {
        let old = match at {
            Some(at) => self.by_entity.insert(entity.clone(), at),
            None => self.by_entity.remove(entity),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, entity.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, entity.clone()));
        }
    }

    /// Sets a deadline, unless a nearer one is known.
    pub fn set_earlier(&mut self, entity: &EntityId, at: Timestamp) {
        let known = self.by_entity.get(entity);
        if known.is_none_or(|known| at < *known) {
            self.set(entity, Some(at));
        }
    }

    /// An entity becomes passive: a deadline far ahead is left to its checkpoint, where a later sweep finds it. All
    /// passive entities' deadlines together would not fit into memory.
    pub fn pass_on(&mut self, entity: &EntityId, at: Option<Timestamp>, now: Timestamp) {
        if at.is_some_and(|at| at > now + HORIZON) {
            self.set(entity, None);
        }
    }

    /// Number of deadlines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_entity.len()
    }

    /// Whether nothing is to be woken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_entity.is_empty()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes up to `limit` entities whose deadline is not after `now`.
    pub fn due(&mut self, now: Timestamp, limit: usize) -> Vec<EntityId> {
        let mut due = Vec::new();
        while due.len() < limit && self.next().is_some_and(|at| at <= now) {
            let Some((_, entity)) = self.by_time.pop_first() else {
                break;
            };
            self.by_entity.remove(&entity);
            due.push(entity);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_has_one_deadline_and_is_due_once() {
        let (a, b): (EntityId, EntityId) = ("sku:a".parse().unwrap(), "sku:b".parse().unwrap());
        let at = Timestamp::from_ms;
        let mut wheel = Wheel::default();
        wheel.set(&a, Some(at(5)));
        wheel.set(&a, Some(at(9)));
        wheel.set(&b, Some(at(7)));
        assert_eq!(wheel.next(), Some(at(7)));
        assert_eq!(wheel.due(at(8), 10), std::slice::from_ref(&b));
        wheel.set(&b, Some(at(8)));
        wheel.set(&b, None);
        assert_eq!(wheel.due(at(9), 10), [a]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn passive_entities_with_far_deadlines_take_no_memory() {
        let (mut wheel, now) = (Wheel::default(), Timestamp::from_ms(0));
        let far = Some(now + HORIZON + Duration::from_ms(1));
        for number in 0..100 {
            let entity: EntityId = format!("sku:{number}").parse().unwrap();
            wheel.set(&entity, far);
            wheel.pass_on(&entity, far, now);
        }
        assert!(wheel.is_empty());
        let near: EntityId = "sku:near".parse().unwrap();
        wheel.set(&near, Some(now + HORIZON));
        wheel.pass_on(&near, Some(now + HORIZON), now);
        assert_eq!(wheel.due(now + HORIZON, 10), [near]);
    }

    #[test]
    fn a_deadline_that_waking_does_nothing_about_is_not_tried_with_each_tick() {
        let at = Timestamp::from_ms;
        let table = [
            (Some(at(5)), true, Some(at(1_009))),
            (Some(at(5)), false, Some(at(5))),
            (Some(at(9_000)), true, Some(at(9_000))),
            (None, true, None),
        ];
        for (deadline, idle, expected) in table {
            assert_eq!(wake_again_at(deadline, at(9), idle), expected);
        }
    }

    #[test]
    fn a_deadline_found_late_does_not_hide_a_nearer_one() {
        let entity: EntityId = "sku:a".parse().unwrap();
        let at = Timestamp::from_ms;
        let mut wheel = Wheel::default();
        for (found, next) in [(7, 7), (9, 7), (5, 5)] {
            wheel.set_earlier(&entity, at(found));
            assert_eq!(wheel.next(), Some(at(next)));
        }
    }
}
