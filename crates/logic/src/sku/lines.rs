//! Who waits: reservations for their turn, and sold orders for stock.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::{AttemptId, Sale, Take};
use crossdock_model::{LocationId, OrderId, Timestamp};
use serde::{Deserialize, Serialize};

use super::state::{Due, Timers, attempts_of};

/// Reservations that wait their turn at a contended SKU, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Queue {
    last: u64,
    pub entries: BTreeMap<u64, Queued>,
    numbers: BTreeMap<AttemptId, u64>,
    /// How often so many units are wanted at a location: the largest want tells whether anybody is short.
    pub wants: BTreeMap<LocationId, BTreeMap<u32, u32>>,
}

/// A queued reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Queued {
    pub id: AttemptId,
    pub takes: Vec<Take>,
    pub sale: Sale,
    pub promised_at: Timestamp,
    pub deadline: Timestamp,
}

impl Queue {
    pub fn get(&self, id: &AttemptId) -> Option<&Queued> {
        self.entries.get(self.numbers.get(id)?)
    }

    /// Queued attempts of an order, lowest first.
    pub fn of_order(&self, order: &OrderId) -> impl DoubleEndedIterator<Item = &AttemptId> {
        let (first, last) = attempts_of(order);
        self.numbers.range(first..=last).map(|(id, _)| id)
    }

    pub fn push(&mut self, queued: Queued) {
        self.last += 1;
        for take in &queued.takes {
            let wants = self.wants.entry(take.location.clone()).or_default();
            *wants.entry(take.units).or_default() += 1;
        }
        self.numbers.insert(queued.id.clone(), self.last);
        self.entries.insert(self.last, queued);
    }

    pub fn remove(&mut self, id: &AttemptId) -> Option<Queued> {
        let queued = self.entries.remove(&self.numbers.remove(id)?)?;
        for take in &queued.takes {
            if let Some(wants) = self.wants.get_mut(&take.location) {
                decrease(wants, take.units);
                if wants.is_empty() {
                    self.wants.remove(&take.location);
                }
            }
        }
        Some(queued)
    }
}

/// Sold orders that wait for stock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub orders: BTreeMap<OrderId, Waiter>,
    /// Those without a live offer, by the locations that may serve them.
    pub groups: BTreeMap<Vec<LocationId>, Group>,
    pub offers: usize,
}

/// Orders that the same locations may serve, by the units they need: what is free there tells at once whom it can
/// serve, however many wait for more or elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    pub ready: BTreeMap<u32, BTreeSet<Rank>>,
    /// Orders that let an offer pass: until their pause is over they are offered new stock only.
    pub resting: BTreeMap<u32, BTreeSet<Rank>>,
    /// Units that all of them lack.
    pub owed: i64,
}

/// Fewest passed offers first, then the oldest promise.
pub(super) type Rank = (u32, Timestamp, OrderId);

impl Group {
    fn ranks(&mut self, waiter: &Waiter) -> &mut BTreeMap<u32, BTreeSet<Rank>> {
        match waiter.paused_until {
            None => &mut self.ready,
            Some(_) => &mut self.resting,
        }
    }

    fn enter(&mut self, order: &OrderId, waiter: &Waiter) {
        let ranks = self.ranks(waiter).entry(waiter.units).or_default();
        ranks.insert(waiter.rank(order));
        self.owed += i64::from(waiter.units);
    }

    fn leave(&mut self, order: &OrderId, waiter: &Waiter) {
        let ranks = self.ranks(waiter);
        if let Some(ranked) = ranks.get_mut(&waiter.units) {
            ranked.remove(&waiter.rank(order));
            if ranked.is_empty() {
                ranks.remove(&waiter.units);
            }
        }
        self.owed -= i64::from(waiter.units);
    }
}

/// A waiting order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiter {
    pub units: u32,
    pub locations: Vec<LocationId>,
    pub promised_at: Timestamp,
    /// Offers it let pass.
    pub tries: u32,
    /// Until then it is only offered new stock.
    pub paused_until: Option<Timestamp>,
    pub offer: Option<Offer>,
}

/// Units kept for one waiting order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Offer {
    pub takes: Vec<Take>,
    pub until: Timestamp,
}

impl Waiter {
    pub fn rank(&self, order: &OrderId) -> Rank {
        (self.tries, self.promised_at, order.clone())
    }
}

impl Line {
    pub fn enter(&mut self, timers: &mut Timers, order: OrderId, waiter: Waiter) {
        match &waiter.offer {
            Some(offer) => {
                self.offers += 1;
                timers.insert((offer.until, Due::EndOffer(order.clone())));
            }
            None => {
                let group = self.groups.entry(waiter.locations.clone()).or_default();
                group.enter(&order, &waiter);
            }
        }
        if let Some(until) = waiter.paused_until {
            timers.insert((until, Due::OfferAgain(order.clone())));
        }
        self.orders.insert(order, waiter);
    }

    pub fn leave(&mut self, timers: &mut Timers, order: &OrderId) -> Option<Waiter> {
        let waiter = self.orders.remove(order)?;
        match &waiter.offer {
            Some(offer) => {
                self.offers -= 1;
                timers.remove(&(offer.until, Due::EndOffer(order.clone())));
            }
            None => {
                if let Some(group) = self.groups.get_mut(&waiter.locations) {
                    group.leave(order, &waiter);
                    if group.owed == 0 {
                        self.groups.remove(&waiter.locations);
                    }
                }
            }
        }
        if let Some(until) = waiter.paused_until {
            timers.remove(&(until, Due::OfferAgain(order.clone())));
        }
        Some(waiter)
    }
}

fn decrease(wants: &mut BTreeMap<u32, u32>, units: u32) {
    if let Some(times) = wants.get_mut(&units) {
        *times -= 1;
        if *times == 0 {
            wants.remove(&units);
        }
    }
}
