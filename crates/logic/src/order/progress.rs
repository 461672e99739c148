//! What follows from what happened: compares what lines need with what they have, until nothing is left to
//! do now.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::Timestamp;
use crossdock_model::v1::{Allocation, AttemptEnd, OrderEvent, OrderStatus, Payment};

use super::draft::Draft;
use super::effects::is_placing;
use super::placing::{UNROUTABLE, skus_of};
use super::state::{Missing, Order, OrderState, Phase, Piece, Placing};
use super::{CLOSE_AFTER, REROUTE_LIMIT, REROUTES_MAX};

/// Rounds of one decision: each does at least one thing, and none undoes another.
const ROUNDS_MAX: usize = 64;

impl Draft<'_> {
    pub fn progress(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let before = self.events.len();
            if self.is_broken() {
                return;
            }
            if self.begin_again() {
                self.go_on();
            }
            self.tell_channel();
            if self.events.len() == before {
                return;
            }
        }
    }

    /// What there is to do for an order that is not over.
    fn go_on(&mut self) {
        self.end_holds();
        self.give_up_busy();
        self.let_excess_go();
        self.give_stopped_back();
        self.close_stale();
        self.commit();
        self.place();
        self.request();
        self.due_requests();
        self.watch_payment();
        self.watch_edit();
        self.watch_asked();
        self.change_status();
    }

    /// Whether anything of it is open, or is again: more was sold than it had when it was over.
    fn begin_again(&mut self) -> bool {
        let Ok(order) = self.known() else {
            return false;
        };
        if !order.is_over() {
            return true;
        }
        let lacks = order.is_lacking();
        if lacks {
            let to = OrderStatus::Received;
            self.emit(OrderEvent::StatusChanged { to });
        }
        lacks
    }

    /// Does what is due, and remembers that it looked, so that a deadline which leads to nothing now is not
    /// met again and again.
    pub fn wake(mut self) -> crate::Decision<OrderEvent> {
        self.progress();
        let now = self.asked.now;
        if self.order.deadline().is_some_and(|(at, _)| at <= now) {
            self.emit(OrderEvent::TimePassed { until: now });
        }
        self.unchanged()
    }

    pub fn release_pieces(&mut self, pieces: &[Piece]) {
        let mut attempts: BTreeMap<u32, Vec<Allocation>> = BTreeMap::new();
        for piece in pieces {
            let lines = attempts.entry(piece.attempt).or_default();
            lines.push(Allocation {
                line: piece.line.clone(),
                sku: piece.sku.clone(),
                location: piece.location.clone(),
                units: piece.units,
            });
        }
        for (attempt, lines) in attempts {
            self.emit(OrderEvent::Released { attempt, lines });
        }
    }

    /// Gives up an attempt that would reserve more than is missing now.
    fn close_stale(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        if matches!(&order.placing, Placing::Reserving(attempt) if attempt.is_stale(order)) {
            self.close_attempt(AttemptEnd::Changed);
        }
    }

    fn place(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        if is_placing(&order.placing) {
            return;
        }
        let missing = order.missing();
        match &order.placing {
            Placing::Waiting(known) | Placing::Stuck(known) if *known == missing => {}
            Placing::Stuck(_) => {
                let how = "what the order lacks has changed";
                self.close_exception(UNROUTABLE, None, how);
                self.close_exception(REROUTE_LIMIT, None, how);
            }
            Placing::Waiting(known) if is_less(&missing, known) => self.wait_for(&missing),
            _ if missing.is_empty() && !order.waits.is_empty() => self.wait_for(&missing),
            _ if missing.is_empty() => {}
            Placing::Again(Some(at)) if *at > self.asked.now => {}
            Placing::Busy { .. } if !self.asked_again => {}
            _ if order.route.reroutes > REROUTES_MAX => {
                let cause = format!("locations rejected it {} times", order.route.reroutes);
                let subject = self.asked.id.to_string();
                self.open_exception(REROUTE_LIMIT, subject, cause, Vec::new());
            }
            // A SKU must hear of a commit before it hears of the next attempt.
            _ if self.order.is_confirming_any() => {}
            _ => {
                let excluded = order.route.excluded.iter().cloned().collect();
                let attempt = self.order.last_attempt.saturating_add(1);
                self.emit(OrderEvent::PlanRequested { attempt, excluded });
            }
        }
    }

    /// Waits for what is missing, where it may come from as far as is known.
    pub fn wait_for(&mut self, missing: &Missing) {
        let order = self.order.order.as_deref();
        let locations = order.map_or_else(Vec::new, |order| order.waits_at.clone());
        let skus = skus_of(missing).into_iter().collect();
        self.emit(OrderEvent::BackorderedAt { skus, locations });
    }

    /// Asks locations for what they can be asked now. One whose word on its time to acknowledge is old is asked
    /// for its calendar first.
    fn request(&mut self) {
        let now = self.asked.now;
        let order = self.order.order.as_deref();
        let Some(order) = order.filter(|_| self.order.may_request(now)) else {
            return;
        };
        let mut number = order.last_request;
        let (mut made, mut unknown) = (Vec::new(), false);
        for ((location, split), (attempt, lines)) in order.work() {
            let said = self.location_said.as_ref();
            let said = said.filter(|(at, _)| *at == location).map(|(_, by)| *by);
            let Some(acknowledge_by) = said.or_else(|| order.slot_by(attempt, &location, now))
            else {
                unknown |= !self.order.is_asking(&location);
                continue;
            };
            number += 1;
            made.push(OrderEvent::RequestCreated {
                request: number,
                location,
                attempt,
                lines,
                acknowledge_by,
                split,
            });
        }
        for event in made {
            self.emit(event);
        }
        if unknown {
            self.emit(OrderEvent::TimePassed { until: now });
        }
    }

    fn watch_payment(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        const KIND: &str = "payment_voided";
        match order.facts.payment {
            // What has left or is cancelled needs no money any more.
            Payment::Voided if !order.cancellable().is_empty() => {
                let cause = "its payment will not come: nothing more is requested, and what is requested is asked \
                             back"
                    .to_owned();
                self.open_exception(KIND, self.asked.id.to_string(), cause, Vec::new());
            }
            Payment::Voided => {
                self.close_exception(KIND, None, "nothing of it is left to send");
            }
            Payment::Ready | Payment::Pending | Payment::OnHoldUntil(_) => {
                self.close_exception(KIND, None, "the payment is not voided any more");
            }
        }
    }

    /// Brings the status to where the order is, along legal edges.
    fn change_status(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let mut target = order.target();
        let shipped_at = order.shipped_at.filter(|_| target == OrderStatus::Shipped);
        if shipped_at.is_some_and(|at| at + CLOSE_AFTER <= self.asked.now) {
            target = OrderStatus::Closed;
        }
        let path = path(order.status, target);
        if matches!(target, OrderStatus::Closed | OrderStatus::Cancelled) && !path.is_empty() {
            let open = order.exceptions.iter().filter(|(_, one)| one.open);
            let kinds: BTreeSet<_> = open.map(|((kind, _), _)| kind.clone()).collect();
            for kind in kinds {
                self.close_exception(&kind, None, "the order is over");
            }
        }
        for to in path {
            self.emit(OrderEvent::StatusChanged { to });
        }
    }
}

impl OrderState {
    /// Whether locations may be given work: what is paid and not on hold, once every SKU knows that it is committed,
    /// as a location may send only what nobody else can be given.
    pub(super) fn may_request(&self, now: Timestamp) -> bool {
        let Some(order) = self.order.as_deref() else {
            return false;
        };
        !order.is_unfreed()
            && order.holds.whole.is_none()
            && order.is_paid(now)
            && !is_placing(&order.placing)
            && !self.is_confirming_any()
    }
}

impl Order {
    /// Where it is, by what its units and requests say.
    fn target(&self) -> OrderStatus {
        let placing = is_placing(&self.placing);
        let missing = self.is_lacking();
        let shipped = self.anything_shipped();
        if self.pieces.is_empty() && !placing && !missing {
            let cancelled = self.lines.values().all(|line| line.open_units() == 0);
            if !cancelled && self.facts.cancelled.is_none() && self.is_sent_by_channel() {
                return match shipped {
                    true => OrderStatus::PartlyShipped,
                    false => OrderStatus::Received,
                };
            }
            return match (shipped, cancelled || self.facts.cancelled.is_some()) {
                (true, _) => OrderStatus::Shipped,
                (false, true) => OrderStatus::Cancelled,
                (false, false) => OrderStatus::Closed,
            };
        }
        if shipped {
            return OrderStatus::PartlyShipped;
        }
        let mut open = self.open_requests().peekable();
        // A hold does not call back what locations have: that is still under way until they say that it is not.
        if open.peek().is_some() {
            return match open.all(|(_, request)| request.phase == Phase::Acknowledged) {
                true => OrderStatus::Acknowledged,
                false => OrderStatus::Requested,
            };
        }
        match &self.placing {
            _ if self.holds.whole.is_some() => OrderStatus::Held,
            Placing::Waiting(_) => OrderStatus::Backordered,
            Placing::Reserving(_) => OrderStatus::Routed,
            Placing::Busy { .. } => OrderStatus::Received,
            _ if missing || placing => match self.status {
                OrderStatus::Routed | OrderStatus::Backordered => self.status,
                _ => OrderStatus::Received,
            },
            _ if self.expires_at().is_some() => OrderStatus::Held,
            _ => OrderStatus::Reserved,
        }
    }
}

/// Whether `now` lacks nothing that `before` did not lack.
fn is_less(now: &Missing, before: &Missing) -> bool {
    now.iter()
        .all(|(key, units)| before.get(key).is_some_and(|before| before >= units))
}

/// The shortest way between two states over ones that an order passes through.
fn path(from: OrderStatus, to: OrderStatus) -> Vec<OrderStatus> {
    use OrderStatus::{Received, Requested, Reserved, Routed};
    if from == to {
        return Vec::new();
    }
    let mut ways = vec![vec![from]];
    for _ in 0..4 {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().copied().unwrap_or(from);
            if last.successors().contains(&to) {
                let mut way = way;
                way.push(to);
                return way.split_off(1);
            }
            for next in [Received, Routed, Reserved, Requested] {
                if last.successors().contains(&next) && !way.contains(&next) {
                    let mut way = way.clone();
                    way.push(next);
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    Vec::new()
}
