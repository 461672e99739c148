//! How events change what an order needs.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{
    LineUnits, OrderEvent, OrderFacts, OrderStatus, Origin, RefundLine, Restock,
};
use crossdock_model::{EntityId, OrderId, RefundId, Rejection, ShipmentId, Timestamp};

use super::apply::{Applied, illegal, require};
use super::state::{Effort, Holds, Line, Order, OrderState, Placing, Route, Seen};

impl OrderState {
    pub(super) fn received(
        &mut self,
        id: &EntityId,
        facts: &OrderFacts,
        origin: Origin,
        _at: Timestamp,
    ) -> Applied {
        require(self.order.is_none(), "an order was received twice")?;
        let EntityId::Order(id) = id else {
            return Err(illegal("not an order"));
        };
        self.order = Some(Box::new(Order::new(id, facts, origin)));
        Ok(())
    }

    /// Begins again as if it had never been there. What has been counted goes on, and who was refused stays so.
    pub(super) fn placed_anew(&mut self, facts: &OrderFacts, origin: Origin) -> Applied {
        let order = self.order_mut()?;
        require(
            order.may_be_placed_anew(),
            "an order was placed anew that was not refused",
        )?;
        let why = order.refused.take();
        let refused = order.claims.drain(..).zip(std::iter::repeat(why));
        let refused = refused.filter_map(|(claim, why)| Some((claim, why?)));
        order.refusals.extend(refused);
        *order = Order {
            refusals: std::mem::take(&mut order.refusals),
            exceptions: std::mem::take(&mut order.exceptions),
            looked_at: order.looked_at,
            last_report: order.last_report,
            ..Order::new(&order.id, facts, origin)
        };
        self.end_reporting();
        Ok(())
    }

    pub(super) fn apply_lines(&mut self, event: &OrderEvent, at: Timestamp) -> Applied {
        let order = self.order_mut()?;
        match event {
            OrderEvent::Merged { facts } => order.merged(facts),
            OrderEvent::CancelStated { whole, lines, .. } => {
                order.facts.cancelled = order.facts.cancelled.take().or_else(|| whole.clone());
                for LineUnits { line, units } in lines {
                    let cancels = &mut order.line_mut(line)?.cancels;
                    cancels.stated = cancels.stated.max(*units);
                }
                Ok(())
            }
            OrderEvent::LinesCancelled {
                lines,
                by_channel,
                reason,
            } => {
                if !by_channel {
                    order.why_cancelled.clone_from(reason);
                }
                order.lines_cancelled(lines, *by_channel)
            }
            OrderEvent::CancelUndone { lines, .. } => {
                for LineUnits { line, units } in lines {
                    let line = order.line_mut(line)?;
                    let left = line.cancelled.checked_sub(*units);
                    line.cancelled =
                        left.ok_or_else(|| illegal("undone beyond what was cancelled"))?;
                }
                Ok(())
            }
            OrderEvent::Refunded { refund, lines } => order.refunded(refund, lines),
            OrderEvent::Returned { .. } => self.returned(event),
            OrderEvent::LinesEdited { lines } => {
                for facts in lines {
                    let line = order.lines.entry(facts.line.clone());
                    let line = line.or_insert_with(|| Line::new(facts));
                    line.edit(facts);
                }
                order.forget_lots();
                Ok(())
            }
            OrderEvent::ShippedElsewhere { shipment, lines } => {
                order.shipped_elsewhere(shipment, lines)
            }
            OrderEvent::ElsewhereUndone { shipment, lines } => {
                order.elsewhere_undone(shipment, lines)
            }
            OrderEvent::EditSeen { edited_at, removed } => {
                order.seen.edit = Some((*edited_at, at));
                for LineUnits { line, units } in removed {
                    let cancels = &mut order.line_mut(line)?.cancels;
                    cancels.stated = cancels.stated.saturating_add(*units);
                }
                Ok(())
            }
            OrderEvent::Refused { why } => {
                let expired = matches!(**why, Rejection::HoldExpired { .. });
                require(expired || !order.accepted, "an accepted order was refused")?;
                order.refused = Some((**why).clone());
                why.code().clone_into(&mut order.why_cancelled);
                for line in order.lines.values_mut() {
                    line.cancelled = line.facts.ordered_units.saturating_sub(line.elsewhere);
                    line.cancels.here = line.cancelled;
                }
                order.placing = Placing::Idle;
                Ok(())
            }
            _ => Err(illegal("not an event of lines")),
        }
    }

    /// Goods came back: each SKU is told.
    fn returned(&mut self, event: &OrderEvent) -> Applied {
        let OrderEvent::Returned { return_id, lines } = event else {
            return Err(illegal("not a return"));
        };
        let order = self.order_mut()?;
        let digest = super::returns::digest(lines);
        let known = order.seen.returns.insert(return_id.clone(), digest);
        require(known.is_none(), "returned twice")?;
        let id = order.id.clone();
        let mut tell = Vec::new();
        for one in lines {
            let line = order.line_mut(&one.line)?;
            let parts = line.parts_of_return(one.units);
            line.returned = line.returned.saturating_add(one.units);
            let sent = line.shipped_units().saturating_add(line.elsewhere);
            require(line.returned <= sent, "more returned than sent")?;
            for (sku, units) in parts {
                let command = SkuCommand::Return {
                    order: id.clone(),
                    return_id: return_id.clone(),
                    part: u32::try_from(tell.len()).unwrap_or(u32::MAX),
                    location: one.location.clone(),
                    units,
                    condition: one.condition,
                };
                tell.push((sku, command));
            }
        }
        for (sku, command) in tell {
            self.begin_return(&sku, command);
        }
        Ok(())
    }
}

impl Order {
    fn new(id: &OrderId, facts: &OrderFacts, origin: Origin) -> Self {
        let lines = facts.lines.iter();
        let lines = lines.map(|line| (line.line.clone(), Line::new(line)));
        Self {
            id: id.clone(),
            facts: facts.clone(),
            origin,
            hold: None,
            claims: Vec::new(),
            refusals: BTreeMap::new(),
            status: OrderStatus::Received,
            lines: lines.collect(),
            pieces: Vec::new(),
            grants: Default::default(),
            slots: Default::default(),
            placing: Placing::Idle,
            effort: Effort::default(),
            waits: Default::default(),
            waits_at: Vec::new(),
            review_at: Timestamp::default(),
            offers: Default::default(),
            asked_back: Default::default(),
            requests: Default::default(),
            last_request: 0,
            route: Route {
                destination: facts.destination.clone(),
                ..Route::default()
            },
            reports: BTreeMap::new(),
            last_report: 0,
            why_cancelled: String::new(),
            is_cancel_told: false,
            holds: Holds::default(),
            asked: BTreeMap::new(),
            freed: false,
            accepted: false,
            refused: None,
            seen: Seen::default(),
            exceptions: Default::default(),
            shipped_at: None,
            looked_at: Timestamp::default(),
        }
    }

    /// Refused before it was accepted: it has nothing, and nothing of it is under way.
    pub(super) fn may_be_placed_anew(&self) -> bool {
        let by_caller = !matches!(self.origin, Origin::Hold { .. });
        by_caller && self.refused.is_some() && !self.accepted && self.is_over()
    }

    pub(super) fn line_mut(
        &mut self,
        line: &crossdock_model::LineId,
    ) -> Result<&mut Line, crate::decider::IllegalHistory> {
        let known = self.lines.get_mut(line);
        known.ok_or_else(|| illegal(format!("the order has no line {line}")))
    }

    /// What the channel wants cancelled is known from its own words; what was decided here is known from this.
    fn lines_cancelled(&mut self, lines: &[LineUnits], by_channel: bool) -> Applied {
        for LineUnits { line: id, units } in lines {
            // What could not be stopped before is asked for once more.
            for request in self.requests.values_mut() {
                request.refused.retain(|one| one.line != *id);
            }
            let line = self.line_mut(id)?;
            require(
                *units <= line.cancellable_units(),
                "more cancelled than is left",
            )?;
            line.cancelled += units;
            if !by_channel {
                line.cancels.here = line.cancels.here.max(line.cancelled);
            }
        }
        Ok(())
    }

    /// Refunded units that had left stay with the buyer or come back; the others are not sent any more.
    fn refunded(&mut self, refund: &RefundId, lines: &[RefundLine]) -> Applied {
        let digest = super::cancel::digest(lines);
        let known = self.seen.refunds.insert(refund.clone(), digest);
        require(known.is_none(), "refunded twice")?;
        for one in lines {
            let line = self.line_mut(&one.line)?;
            let sent = line.sent_units();
            let cancels = &mut line.cancels;
            let had_left = match one.restock {
                Restock::Cancel => 0,
                Restock::Return => one.units,
                Restock::No => one.units.min(sent.saturating_sub(cancels.refunded_sent)),
            };
            cancels.refunded_sent = cancels.refunded_sent.saturating_add(had_left);
            cancels.refunded = cancels.refunded.saturating_add(one.units - had_left);
        }
        Ok(())
    }

    fn shipped_elsewhere(&mut self, shipment: &ShipmentId, lines: &[LineUnits]) -> Applied {
        let new = self.seen.shipments.insert(shipment.clone());
        require(new, "shipped twice")?;
        for LineUnits { line, units } in lines {
            let line = self.line_mut(line)?;
            line.elsewhere = line.elsewhere.saturating_add(*units);
            require(
                line.cancelled.saturating_add(line.elsewhere) <= line.facts.ordered_units,
                "more sent elsewhere than ordered",
            )?;
        }
        let counted = (shipment.clone(), lines.to_vec());
        self.seen.elsewhere.extend([counted]);
        Ok(())
    }

    fn elsewhere_undone(&mut self, shipment: &ShipmentId, lines: &[LineUnits]) -> Applied {
        self.seen.shipments.insert(shipment.clone());
        self.seen.elsewhere.remove(shipment);
        for LineUnits { line, units } in lines {
            let line = self.line_mut(line)?;
            let left = line.elsewhere.checked_sub(*units);
            line.elsewhere = left.ok_or_else(|| illegal("undone beyond what was sent"))?;
        }
        Ok(())
    }

    /// A newer statement of the channel. What an operator set stays.
    fn merged(&mut self, facts: &OrderFacts) -> Applied {
        require(
            facts.updated_at > self.facts.updated_at,
            "an older statement was merged",
        )?;
        for line in &facts.lines {
            let known = self.lines.entry(line.line.clone());
            let known = known.or_insert_with(|| Line::new(line));
            if !known.by_operator {
                known.restate(line);
            }
        }
        // A line that is not named any more is not wanted any more; one that is named again is.
        let named: BTreeSet<_> = facts.lines.iter().map(|line| &line.line).collect();
        let lines = self.lines.iter_mut();
        for (_, line) in lines.filter(|(id, line)| !line.by_operator && !named.contains(id)) {
            line.cancels.stated = line.facts.ordered_units;
        }
        self.forget_lots();
        if !self.route.destination_by_operator {
            self.route.destination.clone_from(&facts.destination);
        }
        self.facts = facts.clone();
        let edit = self.seen.edit;
        self.seen.edit = edit.filter(|(edited_at, _)| facts.updated_at < *edited_at);
        Ok(())
    }

    fn forget_lots(&mut self) {
        for (id, line) in self
            .lines
            .iter_mut()
            .filter(|(_, line)| !line.earlier.is_empty())
        {
            let pieces = self.pieces.iter().filter(|piece| piece.line == *id);
            line.forget_lots(&pieces.map(|piece| piece.sku.clone()).collect());
        }
    }
}
