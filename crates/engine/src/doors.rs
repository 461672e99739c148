//! How many requests of each door are in progress, and how many may be: as many as come while webhooks are stored in good
//! time, few while they are not.
//!
//! A server that has more to do than it can makes everybody wait alike; shops too, which wait for an answer before they send
//! more. So how long webhooks take to be stored says whether too much else is done. While most of them take long, for longer
//! than a moment, fewer others are let in, down to one at a time; while they do not, more and more again. Additive increase
//! and multiplicative decrease are those of TCP (RFC 5681); that a standing queue is told from a burst by looking at a whole
//! interval is from CoDel (RFC 8289).

use crate::admission::Door;

/// Doors that can close, in the order in which they do, and the time that a webhook may take beyond its flushes while
/// they are open, in microseconds. At half load half of them take 0.1 ms; as fast as they can be worked on, 2 to 5 ms.
const CLOSING: [(Door, u64); 4] = [
    (Door::Import, 1_500),
    (Door::Read, 2_000),
    (Door::Hold, 2_500),
    (Door::Ask, 3_000),
];
/// Length of a moment, in milliseconds.
const MOMENT_MS: i64 = 100;
/// Webhooks in a moment that say something.
const WEBHOOKS_MIN: u32 = 8;
/// Bad moments in a row after which fewer are let in.
const BAD_MOMENTS: u32 = 3;
/// Requests of a door that are let in at a time, however bad it is, and however good.
const LIMITS: (usize, usize) = (1, 4_096);
/// Good moments after which nothing is left of what was.
const FORGOTTEN_AFTER: i64 = 100;

/// A door that can close.
#[derive(Debug, Clone, Copy)]
struct Room {
    in_progress: usize,
    limit: usize,
    /// Webhooks of the present moment that took too long for it.
    slow: u32,
    /// Bad moments in a row.
    bad: u32,
}

impl Room {
    fn has_passed(&mut self, is_bad: bool) {
        let (few, many) = LIMITS;
        if !is_bad {
            self.bad = 0;
            self.limit = (self.limit + self.limit / 8 + 1).min(many);
            return;
        }
        self.bad += 1;
        if self.bad >= BAD_MOMENTS {
            self.limit = (self.limit.min(self.in_progress) / 2).max(few);
        }
    }
}

/// All doors.
#[derive(Debug)]
pub struct Doors {
    rooms: [Room; CLOSING.len()],
    /// When the present moment began.
    since_ms: i64,
    /// Webhooks that were stored in it.
    webhooks: u32,
}

impl Default for Doors {
    fn default() -> Self {
        let room = Room {
            in_progress: 0,
            limit: LIMITS.1,
            slow: 0,
            bad: 0,
        };
        Self {
            rooms: [room; CLOSING.len()],
            since_ms: 0,
            webhooks: 0,
        }
    }
}

impl Doors {
    /// Whether one more is let in through that door; whoever is, leaves.
    pub fn enter(&mut self, door: Door, now_ms: i64) -> bool {
        self.look_back(now_ms);
        let Some(room) = self.room(door) else {
            return true;
        };
        let has_room = room.in_progress < room.limit;
        room.in_progress += usize::from(has_room);
        has_room
    }

    /// One who was let in has left.
    pub fn leave(&mut self, door: Door) {
        if let Some(room) = self.room(door) {
            room.in_progress = room.in_progress.saturating_sub(1);
        }
    }

    /// A webhook was stored. `took_us`: how long it took beyond its flushes, in microseconds.
    pub fn stored(&mut self, took_us: u64, now_ms: i64) {
        self.look_back(now_ms);
        self.webhooks += 1;
        for (room, (_, patience_us)) in self.rooms.iter_mut().zip(CLOSING) {
            room.slow += u32::from(took_us > patience_us);
        }
    }

    fn room(&mut self, door: Door) -> Option<&mut Room> {
        let at = CLOSING.iter().position(|(closing, _)| *closing == door)?;
        Some(&mut self.rooms[at])
    }

    /// Draws conclusions from the moments that have passed. A clock that went back begins anew.
    fn look_back(&mut self, now_ms: i64) {
        let passed = (now_ms - self.since_ms) / MOMENT_MS;
        if passed == 0 && now_ms >= self.since_ms {
            return;
        }
        let tells = self.webhooks >= WEBHOOKS_MIN;
        for room in &mut self.rooms {
            let slow = std::mem::take(&mut room.slow);
            room.has_passed(tells && slow > self.webhooks / 2);
            // Nothing came in the others.
            for _ in 1..passed.min(FORGOTTEN_AFTER) {
                room.has_passed(false);
            }
        }
        (self.since_ms, self.webhooks) = (now_ms, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments pass in which so many webhooks come that take so long.
    fn pass(doors: &mut Doors, now_ms: &mut i64, moments: i64, webhooks: u32, took_us: u64) {
        for _ in 0..moments {
            for _ in 0..webhooks {
                doors.stored(took_us, *now_ms);
            }
            *now_ms += MOMENT_MS;
        }
    }

    /// How many are let in.
    fn fill(doors: &mut Doors, door: Door, now_ms: i64) -> usize {
        std::iter::repeat_with(|| doors.enter(door, now_ms))
            .take_while(|is_in| *is_in)
            .take(10_000)
            .count()
    }

    const DOORS: [Door; 4] = [Door::Import, Door::Read, Door::Hold, Door::Ask];
    const SLOW_US: u64 = 9_000;

    #[test]
    fn everybody_is_let_in_while_webhooks_are_stored_in_good_time() {
        let (mut doors, mut now_ms) = (Doors::default(), 1);
        pass(&mut doors, &mut now_ms, 100, 1_000, 1_000);
        for door in DOORS {
            assert_eq!(fill(&mut doors, door, now_ms), LIMITS.1, "{door:?}");
        }
        assert_eq!(fill(&mut doors, Door::Sold, now_ms), 10_000);
    }

    #[test]
    fn few_are_let_in_while_webhooks_wait() {
        let (mut doors, mut now_ms) = (Doors::default(), 1);
        pass(&mut doors, &mut now_ms, 20, 100, SLOW_US);
        for door in DOORS {
            assert_eq!(fill(&mut doors, door, now_ms), LIMITS.0, "{door:?}");
            doors.leave(door);
            assert_eq!(
                fill(&mut doors, door, now_ms),
                1,
                "whoever leaves makes room"
            );
        }
        assert_eq!(
            fill(&mut doors, Door::Sold, now_ms),
            10_000,
            "never put off"
        );
    }

    #[test]
    fn doors_close_one_after_the_other() {
        for (took_us, closed) in [(1_700, 1), (2_200, 2), (2_700, 3), (3_500, 4)] {
            let (mut doors, mut now_ms) = (Doors::default(), 1);
            pass(&mut doors, &mut now_ms, 20, 100, took_us);
            let is_closed = |door| fill(&mut doors, door, now_ms) < LIMITS.1;
            let found: Vec<bool> = DOORS.into_iter().map(is_closed).collect();
            let expected: Vec<bool> = (0..4).map(|at| at < closed).collect();
            assert_eq!(found, expected, "{took_us} us");
        }
    }

    #[test]
    fn nobody_is_put_off_for_a_burst_for_one_slow_flush_or_for_a_few_webhooks() {
        let (mut doors, mut now_ms) = (Doors::default(), 1);
        pass(&mut doors, &mut now_ms, 2, 1_000, SLOW_US);
        pass(&mut doors, &mut now_ms, 1, 1_000, 0);
        pass(&mut doors, &mut now_ms, 2, 1_000, SLOW_US);
        pass(&mut doors, &mut now_ms, 1, 1_000, 0);
        pass(&mut doors, &mut now_ms, 100, WEBHOOKS_MIN - 1, SLOW_US);
        assert_eq!(fill(&mut doors, Door::Import, now_ms), LIMITS.1);
    }

    #[test]
    fn more_and_more_are_let_in_afterwards() {
        let (mut doors, mut now_ms) = (Doors::default(), 1);
        pass(&mut doors, &mut now_ms, 20, 100, SLOW_US);
        let mut last = fill(&mut doors, Door::Ask, now_ms);
        for seconds in 1..=6 {
            pass(&mut doors, &mut now_ms, 10, 100, 0);
            let more = fill(&mut doors, Door::Ask, now_ms);
            assert!(more > 0, "after {seconds} s");
            last += more;
        }
        assert_eq!(last, LIMITS.1);
    }

    /// Also where nothing comes at all, and where the clock goes back.
    #[test]
    fn what_was_is_forgotten() {
        for now_later in [60_000, -60_000] {
            let (mut doors, mut now_ms) = (Doors::default(), 1);
            pass(&mut doors, &mut now_ms, 20, 100, SLOW_US);
            assert!(doors.enter(Door::Ask, now_ms));
            now_ms += now_later;
            assert!(doors.enter(Door::Ask, now_ms), "{now_later}");
        }
    }
}
