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
                decrease(wants, take.units, 1);
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
    /// Orders without a live offer: fewest passed offers first, then oldest promise.
    pub ranks: BTreeSet<(u32, Timestamp, OrderId)>,
    /// How many of those need so many units.
    pub needs: BTreeMap<u32, u32>,
    /// Units those lack, by the locations that may serve them.
    pub owed: BTreeMap<Vec<LocationId>, i64>,
    pub offers: usize,
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

impl Line {
    pub fn enter(&mut self, timers: &mut Timers, order: OrderId, waiter: Waiter) {
        match &waiter.offer {
            Some(offer) => {
                self.offers += 1;
                timers.insert((offer.until, Due::EndOffer(order.clone())));
            }
            None => {
                self.ranks
                    .insert((waiter.tries, waiter.promised_at, order.clone()));
                *self.needs.entry(waiter.units).or_default() += 1;
                *self.owed.entry(waiter.locations.clone()).or_default() += i64::from(waiter.units);
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
                self.ranks
                    .remove(&(waiter.tries, waiter.promised_at, order.clone()));
                decrease(&mut self.needs, waiter.units, 1);
                decrease(
                    &mut self.owed,
                    waiter.locations.clone(),
                    waiter.units.into(),
                );
            }
        }
        if let Some(until) = waiter.paused_until {
            timers.remove(&(until, Due::OfferAgain(order.clone())));
        }
        Some(waiter)
    }
}

fn decrease<K: Ord, N: PartialOrd + Copy + std::ops::SubAssign>(
    map: &mut BTreeMap<K, N>,
    key: K,
    by: N,
) {
    if let Some(value) = map.get_mut(&key) {
        if *value > by {
            *value -= by;
        } else {
            map.remove(&key);
        }
    }
}
