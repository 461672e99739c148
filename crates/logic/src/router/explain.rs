//! Why a location was chosen, outranked or left out: one plain sentence for each.

use std::collections::BTreeMap;

use crossdock_model::LocationId;
use crossdock_model::routing::Rule;
use crossdock_model::v1::{Allocation, Candidate, Verdict};

use super::needs::Needs;
use super::rank::Ranked;
use super::split::Split;

/// How every location that met the rule's requirements fared, best first.
pub(super) fn explain(
    ranked: &[Ranked<'_>],
    rule: &Rule,
    needs: &Needs<'_>,
    split: &Split,
) -> Vec<Candidate> {
    let scene = Scene::new(ranked, rule, needs, split);
    ranked
        .iter()
        .map(|location| scene.candidate(location))
        .collect()
}

struct Scene<'a> {
    rule: &'a Rule,
    needs: &'a Needs<'a>,
    /// Units that leave each chosen location.
    units: BTreeMap<&'a LocationId, u64>,
    unplaced_units: u64,
    /// Locations that could do all of it alone, best first.
    whole: Vec<&'a Ranked<'a>>,
}

impl<'a> Scene<'a> {
    fn new(
        ranked: &'a [Ranked<'a>],
        rule: &'a Rule,
        needs: &'a Needs<'a>,
        split: &'a Split,
    ) -> Self {
        let mut units: BTreeMap<&LocationId, u64> = BTreeMap::new();
        for Allocation {
            location, units: n, ..
        } in &split.allocations
        {
            *units.entry(location).or_default() += u64::from(*n);
        }
        let unplaced = split.unplaced.iter().map(|(_, _, units)| u64::from(*units));
        let whole = ranked
            .iter()
            .filter(|location| needs.first_lack(&location.held).is_none());
        Self {
            rule,
            needs,
            units,
            unplaced_units: unplaced.sum(),
            whole: whole.collect(),
        }
    }

    fn candidate(&self, location: &Ranked<'_>) -> Candidate {
        let id = &location.facts.location;
        let (verdict, what) = match (self.units.get(id), self.needs.rejected_at(id)) {
            (Some(units), rejected) => {
                let why = self.why_chosen(location, *units);
                let but = rejected.map(|rejected| format!("; it {rejected}"));
                (Verdict::Chosen, why + &but.unwrap_or_default())
            }
            (None, Some(rejected)) => (could_be_chosen(location), rejected),
            (None, None) => self.why_not(location),
        };
        Candidate {
            location: id.clone(),
            verdict,
            reason: format!("{} {what}", location.facts.name),
        }
    }

    fn why_chosen(&self, location: &Ranked<'_>, units: u64) -> String {
        let shipments = self.units.len();
        let total: u64 = self.units.values().sum::<u64>() + self.unplaced_units;
        if self.unplaced_units > 0 {
            return format!("gives {units} of {total} units: no allowed choice places more");
        }
        if shipments > 1 {
            return format!("gives {units} of {total} units: {shipments} shipments are the fewest");
        }
        let mut rivals = self.whole.iter();
        match rivals.find(|rival| rival.facts.location != location.facts.location) {
            Some(rival) => {
                let advantage = location.advantage_over(rival, self.rule);
                format!("is {advantage} with all units")
            }
            None => "is the only one with all units".to_owned(),
        }
    }

    fn why_not(&self, location: &Ranked<'_>) -> (Verdict, String) {
        let winner = self
            .whole
            .iter()
            .find(|winner| self.units.contains_key(&winner.facts.location));
        match (self.needs.first_lack(&location.held), winner) {
            (Some((sku, held, wanted)), _) => {
                let what = format!("holds {held} of {wanted} units of {sku}");
                (could_be_chosen(location), what)
            }
            (None, Some(winner)) => {
                let handicap = location.handicap_against(winner, self.rule);
                (Verdict::Outranked, format!("is {handicap}"))
            }
            (None, None) => (Verdict::Outranked, "was not needed".to_owned()),
        }
    }
}

/// One that holds nothing at all could not have been part of any choice.
fn could_be_chosen(location: &Ranked<'_>) -> Verdict {
    match location.held.iter().any(|held| *held > 0) {
        true => Verdict::Outranked,
        false => Verdict::Excluded,
    }
}
