//! Numbers that are wrong: which of them comes first, when something is due about one, and which wait for orders to be read.
//!
//! All are kept in order, so that what a bucket does for one number costs the same however many others are wrong. When a
//! channel is published to for the first time all of its numbers are: the orders share each number and its task.

use std::borrow::Borrow;
use std::cmp::{Ordering, Reverse};
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

/// A number that is wrong.
#[derive(Debug, PartialEq)]
struct Wrong {
    number: NumberId,
    task: Task,
}

/// What stands in an order for a number that is wrong: all of them share it, and each goes by its own part of it.
macro_rules! in_order_of {
    ($name:ident, $key:ty, $of:expr) => {
        #[derive(Debug, Clone)]
        struct $name(Arc<Wrong>);

        impl $name {
            fn key(&self) -> $key {
                let of: fn(&Wrong) -> $key = $of;
                of(&self.0)
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                let numbers = || self.0.number.cmp(&other.0.number);
                self.key().cmp(&other.key()).then_with(numbers)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $name {}
    };
}

in_order_of!(ByRank, Option<Rank>, |wrong| wrong.task.rank);
in_order_of!(ByDue, Option<Timestamp>, |wrong| wrong.task.due);
in_order_of!(ByProof, Option<Timestamp>, |wrong| wrong.task.unproven);
in_order_of!(ByNumber, (), |_| ());

impl Borrow<NumberId> for ByNumber {
    fn borrow(&self) -> &NumberId {
        &self.0.number
    }
}

/// All numbers that are wrong. Their orders follow from their tasks, which alone are kept with a checkpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct Agenda {
    all: BTreeSet<ByNumber>,
    first: BTreeSet<ByRank>,
    due: BTreeSet<ByDue>,
    unproven: BTreeSet<ByProof>,
}

impl PartialEq for Agenda {
    fn eq(&self, other: &Self) -> bool {
        let all = self.all.iter().map(|wrong| &wrong.0);
        all.eq(other.all.iter().map(|wrong| &wrong.0))
    }
}

impl Serialize for Agenda {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let all = self.all.iter().map(|wrong| &wrong.0);
        to.collect_map(all.map(|wrong| (&wrong.number, &wrong.task)))
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
        if let Some(before) = self.task(&number) {
            let turns = before.is_raise() && task.is_lower();
            task.lowered_at = before.lowered_at.or(turns.then_some(now));
            task.lowered_at = task.lowered_at.filter(|_| !task.is_raise());
        }
        self.remove(&number);
        self.put(number, task);
    }

    fn put(&mut self, number: NumberId, task: Task) {
        let wrong = Arc::new(Wrong { number, task });
        if task.rank.is_some() {
            self.first.insert(ByRank(Arc::clone(&wrong)));
        }
        if task.due.is_some() {
            self.due.insert(ByDue(Arc::clone(&wrong)));
        }
        if task.unproven.is_some() {
            self.unproven.insert(ByProof(Arc::clone(&wrong)));
        }
        self.all.insert(ByNumber(wrong));
    }

    /// A number is right. Returns whether it was wrong.
    pub fn remove(&mut self, number: &NumberId) -> bool {
        let Some(ByNumber(wrong)) = self.all.take(number) else {
            return false;
        };
        if wrong.task.rank.is_some() {
            self.first.remove(&ByRank(Arc::clone(&wrong)));
        }
        if wrong.task.due.is_some() {
            self.due.remove(&ByDue(Arc::clone(&wrong)));
        }
        if wrong.task.unproven.is_some() {
            self.unproven.remove(&ByProof(wrong));
        }
        true
    }

    fn task(&self, number: &NumberId) -> Option<&Task> {
        self.all.get(number).map(|wrong| &wrong.0.task)
    }

    pub fn contains(&self, number: &NumberId) -> bool {
        self.all.contains(number)
    }

    /// Whether it waits for nothing but its turn: it is to be lowered, and was not refused.
    pub fn tells_lag(&self, number: &NumberId) -> bool {
        let rank = self.task(number).and_then(|task| task.rank);
        rank.is_some_and(|rank| rank.urgency == Urgency::Lower && rank.refused_at.is_none())
    }

    /// Since when it is to be lowered, if it was to be raised before.
    pub fn lowered_at(&self, number: &NumberId) -> Option<Timestamp> {
        self.task(number)?.lowered_at
    }

    /// All of them.
    pub fn numbers(&self) -> impl Iterator<Item = &NumberId> {
        self.all.iter().map(|wrong| &wrong.0.number)
    }

    /// Those to be asked or told, the first in front.
    pub fn first(&self) -> impl Iterator<Item = (&Rank, &NumberId)> {
        let first = self.first.iter().map(|wrong| &wrong.0);
        first.filter_map(|wrong| Some((wrong.task.rank.as_ref()?, &wrong.number)))
    }

    /// Those about which something is due.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &NumberId> {
        let due = self
            .due
            .iter()
            .take_while(move |due| due.key() <= Some(now));
        due.map(|wrong| &wrong.0.number)
    }

    /// Up to when orders must be read for the first of those that wait for it.
    pub fn unproven(&self) -> Option<Timestamp> {
        self.unproven.first().and_then(ByProof::key)
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().and_then(ByDue::key)
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
