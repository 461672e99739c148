//! What happens when, in time that passes as fast as it is computed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crossdock_model::{Duration, Timestamp};

#[derive(Debug)]
struct Entry<T> {
    at: Timestamp,
    number: u64,
    what: T,
}

impl<T> Entry<T> {
    fn key(&self) -> (Timestamp, u64) {
        (self.at, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    /// What is earlier is greater, as the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// Things that will happen. What is due at the same instant happens in the order it was noted.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    now: Timestamp,
    noted: u64,
    entries: BinaryHeap<Entry<T>>,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            now: Timestamp::default(),
            noted: 0,
            entries: BinaryHeap::new(),
        }
    }
}

impl<T> Agenda<T> {
    /// The present time: when what was taken last happened.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Something happens at that time, or at once if that is past.
    pub fn note(&mut self, at: Timestamp, what: T) {
        self.noted += 1;
        self.entries.push(Entry {
            at: at.max(self.now),
            number: self.noted,
            what,
        });
    }

    /// Something happens after that span.
    pub fn after(&mut self, span: Duration, what: T) {
        self.note(self.now + span, what);
    }

    /// What happens next; the time is then.
    pub fn next(&mut self) -> Option<T> {
        let Entry { at, what, .. } = self.entries.pop()?;
        self.now = at;
        Some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_first_happens_first_and_what_is_due_at_once_in_order() {
        let ms = Timestamp::from_ms;
        let mut agenda = Agenda::default();
        for (at, what) in [(30, "c"), (10, "a"), (10, "b"), (40, "e")] {
            agenda.note(ms(at), what);
        }
        let mut seen = Vec::new();
        while let Some(what) = agenda.next() {
            seen.push((what, agenda.now().as_ms()));
            if what == "c" {
                agenda.note(ms(5), "late");
            }
        }
        let wanted = [("a", 10), ("b", 10), ("c", 30), ("late", 30), ("e", 40)];
        assert_eq!(seen, wanted);
    }
}
