//! How each event changes a SKU. Only what follows legally from the state is accepted.

mod claims;
mod waiting;

use crossdock_model::v1::{CountOutcome, ExceptionKey, MoveReason, SkuEvent, Take, Tracking};
use crossdock_model::{EntityId, LocationId, Timestamp, TransferId};

use super::closed::ClosedTransfer;
use super::movements::Movement;
use super::state::{Due, Incoming, LastCount, Master, Place, SkuState, Sums, Transfer};
use crate::decider::IllegalHistory;

type Applied = Result<(), IllegalHistory>;

fn illegal(what: impl Into<String>) -> IllegalHistory {
    IllegalHistory(what.into())
}

fn require(holds: bool, what: &str) -> Applied {
    if holds { Ok(()) } else { Err(illegal(what)) }
}

impl SkuState {
    pub(super) fn take_in(&mut self, id: &EntityId, event: &SkuEvent, at: Timestamp) -> Applied {
        let had = self.had(event);
        self.apply_event(id, event, at)?;
        self.note_listeners(event, had, at);
        Ok(())
    }

    fn apply_event(&mut self, id: &EntityId, event: &SkuEvent, at: Timestamp) -> Applied {
        match event {
            SkuEvent::Defined { title, tracking } => self.defined(title, tracking),
            SkuEvent::Moved { .. } => self.moved(event, at),
            SkuEvent::Counted { .. } => self.counted(event),
            SkuEvent::IncomingSet {
                location,
                reference,
                units,
                expected_at,
            } => self.incoming_set(location, reference, *units, *expected_at),
            SkuEvent::SafetySet { location, units } => {
                self.shift(location, |sums| sums.safety = (*units).into());
                Ok(())
            }
            SkuEvent::Held {
                hold,
                takes,
                expires_at,
            } => self.held(hold, takes, *expires_at),
            SkuEvent::HoldExpired { hold } => self.hold_expired(hold, at),
            SkuEvent::HoldReleased { hold } => self.hold_released(hold, at),
            SkuEvent::HoldConfirmed { hold, id } => self.hold_confirmed(hold, id, at),
            SkuEvent::Reserved { .. } => self.reserved(event),
            SkuEvent::OutcomeAsked { id, ask_at } => self.outcome_asked(id, *ask_at),
            SkuEvent::Confirmed { id } => self.confirmed(id, at),
            SkuEvent::Released { id } => self.released(id, at),
            SkuEvent::Queued { .. } => self.queued(event),
            SkuEvent::Unqueued { id } => self.unqueued(id),
            SkuEvent::Waiting { .. } => self.waiting(event),
            SkuEvent::WaitEnded { order } => self.wait_ended(order),
            SkuEvent::Offered {
                order,
                takes,
                until,
            } => self.offered(order, takes, *until),
            SkuEvent::OfferEnded { order } => self.offer_ended(order, at),
            SkuEvent::Settled { .. } => self.settled(event, at),
            SkuEvent::AskedBack {
                id,
                location,
                ask_at,
            } => self.asked_back(id, location, *ask_at),
            SkuEvent::KeptBy { id, location } => self.kept_by(id, location),
            SkuEvent::ExceptionOpened(opened) => self.exception(id, &opened.key, true),
            SkuEvent::ExceptionClosed(closed) => self.exception(id, &closed.key, false),
            // Views show it; nothing is decided by it.
            SkuEvent::ExceptionNoted(_) => Ok(()),
            SkuEvent::Subscribed { bucket } => {
                self.apply_listener(bucket, true, at);
                Ok(())
            }
            SkuEvent::Unsubscribed { bucket } => {
                self.apply_listener(bucket, false, at);
                Ok(())
            }
            SkuEvent::AddedHere { order, units } => {
                self.listeners.added_here(order, *units);
                Ok(())
            }
        }
    }

    fn place(&mut self, location: &LocationId) -> &mut Place {
        self.places.entry(location.clone()).or_default()
    }

    /// Changes sums. Once all committed units are there again nobody is asked back and nobody has kept.
    fn shift(&mut self, location: &LocationId, change: impl FnOnce(&mut Sums)) {
        let untracked = self.is_untracked();
        let place = self.place(location);
        change(&mut place.sums);
        if place.sums.covered() || untracked {
            place.kept.clear();
            for (id, asked) in std::mem::take(&mut place.asked) {
                let due = Due::AskBackAgain(location.clone(), id);
                self.timers.remove(&(asked.ask_at, due));
            }
        }
    }

    fn shift_all(&mut self, takes: &[Take], change: impl Fn(&mut Sums, i64)) {
        for take in takes {
            self.shift(&take.location, |sums| change(sums, take.units.into()));
        }
    }

    fn defined(&mut self, title: &str, tracking: &Tracking) -> Applied {
        self.master = Some(Master {
            title: title.to_owned(),
            tracking: tracking.clone(),
        });
        Ok(())
    }

    fn moved(&mut self, event: &SkuEvent, at: Timestamp) -> Applied {
        let SkuEvent::Moved {
            location,
            on_hand_delta,
            unavailable_delta,
            condition,
            reason,
            effective_at,
        } = event
        else {
            return Err(illegal("not a movement"));
        };
        match reason {
            MoveReason::TransferOut { transfer, to } => {
                let units = u32::try_from(-on_hand_delta).unwrap_or(0);
                require(units > 0, "transfer of no units")?;
                require(
                    !self.transfers.contains_key(transfer),
                    "transfer sent twice",
                )?;
                let sent = Transfer {
                    from: location.clone(),
                    to: to.clone(),
                    sent: units,
                    in_transit: units,
                };
                self.transfers.insert(transfer.clone(), sent);
                self.place(to).in_transit += i64::from(units);
            }
            MoveReason::TransferIn { transfer, .. } => {
                let units = u32::try_from(*on_hand_delta).unwrap_or(u32::MAX);
                self.left_transit(transfer, location, units, 0, at)?;
            }
            MoveReason::TransferLost { transfer, units } => {
                self.left_transit(transfer, location, *units, *units, at)?;
            }
            MoveReason::Returned {
                order,
                return_id,
                part,
            } => {
                let part = (order.clone(), return_id.clone(), *part);
                self.closed.take_back(part, at);
            }
            MoveReason::Received {
                reference: Some(reference),
            } => self.arrived(location, reference, *on_hand_delta),
            _ => {}
        }
        if *unavailable_delta != 0 {
            let condition = condition.ok_or_else(|| illegal("unavailable without a condition"))?;
            let marked = self.place(location).unavailable.entry(condition);
            let marked = marked.or_default();
            *marked += unavailable_delta;
            require(*marked >= 0, "fewer than no units unavailable")?;
        }
        if *on_hand_delta != 0 && !matches!(reason, MoveReason::Counted { .. }) {
            let channel = reason.allocated_to().map(|order| &order.channel);
            let moved = Movement::of_units(*on_hand_delta, channel);
            self.place(location)
                .movements
                .add(*effective_at, &moved, at);
        }
        self.place(location).is_counted = true;
        self.shift(location, |sums| {
            sums.on_hand += on_hand_delta;
            sums.unavailable += unavailable_delta;
        });
        Ok(())
    }

    /// Units of a transfer are on their way no longer: they arrived, or so many of them are lost.
    fn left_transit(
        &mut self,
        transfer: &TransferId,
        location: &LocationId,
        units: u32,
        lost: u32,
        at: Timestamp,
    ) -> Applied {
        let known = self.transfers.get_mut(transfer);
        let known = known.ok_or_else(|| illegal("arrival of an unknown transfer"))?;
        require(
            units <= known.in_transit && known.to == *location,
            "more arrived than sent",
        )?;
        known.in_transit -= units;
        self.place(location).in_transit -= i64::from(units);
        if let Some(over) = self.take_arrived(transfer) {
            let closed = ClosedTransfer {
                arrived: over.sent - lost,
                from: over.from,
                to: over.to,
                sent: over.sent,
            };
            self.closed.close_transfer(transfer, closed, at);
        }
        Ok(())
    }

    /// Takes a transfer out of the open ones once nothing of it is on its way.
    fn take_arrived(&mut self, transfer: &TransferId) -> Option<Transfer> {
        let known = self.transfers.get(transfer)?;
        let over = known.in_transit == 0;
        over.then(|| self.transfers.remove(transfer)).flatten()
    }

    fn arrived(&mut self, location: &LocationId, reference: &str, units: i64) {
        let incoming = &mut self.place(location).incoming;
        if let Some(expected) = incoming.get_mut(reference) {
            let units = u32::try_from(units).unwrap_or(0);
            expected.units = expected.units.saturating_sub(units);
            if expected.units == 0 {
                incoming.remove(reference);
            }
        }
    }

    fn counted(&mut self, event: &SkuEvent) -> Applied {
        let SkuEvent::Counted {
            location,
            source,
            basis,
            counted,
            effective_at,
            outcome,
        } = event
        else {
            return Err(illegal("not a count"));
        };
        let place = self.place(location);
        if *outcome == CountOutcome::Applied {
            let last = place.last_count.as_ref().map(|last| last.effective_at);
            require(
                last.is_none_or(|last| last <= *effective_at),
                "an older count was applied",
            )?;
            place.is_counted = true;
            place.last_count = Some(LastCount {
                effective_at: *effective_at,
                units: *counted,
                source: source.clone(),
                basis: basis.clone(),
            });
        }
        Ok(())
    }

    fn incoming_set(
        &mut self,
        location: &LocationId,
        reference: &str,
        units: u32,
        expected_at: Timestamp,
    ) -> Applied {
        let incoming = &mut self.place(location).incoming;
        if units == 0 {
            incoming.remove(reference);
        } else {
            incoming.insert(reference.to_owned(), Incoming { units, expected_at });
        }
        Ok(())
    }

    fn exception(&mut self, id: &EntityId, key: &ExceptionKey, open: bool) -> Applied {
        let location = key.subject.strip_prefix(&format!("{id}@"));
        let location = location.and_then(|text| text.parse::<LocationId>().ok());
        let location = location.ok_or_else(|| illegal("an exception about something else"))?;
        let place = self.place(&location);
        let episodes = match key.kind.as_str() {
            super::SHORT => &mut place.short,
            super::DRIFT => &mut place.drift,
            _ => return Err(illegal("an exception of an unknown kind")),
        };
        let next = episodes.count + u32::from(open);
        require(
            episodes.open != open && key.episode == next,
            "an exception out of turn",
        )?;
        *episodes = super::state::Episodes { count: next, open };
        Ok(())
    }
}
