//! From the text of a rule set to rules that can be trusted: every problem is named before it is in force.

use std::collections::BTreeSet;

use crossdock_model::LocationId;
use crossdock_model::routing::{Condition, Otherwise, Prefer, Require, Rule, RuleSet, Split};
use thiserror::Error;

/// What is wrong with a rule set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("rule {rule:?}: {problem}")]
pub struct RuleProblem {
    /// The rule's name; empty for the set as a whole.
    pub rule: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Rules in force, with the version of their document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledRules {
    version: u32,
    rules: Vec<Rule>,
}

impl Default for CompiledRules {
    /// Nearest location, up to three shipments, else backorder: what holds until a rule set is saved.
    fn default() -> Self {
        let nearest = Rule {
            name: "default".to_owned(),
            owner: None,
            matches: Condition::Always,
            require: vec![Require::Service],
            prefer: vec![Prefer::Nearest { band_km: 1 }, Prefer::MostStock],
            split: Split::default(),
            otherwise: Otherwise::Backorder,
        };
        Self { version: 0, rules: vec![nearest] }
    }
}

impl CompiledRules {
    /// Checks a rule set against the locations there are.
    ///
    /// # Errors
    /// Every [`RuleProblem`] at once.
    pub fn compile(
        version: u32,
        set: &RuleSet,
        locations: &BTreeSet<LocationId>,
    ) -> Result<Self, Vec<RuleProblem>> {
        let mut problems = Vec::new();
        let mut problem = |rule: &str, what: String| {
            problems.push(RuleProblem { rule: rule.to_owned(), problem: what });
        };
        if set.rules.is_empty() {
            problem("", "a rule set has at least one [[rule]]".to_owned());
        }
        let mut names = BTreeSet::new();
        let mut closed_by: Option<&str> = None;
        for rule in &set.rules {
            if rule.name.trim().is_empty() || !names.insert(rule.name.as_str()) {
                problem(&rule.name, "names are unique and not empty".to_owned());
            }
            if let Some(earlier) = closed_by {
                problem(&rule.name, format!("is never reached: {earlier:?} takes every order before it"));
            }
            if rule.matches == Condition::Always && rule.otherwise != Otherwise::NextRule {
                closed_by.get_or_insert(&rule.name);
            }
            for location in named(rule).filter(|location| !locations.contains(*location)) {
                problem(&rule.name, format!("there is no location {location}"));
            }
        }
        match set.rules.last() {
            Some(last) if last.otherwise == Otherwise::NextRule => problem(
                &last.name,
                "is the last one and says next_rule: say backorder or exception".to_owned(),
            ),
            Some(last) if closed_by.is_none() => problem(
                &last.name,
                "orders that match no rule have nowhere to go: end with a rule without match".to_owned(),
            ),
            Some(_) | None => {}
        }
        match problems.is_empty() {
            true => Ok(Self { version, rules: set.rules.clone() }),
            false => Err(problems),
        }
    }

    /// Version of the document; 0 for the default.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

fn named(rule: &Rule) -> impl Iterator<Item = &LocationId> {
    let required = rule.require.iter().flat_map(|require| match require {
        Require::Location(locations) => locations.as_slice(),
        Require::Group(_) | Require::SameCountry | Require::Service => &[],
    });
    let preferred = rule.prefer.iter().flat_map(|prefer| match prefer {
        Prefer::Ranked(locations) => locations.as_slice(),
        Prefer::Nearest { .. } | Prefer::MostStock => &[],
    });
    required.chain(preferred)
}

/// Reads a rule set's text.
///
/// # Errors
/// One sentence with the line.
pub fn parse_rules(text: &str) -> Result<RuleSet, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })
}
