//! How far a channel's orders were read. Whoever reads tells what has changed; what that means is nobody else's business.

use std::collections::BTreeMap;

use crossdock_model::v1::{ChannelEvent, Polled};
use crossdock_model::{Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use super::ChannelState;
use crate::decider::Decision;

/// What is read and not placed that is remembered at most.
pub(super) const AWAITED_MAX: usize = 10_000;

/// Where reading stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Reading {
    cursor: String,
    read_up_to: Timestamp,
    awaited: BTreeMap<String, String>,
    theirs: Option<String>,
}

impl Reading {
    pub fn go_on(&mut self, polled: &Polled) {
        self.cursor.clone_from(&polled.cursor);
        self.read_up_to = polled.read_up_to;
        self.theirs.clone_from(&polled.theirs);
        for name in &polled.placed {
            self.awaited.remove(name);
        }
        self.awaited.extend(polled.awaited.iter().cloned());
    }

    /// As it was told in one go.
    pub fn whole(&self) -> Polled {
        let awaited = self.awaited.iter();
        Polled {
            cursor: self.cursor.clone(),
            read_up_to: self.read_up_to,
            awaited: awaited
                .map(|(name, what)| (name.clone(), what.clone()))
                .collect(),
            placed: Vec::new(),
            theirs: self.theirs.clone(),
        }
    }
}

impl ChannelState {
    pub(super) fn poll(&self, polled: &Polled) -> Result<Decision<ChannelEvent>, Rejection> {
        let mut after = self.reading.clone().unwrap_or_default();
        after.go_on(polled);
        if after.awaited.len() > AWAITED_MAX {
            return Err(Rejection::Limit {
                what: "orders that are read and not placed".to_owned(),
                max: AWAITED_MAX as u64,
            });
        }
        let is_news = self.reading.as_ref() != Some(&after);
        let event = is_news.then(|| ChannelEvent::Polled(polled.clone()));
        Ok(Decision::done(event.into_iter().collect()))
    }
}
