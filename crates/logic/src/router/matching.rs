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
            let full = country
                .zip(state)
                .map(|(country, state)| format!("{country}-{state}"));
            one_of(states, full.as_deref())
        }
        Condition::PostalPrefix(prefixes) => {
            let postal = destination
                .and_then(|d| d.postal_prefix.as_deref())
                .unwrap_or("");
            let postal = postal.to_lowercase();
            prefixes
                .iter()
                .any(|prefix| !prefix.is_empty() && postal.starts_with(&prefix.to_lowercase()))
        }
        Condition::ServiceLevel(levels) => one_of(levels, request.service_level.as_deref()),
        Condition::Tag(tags) => request.tags.iter().any(|tag| one_of(tags, Some(tag))),
    }
}

fn one_of(known: &[String], text: Option<&str>) -> bool {
    let Some(text) = text.map(|text| text.trim().to_lowercase()) else {
        return false;
    };
    known
        .iter()
        .any(|known| known.trim().to_lowercase() == text)
}

/// Why a location may not be chosen: the first reason, in one sentence.
pub(super) fn excluded(
    facts: &LocationFacts,
    rule: &Rule,
    request: &PlanRequest,
) -> Option<String> {
    let what = if !facts.enabled {
        Some("is closed to new work".to_owned())
    } else if request.excluded.contains(&facts.location) {
        Some("is excluded: it has no capacity left, or was ruled out by hand".into())
    } else {
        let mut required = rule.require.iter();
        required.find_map(|require| lacks(facts, require, request))
    };
    what.map(|what| format!("{} {what}", facts.name))
}

fn lacks(facts: &LocationFacts, require: &Require, request: &PlanRequest) -> Option<String> {
    match require {
        Require::Location(locations) => (!locations.contains(&facts.location))
            .then(|| "is not one of the rule's locations".to_owned()),
        Require::Group(groups) => {
            let mut own = facts.groups.iter();
            (!own.any(|group| one_of(groups, Some(group))))
                .then(|| format!("is not in the group {}", groups.join(" or ")))
        }
        Require::SameCountry => {
            let from = &facts.address.country;
            let to = request.destination.as_ref().map(|to| to.country.as_str());
            match to {
                Some(to) if from.eq_ignore_ascii_case(to) => None,
                Some(to) => Some(format!("is in {from}, the order goes to {to}")),
                None => Some(format!("is in {from}, where the order goes is unknown")),
            }
        }
        Require::Service => {
            let level = request.service_level.as_deref()?;
            let ships = facts.services.is_empty() || one_of(&facts.services, Some(level));
            (!ships).then(|| format!("does not ship {level}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::command::PlanRequest;
    use crossdock_model::v1::Destination;

    use super::matches;
    use crate::router::parse_rules;
    use crate::router::tests::request;

    fn express_to_london() -> PlanRequest {
        PlanRequest {
            destination: Some(Destination {
                country: "GB".to_owned(),
                state: Some("ENG".to_owned()),
                postal_prefix: Some("SW1".to_owned()),
                ..Destination::default()
            }),
            service_level: Some("Express".to_owned()),
            tags: vec!["VIP".to_owned(), "gift".to_owned()],
            ..request("1:A=1")
        }
    }

    /// A condition, and whether the order above meets it and one to nowhere does.
    #[test]
    fn every_condition_says_yes_and_no() {
        let cases = [
            ("\"always\"", true, true),
            ("{ channel = [\"web\", \"SHOP\"] }", true, true),
            ("{ channel = [\"web\"] }", false, false),
            ("{ country = [\"us\", \"gb\"] }", true, false),
            ("{ country = [\"us\"] }", false, false),
            ("{ state = [\"gb-eng\"] }", true, false),
            ("{ state = [\"ENG\"] }", false, false),
            ("{ state = [\"GB-SCT\"] }", false, false),
            ("{ postal_prefix = [\"N\", \"sw\"] }", true, false),
            ("{ postal_prefix = [\"SW1\"] }", true, false),
            ("{ postal_prefix = [\"W1\"] }", false, false),
            ("{ postal_prefix = [\"\"] }", false, false),
            ("{ service_level = [\" express\"] }", true, false),
            ("{ service_level = [\"standard\"] }", false, false),
            ("{ tag = [\"vip\"] }", true, false),
            ("{ tag = [\"vi\"] }", false, false),
            ("{ not = { tag = [\"vip\"] } }", false, true),
            ("{ not = { not = { country = [\"gb\"] } } }", true, false),
            ("{ all = [] }", true, true),
            ("{ any = [] }", false, false),
            (
                "{ all = [{ country = [\"gb\"] }, { tag = [\"vip\"] }] }",
                true,
                false,
            ),
            (
                "{ all = [{ country = [\"gb\"] }, { tag = [\"none\"] }] }",
                false,
                false,
            ),
            (
                "{ any = [{ country = [\"us\"] }, { tag = [\"gift\"] }] }",
                true,
                false,
            ),
            (
                "{ any = [{ country = [\"us\"] }, { tag = [\"none\"] }] }",
                false,
                false,
            ),
        ];
        let here = express_to_london();
        let nowhere = PlanRequest {
            destination: None,
            service_level: None,
            tags: Vec::new(),
            ..here.clone()
        };
        for (text, expected, expected_nowhere) in cases {
            let set = parse_rules(&format!("[[rule]]\nname = \"r\"\nmatch = {text}\n")).unwrap();
            let condition = &set.rules[0].matches;
            let found = (matches(condition, &here), matches(condition, &nowhere));
            assert_eq!(found, (expected, expected_nowhere), "{text}");
        }
    }
}
