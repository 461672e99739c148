//! How each event changes a SKU. Only what follows legally from the state is accepted.

use crossdock_model::v1::{
    AttemptId, CountOutcome, ExceptionKey, MoveReason, Sale, SkuEvent, Take, Tracking,
};
use crossdock_model::{EntityId, HoldId, LocationId, OrderId, Timestamp};

use super::state::{
    AskedBack, Due, Hold, Incoming, LastCount, Master, Offer, Place, Queued, Reservation, SkuState,
    Status, Sums, Transfer, Waiter,
};
use super::{OFFER_PAUSE_MAX, OFFER_PAUSE_MIN, backoff};
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
                self.place(location).safety = *units;
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
            SkuEvent::Confirmed { id } => self.confirmed(id),
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
        }
    }

    fn place(&mut self, location: &LocationId) -> &mut Place {
        if !self.places.contains_key(location) {
            self.places.insert(location.clone(), Place::default());
        }
        self.places.entry(location.clone()).or_default()
    }

    /// Changes sums. Once all committed units are there again nobody is asked back and nobody has kept.
    fn shift(&mut self, location: &LocationId, change: impl FnOnce(&mut Sums)) {
        let untracked = self.is_untracked();
        let place = self.place(location);
        change(&mut place.sums);
        if place.sums.covered() || untracked {
            place.kept.clear();
            if let Some(asked) = place.asked.take() {
                let due = Due::AskBackAgain(location.clone());
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
                let known = self.transfers.get_mut(transfer);
                let known = known.ok_or_else(|| illegal("arrival of an unknown transfer"))?;
                let units = u32::try_from(*on_hand_delta).unwrap_or(u32::MAX);
                require(
                    units <= known.in_transit && known.to == *location,
                    "more arrived than sent",
                )?;
                known.in_transit -= units;
                if known.in_transit == 0 {
                    self.transfers.remove(transfer);
                }
                self.place(location).in_transit -= i64::from(units);
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
            let shipped = matches!(reason, MoveReason::Shipped { .. });
            let log = &mut self.place(location).movements;
            log.add(*effective_at, *on_hand_delta, shipped, at);
        }
        self.shift(location, |sums| {
            sums.on_hand += on_hand_delta;
            sums.unavailable += unavailable_delta;
        });
        Ok(())
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
            effective_at,
            outcome,
            ..
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
            place.last_count = Some(LastCount {
                effective_at: *effective_at,
                source: source.clone(),
                basis: *basis,
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

    fn held(&mut self, hold: &HoldId, takes: &[Take], expires_at: Timestamp) -> Applied {
        require(!self.holds.contains_key(hold), "held twice")?;
        require(
            self.closed.hold(hold).is_none(),
            "a closed hold was granted",
        )?;
        self.shift_all(takes, |sums, units| sums.held += units);
        self.expiries.insert((expires_at, hold.clone()));
        let granted = Hold {
            takes: takes.to_vec(),
            expires_at,
        };
        self.holds.insert(hold.clone(), granted);
        Ok(())
    }

    fn end_hold(&mut self, hold: &HoldId) -> Option<Hold> {
        let ended = self.holds.remove(hold)?;
        self.expiries.remove(&(ended.expires_at, hold.clone()));
        self.shift_all(&ended.takes, |sums, units| sums.held -= units);
        Some(ended)
    }

    fn hold_expired(&mut self, hold: &HoldId, at: Timestamp) -> Applied {
        let ended = self.end_hold(hold);
        let ended = ended.ok_or_else(|| illegal("an unknown hold expired"))?;
        require(ended.expires_at <= at, "a hold expired before its time")?;
        self.closed.close_hold(hold, ended.expires_at, None, at);
        Ok(())
    }

    fn hold_released(&mut self, hold: &HoldId, at: Timestamp) -> Applied {
        require(
            self.closed.hold(hold).is_none(),
            "a closed hold was released",
        )?;
        self.end_hold(hold);
        self.closed.close_hold(hold, at, None, at);
        Ok(())
    }

    fn hold_confirmed(&mut self, hold: &HoldId, id: &AttemptId, at: Timestamp) -> Applied {
        let ended = self.end_hold(hold);
        let ended = ended.ok_or_else(|| illegal("an unknown hold was confirmed"))?;
        require(at < ended.expires_at, "an expired hold was confirmed")?;
        self.is_new(id)?;
        self.closed.close_hold(hold, at, Some(id.clone()), at);
        let reservation = Reservation::new(&ended.takes, Sale::Asks, at, Status::Confirmed);
        self.commit(id, &reservation);
        self.reservations.insert(id.clone(), reservation);
        Ok(())
    }

    fn is_new(&self, id: &AttemptId) -> Applied {
        require(!self.reservations.contains_key(id), "reserved twice")?;
        require(
            id.attempt > self.closed.attempt(&id.order),
            "a closed attempt was reserved",
        )
    }

    /// Counts a reservation as committed.
    fn commit(&mut self, id: &AttemptId, reservation: &Reservation) {
        for part in &reservation.parts {
            let units = i64::from(part.open());
            self.shift(&part.location, |sums| sums.committed += units);
            let promise = (reservation.promised_at, id.clone());
            self.place(&part.location).by_promise.insert(promise);
        }
    }

    fn reserved(&mut self, event: &SkuEvent) -> Applied {
        let SkuEvent::Reserved {
            id,
            takes,
            sale,
            promised_at,
            ask_at,
        } = event
        else {
            return Err(illegal("not a reservation"));
        };
        self.is_new(id)?;
        self.dequeue(id);
        self.serve_waiter(&id.order, takes);
        self.shift_all(takes, |sums, units| sums.tentative += units);
        let status = Status::Tentative {
            ask_at: *ask_at,
            asks: 0,
        };
        let reservation = Reservation::new(takes, *sale, *promised_at, status);
        self.reservations.insert(id.clone(), reservation);
        self.timers.insert((*ask_at, Due::AskOutcome(id.clone())));
        Ok(())
    }

    /// A reservation of a waiting order takes its offer up, and lessens what it lacks. One that covers
    /// everything is followed by `WaitEnded`.
    fn serve_waiter(&mut self, order: &OrderId, takes: &[Take]) {
        let Some(mut waiter) = self.line.leave(&mut self.timers, order) else {
            return;
        };
        if let Some(offer) = waiter.offer.take() {
            self.shift_all(&offer.takes, |sums, units| sums.offered -= units);
        }
        let taken: u32 = takes.iter().map(|take| take.units).sum();
        if taken < waiter.units {
            waiter.units -= taken;
        }
        self.line.enter(&mut self.timers, order.clone(), waiter);
    }

    fn tentative(&mut self, id: &AttemptId) -> Result<&mut Reservation, IllegalHistory> {
        let known = self.reservations.get_mut(id);
        let known = known.ok_or_else(|| illegal("an unknown attempt"))?;
        if known.is_confirmed() {
            return Err(illegal("the attempt is confirmed already"));
        }
        Ok(known)
    }

    fn outcome_asked(&mut self, id: &AttemptId, ask_at: Timestamp) -> Applied {
        let reservation = self.tentative(id)?;
        if let Status::Tentative { ask_at: old, asks } = reservation.status {
            let asks = asks + 1;
            reservation.status = Status::Tentative { ask_at, asks };
            self.timers.remove(&(old, Due::AskOutcome(id.clone())));
            self.timers.insert((ask_at, Due::AskOutcome(id.clone())));
        }
        Ok(())
    }

    fn confirmed(&mut self, id: &AttemptId) -> Applied {
        let reservation = self.tentative(id)?;
        let old = std::mem::replace(&mut reservation.status, Status::Confirmed);
        let reservation = reservation.clone();
        if let Status::Tentative { ask_at, .. } = old {
            self.timers.remove(&(ask_at, Due::AskOutcome(id.clone())));
        }
        self.shift_all(&reservation.takes(), |sums, units| sums.tentative -= units);
        self.commit(id, &reservation);
        Ok(())
    }

    fn released(&mut self, id: &AttemptId, at: Timestamp) -> Applied {
        let queued = self.dequeue(id);
        match self.reservations.remove(id) {
            Some(reservation) => self.free(id, &reservation),
            None => require(
                queued || id.attempt > self.closed.attempt(&id.order),
                "a closed attempt was released",
            )?,
        }
        self.closed.close_attempt(id, at);
        Ok(())
    }

    fn free(&mut self, id: &AttemptId, reservation: &Reservation) {
        match reservation.status {
            Status::Tentative { ask_at, .. } => {
                self.timers.remove(&(ask_at, Due::AskOutcome(id.clone())));
                self.shift_all(&reservation.takes(), |sums, units| sums.tentative -= units);
            }
            Status::Confirmed => {
                for part in &reservation.parts {
                    let units = i64::from(part.open());
                    self.shift(&part.location, |sums| sums.committed -= units);
                    self.part_closed(id, &part.location, reservation.promised_at);
                }
            }
        }
    }

    /// A confirmed reservation has no open units at the location any more.
    fn part_closed(&mut self, id: &AttemptId, location: &LocationId, promised_at: Timestamp) {
        let place = self.place(location);
        place.by_promise.remove(&(promised_at, id.clone()));
        place.kept.remove(id);
        if let Some(asked) = place.asked.take_if(|asked| asked.id == *id) {
            let due = Due::AskBackAgain(location.clone());
            self.timers.remove(&(asked.ask_at, due));
        }
    }

    fn queued(&mut self, event: &SkuEvent) -> Applied {
        let SkuEvent::Queued {
            id,
            takes,
            sale,
            promised_at,
            deadline,
        } = event
        else {
            return Err(illegal("not a queued reservation"));
        };
        self.is_new(id)?;
        require(self.queue.get(id).is_none(), "queued twice")?;
        self.shift_all(takes, |sums, units| sums.queued += units);
        self.timers.insert((*deadline, Due::LeaveQueue(id.clone())));
        self.queue.push(Queued {
            id: id.clone(),
            takes: takes.clone(),
            sale: *sale,
            promised_at: *promised_at,
            deadline: *deadline,
        });
        Ok(())
    }

    fn unqueued(&mut self, id: &AttemptId) -> Applied {
        require(self.dequeue(id), "an unknown attempt left the queue")
    }

    fn dequeue(&mut self, id: &AttemptId) -> bool {
        let Some(queued) = self.queue.remove(id) else {
            return false;
        };
        let due = Due::LeaveQueue(id.clone());
        self.timers.remove(&(queued.deadline, due));
        self.shift_all(&queued.takes, |sums, units| sums.queued -= units);
        true
    }

    fn waiting(&mut self, event: &SkuEvent) -> Applied {
        let SkuEvent::Waiting {
            order,
            units,
            locations,
            promised_at,
        } = event
        else {
            return Err(illegal("not a waiting order"));
        };
        require(*units > 0, "waits for no units")?;
        let known = self.line.leave(&mut self.timers, order);
        if let Some(offer) = known.as_ref().and_then(|known| known.offer.as_ref()) {
            self.shift_all(&offer.takes, |sums, units| sums.offered -= units);
        }
        let waiter = Waiter {
            units: *units,
            locations: locations.clone(),
            promised_at: *promised_at,
            tries: known.map_or(0, |known| known.tries),
            paused_until: None,
            offer: None,
        };
        self.line.enter(&mut self.timers, order.clone(), waiter);
        Ok(())
    }

    fn waiter(&mut self, order: &OrderId) -> Result<Waiter, IllegalHistory> {
        let waiter = self.line.leave(&mut self.timers, order);
        waiter.ok_or_else(|| illegal("the order does not wait"))
    }

    fn wait_ended(&mut self, order: &OrderId) -> Applied {
        let waiter = self.waiter(order)?;
        if let Some(offer) = waiter.offer {
            self.shift_all(&offer.takes, |sums, units| sums.offered -= units);
        }
        Ok(())
    }

    fn offered(&mut self, order: &OrderId, takes: &[Take], until: Timestamp) -> Applied {
        let mut waiter = self.waiter(order)?;
        require(waiter.offer.is_none(), "offered twice")?;
        self.shift_all(takes, |sums, units| sums.offered += units);
        waiter.paused_until = None;
        waiter.offer = Some(Offer {
            takes: takes.to_vec(),
            until,
        });
        self.line.enter(&mut self.timers, order.clone(), waiter);
        Ok(())
    }

    fn offer_ended(&mut self, order: &OrderId, at: Timestamp) -> Applied {
        let mut waiter = self.waiter(order)?;
        let offer = waiter.offer.take();
        let offer = offer.ok_or_else(|| illegal("nothing is offered to the order"))?;
        self.shift_all(&offer.takes, |sums, units| sums.offered -= units);
        waiter.paused_until = Some(at + backoff(OFFER_PAUSE_MIN, waiter.tries, OFFER_PAUSE_MAX));
        waiter.tries = waiter.tries.saturating_add(1);
        self.line.enter(&mut self.timers, order.clone(), waiter);
        Ok(())
    }

    fn settled(&mut self, event: &SkuEvent, at: Timestamp) -> Applied {
        let SkuEvent::Settled {
            id,
            location,
            shipped_units,
            released_units,
        } = event
        else {
            return Err(illegal("not a settlement"));
        };
        let known = self.reservations.get_mut(id);
        let known = known.ok_or_else(|| illegal("an unknown attempt was settled"))?;
        require(known.is_confirmed(), "a tentative reservation was settled")?;
        let promised_at = known.promised_at;
        let part = known
            .parts
            .iter_mut()
            .find(|part| part.location == *location);
        let part = part.ok_or_else(|| illegal("nothing was reserved there"))?;
        let total = shipped_units.checked_add(*released_units);
        require(
            *shipped_units >= part.shipped
                && *released_units >= part.released
                && total.is_some_and(|total| total <= part.units),
            "settled beyond what was reserved, or less than before",
        )?;
        let before = part.open();
        (part.shipped, part.released) = (*shipped_units, *released_units);
        let (open, settled) = (part.open(), i64::from(before - part.open()));
        let done = known.parts.iter().all(|part| part.open() == 0);
        self.shift(location, |sums| sums.committed -= settled);
        if open == 0 {
            self.part_closed(id, location, promised_at);
        }
        if done {
            self.reservations.remove(id);
            self.closed.close_attempt(id, at);
        }
        Ok(())
    }

    fn asked_back(&mut self, id: &AttemptId, location: &LocationId, ask_at: Timestamp) -> Applied {
        let known = self.reservations.get(id);
        let open = known.filter(|known| known.is_confirmed());
        let open = open.and_then(|known| known.part(location));
        require(
            open.is_some_and(|part| part.open() > 0),
            "asked for units that are not there",
        )?;
        let due = Due::AskBackAgain(location.clone());
        let place = self.place(location);
        let before = place.asked.take();
        let asks = match &before {
            Some(before) if before.id == *id => before.asks + 1,
            _ => 0,
        };
        place.asked = Some(AskedBack {
            id: id.clone(),
            ask_at,
            asks,
        });
        if let Some(before) = before {
            self.timers.remove(&(before.ask_at, due.clone()));
        }
        self.timers.insert((ask_at, due));
        Ok(())
    }

    fn kept_by(&mut self, id: &AttemptId, location: &LocationId) -> Applied {
        let place = self.place(location);
        let asked = place.asked.take_if(|asked| asked.id == *id);
        let asked = asked.ok_or_else(|| illegal("the order was not asked"))?;
        place.kept.insert(id.clone());
        let due = Due::AskBackAgain(location.clone());
        self.timers.remove(&(asked.ask_at, due));
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
