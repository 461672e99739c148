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
        // Also an earlier one is remembered from now on: what is known of a later one may soon be forgotten.
        let last = id.attempt.max(self.attempt(&id.order));
        self.attempts.note(id.order.clone(), last, at, CLOSED_MAX);
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

#[cfg(test)]
mod tests {
    use crossdock_model::{ChannelId, ExternalId};

    use super::*;

    /// A later attempt is over before an earlier one: both are remembered from when they ended.
    #[test]
    fn an_attempt_that_ends_late_is_remembered_from_then_on() {
        let (window, at) = (Duration::from_ms(10), Timestamp::from_ms);
        let order = OrderId {
            channel: ChannelId::checked("shop").unwrap(),
            external: ExternalId::new("1").unwrap(),
        };
        let attempt = |attempt| AttemptId {
            order: order.clone(),
            attempt,
        };
        let mut closed = Closed::default();
        closed.close_attempt(&attempt(4), at(0));
        closed.close_attempt(&attempt(3), at(10));
        closed.forget(at(20), window);
        assert_eq!(closed.attempt(&order), 4);
        closed.forget(at(21), window);
        assert_eq!(closed.attempt(&order), 0);
    }
}
