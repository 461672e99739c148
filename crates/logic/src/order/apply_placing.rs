//! How events move an attempt to place units along, up to the commit point.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::StockView;
use crossdock_model::v1::{Allocation, AttemptEnd, OrderEvent, Plan, Take};
use crossdock_model::{Command, Effect, EntityId, LocationId, SkuId, Timestamp};

use super::apply::{Applied, illegal, require};
use super::placing::in_the_way;
use super::routes::learned;
use super::state::{
    Attempt, Effort, Grant, Offered, Order, OrderState, Piece, Placing, Rest, Slot, Step,
};
use super::{
    RETRY_AFTER, RETRY_ASKS_MAX, RETRY_SOLD_MAX, REVIEW_AFTER, TRIES_AT_ONCE_MAX, backoff,
};

impl OrderState {
    pub(super) fn apply_placing(&mut self, event: &OrderEvent, at: Timestamp) -> Applied {
        match event {
            OrderEvent::PlanRequested { attempt, excluded } => {
                self.plan_requested(*attempt, excluded, at)
            }
            OrderEvent::Planned {
                attempt,
                plan,
                ordered,
            } => self.planned(*attempt, plan, *ordered),
            OrderEvent::SkuReserved { attempt, sku } => {
                self.granted(*attempt)?;
                if let Some(number) = self.reserving(sku, *attempt) {
                    self.pending.end(number);
                }
                let share = self.attempt_mut(*attempt)?.shares.get_mut(sku);
                let (_, step) = share.ok_or_else(|| illegal("a SKU that was not asked"))?;
                require(*step == Step::Asked, "reserved twice")?;
                *step = Step::Granted;
                self.ask_next()
            }
            OrderEvent::SlotGranted {
                attempt,
                location,
                acknowledge_by,
                ..
            } => self.slot_granted(*attempt, location, *acknowledge_by, at),
            OrderEvent::Reserved { attempt } => self.reserved(*attempt),
            OrderEvent::AttemptClosed { .. } => self.attempt_closed(event, at),
            OrderEvent::BackorderedAt { skus, locations } => self.backordered(skus, locations, at),
            OrderEvent::StockReturned { sku } => self.stock_returned(sku, at),
            OrderEvent::StockAsked { skus } => {
                let order = self.order_mut()?;
                require(order.placing == Placing::Planning, "nothing was planned")?;
                require(!skus.is_empty(), "no SKU was asked")?;
                order.placing = Placing::Reading(skus.iter().cloned().collect());
                self.end_plans();
                for sku in skus {
                    self.begin_read(sku);
                }
                Ok(())
            }
            OrderEvent::StockSeen { stock } => self.stock_seen(stock),
            OrderEvent::OfferSeen { sku, takes, until } => {
                let offer = Offered {
                    takes: takes.clone(),
                    until: *until,
                };
                self.order_mut()?.offers.insert(sku.clone(), offer);
                Ok(())
            }
            OrderEvent::OfferAnswered { sku, .. } => {
                self.order_mut()?.offers.remove(sku);
                Ok(())
            }
            _ => Err(illegal("not an event of placing")),
        }
    }

    fn attempt_mut(&mut self, number: u32) -> Result<&mut Attempt, crate::IllegalHistory> {
        match &mut self.order_mut()?.placing {
            Placing::Reserving(attempt) if attempt.number == number => Ok(attempt),
            _ => Err(illegal(format!("attempt {number} is not open"))),
        }
    }

    fn granted(&mut self, number: u32) -> Applied {
        self.attempt_mut(number).map(|_| ())
    }

    fn plan_requested(&mut self, attempt: u32, excluded: &[LocationId], at: Timestamp) -> Applied {
        require(
            attempt == self.last_attempt.saturating_add(1),
            "attempts are counted one by one",
        )?;
        let order = self.order_mut()?;
        require(
            !super::effects::is_placing(&order.placing),
            "an attempt is still open",
        )?;
        order.route.excluded.extend(excluded.iter().cloned());
        order.effort.since.get_or_insert(at);
        order.placing = Placing::Planning;
        self.last_attempt = attempt;
        self.end_plans();
        self.begin_plan();
        Ok(())
    }

    fn planned(&mut self, number: u32, plan: &Plan, ordered: bool) -> Applied {
        require(number == self.last_attempt, "not the last attempt")?;
        let order = self.order_mut()?;
        require(order.placing == Placing::Planning, "nothing was planned")?;
        require(!plan.allocations.is_empty(), "a plan without units")?;
        if let Ok(learned) = learned(order, plan) {
            for (line, made_of) in learned {
                order.line_mut(&line)?.lot.made_of = made_of;
            }
        }
        let mut slots: BTreeMap<LocationId, (u32, Step)> = BTreeMap::new();
        for one in &plan.allocations {
            let slot = slots.entry(one.location.clone());
            slot.or_insert((0, Step::Untouched)).0 += one.units;
        }
        order.placing = Placing::Reserving(Box::new(Attempt {
            number,
            allocations: plan.allocations.clone(),
            rest: (!plan.unplaced.is_empty()).then(|| Rest {
                fallback: plan.fallback,
                allowed: plan.allowed.clone(),
            }),
            ordered,
            shares: shares(&plan.allocations),
            slots,
        }));
        self.end_plans();
        self.ask_next()
    }

    /// Asks the participants that come next: all of them at once, or in order one after the other.
    fn ask_next(&mut self) -> Applied {
        let Placing::Reserving(attempt) = &mut self.order_mut()?.placing else {
            return Ok(());
        };
        let ordered = attempt.ordered;
        let mut skus: Vec<(SkuId, Vec<Take>)> = Vec::new();
        let mut slots: Vec<(LocationId, u32)> = Vec::new();
        for (sku, (takes, step)) in &mut attempt.shares {
            match step {
                Step::Granted => continue,
                Step::Asked => {}
                Step::Untouched => {
                    *step = Step::Asked;
                    skus.push((sku.clone(), takes.clone()));
                }
            }
            if ordered {
                break;
            }
        }
        let skus_done = attempt
            .shares
            .values()
            .all(|(_, step)| *step == Step::Granted);
        if skus_done || !ordered {
            for (location, (units, step)) in &mut attempt.slots {
                match step {
                    Step::Granted => continue,
                    Step::Asked => {}
                    Step::Untouched => {
                        *step = Step::Asked;
                        slots.push((location.clone(), *units));
                    }
                }
                if ordered {
                    break;
                }
            }
        }
        for (sku, takes) in &skus {
            self.begin_reserve(sku, takes, ordered);
        }
        for (location, units) in &slots {
            self.begin_capacity(location, *units);
        }
        Ok(())
    }

    fn slot_granted(
        &mut self,
        number: u32,
        location: &LocationId,
        acknowledge_by: Timestamp,
        at: Timestamp,
    ) -> Applied {
        let slot = self.attempt_mut(number)?.slots.get_mut(location);
        let (_, step) = slot.ok_or_else(|| illegal("a location that was not asked"))?;
        require(*step == Step::Asked, "capacity granted twice")?;
        *step = Step::Granted;
        let key = (number, location.clone());
        let slot = Slot {
            granted_at: at,
            acknowledge_by,
        };
        self.order_mut()?.slots.insert(key, slot);
        self.end_capacity(number, location);
        self.ask_next()
    }

    fn end_capacity(&mut self, number: u32, location: &LocationId) {
        use crossdock_model::command::LocationCommand::TakeCapacity;
        let location = EntityId::Location(location.clone());
        self.pending.retain(|_, effect| match effect {
            Effect::Tell { to, command, .. } if *to == location => !matches!(
                command.as_ref(),
                Command::Location(TakeCapacity { attempt, .. }) if *attempt == number
            ),
            _ => true,
        });
    }

    /// The commit point.
    fn reserved(&mut self, number: u32) -> Applied {
        let attempt = self.attempt_mut(number)?;
        let steps = attempt.shares.values().map(|(_, step)| step);
        let mut steps = steps.chain(attempt.slots.values().map(|(_, step)| step));
        require(
            steps.all(|step| *step == Step::Granted),
            "committed before all agreed",
        )?;
        let attempt = attempt.clone();
        let order = self.order_mut()?;
        require(!attempt.is_stale(order), "more reserved than needed")?;
        for one in &attempt.allocations {
            let key = (number, one.sku.clone(), one.location.clone());
            order.grants.entry(key).or_insert_with(Grant::default).units += one.units;
            order.pieces.push(Piece {
                line: one.line.clone(),
                sku: one.sku.clone(),
                location: one.location.clone(),
                attempt: number,
                units: one.units,
                request: None,
            });
        }
        let complete = !order.is_lacking();
        order.accepted |= complete;
        order.placing = Placing::Idle;
        let fresh = std::mem::take(&mut order.effort).fresh;
        let mut waits = Vec::new();
        if complete {
            waits.extend(std::mem::take(&mut order.waits).into_keys());
        } else {
            order.effort.fresh = fresh;
        }
        let id = order.id.clone();
        for sku in attempt.shares.keys() {
            self.begin_confirm(&id, sku, number);
        }
        for sku in &waits {
            self.end_waits(sku);
            self.begin_stop_waiting(&id, sku);
        }
        Ok(())
    }

    pub(super) fn attempt_closed(&mut self, event: &OrderEvent, at: Timestamp) -> Applied {
        let OrderEvent::AttemptClosed {
            attempt,
            cause,
            retry_at,
        } = event
        else {
            return Err(illegal("not the end of an attempt"));
        };
        if *attempt > self.last_attempt {
            self.last_attempt = *attempt;
            return Ok(());
        }
        require(*attempt == self.last_attempt, "not the last attempt")?;
        self.end_attempt_effects(*attempt);
        let order = self.order_mut()?;
        require(
            super::effects::is_placing(&order.placing),
            "the attempt is closed already",
        )?;
        order.effort.tries = order.effort.tries.saturating_add(1);
        match cause {
            AttemptEnd::Contended { .. } | AttemptEnd::Busy { .. } => order.effort.ordered = true,
            AttemptEnd::CapacityFull { location } => {
                let day = String::new();
                order.effort.full.entry(location.clone()).or_insert(day);
            }
            AttemptEnd::Short { .. } | AttemptEnd::Changed => {}
        }
        if retry_at.is_some() {
            order.effort.fresh.clear();
            order.effort.full.clear();
        }
        let next = order.after_attempt(cause, *retry_at, at);
        let placing = std::mem::replace(&mut order.placing, next);
        let id = order.id.clone();
        if let Placing::Reserving(open) = placing {
            order.slots.retain(|(number, _), _| number != attempt);
            for (sku, (_, step)) in &open.shares {
                if *step != Step::Untouched {
                    self.begin_release(&id, sku, *attempt);
                }
            }
            for (location, (_, step)) in &open.slots {
                if *step != Step::Untouched {
                    self.begin_free_capacity(&id, location, *attempt);
                }
            }
        }
        Ok(())
    }

    /// What is missing waits at these SKUs, and no longer at others.
    fn backordered(&mut self, skus: &[SkuId], allowed: &[LocationId], at: Timestamp) -> Applied {
        self.end_plans();
        let order = self.order_mut()?;
        require(
            !super::effects::is_placing(&order.placing),
            "an attempt is still open",
        )?;
        let missing = order.missing();
        let mut waits: BTreeMap<SkuId, u32> = BTreeMap::new();
        for ((_, sku), units) in &missing {
            if skus.contains(sku) {
                *waits.entry(sku.clone()).or_default() += units;
            }
        }
        let asked: BTreeSet<&SkuId> = skus.iter().collect();
        require(waits.len() == asked.len(), "waits for units that it has")?;
        let before = std::mem::replace(&mut order.waits, waits.clone());
        order.waits_at = allowed.to_vec();
        order.review_at = at + REVIEW_AFTER;
        order.placing = match missing.is_empty() {
            true => Placing::Idle,
            false => Placing::Waiting(missing),
        };
        let id = order.id.clone();
        for sku in before.keys().filter(|sku| !waits.contains_key(sku)) {
            self.end_waits(sku);
            self.begin_stop_waiting(&id, sku);
        }
        for (sku, units) in &waits {
            self.end_waits(sku);
            self.begin_wait(sku, *units);
        }
        let order = self.order_mut()?;
        let tries = order.effort.tries;
        order.effort = Effort {
            tries,
            ..Effort::default()
        };
        Ok(())
    }

    fn stock_returned(&mut self, sku: &SkuId, at: Timestamp) -> Applied {
        self.end_waits(sku);
        let order = self.order_mut()?;
        if let Placing::Waiting(_) = order.placing {
            let tries = order.effort.tries;
            let offered = order.offers.contains_key(sku);
            let pauses = tries.checked_sub(TRIES_AT_ONCE_MAX).filter(|_| !offered);
            let retry_at = pauses.map(|tries| at + backoff(RETRY_AFTER, tries, RETRY_SOLD_MAX));
            order.placing = Placing::Again(retry_at);
            order.effort = Effort {
                tries: tries.saturating_add(1),
                ..Effort::default()
            };
        }
        Ok(())
    }

    fn stock_seen(&mut self, stock: &StockView) -> Applied {
        self.end_reads(&stock.sku);
        let order = self.order_mut()?;
        order.learn_kit(stock);
        order.effort.fresh.insert(stock.sku.clone(), stock.clone());
        if let Placing::Reading(skus) = &mut order.placing {
            skus.remove(&stock.sku);
            if skus.is_empty() {
                order.placing = Placing::Again(None);
            }
        }
        Ok(())
    }
}

impl Attempt {
    /// Whether it reserves more than is missing.
    pub(super) fn is_stale(&self, order: &Order) -> bool {
        let mut missing: BTreeMap<_, u32> = order.lacking().collect();
        self.allocations.iter().any(|one| {
            let left = missing.get_mut(&(&one.line, &one.sku));
            let left = left.and_then(|left| left.checked_sub(one.units).map(|less| *left = less));
            left.is_none()
        })
    }
}

impl Order {
    /// What follows a closed attempt. An order that asks is not tried again by itself after so long a pause.
    fn after_attempt(
        &mut self,
        cause: &AttemptEnd,
        retry_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Placing {
        let rests = |until: &Timestamp| self.asks() && until.since(at) > RETRY_ASKS_MAX;
        match (in_the_way(cause), retry_at.filter(rests)) {
            (Some(sku), Some(until)) => {
                self.effort = Effort::default();
                let sku = sku.clone();
                Placing::Busy { sku, until }
            }
            _ => Placing::Again(retry_at),
        }
    }

    /// A part that is a kit stands for its components from now on.
    fn learn_kit(&mut self, stock: &StockView) {
        let Some(components) = stock.components() else {
            return;
        };
        for line in self.lines.values_mut() {
            let made_of = &mut line.lot.made_of;
            let Some(kits) = made_of.remove(&stock.sku) else {
                continue;
            };
            for one in components {
                let units = made_of.entry(one.sku.clone()).or_default();
                *units = units.saturating_add(kits.saturating_mul(one.units_per_kit));
            }
        }
    }
}

fn shares(allocations: &[Allocation]) -> BTreeMap<SkuId, (Vec<Take>, Step)> {
    let mut sums: BTreeMap<SkuId, BTreeMap<LocationId, u32>> = BTreeMap::new();
    for one in allocations {
        let of_sku = sums.entry(one.sku.clone()).or_default();
        *of_sku.entry(one.location.clone()).or_default() += one.units;
    }
    let takes = |sums: BTreeMap<LocationId, u32>| {
        let takes = sums.into_iter();
        let takes = takes.map(|(location, units)| Take { location, units });
        takes.collect::<Vec<_>>()
    };
    sums.into_iter()
        .map(|(sku, sums)| (sku, (takes(sums), Step::Untouched)))
        .collect()
}
