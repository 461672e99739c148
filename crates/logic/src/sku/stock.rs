//! What people, tills and warehouses say about stock.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{
    Condition, CountBasis, CountOutcome, Kit, MoveReason, SkuEvent, Tracking,
};
use crossdock_model::{Answer, LocationId, Rejection, SourceId, Timestamp, TransferId};

use super::draft::{Draft, misrouted};
use super::state::Place;
use super::{COUNT_AGE_MAX, COUNT_AMBIGUITY, DRIFT, EXPECTED_MAX, UNITS_MAX, checked_units};
use crate::decider::Decision;
use crate::planted::Mistake;

type Decided = Result<Decision<SkuEvent>, Rejection>;

impl Draft<'_> {
    pub fn stock(mut self, command: &SkuCommand) -> Decided {
        match command {
            SkuCommand::Define { title, tracking } => return self.define(title, tracking),
            SkuCommand::Count { .. } => return self.count(command),
            SkuCommand::Adjust {
                location,
                delta,
                reason,
            } => self.adjust(location, *delta, reason)?,
            SkuCommand::Receive {
                location,
                units,
                reference,
            } => self.receive(location, *units, reference.as_ref())?,
            SkuCommand::Expect {
                location,
                reference,
                units,
                expected_at,
            } => return self.expect(location, reference, *units, *expected_at),
            SkuCommand::SetSafety { location, units } => return self.set_safety(location, *units),
            SkuCommand::TransferOut {
                transfer,
                from,
                to,
                units,
            } => return self.transfer_out(transfer, from, to, *units),
            SkuCommand::TransferIn {
                transfer,
                arrived_units,
                close,
            } => return self.transfer_in(transfer, *arrived_units, *close),
            SkuCommand::MarkUnavailable {
                location,
                condition,
                units,
            } => self.mark(location, *condition, *units)?,
            SkuCommand::MakeAvailable {
                location,
                condition,
                units,
            } => self.make_available(location, *condition, *units)?,
            SkuCommand::SoldAtTill {
                location,
                units,
                reference,
            } => self.sold_at_till(location, *units, reference)?,
            SkuCommand::Return { .. } => return self.take_back(command),
            other => return Err(misrouted(other)),
        }
        Ok(self.finish(Answer::Done))
    }

    fn define(mut self, title: &str, tracking: &Tracking) -> Decided {
        let master = self.state.master.as_ref();
        if master.is_some_and(|known| known.title == title && known.tracking == *tracking) {
            return Ok(Decision::unchanged(Answer::Done));
        }
        if let Tracking::Kit(Kit { components, .. }) = tracking {
            let mut seen = std::collections::BTreeSet::new();
            let sound = components
                .iter()
                .all(|one| one.units_per_kit > 0 && one.sku != *self.sku && seen.insert(&one.sku));
            if components.is_empty() || !sound {
                return Err(Rejection::invalid(
                    "tracking",
                    "a kit has components: each another SKU, at least one unit of it, never itself",
                ));
            }
        }
        let kind = std::mem::discriminant(tracking);
        if kind != std::mem::discriminant(self.state.tracking()) && self.in_use(tracking) {
            return Err(Rejection::invalid(
                "tracking",
                "cannot change while the SKU has stock, reservations, holds or waiting orders",
            ));
        }
        self.events.push(SkuEvent::Defined {
            title: title.to_owned(),
            tracking: tracking.clone(),
        });
        Ok(self.finish(Answer::Done))
    }

    /// Whether something stands in the way of keeping its stock that way.
    fn in_use(&self, tracking: &Tracking) -> bool {
        let state = self.state;
        let promised = !state.reservations.is_empty()
            || !state.holds.is_empty()
            || !state.queue.entries.is_empty()
            || !state.line.orders.is_empty();
        let stocked = |place: &Place| place.sums.on_hand != 0 || place.in_transit != 0;
        let kit = matches!(tracking, Tracking::Kit(_));
        promised || (kit && state.places.values().any(|place| stocked(place)))
    }

    fn count(mut self, command: &SkuCommand) -> Decided {
        let SkuCommand::Count {
            location,
            source,
            truth,
            basis,
            counted,
            effective_at,
        } = command
        else {
            return Err(misrouted(command));
        };
        if let Some(truth) = truth.as_ref().filter(|truth| *truth != source) {
            return Err(Rejection::NotStockSource {
                given: source.to_string(),
                expected: truth.to_string(),
            });
        }
        if *counted > 0 {
            checked_units("counted", *counted)?;
        }
        self.admit(location)?;
        let counted_at = (*effective_at).min(self.now);
        let outcome = self.count_outcome(location, counted_at);
        self.events.push(SkuEvent::Counted {
            location: location.clone(),
            source: source.clone(),
            basis: basis.clone(),
            counted: *counted,
            effective_at: counted_at,
            outcome,
        });
        let on_hand_delta = match outcome {
            CountOutcome::Applied => {
                self.follow_count(location, source, basis, *counted, counted_at)
            }
            CountOutcome::OlderThanLast | CountOutcome::TooOld => 0,
        };
        Ok(self.finish(Answer::Counted {
            outcome,
            on_hand_delta,
        }))
    }

    fn count_outcome(&self, location: &LocationId, counted_at: Timestamp) -> CountOutcome {
        let place = self.state.places.get(location);
        let last = place.and_then(|place| place.last_count.as_ref());
        if last.is_some_and(|last| last.effective_at > counted_at) {
            CountOutcome::OlderThanLast
        } else if self.now.since(counted_at) > COUNT_AGE_MAX {
            CountOutcome::TooOld
        } else {
            CountOutcome::Applied
        }
    }

    /// Balances follow a count: what was counted and what moved after it. A count net of allocated units has
    /// not seen those that were committed at that time, so they are added: all, or those of the channel that counts.
    /// Returns by how many units on hand has changed.
    fn follow_count(
        &mut self,
        location: &LocationId,
        source: &SourceId,
        basis: &CountBasis,
        counted: u32,
        counted_at: Timestamp,
    ) -> i64 {
        let place = self.state.places.get(location);
        let moved = place.map(|place| place.movements.after(counted_at));
        let moved = moved.unwrap_or_default();
        let sums = self.sums(location);
        let allocated = place.map_or(0, |place| place.allocated.left_out_of(basis));
        let unseen = allocated - moved.allocated.left_out_of(basis);
        let on_hand = i64::from(counted) + unseen + moved.units;
        let delta = on_hand - sums.on_hand;
        let reason = MoveReason::Counted {
            source: source.clone(),
        };
        if delta != 0 {
            self.enter(SkuEvent::Moved {
                location: location.clone(),
                on_hand_delta: delta,
                unavailable_delta: 0,
                condition: None,
                reason: reason.clone(),
                effective_at: counted_at,
            });
        }
        self.fit_unavailable(location, &reason, counted_at);
        let (from, to) = (counted_at - COUNT_AMBIGUITY, counted_at + COUNT_AMBIGUITY);
        match place {
            Some(place) if place.movements.any_within(basis, from, to) => {
                self.open_count_drift(location, counted_at);
            }
            Some(place) => {
                let how = "a later count with no movement near it";
                self.close_exception(DRIFT, location, place.drift, how);
            }
            None => {}
        }
        delta
    }

    fn adjust(&mut self, location: &LocationId, delta: i64, reason: &str) -> Result<(), Rejection> {
        let max = u64::from(UNITS_MAX);
        let sums = self.sums(location);
        let too_few = delta < 0 && sums.on_hand + delta < sums.unavailable;
        if delta == 0 || delta.unsigned_abs() > max || too_few {
            let (on_hand, unavailable) = (sums.on_hand, sums.unavailable);
            let problem = format!(
                "must not be 0, nor leave fewer units than are unavailable: {on_hand} are on hand, {unavailable} of them unavailable"
            );
            return Err(Rejection::invalid("delta", problem));
        }
        self.admit(location)?;
        let reason = reason.to_owned();
        self.move_units(location, delta, 0, None, MoveReason::Adjusted { reason });
        Ok(())
    }

    fn receive(
        &mut self,
        location: &LocationId,
        units: u32,
        reference: Option<&String>,
    ) -> Result<(), Rejection> {
        checked_units("units", units)?;
        self.admit(location)?;
        let reference = reference.cloned();
        let reason = MoveReason::Received { reference };
        self.move_units(location, units.into(), 0, None, reason);
        Ok(())
    }

    fn expect(
        mut self,
        location: &LocationId,
        reference: &str,
        units: u32,
        expected_at: Timestamp,
    ) -> Decided {
        self.admit(location)?;
        let place = self.state.places.get(location);
        let incoming = place.map(|place| &place.incoming);
        let known = incoming.and_then(|incoming| incoming.get(reference));
        let same = known.map_or(units == 0, |known| {
            known.units == units && known.expected_at == expected_at
        });
        if same {
            return Ok(Decision::unchanged(Answer::Done));
        }
        if units > 0 {
            checked_units("units", units)?;
        }
        if known.is_none() && incoming.is_some_and(|incoming| incoming.len() >= EXPECTED_MAX) {
            return Err(Rejection::Limit {
                what: "references of expected units at a location".to_owned(),
                max: EXPECTED_MAX as u64,
            });
        }
        self.events.push(SkuEvent::IncomingSet {
            location: location.clone(),
            reference: reference.to_owned(),
            units,
            expected_at,
        });
        Ok(self.finish(Answer::Done))
    }

    fn set_safety(mut self, location: &LocationId, units: u32) -> Decided {
        if self.sums(location).safety == i64::from(units) {
            return Ok(Decision::unchanged(Answer::Done));
        }
        if units > 0 {
            checked_units("units", units)?;
        }
        self.admit(location)?;
        self.change(location, |sums| sums.safety = units.into());
        let location = location.clone();
        self.events.push(SkuEvent::SafetySet { location, units });
        Ok(self.finish(Answer::Done))
    }

    fn transfer_out(
        mut self,
        transfer: &TransferId,
        from: &LocationId,
        to: &LocationId,
        units: u32,
    ) -> Decided {
        let open = self.state.transfers.get(transfer);
        let open = open.map(|known| (&known.from, &known.to, known.sent));
        let closed = self.state.closed.transfer(transfer);
        let closed = closed.map(|known| (&known.from, &known.to, known.sent));
        if let Some(known) = open.or(closed) {
            return match known == (from, to, units) {
                true => Ok(Decision::unchanged(Answer::Done)),
                false => Err(Rejection::KeyConflict),
            };
        }
        self.known()?;
        checked_units("units", units)?;
        if from == to {
            return Err(Rejection::invalid("to", "must be another location"));
        }
        self.admit(to)?;
        if self.state.transfers.len() >= EXPECTED_MAX {
            return Err(Rejection::Limit {
                what: "open transfers of a SKU".to_owned(),
                max: EXPECTED_MAX as u64,
            });
        }
        if self.sums(from).free() < i64::from(units) {
            return Err(self.short());
        }
        let reason = MoveReason::TransferOut {
            transfer: transfer.clone(),
            to: to.clone(),
        };
        self.move_units(from, -i64::from(units), 0, None, reason);
        Ok(self.finish(Answer::Done))
    }

    /// So many units have arrived in all. What is written off never was on hand here.
    fn transfer_in(mut self, transfer: &TransferId, arrived: u32, close: bool) -> Decided {
        let too_many = |max: u32| {
            let problem = format!("only {max} units of the transfer can have arrived");
            Err(Rejection::invalid("arrived_units", problem))
        };
        if let Some(closed) = self.state.closed.transfer(transfer) {
            return match arrived <= closed.arrived {
                true => Ok(Decision::unchanged(Answer::Done)),
                false => too_many(closed.arrived),
            };
        }
        let Some(known) = self.state.transfers.get(transfer) else {
            return Err(Rejection::NotFound(format!("transfer {transfer}")));
        };
        if arrived > known.sent {
            return too_many(known.sent);
        }
        let known_to_be_there = match Mistake::ArrivedTwice.is_planted() {
            true => 0,
            false => known.sent - known.in_transit,
        };
        let units = arrived.saturating_sub(known_to_be_there);
        let lost = if close { known.in_transit - units } else { 0 };
        if units == 0 && lost == 0 {
            return Ok(Decision::unchanged(Answer::Done));
        }
        let to = known.to.clone();
        if units > 0 {
            let reason = MoveReason::TransferIn {
                transfer: transfer.clone(),
                from: known.from.clone(),
            };
            self.move_units(&to, units.into(), 0, None, reason);
        }
        if lost > 0 {
            let transfer = transfer.clone();
            let reason = MoveReason::TransferLost {
                transfer,
                units: lost,
            };
            self.move_units(&to, 0, 0, None, reason);
        }
        Ok(self.finish(Answer::Done))
    }

    fn mark(
        &mut self,
        location: &LocationId,
        condition: Condition,
        units: u32,
    ) -> Result<(), Rejection> {
        checked_units("units", units)?;
        let sums = self.sums(location);
        let sellable = sums.on_hand - sums.unavailable;
        if i64::from(units) > sellable {
            let problem = format!("only {} sellable units are on hand", sellable.max(0));
            return Err(Rejection::invalid("units", problem));
        }
        let reason = MoveReason::MarkedUnavailable;
        self.move_units(location, 0, units.into(), Some(condition), reason);
        Ok(())
    }

    fn make_available(
        &mut self,
        location: &LocationId,
        condition: Condition,
        units: u32,
    ) -> Result<(), Rejection> {
        checked_units("units", units)?;
        let place = self.state.places.get(location);
        let marked = place.and_then(|place| place.unavailable.get(&condition));
        let marked = marked.copied().unwrap_or(0);
        if i64::from(units) > marked {
            let problem = format!("only {marked} units are unavailable for that reason");
            return Err(Rejection::invalid("units", problem));
        }
        let reason = MoveReason::MadeAvailable;
        self.move_units(location, 0, -i64::from(units), Some(condition), reason);
        Ok(())
    }

    /// Goods in a customer's hand are a fact: never refused for lack of stock.
    fn sold_at_till(
        &mut self,
        location: &LocationId,
        units: u32,
        reference: &str,
    ) -> Result<(), Rejection> {
        checked_units("units", units)?;
        self.admit(location)?;
        let reference = reference.to_owned();
        let reason = MoveReason::SoldAtTill { reference };
        self.move_units(location, -i64::from(units), 0, None, reason);
        Ok(())
    }

    /// A part of a return is taken once: its order tells of it until it is answered.
    fn take_back(mut self, command: &SkuCommand) -> Decided {
        let SkuCommand::Return {
            order,
            return_id,
            part,
            location,
            units,
            condition,
        } = command
        else {
            return Err(misrouted(command));
        };
        let known = (order.clone(), return_id.clone(), *part);
        if self.state.closed.has_returned(&known) && !Mistake::ReturnedTwice.is_planted() {
            return Ok(Decision::unchanged(Answer::Done));
        }
        checked_units("units", *units)?;
        self.admit(location)?;
        let reason = MoveReason::Returned {
            order: order.clone(),
            return_id: return_id.clone(),
            part: *part,
        };
        let unsellable = condition.map_or(0, |_| i64::from(*units));
        self.move_units(location, (*units).into(), unsellable, *condition, reason);
        Ok(self.finish(Answer::Done))
    }
}
