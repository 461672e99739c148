//! What an order asks of others. Effects begin and end only while events are applied.

use std::collections::BTreeSet;

use crossdock_model::answer::StockView;
use crossdock_model::command::{Delivery, DeliveryKind, LocationCommand, PlanRequest, SkuCommand};
use crossdock_model::v1::{AttemptId, Take};
use crossdock_model::{
    Command, Effect, EffectNumber, EntityId, LineId, LocationId, OrderId, SkuId, Timestamp,
};

use super::REVIEW_AFTER;
use super::state::{GrantKey, Order, OrderState, Placing};

fn to_sku(sku: &SkuId, command: SkuCommand, tentative: bool) -> Effect {
    Effect::Tell {
        to: EntityId::Sku(sku.clone()),
        command: Box::new(Command::Sku(command)),
        tentative,
    }
}

fn to_location(location: &LocationId, command: LocationCommand, tentative: bool) -> Effect {
    Effect::Tell {
        to: EntityId::Location(location.clone()),
        command: Box::new(Command::Location(command)),
        tentative,
    }
}

/// What an effect told a SKU, if it did.
pub(super) fn told_sku(effect: &Effect) -> Option<(&SkuId, &SkuCommand)> {
    match effect {
        Effect::Tell { to, command, .. } => match (to, command.as_ref()) {
            (EntityId::Sku(sku), Command::Sku(command)) => Some((sku, command)),
            _ => None,
        },
        Effect::Plan(_) | Effect::Deliver(_) | Effect::Report(_) => None,
    }
}

/// Which attempt a SKU is asked to reserve for, and what.
pub(super) fn reserves(command: &SkuCommand) -> Option<(&AttemptId, &[Take])> {
    match command {
        SkuCommand::Reserve { id, takes, .. } | SkuCommand::ReserveHeld { id, takes, .. } => {
            Some((id, takes))
        }
        _ => None,
    }
}

/// Whether a SKU is asked for its stock.
pub(super) fn reads_stock(command: &Command) -> bool {
    matches!(
        command,
        Command::Read | Command::Sku(SkuCommand::ReadHeld { .. })
    )
}

impl OrderState {
    pub(super) fn is_confirming(&self, attempt: u32, sku: &SkuId) -> bool {
        self.pending.iter().any(|(_, effect)| {
            matches!(told_sku(effect), Some((to, SkuCommand::Confirm { id }))
                if to == sku && id.attempt == attempt)
        })
    }

    /// Whether some SKU has not heard yet that an attempt is committed: a new attempt would overtake it.
    pub(super) fn is_confirming_any(&self) -> bool {
        let confirms = |effect| matches!(told_sku(effect), Some((_, SkuCommand::Confirm { .. })));
        self.pending.iter().any(|(_, effect)| confirms(effect))
    }

    /// The outstanding reservation of an attempt at a SKU.
    pub(super) fn reserving(&self, sku: &SkuId, attempt: u32) -> Option<EffectNumber> {
        let mut pending = self.pending.iter();
        let found = pending.find(|(_, effect)| {
            let reserved =
                told_sku(effect).and_then(|(to, command)| Some((to, reserves(command)?)));
            reserved.is_some_and(|(to, (id, _))| to == sku && id.attempt == attempt)
        });
        found.map(|(number, _)| number)
    }

    pub(super) fn begin_plan(&mut self) {
        let Some(order) = self.order.as_deref() else {
            return;
        };
        let request = plan_request(order);
        self.pending.begin(Effect::Plan(Box::new(request)));
    }

    /// Asks whether the rules allow other locations by now, if it has waited for long.
    pub(super) fn begin_review(&mut self, now: Timestamp) {
        let order = self.order.as_deref_mut();
        let waiting = order.filter(|order| matches!(order.placing, Placing::Waiting(_)));
        if let Some(order) = waiting.filter(|order| order.review_at <= now) {
            order.review_at = now + REVIEW_AFTER;
            self.end_plans();
            self.begin_plan();
        }
    }

    pub(super) fn end_plans(&mut self) {
        self.pending
            .retain(|_, effect| !matches!(effect, Effect::Plan(_)));
    }

    pub(super) fn begin_reserve(&mut self, sku: &SkuId, takes: &[Take], queue: bool) {
        let Some(order) = self.order.as_deref() else {
            return;
        };
        let id = attempt_id(&order.id, self.last_attempt);
        let (takes, sale) = (takes.to_vec(), order.sale());
        let promised_at = order.facts.placed_at;
        let added_units = order.added_units(sku);
        let command = match order.own_hold() {
            Some(hold) => SkuCommand::ReserveHeld {
                hold,
                id,
                takes,
                sale,
                promised_at,
                added_units,
                queue,
            },
            None => SkuCommand::Reserve {
                id,
                takes,
                sale,
                promised_at,
                added_units,
                queue,
            },
        };
        self.pending.begin(to_sku(sku, command, true));
    }

    pub(super) fn begin_capacity(&mut self, location: &LocationId, units: u32) {
        let Some(order) = self.order.as_deref() else {
            return;
        };
        let command = LocationCommand::TakeCapacity {
            order: order.id.clone(),
            attempt: self.last_attempt,
            units,
        };
        self.pending.begin(to_location(location, command, true));
    }

    pub(super) fn begin_read(&mut self, sku: &SkuId) {
        let hold = self.order.as_deref().and_then(Order::own_hold);
        let read = hold.map(|hold| Command::Sku(SkuCommand::ReadHeld { hold }));
        self.pending.begin(Effect::Tell {
            to: EntityId::Sku(sku.clone()),
            command: Box::new(read.unwrap_or(Command::Read)),
            tentative: true,
        });
    }

    pub(super) fn end_reads(&mut self, sku: &SkuId) {
        let sku = EntityId::Sku(sku.clone());
        self.pending.retain(|_, effect| {
            !matches!(effect, Effect::Tell { to, command, .. } if *to == sku && reads_stock(command))
        });
    }

    /// Asks locations whose word on their time to acknowledge is old for their calendar, if there is work that
    /// they can be given now.
    pub(super) fn begin_locations(&mut self, now: Timestamp) {
        let order = self.order.as_deref().filter(|_| self.may_request(now));
        let stale = order.map(|order| order.stale_slots(now));
        for location in stale.unwrap_or_default() {
            if !self.is_asking(&location) {
                self.pending.begin(Effect::Tell {
                    to: EntityId::Location(location),
                    command: Box::new(Command::Read),
                    tentative: true,
                });
            }
        }
    }

    pub(super) fn is_asking(&self, location: &LocationId) -> bool {
        let asks = |effect: &Effect| match effect {
            Effect::Tell { to, command, .. } => {
                matches!(to, EntityId::Location(to) if to == location) && **command == Command::Read
            }
            Effect::Plan(_) | Effect::Deliver(_) | Effect::Report(_) => false,
        };
        self.pending.iter().any(|(_, effect)| asks(effect))
    }

    pub(super) fn begin_confirm(&mut self, order: &OrderId, sku: &SkuId, attempt: u32) {
        let id = attempt_id(order, attempt);
        let command = SkuCommand::Confirm { id };
        self.pending.begin(to_sku(sku, command, false));
    }

    pub(super) fn begin_release(&mut self, order: &OrderId, sku: &SkuId, attempt: u32) {
        let id = attempt_id(order, attempt);
        let command = SkuCommand::Release { id };
        self.pending.begin(to_sku(sku, command, false));
    }

    pub(super) fn begin_free_capacity(
        &mut self,
        order: &OrderId,
        location: &LocationId,
        attempt: u32,
    ) {
        let command = LocationCommand::ReleaseCapacity {
            order: order.clone(),
            attempt,
        };
        self.pending.begin(to_location(location, command, false));
    }

    pub(super) fn begin_wait(&mut self, sku: &SkuId, units: u32) {
        let Some(order) = self.order.as_deref() else {
            return;
        };
        let seen = order.effort.fresh.get(sku);
        let may_give = |location: &&LocationId| {
            let pair = ((*location).clone(), sku.clone());
            !order.route.rejected.contains(&pair)
        };
        let allowed = order.waits_at.iter().filter(may_give);
        let command = SkuCommand::Wait {
            order: order.id.clone(),
            units,
            locations: allowed.cloned().collect(),
            promised_at: order.facts.placed_at,
            added_units: order.added_units(sku),
            seen: seen.map_or(0, |stock| stock.version),
        };
        self.pending.begin(to_sku(sku, command, false));
    }

    pub(super) fn begin_stop_waiting(&mut self, order: &OrderId, sku: &SkuId) {
        let order = order.clone();
        let command = SkuCommand::StopWaiting { order };
        self.pending.begin(to_sku(sku, command, false));
    }

    pub(super) fn begin_return(&mut self, sku: &SkuId, command: SkuCommand) {
        self.pending.begin(to_sku(sku, command, false));
    }

    /// States the totals of a reservation, once its SKU knows that it is committed.
    pub(super) fn settle(&mut self, key: &GrantKey) {
        let (attempt, sku, location) = key;
        let Some(order) = self.order.as_deref() else {
            return;
        };
        let Some(grant) = order.grants.get(key).copied() else {
            return;
        };
        if self.is_confirming(*attempt, sku) || grant.shipped + grant.released == 0 {
            return;
        }
        let id = attempt_id(&order.id, *attempt);
        self.pending.retain(|_, effect| {
            !matches!(told_sku(effect), Some((to, SkuCommand::Settle { id: about, location: at, .. }))
                if to == sku && *about == id && at == location)
        });
        let command = SkuCommand::Settle {
            id,
            location: location.clone(),
            shipped_units: grant.shipped,
            released_units: grant.released,
            missing_units: grant.missing,
        };
        self.pending.begin(to_sku(sku, command, false));
    }

    /// Gives a request, or its cancellation, to its location's connector.
    pub(super) fn begin_delivery(&mut self, number: u32, kind: DeliveryKind) {
        let Some(order) = self.order.as_deref_mut() else {
            return;
        };
        let Some(request) = order.requests.get_mut(&number) else {
            return;
        };
        let lines = match kind {
            DeliveryKind::Fulfil => request.lines.clone(),
            DeliveryKind::Cancel { ask } => {
                let ask = request.asks.get(&ask);
                ask.map_or_else(Vec::new, |ask| ask.lines.clone())
            }
        };
        request.deliveries += 1;
        let delivery = Delivery {
            order: order.id.clone(),
            order_name: order.facts.name.clone(),
            request: number,
            location: request.location.clone(),
            attempt: request.deliveries,
            kind,
            lines,
            service_level: order.facts.service_level.clone(),
            ship_by: order.facts.ship_by,
            address_version: order.address_version(),
        };
        self.pending.begin(Effect::Deliver(Box::new(delivery)));
    }

    /// The outstanding delivery of a request with that number.
    pub(super) fn delivering(
        &self,
        number: u32,
        attempt: u32,
    ) -> Option<(EffectNumber, DeliveryKind)> {
        self.pending
            .iter()
            .find_map(|(effect_number, effect)| match effect {
                Effect::Deliver(one) if one.request == number && one.attempt == attempt => {
                    Some((effect_number, one.kind))
                }
                _ => None,
            })
    }

    /// Ends deliveries of the request itself; those of asks go on.
    pub(super) fn end_fulfil(&mut self, number: u32) {
        self.pending.retain(|_, effect| {
            !matches!(effect, Effect::Deliver(one) if one.request == number && one.kind == DeliveryKind::Fulfil)
        });
    }

    /// Ends the delivery of an ask that was answered.
    pub(super) fn end_ask(&mut self, number: u32, ask: u32) {
        let kind = DeliveryKind::Cancel { ask };
        self.pending.retain(|_, effect| {
            !matches!(effect, Effect::Deliver(one) if one.request == number && one.kind == kind)
        });
    }

    pub(super) fn end_deliveries(&mut self, number: u32) {
        self.pending
            .retain(|_, effect| !matches!(effect, Effect::Deliver(one) if one.request == number));
    }

    /// Ends what an attempt still waits for.
    pub(super) fn end_attempt_effects(&mut self, attempt: u32) {
        self.pending.retain(|_, effect| match effect {
            Effect::Plan(_) => false,
            Effect::Deliver(_) | Effect::Report(_) => true,
            Effect::Tell { to, command, .. } => match command.as_ref() {
                Command::Read => !matches!(to, EntityId::Sku(_)),
                Command::Sku(SkuCommand::ReadHeld { .. }) => false,
                Command::Sku(command) => {
                    reserves(command).is_none_or(|(id, _)| id.attempt != attempt)
                }
                Command::Location(LocationCommand::TakeCapacity { attempt: of, .. }) => {
                    *of != attempt
                }
                _ => true,
            },
        });
    }

    pub(super) fn end_waits(&mut self, sku: &SkuId) {
        self.pending.retain(|_, effect| {
            !matches!(told_sku(effect), Some((to, SkuCommand::Wait { .. } | SkuCommand::StopWaiting { .. }))
                if to == sku)
        });
    }
}

fn attempt_id(order: &OrderId, attempt: u32) -> AttemptId {
    AttemptId {
        order: order.clone(),
        attempt,
    }
}

fn plan_request(order: &Order) -> PlanRequest {
    let missing = order.missing();
    let skus: BTreeSet<&SkuId> = missing.keys().map(|(_, sku)| sku).collect();
    let effort = &order.effort;
    let excluded = order.route.excluded.iter().chain(effort.full.keys());
    let fresh = effort.fresh.values();
    let offers = order.offers.iter();
    let lines: BTreeSet<&LineId> = missing.keys().map(|(line, _)| line).collect();
    let lines = lines.into_iter().filter_map(|line| order.lines.get(line));
    let parts = lines.flat_map(|line| {
        let parts = line.facts.parts.iter();
        parts.map(|part| {
            let line = line.facts.line.clone();
            (line, part.sku.clone(), part.units_per_line_unit)
        })
    });
    let parts = parts.collect();
    PlanRequest {
        parts,
        order: order.id.clone(),
        sale: order.sale(),
        destination: order.route.destination.clone(),
        service_level: order.facts.service_level.clone(),
        ship_by: order.facts.ship_by,
        tags: order.facts.tags.clone(),
        excluded: excluded.cloned().collect(),
        rejected: order.route.rejected.iter().cloned().collect(),
        fresh: fresh
            .filter(|stock| skus.contains(&stock.sku))
            .cloned()
            .collect::<Vec<StockView>>(),
        offered: offers
            .map(|(sku, offer)| (sku.clone(), offer.takes.clone()))
            .collect(),
        wanted: missing
            .into_iter()
            .map(|((line, sku), units)| (line, sku, units))
            .collect(),
    }
}

/// Whether the plan asked for is about what is still missing.
pub(super) fn is_placing(placing: &Placing) -> bool {
    match placing {
        Placing::Planning | Placing::Reading(_) | Placing::Reserving(_) => true,
        Placing::Idle
        | Placing::Again(_)
        | Placing::Waiting(_)
        | Placing::Stuck(_)
        | Placing::Busy { .. } => false,
    }
}
