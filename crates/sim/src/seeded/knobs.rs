//! What differs from run to run: how large, how slow and how faulty everything is.

use crossdock_engine::Limits;
use crossdock_model::Duration;

use super::node::Flushed;
use super::plant::Plant;
use super::shorten::{Cut, Fault};
use crate::Dice;

/// For how long things happen at most, before it heals.
pub(super) const LASTS_MAX: Duration = Duration::from_s(600);

/// Steps of a batch from which on a flush carries whatever is asked.
const BATCHES_MUCH: usize = 64;

/// The settings of one run, drawn from its seed.
#[derive(Debug, Clone)]
pub(super) struct Knobs {
    pub skus: u64,
    pub locations: u64,
    /// Units of each SKU at each location at first, at most.
    pub units: u64,
    /// For how long things happen, before it heals.
    pub lasts: Duration,
    /// Requests of clients an hour.
    pub asked_per_h: f64,
    pub limits: Limits,
    pub batch_steps: usize,
    pub batch_bytes: usize,
    /// Longest time from a step until a flush begins, and that a flush takes.
    pub gather_ms: u64,
    pub flush_ms: u64,
    /// Longest time that a message between entities, a load or a turn of an entity takes.
    pub message_ms: u64,
    /// Longest time until a client is answered, or a location called.
    pub call_ms: u64,
    /// How many messages between entities are lost, and calls and answers of the outside.
    pub lost: f64,
    /// How many of these come twice.
    pub doubled: f64,
    /// How often the process is killed, an entity crashes, the disk is full, an hour.
    pub kills_per_h: f64,
    pub crashes_per_h: f64,
    pub full_per_h: f64,
    /// How many flushes fail otherwise, as `full_per_h`.
    pub fails_per_h: f64,
    /// How often the wall clock is set, an hour.
    pub steps_per_h: f64,
    /// How often an entity is looked at by which becomes passive, and how many do that could.
    pub passive: f64,
    /// How many entities that are asked for nothing are checkpointed when they are looked at.
    pub checkpoints: f64,
    /// How often each kind of request is made.
    pub wishes: [u64; super::clients::KINDS],
    /// Whether numbers are published to channels.
    pub publishes: bool,
    /// Whether channels say by deliveries what they sell, and whether their orders are read too.
    pub delivers: bool,
    pub reads: bool,
    /// How often a delivery is sent, where what is given up is found by reading.
    pub posted_times: u32,
    /// Deliveries in memory, and worked on, at once.
    pub inbox_rows: usize,
    pub workers: usize,
    /// Clients ask for nothing but what [`super::linear`] has a model of.
    pub is_plain: bool,
    pub plant: Option<Plant>,
}

/// One of these.
fn one<T: Copy>(dice: &mut Dice, of: &[T]) -> T {
    let at = dice.below(of.len() as u64);
    of[usize::try_from(at).unwrap_or(0)]
}

impl Knobs {
    pub fn draw(dice: &mut Dice) -> Self {
        let faulty = dice.happens(0.8);
        let mut rate = |rates: &[f64]| if faulty { one(dice, rates) } else { 0.0 };
        let (lost, doubled) = (rate(&[0.0, 0.01, 0.1]), rate(&[0.0, 0.01, 0.1]));
        let kills_per_h = rate(&[0.0, 4.0, 60.0]);
        let crashes_per_h = rate(&[0.0, 10.0, 200.0]);
        let full_per_h = rate(&[0.0, 0.0, 10.0]);
        let fails_per_h = rate(&[0.0, 0.0, 10.0]);
        let steps_per_h = rate(&[0.0, 10.0, 60.0]);
        let second = |s| Duration::from_s(s);
        let limits = Limits {
            dedup_window: one(dice, &[Duration::from_days(7), Duration::from_days(1)]),
            resend_after: one(dice, &[second(1), second(2), second(5)]),
            resend_after_max: one(dice, &[second(10), second(60)]),
            waiters_max: one(dice, &[1, 4, 256]),
        };
        let mut wishes = [0; super::clients::KINDS];
        for wish in &mut wishes {
            // Few kinds at a time, so that they meet each other often, and others in other runs.
            *wish = one(dice, &[0, 0, 1, 1, 4]);
        }
        let mut knobs = Self {
            skus: 1 + dice.below(6),
            locations: 1 + dice.below(4),
            units: one(dice, &[1, 3, 10, 50]),
            lasts: one(dice, &[second(30), second(120), LASTS_MAX]),
            asked_per_h: one(dice, &[600.0, 3_600.0, 14_400.0]),
            limits,
            batch_steps: one(dice, &[1, 3, 64, 4_096]),
            batch_bytes: one(dice, &[1_000, 1 << 20]),
            gather_ms: one(dice, &[0, 2]),
            flush_ms: one(dice, &[1, 10, 2_000]),
            message_ms: one(dice, &[0, 1, 20, 1_000]),
            call_ms: one(dice, &[1, 50, 5_000]),
            lost,
            doubled,
            kills_per_h,
            crashes_per_h,
            full_per_h,
            fails_per_h,
            steps_per_h,
            passive: one(dice, &[0.0, 0.1, 1.0]),
            checkpoints: one(dice, &[0.0, 0.1, 1.0]),
            wishes,
            publishes: dice.happens(0.5),
            delivers: dice.happens(0.5),
            reads: dice.happens(0.7),
            posted_times: one(dice, &[1, 3, 8]),
            inbox_rows: one(dice, &[16, 256]),
            workers: one(dice, &[1, 2, 8]),
            is_plain: dice.happens(0.1),
            plant: None,
        };
        if knobs.is_plain {
            knobs.locations = 1;
            knobs.publishes = false;
            knobs.delivers = false;
        }
        if knobs.batch_steps < BATCHES_MUCH {
            // A disk that takes a step at a time carries no more, and whoever is not answered asks again.
            knobs.asked_per_h = knobs.asked_per_h.min(3_600.0);
        }
        knobs
    }

    /// How a flush ends.
    pub fn flush(&self, dice: &mut Dice) -> Flushed {
        match dice.unit() * 3_600.0 {
            chance if chance < self.full_per_h => Flushed::Full,
            chance if chance < self.full_per_h + self.fails_per_h => Flushed::Failed,
            _ => Flushed::Written,
        }
    }

    /// Leaves out what is cut.
    pub fn cut(&mut self, cut: &Cut) {
        for fault in &cut.without {
            match fault {
                Fault::Losses => self.lost = 0.0,
                Fault::Repeats => self.doubled = 0.0,
                Fault::Kills => self.kills_per_h = 0.0,
                Fault::Crashes => self.crashes_per_h = 0.0,
                Fault::FullDisk => self.full_per_h = 0.0,
                Fault::FailingDisk => self.fails_per_h = 0.0,
                Fault::ClockSteps => self.steps_per_h = 0.0,
                Fault::Passivity => self.passive = 0.0,
                Fault::Checkpoints => self.checkpoints = 0.0,
                Fault::Slowness => self.hurry(),
            }
        }
        for kind in &cut.unwished {
            let at = usize::try_from(*kind).ok();
            if let Some(wish) = at.and_then(|at| self.wishes.get_mut(at)) {
                *wish = 0;
            }
        }
        if let Some(lasts) = cut.lasts {
            self.lasts = self.lasts.min(lasts);
        }
    }

    /// Much goes wrong, and flushes are slow, so that it does in the middle of something.
    #[cfg(test)]
    pub fn worsen(&mut self) {
        self.lost = 0.1;
        self.doubled = 0.3;
        self.kills_per_h = 60.0;
        self.crashes_per_h = 600.0;
        self.full_per_h = 10.0;
        self.fails_per_h = 10.0;
        self.steps_per_h = 60.0;
        self.flush_ms = 2_000;
        self.wishes = [1; super::clients::KINDS];
    }

    /// Little is asked, of entities that stay where they are, and much of what is said to channels is lost: nothing else tells
    /// it again soon.
    #[cfg(test)]
    pub fn calm(&mut self) {
        self.asked_per_h = 200.0;
        self.lasts = LASTS_MAX;
        self.units = 50;
        self.lost = 0.3;
        self.kills_per_h = 60.0;
        self.passive = 0.0;
        self.checkpoints = 1.0;
        self.publishes = true;
    }

    /// Nothing takes long any more.
    fn hurry(&mut self) {
        self.flush_ms = self.flush_ms.min(10);
        self.message_ms = self.message_ms.min(20);
        self.call_ms = self.call_ms.min(50);
    }

    /// It heals: nothing is lost, late or killed any more.
    pub fn heal(&mut self) {
        self.lost = 0.0;
        self.doubled = 0.0;
        self.kills_per_h = 0.0;
        self.crashes_per_h = 0.0;
        self.full_per_h = 0.0;
        self.fails_per_h = 0.0;
        self.steps_per_h = 0.0;
        self.hurry();
    }
}
