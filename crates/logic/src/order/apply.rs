//! How each event changes an order. Only what follows legally from the state is accepted.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{ExceptionKey, OrderEvent, OrderStatus};
use crossdock_model::{EntityId, Timestamp};

use super::effects::told_sku;
use super::state::{Episodes, Order, OrderState, Placing};
use crate::decider::IllegalHistory;

pub(super) type Applied = Result<(), IllegalHistory>;

pub(super) fn illegal(what: impl Into<String>) -> IllegalHistory {
    IllegalHistory(what.into())
}

pub(super) fn require(holds: bool, what: &str) -> Applied {
    if holds { Ok(()) } else { Err(illegal(what)) }
}

impl OrderState {
    /// Only dispatches.
    pub(super) fn take_in(&mut self, id: &EntityId, event: &OrderEvent, at: Timestamp) -> Applied {
        match event {
            OrderEvent::Received { facts, origin } => self.received(id, facts, *origin, at),
            _ if self.order.is_none() => self.before_received(event, at),
            OrderEvent::StatusChanged { to } => self.status_changed(*to, at),
            OrderEvent::Merged { .. }
            | OrderEvent::CancelStated { .. }
            | OrderEvent::LinesCancelled { .. }
            | OrderEvent::CancelUndone { .. }
            | OrderEvent::Refunded { .. }
            | OrderEvent::Returned { .. }
            | OrderEvent::LinesEdited { .. }
            | OrderEvent::ShippedElsewhere { .. }
            | OrderEvent::ElsewhereUndone { .. }
            | OrderEvent::EditSeen { .. }
            | OrderEvent::Refused { .. } => self.apply_lines(event, at),
            OrderEvent::PlacedAnew { facts, origin } => self.placed_anew(facts, *origin),
            OrderEvent::PlanRequested { .. }
            | OrderEvent::Planned { .. }
            | OrderEvent::SkuReserved { .. }
            | OrderEvent::SlotGranted { .. }
            | OrderEvent::Reserved { .. }
            | OrderEvent::AttemptClosed { .. }
            | OrderEvent::BackorderedAt { .. }
            | OrderEvent::StockReturned { .. }
            | OrderEvent::StockAsked { .. }
            | OrderEvent::StockSeen { .. }
            | OrderEvent::OfferSeen { .. }
            | OrderEvent::OfferAnswered { .. } => self.apply_placing(event, at),
            OrderEvent::RequestCreated { .. }
            | OrderEvent::RequestSent { .. }
            | OrderEvent::RequestSendFailed { .. }
            | OrderEvent::RequestResent { .. }
            | OrderEvent::RequestAcknowledged { .. }
            | OrderEvent::RequestOverdue { .. }
            | OrderEvent::RequestRejected { .. }
            | OrderEvent::ShortPicked { .. }
            | OrderEvent::Shipped { .. }
            | OrderEvent::RequestCancelAsked { .. }
            | OrderEvent::RequestCancelled { .. }
            | OrderEvent::RequestCancelRefused { .. }
            | OrderEvent::Released { .. }
            | OrderEvent::GiveBackAsked { .. }
            | OrderEvent::GaveBack { .. } => self.apply_requests(event),
            OrderEvent::ReportMade { .. }
            | OrderEvent::ReportBegun { .. }
            | OrderEvent::ReportFailed { .. }
            | OrderEvent::ReportRetried { .. }
            | OrderEvent::ReportEnded { .. } => self.apply_reports(event, at),
            OrderEvent::EffectDone { effect } => self.effect_done(*effect),
            OrderEvent::TieSeen { .. }
            | OrderEvent::DestinationChanged { .. }
            | OrderEvent::ConflictSeen { .. }
            | OrderEvent::HeldBack { .. }
            | OrderEvent::HoldEnded { .. }
            | OrderEvent::CancelAsked { .. }
            | OrderEvent::CancelRefused { .. }
            | OrderEvent::Freed
            | OrderEvent::SplitAsked { .. }
            | OrderEvent::RerouteAsked { .. }
            | OrderEvent::Noted { .. }
            | OrderEvent::HoldTaken { .. }
            | OrderEvent::Claimed { .. }
            | OrderEvent::LinesBound { .. }
            | OrderEvent::TimePassed { .. }
            | OrderEvent::ExceptionOpened(_)
            | OrderEvent::ExceptionNoted(_)
            | OrderEvent::ExceptionClosed(_) => self.apply_rest(event),
        }
    }

    /// A SKU may ask about an attempt of an order that was lost: it is closed, and the order counts on from it.
    fn before_received(&mut self, event: &OrderEvent, at: Timestamp) -> Applied {
        let closes = matches!(event, OrderEvent::AttemptClosed { .. });
        require(closes, "an order that was never received")?;
        self.attempt_closed(event, at)
    }

    pub(super) fn order_mut(&mut self) -> Result<&mut Order, IllegalHistory> {
        let order = self.order.as_deref_mut();
        order.ok_or_else(|| illegal("an order that was never received"))
    }

    pub(super) fn order_ref(&self) -> Result<&Order, IllegalHistory> {
        let order = self.order.as_deref();
        order.ok_or_else(|| illegal("an order that was never received"))
    }

    fn apply_rest(&mut self, event: &OrderEvent) -> Applied {
        let order = self.order_mut()?;
        match event {
            OrderEvent::TieSeen { updated_at } => order.seen.tie_at = Some(*updated_at),
            OrderEvent::DestinationChanged {
                destination,
                by_operator,
            } => {
                order.route.turns += u32::from(order.route.moves_to(destination));
                order.route.destination = Some(destination.clone());
                order.route.destination_by_operator |= by_operator;
            }
            OrderEvent::HeldBack { lines, until, .. } => order.hold_back(lines, *until),
            OrderEvent::HoldEnded { lines } => order.end_hold(lines),
            OrderEvent::CancelAsked { lines, .. } => order.take_ask(lines),
            OrderEvent::CancelRefused { lines } => order.refuse_ask(lines),
            OrderEvent::Freed => order.freed = true,
            OrderEvent::LinesBound { lines } => {
                for (theirs, ours) in lines {
                    let partner = order.seen.bound.insert(theirs.clone(), ours.clone());
                    require(partner.is_none(), "a line was bound twice")?;
                }
            }
            OrderEvent::HoldTaken { hold } => order.hold = Some(hold.clone()),
            OrderEvent::Claimed { claim } => order.claims.push(claim.clone()),
            OrderEvent::SplitAsked { lines } => order.route.split(lines),
            OrderEvent::RerouteAsked { exclude } => {
                order.route.excluded.extend(exclude.iter().cloned());
                order.route.reroutes = 0;
                order.route.turns += 1;
                order.take_up();
            }
            OrderEvent::TimePassed { until } => {
                order.looked_at = *until;
                self.begin_review(*until);
                self.begin_locations(*until);
            }
            OrderEvent::ExceptionOpened(opened) => return order.exception(&opened.key, true),
            OrderEvent::ExceptionClosed(closed) => return order.exception(&closed.key, false),
            _ => {}
        }
        Ok(())
    }

    /// An effect was answered. A SKU that now knows of the commit may be told what became of the units.
    fn effect_done(&mut self, number: u32) -> Applied {
        let ended = self.pending.end(number);
        let ended =
            ended.ok_or_else(|| illegal("an effect that is not outstanding was answered"))?;
        match told_sku(&ended) {
            Some((sku, SkuCommand::Confirm { id })) => {
                let grants = self.order_ref()?.grants.keys();
                let keys: Vec<_> = grants
                    .filter(|(attempt, of, _)| *attempt == id.attempt && of == sku)
                    .cloned()
                    .collect();
                for key in &keys {
                    self.settle(key);
                }
            }
            Some((_, SkuCommand::Wait { .. })) => self.order_mut()?.effort.tries = 0,
            _ => {}
        }
        self.forget_closed();
        Ok(())
    }

    fn status_changed(&mut self, to: OrderStatus, at: Timestamp) -> Applied {
        let order = self.order_mut()?;
        let legal = order.status.successors().contains(&to);
        if !legal {
            return Err(illegal(format!("{:?} followed by {to:?}", order.status)));
        }
        order.status = to;
        order.is_cancel_told &= to == OrderStatus::Cancelled;
        order.shipped_at = (to == OrderStatus::Shipped).then_some(at);
        if order.is_over() {
            require(order.pieces.is_empty(), "over while units are reserved")?;
            require(
                !super::effects::is_placing(&order.placing),
                "over while units are being reserved",
            )?;
        }
        self.forget_closed();
        Ok(())
    }

    /// A closed or cancelled order keeps its identity, its final state and its lines, by which goods come back and
    /// more can be sold; the rest is in the journal.
    fn forget_closed(&mut self) {
        let Some(order) = self.order.as_deref_mut().filter(|order| order.is_over()) else {
            return;
        };
        order.slots.clear();
        order.placing = Placing::Idle;
        order.effort = super::state::Effort::default();
        order.offers.clear();
        order.asked_back.clear();
        order.requests.clear();
        order.seen.elsewhere.clear();
        order.seen.edit = None;
        order.route = super::state::Route {
            destination: order.route.destination.take(),
            destination_by_operator: order.route.destination_by_operator,
            ..super::state::Route::default()
        };
        order.holds = super::state::Holds::default();
        order.asked.clear();
        if !self.is_confirming_any()
            && let Some(order) = self.order.as_deref_mut()
        {
            order.grants.clear();
        }
    }
}

impl Order {
    /// What waits for a person or for stock is placed anew.
    pub(super) fn take_up(&mut self) {
        if matches!(
            self.placing,
            Placing::Stuck(_) | Placing::Waiting(_) | Placing::Busy { .. }
        ) {
            self.placing = Placing::Again(None);
            self.effort = super::state::Effort::default();
        }
    }

    fn exception(&mut self, key: &ExceptionKey, open: bool) -> Applied {
        let name = (key.kind.clone(), key.subject.clone());
        let known = self.exceptions.get(&name).copied().unwrap_or_default();
        let next = known.count + u32::from(open);
        require(
            known.open != open && key.episode == next,
            "an exception out of turn",
        )?;
        self.exceptions.insert(name, Episodes { count: next, open });
        if super::STUCK.contains(&key.kind.as_str()) {
            match open {
                true => self.placing = Placing::Stuck(self.missing()),
                false => self.take_up(),
            }
        }
        Ok(())
    }
}
