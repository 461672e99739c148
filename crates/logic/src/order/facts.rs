//! The order as its channel states it: first seen, or merged into what is known.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::{LineFacts, LineUnits, OrderEvent, OrderFacts, Origin};
use crossdock_model::{Answer, CommandKey, Duration, HoldId, LineId, Rejection, SkuId};

use super::cancel::{check_lines, too_many_lines};
use super::draft::Draft;
use super::state::Order;
use super::{Decided, LINES_MAX, PLACINGS_MAX};

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
        if let Some(why) = known.and_then(|order| order.refusals.get(claim)) {
            return Err(why.clone());
        }
        let confirms = known.is_some_and(|order| order.expires_at().is_some()) && !is_hold(origin);
        let anew = known.is_some_and(Order::may_be_placed_anew) && !is_hold(origin);
        match known {
            Some(order) if order.claims.contains(claim) => self.asked_again = true,
            // It ran out: whoever confirms it is told so.
            Some(order) if is_hold(order.origin) && order.refused.is_some() => {}
            Some(_) if !confirms && !anew => {
                return Err(Rejection::OrderExists(self.asked.id.to_string()));
            }
            Some(_) | None => {
                match anew {
                    true => self.state_anew(facts, origin)?,
                    false => self.take_statement(facts, origin)?,
                }
                let claim = claim.clone();
                self.emit(OrderEvent::Claimed { claim });
                if let Some(hold) = hold.cloned() {
                    self.emit(OrderEvent::HoldTaken { hold });
                }
            }
        }
        self.answer_statement(true)
    }

    /// A refused order holds nothing: who places it again has it decided afresh.
    fn state_anew(&mut self, facts: &OrderFacts, origin: Origin) -> Result<(), Rejection> {
        self.asked_again = true;
        check(facts)?;
        if self.known()?.refusals.len() >= PLACINGS_MAX {
            return Err(Rejection::Limit {
                what: "tries to place an order of one id".to_owned(),
                max: PLACINGS_MAX as u64,
            });
        }
        self.emit(OrderEvent::PlacedAnew {
            facts: Box::new(facts.clone()),
            origin,
        });
        self.recount(stated_why(facts), "");
        Ok(())
    }

    fn take_statement(&mut self, facts: &OrderFacts, origin: Origin) -> Result<(), Rejection> {
        self.asked_again = true;
        let order = self.order.order.as_deref();
        if order.is_some_and(|order| !order.is_about_ours(&facts.lines)) {
            return Ok(());
        }
        let facts = &*self.in_our_terms(facts);
        match self.order.order.as_deref() {
            None => {
                check(facts)?;
                self.emit(OrderEvent::Received {
                    facts: Box::new(facts.clone()),
                    origin,
                });
                self.recount(stated_why(facts), "");
            }
            Some(order) if order.refused.is_some() => {}
            Some(order) if order.expires_at().is_some() && !is_hold(origin) => {
                let mut facts = facts.clone();
                if facts.lines.is_empty() {
                    facts.lines.clone_from(&order.facts.lines);
                }
                let stated = stated_units(&order.facts.lines);
                let more = stated_units(&facts.lines)
                    .into_iter()
                    .find(|(sku, units)| stated.get(sku).is_none_or(|held| held < units));
                if let Some((sku, _)) = more {
                    let problem = format!("there are more units of {sku} than the cart holds");
                    return Err(Rejection::invalid("lines", problem));
                }
                // It follows the hold, whatever time it names.
                let after = order.facts.updated_at + Duration::from_ms(1);
                facts.updated_at = facts.updated_at.max(after);
                check(&facts)?;
                self.merge(&facts);
                // All of it in one decision: what was held is the order's without a moment in between.
                self.emit(OrderEvent::Freed);
            }
            Some(order) if facts.updated_at <= order.facts.updated_at => {
                if !order.is_over() {
                    self.hear_again(facts);
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
        let now = self.asked.now;
        let was_paid = order.is_paid(now);
        let moved = facts.destination.clone().filter(|to| {
            !order.route.destination_by_operator && order.route.destination.as_ref() != Some(to)
        });
        if let Some(destination) = moved {
            self.set_destination(destination, false);
        }
        self.emit(OrderEvent::Merged {
            facts: Box::new(facts.clone()),
        });
        self.recount(stated_why(facts), "the channel wants it again");
        let paid = self.known().is_ok_and(|order| order.is_paid(now));
        if was_paid && !paid {
            self.recall_requests(|_| true);
        }
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
    }

    /// A statement that is as old as the last one, or older. A tie is shown; what either cancels holds all the same,
    /// but for lines of an older one: a newer one had its say about them.
    fn hear_again(&mut self, facts: &OrderFacts) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let updated_at = facts.updated_at;
        let tie = updated_at == order.facts.updated_at;
        let shown = order.seen.tie_at == Some(updated_at);
        let whole = facts.cancelled.clone();
        let whole = whole.filter(|_| order.facts.cancelled.is_none());
        let further = facts.lines.iter().filter(|one| {
            let known = order.lines.get(&one.line);
            known.is_some_and(|known| {
                !known.by_operator && one.cancelled_units > known.cancels.stated
            })
        });
        let lines: Vec<LineUnits> = further
            .filter(|_| tie)
            .map(|one| LineUnits {
                line: one.line.clone(),
                units: one.cancelled_units,
            })
            .collect();
        if tie && !shown && *facts != order.facts {
            self.emit(OrderEvent::TieSeen { updated_at });
        }
        if whole.is_some() || !lines.is_empty() {
            self.emit(OrderEvent::CancelStated {
                updated_at,
                whole,
                lines,
            });
            self.recount(stated_why(facts), "");
        }
    }
}

/// Why units are cancelled that a statement says are.
fn stated_why(facts: &OrderFacts) -> &str {
    let whole = facts.cancelled.as_ref();
    whole.map_or("cancelled by the channel", |(_, why)| why)
}

/// Units that lines name of each SKU, which may be a kit.
fn stated_units(lines: &[LineFacts]) -> BTreeMap<&SkuId, u64> {
    let mut units: BTreeMap<&SkuId, u64> = BTreeMap::new();
    for line in lines {
        for part in &line.parts {
            let of_line = u64::from(line.ordered_units) * u64::from(part.units_per_line_unit);
            let known = units.entry(&part.sku).or_default();
            *known = known.saturating_add(of_line);
        }
    }
    units
}

fn is_hold(origin: Origin) -> bool {
    matches!(origin, Origin::Hold { .. })
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
    let named: BTreeSet<&LineId> = facts.lines.iter().map(|line| &line.line).collect();
    for before in order
        .facts
        .lines
        .iter()
        .filter(|line| !named.contains(&line.line))
    {
        let known = order.lines.get(&before.line);
        if known.is_some_and(|known| known.by_operator && known.open_units() > 0) {
            conflicts.push((format!("line {}", before.line), "removed".to_owned()));
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
