//! What a SKU remembers: balances and open things only, each with the index that finds it without a scan.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crossdock_model::v1::{AttemptId, Condition, CountBasis, Sale, Take, Tracking};
use crossdock_model::{HoldId, LocationId, OrderId, SourceId, Timestamp, TransferId};
use serde::{Deserialize, Serialize};

use super::{CLOSED_MAX, COUNT_AGE_MAX, MOVEMENTS_MAX};
use crate::entity::DEDUP_WINDOW;

/// State of a SKU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SkuState {
    pub(super) master: Option<Master>,
    pub(super) places: BTreeMap<LocationId, Place>,
    pub(super) transfers: BTreeMap<TransferId, Transfer>,
    pub(super) reservations: BTreeMap<AttemptId, Reservation>,
    pub(super) holds: BTreeMap<HoldId, Hold>,
    /// Live holds by the instant at which their units are free again.
    pub(super) expiries: BTreeSet<(Timestamp, HoldId)>,
    pub(super) closed: Closed,
    pub(super) queue: Queue,
    pub(super) line: Line,
    pub(super) timers: Timers,
}

/// Everything but hold expiries that falls due, earliest first.
pub(super) type Timers = BTreeSet<(Timestamp, Due)>;

/// What falls due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Due {
    /// An order is asked what became of its tentative reservation.
    AskOutcome(AttemptId),
    /// A queued reservation has waited long enough.
    LeaveQueue(AttemptId),
    /// An offer was not taken up.
    EndOffer(OrderId),
    /// An order that let an offer pass gets its place in the line back.
    OfferAgain(OrderId),
    /// An order has not answered whether it gives units back.
    AskBackAgain(LocationId),
}

/// Master data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Master {
    pub title: String,
    pub tracking: Tracking,
}

/// Running sums of a location, so that a decision never adds up reservations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub on_hand: i64,
    pub unavailable: i64,
    pub committed: i64,
    pub held: i64,
    pub tentative: i64,
    pub offered: i64,
    /// Units that queued reservations ask for here.
    pub queued: i64,
}

impl Sums {
    /// Units that could be sold if everything undecided came back.
    pub fn firm(&self) -> i64 {
        self.on_hand - self.unavailable - self.committed - self.held
    }

    /// Units that nobody has taken.
    pub fn free(&self) -> i64 {
        self.firm() - self.tentative - self.offered
    }

    /// Whether every committed unit is there.
    pub fn covered(&self) -> bool {
        self.on_hand - self.unavailable >= self.committed
    }
}

/// A location as this SKU sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub sums: Sums,
    pub unavailable: BTreeMap<Condition, i64>,
    pub incoming: BTreeMap<String, Incoming>,
    pub safety: u32,
    pub in_transit: i64,
    pub last_count: Option<LastCount>,
    pub movements: Movements,
    /// Confirmed reservations with open units here; the latest promise is asked to give back first.
    pub by_promise: BTreeSet<(Timestamp, AttemptId)>,
    pub asked: Option<AskedBack>,
    /// Orders that keep their units though there are too few; forgotten once all are covered.
    pub kept: BTreeSet<AttemptId>,
    pub short: Episodes,
    pub drift: Episodes,
}

/// Units expected under a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Incoming {
    pub units: u32,
    pub expected_at: Timestamp,
}

/// The count that balances follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LastCount {
    pub effective_at: Timestamp,
    pub source: SourceId,
    pub basis: CountBasis,
}

/// An order that was asked to give units back and has not answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AskedBack {
    pub id: AttemptId,
    pub ask_at: Timestamp,
    pub asks: u32,
}

/// Openings of one kind of exception.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Episodes {
    pub count: u32,
    pub open: bool,
}

/// Units that left or came at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Movement {
    pub units: i64,
    /// The part that left as committed units: a count net of allocated ones has not seen them either way.
    pub shipped: i64,
}

/// Movements of the last 24 h by the time they took effect: what a late count must be corrected by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Movements {
    log: BTreeMap<Timestamp, Movement>,
    /// Movements up to here may be missing.
    forgotten: Timestamp,
}

impl Movements {
    pub fn add(&mut self, effective_at: Timestamp, units: i64, shipped: bool, at: Timestamp) {
        let entry = self.log.entry(effective_at).or_default();
        entry.units += units;
        entry.shipped += if shipped { units } else { 0 };
        while let Some((&first, _)) = self.log.first_key_value() {
            if self.log.len() <= MOVEMENTS_MAX && at.since(first) <= COUNT_AGE_MAX {
                break;
            }
            self.log.pop_first();
            self.forgotten = self.forgotten.max(first);
        }
    }

    /// Whether all movements after that instant are known.
    pub fn know_since(&self, instant: Timestamp) -> bool {
        instant >= self.forgotten
    }

    /// The sum of what took effect after that instant.
    pub fn after(&self, instant: Timestamp) -> Movement {
        let later = self.log.range(instant..).filter(|(at, _)| **at > instant);
        later.fold(Movement::default(), |sum, (_, one)| Movement {
            units: sum.units + one.units,
            shipped: sum.shipped + one.shipped,
        })
    }

    /// Whether anything took effect in that span.
    pub fn any_within(&self, from: Timestamp, to: Timestamp) -> bool {
        self.log.range(from..=to).next().is_some()
    }
}

/// Units on their way between two locations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Transfer {
    pub from: LocationId,
    pub to: LocationId,
    pub sent: u32,
    pub in_transit: u32,
}

/// An open reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reservation {
    pub parts: Vec<Part>,
    pub sale: Sale,
    pub promised_at: Timestamp,
    pub status: Status,
}

/// Units of a reservation at one location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub location: LocationId,
    pub units: u32,
    pub shipped: u32,
    pub released: u32,
}

impl Part {
    pub fn open(&self) -> u32 {
        self.units - self.shipped - self.released
    }
}

/// Whether the order has committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Status {
    Tentative { ask_at: Timestamp, asks: u32 },
    Confirmed,
}

impl Reservation {
    pub fn new(takes: &[Take], sale: Sale, promised_at: Timestamp, status: Status) -> Self {
        let part = |take: &Take| Part {
            location: take.location.clone(),
            units: take.units,
            shipped: 0,
            released: 0,
        };
        Self {
            parts: takes.iter().map(part).collect(),
            sale,
            promised_at,
            status,
        }
    }

    pub fn takes(&self) -> Vec<Take> {
        let take = |part: &Part| Take {
            location: part.location.clone(),
            units: part.units,
        };
        self.parts.iter().map(take).collect()
    }

    pub fn part(&self, location: &LocationId) -> Option<&Part> {
        self.parts.iter().find(|part| part.location == *location)
    }

    pub fn is_confirmed(&self) -> bool {
        self.status == Status::Confirmed
    }
}

/// A live hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Hold {
    pub takes: Vec<Take>,
    pub expires_at: Timestamp,
}

/// What was closed within the dedup window, so that late and repeated messages change nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Closed {
    attempts: BTreeMap<OrderId, ClosedAttempt>,
    attempt_times: VecDeque<(Timestamp, OrderId)>,
    holds: BTreeMap<HoldId, ClosedHold>,
    hold_times: VecDeque<(Timestamp, HoldId)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ClosedAttempt {
    attempt: u32,
    at: Timestamp,
}

/// A hold that is no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedHold {
    /// When its units came free.
    pub at: Timestamp,
    pub confirmed: Option<AttemptId>,
    closed_at: Timestamp,
}

impl Closed {
    /// The highest closed attempt of an order.
    pub fn attempt(&self, order: &OrderId) -> u32 {
        self.attempts.get(order).map_or(0, |closed| closed.attempt)
    }

    pub fn hold(&self, hold: &HoldId) -> Option<&ClosedHold> {
        self.holds.get(hold)
    }

    pub fn close_attempt(&mut self, id: &AttemptId, at: Timestamp) {
        if id.attempt > self.attempt(&id.order) {
            let attempt = id.attempt;
            self.attempts
                .insert(id.order.clone(), ClosedAttempt { attempt, at });
            self.attempt_times.push_back((at, id.order.clone()));
        }
        while let Some((then, order)) = self.attempt_times.front() {
            if self.attempt_times.len() <= CLOSED_MAX && at.since(*then) <= DEDUP_WINDOW {
                break;
            }
            if self.attempts.get(order).is_some_and(|one| one.at == *then) {
                self.attempts.remove(order);
            }
            self.attempt_times.pop_front();
        }
    }

    pub fn close_hold(
        &mut self,
        hold: &HoldId,
        free_at: Timestamp,
        confirmed: Option<AttemptId>,
        at: Timestamp,
    ) {
        let closed = ClosedHold {
            at: free_at,
            confirmed,
            closed_at: at,
        };
        self.holds.insert(hold.clone(), closed);
        self.hold_times.push_back((at, hold.clone()));
        while let Some((then, hold)) = self.hold_times.front() {
            if self.hold_times.len() <= CLOSED_MAX && at.since(*then) <= DEDUP_WINDOW {
                break;
            }
            if self
                .holds
                .get(hold)
                .is_some_and(|one| one.closed_at == *then)
            {
                self.holds.remove(hold);
            }
            self.hold_times.pop_front();
        }
    }
}

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

/// All attempts an order can have.
pub(super) fn attempts_of(order: &OrderId) -> (AttemptId, AttemptId) {
    let attempt = |attempt| AttemptId {
        order: order.clone(),
        attempt,
    };
    (attempt(0), attempt(u32::MAX))
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

impl SkuState {
    /// Whether anything is known of it but closed attempts.
    pub(super) fn exists(&self) -> bool {
        self.master.is_some() || !self.places.is_empty()
    }

    pub(super) fn tracking(&self) -> &Tracking {
        self.master
            .as_ref()
            .map_or(&Tracking::Tracked, |master| &master.tracking)
    }

    pub(super) fn is_untracked(&self) -> bool {
        *self.tracking() == Tracking::Untracked
    }

    /// Open attempts of an order, lowest first.
    pub(super) fn open_of(
        &self,
        order: &OrderId,
    ) -> impl DoubleEndedIterator<Item = (&AttemptId, &Reservation)> {
        let (first, last) = attempts_of(order);
        self.reservations.range(first..=last)
    }
}
