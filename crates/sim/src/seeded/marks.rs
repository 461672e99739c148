//! What was seen to happen. A run proves nothing about what it never met.

use std::collections::BTreeMap;

use crossdock_model::{Answer, Rejection};

/// How often each of these happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<&'static str, u64>);

impl Marks {
    pub(super) fn note(&mut self, mark: &'static str) {
        *self.0.entry(mark).or_default() += 1;
    }

    pub(super) fn note_if(&mut self, happened: bool, mark: &'static str) {
        if happened {
            self.note(mark);
        }
    }

    /// What an entity answered.
    pub(super) fn answer(&mut self, result: &Result<Answer, Rejection>) {
        match result {
            Ok(Answer::Queued) => self.note("queued"),
            Ok(Answer::RetryNow) => self.note("stock_moved"),
            Ok(Answer::Waits) => self.note("waits"),
            Ok(Answer::Kept) => self.note("kept"),
            Ok(Answer::GivenUp) => self.note("given_up"),
            Ok(_) => {}
            Err(rejection) => self.note(rejection.code()),
        }
    }

    /// Those of several runs.
    pub fn add(&mut self, other: &Self) {
        for (mark, count) in &other.0 {
            *self.0.entry(mark).or_default() += count;
        }
    }

    /// Each with how often it happened.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(mark, count)| (*mark, *count))
    }

    /// How often it happened.
    #[must_use]
    pub fn count(&self, mark: &str) -> u64 {
        self.0.get(mark).copied().unwrap_or(0)
    }
}
