//! What waits at one entity: bounded, announced once for many messages, and handed out one at a time while the
//! entity is suspected of crashing, so that a crash can be pinned on a command.

use std::collections::VecDeque;

use crossdock_model::Timestamp;

use crate::crashes::{CRASH_WINDOW, UNKNOWN};

/// Messages from outside that may wait at one entity.
pub const OUTSIDE_QUEUE_MAX: usize = 16_384;
/// Messages of any origin that may wait at one entity; entities send again what is shed.
pub const QUEUE_MAX: usize = 65_536;
/// Messages handed out in one go before others get their turn.
pub const BATCH_MAX: usize = 512;
/// Messages whose room is given back once they are taken: most entities are asked now and then, and there are many. A
/// busy queue keeps its room.
const FEW: usize = 8;

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<M> {
    /// It waits, and the entity must be woken.
    Wake,
    /// It waits; the entity looks into its queue by itself.
    Waits,
    /// Too much waits.
    Full(M),
    /// Nobody will come for this queue any more: look the entity up again.
    Closed(M),
}

/// What an entity works on now.
#[derive(Debug)]
pub struct Taken<M> {
    /// The messages, in order.
    pub batch: Vec<M>,
    /// More waits: the entity must be woken again.
    pub wake: bool,
    /// Each message is to be looked at before it is handled: see [`Queue::handling`].
    pub watched: bool,
}

/// The queue of one entity. It outlives the entity's crashes: what is queued is not lost.
#[derive(Debug)]
pub struct Queue<M> {
    items: VecDeque<M>,
    closed: bool,
    /// A wake is under way, or the entity comes by itself because a life of it begins.
    woken: bool,
    suspect_until: Option<Timestamp>,
    /// Hash of the command that is being handled, while the entity is suspected.
    handling: u64,
    has_poison: bool,
}

impl<M> Default for Queue<M> {
    /// The queue of an entity that is being brought to life: it comes by itself.
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            closed: false,
            woken: true,
            suspect_until: None,
            handling: UNKNOWN,
            has_poison: false,
        }
    }
}

impl<M> Queue<M> {
    /// Takes a message in if fewer than `room` wait. What comes from outside finds less room ([`Door::room`] of
    /// [`OUTSIDE_QUEUE_MAX`]) than what entities tell each other ([`QUEUE_MAX`]): that follows from what was taken in.
    ///
    /// [`Door::room`]: crate::Door::room
    pub fn push(&mut self, message: M, room: usize) -> Pushed<M> {
        if self.closed {
            return Pushed::Closed(message);
        }
        if self.items.len() >= room {
            return Pushed::Full(message);
        }
        if self.items.capacity() == 0 {
            // Most often it is the only one.
            self.items.reserve_exact(1);
        }
        self.items.push_back(message);
        match std::mem::replace(&mut self.woken, true) {
            true => Pushed::Waits,
            false => Pushed::Wake,
        }
    }

    /// What is to be handled now.
    pub fn take(&mut self, now: Timestamp) -> Taken<M> {
        let suspect = self.suspect_until.is_some_and(|until| now <= until);
        let max = if suspect { 1 } else { BATCH_MAX };
        let batch = match self.items.len() <= max.min(FEW) {
            true => Vec::from(std::mem::take(&mut self.items)),
            false => {
                let count = self.items.len().min(max);
                self.items.drain(..count).collect()
            }
        };
        self.handling = UNKNOWN;
        self.woken = !self.items.is_empty();
        Taken {
            batch,
            wake: self.woken,
            watched: suspect || self.has_poison,
        }
    }

    /// A watched message is handled now: a crash is pinned on the command of that hash, if it came alone.
    pub fn handling(&mut self, hash: u64, now: Timestamp) {
        let alone = self.suspect_until.is_some_and(|until| now <= until);
        self.handling = if alone { hash } else { UNKNOWN };
    }

    /// The entity crashed: by which command, as far as is known. Suspicion ends with the time for which a crash
    /// counts: one crash does not slow the entity down for ever.
    pub fn crashed(&mut self, now: Timestamp) -> u64 {
        self.suspect_until = Some(now + CRASH_WINDOW);
        std::mem::replace(&mut self.handling, UNKNOWN)
    }

    /// Whether commands of the entity are put aside: each one is then looked at.
    pub fn set_poison(&mut self, has_poison: bool) {
        self.has_poison = has_poison;
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Closes the queue if nothing waits.
    pub fn close_if_empty(&mut self) -> bool {
        self.closed |= self.items.is_empty();
        self.closed
    }

    /// Closes the queue; what waits is handed back.
    pub fn close(&mut self) -> VecDeque<M> {
        self.closed = true;
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_000);

    /// A queue whose entity is there and has looked into it.
    fn looked_into() -> Queue<usize> {
        let mut queue = Queue::default();
        assert!(queue.take(NOW).batch.is_empty());
        queue
    }

    #[test]
    fn an_entity_that_is_asked_now_and_then_holds_no_room() {
        let mut queue = looked_into();
        for count in [1, FEW, FEW + 1, 3] {
            for message in 0..count {
                queue.push(message, QUEUE_MAX);
            }
            assert_eq!(queue.take(NOW).batch, Vec::from_iter(0..count));
            assert_eq!(queue.items.capacity() == 0, count <= FEW, "{count}");
        }
    }

    #[test]
    fn one_wake_is_under_way_however_much_comes() {
        let mut queue = looked_into();
        let mut wakes = 0;
        for message in 0..10 * BATCH_MAX {
            wakes += usize::from(queue.push(message, QUEUE_MAX) == Pushed::Wake);
        }
        assert_eq!(wakes, 1);
        for round in 1..=10 {
            let taken = queue.take(NOW);
            assert_eq!((taken.batch.len(), taken.wake), (BATCH_MAX, round < 10));
            // Under load more comes between any two looks: while a wake is under way nobody sends another one.
            let expected = match round < 10 {
                true => Pushed::Waits,
                false => Pushed::Wake,
            };
            assert_eq!(queue.push(round, QUEUE_MAX), expected);
            queue.items.pop_back();
        }
    }

    #[test]
    fn an_entity_that_comes_to_life_is_not_woken() {
        let mut queue = Queue::default();
        assert_eq!(queue.push(1, QUEUE_MAX), Pushed::Waits);
        assert_eq!(queue.take(NOW).batch, [1]);
        assert_eq!(queue.push(2, QUEUE_MAX), Pushed::Wake);
    }

    #[test]
    fn entities_find_room_where_callers_from_outside_find_none() {
        let mut queue = Queue::default();
        for message in 0..OUTSIDE_QUEUE_MAX {
            assert_eq!(queue.push(message, OUTSIDE_QUEUE_MAX), Pushed::Waits);
        }
        assert_eq!(queue.push(7, OUTSIDE_QUEUE_MAX), Pushed::Full(7));
        assert_eq!(queue.push(8, QUEUE_MAX), Pushed::Waits);
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_has_lost_nothing() {
        let mut queue = looked_into();
        queue.push(1, QUEUE_MAX);
        assert!(!queue.close_if_empty());
        assert_eq!(queue.close(), [1]);
        assert_eq!(queue.push(2, QUEUE_MAX), Pushed::Closed(2));
    }

    #[test]
    fn a_suspect_gets_one_message_at_a_time_while_a_crash_counts() {
        let mut queue = looked_into();
        assert_eq!(queue.crashed(NOW), UNKNOWN, "it came with others");
        for message in 0..3 {
            queue.push(message, QUEUE_MAX);
        }
        let taken = queue.take(NOW + CRASH_WINDOW);
        assert_eq!(
            (taken.batch, taken.wake, taken.watched),
            (vec![0], true, true)
        );
        queue.handling(9, NOW);
        assert_eq!(queue.crashed(NOW), 9);
        let later = NOW + CRASH_WINDOW + crossdock_model::Duration::from_ms(1);
        let taken = queue.take(later);
        assert_eq!((taken.batch, taken.watched), (vec![1, 2], false));
        queue.set_poison(true);
        assert!(queue.take(later).watched);
        queue.handling(9, later);
        assert_eq!(
            queue.crashed(later),
            UNKNOWN,
            "its neighbours may have done it"
        );
    }
}
