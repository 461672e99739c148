//! Where an order may go: what a plan teaches about kits, and what people change.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{Destination, LineUnits, OrderEvent, Plan};
use crossdock_model::{LineId, LocationId, Rejection, SkuId};

use super::Decided;
use super::draft::Draft;
use super::effects::is_placing;
use super::state::{Missing, Order, Route, Split};

/// Splits an order may have.
const SPLITS_MAX: usize = 500;

/// Units of each SKU in one unit of a line.
type MadeOf = BTreeMap<SkuId, u32>;

/// What lines are made of as far as the plan tells: kits come back as their components. `Err`: SKUs that
/// must be asked because it does not tell.
pub(super) fn learned(
    order: &Order,
    plan: &Plan,
) -> Result<Vec<(LineId, MadeOf)>, BTreeSet<SkuId>> {
    let missing = order.missing();
    let mut placed: BTreeMap<&LineId, BTreeMap<&SkuId, u32>> = BTreeMap::new();
    for one in &plan.allocations {
        let sums = placed.entry(&one.line).or_default();
        *sums.entry(&one.sku).or_default() += one.units;
    }
    for (line, sku, _) in &plan.unplaced {
        placed.entry(line).or_default().entry(sku).or_default();
    }
    let (mut learned, mut unclear) = (Vec::new(), BTreeSet::new());
    for (line_id, sums) in placed {
        let Some(line) = order.lines.get(line_id) else {
            continue;
        };
        let known: BTreeSet<_> = line.skus().collect();
        if sums.keys().all(|sku| known.contains(*sku)) {
            continue;
        }
        let wanted = |(sku, per): (&SkuId, &u32)| {
            let key = (line_id.clone(), sku.clone());
            missing.get(&key).copied().unwrap_or(0) / *per
        };
        let counts: BTreeSet<u32> = line.lot.made_of.iter().map(wanted).collect();
        let units = counts.first().copied().filter(|_| counts.len() == 1);
        let rest = plan.unplaced.iter().any(|(line, _, _)| line == line_id);
        let divides = |units: u32| units > 0 && sums.values().all(|sum| sum % units == 0);
        match units.filter(|units| !rest && divides(*units)) {
            Some(units) => {
                let made_of = sums.iter().map(|(sku, sum)| ((*sku).clone(), sum / units));
                learned.push((line_id.clone(), made_of.collect()));
            }
            None => {
                let kits: Vec<_> = line.lot.made_of.keys().collect();
                let absent = kits.iter().filter(|sku| !sums.contains_key(*sku));
                let absent: BTreeSet<SkuId> = absent.map(|sku| (*sku).clone()).collect();
                match absent.is_empty() {
                    true => unclear.extend(kits.into_iter().cloned()),
                    false => unclear.extend(absent),
                }
            }
        }
    }
    match unclear.is_empty() {
        true => Ok(learned),
        false => Err(unclear),
    }
}

/// Whether the plan places nothing beyond what is missing.
pub(super) fn fits(order: &Order, plan: &Plan) -> bool {
    let missing = order.missing();
    let mut planned = Missing::new();
    for one in &plan.allocations {
        *planned
            .entry((one.line.clone(), one.sku.clone()))
            .or_default() += one.units;
    }
    planned.iter().all(|((line, sku), units)| {
        let Some(known) = order.lines.get(line) else {
            return false;
        };
        let wanted = missing.get(&(line.clone(), sku.clone()));
        match known.skus().any(|known| known == sku) {
            true => wanted.is_some_and(|wanted| wanted >= units),
            false => missing.keys().any(|(of, _)| of == line),
        }
    })
}

impl Draft<'_> {
    pub fn change_route(self, command: &OrderCommand) -> Decided {
        self.open()?;
        match command {
            OrderCommand::ChangeDestination { destination } => self.change_destination(destination),
            OrderCommand::Reroute { exclude } => self.reroute(exclude),
            OrderCommand::Split { lines } => self.split(lines),
            other => Err(misrouted(other)),
        }
    }

    fn change_destination(mut self, destination: &Destination) -> Decided {
        let order = self.known()?;
        if order.route.destination.as_ref() == Some(destination) {
            return Ok(self.unchanged());
        }
        let to = destination.clone();
        self.set_destination(to, true);
        Ok(self.done())
    }

    /// Sets the address. What is requested already is asked back and goes out again with it.
    pub fn set_destination(&mut self, destination: Destination, by_operator: bool) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        // What a cart holds is promised where it is: its buyer now says for the first time where it goes.
        let told_first = order.route.destination.is_none() && order.expires_at().is_some();
        let moved = order.route.moves_to(&destination) && !told_first;
        self.emit(OrderEvent::DestinationChanged {
            destination,
            by_operator,
        });
        if moved {
            self.place_anew();
        }
        self.recall_requests(|_| true);
    }

    fn reroute(mut self, exclude: &[LocationId]) -> Decided {
        self.emit(OrderEvent::RerouteAsked {
            exclude: exclude.to_vec(),
        });
        let how = "an operator routes it";
        self.close_exception(super::REROUTE_LIMIT, None, how);
        self.close_exception(super::placing::UNROUTABLE, None, how);
        self.place_anew();
        self.recall_requests(|_| true);
        Ok(self.done())
    }

    fn split(mut self, lines: &[LineUnits]) -> Decided {
        let order = self.known()?;
        if lines.is_empty() {
            return Err(Rejection::invalid("lines", "name at least one line"));
        }
        for one in lines {
            let known = order.lines.get(&one.line);
            let known = known.ok_or_else(|| no_line(&one.line))?;
            if one.units == 0 || one.units > known.cancellable_units() {
                let problem = format!("must be 1 to {}", known.cancellable_units());
                return Err(Rejection::invalid("units", problem));
            }
        }
        let known = order.route.splits.iter().map(|split| split.lines.len());
        if known.sum::<usize>() + lines.len() > SPLITS_MAX {
            return Err(Rejection::Limit {
                what: "splits of an order".to_owned(),
                max: SPLITS_MAX as u64,
            });
        }
        self.emit(OrderEvent::SplitAsked {
            lines: lines.to_vec(),
        });
        // What is requested already is asked back, and goes out again in pieces.
        let split: BTreeSet<&LineId> = lines.iter().map(|one| &one.line).collect();
        self.recall_requests(|line| split.contains(line));
        Ok(self.done())
    }

    /// Gives up the open attempt and all units that nobody was asked to send.
    fn place_anew(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        if is_placing(&order.placing) {
            self.close_attempt(crossdock_model::v1::AttemptEnd::Changed);
        }
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let idle: Vec<_> = order
            .pieces
            .iter()
            .filter(|piece| piece.request.is_none())
            .cloned()
            .collect();
        self.release_pieces(&idle);
    }
}

impl Route {
    /// Whether another place is meant, not only another door there.
    pub(super) fn moves_to(&self, destination: &Destination) -> bool {
        let before = self.destination.clone().map(|before| Destination {
            address_version: destination.address_version,
            ..before
        });
        before.as_ref() != Some(destination)
    }

    /// The split of that number, 1 for the first.
    pub(super) fn split_mut(&mut self, number: u32) -> Option<&mut Split> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.splits.get_mut(index)
    }

    pub(super) fn split(&mut self, lines: &[LineUnits]) {
        let mut split = Split::default();
        for one in lines {
            let units = split.lines.entry(one.line.clone()).or_default();
            *units = units.saturating_add(one.units);
        }
        self.splits.push(split);
    }
}

pub(super) fn no_line(line: &LineId) -> Rejection {
    Rejection::invalid("lines", format!("the order has no line {line}"))
}

/// A command that came to the wrong method: a slip in `decide`, refused rather than a crash.
pub(super) fn misrouted(command: &OrderCommand) -> Rejection {
    Rejection::invalid("command", format!("not handled: {command:?}"))
}
