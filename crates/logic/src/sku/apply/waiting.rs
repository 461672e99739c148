//! Events of the queue and of the line of waiting orders.

use crossdock_model::v1::{AttemptId, SkuEvent, Take};
use crossdock_model::{OrderId, Timestamp};

use super::super::lines::{Offer, Queued, Waiter};
use super::super::state::{Due, SkuState};
use super::super::{OFFER_PAUSE_MAX, OFFER_PAUSE_MIN, backoff};
use super::{Applied, illegal, require};
use crate::decider::IllegalHistory;

impl SkuState {
    pub(super) fn queued(&mut self, event: &SkuEvent) -> Applied {
        let SkuEvent::Queued {
            id,
            takes,
            sale,
            promised_at,
            deadline,
        } = event
        else {
            return Err(illegal("not a queued reservation"));
        };
        self.is_new(id)?;
        require(self.queue.get(id).is_none(), "queued twice")?;
        self.shift_all(takes, |sums, units| sums.queued += units);
        self.timers.insert((*deadline, Due::LeaveQueue(id.clone())));
        self.queue.push(Queued {
            id: id.clone(),
            takes: takes.clone(),
            sale: *sale,
            promised_at: *promised_at,
            deadline: *deadline,
        });
        Ok(())
    }

    pub(super) fn unqueued(&mut self, id: &AttemptId) -> Applied {
        require(self.dequeue(id), "an unknown attempt left the queue")
    }

    pub(super) fn dequeue(&mut self, id: &AttemptId) -> bool {
        let Some(queued) = self.queue.remove(id) else {
            return false;
        };
        let due = Due::LeaveQueue(id.clone());
        self.timers.remove(&(queued.deadline, due));
        self.shift_all(&queued.takes, |sums, units| sums.queued -= units);
        true
    }

    pub(super) fn waiting(&mut self, event: &SkuEvent) -> Applied {
        let SkuEvent::Waiting {
            order,
            units,
            locations,
            promised_at,
        } = event
        else {
            return Err(illegal("not a waiting order"));
        };
        require(*units > 0, "waits for no units")?;
        let known = self.line.leave(&mut self.timers, order);
        if let Some(offer) = known.as_ref().and_then(|known| known.offer.as_ref()) {
            self.shift_all(&offer.takes, |sums, units| sums.offered -= units);
        }
        let waiter = Waiter {
            units: *units,
            locations: locations.clone(),
            promised_at: *promised_at,
            tries: known.map_or(0, |known| known.tries),
            paused_until: None,
            offer: None,
        };
        self.line.enter(&mut self.timers, order.clone(), waiter);
        Ok(())
    }

    pub(super) fn waiter(&mut self, order: &OrderId) -> Result<Waiter, IllegalHistory> {
        let waiter = self.line.leave(&mut self.timers, order);
        waiter.ok_or_else(|| illegal("the order does not wait"))
    }

    pub(super) fn wait_ended(&mut self, order: &OrderId) -> Applied {
        let waiter = self.waiter(order)?;
        if let Some(offer) = waiter.offer {
            self.shift_all(&offer.takes, |sums, units| sums.offered -= units);
        }
        Ok(())
    }

    pub(super) fn offered(&mut self, order: &OrderId, takes: &[Take], until: Timestamp) -> Applied {
        let mut waiter = self.waiter(order)?;
        require(waiter.offer.is_none(), "offered twice")?;
        self.shift_all(takes, |sums, units| sums.offered += units);
        waiter.paused_until = None;
        waiter.offer = Some(Offer {
            takes: takes.to_vec(),
            until,
        });
        self.line.enter(&mut self.timers, order.clone(), waiter);
        Ok(())
    }

    pub(super) fn offer_ended(&mut self, order: &OrderId, at: Timestamp) -> Applied {
        let mut waiter = self.waiter(order)?;
        let offer = waiter.offer.take();
        let offer = offer.ok_or_else(|| illegal("nothing is offered to the order"))?;
        self.shift_all(&offer.takes, |sums, units| sums.offered -= units);
        waiter.paused_until = Some(at + backoff(OFFER_PAUSE_MIN, waiter.tries, OFFER_PAUSE_MAX));
        waiter.tries = waiter.tries.saturating_add(1);
        self.line.enter(&mut self.timers, order.clone(), waiter);
        Ok(())
    }

    /// A reservation of a waiting order takes its offer up, and lessens what it lacks. One that covers
    /// everything is followed by `WaitEnded`.
    pub(super) fn serve_waiter(&mut self, order: &OrderId, takes: &[Take]) {
        let Some(mut waiter) = self.line.leave(&mut self.timers, order) else {
            return;
        };
        if let Some(offer) = waiter.offer.take() {
            self.shift_all(&offer.takes, |sums, units| sums.offered -= units);
        }
        let taken: u32 = takes.iter().map(|take| take.units).sum();
        if taken < waiter.units {
            waiter.units -= taken;
        }
        self.line.enter(&mut self.timers, order.clone(), waiter);
    }
}
