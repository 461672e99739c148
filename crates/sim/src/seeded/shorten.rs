//! A run that fails, made shorter: less goes wrong, less is wanted, for a shorter time, as long as it breaks the same promise.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crossdock_model::Duration;

use super::clients::KINDS;
use super::knobs::LASTS_MAX;
use super::{Broken, Run, run_cut};

/// Something that goes wrong, or may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Messages, calls and answers are lost.
    Losses,
    /// Requests and answers come twice.
    Repeats,
    /// The process is killed.
    Kills,
    /// Entities crash.
    Crashes,
    /// The disk is full.
    FullDisk,
    /// Flushes fail.
    FailingDisk,
    /// The wall clock is set.
    ClockSteps,
    /// Entities become passive.
    Passivity,
    /// Entities are checkpointed.
    Checkpoints,
    /// Flushes, messages and calls take long.
    Slowness,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Losses,
        Self::Repeats,
        Self::Kills,
        Self::Crashes,
        Self::FullDisk,
        Self::FailingDisk,
        Self::ClockSteps,
        Self::Passivity,
        Self::Checkpoints,
        Self::Slowness,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Losses => "losses",
            Self::Repeats => "repeats",
            Self::Kills => "kills",
            Self::Crashes => "crashes",
            Self::FullDisk => "full-disk",
            Self::FailingDisk => "failing-disk",
            Self::ClockSteps => "clock-steps",
            Self::Passivity => "passivity",
            Self::Checkpoints => "checkpoints",
            Self::Slowness => "slowness",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|fault| fault.name() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|fault| fault.name()).collect();
            format!("must be one of {}", names.join(", "))
        })
    }
}

/// What a run does without, though its seed draws it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cut {
    /// What does not go wrong.
    pub without: BTreeSet<Fault>,
    /// Kinds of requests that are not made, by number.
    pub unwished: BTreeSet<u64>,
    /// How long things happen before it heals, at most.
    pub lasts: Option<Duration>,
}

/// As arguments of `crossdock sim`.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: ToString>(all: &BTreeSet<T>) -> String {
            all.iter().map(T::to_string).collect::<Vec<_>>().join(",")
        }
        if !self.without.is_empty() {
            write!(f, " --without {}", list(&self.without))?;
        }
        if !self.unwished.is_empty() {
            write!(f, " --unwished {}", list(&self.unwished))?;
        }
        match self.lasts {
            Some(lasts) => write!(f, " --lasts-ms {}", lasts.as_ms()),
            None => Ok(()),
        }
    }
}

/// Shortens a run that failed. Returns what was cut, and the run without it: the one in which fewest things happen of those
/// that were found by leaving out one thing after the other.
#[must_use]
pub fn shorten(failed: &Run) -> (Cut, Run) {
    let promise = |run: &Run| run.broken.as_ref().map(|Broken { promise, .. }| *promise);
    let (mut cut, mut shortest) = (Cut::default(), (Cut::default(), failed.clone()));
    let mut attempt = |next: Cut, cut: &mut Cut| {
        let run = run_cut(failed.seed, &next);
        let fails = promise(&run) == promise(failed);
        if fails {
            cut.clone_from(&next);
            // With as many events the one that leaves more out is simpler.
            if run.events <= shortest.1.events {
                shortest = (next, run);
            }
        }
        fails
    };
    for fault in Fault::ALL {
        let mut next = cut.clone();
        next.without.insert(fault);
        attempt(next, &mut cut);
    }
    for kind in 0..KINDS as u64 {
        let mut next = cut.clone();
        next.unwished.insert(kind);
        attempt(next, &mut cut);
    }
    let mut lasts = LASTS_MAX;
    while lasts > Duration::from_ms(1) {
        lasts = Duration::from_ms(lasts.as_ms() / 2);
        let next = Cut {
            lasts: Some(lasts),
            ..cut.clone()
        };
        if !attempt(next, &mut cut) {
            break;
        }
    }
    shortest
}
