//! What was seen to happen. A run proves nothing about what it never met.

use std::collections::BTreeMap;

use crossdock_model::{Answer, Rejection};

/// What many runs must have met to prove anything.
const EXPECTED: &[&str] = &[
    "answer_lost",
    "answered_again",
    "asked_twice",
    "call_lost",
    "clock_set_back",
    "clock_set_forward",
    "contended",
    "delivery_conflict",
    "delivery_done",
    "delivery_given_up",
    "delivery_left_out",
    "delivery_lost",
    "delivery_parked",
    "delivery_repeated",
    "delivery_retried",
    "delivery_unparked",
    "disk_full",
    "entity_crashed",
    "flush_failed",
    "found_by_reading",
    "history_explained",
    "hold_expired",
    "inbox_recovered",
    "killed",
    "killed_after_it_was_flushed",
    "killed_before_it_was_flushed",
    "left_at_once",
    "life_lost",
    "loaded",
    "message_lost",
    "nothing_to_send",
    "number_call_lost",
    "passive",
    "queued",
    "request_lost",
    "said_again",
    "short",
    "snapshot_taken",
    "stale",
    "started_ahead_of_the_wall",
    "started_much_later",
    "stock_moved",
    "superseded",
    "torn_tail_dropped",
    "units_came_back",
    "waits",
];

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

    /// What these runs should have met and did not.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        let expected = EXPECTED.iter().copied();
        expected.filter(|mark| !self.0.contains_key(mark))
    }
}
