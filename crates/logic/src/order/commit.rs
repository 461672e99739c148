//! What SKUs and locations answer to an attempt, up to the commit point.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{AttemptEnd, OrderEvent, Take};
use crossdock_model::{Answer, LocationId, Rejection, SkuId};

use super::draft::Draft;
use super::effects::{reserves, told_sku};
use super::state::{Placing, Step};
use crate::decider::Decision;
use crate::planted::Mistake;
use crate::router::no_stock;

impl Draft<'_> {
    pub fn reserve_answered(
        &mut self,
        sku: &SkuId,
        attempt: u32,
        takes: &[Take],
        result: &Result<Answer, Rejection>,
    ) {
        if attempt != self.order.last_attempt {
            return;
        }
        let sku = sku.clone();
        match result {
            Ok(Answer::Reserved { takes: taken }) if same(takes, taken) => {
                self.emit(OrderEvent::SkuReserved { attempt, sku });
            }
            // Reserved in a life of this order that is lost, for another plan.
            Ok(Answer::Reserved { .. }) | Err(Rejection::Superseded) => {
                self.close_attempt(AttemptEnd::Changed);
            }
            // Queued: its turn comes as a message, or is found by asking again.
            Ok(_) => {}
            Err(Rejection::Contended { .. }) => self.close_attempt(AttemptEnd::Contended { sku }),
            Err(Rejection::Busy { .. }) => self.close_attempt(AttemptEnd::Busy { sku }),
            Err(Rejection::Short { stock, .. }) => {
                let stock = stock.clone();
                self.emit(OrderEvent::StockSeen { stock });
                self.close_attempt(AttemptEnd::Short { sku });
            }
            Err(_) => {
                let stock = Box::new(no_stock(&sku));
                self.emit(OrderEvent::StockSeen { stock });
                self.close_attempt(AttemptEnd::Short { sku });
            }
        }
    }

    /// The turn of a queued reservation is the answer to it.
    pub fn turn_came(
        mut self,
        sku: &SkuId,
        attempt: u32,
        result: &Result<Answer, Rejection>,
    ) -> Decision<OrderEvent> {
        let number = self.order.reserving(sku, attempt);
        let effect = number.and_then(|number| self.order.pending.get(number).cloned());
        let told = effect.as_ref().and_then(told_sku);
        if let Some((_, takes)) = told.and_then(|(_, command)| reserves(command)) {
            self.reserve_answered(sku, attempt, takes, result);
        }
        self.unchanged()
    }

    pub fn capacity_answered(
        &mut self,
        location: &LocationId,
        attempt: u32,
        result: &Result<Answer, Rejection>,
    ) {
        if attempt != self.order.last_attempt {
            return;
        }
        let location = location.clone();
        match result {
            Ok(Answer::CapacityGranted {
                day,
                acknowledge_by,
            }) => self.emit(OrderEvent::SlotGranted {
                attempt,
                location,
                day: day.clone(),
                acknowledge_by: *acknowledge_by,
            }),
            Ok(_) => {}
            Err(Rejection::Superseded) => self.close_attempt(AttemptEnd::Changed),
            Err(Rejection::Busy { .. } | Rejection::Contended { .. }) => {}
            Err(_) => self.close_attempt(AttemptEnd::CapacityFull { location }),
        }
    }

    /// The commit point, once all have agreed.
    pub fn commit(&mut self) {
        let order = self.order.order.as_deref();
        let Some(Placing::Reserving(attempt)) = order.map(|order| &order.placing) else {
            return;
        };
        let shares = attempt.shares.values().map(|(_, step)| *step);
        let mut steps = shares.chain(attempt.slots.values().map(|(_, step)| *step));
        if !steps.all(|step| step == Step::Granted) {
            return;
        }
        let (attempt, rest) = (attempt.number, attempt.rest.clone());
        self.emit(OrderEvent::Reserved { attempt });
        if let Some(rest) = rest {
            self.leave_rest(&rest);
        }
    }

    /// A SKU asks what became of an attempt. One that this order does not remember is closed for good, so
    /// that its number is never used again: the word *given up* may arrive late.
    pub fn ask_outcome(mut self, sku: &SkuId, attempt: u32) -> Decision<OrderEvent> {
        let Some(id) = self.attempt_id(attempt) else {
            return self.unchanged();
        };
        let order = self.order.order.as_deref();
        let committed = order.is_some_and(|order| {
            let mut grants = order.grants.keys();
            grants.any(|(number, of, _)| *number == attempt && of == sku)
        });
        let open = attempt == self.order.last_attempt
            && order.is_some_and(|order| super::effects::is_placing(&order.placing));
        let outcome = match (committed, open) {
            (true, _) => Answer::Committed,
            (false, true) => Answer::Undecided,
            (false, false) if Mistake::GivenUpAsCommitted.is_planted() => Answer::Committed,
            (false, false) => Answer::GivenUp,
        };
        if attempt > self.order.last_attempt {
            if open_elsewhere(order.map(|order| &order.placing)) {
                self.close_attempt(AttemptEnd::Changed);
            }
            self.emit(OrderEvent::AttemptClosed {
                attempt,
                cause: AttemptEnd::Changed,
                retry_at: None,
            });
        }
        if outcome == Answer::GivenUp {
            self.wait_again(sku);
        }
        self.tell_sku(sku, SkuCommand::Outcome { id, outcome });
        self.unchanged()
    }

    /// By reserving, this order has left the SKU's line, also if it remembers nothing of it: it stands in line anew, or
    /// nobody would offer it the units that it gives up.
    fn wait_again(&mut self, sku: &SkuId) {
        let order = self.order.order.as_deref();
        let order = order.filter(|order| order.waits.contains_key(sku));
        if let Some(Placing::Waiting(missing)) = order.map(|order| &order.placing) {
            self.wait_for(&missing.clone());
        }
    }
}

/// Whether an attempt is open whose number would fall behind.
fn open_elsewhere(placing: Option<&Placing>) -> bool {
    placing.is_some_and(super::effects::is_placing)
}

fn same(asked: &[Take], taken: &[Take]) -> bool {
    let sorted = |takes: &[Take]| {
        let mut takes = takes.to_vec();
        takes.sort();
        takes
    };
    sorted(asked) == sorted(taken)
}
