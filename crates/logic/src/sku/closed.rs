//! Attempts and holds that are closed, so that late and repeated messages change nothing.

use std::collections::{BTreeMap, VecDeque};

use crossdock_model::v1::AttemptId;
use crossdock_model::{HoldId, OrderId, Timestamp};
use serde::{Deserialize, Serialize};

use super::CLOSED_MAX;
use crate::entity::DEDUP_WINDOW;

/// What was closed within the dedup window, so that late and repeated messages change nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Closed {
    attempts: BTreeMap<OrderId, ClosedAttempt>,
    attempt_times: VecDeque<(Timestamp, OrderId)>,
    holds: BTreeMap<HoldId, ClosedHold>,
    hold_times: VecDeque<(Timestamp, HoldId)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ClosedAttempt {
    attempt: u32,
    at: Timestamp,
}

/// A hold that is no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedHold {
    /// When its units came free.
    pub at: Timestamp,
    pub confirmed: Option<AttemptId>,
    closed_at: Timestamp,
}

impl Closed {
    /// The highest closed attempt of an order.
    pub fn attempt(&self, order: &OrderId) -> u32 {
        self.attempts.get(order).map_or(0, |closed| closed.attempt)
    }

    pub fn hold(&self, hold: &HoldId) -> Option<&ClosedHold> {
        self.holds.get(hold)
    }

    pub fn close_attempt(&mut self, id: &AttemptId, at: Timestamp) {
        if id.attempt > self.attempt(&id.order) {
            let attempt = id.attempt;
            self.attempts
                .insert(id.order.clone(), ClosedAttempt { attempt, at });
            self.attempt_times.push_back((at, id.order.clone()));
        }
        while let Some((then, order)) = self.attempt_times.front() {
            if self.attempt_times.len() <= CLOSED_MAX && at.since(*then) <= DEDUP_WINDOW {
                break;
            }
            if self.attempts.get(order).is_some_and(|one| one.at == *then) {
                self.attempts.remove(order);
            }
            self.attempt_times.pop_front();
        }
    }

    pub fn close_hold(
        &mut self,
        hold: &HoldId,
        free_at: Timestamp,
        confirmed: Option<AttemptId>,
        at: Timestamp,
    ) {
        let closed = ClosedHold {
            at: free_at,
            confirmed,
            closed_at: at,
        };
        self.holds.insert(hold.clone(), closed);
        self.hold_times.push_back((at, hold.clone()));
        while let Some((then, hold)) = self.hold_times.front() {
            if self.hold_times.len() <= CLOSED_MAX && at.since(*then) <= DEDUP_WINDOW {
                break;
            }
            if self
                .holds
                .get(hold)
                .is_some_and(|one| one.closed_at == *then)
            {
                self.holds.remove(hold);
            }
            self.hold_times.pop_front();
        }
    }
}
