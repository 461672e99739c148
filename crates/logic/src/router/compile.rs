//! From the text of a rule set to rules that can be trusted: every problem is named before it is in force.

use std::collections::BTreeSet;

use crossdock_model::LocationId;
use crossdock_model::routing::{Condition, Otherwise, Prefer, Require, Rule, RuleSet, Split};
use thiserror::Error;

/// Shipments a rule may allow for one order.
pub const SHIPMENTS_MAX: u8 = 10;
/// Rules of one set.
const RULES_MAX: usize = 1_000;

/// What is wrong with a rule set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("rule {rule:?}: {problem}")]
pub struct RuleProblem {
    /// The rule's name; empty for the set as a whole.
    pub rule: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// Why a text is not a rule set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {message}")]
pub struct RuleTextError {
    /// The line, 1 for the first.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
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
        Self {
            version: 0,
            rules: vec![nearest],
        }
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
        let mut check = Check {
            locations,
            problems: Vec::new(),
        };
        check.set(set);
        set.rules.iter().for_each(|rule| check.rule(rule));
        match check.problems.is_empty() {
            true => Ok(Self {
                version,
                rules: set.rules.clone(),
            }),
            false => Err(check.problems),
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

/// Reads a rule set's text.
///
/// # Errors
/// [`RuleTextError`] with the line.
pub fn parse_rules(text: &str) -> Result<RuleSet, RuleTextError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        RuleTextError {
            line: before.unwrap_or("").matches('\n').count() + 1,
            message: error.message().to_owned(),
        }
    })
}

/// Locations that one order may leave from.
pub(super) fn shipments_max(rule: &Rule) -> usize {
    match rule.split {
        Split::Never => 1,
        Split::UpTo { shipments } => usize::from(shipments.clamp(1, SHIPMENTS_MAX)),
    }
}

struct Check<'a> {
    locations: &'a BTreeSet<LocationId>,
    problems: Vec<RuleProblem>,
}

impl Check<'_> {
    fn problem(&mut self, rule: &str, problem: impl Into<String>) {
        self.problems.push(RuleProblem {
            rule: rule.to_owned(),
            problem: problem.into(),
        });
    }

    /// What is wrong between rules.
    fn set(&mut self, set: &RuleSet) {
        if set.rules.len() > RULES_MAX {
            self.problem("", format!("a rule set has at most {RULES_MAX} rules"));
        }
        let mut names = BTreeSet::new();
        let mut closed_by: Option<&str> = None;
        for rule in &set.rules {
            if !names.insert(rule.name.as_str()) {
                self.problem(&rule.name, "another rule has this name: choose a new one");
            }
            if let Some(earlier) = closed_by {
                let problem = format!(
                    "is never reached: {earlier:?} takes every order before it; move it up, or let {earlier:?} say next_rule"
                );
                self.problem(&rule.name, problem);
            }
            if always(&rule.matches) && rule.otherwise != Otherwise::NextRule {
                closed_by.get_or_insert(&rule.name);
            }
        }
        match set.rules.last() {
            None => self.problem("", "a rule set has at least one [[rule]]: add one"),
            Some(last) if last.otherwise == Otherwise::NextRule => self.problem(
                &last.name,
                "is the last one and says next_rule: say backorder or exception",
            ),
            Some(last) if closed_by.is_none() => self.problem(
                &last.name,
                "orders that match no rule have nowhere to go: end with a rule without match",
            ),
            Some(_) => {}
        }
    }

    /// What is wrong within one rule.
    fn rule(&mut self, rule: &Rule) {
        if rule.name.trim().is_empty() {
            self.problem(&rule.name, "has no name: give it one");
        }
        if never(&rule.matches) {
            self.problem(
                &rule.name,
                "matches no order: fill its empty list or remove it",
            );
        }
        for location in named(rule) {
            if !self.locations.contains(location) {
                let problem =
                    format!("there is no location {location}: define it or correct the name");
                self.problem(&rule.name, problem);
            }
        }
        let empty = rule.require.iter().any(|require| match require {
            Require::Location(list) => list.is_empty(),
            Require::Group(list) => list.is_empty(),
            Require::SameCountry | Require::Service => false,
        });
        if empty {
            self.problem(
                &rule.name,
                "requires one of an empty list: fill it or remove it",
            );
        }
        if rule.prefer.contains(&Prefer::Nearest { band_km: 0 }) {
            self.problem(
                &rule.name,
                "a band has at least 1 km: say band_km = 1 for exact distance",
            );
        }
        if let Split::UpTo { shipments } = rule.split
            && !(1..=SHIPMENTS_MAX).contains(&shipments)
        {
            let problem = format!("splits into 1 to {SHIPMENTS_MAX} shipments, not {shipments}");
            self.problem(&rule.name, problem);
        }
    }
}

/// Whether every order matches.
fn always(condition: &Condition) -> bool {
    match condition {
        Condition::Always => true,
        Condition::All(all) => all.iter().all(always),
        Condition::Any(any) => any.iter().any(always),
        Condition::Not(not) => never(not),
        Condition::Channel(_)
        | Condition::Country(_)
        | Condition::State(_)
        | Condition::PostalPrefix(_)
        | Condition::ServiceLevel(_)
        | Condition::Tag(_) => false,
    }
}

/// Whether no order matches.
fn never(condition: &Condition) -> bool {
    match condition {
        Condition::Always => false,
        Condition::All(all) => all.iter().any(never),
        Condition::Any(any) => any.iter().all(never),
        Condition::Not(not) => always(not),
        Condition::Channel(list)
        | Condition::Country(list)
        | Condition::State(list)
        | Condition::PostalPrefix(list)
        | Condition::ServiceLevel(list)
        | Condition::Tag(list) => list.is_empty(),
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
