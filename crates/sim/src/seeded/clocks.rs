//! The clocks of the world: the one that everything happens by, which channels and clients have too; the wall clock of the
//! node's machine, which is set by an hour or two now and then; and the node's own, of which production says how it goes by both.

use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::Anchored;

use super::plant::Plant;
use super::{Event, World};

/// How wrong the wall clock is at most.
const WRONG_MS_MAX: u64 = 2 * 3_600_000;

/// A process that starts so much later has begun at another time.
const MUCH: Duration = Duration::from_minutes(10);

/// What time it is for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// In the world.
    pub world: Timestamp,
    /// For the node.
    pub node: Timestamp,
}

/// The node's clock, and what it goes by.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    wall_ahead_ms: i64,
    anchored: Option<Anchored>,
    /// How far processes began later than where the one before had been.
    jumped: Duration,
    has_stepped: bool,
    follows_wall: bool,
}

impl Clocks {
    /// A process starts.
    pub fn begin(&mut self, recorded: Option<Timestamp>, world: Timestamp, plant: Option<Plant>) {
        let before = self.anchored.is_some().then(|| self.node(world));
        let wall_ms = world.as_ms() + self.wall_ahead_ms;
        self.anchored = Some(Anchored::new(recorded, wall_ms, world.as_ms()));
        self.follows_wall = plant == Some(Plant::FollowsWallClock);
        if let Some(before) = before {
            let jump = self.node(world).since(before);
            self.jumped = Duration::from_ms(self.jumped.as_ms() + jump.as_ms());
        }
    }

    /// The node's time.
    pub fn node(&self, world: Timestamp) -> Timestamp {
        let wall_ms = world.as_ms() + self.wall_ahead_ms;
        match &self.anchored {
            Some(anchored) if !self.follows_wall => anchored.now(|| wall_ms, world.as_ms()),
            Some(_) | None => Timestamp::from_ms(wall_ms),
        }
    }

    /// By so much processes that started let time jump.
    pub fn jumped(&self) -> Duration {
        self.jumped
    }

    /// Whether the wall clock was ever wrong.
    pub fn has_stepped(&self) -> bool {
        self.has_stepped
    }
}

impl World {
    pub(super) fn now(&self) -> Now {
        let world = self.agenda.now();
        let node = self.clocks.node(world);
        Now { world, node }
    }

    pub(super) fn step_later(&mut self) {
        if self.knobs.steps_per_h > 0.0 {
            let gap = self.dice.gap_ms(self.knobs.steps_per_h);
            self.note(Duration::from_ms(gap), Event::ClockSteps);
        }
    }

    /// Somebody sets the wall clock.
    pub(super) fn steps(&mut self) {
        if self.is_healed {
            return;
        }
        let wrong = i64::try_from(self.dice.below(2 * WRONG_MS_MAX + 1)).unwrap_or(0);
        let before = self.clocks.wall_ahead_ms;
        self.clocks.wall_ahead_ms = wrong - WRONG_MS_MAX.cast_signed();
        let is_later = self.clocks.wall_ahead_ms > before;
        let mark = if is_later {
            "clock_set_forward"
        } else {
            "clock_set_back"
        };
        self.marks.note(mark);
        self.clocks.has_stepped = true;
        self.step_later();
    }

    /// The clock of a process that starts.
    pub(super) fn begins_clock(&mut self) {
        let (recorded, world) = (self.disk.written_at(), self.agenda.now());
        let jumped = self.clocks.jumped();
        self.clocks.begin(recorded, world, self.knobs.plant);
        let wall = Timestamp::from_ms(world.as_ms() + self.clocks.wall_ahead_ms);
        self.marks
            .note_if(recorded > Some(wall), "started_ahead_of_the_wall");
        self.marks.note_if(
            self.clocks.jumped().as_ms() - jumped.as_ms() > MUCH.as_ms(),
            "started_much_later",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process goes on as if nothing had happened; the next one believes what the wall clock says, but never goes back.
    #[test]
    fn a_clock_that_is_set_is_seen_by_the_next_process() {
        let at = |minutes: i64| Timestamp::from_ms(minutes * 60_000);
        let mut clocks = Clocks::default();
        clocks.begin(None, at(0), None);
        clocks.wall_ahead_ms = 3_600_000;
        assert_eq!(clocks.node(at(10)).since(at(10)).as_ms(), 3_000);
        clocks.begin(Some(at(10)), at(11), None);
        assert_eq!(clocks.node(at(11)), at(71));
        assert!((59 * 60_000..60 * 60_000).contains(&clocks.jumped().as_ms()));
        clocks.wall_ahead_ms = -3_600_000;
        clocks.begin(Some(at(71)), at(12), None);
        assert_eq!(clocks.node(at(12)), at(71));
        clocks.begin(None, at(13), Some(Plant::FollowsWallClock));
        assert_eq!(clocks.node(at(13)), at(-47));
    }
}
