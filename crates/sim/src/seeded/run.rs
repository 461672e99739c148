//! A run of a seed, and what came of it.

use crossdock_logic::audit::Unsound;
use crossdock_model::{Duration, IdError};
use thiserror::Error;

use super::marks::Marks;
use super::shorten::Cut;
use super::{BEGINS, World};

/// Something is wrong that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{promise} does not hold: {what}")]
pub struct Broken {
    /// Which promise, by name.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
}

impl Broken {
    pub(super) fn new(promise: &'static str, what: impl Into<String>) -> Self {
        Self {
            promise,
            what: what.into(),
        }
    }
}

impl From<Unsound> for Broken {
    fn from(Unsound { promise, what }: Unsound) -> Self {
        Self { promise, what }
    }
}

impl From<IdError> for Broken {
    fn from(error: IdError) -> Self {
        Self::new("I2", error.to_string())
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// Things that happened.
    pub events: u64,
    /// Virtual time that passed.
    pub lasted: Duration,
    /// Requests that were answered.
    pub answered: u64,
    /// Of all that happened, in order: the same with the same seed.
    pub fingerprint: u64,
    /// What was seen to happen.
    pub marks: Marks,
    /// What was wrong.
    pub broken: Option<Broken>,
}

/// Does a run.
#[must_use]
pub fn run(seed: u64) -> Run {
    run_cut(seed, &Cut::default())
}

/// Does a run without what is cut.
#[must_use]
pub fn run_cut(seed: u64, cut: &Cut) -> Run {
    let mut world = match World::new(seed) {
        Ok(world) => world,
        Err(broken) => return Run::failed(seed, broken),
    };
    world.knobs.cut(cut);
    let broken = world.lives().err();
    Run::of(seed, &mut world, broken)
}

impl Run {
    pub(super) fn of(seed: u64, world: &mut World, broken: Option<Broken>) -> Self {
        Self {
            seed,
            events: world.trace.events(),
            lasted: world.agenda.now().since(BEGINS),
            answered: world.requests.count_answered(),
            fingerprint: world.trace.digest(),
            marks: std::mem::take(&mut world.marks),
            broken,
        }
    }

    pub(super) fn failed(seed: u64, broken: Broken) -> Self {
        Self {
            seed,
            events: 0,
            lasted: Duration::default(),
            answered: 0,
            fingerprint: 0,
            marks: Marks::default(),
            broken: Some(broken),
        }
    }
}
