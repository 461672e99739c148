//! Sold orders that wait for stock: offered what comes free before anybody else can be sold it.

use std::collections::BTreeSet;
use std::collections::btree_set::Range;

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{SkuEvent, Take};
use crossdock_model::{Answer, LocationId, OrderId, Rejection, Timestamp};

use super::draft::{Draft, Need, misrouted};
use super::hold::spread;
use super::lines::Rank;
use super::{LOCATIONS_MAX, OFFER_FOR, OFFERS_MAX, WAITING_MAX, checked_units};
use crate::decider::Decision;
use crate::planted::Mistake;

impl<'a> Draft<'a> {
    /// Registers a waiting order. One that has not seen the present stock, which would serve it, is told to
    /// look again instead; one that has seen it is registered and offered it, so that no wake-up is lost and
    /// an order that cannot use the stock does not ask for ever.
    pub fn wait(mut self, command: &SkuCommand) -> Result<Decision<SkuEvent>, Rejection> {
        let SkuCommand::Wait {
            order,
            units,
            locations,
            promised_at,
            added_units,
            seen,
        } = command
        else {
            return Err(misrouted(command));
        };
        self = self.note_added(order, *added_units);
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

    /// Free units at these locations, where there are any.
    pub fn rooms(&self, locations: &[LocationId]) -> Vec<(i64, LocationId)> {
        let rooms = locations
            .iter()
            .map(|at| (self.sums(at).free(), at.clone()));
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
        if Mistake::WaitersPassedOver.is_planted() {
            return;
        }
        let stirred = &self.stirred;
        if stirred.freed || stirred.offer_ended || !stirred.resumed.is_empty() {
            self.serve_groups();
        }
        for (order, need) in self.needs.clone() {
            if let Some(need) = need {
                self.offer_if_free(&order, &need);
            }
        }
    }

    /// Looks only at orders whose need is free where they wait. Each step makes an offer, passes one who is served
    /// otherwise in this decision, or leaves out all who need so many units there.
    fn serve_groups(&mut self) {
        let mut classes = self.classes();
        let heads = classes.iter().enumerate();
        let mut heads: BTreeSet<(&Rank, usize)> = heads
            .filter_map(|(at, class)| Some((class.first?, at)))
            .collect();
        while self.may_offer() {
            let Some((rank, at)) = heads.pop_first() else {
                break;
            };
            let class = &mut classes[at];
            if self.free_at(class.locations) < i64::from(class.units) {
                continue;
            }
            let (_, _, order) = rank;
            if !self.needs.contains_key(order) {
                let need = Need {
                    units: class.units,
                    locations: class.locations.to_vec(),
                };
                self.offer_if_free(order, &need);
            }
            heads.extend(class.rest.next().map(|next| (next, at)));
        }
    }

    /// Those in the line who may be offered something, by where and how much they need.
    fn classes(&self) -> Vec<Class<'a>> {
        let state = self.state;
        let mut classes = Vec::new();
        for (locations, group) in &state.line.groups {
            let free = u32::try_from(self.free_at(locations)).unwrap_or(u32::MAX);
            let resting = self.stirred.stocked.then_some(&group.resting);
            let ranks = [Some(&group.ready), resting].into_iter().flatten();
            for (units, ranks) in ranks.flat_map(|ranks| ranks.range(..=free)) {
                classes.push(Class::new(locations, *units, ranks.range(..)));
            }
        }
        for order in &self.stirred.resumed {
            let Some(waiter) = state.line.orders.get(order) else {
                continue;
            };
            let group = state.line.groups.get(&waiter.locations);
            if let Some(ranks) = group.and_then(|group| group.resting.get(&waiter.units)) {
                let rank = waiter.rank(order);
                let own = ranks.range(rank.clone()..=rank);
                classes.push(Class::new(&waiter.locations, waiter.units, own));
            }
        }
        classes
    }

    /// Units that nobody has taken at these locations.
    fn free_at(&self, locations: &[LocationId]) -> i64 {
        let rooms = locations.iter().map(|at| self.sums(at).free().max(0));
        rooms.sum()
    }
}

/// Orders of the line that need the same number of units at the same locations, in order of rank.
struct Class<'a> {
    locations: &'a [LocationId],
    units: u32,
    first: Option<&'a Rank>,
    rest: Range<'a, Rank>,
}

impl<'a> Class<'a> {
    fn new(locations: &'a [LocationId], units: u32, mut ranks: Range<'a, Rank>) -> Self {
        Self {
            locations,
            units,
            first: ranks.next(),
            rest: ranks,
        }
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::v1::SkuEvent;
    use crossdock_model::{EntityId, LocationId};

    use crate::sku::bench::{Bench, at, order, place};
    use crate::sku::draft::Draft;

    /// However many wait elsewhere or for more, nobody looks at them.
    #[test]
    fn only_those_who_can_be_served_are_looked_at() {
        let mut bench = Bench::new();
        let receive = crossdock_model::command::SkuCommand::Receive {
            location: place("us"),
            units: 3,
            reference: None,
        };
        bench.ask(receive).unwrap();
        let waiting = |number: u32| {
            let (units, locations): (u32, Vec<LocationId>) = match number % 2 {
                0 => (1, vec![place("gb")]),
                _ => (4 + number % 5, vec![place("gb"), place("us")]),
            };
            SkuEvent::Waiting {
                order: order(&format!("o{number}")),
                units,
                locations,
                promised_at: at(number.into()),
            }
        };
        bench.suppose((0..9_999).map(waiting));
        let EntityId::Sku(sku) = bench.entity.id() else {
            panic!("not a SKU");
        };
        let mut draft = Draft::look(bench.state(), sku, bench.entity.version(), bench.now);
        assert_eq!(draft.classes().len(), 0);
        draft.stirred.freed = true;
        draft.serve_line();
        assert!(draft.events.is_empty());
        // With one unit more there, one order is.
        draft.change(&place("us"), |sums| sums.on_hand += 1);
        let classes = draft.classes();
        let found: Vec<u32> = classes.iter().map(|class| class.units).collect();
        assert_eq!(found, [4]);
        draft.serve_line();
        assert_eq!(draft.events.len(), 1);
    }
}
