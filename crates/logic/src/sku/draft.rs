//! A decision in the making: the state as it was, and what the events drafted so far change of it.
//!
//! The state is never copied. Sums of locations that the decision touches are, and what left the queue, the
//! line or a location in this decision is noted, so that later steps of the same decision see it.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::{Command, Notice, OrderCommand, SkuCommand};
use crossdock_model::v1::{AttemptId, Sale, SkuEvent, Take};
use crossdock_model::{Answer, EntityId, HoldId, LocationId, OrderId, Rejection, SkuId, Timestamp};

use super::state::{AskedBack, SkuState, Sums};
use super::{DUE_PER_DECISION, LOCATIONS_MAX};
use crate::decider::{Asked, Decision};
use crate::planted::Mistake;

pub(super) struct Draft<'a> {
    pub state: &'a SkuState,
    pub sku: &'a SkuId,
    pub version: u64,
    pub now: Timestamp,
    /// When the thing happened in the world.
    pub effective_at: Timestamp,
    pub events: Vec<SkuEvent>,
    pub notices: Vec<Notice>,
    expired: Vec<HoldId>,
    sums: BTreeMap<LocationId, Sums>,
    pub ended_offers: BTreeSet<OrderId>,
    pub left_queue: BTreeSet<AttemptId>,
    /// The order that asks for units in this decision, unless it has got them.
    pub joined: Option<OrderId>,
    /// What waiting orders lack beyond their offers, where this decision changes it.
    pub needs: BTreeMap<OrderId, Option<Need>>,
    pub left_line: BTreeSet<OrderId>,
    /// Orders that let an offer pass in this decision.
    pub paused: BTreeSet<OrderId>,
    pub offers_begun: usize,
    /// Change of what is owed to waiting orders, by the locations that may serve them.
    pub owed: BTreeMap<Vec<LocationId>, i64>,
    pub given_back: BTreeSet<(LocationId, AttemptId)>,
    /// Orders that left a question for their units open, as they are once asked again.
    pub asked_again: BTreeMap<(LocationId, AttemptId), AskedBack>,
    pub committed: BTreeSet<(LocationId, Timestamp, AttemptId)>,
    pub stirred: Stirred,
    /// The live hold that the order names which asks.
    pub own_hold: Option<(HoldId, &'a [Take])>,
}

/// Units a waiting order lacks, and where they may be.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub units: u32,
    pub locations: Vec<LocationId>,
}

/// What a decision has done that others wait for.
#[derive(Debug, Clone, Default)]
pub(super) struct Stirred {
    /// Units came free.
    pub freed: bool,
    /// More sellable units are on hand than before.
    pub stocked: bool,
    /// Units are out of reach for good: somebody in the queue may be short now.
    pub fell: bool,
    /// An offer ended, so that another can begin.
    pub offer_ended: bool,
    /// Orders whose pause after a passed offer is over.
    pub resumed: BTreeSet<OrderId>,
}

/// Whether takes can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fits,
    /// They would fit if undecided units came back, or if nobody stood in the queue.
    Contended,
    /// They do not fit whatever comes back.
    Short,
}

impl<'a> Draft<'a> {
    pub fn new(state: &'a SkuState, asked: &Asked<'a>) -> Result<Self, Rejection> {
        let EntityId::Sku(sku) = asked.id else {
            return Err(Rejection::invalid("entity", "not a SKU"));
        };
        let effective_at = asked.meta.effective_at.unwrap_or(asked.now).min(asked.now);
        let mut draft = Self::look(state, sku, asked.version, asked.now);
        draft.effective_at = effective_at;
        Ok(draft)
    }

    /// The state as of now: units of holds that ran out are free, whether or not a timer has run.
    pub fn look(state: &'a SkuState, sku: &'a SkuId, version: u64, now: Timestamp) -> Self {
        let mut draft = Self {
            state,
            sku,
            version,
            now,
            effective_at: now,
            events: Vec::new(),
            notices: Vec::new(),
            expired: Vec::new(),
            sums: BTreeMap::new(),
            ended_offers: BTreeSet::new(),
            left_queue: BTreeSet::new(),
            joined: None,
            needs: BTreeMap::new(),
            left_line: BTreeSet::new(),
            paused: BTreeSet::new(),
            offers_begun: 0,
            owed: BTreeMap::new(),
            given_back: BTreeSet::new(),
            asked_again: BTreeMap::new(),
            committed: BTreeSet::new(),
            stirred: Stirred::default(),
            own_hold: None,
        };
        if Mistake::ExpiryByTimerOnly.is_planted() {
            return draft;
        }
        let due = state.expiries.until(now).take(DUE_PER_DECISION);
        draft.expired.extend(due.cloned());
        let (summed, left) = state.expiries.sums_until(now);
        for (location, units) in summed {
            draft.change(location, |sums| sums.held -= units);
        }
        for hold in left.filter_map(|hold| state.holds.get(hold)) {
            draft.change_all(&hold.takes, |sums, units| sums.held -= units);
        }
        draft
    }

    pub fn entity(&self) -> EntityId {
        EntityId::Sku(self.sku.clone())
    }

    /// Sums of a location as they are after what is drafted so far.
    pub fn sums(&self, location: &LocationId) -> Sums {
        let before = || self.state.places.get(location).map(|place| place.sums);
        let changed = self.sums.get(location).copied();
        changed.or_else(before).unwrap_or_default()
    }

    /// Locations whose sums this decision changes.
    pub fn touched(&self) -> Vec<LocationId> {
        self.sums.keys().cloned().collect()
    }

    /// All locations, with those that this decision adds.
    pub fn locations(&self) -> impl Iterator<Item = &LocationId> {
        let known = self.state.places.keys();
        let added = self.sums.keys();
        known.chain(added.filter(|location| !self.state.places.contains_key(*location)))
    }

    pub fn change(&mut self, location: &LocationId, change: impl FnOnce(&mut Sums)) {
        let before = self.sums(location);
        let mut after = before;
        change(&mut after);
        self.stirred.freed |= after.free() > before.free() || after.safety < before.safety;
        self.stirred.fell |= after.firm() < before.firm() || after.safety > before.safety;
        self.stirred.stocked |=
            after.on_hand - after.unavailable > before.on_hand - before.unavailable;
        self.sums.insert(location.clone(), after);
    }

    pub fn change_all(&mut self, takes: &[Take], change: impl Fn(&mut Sums, i64)) {
        for take in takes {
            self.change(&take.location, |sums| change(sums, take.units.into()));
        }
    }

    /// Changes what is owed to waiting orders, and so what is left for those who ask.
    pub fn owe(&mut self, locations: &[LocationId], units: i64) {
        *self.owed.entry(locations.to_vec()).or_default() += units;
        self.stirred.freed |= units < 0;
        self.stirred.fell |= units > 0;
    }

    pub fn tell(&mut self, order: &OrderId, command: OrderCommand) {
        self.notices.push(Notice {
            to: EntityId::Order(order.clone()),
            command: Command::Order(command),
        });
    }

    /// Refuses what an unknown SKU cannot do.
    pub fn known(&self) -> Result<(), Rejection> {
        match self.state.exists() {
            true => Ok(()),
            false => Err(Rejection::NotFound(self.entity().to_string())),
        }
    }

    /// Refuses one location too many.
    pub fn admit(&self, location: &LocationId) -> Result<(), Rejection> {
        let places = &self.state.places;
        if places.len() < LOCATIONS_MAX || places.contains_key(location) {
            return Ok(());
        }
        Err(Rejection::Limit {
            what: "locations of a SKU".to_owned(),
            max: LOCATIONS_MAX as u64,
        })
    }

    pub fn short(&self) -> Rejection {
        Rejection::Short {
            sku: self.sku.clone(),
            stock: Box::new(self.view(self.version)),
        }
    }

    /// Whether these takes can be granted, with `ahead` units at each location left to those before.
    pub fn verdict(
        &self,
        order: Option<&OrderId>,
        takes: &[Take],
        sale: Sale,
        ahead: &dyn Fn(&LocationId) -> i64,
    ) -> Verdict {
        if self.state.is_untracked() || Mistake::CheckAfterWrite.is_planted() {
            return Verdict::Fits;
        }
        let looked_at = match Mistake::PerLineCheck.is_planted() {
            true => &takes[..1.min(takes.len())],
            false => takes,
        };
        let mut verdict = Verdict::Fits;
        let owed = self.owed_by_location(order, sale, Sums::free);
        let owed_at_last = self.owed_by_location(order, sale, Sums::firm);
        for take in looked_at {
            let sums = self.sums(&take.location);
            let own = order.map_or(0, |order| self.offered_to(order, &take.location));
            let kept = |owed: i64| match sale {
                Sale::AlreadySold => 0,
                Sale::Asks => sums.safety + owed,
            };
            let units = i64::from(take.units);
            let held = self.own_held(&take.location);
            // What is kept back since the hold was granted is not kept back from it.
            let within = units <= held;
            let kept = |owed: i64| if within { 0 } else { kept(owed) };
            // What is owed falls on locations by what they could give if everything undecided came back: *short* is
            // final.
            if sums.firm() + held - kept(owed_at_last(&take.location)) < units {
                return Verdict::Short;
            }
            let own = own + held;
            let room = sums.free() + own - kept(owed(&take.location));
            let passes = units > own && units > room - ahead(&take.location);
            if units > room || passes {
                verdict = Verdict::Contended;
            }
        }
        verdict
    }

    /// Units of a live offer to the order at a location.
    pub fn offered_to(&self, order: &OrderId, location: &LocationId) -> i64 {
        if self.ended_offers.contains(order) {
            return 0;
        }
        let waiter = self.state.line.orders.get(order);
        let offer = waiter.and_then(|waiter| waiter.offer.as_ref());
        let takes = offer.map_or(&[][..], |offer| &offer.takes);
        let here = takes.iter().filter(|take| take.location == *location);
        here.map(|take| i64::from(take.units)).sum()
    }

    /// Hands on what came free. Who is served may leave more to others: a wait that ends, a place in the queue.
    /// Ends because each round takes somebody out of the queue or makes an order its one offer.
    pub fn serve(&mut self) {
        loop {
            let drafted = self.events.len();
            self.serve_line();
            self.serve_queue();
            if self.events.len() == drafted {
                break;
            }
        }
    }

    /// Ends the decision: what came free is handed on, and missing units are asked back.
    pub fn finish(mut self, answer: Answer) -> Decision<SkuEvent> {
        self.serve();
        self.ask_back();
        let expired = self.expired.into_iter();
        let mut events: Vec<SkuEvent> =
            expired.map(|hold| SkuEvent::HoldExpired { hold }).collect();
        events.extend(self.events);
        Decision {
            events,
            answer,
            notices: self.notices,
        }
    }
}

/// A command that came to the wrong method: a slip in `decide`, refused rather than a crash.
pub(super) fn misrouted(command: &SkuCommand) -> Rejection {
    Rejection::invalid("command", format!("not handled: {command:?}"))
}
