//! What is over at a SKU, so that late and repeated messages change nothing: attempts, holds, returns and transfers.

use crossdock_model::v1::AttemptId;
use crossdock_model::{
    Answer, Duration, HoldId, LocationId, OrderId, Rejection, ReturnId, Timestamp, TransferId,
};
use serde::{Deserialize, Serialize};

use super::CLOSED_MAX;
use crate::kept::Kept;

/// What was closed within the dedup window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Closed {
    /// The highest closed attempt of each order.
    attempts: Kept<OrderId, u32>,
    holds: Kept<HoldId, ClosedHold>,
    returns: Kept<ReturnedPart, ()>,
    transfers: Kept<TransferId, ClosedTransfer>,
}

/// A part of an order's return: goods that came back once.
pub(super) type ReturnedPart = (OrderId, ReturnId, u32);

/// A hold that is no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedHold {
    /// When its units came free, or were taken over.
    pub at: Timestamp,
    /// The order that took them over.
    pub confirmed_by: Option<OrderId>,
}

impl ClosedHold {
    /// What is answered to whoever asks for it again.
    pub fn answer(&self) -> Result<Answer, Rejection> {
        let at = self.at;
        match self.confirmed_by.clone() {
            Some(order) => Ok(Answer::HoldConfirmed { order, at }),
            None => Err(Rejection::HoldExpired { at }),
        }
    }
}

/// A transfer of which nothing is on its way any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedTransfer {
    pub from: LocationId,
    pub to: LocationId,
    pub sent: u32,
    pub arrived: u32,
}

impl Closed {
    /// The highest closed attempt of an order.
    pub fn attempt(&self, order: &OrderId) -> u32 {
        self.attempts.get(order).copied().unwrap_or(0)
    }

    pub fn hold(&self, hold: &HoldId) -> Option<&ClosedHold> {
        self.holds.get(hold)
    }

    pub fn has_returned(&self, part: &ReturnedPart) -> bool {
        self.returns.get(part).is_some()
    }

    pub fn transfer(&self, transfer: &TransferId) -> Option<&ClosedTransfer> {
        self.transfers.get(transfer)
    }

    pub fn close_attempt(&mut self, id: &AttemptId, at: Timestamp) {
        if id.attempt > self.attempt(&id.order) {
            let order = id.order.clone();
            self.attempts.note(order, id.attempt, at, CLOSED_MAX);
        }
    }

    pub fn close_hold(
        &mut self,
        hold: &HoldId,
        ended_at: Timestamp,
        confirmed_by: Option<OrderId>,
        at: Timestamp,
    ) {
        let closed = ClosedHold {
            at: ended_at,
            confirmed_by,
        };
        self.holds.note(hold.clone(), closed, at, CLOSED_MAX);
    }

    pub fn take_back(&mut self, part: ReturnedPart, at: Timestamp) {
        self.returns.note(part, (), at, CLOSED_MAX);
    }

    pub fn close_transfer(&mut self, id: &TransferId, closed: ClosedTransfer, at: Timestamp) {
        self.transfers.note(id.clone(), closed, at, CLOSED_MAX);
    }

    pub fn forget(&mut self, now: Timestamp, window: Duration) {
        self.attempts.forget(now, window);
        self.holds.forget(now, window);
        self.returns.forget(now, window);
        self.transfers.forget(now, window);
    }
}
