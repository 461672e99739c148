//! The order as its channel states it: first seen, or merged into what is known.

use std::collections::BTreeSet;

use crossdock_model::v1::{OrderEvent, OrderFacts, Origin};
use crossdock_model::{Answer, CommandKey, Duration, HoldId, LineId, Rejection};

use super::cancel::{check_lines, too_many_lines};
use super::draft::Draft;
use super::state::Order;
use super::{Decided, LINES_MAX};

const CONFLICT: &str = "conflict";

impl Draft<'_> {
    pub fn state_facts(mut self, facts: &OrderFacts, origin: Origin, settle: bool) -> Decided {
        self.take_statement(facts, origin)?;
        self.answer_statement(settle)
    }

    /// A caller of the API places the order, once: what changes it afterwards has commands of its own.
    pub fn place_once(
        mut self,
        facts: &OrderFacts,
        origin: Origin,
        hold: Option<&HoldId>,
        claim: &CommandKey,
    ) -> Decided {
        let known = self.order.order.as_deref();
        let confirms = known.is_some_and(|order| order.expires_at().is_some()) && !is_hold(origin);
        match known {
            Some(order) if order.claims.contains(claim) => self.asked_again = true,
            // It ran out: whoever confirms it is told so.
            Some(order) if is_hold(order.origin) && order.refused.is_some() => {}
            Some(_) if !confirms => {
                return Err(Rejection::OrderExists(self.asked.id.to_string()));
            }
            Some(_) | None => {
                self.take_statement(facts, origin)?;
                let claim = claim.clone();
                self.emit(OrderEvent::Claimed { claim });
                if let Some(hold) = hold.cloned() {
                    self.emit(OrderEvent::HoldTaken { hold });
                }
            }
        }
        self.answer_statement(true)
    }

    fn take_statement(&mut self, facts: &OrderFacts, origin: Origin) -> Result<(), Rejection> {
        self.asked_again = true;
        let facts = &*self.in_our_terms(facts);
        match self.order.order.as_deref() {
            None => {
                check(facts)?;
                self.emit(OrderEvent::Received {
                    facts: Box::new(facts.clone()),
                    origin,
                });
                self.cancel_as_stated(facts);
            }
            Some(order) if order.is_over() => {}
            Some(order) if order.expires_at().is_some() && !is_hold(origin) => {
                let mut facts = facts.clone();
                if facts.lines.is_empty() {
                    facts.lines.clone_from(&order.facts.lines);
                }
                // It follows the hold, whatever time it names.
                let after = order.facts.updated_at + Duration::from_ms(1);
                facts.updated_at = facts.updated_at.max(after);
                check(&facts)?;
                self.merge(&facts);
                // All of it in one decision: what was held is the order's without a moment in between.
                self.emit(OrderEvent::Freed);
            }
            Some(order) if facts.updated_at < order.facts.updated_at => {}
            Some(order) if facts.updated_at == order.facts.updated_at => {
                let tie_known = order.seen.tie_at == Some(facts.updated_at);
                if *facts != order.facts && !tie_known {
                    let updated_at = facts.updated_at;
                    self.emit(OrderEvent::TieSeen { updated_at });
                }
            }
            Some(order) => {
                check(facts)?;
                let added = facts
                    .lines
                    .iter()
                    .filter(|one| !order.lines.contains_key(&one.line));
                if order.lines.len() + added.count() > LINES_MAX {
                    return Err(too_many_lines());
                }
                self.merge(facts);
            }
        }
        Ok(())
    }

    /// The answer to a statement, also to one that changed nothing.
    fn answer_statement(self, settle: bool) -> Decided {
        let version = self.asked.version;
        let mut decision = self.finish_with_state();
        let version = version + u64::from(!decision.0.events.is_empty());
        let state = decision.1;
        decision.0.answer = match (settle, state.outcome(version)) {
            (true, Some(Ok(answer))) => answer,
            // A refusal in the decision that leads to it must not lose its events.
            (true, Some(Err(why))) if decision.0.events.is_empty() => return Err(why),
            (true, _) => Answer::Later,
            (false, _) => match state.summary(version) {
                Some(summary) => Answer::Order(Box::new(summary)),
                None => Answer::Done,
            },
        };
        Ok(decision.0)
    }

    fn merge(&mut self, facts: &OrderFacts) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let conflicts = conflicts(order, facts);
        let gone = removed_lines(order, facts);
        let moved = facts.destination.clone().filter(|to| {
            !order.route.destination_by_operator && order.route.destination.as_ref() != Some(to)
        });
        if let Some(destination) = moved {
            self.set_destination(destination, false);
        }
        self.emit(OrderEvent::Merged {
            facts: Box::new(facts.clone()),
        });
        self.cancel_stated(&facts.lines, "cancelled by the channel");
        self.cancel_removed(&gone);
        for (field, theirs) in conflicts {
            self.emit(OrderEvent::ConflictSeen {
                field: field.clone(),
                theirs: theirs.clone(),
            });
            let cause = format!("the channel states another {field} than an operator set");
            let subject = self.asked.id.to_string();
            let evidence = vec![("field".to_owned(), field), ("theirs".to_owned(), theirs)];
            self.open_exception(CONFLICT, subject, cause, evidence);
        }
        self.cancel_as_stated(facts);
    }

    /// Lines that a newer statement does not name are not wanted any more.
    fn cancel_removed(&mut self, gone: &BTreeSet<LineId>) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let lines: Vec<_> = order
            .cancellable()
            .into_iter()
            .filter(|one| gone.contains(&one.line))
            .collect();
        if !lines.is_empty() {
            let reason = "removed by the channel".to_owned();
            self.emit(OrderEvent::LinesCancelled { lines, reason });
        }
    }

    /// What a statement says is cancelled on the whole, and on arrival by line.
    fn cancel_as_stated(&mut self, facts: &OrderFacts) {
        self.cancel_stated(&facts.lines, "cancelled by the channel");
        let Some((_, why)) = &facts.cancelled else {
            return;
        };
        let order = self.order.order.as_deref();
        let lines = order.map(Order::cancellable).unwrap_or_default();
        if !lines.is_empty() {
            let reason = why.clone();
            self.emit(OrderEvent::LinesCancelled { lines, reason });
        }
    }
}

fn is_hold(origin: Origin) -> bool {
    matches!(origin, Origin::Hold { .. })
}

/// Lines that the statement before named and this one does not; an operator's own lines stay.
fn removed_lines(order: &Order, facts: &OrderFacts) -> BTreeSet<LineId> {
    let named: BTreeSet<&LineId> = facts.lines.iter().map(|line| &line.line).collect();
    let lines = order.lines.iter();
    let gone = lines.filter(|(id, line)| !line.by_operator && !named.contains(id));
    gone.map(|(id, _)| id.clone()).collect()
}

/// Fields that an operator set and that the channel now states otherwise than before: (field, theirs).
fn conflicts(order: &Order, facts: &OrderFacts) -> Vec<(String, String)> {
    let mut conflicts = Vec::new();
    let route = &order.route;
    if route.destination_by_operator
        && facts.destination != order.facts.destination
        && facts.destination != route.destination
    {
        let country = facts.destination.as_ref().map(|to| to.country.clone());
        conflicts.push(("destination".to_owned(), country.unwrap_or_default()));
    }
    for line in &facts.lines {
        let known = order
            .lines
            .get(&line.line)
            .filter(|known| known.by_operator);
        let before = order.facts.lines.iter().find(|one| one.line == line.line);
        if known.is_some_and(|known| known.facts != *line) && before != Some(line) {
            let field = format!("line {}", line.line);
            conflicts.push((field, format!("{} units", line.ordered_units)));
        }
    }
    conflicts
}

fn check(facts: &OrderFacts) -> Result<(), Rejection> {
    if facts.lines.is_empty() && facts.cancelled.is_none() {
        return Err(Rejection::invalid(
            "lines",
            "an order has at least one line",
        ));
    }
    check_lines(&facts.lines)
}
