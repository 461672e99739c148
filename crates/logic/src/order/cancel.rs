//! Units that are no longer wanted, wanted otherwise, or sent by somebody else.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{LineFacts, LineUnits, OrderEvent, RefundLine};
use crossdock_model::{LineId, RefundId, Rejection, ShipmentId};

use super::draft::Draft;
use super::requests::within;
use super::routes::{misrouted, no_line};
use super::state::Order;
use super::{Decided, LINES_MAX};

impl Draft<'_> {
    pub fn change_lines(self, command: &OrderCommand) -> Decided {
        match command {
            OrderCommand::Cancel { reason, lines } => self.cancel(reason, lines.as_deref()),
            OrderCommand::Refund { refund, lines } => self.refund(refund, lines),
            OrderCommand::EditLines { lines } => self.edit_lines(lines),
            OrderCommand::ShippedElsewhere { shipment, lines } => {
                self.shipped_elsewhere(shipment, lines)
            }
            OrderCommand::UndoElsewhere { shipment } => self.undo_elsewhere(shipment),
            OrderCommand::Edited { edited_at, removed } => self.edited(*edited_at, removed),
            other => Err(misrouted(other)),
        }
    }

    fn cancel(mut self, reason: &str, lines: Option<&[LineUnits]>) -> Decided {
        let order = self.known()?;
        if order.status == crossdock_model::v1::OrderStatus::Cancelled && lines.is_none() {
            return Ok(self.unchanged());
        }
        let order = self.open()?;
        let lines = match lines {
            Some(lines) => checked(order, lines)?,
            None => order.cancellable(),
        };
        if lines.is_empty() {
            return Err(Rejection::WrongState {
                status: order.status,
                hint: "nothing of it is left to cancel: expect a return instead".to_owned(),
            });
        }
        let reason = reason.to_owned();
        self.emit(OrderEvent::LinesCancelled { lines, reason });
        Ok(self.done())
    }

    /// Units that were refunded and never sent are cancelled, whether or not the channel restocks them: the
    /// buyer does not get them. Goods that come back are stock only when somebody says so.
    fn refund(mut self, refund: &RefundId, lines: &[RefundLine]) -> Decided {
        let order = self.known()?;
        if order.seen.refunds.contains(refund) {
            return Ok(self.unchanged());
        }
        within(order.seen.refunds.len(), "refunds of an order")?;
        let lines: Vec<RefundLine> = lines
            .iter()
            .map(|one| {
                Ok(RefundLine {
                    line: order.ours(&one.line)?,
                    ..one.clone()
                })
            })
            .collect::<Result<_, Rejection>>()?;
        self.emit(OrderEvent::Refunded {
            refund: refund.clone(),
            lines: lines.clone(),
        });
        let order = self.known()?;
        let concerned: BTreeSet<&LineId> = lines.iter().map(|one| &one.line).collect();
        let cancelled = concerned.into_iter().filter_map(|line| {
            let known = order.lines.get(line)?;
            let gone = known.facts.cancelled_units;
            let gone = gone.saturating_add(known.refund_cancelled);
            let units = gone.saturating_sub(known.cancelled);
            Some(LineUnits {
                line: line.clone(),
                units: units.min(known.cancellable_units()),
            })
        });
        let cancelled: Vec<_> = cancelled.filter(|one| one.units > 0).collect();
        if !cancelled.is_empty() && !order.is_over() {
            let reason = "refunded".to_owned();
            let lines = cancelled;
            self.emit(OrderEvent::LinesCancelled { lines, reason });
        }
        Ok(self.done())
    }

    fn edit_lines(mut self, lines: &[LineFacts]) -> Decided {
        let order = self.open()?;
        if lines.is_empty() {
            return Err(Rejection::invalid("lines", "name at least one line"));
        }
        check_lines(lines)?;
        let added = lines
            .iter()
            .filter(|one| !order.lines.contains_key(&one.line));
        if order.lines.len() + added.count() > LINES_MAX {
            return Err(too_many_lines());
        }
        for one in lines {
            let known = order.lines.get(&one.line);
            let sent = known.map_or(0, |known| known.begun_units() + known.elsewhere);
            let gone = sent.saturating_add(one.cancelled_units);
            if one.ordered_units < gone {
                let problem = format!("{sent} units of {} have left already", one.line);
                return Err(Rejection::invalid("ordered_units", problem));
            }
        }
        let changed = |one: &LineFacts| {
            let known = order.lines.get(&one.line);
            known.is_none_or(|known| {
                known.facts != *one || !known.by_operator || known.cancelled != one.cancelled_units
            })
        };
        if !lines.iter().any(changed) {
            return Ok(self.unchanged());
        }
        self.emit(OrderEvent::LinesEdited {
            lines: lines.to_vec(),
        });
        Ok(self.done())
    }

    /// Cancels what statements of lines say is cancelled beyond what is known. Refunded units are not in it: they
    /// come by their own ids.
    pub fn cancel_stated(&mut self, lines: &[LineFacts], reason: &str) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let stated = lines.iter().filter_map(|one| {
            let known = order
                .lines
                .get(&one.line)
                .filter(|known| known.facts == *one)?;
            let gone = one.cancelled_units.saturating_add(known.refund_cancelled);
            let units = gone.saturating_sub(known.cancelled);
            Some(LineUnits {
                line: one.line.clone(),
                units: units.min(known.cancellable_units()),
            })
        });
        let lines: Vec<_> = stated.filter(|one| one.units > 0).collect();
        if !lines.is_empty() {
            let reason = reason.to_owned();
            self.emit(OrderEvent::LinesCancelled { lines, reason });
        }
    }

    /// Somebody else sent units: they are not ours to send any more.
    fn shipped_elsewhere(mut self, shipment: &ShipmentId, lines: &[LineUnits]) -> Decided {
        let order = self.known()?;
        if order.seen.shipments.contains(shipment) || order.is_over() {
            return Ok(self.unchanged());
        }
        within(order.seen.shipments.len(), "shipments of an order")?;
        let lines = order.left_of(lines)?;
        let shipment = shipment.clone();
        self.emit(OrderEvent::ShippedElsewhere { shipment, lines });
        Ok(self.done())
    }

    /// It was not sent after all: its units are ours to send again. One that was never heard of is remembered, so
    /// that a late statement of it does not count.
    fn undo_elsewhere(mut self, shipment: &ShipmentId) -> Decided {
        let order = self.known()?;
        let counted = order.seen.elsewhere.get(shipment);
        if order.is_over() || (counted.is_none() && order.seen.shipments.contains(shipment)) {
            return Ok(self.unchanged());
        }
        within(order.seen.shipments.len(), "shipments of an order")?;
        let (shipment, lines) = (shipment.clone(), counted.cloned().unwrap_or_default());
        self.emit(OrderEvent::ElsewhereUndone { shipment, lines });
        Ok(self.done())
    }
}

impl Order {
    /// Of these units, under our ids, those that have not left and are not cancelled.
    pub(super) fn left_of(&self, lines: &[LineUnits]) -> Result<Vec<LineUnits>, Rejection> {
        let mut sums: BTreeMap<LineId, u32> = BTreeMap::new();
        for one in lines {
            let units = sums.entry(self.ours(&one.line)?).or_default();
            *units = units.saturating_add(one.units);
        }
        let left = sums.into_iter().filter_map(|(line, units)| {
            let units = units.min(self.lines.get(&line)?.cancellable_units());
            Some(LineUnits { line, units })
        });
        Ok(left.filter(|one| one.units > 0).collect())
    }
}

/// Units to cancel, per line, none of which has left.
fn checked(order: &Order, lines: &[LineUnits]) -> Result<Vec<LineUnits>, Rejection> {
    let mut sums: BTreeMap<&LineId, u32> = BTreeMap::new();
    for one in lines {
        let units = sums.entry(&one.line).or_default();
        *units = units.saturating_add(one.units);
    }
    sums.into_iter()
        .map(|(line, units)| {
            let known = order.lines.get(line).ok_or_else(|| no_line(line))?;
            let left = known.cancellable_units();
            if units > left {
                return Err(Rejection::WrongState {
                    status: order.status,
                    hint: format!("{left} units of line {line} can still be cancelled"),
                });
            }
            if units == 0 {
                return Err(Rejection::invalid("units", "must be at least 1"));
            }
            Ok(LineUnits {
                line: line.clone(),
                units,
            })
        })
        .collect()
}

/// Whether statements of lines make sense by themselves.
pub(super) fn check_lines(lines: &[LineFacts]) -> Result<(), Rejection> {
    if lines.len() > LINES_MAX {
        return Err(too_many_lines());
    }
    let mut seen = BTreeSet::new();
    for (index, line) in lines.iter().enumerate() {
        let field = |name: &str| format!("lines[{index}].{name}");
        if !seen.insert(&line.line) {
            let problem = format!("{} is there twice", line.line);
            return Err(Rejection::invalid(field("line"), problem));
        }
        if line.ships && line.parts.is_empty() {
            let problem = "a line that is sent needs at least one SKU";
            return Err(Rejection::invalid(field("parts"), problem));
        }
        if line.parts.iter().any(|part| part.units_per_line_unit == 0) {
            let problem = "units_per_line_unit must be at least 1";
            return Err(Rejection::invalid(field("parts"), problem));
        }
        let parts = line.parts.iter();
        let per: Option<u32> = parts
            .map(|part| part.units_per_line_unit)
            .try_fold(0_u32, u32::checked_add);
        let units = per.and_then(|per| per.checked_mul(line.ordered_units));
        if units.is_none_or(|units| units > UNITS_MAX) {
            let problem = format!("at most {UNITS_MAX} units of SKUs");
            return Err(Rejection::invalid(field("ordered_units"), problem));
        }
    }
    Ok(())
}

/// Units of SKUs a line may need: sums over an order's lines stay far from overflow.
const UNITS_MAX: u32 = 1_000_000;

pub(super) fn too_many_lines() -> Rejection {
    Rejection::Limit {
        what: "lines of an order".to_owned(),
        max: LINES_MAX as u64,
    }
}
