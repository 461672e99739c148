//! Who picks what is sent next: the production desk, or one who takes what has waited longest.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_engine::{Budget, Desk, DeskLimits, Ended, Number, Pick};
use crossdock_logic::bucket::{Offer, Offers};
use crossdock_model::Timestamp;
use serde::Serialize;

/// What is sent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Order {
    /// What avoids the most expected oversold units: the production desk.
    Danger,
    /// What has been wrong longest.
    FirstIn,
}

/// Picks what is sent next.
#[derive(Debug)]
pub(super) enum Clerk {
    Danger(Desk),
    FirstIn(FirstIn),
}

/// The same as a desk, but that what has been wrong longest comes first.
#[derive(Debug)]
pub(super) struct FirstIn {
    limits: DeskLimits,
    offered: BTreeMap<u16, Offer>,
    first: BTreeSet<(Timestamp, u16)>,
    under_way: BTreeSet<u16>,
    calls: usize,
}

impl FirstIn {
    fn offered(&mut self, offers: Offers) {
        if let Some(offer) = self.offered.remove(&offers.bucket) {
            self.first.remove(&(offer.since, offers.bucket));
        }
        if let Some(offer) = offers.offers.into_iter().next() {
            self.first.insert((offer.since, offers.bucket));
            self.offered.insert(offers.bucket, offer);
        }
    }

    fn pick(&mut self, budget: &mut Budget, now: Timestamp) -> Option<Pick> {
        let free = |bucket: &u16| !self.under_way.contains(bucket);
        let open = self.first.iter().map(|(_, bucket)| *bucket).filter(free);
        let mut open = open.filter_map(|bucket| Some((bucket, self.offered.get(&bucket)?)));
        let (bucket, offer) = open.next()?;
        let is_read = offer.is_read;
        let most = match is_read {
            true => self.limits.reads_max,
            false => self.limits.batch_max,
        };
        let more = open.filter(|(_, offer)| offer.is_read == is_read);
        let picked = std::iter::once((bucket, offer)).chain(more).take(most);
        let numbers = picked.map(|(bucket, offer)| {
            let number = (offer.listing.clone(), offer.place.clone());
            (bucket, vec![number])
        });
        let pick: Pick = numbers.collect();
        let cost = match is_read {
            true => self.limits.cost_of_reading(pick.len()),
            false => self.limits.cost,
        };
        if self.calls >= self.limits.calls_max || !budget.take(cost, now) {
            return None;
        }
        self.calls += 1;
        self.under_way.extend(pick.keys());
        Some(pick)
    }
}

impl Clerk {
    /// A clerk of a channel with these limits.
    pub fn new(order: Order, limits: DeskLimits) -> Self {
        match order {
            Order::Danger => Self::Danger(Desk::new(limits)),
            Order::FirstIn => Self::FirstIn(FirstIn {
                limits,
                offered: BTreeMap::new(),
                first: BTreeSet::new(),
                under_way: BTreeSet::new(),
                calls: 0,
            }),
        }
    }

    /// What a bucket offers now, in place of what it offered before.
    pub fn offered(&mut self, offers: Offers) {
        match self {
            Self::Danger(desk) => desk.offered(offers),
            Self::FirstIn(first_in) => first_in.offered(offers),
        }
    }

    /// Numbers for the next call, if one may be made now.
    pub fn pick(&mut self, budget: &mut Budget, now: Timestamp) -> Option<Pick> {
        match self {
            Self::Danger(desk) => desk.pick(budget, now),
            Self::FirstIn(first_in) => first_in.pick(budget, now),
        }
    }

    /// A number that was picked is done with.
    pub fn ended(&mut self, bucket: u16, number: &Number, now: Timestamp) {
        match self {
            Self::Danger(desk) => desk.ended(number, Ended::Done, now),
            Self::FirstIn(first_in) => {
                first_in.under_way.remove(&bucket);
            }
        }
    }

    /// A call was answered.
    pub fn answered(&mut self) {
        match self {
            Self::Danger(desk) => {
                desk.answered();
            }
            Self::FirstIn(first_in) => first_in.calls -= 1,
        }
    }
}
