//! Placing what is missing: plan, and what becomes of units that found no place.

use std::collections::BTreeSet;

use crossdock_model::answer::StockView;
use crossdock_model::command::{EffectNumber, PlanRequest, SkuCommand};
use crossdock_model::v1::{AttemptEnd, Fallback, OrderEvent, Plan};
use crossdock_model::{Rejection, SkuId};

use super::draft::Draft;
use super::routes::{fits, learned};
use super::state::{Missing, Order, Placing, Rest};
use super::{
    ASKS_PATIENCE, RETRY_AFTER, RETRY_ASKS_MAX, RETRY_CAPACITY_AFTER, RETRY_WITHHELD_MAX, backoff,
};

/// How often stock is looked at again when it says otherwise than the plan.
const RECHECKS_MAX: u32 = 3;

/// Kind of the exception about units that no location can take.
pub(super) const UNROUTABLE: &str = "unroutable";

impl Draft<'_> {
    /// The router answered. What it could not place is concluded only from what SKUs said themselves.
    pub fn plan_answered(&mut self, number: EffectNumber, request: &PlanRequest, plan: &Plan) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        if order.placing != Placing::Planning {
            self.review(number, plan);
            return;
        }
        let wanted = request.wanted.iter();
        let wanted = wanted.map(|(line, sku, units)| ((line.clone(), sku.clone()), *units));
        if wanted.collect::<Missing>() != order.missing() || !fits(order, plan) {
            self.close_attempt(AttemptEnd::Changed);
            return;
        }
        let kits = learned(order, plan).err().unwrap_or_default();
        let unplaced: BTreeSet<SkuId> = match plan.allocations.is_empty() {
            true => order.missing().into_keys().map(|(_, sku)| sku).collect(),
            false => plan
                .unplaced
                .iter()
                .map(|(_, sku, _)| sku.clone())
                .collect(),
        };
        let unknown = |sku: &SkuId| !order.effort.fresh.contains_key(sku);
        let doubtful = unplaced.union(&kits).cloned().collect::<BTreeSet<_>>();
        let to_ask: Vec<SkuId> = doubtful
            .union(&not_to_be_risked(order, plan))
            .filter(|sku| unknown(sku))
            .cloned()
            .collect();
        if !to_ask.is_empty() {
            self.emit(OrderEvent::StockAsked { skus: to_ask });
        } else if !kits.is_empty() {
            let cause = "the plan names SKUs that no part of the order is made of";
            self.give_to_person(cause.to_owned());
        } else if unplaced.is_empty() {
            self.take_plan(plan);
        } else if order.asks() {
            self.refuse_or_retry(&unplaced);
        } else {
            self.place_part(plan, &unplaced);
        }
    }

    /// An order that has waited for long looked at the rules again: where they allow stock to come from, and
    /// whether there is any.
    fn review(&mut self, number: EffectNumber, plan: &Plan) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let waits = matches!(order.placing, Placing::Waiting(_));
        let usable = plan.allocations.iter().map(|one| &one.sku);
        let usable = usable.filter(|sku| order.waits.contains_key(*sku)).min();
        let usable = usable.cloned();
        if waits && let Some(sku) = usable {
            self.emit(OrderEvent::StockReturned { sku });
        } else if waits && order.waits_at != plan.allowed {
            let skus = order.waits.keys().cloned().collect();
            let locations = plan.allowed.clone();
            self.emit(OrderEvent::BackorderedAt { skus, locations });
        } else {
            self.emit(OrderEvent::EffectDone { effect: number });
        }
    }

    fn take_plan(&mut self, plan: &Plan) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let ordered = order.effort.ordered;
        self.answer_offers(Some(plan));
        self.emit(OrderEvent::Planned {
            attempt: self.order.last_attempt,
            plan: Box::new(plan.clone()),
            ordered,
        });
    }

    /// Offers that the plan does not use go to others at once.
    fn answer_offers(&mut self, plan: Option<&Plan>) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let id = order.id.clone();
        let offers: Vec<SkuId> = order.offers.keys().cloned().collect();
        for sku in offers {
            let uses = |plan: &Plan| plan.allocations.iter().any(|one| one.sku == sku);
            let accepted = plan.is_some_and(uses);
            self.emit(OrderEvent::OfferAnswered {
                sku: sku.clone(),
                accepted,
            });
            if !accepted {
                let order = id.clone();
                self.tell_sku(&sku, SkuCommand::DeclineOffer { order });
            }
        }
    }

    /// A sold order reserves what there is; the rest waits for stock or for a person.
    fn place_part(&mut self, plan: &Plan, unplaced: &BTreeSet<SkuId>) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        if let Some(location) = order.effort.full.keys().next().cloned() {
            self.answer_offers(None);
            self.emit(OrderEvent::AttemptClosed {
                attempt: self.order.last_attempt,
                cause: AttemptEnd::CapacityFull { location },
                retry_at: Some(self.asked.now + RETRY_CAPACITY_AFTER),
            });
            return;
        }
        if !plan.allocations.is_empty() {
            self.take_plan(plan);
            return;
        }
        self.answer_offers(None);
        if let Some(sku) = unplaced.first().cloned() {
            self.emit(OrderEvent::AttemptClosed {
                attempt: self.order.last_attempt,
                cause: AttemptEnd::Short { sku },
                retry_at: None,
            });
        }
        self.leave_rest(&Rest {
            fallback: plan.fallback,
            allowed: plan.allowed.clone(),
        });
    }

    /// What becomes of units that are still missing.
    pub fn leave_rest(&mut self, rest: &Rest) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let missing = order.missing();
        let skus = skus_of(&missing);
        if skus.iter().any(|sku| !order.effort.fresh.contains_key(sku)) {
            return;
        }
        match rest.fallback {
            Fallback::Backorder => self.emit(OrderEvent::BackorderedAt {
                skus: skus.into_iter().collect(),
                locations: rest.allowed.clone(),
            }),
            Fallback::Exception => {
                let skus: Vec<String> = skus.iter().map(ToString::to_string).collect();
                let cause = format!("no location can take {}", skus.join(", "));
                self.give_to_person(cause);
            }
        }
    }

    fn give_to_person(&mut self, cause: String) {
        let placing = self.order.order.as_deref().map(|order| &order.placing);
        if placing.is_some_and(super::effects::is_placing) {
            self.answer_offers(None);
            self.emit(OrderEvent::AttemptClosed {
                attempt: self.order.last_attempt,
                cause: AttemptEnd::Changed,
                retry_at: None,
            });
        }
        let subject = self.asked.id.to_string();
        self.open_exception(UNROUTABLE, subject, cause, Vec::new());
    }

    /// An order that asks is refused only when units that may still come back could not serve it either.
    fn refuse_or_retry(&mut self, unplaced: &BTreeSet<SkuId>) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let missing = order.missing();
        let in_the_way = |sku: &&SkuId| {
            let stock = order.effort.fresh.get(*sku);
            stock.is_some_and(|stock| may_come_back(order, stock, &missing))
        };
        let blocked = |sku: &&SkuId| !in_the_way(sku);
        let short = unplaced.iter().find(blocked).cloned();
        let stock = short.and_then(|sku| order.effort.fresh.get(&sku).cloned());
        let full = order.effort.full.values().next().cloned();
        match (stock, full, unplaced.first().cloned()) {
            (_, Some(day), _) => self.refuse(Rejection::CapacityFull { day }),
            (Some(stock), None, _) if stock.version == 0 => {
                self.refuse(Rejection::NotFound(format!("sku {}", stock.sku)));
            }
            (Some(stock), None, _) => self.refuse(Rejection::Short {
                sku: stock.sku.clone(),
                stock: Box::new(stock),
            }),
            (None, None, Some(sku)) => self.end_attempt(AttemptEnd::Contended { sku }, true),
            (None, None, None) => {}
        }
    }

    /// Ends the open attempt. The next one follows at once, unless that has been tried.
    pub fn close_attempt(&mut self, cause: AttemptEnd) {
        let order = self.order.order.as_deref();
        let pauses = match &cause {
            AttemptEnd::Busy { .. } => true,
            AttemptEnd::Contended { .. } => order.is_some_and(|order| order.effort.ordered),
            AttemptEnd::Short { .. } | AttemptEnd::CapacityFull { .. } | AttemptEnd::Changed => {
                false
            }
        };
        self.end_attempt(cause, pauses);
    }

    /// An order that asks and finds its SKUs busy for too long rests until it is asked for again.
    fn end_attempt(&mut self, cause: AttemptEnd, pauses: bool) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let tries = order.effort.tries;
        let max = match order.asks() {
            true => RETRY_ASKS_MAX,
            false => super::RETRY_SOLD_MAX,
        };
        let now = self.asked.now;
        let late = match &cause {
            // The next attempt is without that location: it is not the same again.
            AttemptEnd::CapacityFull { .. } => None,
            _ => tries.checked_sub(super::TRIES_AT_ONCE_MAX),
        };
        let pause = if pauses { Some(tries) } else { late };
        let since = order.effort.since.unwrap_or(now);
        let impatient = order.asks() && now.since(since) >= ASKS_PATIENCE;
        let retry_at = match in_the_way(&cause).filter(|_| impatient) {
            Some(_) => Some(now + self.asked.window),
            None => pause.map(|tries| now + backoff(RETRY_AFTER, tries, max)),
        };
        self.emit(OrderEvent::AttemptClosed {
            attempt: self.order.last_attempt,
            cause,
            retry_at,
        });
    }

    /// A SKU does not say what it has, and will not before a person has looked at it. An order that asks is answered
    /// at once, and rests until it is asked for again; one that is sold tries again, more and more rarely.
    pub fn stock_withheld(&mut self, sku: &SkuId) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let pause = match order.asks() {
            true => self.asked.window,
            false => backoff(RETRY_AFTER, order.effort.tries, RETRY_WITHHELD_MAX),
        };
        self.emit(OrderEvent::AttemptClosed {
            attempt: self.order.last_attempt,
            cause: AttemptEnd::Busy { sku: sku.clone() },
            retry_at: Some(self.asked.now + pause),
        });
    }

    /// Nobody asked again for an order that was busy: it takes nothing any more.
    pub fn give_up_busy(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let now = self.asked.now;
        let over = matches!(order.placing, Placing::Busy { until, .. } if until <= now);
        let lines = order.cancellable();
        if over && !self.asked_again && !lines.is_empty() {
            self.cancel_here(lines, "busy, and nobody asked again");
        }
    }

    /// The order takes nothing. All it has is released as it is not needed any more.
    pub fn refuse(&mut self, why: Rejection) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let lines = order.cancellable();
        if super::effects::is_placing(&order.placing) {
            self.emit(OrderEvent::AttemptClosed {
                attempt: self.order.last_attempt,
                cause: AttemptEnd::Changed,
                retry_at: None,
            });
        }
        if !lines.is_empty() {
            self.cancel_here(lines, why.code());
        }
        self.emit(OrderEvent::Refused { why: Box::new(why) });
    }
}

/// SKUs of which the order may hold units that it would lose if another SKU of the plan took no part: such a
/// plan rests on their own words only.
fn not_to_be_risked(order: &Order, plan: &Plan) -> BTreeSet<SkuId> {
    let skus = plan.allocations.iter().map(|one| one.sku.clone());
    let skus: BTreeSet<SkuId> = skus.collect();
    match order.own_hold() {
        Some(_) if skus.len() > 1 => skus,
        _ => BTreeSet::new(),
    }
}

/// The SKU whose units others had when the attempt ended.
pub(super) fn in_the_way(cause: &AttemptEnd) -> Option<&SkuId> {
    match cause {
        AttemptEnd::Short { sku } | AttemptEnd::Contended { sku } | AttemptEnd::Busy { sku } => {
            Some(sku)
        }
        AttemptEnd::CapacityFull { .. } | AttemptEnd::Changed => None,
    }
}

/// Whether tentative units of others, should they come back, could serve what the order lacks of that SKU.
/// Where units are free and the plan still did not use them, it may have known newer stock than this: that
/// is looked at a few times more before it counts as the rules' word.
fn may_come_back(order: &Order, stock: &StockView, missing: &Missing) -> bool {
    let wanted = missing.iter().filter(|((_, sku), _)| *sku == stock.sku);
    let wanted: i64 = wanted.map(|(_, units)| i64::from(*units)).sum();
    let places = stock.locations.iter();
    let places = places.filter(|place| {
        let pair = (place.location.clone(), stock.sku.clone());
        !order.route.excluded.contains(&place.location) && !order.route.rejected.contains(&pair)
    });
    let (mut possible, mut tentative) = (0, 0);
    for place in places {
        let all = place.available + i64::from(place.tentative) - i64::from(place.safety);
        possible += all.max(0);
        tentative += i64::from(place.tentative);
    }
    let disputed = order.effort.tries < RECHECKS_MAX;
    (tentative > 0 || disputed) && possible - i64::from(stock.waiting_units) >= wanted
}

pub(super) fn skus_of(missing: &Missing) -> BTreeSet<SkuId> {
    missing.keys().map(|(_, sku)| sku.clone()).collect()
}
