//! What goes wrong, how often it should, and how often it did.

use std::collections::{BTreeMap, BTreeSet};

use crate::Dice;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A webhook comes twice.
    Duplicated,
    /// A webhook waits long enough for those after it to come first.
    Reordered,
    /// A webhook comes minutes late.
    Late,
    /// A webhook never comes.
    Lost,
    /// The answer to a webhook is not heard: it comes again later, with what it said at first.
    Unheard,
    /// A call is refused as too costly, in an answer of status 200.
    Throttled,
    /// A call is refused with status 429.
    TooMany,
    /// A call fails with status 503 and nothing was done.
    Unavailable,
    /// A call is neither carried out nor answered.
    Silent,
    /// A call fails with status 502 after it was carried out.
    BrokenOff,
    /// A call is carried out and not answered in time.
    Unanswered,
    /// The shop deletes its subscriptions.
    Unsubscribed,
    /// A list of orders leaves out one that has changed.
    Lagged,
}

impl Fault {
    /// Every kind there is.
    pub const ALL: [Self; 13] = [
        Self::Duplicated,
        Self::Reordered,
        Self::Late,
        Self::Lost,
        Self::Unheard,
        Self::Throttled,
        Self::TooMany,
        Self::Unavailable,
        Self::Silent,
        Self::BrokenOff,
        Self::Unanswered,
        Self::Unsubscribed,
        Self::Lagged,
    ];
}

/// Lets faults happen by chance, and counts them.
#[derive(Debug, Clone)]
pub struct Faults {
    dice: Dice,
    chances: BTreeMap<Fault, f64>,
    /// Those that strike one call of an operation, once each.
    planned: Vec<(Fault, &'static str)>,
    happened: BTreeMap<Fault, u64>,
    /// Those that happen at the next chance.
    due: BTreeSet<Fault>,
}

impl Faults {
    /// No faults.
    #[must_use]
    pub fn none(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            chances: BTreeMap::new(),
            planned: Vec::new(),
            happened: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Every kind at the same chance, from 0 to 1.
    #[must_use]
    pub fn every(chance: f64, seed: u64) -> Self {
        Fault::ALL
            .into_iter()
            .fold(Self::none(seed), |faults, kind| faults.with(kind, chance))
    }

    /// One kind at another chance.
    #[must_use]
    pub fn with(mut self, kind: Fault, chance: f64) -> Self {
        self.chances.insert(kind, chance);
        self
    }

    /// One kind strikes the next call of an operation, as the API names it: `fulfillmentCreate`.
    #[must_use]
    pub fn once(mut self, kind: Fault, operation: &'static str) -> Self {
        self.planned.push((kind, operation));
        self
    }

    /// Nothing goes wrong by chance from now on; what happened is remembered.
    #[must_use]
    pub fn calmed(mut self) -> Self {
        self.chances.clear();
        self.due.clear();
        self
    }

    /// It happens at the next chance.
    pub(super) fn surely(&mut self, kind: Fault) {
        self.due.insert(kind);
    }

    /// How often a kind happened.
    #[must_use]
    pub fn happened(&self, kind: Fault) -> u64 {
        self.happened.get(&kind).copied().unwrap_or_default()
    }

    /// Whether it happens now.
    pub(super) fn strikes(&mut self, kind: Fault) -> bool {
        let chance = self.chances.get(&kind).copied().unwrap_or_default();
        let strikes = self.dice.happens(chance) | self.due.remove(&kind);
        if strikes {
            self.note(kind);
        }
        strikes
    }

    /// Whether it happens to this call.
    pub(super) fn strikes_call(&mut self, kind: Fault, document: &str) -> bool {
        let mut planned = self.planned.iter();
        let found = planned.position(|(of, operation)| *of == kind && document.contains(operation));
        match found {
            Some(at) => {
                self.planned.remove(at);
                self.note(kind);
                true
            }
            None => self.strikes(kind),
        }
    }

    /// It happened, though not by chance.
    pub(super) fn note(&mut self, kind: Fault) {
        *self.happened.entry(kind).or_default() += 1;
    }

    /// A span of those.
    pub(super) fn span_ms(&mut self, (min_ms, max_ms): (u64, u64)) -> u64 {
        min_ms + self.dice.below(max_ms.saturating_sub(min_ms).max(1))
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::none(0)
    }
}
