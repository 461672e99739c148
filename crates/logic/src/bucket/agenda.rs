//! Numbers that are wrong: which of them comes first, when something is due about one, and which wait for orders to be read.
//!
//! All are kept in order, so that what a bucket does for one number costs the same however many others are wrong. When a
//! channel is published to for the first time all of its numbers are: the orders share each number's name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossdock_model::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::calls::Urgency;
use super::state::NumberId;

/// Which number is offered first: the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Rank {
    /// What the channel refused comes after everything else, what was tried longest ago before the rest.
    pub refused_at: Option<Timestamp>,
    pub urgency: Urgency,
    /// As [`super::Offer::milli_per_h`].
    pub milli_per_h: Reverse<u64>,
    pub since: Timestamp,
    /// The channel is asked what it shows, before it is told.
    pub is_read: bool,
}

/// What there is to do about a number that is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Task {
    /// The channel is to be asked or told; `None`: there is something to wait for.
    pub rank: Option<Rank>,
    /// When something is due though nothing is heard.
    pub due: Option<Timestamp>,
    /// It waits until the channel's orders up to then are read.
    pub unproven: Option<Timestamp>,
    /// Since when it is to be lowered, if it was to be raised before.
    pub lowered_at: Option<Timestamp>,
}

impl Task {
    fn is_lower(&self) -> bool {
        self.rank.is_some_and(|rank| rank.urgency == Urgency::Lower)
    }

    fn is_raise(&self) -> bool {
        let is_raise = self.rank.is_some_and(|rank| rank.urgency == Urgency::Raise);
        is_raise || (self.rank.is_none() && self.unproven.is_some())
    }
}

/// All numbers that are wrong. Their orders follow from their tasks, which alone are kept with a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Agenda {
    tasks: BTreeMap<Arc<NumberId>, Task>,
    first: BTreeSet<(Rank, Arc<NumberId>)>,
    due: BTreeSet<(Timestamp, Arc<NumberId>)>,
    unproven: BTreeSet<(Timestamp, Arc<NumberId>)>,
}

impl Serialize for Agenda {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.tasks.iter().map(|(number, task)| (&**number, task)))
    }
}

impl<'de> Deserialize<'de> for Agenda {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut agenda = Self::default();
        for (number, task) in BTreeMap::deserialize(from)? {
            agenda.put(number, task);
        }
        Ok(agenda)
    }
}

impl Agenda {
    /// There is that to do about a number from now on.
    pub fn set(&mut self, number: NumberId, mut task: Task, now: Timestamp) {
        if let Some(before) = self.tasks.get(&number) {
            let turns = before.is_raise() && task.is_lower();
            task.lowered_at = before.lowered_at.or(turns.then_some(now));
            task.lowered_at = task.lowered_at.filter(|_| !task.is_raise());
        }
        self.remove(&number);
        self.put(number, task);
    }

    fn put(&mut self, number: NumberId, task: Task) {
        let number = Arc::new(number);
        if let Some(rank) = task.rank {
            self.first.insert((rank, Arc::clone(&number)));
        }
        if let Some(due) = task.due {
            self.due.insert((due, Arc::clone(&number)));
        }
        if let Some(unproven) = task.unproven {
            self.unproven.insert((unproven, Arc::clone(&number)));
        }
        self.tasks.insert(number, task);
    }

    /// A number is right. Returns whether it was wrong.
    pub fn remove(&mut self, number: &NumberId) -> bool {
        let Some((number, task)) = self.tasks.remove_entry(number) else {
            return false;
        };
        if let Some(rank) = task.rank {
            self.first.remove(&(rank, Arc::clone(&number)));
        }
        if let Some(due) = task.due {
            self.due.remove(&(due, Arc::clone(&number)));
        }
        if let Some(unproven) = task.unproven {
            self.unproven.remove(&(unproven, number));
        }
        true
    }

    pub fn contains(&self, number: &NumberId) -> bool {
        self.tasks.contains_key(number)
    }

    /// Whether it waits for nothing but its turn: it is to be lowered, and was not refused.
    pub fn tells_lag(&self, number: &NumberId) -> bool {
        let rank = self.tasks.get(number).and_then(|task| task.rank);
        rank.is_some_and(|rank| rank.urgency == Urgency::Lower && rank.refused_at.is_none())
    }

    /// Since when it is to be lowered, if it was to be raised before.
    pub fn lowered_at(&self, number: &NumberId) -> Option<Timestamp> {
        self.tasks.get(number)?.lowered_at
    }

    /// All of them.
    pub fn numbers(&self) -> impl Iterator<Item = &NumberId> {
        self.tasks.keys().map(|number| &**number)
    }

    /// Those to be asked or told, the first in front.
    pub fn first(&self) -> impl Iterator<Item = (&Rank, &NumberId)> {
        self.first.iter().map(|(rank, number)| (rank, &**number))
    }

    /// Those about which something is due.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &NumberId> {
        let due = self.due.iter().take_while(move |(at, _)| *at <= now);
        due.map(|(_, number)| &**number)
    }

    /// Up to when orders must be read for the first of those that wait for it.
    pub fn unproven(&self) -> Option<Timestamp> {
        self.unproven.first().map(|(until, _)| *until)
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_model::{ListingId, SourceId, codec};

    fn number(id: &str) -> NumberId {
        let place = SourceId::new("shop/1").unwrap();
        (ListingId::new(id).unwrap(), place)
    }

    fn task(refused_at: Option<i64>, urgency: Urgency, milli_per_h: u64, due: i64) -> Task {
        let rank = Rank {
            refused_at: refused_at.map(Timestamp::from_ms),
            urgency,
            milli_per_h: Reverse(milli_per_h),
            since: Timestamp::default(),
            is_read: false,
        };
        Task {
            rank: Some(rank),
            due: Some(Timestamp::from_ms(due)),
            unproven: Some(Timestamp::from_ms(due + 100)),
            lowered_at: None,
        }
    }

    #[test]
    fn the_refused_come_last_and_each_number_has_one_task() {
        let mut agenda = Agenda::default();
        for (id, task) in [
            ("refused twice", task(Some(9), Urgency::Lower, 900, 1)),
            ("raise", task(None, Urgency::Raise, 900, 2)),
            ("slow", task(None, Urgency::Lower, 1, 3)),
            ("fast", task(None, Urgency::Lower, 5, 9)),
            ("fast", task(None, Urgency::Lower, 2, 4)),
            ("refused", task(Some(3), Urgency::Lower, 1, 5)),
            ("waits", Task::default()),
        ] {
            agenda.set(number(id), task, Timestamp::default());
        }
        let first = |agenda: &Agenda| -> Vec<String> {
            agenda.first().map(|(_, one)| one.0.to_string()).collect()
        };
        let order = ["fast", "slow", "raise", "refused", "refused twice"];
        assert_eq!(first(&agenda), order);
        let kept = codec::encode(1, &agenda).unwrap();
        assert_eq!(codec::decode::<Agenda>(&kept[1..]).unwrap(), agenda);
        assert_eq!(agenda.unproven(), Some(Timestamp::from_ms(101)));
        let due = agenda.due(Timestamp::from_ms(3)).count();
        assert_eq!((due, agenda.numbers().count()), (3, 6));
        assert!(agenda.remove(&number("fast")) && !agenda.remove(&number("fast")));
        assert_eq!(first(&agenda), order[1..]);
        for id in ["slow", "raise", "refused", "refused twice", "waits"] {
            assert!(agenda.remove(&number(id)));
        }
        assert_eq!((agenda.next_due(), agenda), (None, Agenda::default()));
    }
}
