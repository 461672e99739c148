//! Routing: which location fulfils what, by explicit rules. Pure, and it says why.
//!
//! Rules are tried from top to bottom, and the first that matches the order decides. Its requirements exclude
//! locations (`matching`), its preferences rank the others (`rank`), and `split` finds the fewest shipments
//! that place everything. Where not everything finds a place, `otherwise` says what becomes of the rest; a
//! rule that says `next_rule` hands the whole order on, and the last one tried decides.

mod compile;
mod distance;
mod explain;
mod matching;
mod needs;
mod rank;
mod split;
mod wanted;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::StockView;
use crossdock_model::command::PlanRequest;
use crossdock_model::routing::{Otherwise, Rule};
use crossdock_model::v1::{Candidate, Fallback, LocationFacts, Plan, TriedRule, Verdict};
use crossdock_model::{LocationId, SkuId, Timestamp};

pub use compile::{CompiledRules, RuleProblem, RuleTextError, SHIPMENTS_MAX, parse_rules};
use needs::Needs;
use split::Source;
pub use wanted::{no_stock, stock_for};

/// Decides where the wanted units come from, on stock as known. The same input gives the same plan.
///
/// What the operator wants in a request of its own (`apart`) is no matter of place and is ignored here.
/// No rule speaks of time yet: `now` is there for those that will.
#[must_use]
pub fn route(
    request: &PlanRequest,
    stock: &BTreeMap<SkuId, StockView>,
    locations: &BTreeMap<LocationId, LocationFacts>,
    rules: &CompiledRules,
    _now: Timestamp,
) -> Plan {
    let needs = Needs::new(request, stock);
    let (mut decided, mut tried) = (None, Vec::new());
    let mut allowed = BTreeSet::new();
    let matching = |rule: &&Rule| matching::matches(&rule.matches, request);
    for rule in rules.rules().iter().filter(matching) {
        if let Some(before) = decided.take() {
            let Plan {
                rule, candidates, ..
            } = before;
            tried.push(TriedRule { rule, candidates });
        }
        let mut plan = plan_by(rule, rules.version(), request, &needs, locations);
        allowed.extend(std::mem::take(&mut plan.allowed));
        let go_on = rule.otherwise == Otherwise::NextRule && !plan.unplaced.is_empty();
        decided = Some(plan);
        if !go_on {
            break;
        }
    }
    let plan = decided.unwrap_or_else(|| unmatched(rules, &needs));
    Plan {
        // Stock that arrives where an earlier rule allows it serves the order by that rule.
        allowed: allowed.into_iter().collect(),
        tried,
        ..plan
    }
}

/// Compiled rules end with one that matches every order; should none match, a person must see it.
fn unmatched(rules: &CompiledRules, needs: &Needs<'_>) -> Plan {
    Plan {
        rule_set: rules.version(),
        rule: "none".to_owned(),
        allocations: Vec::new(),
        unplaced: needs.all(),
        fallback: Fallback::Exception,
        candidates: Vec::new(),
        allowed: Vec::new(),
        tried: Vec::new(),
    }
}

fn plan_by(
    rule: &Rule,
    version: u32,
    request: &PlanRequest,
    needs: &Needs<'_>,
    locations: &BTreeMap<LocationId, LocationFacts>,
) -> Plan {
    let mut excluded = Vec::new();
    let may = locations.values().filter(|facts| {
        let reason = matching::excluded(facts, rule, request);
        let fits = reason.is_none();
        excluded.extend(reason.map(|reason| Candidate {
            location: facts.location.clone(),
            verdict: Verdict::Excluded,
            reason,
        }));
        fits
    });
    let ranked = rank::rank(may, rule, request, needs);
    let mut allowed: Vec<LocationId> = ranked
        .iter()
        .map(|one| one.facts.location.clone())
        .collect();
    allowed.sort();
    let sources: Vec<Source<'_>> = ranked
        .iter()
        .map(|location| Source {
            location: &location.facts.location,
            held: &location.held,
        })
        .collect();
    let split = split::split(needs, &sources, compile::shipments_max(rule));
    let mut candidates = explain::explain(&ranked, rule, needs, &split);
    candidates.append(&mut excluded);
    Plan {
        rule_set: version,
        rule: rule.name.clone(),
        allocations: split.allocations,
        unplaced: split.unplaced,
        fallback: rule.otherwise.fallback(),
        candidates,
        allowed,
        tried: Vec::new(),
    }
}
