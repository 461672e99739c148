//! Which orders a rule is for, and which locations it rules out.

use crossdock_model::command::PlanRequest;
use crossdock_model::routing::{Condition, Require, Rule};
use crossdock_model::v1::LocationFacts;

/// Whether an order is one the rule is for.
pub(super) fn matches(condition: &Condition, request: &PlanRequest) -> bool {
    let destination = request.destination.as_ref();
    let country = destination.map(|d| d.country.as_str());
    match condition {
        Condition::Always => true,
        Condition::All(all) => all.iter().all(|condition| matches(condition, request)),
        Condition::Any(any) => any.iter().any(|condition| matches(condition, request)),
        Condition::Not(not) => !matches(not, request),
        Condition::Channel(channels) => one_of(channels, Some(request.order.channel.as_str())),
        Condition::Country(countries) => one_of(countries, country),
        Condition::State(states) => {
            let state = destination.and_then(|d| d.state.as_deref());
            let full = country.zip(state).map(|(country, state)| format!("{country}-{state}"));
            one_of(states, full.as_deref())
        }
        Condition::PostalPrefix(prefixes) => {
            let postal = destination.and_then(|d| d.postal_prefix.as_deref()).unwrap_or("");
            let postal = postal.to_lowercase();
            prefixes.iter().any(|prefix| !prefix.is_empty() && postal.starts_with(&prefix.to_lowercase()))
        }
        Condition::ServiceLevel(levels) => one_of(levels, request.service_level.as_deref()),
        Condition::Tag(tags) => request.tags.iter().any(|tag| one_of(tags, Some(tag))),
    }
}

fn one_of(known: &[String], text: Option<&str>) -> bool {
    let Some(text) = text.map(|text| text.trim().to_lowercase()) else { return false };
    known.iter().any(|known| known.trim().to_lowercase() == text)
}

/// Why a location may not be chosen: the first reason, in one sentence.
pub(super) fn excluded(facts: &LocationFacts, rule: &Rule, request: &PlanRequest) -> Option<String> {
    if !facts.enabled {
        return Some("is closed to new work".to_owned());
    }
    if request.excluded.contains(&facts.location) {
        return Some("was ruled out for this order".to_owned());
    }
    rule.require.iter().find_map(|require| lacks(facts, require, request))
}

fn lacks(facts: &LocationFacts, require: &Require, request: &PlanRequest) -> Option<String> {
    let country = request.destination.as_ref().map_or("", |d| d.country.as_str());
    match require {
        Require::Location(locations) => {
            (!locations.contains(&facts.location)).then(|| "is not one of the rule's locations".to_owned())
        }
        Require::Group(groups) => (!facts.groups.iter().any(|group| one_of(groups, Some(group))))
            .then(|| format!("is in none of the groups {}", groups.join(", "))),
        Require::SameCountry => (facts.address.country != country)
            .then(|| format!("is in {}, the order goes to {country}", facts.address.country)),
        Require::Service => {
            let level = request.service_level.as_deref()?;
            let ships = facts.services.is_empty() || one_of(&facts.services, Some(level));
            (!ships).then(|| format!("does not ship {level}"))
        }
    }
}
