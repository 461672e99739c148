//! The same world around a real node: actors and their supervisor, timers, the committer, calls and loads are those of
//! production, on a runtime with one thread whose time stands still but for leaps to what is due next. Whatever is drawn is
//! drawn from the seed, also how long reads and flushes take ([`Pace`]), and where a process is killed: with its runtime all
//! that runs on it is dropped, wherever it waits. What it has written is looked at as the engine's alone is ([`super`]): what
//! leaves it is what clients, locations and the log see, and no more.
//!
//! Ractor numbers actors for as long as the process lives: a run is repeated exactly by a process of its own.

mod clock;
mod process;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossdock_engine::{Batch, ShardBatch, Snapshot};
use crossdock_journal::{CommitOutcome, MemoryJournal, ShardWrite};
use crossdock_model::v1::LocationFacts;
use crossdock_model::{Command, Duration, EntityId, LocationId, Meta};
use crossdock_runtime::{Clock, Handle};
use tokio::sync::Notify;

use self::clock::StillClock;
use super::disk::Flush;
use super::knobs::Knobs;
use super::{BEGINS, Broken, Event, Run, World};
use crate::Dice;

/// Time between those crashes of entities that are asked for, each of which comes before the next one is: of three within a minute
/// something is put aside until a person comes.
const CRASHES_APART: Duration = Duration::from_s(61);

/// A request that has got to the process.
pub(super) struct Asks {
    pub number: usize,
    pub to: EntityId,
    pub command: Command,
    pub meta: Meta,
}

/// What the world knows of the process.
#[derive(Default)]
pub(super) struct Shell {
    pub is_up: bool,
    /// Once it has started.
    handle: Option<Handle>,
    clock: Option<Arc<StillClock>>,
    pub asks: Vec<Asks>,
    /// Crashes that were asked for, and those that processes have counted which are gone.
    crashes: u64,
    crashed: u64,
    /// What was found wrong while it ran.
    broken: Option<Broken>,
}

impl Shell {
    pub fn dies(&mut self) {
        self.is_up = false;
        self.crashed += self.crashed_in_this();
        self.handle = None;
        self.clock = None;
        self.asks.clear();
    }

    fn crashed_in_this(&self) -> u64 {
        let handle = self.handle.as_ref();
        handle.map_or(0, |handle| handle.metrics().crashes.get())
    }

    pub fn is_flushed(&self) -> bool {
        let handle = self.handle.as_ref();
        handle.is_some_and(|handle| handle.waiting_steps() == 0)
    }

    /// No entity has crashed by itself.
    pub fn check_crashes(&self) -> Result<(), Broken> {
        let (asked_for, crashed) = (self.crashes, self.crashed + self.crashed_in_this());
        match crashed > asked_for {
            true => Err(Broken::new(
                "I2",
                format!("{crashed} crashes, {asked_for} were asked for"),
            )),
            false => Ok(()),
        }
    }

    pub fn locations(&self) -> BTreeMap<LocationId, LocationFacts> {
        let known = self.handle.iter().flat_map(Handle::known_locations);
        known.map(|facts| (facts.location.clone(), facts)).collect()
    }
}

/// Does a run with the real shell. It is done again exactly by a process that does nothing else.
#[must_use]
pub fn run_shell(seed: u64) -> Run {
    run_changed(seed, |_| {})
}

fn run_changed(seed: u64, change: impl FnOnce(&mut Knobs)) -> Run {
    let mut dice = Dice::new(seed);
    let mut knobs = Knobs::draw(&mut dice);
    change(&mut knobs);
    knobs.leave_to_shell();
    match World::with(dice, knobs) {
        Ok(mut world) => {
            world.shell = Some(Shell::default());
            let around = Around::new(world);
            let broken = process::lives(&around).err();
            let mut world = around.lock();
            Run::of(seed, &mut world, broken)
        }
        Err(broken) => Run::failed(seed, broken),
    }
}

impl Knobs {
    /// What is not of the shell is left out: numbers and deliveries are worked on elsewhere, and its clock is tokio's.
    fn leave_to_shell(&mut self) {
        self.publishes = false;
        self.delivers = false;
        self.steps_per_h = 0.0;
    }
}

/// The world, and the journal that outlives its processes.
#[derive(Clone)]
struct Around {
    world: Arc<Mutex<World>>,
    journal: Arc<MemoryJournal>,
    /// Something was noted, perhaps for earlier than what is waited for.
    stirred: Arc<Notify>,
}

impl Around {
    fn new(world: World) -> Self {
        let world = Arc::new(Mutex::new(world));
        let journal = MemoryJournal::new(1, BEGINS);
        let sees = Arc::downgrade(&world);
        journal.watch(move |batch, outcome| {
            if let Some(world) = sees.upgrade() {
                change(&world, |world| world.sees(batch, outcome));
            }
        });
        Self {
            world,
            journal: Arc::new(journal),
            stirred: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Something happens in the world that the process does.
    fn change<R>(&self, changes: impl FnOnce(&mut World) -> R) -> R {
        let changed = change(&self.world, changes);
        self.stirred.notify_one();
        changed
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

fn change<R>(world: &Mutex<World>, change: impl FnOnce(&mut World) -> R) -> R {
    let mut world = lock(world);
    let clock = world.shell.as_ref().and_then(|shell| shell.clock.clone());
    if let Some(clock) = clock {
        world.agenda.goes_on(clock.now());
    }
    change(&mut world)
}

impl World {
    fn shell(&mut self) -> &mut Shell {
        self.shell.get_or_insert_default()
    }

    /// An entity crashes at what it handles next.
    pub(super) fn crashes(&mut self) {
        if self.is_healed {
            return;
        }
        self.marks.note("entity_crashed");
        self.shell().crashes += 1;
        process::crash_next();
        self.crash_later();
    }

    fn crash_later(&mut self) {
        if self.knobs.crashes_per_h > 0.0 {
            let gap = Duration::from_ms(self.dice.gap_ms(self.knobs.crashes_per_h));
            let span = Duration::from_ms(CRASHES_APART.as_ms() + gap.as_ms());
            self.note(span, Event::Crashes);
        }
    }

    /// The process has written something.
    fn sees(&mut self, batch: &crossdock_journal::Batch, outcome: &CommitOutcome) {
        self.trace.event(self.agenda.now());
        for write in &batch.shards {
            for frame in &write.frames {
                self.trace.bytes(frame.entity.to_string().as_bytes());
                self.trace.bytes(&frame.body);
            }
            for checkpoint in &write.checkpoints {
                self.trace.entity(&checkpoint.entity, checkpoint.version);
                self.trace.bytes(&checkpoint.body);
            }
        }
        let shards = batch.shards.iter();
        let kept = shards.filter(|write| !outcome.refused.contains_key(&write.shard));
        let flush = Flush {
            at: batch.at,
            batch: Batch {
                shards: kept.map(written).collect(),
            },
            inserts: batch.inbox.clone(),
        };
        if let Err(broken) = self.disk.write(flush) {
            self.shell().broken.get_or_insert(broken);
        }
    }
}

/// What was written of a shard, as the engine has it.
fn written<X>(write: &ShardWrite) -> ShardBatch<X> {
    let frames = write.frames.iter();
    let checkpoints = write.checkpoints.iter().map(|checkpoint| {
        let snapshot = Snapshot {
            version: checkpoint.version,
            body: checkpoint.body.clone(),
            wake_at: checkpoint.wake_at,
            speaks: checkpoint.dirty,
        };
        (checkpoint.entity.clone(), snapshot)
    });
    ShardBatch {
        shard: write.shard,
        expected_seq: write.expected_seq,
        records: frames
            .map(|frame| (frame.entity.clone(), frame.body.clone()))
            .collect(),
        checkpoints: checkpoints.collect(),
        checkpoint_seq: write.checkpoint_seq,
        others: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
