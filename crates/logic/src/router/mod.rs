//! Routing: which location fulfils what, by explicit rules. Pure, and it says why.

mod compile;
mod distance;
mod matching;
mod needs;
mod split;

use std::collections::BTreeMap;

use crossdock_model::answer::StockView;
use crossdock_model::command::PlanRequest;
use crossdock_model::routing::{Otherwise, Prefer, Rule, Split};
use crossdock_model::v1::{Candidate, Fallback, LocationFacts, Plan, Verdict};
use crossdock_model::{LocationId, SkuId, Timestamp};

pub use compile::{CompiledRules, RuleProblem, parse_rules};
use needs::{Needs, Supply};

/// Locations that are weighed against each other in splits; beyond it the less preferred are left out.
const SPLIT_CANDIDATES_MAX: usize = 12;

/// Decides where the wanted units come from, on stock as known. The same input gives the same plan.
#[must_use]
pub fn route(
    request: &PlanRequest,
    stock: &BTreeMap<SkuId, StockView>,
    locations: &BTreeMap<LocationId, LocationFacts>,
    rules: &CompiledRules,
    _now: Timestamp,
) -> Plan {
    let supply = Supply::new(request, stock);
    let needs = Needs::expand(request, &supply);
    let mut last = None;
    for rule in rules.rules().iter().filter(|rule| matching::matches(&rule.matches, request)) {
        let plan = apply(rule, rules.version(), request, &supply, &needs, locations);
        let go_on = rule.otherwise == Otherwise::NextRule && !plan.unplaced.is_empty();
        last = Some(plan);
        if !go_on {
            break;
        }
    }
    last.unwrap_or_else(|| Plan {
        rule_set: rules.version(),
        rule: "none".to_owned(),
        allocations: Vec::new(),
        unplaced: needs.all(),
        fallback: Fallback::Exception,
        candidates: Vec::new(),
    })
}

/// A location that may be chosen, with what it is ranked by.
struct Ranked<'a> {
    facts: &'a LocationFacts,
    key: Vec<i64>,
    distance_km: Option<u32>,
}

fn apply(
    rule: &Rule,
    version: u32,
    request: &PlanRequest,
    supply: &Supply<'_>,
    needs: &Needs,
    locations: &BTreeMap<LocationId, LocationFacts>,
) -> Plan {
    let mut candidates = Vec::new();
    let mut ranked = Vec::new();
    for facts in locations.values() {
        match matching::excluded(facts, rule, request) {
            Some(reason) => candidates.push(Candidate {
                location: facts.location.clone(),
                verdict: Verdict::Excluded,
                reason,
            }),
            None => ranked.push(rank(facts, rule, request, supply, needs)),
        }
    }
    ranked.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.facts.location.cmp(&b.facts.location)));
    let shipments = match rule.split {
        Split::Never => 1,
        Split::UpTo { shipments } => usize::from(shipments.max(1)),
    };
    let able: Vec<&Ranked<'_>> = ranked
        .iter()
        .filter(|location| needs.held_at(supply, &location.facts.location) > 0 || needs.is_free(supply))
        .take(SPLIT_CANDIDATES_MAX)
        .collect();
    let pool: Vec<&LocationId> = able.iter().map(|location| &location.facts.location).collect();
    let chosen = split::choose(needs, supply, &pool, shipments);
    let (allocations, unplaced) = split::allocate(needs, supply, &chosen);
    candidates.extend(ranked.iter().map(|location| explain(location, &chosen, supply, needs)));
    Plan {
        rule_set: version,
        rule: rule.name.clone(),
        allocations,
        unplaced,
        fallback: rule.otherwise.fallback(),
        candidates,
    }
}

fn rank<'a>(
    facts: &'a LocationFacts,
    rule: &Rule,
    request: &PlanRequest,
    supply: &Supply<'_>,
    needs: &Needs,
) -> Ranked<'a> {
    let area = request.destination.as_ref().and_then(|destination| destination.area);
    let distance_km = area.zip(facts.coordinates).map(|(to, from)| distance::km(from, to));
    let key = rule
        .prefer
        .iter()
        .map(|prefer| match prefer {
            Prefer::Ranked(order) => {
                let at = order.iter().position(|location| *location == facts.location);
                at.unwrap_or(order.len()) as i64
            }
            Prefer::Nearest { band_km } => {
                distance_km.map_or(i64::MAX, |km| i64::from(km / (*band_km).max(1)))
            }
            Prefer::MostStock => -(needs.held_at(supply, &facts.location) as i64),
        })
        .collect();
    Ranked { facts, key, distance_km }
}

fn explain(
    location: &Ranked<'_>,
    chosen: &[LocationId],
    supply: &Supply<'_>,
    needs: &Needs,
) -> Candidate {
    let id = &location.facts.location;
    let (held, wanted) = (needs.held_at(supply, id), needs.total(supply));
    let far = location.distance_km.map_or_else(String::new, |km| format!(", {km} km away"));
    let has = if needs.is_free(supply) {
        "needs no stock".to_owned()
    } else if held >= wanted {
        "has all units".to_owned()
    } else {
        format!("has {held} of {wanted} units")
    };
    let (verdict, reason) = match (chosen.contains(id), held) {
        (true, _) => (Verdict::Chosen, format!("{has}{far}")),
        (false, 0) if !needs.is_free(supply) => {
            (Verdict::Excluded, format!("has none of the wanted units{far}"))
        }
        (false, _) => (Verdict::Outranked, format!("{has}{far}, and others were preferred")),
    };
    Candidate { location: id.clone(), verdict, reason }
}

#[cfg(test)]
mod tests;
