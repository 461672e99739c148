//! Calls that are named by a key: carried out once, and answered again as they were.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

/// Keys that are remembered; the oldest is forgotten first.
const KEYS_MAX: usize = 10_000;

/// What a key was used for: what was asked, and the answer, unless it failed.
type Use = (Value, Option<Value>);

/// Keys that were used.
#[derive(Debug, Default)]
pub(super) struct Keys {
    used: BTreeMap<String, Use>,
    order: VecDeque<String>,
}

/// What is known of a key.
#[derive(Debug, PartialEq)]
pub(super) enum Known {
    /// It was never used.
    New,
    /// It was used for this, and answered so.
    Answered(Value),
    /// It was used for something that failed.
    Failed,
    /// It was used for something else.
    Other,
}

impl Keys {
    pub fn look_up(&self, key: &str, asked: &Value) -> Known {
        match self.used.get(key) {
            None => Known::New,
            Some((before, _)) if before != asked => Known::Other,
            Some((_, Some(answer))) => Known::Answered(answer.clone()),
            Some((_, None)) => Known::Failed,
        }
    }

    pub fn note(&mut self, key: &str, asked: Value, answer: Option<Value>) {
        self.used.insert(key.to_owned(), (asked, answer));
        self.order.push_back(key.to_owned());
        if self.order.len() > KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.used.remove(&oldest);
        }
    }
}
