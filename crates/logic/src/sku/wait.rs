//! Sold orders that wait for stock: offered what comes free before anybody else can be sold it.

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{SkuEvent, Take};
use crossdock_model::{Answer, LocationId, OrderId, Rejection, Timestamp};

use super::draft::{Draft, misrouted};
use super::hold::spread;
use super::lines::Waiter;
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
        self.enter_line(order, *units, locations, *promised_at, known);
        Ok(self.finish(Answer::Waits))
    }

    fn enter_line(
        &mut self,
        order: &OrderId,
        units: u32,
        locations: Vec<LocationId>,
        promised_at: Timestamp,
        known: Option<&Waiter>,
    ) {
        if let Some(known) = known {
            self.forget_waiter(order, known);
        }
        self.events.push(SkuEvent::Waiting {
            order: order.clone(),
            units,
            locations: locations.clone(),
            promised_at,
        });
        self.owe(&locations, units.into());
        let fitting = spread(self.rooms(&locations), units);
        if let Some(takes) = fitting.filter(|_| self.may_offer() && !self.queues(order)) {
            self.offer(order, takes, units, locations);
        }
        self.served.insert(order.clone());
    }

    /// Takes an order's old entry out of what is owed and offered.
    fn forget_waiter(&mut self, order: &OrderId, known: &Waiter) {
        match &known.offer {
            Some(offer) if !self.ended_offers.contains(order) => {
                self.change_all(&offer.takes, |sums, units| sums.offered -= units);
                self.ended_offers.insert(order.clone());
                self.stirred.offer_ended = true;
            }
            Some(_) => {}
            None => {
                self.owe(&known.locations, -i64::from(known.units));
            }
        }
    }

    /// A reservation of a waiting order takes its offer up and lessens what it lacks, or ends its wait.
    pub fn serve_waiter(&mut self, order: &OrderId, takes: &[Take]) {
        let state = self.state;
        let Some(known) = state.line.orders.get(order) else {
            return;
        };
        self.forget_waiter(order, known);
        self.served.insert(order.clone());
        let taken: u32 = takes.iter().map(|take| take.units).sum();
        match known.units.checked_sub(taken).filter(|left| *left > 0) {
            Some(left) => {
                self.owe(&known.locations, left.into());
                let rest = (order.clone(), left, known.locations.clone());
                self.partly_served.push(rest);
            }
            None => {
                let order = order.clone();
                self.events.push(SkuEvent::WaitEnded { order });
            }
        }
    }

    pub fn stop_waiting(mut self, order: &OrderId) -> Decision<SkuEvent> {
        let Some(known) = self.state.line.orders.get(order) else {
            return Decision::unchanged(Answer::Done);
        };
        self.forget_waiter(order, known);
        self.served.insert(order.clone());
        let order = order.clone();
        self.events.push(SkuEvent::WaitEnded { order });
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
        self.forget_waiter(order, known);
        self.owe(&known.locations, known.units.into());
        self.served.insert(order.clone());
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
        let rank = (known.tries, known.promised_at);
        self.stirred.resumed.insert(order.clone(), rank);
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

    fn offer(&mut self, order: &OrderId, takes: Vec<Take>, units: u32, locations: Vec<LocationId>) {
        let until = self.now + OFFER_FOR;
        self.change_all(&takes, |sums, units| sums.offered += units);
        self.owe(&locations, -i64::from(units));
        self.offers_begun += 1;
        self.served.insert(order.clone());
        self.events.push(SkuEvent::Offered {
            order: order.clone(),
            takes: takes.clone(),
            until,
        });
        let sku = self.sku.clone();
        self.tell(order, OrderCommand::Offer { sku, takes, until });
    }

    /// Offers what came free to the line: oldest promise first among those with the fewest passed offers, and
    /// past those whose need does not fit, so that nobody sleeps while its stock is there.
    pub fn serve_line(&mut self) {
        for (order, units, locations) in std::mem::take(&mut self.partly_served) {
            let takes = spread(self.rooms(&locations), units);
            if let Some(takes) = takes.filter(|_| self.may_offer()) {
                self.offer(&order, takes, units, locations);
            }
        }
        let stirred = &self.stirred;
        let asleep = !(stirred.freed || stirred.offer_ended) && stirred.resumed.is_empty();
        let state = self.state;
        let least = state.line.needs.keys().next();
        let Some(least) = least.filter(|_| !asleep).copied() else {
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
            let paused = known.paused_until.is_some() && !self.stirred.resumed.contains_key(order);
            if self.served.contains(order) || self.queues(order) || (paused && !self.stirred.stocked) {
                continue;
            }
            if i64::from(known.units) > free {
                continue;
            }
            if let Some(takes) = spread(self.rooms(&known.locations), known.units) {
                free -= i64::from(known.units);
                self.offer(order, takes, known.units, known.locations.clone());
            }
        }
    }
}
