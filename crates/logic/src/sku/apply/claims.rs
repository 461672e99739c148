//! Events of holds and reservations.

use crossdock_model::v1::{AttemptId, SkuEvent, Take};
use crossdock_model::{HoldId, LocationId, Timestamp};

use super::super::movements::Movement;
use super::super::state::{AskedBack, Due, Hold, Reservation, SkuState, Status};
use super::{Applied, illegal, require};
use crate::decider::IllegalHistory;
use crate::planted::Mistake;

impl SkuState {
    pub(super) fn held(&mut self, hold: &HoldId, takes: &[Take], expires_at: Timestamp) -> Applied {
        require(!self.holds.contains_key(hold), "held twice")?;
        if !Mistake::HeldNotCounted.is_planted() {
            self.shift_all(takes, |sums, units| sums.held += units);
        }
        self.expiries.insert(expires_at, hold.clone(), takes);
        let granted = Hold {
            takes: takes.to_vec(),
            expires_at,
        };
        self.holds.insert(hold.clone(), granted);
        Ok(())
    }

    pub(super) fn end_hold(&mut self, hold: &HoldId) -> Option<Hold> {
        let ended = self.holds.remove(hold)?;
        self.expiries.remove(ended.expires_at, hold, &ended.takes);
        self.shift_all(&ended.takes, |sums, units| sums.held -= units);
        Some(ended)
    }

    pub(super) fn hold_expired(&mut self, hold: &HoldId, at: Timestamp) -> Applied {
        let ended = self.end_hold(hold);
        let ended = ended.ok_or_else(|| illegal("an unknown hold expired"))?;
        require(ended.expires_at <= at, "a hold expired before its time")?;
        self.closed.close_hold(hold, ended.expires_at, None, at);
        Ok(())
    }

    pub(super) fn hold_released(&mut self, hold: &HoldId, at: Timestamp) -> Applied {
        self.end_hold(hold);
        self.closed.close_hold(hold, at, None, at);
        Ok(())
    }

    pub(super) fn hold_confirmed(
        &mut self,
        hold: &HoldId,
        id: &AttemptId,
        at: Timestamp,
    ) -> Applied {
        let ended = self.end_hold(hold);
        let ended = ended.ok_or_else(|| illegal("an unknown hold was confirmed"))?;
        require(at < ended.expires_at, "an expired hold was confirmed")?;
        let order = id.order.clone();
        self.closed.close_hold(hold, at, Some(order), at);
        Ok(())
    }

    pub(super) fn is_new(&self, id: &AttemptId) -> Applied {
        require(!self.reservations.contains_key(id), "reserved twice")
    }

    /// Counts a reservation as committed.
    pub(super) fn commit(&mut self, id: &AttemptId, reservation: &Reservation, at: Timestamp) {
        for part in &reservation.parts {
            let units = i64::from(part.open());
            self.commit_units(id, &part.location, units, at);
            let promise = (reservation.promised_at, id.clone());
            self.place(&part.location).by_promise.insert(promise);
        }
    }

    /// The order commits to so many more units, or fewer.
    fn commit_units(&mut self, id: &AttemptId, location: &LocationId, units: i64, at: Timestamp) {
        self.note_committed(id, location, units, at);
        self.place(location)
            .allocated
            .change(&id.order.channel, units);
        self.shift(location, |sums| sums.committed += units);
    }

    /// Notes when orders committed to units or let them go; of those that left the movement says it.
    fn note_committed(&mut self, id: &AttemptId, location: &LocationId, units: i64, at: Timestamp) {
        if units != 0 {
            let moved = Movement::of_committed(&id.order.channel, units);
            self.place(location).movements.add(at, &moved, at);
        }
    }

    pub(super) fn reserved(&mut self, event: &SkuEvent) -> Applied {
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

    pub(super) fn tentative(&mut self, id: &AttemptId) -> Result<&mut Reservation, IllegalHistory> {
        let known = self.reservations.get_mut(id);
        let known = known.ok_or_else(|| illegal("an unknown attempt"))?;
        if known.is_confirmed() {
            return Err(illegal("the attempt is confirmed already"));
        }
        Ok(known)
    }

    pub(super) fn outcome_asked(&mut self, id: &AttemptId, ask_at: Timestamp) -> Applied {
        let reservation = self.tentative(id)?;
        if let Status::Tentative { ask_at: old, asks } = reservation.status {
            let asks = asks + 1;
            reservation.status = Status::Tentative { ask_at, asks };
            self.timers.remove(&(old, Due::AskOutcome(id.clone())));
            self.timers.insert((ask_at, Due::AskOutcome(id.clone())));
        }
        Ok(())
    }

    pub(super) fn confirmed(&mut self, id: &AttemptId, at: Timestamp) -> Applied {
        let reservation = self.tentative(id)?;
        let old = std::mem::replace(&mut reservation.status, Status::Confirmed);
        let reservation = reservation.clone();
        if let Status::Tentative { ask_at, .. } = old {
            self.timers.remove(&(ask_at, Due::AskOutcome(id.clone())));
        }
        self.shift_all(&reservation.takes(), |sums, units| sums.tentative -= units);
        self.commit(id, &reservation, at);
        Ok(())
    }

    pub(super) fn released(&mut self, id: &AttemptId, at: Timestamp) -> Applied {
        self.dequeue(id);
        if let Some(reservation) = self.reservations.remove(id) {
            self.free(id, &reservation, at);
        }
        self.closed.close_attempt(id, at);
        Ok(())
    }

    pub(super) fn free(&mut self, id: &AttemptId, reservation: &Reservation, at: Timestamp) {
        match reservation.status {
            Status::Tentative { ask_at, .. } => {
                self.timers.remove(&(ask_at, Due::AskOutcome(id.clone())));
                self.shift_all(&reservation.takes(), |sums, units| sums.tentative -= units);
            }
            Status::Confirmed => {
                for part in &reservation.parts {
                    let units = i64::from(part.open());
                    self.commit_units(id, &part.location, -units, at);
                    self.part_closed(id, &part.location, reservation.promised_at);
                }
            }
        }
    }

    /// A confirmed reservation has no open units at the location any more.
    pub(super) fn part_closed(
        &mut self,
        id: &AttemptId,
        location: &LocationId,
        promised_at: Timestamp,
    ) {
        let place = self.place(location);
        place.by_promise.remove(&(promised_at, id.clone()));
        place.kept.remove(id);
        self.end_asking(id, location);
    }

    /// Whether the order was being asked for its units.
    fn end_asking(&mut self, id: &AttemptId, location: &LocationId) -> bool {
        let Some(asked) = self.place(location).asked.remove(id) else {
            return false;
        };
        let due = Due::AskBackAgain(location.clone(), id.clone());
        self.timers.remove(&(asked.ask_at, due))
    }

    pub(super) fn settled(&mut self, event: &SkuEvent, at: Timestamp) -> Applied {
        let SkuEvent::Settled {
            id,
            location,
            shipped_units,
            released_units,
            missing_units,
        } = event
        else {
            return Err(illegal("not a settlement"));
        };
        let tracked = !self.is_untracked();
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
                && (part.missing..=*released_units).contains(missing_units)
                && total.is_some_and(|total| total <= part.units),
            "settled beyond what was reserved, or less than before",
        )?;
        let before = part.open();
        let gone = (shipped_units - part.shipped) + (missing_units - part.missing);
        // Of those the movement says it, where units are counted.
        let said = if tracked { i64::from(gone) } else { 0 };
        (part.shipped, part.released) = (*shipped_units, *released_units);
        part.missing = *missing_units;
        let (open, settled) = (part.open(), i64::from(before - part.open()));
        let done = known.parts.iter().all(|part| part.open() == 0);
        self.note_committed(id, location, said - settled, at);
        self.place(location)
            .allocated
            .change(&id.order.channel, -settled);
        self.shift(location, |sums| sums.committed -= settled);
        if open == 0 {
            self.part_closed(id, location, promised_at);
        }
        if done {
            let over = self.reservations.remove(id);
            let parts = over.iter().flat_map(|over| &over.parts);
            let sent = parts.map(|part| part.shipped).sum();
            if let Some(sales) = self.listeners.sales(&id.order.channel) {
                sales.sent(&id.order, sent);
            }
            self.closed.close_attempt(id, at);
        }
        Ok(())
    }

    pub(super) fn asked_back(
        &mut self,
        id: &AttemptId,
        location: &LocationId,
        ask_at: Timestamp,
    ) -> Applied {
        let known = self.reservations.get(id);
        let open = known.filter(|known| known.is_confirmed());
        let open = open.and_then(|known| known.part(location));
        require(
            open.is_some_and(|part| part.open() > 0),
            "asked for units that are not there",
        )?;
        let due = Due::AskBackAgain(location.clone(), id.clone());
        let asked = &mut self.place(location).asked;
        let before = asked.get(id).copied();
        let first = AskedBack { ask_at, asks: 0 };
        let now = before.map_or(first, |before| before.again(ask_at));
        asked.insert(id.clone(), now);
        if let Some(before) = before {
            self.timers.remove(&(before.ask_at, due.clone()));
        }
        self.timers.insert((ask_at, due));
        Ok(())
    }

    pub(super) fn kept_by(&mut self, id: &AttemptId, location: &LocationId) -> Applied {
        require(self.end_asking(id, location), "the order was not asked")?;
        self.place(location).kept.insert(id.clone());
        Ok(())
    }
}
