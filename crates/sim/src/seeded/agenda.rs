//! What happens when. Of what is due at the same instant chance says what comes first: that is how a run explores orders
//! of events that nobody thought of.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crossdock_model::{Duration, Timestamp};

use crate::Dice;

/// Things that will happen.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    now: Timestamp,
    noted: u64,
    order: BinaryHeap<Reverse<(Timestamp, u64, u64)>>,
    things: BTreeMap<u64, T>,
}

impl<T> Agenda<T> {
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            noted: 0,
            order: BinaryHeap::new(),
            things: BTreeMap::new(),
        }
    }

    /// The present: when what was taken last happened.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Something happens after that span.
    pub fn after(&mut self, span: Duration, what: T, dice: &mut Dice) {
        self.noted += 1;
        let key = (self.now + span, dice.bits(), self.noted);
        self.order.push(Reverse(key));
        self.things.insert(self.noted, what);
    }

    /// When something happens next.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.order.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Time has passed without anything of what was noted.
    pub fn goes_on(&mut self, to: Timestamp) {
        self.now = self.now.max(to);
    }

    /// What happens next; the present is then.
    pub fn next(&mut self) -> Option<T> {
        let Reverse((at, _, number)) = self.order.pop()?;
        self.now = at;
        self.things.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_first_comes_first_and_chance_orders_the_rest() {
        let drawn = |seed| {
            let (mut agenda, mut dice) = (Agenda::new(Timestamp::from_ms(5)), Dice::new(seed));
            for (ms, what) in [(9, 'z'), (1, 'a'), (1, 'b'), (1, 'c'), (0, 'x')] {
                agenda.after(Duration::from_ms(ms), what, &mut dice);
            }
            let drawn: String = std::iter::from_fn(|| agenda.next()).collect();
            assert_eq!(agenda.now(), Timestamp::from_ms(14));
            drawn
        };
        let orders: std::collections::BTreeSet<_> = (0..100).map(drawn).collect();
        assert_eq!(orders.len(), 6, "{orders:?}");
        assert!(
            orders
                .iter()
                .all(|order| order.starts_with('x') && order.ends_with('z'))
        );
        assert_eq!(drawn(7), drawn(7));
    }
}
