//! Which entity must be woken when.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::{EntityId, Timestamp};

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
