//! Sold orders that wait for stock: offered what comes free before anybody else can be sold it.

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{SkuEvent, Take};
use crossdock_model::{Answer, LocationId, OrderId, Rejection, Timestamp};

use super::draft::{Draft, Need, misrouted};
use super::hold::spread;
use super::{LOCATIONS_MAX, OFFER_FOR, OFFERS_MAX, WAITING_MAX, checked_units};
use crate::decider::Decision;

impl Draft<'_> {
    /// Registers a waiting order. One that has not seen the present stock, which would serve it, is told to
    /// look again instead; one that has seen it is registered and offered it, so that no wake-up is lost and
    /// an order that cannot use the stock does not ask for ever.
    pub fn wait(mut self, command: &SkuCommand) -> Result<Decision<SkuEvent>, Rejection> {
        let SkuCommand::Wait {
            order,
            units,
            locations,
            promised_at,
            seen,
        } = command
        else {
            return Err(misrouted(command));
        };
        self.known()?;
        checked_units("units", *units)?;
        if locations.len() > LOCATIONS_MAX {
            return Err(Rejection::Limit {
                what: "locations of a waiting order".to_owned(),
                max: LOCATIONS_MAX as u64,
            });
        }
        if self.state.is_untracked() {
            return Ok(Decision::unchanged(Answer::RetryNow));
        }
        let mut locations = locations.clone();
        locations.sort();
        locations.dedup();
        let known = self.state.line.orders.get(order);
        if known.is_some_and(|known| {
            (known.units, &known.locations, known.promised_at) == (*units, &locations, *promised_at)
        }) {
            return Ok(Decision::unchanged(Answer::Waits));
        }
        if known.is_none() {
            let fits = spread(self.rooms(&locations), *units).is_some();
            if fits && self.version > *seen {
                return Ok(Decision::unchanged(Answer::RetryNow));
            }
            if self.state.line.orders.len() >= WAITING_MAX {
                return Err(Rejection::Limit {
                    what: "waiting orders of a SKU".to_owned(),
                    max: WAITING_MAX as u64,
                });
            }
        }
        self.enter_line(order, *units, locations, *promised_at);
        Ok(self.finish(Answer::Waits))
    }

    fn enter_line(
        &mut self,
        order: &OrderId,
        units: u32,
        locations: Vec<LocationId>,
        promised_at: Timestamp,
    ) {
        self.forget_waiter(order);
        self.events.push(SkuEvent::Waiting {
            order: order.clone(),
            units,
            locations: locations.clone(),
            promised_at,
        });
        self.lack(order, units, locations);
    }

    /// What an order lacks beyond what is offered to it, after what is drafted so far.
    pub fn need_of(&self, order: &OrderId) -> Option<Need> {
        if let Some(need) = self.needs.get(order) {
            return need.clone();
        }
        let known = self.state.line.orders.get(order)?;
        known.offer.is_none().then(|| Need {
            units: known.units,
            locations: known.locations.clone(),
        })
    }

    fn lack(&mut self, order: &OrderId, units: u32, locations: Vec<LocationId>) {
        self.owe(&locations, units.into());
        let need = Need { units, locations };
        self.needs.insert(order.clone(), Some(need));
    }

    /// Takes an order's old entry out of what is owed and offered.
    fn forget_waiter(&mut self, order: &OrderId) {
        if let Some(need) = self.need_of(order) {
            self.owe(&need.locations, -i64::from(need.units));
        }
        self.needs.insert(order.clone(), None);
        let known = self.state.line.orders.get(order);
        let offer = known.and_then(|known| known.offer.as_ref());
        if let Some(offer) = offer.filter(|_| self.ended_offers.insert(order.clone())) {
            self.change_all(&offer.takes, |sums, units| sums.offered -= units);
            self.stirred.offer_ended = true;
        }
    }

    /// A reservation of a waiting order takes its offer up and lessens what it lacks, or ends its wait.
    pub fn serve_waiter(&mut self, order: &OrderId, takes: &[Take]) {
        let state = self.state;
        let known = state.line.orders.get(order).map(|known| Need {
            units: known.units,
            locations: known.locations.clone(),
        });
        let Some(need) = self.need_of(order).or(known) else {
            return;
        };
        if self.left_line.contains(order) {
            return;
        }
        self.forget_waiter(order);
        let taken: u32 = takes.iter().map(|take| take.units).sum();
        match need.units.checked_sub(taken).filter(|left| *left > 0) {
            Some(left) => self.lack(order, left, need.locations),
            None => self.end_wait(order),
        }
    }

    fn end_wait(&mut self, order: &OrderId) {
        self.left_line.insert(order.clone());
        let order = order.clone();
        self.events.push(SkuEvent::WaitEnded { order });
    }

    pub fn stop_waiting(mut self, order: &OrderId) -> Decision<SkuEvent> {
        if !self.state.line.orders.contains_key(order) {
            return Decision::unchanged(Answer::Done);
        }
        self.forget_waiter(order);
        self.end_wait(order);
        self.finish(Answer::Done)
    }

    pub fn decline_offer(mut self, order: &OrderId) -> Decision<SkuEvent> {
        if self.end_offer(order) {
            return self.finish(Answer::Done);
        }
        Decision::unchanged(Answer::Done)
    }

    /// Ends a live offer; the order goes behind and pauses.
    pub fn end_offer(&mut self, order: &OrderId) -> bool {
        let state = self.state;
        let known = state.line.orders.get(order);
        let Some(known) = known.filter(|known| known.offer.is_some()) else {
            return false;
        };
        self.forget_waiter(order);
        self.lack(order, known.units, known.locations.clone());
        self.paused.insert(order.clone());
        let order = order.clone();
        self.events.push(SkuEvent::OfferEnded { order });
        true
    }

    /// An order's pause is over: it stands in the line again, whether or not anything is free just now.
    pub fn resume(&mut self, order: &OrderId) {
        let state = self.state;
        let Some(known) = state.line.orders.get(order) else {
            return;
        };
        self.events.push(SkuEvent::Waiting {
            order: order.clone(),
            units: known.units,
            locations: known.locations.clone(),
            promised_at: known.promised_at,
        });
        self.stirred.resumed.insert(order.clone());
    }

    fn may_offer(&self) -> bool {
        let live = self.state.line.offers + self.offers_begun;
        live < OFFERS_MAX + self.ended_offers.len()
    }

    /// An order in the queue has its turn there: it is offered units once it has left without any.
    fn queues(&self, order: &OrderId) -> bool {
        let mut queued = self.state.queue.of_order(order);
        self.joined.as_ref() == Some(order) || queued.any(|id| !self.left_queue.contains(id))
    }

    /// Free units at these locations (none named: all), where there are any.
    pub fn rooms(&self, locations: &[LocationId]) -> Vec<(i64, LocationId)> {
        let all: Vec<&LocationId> = match locations.is_empty() {
            true => self.locations().collect(),
            false => locations.iter().collect(),
        };
        let rooms = all.into_iter().map(|at| (self.sums(at).free(), at.clone()));
        rooms.filter(|(room, _)| *room > 0).collect()
    }

    fn offer(&mut self, order: &OrderId, need: &Need, takes: Vec<Take>) {
        let until = self.now + OFFER_FOR;
        self.change_all(&takes, |sums, units| sums.offered += units);
        self.owe(&need.locations, -i64::from(need.units));
        self.needs.insert(order.clone(), None);
        self.offers_begun += 1;
        self.events.push(SkuEvent::Offered {
            order: order.clone(),
            takes: takes.clone(),
            until,
        });
        let sku = self.sku.clone();
        self.tell(order, OrderCommand::Offer { sku, takes, until });
    }

    /// Offers an order what it lacks, if that is free and the order is not served otherwise.
    fn offer_if_free(&mut self, order: &OrderId, need: &Need) {
        if self.paused.contains(order) || self.queues(order) || !self.may_offer() {
            return;
        }
        if let Some(takes) = spread(self.rooms(&need.locations), need.units) {
            self.offer(order, need, takes);
        }
    }

    /// Offers what came free to the line: oldest promise first among those with the fewest passed offers, and
    /// past those whose need does not fit, so that nobody sleeps while its stock is there.
    pub fn serve_line(&mut self) {
        let stirred = &self.stirred;
        if stirred.freed || stirred.offer_ended || !stirred.resumed.is_empty() {
            self.serve_ranks();
        }
        for (order, need) in self.needs.clone() {
            if let Some(need) = need {
                self.offer_if_free(&order, &need);
            }
        }
    }

    fn serve_ranks(&mut self) {
        let state = self.state;
        let Some(least) = state.line.needs.keys().next().copied() else {
            return;
        };
        let mut free: i64 = self.rooms(&[]).iter().map(|(room, _)| *room).sum();
        for (_, _, order) in &state.line.ranks {
            if free < i64::from(least) || !self.may_offer() {
                break;
            }
            let Some(known) = state.line.orders.get(order) else {
                continue;
            };
            let resumed = self.stirred.stocked || self.stirred.resumed.contains(order);
            let sleeps = known.paused_until.is_some() && !resumed;
            if sleeps || i64::from(known.units) > free || self.needs.contains_key(order) {
                continue;
            }
            let need = Need {
                units: known.units,
                locations: known.locations.clone(),
            };
            self.offer_if_free(order, &need);
            if self.needs.contains_key(order) {
                free -= i64::from(need.units);
            }
        }
    }
}
