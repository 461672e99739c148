//! Units that are no longer wanted, wanted otherwise, or sent by somebody else.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::{LineEdit, OrderCommand};
use crossdock_model::v1::{LineFacts, LineUnits, OrderEvent, Part, RefundLine, ReportEnd};
use crossdock_model::{LineId, RefundId, Rejection, ShipmentId, codec};

use super::draft::Draft;
use super::requests::within;
use super::routes::{misrouted, no_line};
use super::state::{Digest, Line, Order};
use super::{Decided, LINES_MAX};

impl Draft<'_> {
    pub fn change_lines(self, command: &OrderCommand) -> Decided {
        match command {
            OrderCommand::Cancel { reason, lines } => self.cancel(reason, lines.as_deref()),
            OrderCommand::Refund { refund, lines } => self.refund(refund, lines),
            OrderCommand::EditLines { lines } => self.edit_lines(lines),
            OrderCommand::ShippedElsewhere {
                shipment,
                lines,
                tracking,
            } => self.shipped_elsewhere(shipment, lines, tracking.as_deref()),
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
        if order.is_sent_by_channel() {
            let hint = "its channel sends it from stock that is not ours: cancel it there";
            return Err(Rejection::wrong_status(order.status, hint));
        }
        let is_asked = order.requests.values().any(|one| !one.asks.is_empty());
        let lines = match lines {
            Some(lines) => checked(order, lines)?,
            None => order.cancellable(),
        };
        // It is cancelled as far as it can be: locations have not said yet what of it they could stop.
        if lines.is_empty() && is_asked {
            return Ok(self.unchanged());
        }
        if lines.is_empty() {
            return Err(Rejection::wrong_status(
                order.status,
                "nothing of it is left to cancel: expect a return instead",
            ));
        }
        self.cancel_here(lines, reason);
        Ok(self.done())
    }

    /// Units that are refunded and have not left are cancelled, whether or not the channel restocks them: the buyer
    /// does not get them. Goods that come back are stock only when somebody says so.
    fn refund(mut self, refund: &RefundId, lines: &[RefundLine]) -> Decided {
        let order = self.known()?;
        let ours = |one: &RefundLine| {
            let line = order.ours(&one.line)?;
            Ok(RefundLine {
                line,
                ..one.clone()
            })
        };
        let lines = lines.iter().map(ours);
        let lines: Vec<RefundLine> = lines.collect::<Result<_, Rejection>>()?;
        match order.seen.refunds.get(refund) {
            Some(known) if *known == digest(&lines) => return Ok(self.unchanged()),
            Some(_) => return Err(Rejection::IdConflict(format!("refund {refund}"))),
            None => {}
        }
        order.check_refund(&lines)?;
        within(order.seen.refunds.len(), "refunds of an order")?;
        self.emit(OrderEvent::Refunded {
            refund: refund.clone(),
            lines,
        });
        self.recount("refunded", "");
        Ok(self.done())
    }

    fn edit_lines(mut self, edits: &[LineEdit]) -> Decided {
        let order = self.open()?;
        if edits.is_empty() {
            return Err(Rejection::invalid("lines", "name at least one line"));
        }
        let lines = edits.iter().map(|edit| edited(order, edit));
        let lines: Vec<LineFacts> = lines.collect::<Result<_, _>>()?;
        check_lines(&lines)?;
        let added = lines
            .iter()
            .filter(|one| !order.lines.contains_key(&one.line));
        if order.lines.len() + added.count() > LINES_MAX {
            return Err(too_many_lines());
        }
        for one in &lines {
            let sent = order.lines.get(&one.line).map_or(0, Line::sent_units);
            if one.ordered_units < sent {
                let problem = format!("{sent} units of {} have left already", one.line);
                return Err(Rejection::invalid("ordered_units", problem));
            }
        }
        let changed = |one: &LineFacts| {
            let known = order.lines.get(&one.line);
            known.is_none_or(|known| {
                known.facts != *one || !known.by_operator || known.cancelled > 0
            })
        };
        if !lines.iter().any(changed) {
            return Ok(self.unchanged());
        }
        self.emit(OrderEvent::LinesEdited { lines });
        self.recount("", "edited");
        Ok(self.done())
    }

    /// Cancels units because it was decided here.
    pub fn cancel_here(&mut self, lines: Vec<LineUnits>, reason: &str) {
        self.emit(OrderEvent::LinesCancelled {
            lines,
            reason: reason.to_owned(),
            by_channel: false,
        });
    }

    /// Brings what is cancelled to what is to be, by all that was said of it: more for that reason, fewer for this.
    pub fn recount(&mut self, more_for: &str, fewer_for: &str) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let (more, fewer) = order.recount();
        if !more.is_empty() {
            self.emit(OrderEvent::LinesCancelled {
                lines: more,
                reason: more_for.to_owned(),
                by_channel: true,
            });
        }
        if !fewer.is_empty() {
            self.emit(OrderEvent::CancelUndone {
                lines: fewer,
                reason: fewer_for.to_owned(),
            });
        }
    }

    /// Somebody else sent units: they are not ours to send any more. Unless it is a parcel of ours, which the channel
    /// was told of before we know that it was.
    fn shipped_elsewhere(
        mut self,
        shipment: &ShipmentId,
        lines: &[LineUnits],
        tracking: Option<&str>,
    ) -> Decided {
        let order = self.known()?;
        if order.seen.shipments.contains(shipment) {
            return Ok(self.unchanged());
        }
        if let Some(report) = order.report_of_parcel(lines, tracking)? {
            let theirs = Some(shipment.clone());
            self.end_report(
                report,
                ReportEnd::Told { theirs },
                "the channel tells of it",
            );
            return Ok(self.done());
        }
        if order.is_over() {
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
        let (shipment, lines) = (shipment.clone(), order.undoable(counted));
        self.emit(OrderEvent::ElsewhereUndone { shipment, lines });
        self.recount("cancelled by the channel", "");
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

impl Order {
    /// Of what somebody else sent, units that can be ours to send again: what came back from the buyer was sent.
    pub(super) fn undoable(&self, counted: Option<&Vec<LineUnits>>) -> Vec<LineUnits> {
        let left = counted.into_iter().flatten().filter_map(|one| {
            let line = self.lines.get(&one.line)?;
            let came_back = line.returned.saturating_sub(line.shipped_units());
            let units = one.units.min(line.elsewhere.saturating_sub(came_back));
            let line = one.line.clone();
            Some(LineUnits { line, units })
        });
        left.filter(|one| one.units > 0).collect()
    }

    fn check_refund(&self, lines: &[RefundLine]) -> Result<(), Rejection> {
        if lines.len() > LINES_MAX {
            return Err(too_many_lines());
        }
        let mut sums: BTreeMap<&LineId, u32> = BTreeMap::new();
        for one in lines {
            let known = self.lines.get(&one.line);
            let known = known.ok_or_else(|| no_line(&one.line))?;
            let units = sums.entry(&one.line).or_default();
            *units = units.saturating_add(one.units);
            let max = self.units_sold(&one.line, known);
            if one.units == 0 || *units > max {
                let problem = format!("1 to {max} units of line {} can be refunded", one.line);
                return Err(Rejection::invalid("units", problem));
            }
        }
        Ok(())
    }

    /// The most units of a line that were ever to be paid for, as far as is known.
    fn units_sold(&self, id: &LineId, line: &Line) -> u32 {
        let stated = self.facts.lines.iter().find(|one| one.line == *id);
        let stated = stated.map_or(0, |one| one.ordered_units);
        stated.max(line.facts.ordered_units)
    }
}

/// Tells a repeat of a refund from another one.
pub(super) fn digest(lines: &[RefundLine]) -> Digest {
    codec::digest(&lines)
}

/// The line as it is with an operator's changes.
fn edited(order: &Order, edit: &LineEdit) -> Result<LineFacts, Rejection> {
    let known = order.lines.get(&edit.line).map(|known| &known.facts);
    let is_made_of = |facts: &&LineFacts| match (&edit.sku, facts.parts.as_slice()) {
        (Some(sku), [part]) => facts.ships && part.sku == *sku,
        (sku, _) => sku.is_none(),
    };
    let as_before = known.filter(is_made_of);
    let unit_price = edit.unit_price.or(known.and_then(|facts| facts.unit_price));
    if let Some(facts) = as_before {
        return Ok(LineFacts {
            title: edit.title.clone().unwrap_or_else(|| facts.title.clone()),
            ordered_units: edit.units,
            cancelled_units: 0,
            unit_price,
            ..facts.clone()
        });
    }
    let needed = || Rejection::invalid("sku", format!("{} is new and needs a SKU", edit.line));
    let sku = edit.sku.clone().ok_or_else(needed)?;
    Ok(LineFacts {
        line: edit.line.clone(),
        title: edit.title.clone().unwrap_or_else(|| sku.to_string()),
        ordered_units: edit.units,
        cancelled_units: 0,
        parts: vec![Part {
            sku,
            units_per_line_unit: 1,
        }],
        unit_price,
        ships: true,
    })
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
                return Err(Rejection::wrong_status(
                    order.status,
                    format!("{left} units of line {line} can still be cancelled"),
                ));
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
