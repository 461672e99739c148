//! Reservations of orders: tentative until the order commits, all or nothing, every step repeatable.

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{AttemptId, MoveReason, Sale, SkuEvent, Take};
use crossdock_model::{Answer, LocationId, Rejection, Timestamp};

use super::draft::{Draft, Verdict, misrouted};
use super::state::{Reservation, Status};
use super::{ASK_AFTER, QUEUE_DEADLINE, QUEUE_MAX, RESERVATIONS_MAX, checked, same_takes};
use crate::decider::Decision;
use crate::planted::Mistake;

type Decided = Result<Decision<SkuEvent>, Rejection>;

/// An attempt of the order that asks which has units already.
type Open<'a> = (&'a AttemptId, &'a Reservation);

impl Draft<'_> {
    /// An order asks for units, and may name a hold that they are under.
    pub fn reserves(self, command: &SkuCommand) -> Decided {
        match command {
            SkuCommand::Reserve {
                id,
                takes,
                sale,
                promised_at,
                added_units,
                queue,
            } => {
                let draft = self.note_added(&id.order, *added_units);
                draft.reserve(id, takes, *sale, *promised_at, *queue)
            }
            SkuCommand::ReserveHeld {
                hold,
                id,
                takes,
                sale,
                promised_at,
                added_units,
                queue,
            } => {
                // Whoever holds units does not stand in line for them.
                let draft = self.name_hold(hold);
                let queue = *queue && draft.own_hold.is_none();
                let draft = draft.note_added(&id.order, *added_units);
                draft.reserve(id, takes, *sale, *promised_at, queue)
            }
            other => Err(misrouted(other)),
        }
    }

    fn reserve(
        mut self,
        id: &AttemptId,
        takes: &[Take],
        sale: Sale,
        promised_at: Timestamp,
        queue: bool,
    ) -> Decided {
        let state = self.state;
        let open: Vec<_> = state.open_of(&id.order).collect();
        if let Some(repeat) = self.repeated(id, takes, &open) {
            return repeat.map(Decision::unchanged);
        }
        self.known()?;
        checked(takes)?;
        if self.state.is_untracked() {
            for take in takes {
                self.admit(&take.location)?;
            }
        }
        if self.state.reservations.len() >= RESERVATIONS_MAX {
            return Err(self.busy());
        }
        self.joined = Some(id.order.clone());
        self.close_older(id, &open);
        // What came free goes to those who were there before.
        self.serve();
        let ahead = |draft: &Self, location: &LocationId| draft.sums(location).queued;
        match self.verdict(Some(&id.order), takes, sale, &|location| {
            ahead(&self, location)
        }) {
            Verdict::Fits => {
                self.joined = None;
                self.confirm_hold(id);
                self.grant(id, takes, sale, promised_at);
                let takes = takes.to_vec();
                Ok(self.finish(Answer::Reserved { takes }))
            }
            Verdict::Short => Err(self.short()),
            Verdict::Contended if queue => self.enqueue(id, takes, sale, promised_at),
            Verdict::Contended => Err(Rejection::Contended {
                sku: self.sku.clone(),
            }),
        }
    }

    /// What is answered to an attempt that is known, or that a later one has overtaken.
    fn repeated(
        &self,
        id: &AttemptId,
        takes: &[Take],
        open: &[Open<'_>],
    ) -> Option<Result<Answer, Rejection>> {
        let same = |known: &[Take], answer: Answer| match same_takes(known, takes) {
            true => Ok(answer),
            false => Err(Rejection::Superseded),
        };
        if let Some((_, known)) = open.iter().find(|(open, _)| *open == id) {
            let takes = known.takes();
            return Some(same(
                &takes,
                Answer::Reserved {
                    takes: takes.clone(),
                },
            ));
        }
        if let Some(queued) = self.state.queue.get(id) {
            return Some(same(&queued.takes, Answer::Queued));
        }
        let queued = self.state.queue.of_order(&id.order).next_back();
        let latest = open.last().map(|(id, _)| *id).max(queued);
        let overtaken = latest.is_some_and(|latest| latest.attempt > id.attempt);
        let closed = id.attempt <= self.state.closed.attempt(&id.order);
        (overtaken || closed).then_some(Err(Rejection::Superseded))
    }

    /// A new attempt closes earlier ones that are undecided or still queue.
    fn close_older(&mut self, id: &AttemptId, open: &[Open<'_>]) {
        let state = self.state;
        let undecided = open.iter().filter(|(_, known)| !known.is_confirmed());
        let older: Vec<_> = undecided
            .map(|(id, _)| *id)
            .chain(state.queue.of_order(&id.order))
            .cloned()
            .collect();
        for older in older {
            self.close(&older);
        }
    }

    /// Takes units for an order, and with them what was offered to it.
    pub fn grant(&mut self, id: &AttemptId, takes: &[Take], sale: Sale, promised_at: Timestamp) {
        self.events.push(SkuEvent::Reserved {
            id: id.clone(),
            takes: takes.to_vec(),
            sale,
            promised_at,
            ask_at: self.now + ASK_AFTER,
        });
        self.serve_waiter(&id.order, takes);
        self.change_all(takes, |sums, units| sums.tentative += units);
    }

    fn busy(&self) -> Rejection {
        Rejection::Busy {
            sku: self.sku.clone(),
            retry_after_ms: QUEUE_DEADLINE.as_ms(),
        }
    }

    fn enqueue(
        mut self,
        id: &AttemptId,
        takes: &[Take],
        sale: Sale,
        promised_at: Timestamp,
    ) -> Decided {
        if self.state.queue.entries.len() >= QUEUE_MAX {
            return Err(self.busy());
        }
        let joins = SkuEvent::Queued {
            id: id.clone(),
            takes: takes.to_vec(),
            sale,
            promised_at,
            deadline: self.now + QUEUE_DEADLINE,
        };
        self.events.push(joins);
        self.change_all(takes, |sums, units| sums.queued += units);
        Ok(self.finish(Answer::Queued))
    }

    pub fn confirm(mut self, id: &AttemptId) -> Decided {
        match self.state.reservations.get(id) {
            None => Err(Rejection::Superseded),
            Some(known) if known.is_confirmed() => Ok(Decision::unchanged(Answer::Done)),
            Some(known) => {
                self.commit(id, known);
                Ok(self.finish(Answer::Done))
            }
        }
    }

    fn commit(&mut self, id: &AttemptId, known: &Reservation) {
        self.events.push(SkuEvent::Confirmed { id: id.clone() });
        for part in &known.parts {
            self.change(&part.location, |sums| {
                sums.tentative -= i64::from(part.units);
                sums.committed += i64::from(part.units);
            });
            let candidate = (part.location.clone(), known.promised_at, id.clone());
            self.committed.insert(candidate);
        }
    }

    pub fn release(mut self, id: &AttemptId) -> Decision<SkuEvent> {
        let known = self.state.reservations.contains_key(id);
        let known = known || self.state.queue.get(id).is_some();
        if !known && id.attempt <= self.state.closed.attempt(&id.order) {
            return Decision::unchanged(Answer::Done);
        }
        self.close_queued_before(id);
        self.close(id);
        self.finish(Answer::Done)
    }

    /// Who closes an attempt wants no earlier one that still queues.
    fn close_queued_before(&mut self, id: &AttemptId) {
        let state = self.state;
        let queued = state.queue.of_order(&id.order);
        for earlier in queued.filter(|queued| queued.attempt < id.attempt) {
            self.close(earlier);
        }
    }

    /// Closes an attempt, known or not, and frees what it has.
    fn close(&mut self, id: &AttemptId) {
        self.events.push(SkuEvent::Released { id: id.clone() });
        if let Some(queued) = self.state.queue.get(id) {
            self.left_queue.insert(id.clone());
            self.change_all(&queued.takes, |sums, units| sums.queued -= units);
            // Those behind it, and its own wait for stock, may be served now though no unit came free.
            self.stirred.freed = true;
        }
        let Some(known) = self.state.reservations.get(id) else {
            return;
        };
        for part in &known.parts {
            let units = i64::from(part.open());
            let confirmed = known.is_confirmed();
            self.change(&part.location, |sums| match confirmed {
                true => sums.committed -= units,
                false => sums.tentative -= units,
            });
            let place = (part.location.clone(), id.clone());
            self.given_back.insert(place);
        }
    }

    /// An order's word on an attempt it was asked about.
    pub fn outcome(mut self, id: &AttemptId, outcome: &Answer) -> Decided {
        let known = self.state.reservations.get(id);
        match outcome {
            Answer::Undecided => Ok(Decision::unchanged(Answer::Done)),
            Answer::GivenUp if known.is_some() => Ok(self.release(id)),
            Answer::Committed | Answer::GivenUp => {
                let Some(known) = known.filter(|known| !known.is_confirmed()) else {
                    return Ok(Decision::unchanged(Answer::Done));
                };
                self.commit(id, known);
                Ok(self.finish(Answer::Done))
            }
            _ => Err(Rejection::invalid(
                "outcome",
                "must be Committed, GivenUp or Undecided",
            )),
        }
    }

    /// Totals so far: units that shipped leave, units given back come free, and those that were not found are gone.
    pub fn settle(
        mut self,
        id: &AttemptId,
        location: &LocationId,
        [shipped, released, missing]: [u32; 3],
    ) -> Decided {
        let Some(known) = self.state.reservations.get(id) else {
            return Ok(Decision::unchanged(Answer::Done));
        };
        let Some(part) = known.part(location) else {
            return Err(Rejection::invalid("location", "nothing is reserved there"));
        };
        let (shipped, released) = (shipped.max(part.shipped), released.max(part.released));
        if shipped == part.shipped && released == part.released {
            return Ok(Decision::unchanged(Answer::Done));
        }
        let missing = missing.max(part.missing);
        if missing > released {
            let problem = "only units that are given back can be missing";
            return Err(Rejection::invalid("missing_units", problem));
        }
        let total = shipped.checked_add(released);
        if total.is_none_or(|total| total > part.units) {
            return Err(Rejection::invalid(
                "shipped_units",
                format!("only {} units are reserved there", part.units),
            ));
        }
        if !known.is_confirmed() {
            self.commit(id, known);
        }
        self.close_queued_before(id);
        let before = match Mistake::ShippedTwice.is_planted() {
            true => 0,
            false => part.shipped,
        };
        let left = i64::from(shipped - before);
        if left > 0 && !self.state.is_untracked() {
            let reason = MoveReason::Shipped {
                order: id.order.clone(),
                attempt: id.attempt,
            };
            self.move_units(location, -left, 0, None, reason);
        }
        let lost = i64::from(missing - part.missing);
        if lost > 0 && !self.state.is_untracked() {
            let reason = MoveReason::NotFound {
                order: id.order.clone(),
                attempt: id.attempt,
            };
            self.move_units(location, -lost, 0, None, reason);
        }
        let released = match Mistake::GivenBackKept.is_planted() {
            true => part.released,
            false => released,
        };
        self.events.push(SkuEvent::Settled {
            id: id.clone(),
            location: location.clone(),
            shipped_units: shipped,
            released_units: released,
            missing_units: missing,
        });
        let settled = left + i64::from(released - part.released);
        self.change(location, |sums| sums.committed -= settled);
        if shipped + released == part.units {
            let place = (location.clone(), id.clone());
            self.given_back.insert(place);
        }
        Ok(self.finish(Answer::Done))
    }

    /// Asks an order again what became of its attempt.
    pub fn ask_outcome(&mut self, id: &AttemptId) {
        let Some(known) = self.state.reservations.get(id) else {
            return;
        };
        let Status::Tentative { asks, .. } = known.status else {
            return;
        };
        if Mistake::TentativeDropped.is_planted() {
            return self.close(id);
        }
        let pause = super::backoff(ASK_AFTER, asks.saturating_add(1), super::ASK_PAUSE_MAX);
        self.events.push(SkuEvent::OutcomeAsked {
            id: id.clone(),
            ask_at: self.now + pause,
        });
        let (sku, attempt) = (self.sku.clone(), id.attempt);
        self.tell(&id.order, OrderCommand::AskOutcome { sku, attempt });
    }
}
