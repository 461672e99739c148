//! In which order a rule prefers locations.

use crossdock_model::command::PlanRequest;
use crossdock_model::routing::{Prefer, Rule};
use crossdock_model::v1::LocationFacts;

use super::distance;
use super::needs::Needs;

/// A location that may be chosen.
pub(super) struct Ranked<'a> {
    pub facts: &'a LocationFacts,
    /// One number for each of the rule's preferences, less is better.
    key: Vec<i64>,
    distance_km: Option<u32>,
    /// Units of each counted SKU that the order may take here.
    pub held: Vec<u64>,
}

impl<'a> Ranked<'a> {
    fn new(
        facts: &'a LocationFacts,
        rule: &Rule,
        request: &PlanRequest,
        needs: &Needs<'_>,
    ) -> Self {
        let area = request.destination.as_ref().and_then(|to| to.area);
        let distance_km = area
            .zip(facts.coordinates)
            .map(|(to, from)| distance::km(from, to));
        let held = needs.held_at(&facts.location);
        let number = |prefer: &Prefer| match prefer {
            Prefer::Ranked(order) => {
                let mut order = order.iter();
                let at = order.position(|location| *location == facts.location);
                at.map_or(i64::MAX, |at| at as i64)
            }
            Prefer::Nearest { band_km } => {
                distance_km.map_or(i64::MAX, |km| i64::from(km / (*band_km).max(1)))
            }
            Prefer::MostStock => {
                let units: u64 = held.iter().sum();
                -i64::try_from(units).unwrap_or(i64::MAX)
            }
        };
        Self {
            facts,
            key: rule.prefer.iter().map(number).collect(),
            distance_km,
            held,
        }
    }

    /// Why this location comes before `other`, as what it is: "nearest (12 km)".
    pub fn advantage_over(&self, other: &Self, rule: &Rule) -> String {
        match self.first_difference(other, rule) {
            Some(Prefer::Ranked(_)) => "first in the rule's order".to_owned(),
            Some(Prefer::Nearest { band_km: 0 | 1 }) => format!("nearest ({})", self.distance()),
            Some(Prefer::Nearest { band_km }) => {
                format!("in the nearest band of {band_km} km ({})", self.distance())
            }
            Some(Prefer::MostStock) => "the one with most stock".to_owned(),
            None => "first by id among equals".to_owned(),
        }
    }

    /// Why this location comes after `winner`, as what it is: "farther away (344 km) than Reno (12 km)".
    pub fn handicap_against(&self, winner: &Self, rule: &Rule) -> String {
        let name = &winner.facts.name;
        match self.first_difference(winner, rule) {
            Some(Prefer::Ranked(_)) => format!("after {name} in the rule's order"),
            Some(Prefer::Nearest { .. }) => {
                let (own, other) = (self.distance(), winner.distance());
                format!("farther away ({own}) than {name} ({other})")
            }
            Some(Prefer::MostStock) => format!("behind {name} in stock"),
            None => format!("after {name} by id, and else its equal"),
        }
    }

    fn first_difference<'r>(&self, other: &Self, rule: &'r Rule) -> Option<&'r Prefer> {
        let at = self.key.iter().zip(&other.key).position(|(a, b)| a != b)?;
        rule.prefer.get(at)
    }

    fn distance(&self) -> String {
        self.distance_km
            .map_or_else(|| "distance unknown".to_owned(), |km| format!("{km} km"))
    }
}

/// Best first: the first preference that differs decides, at last the id.
pub(super) fn rank<'a>(
    locations: impl Iterator<Item = &'a LocationFacts>,
    rule: &Rule,
    request: &PlanRequest,
    needs: &Needs<'_>,
) -> Vec<Ranked<'a>> {
    let mut ranked: Vec<Ranked<'a>> = locations
        .map(|facts| Ranked::new(facts, rule, request, needs))
        .collect();
    ranked.sort_by(|a, b| {
        let ids = || a.facts.location.cmp(&b.facts.location);
        a.key.cmp(&b.key).then_with(ids)
    });
    ranked
}
