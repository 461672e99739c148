//! Which passive entity is brought to life next: few at a time, and what is asked for before what is due.

use std::collections::{BTreeMap, VecDeque};

use crossdock_model::EntityId;

/// Entities being loaded at once.
pub const LOADS_MAX: usize = 256;
/// Entities that may wait to be loaded before commands from outside for further ones are shed.
pub const LOADING_MAX: usize = 16_384;
/// Entities that may wait to be loaded because they are due, before further ones are put off.
const DUE_MAX: usize = 256;

/// Why an entity is brought to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asks it something.
    Traffic,
    /// A deadline of it has passed.
    Deadline,
}

/// Loads that run, and what waits for its turn: `T` is the shell's handle of an entity.
#[derive(Debug)]
pub struct Loads<T> {
    waiting: BTreeMap<EntityId, (T, Cause)>,
    /// In order. A turn of an entity that has been taken already is passed over.
    asked: VecDeque<EntityId>,
    due: VecDeque<EntityId>,
    running: usize,
}

impl<T> Default for Loads<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            asked: VecDeque::new(),
            due: VecDeque::new(),
            running: 0,
        }
    }
}

impl<T> Loads<T> {
    /// An entity is to be loaded. Returned if it may begin at once; each that begins ends with [`Loads::ended`].
    pub fn ask(&mut self, entity: &EntityId, one: T, cause: Cause) -> Option<T> {
        if self.running < LOADS_MAX {
            self.running += 1;
            return Some(one);
        }
        match cause {
            Cause::Traffic => self.asked.push_back(entity.clone()),
            Cause::Deadline => self.due.push_back(entity.clone()),
        }
        self.waiting.insert(entity.clone(), (one, cause));
        None
    }

    /// Somebody asks an entity something that may be waiting because it is due.
    pub fn hurry(&mut self, entity: &EntityId) {
        if let Some((_, cause @ Cause::Deadline)) = self.waiting.get_mut(entity) {
            *cause = Cause::Traffic;
            self.asked.push_back(entity.clone());
        }
    }

    /// One has ended, well or not: the next that begins.
    pub fn ended(&mut self) -> Option<T> {
        while let Some(entity) = self.asked.pop_front().or_else(|| self.due.pop_front()) {
            if let Some((one, _)) = self.waiting.remove(&entity) {
                return Some(one);
            }
        }
        self.running -= 1;
        None
    }

    /// How many are being loaded or wait for it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running + self.waiting.len()
    }

    /// Whether none is loading.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether entities that are due had better be woken a little later.
    #[must_use]
    pub fn puts_off_due(&self) -> bool {
        self.waiting.len() >= DUE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(number: usize) -> EntityId {
        format!("sku:{number}").parse().unwrap()
    }

    /// So many loads are running.
    fn busy(count: usize) -> Loads<usize> {
        let mut loads = Loads::default();
        for number in 0..count {
            let begun = loads.ask(&entity(number), number, Cause::Traffic);
            assert_eq!(begun, Some(number));
        }
        loads
    }

    #[test]
    fn few_are_loaded_at_a_time() {
        let mut loads = busy(LOADS_MAX);
        for number in LOADS_MAX..2 * LOADS_MAX {
            assert_eq!(loads.ask(&entity(number), number, Cause::Traffic), None);
        }
        assert_eq!(loads.len(), 2 * LOADS_MAX);
        for number in LOADS_MAX..2 * LOADS_MAX {
            assert_eq!(loads.ended(), Some(number), "in the order of asking");
        }
        for _ in 0..LOADS_MAX {
            assert_eq!(loads.ended(), None);
        }
        assert!(loads.is_empty());
    }

    #[test]
    fn what_is_asked_for_goes_before_what_is_due() {
        let mut loads = busy(LOADS_MAX);
        for (number, cause) in [
            (1_001, Cause::Deadline),
            (1_002, Cause::Deadline),
            (1_003, Cause::Traffic),
        ] {
            loads.ask(&entity(number), number, cause);
        }
        loads.hurry(&entity(1_002));
        loads.hurry(&entity(1_002));
        loads.hurry(&entity(7));
        let order: Vec<_> = std::iter::from_fn(|| loads.ended()).collect();
        assert_eq!(order, [1_003, 1_002, 1_001]);
    }

    #[test]
    fn what_is_due_is_put_off_when_much_waits() {
        let mut loads = busy(LOADS_MAX);
        for number in 1_000..1_000 + DUE_MAX {
            assert!(!loads.puts_off_due());
            loads.ask(&entity(number), number, Cause::Traffic);
        }
        assert!(loads.puts_off_due());
    }
}
