//! The rules of the house. To add one: a file here with its doc, its `RULE` and its tests, and a line in [`RULES`].

mod code;
mod crate_docs;
mod crate_table;
mod error_pages;
mod exclusive_names;
mod file_length;
#[cfg(test)]
mod fixture;
mod leftovers;
mod manifests;
mod outside_paths;
mod pure_sources;
mod refused_names;
pub mod workspace;

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use workspace::Workspace;

/// Every rule, in the order in which help lists them.
pub const RULES: &[Rule] = &[
    crate_table::RULE,
    exclusive_names::RULE,
    refused_names::RULE,
    manifests::RULE,
    crate_docs::RULE,
    file_length::RULE,
    pure_sources::RULE,
    leftovers::RULE,
    outside_paths::RULE,
    error_pages::RULE,
];

/// One rule of the house.
pub struct Rule {
    /// What it is called: its file's name, with hyphens.
    pub name: &'static str,
    /// What it demands, in one line.
    pub about: &'static str,
    /// Everything in the workspace that breaks it.
    check: fn(&Workspace) -> Vec<Finding>,
}

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// Counted from 1.
    line: usize,
    /// What is wrong.
    message: String,
    /// What to do about it.
    remedy: String,
}

impl Finding {
    fn new(file: &str, line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            message,
            remedy,
        } = self;
        write!(f, "{file}:{line}: {message}, {remedy}")
    }
}

/// Checks every rule against the workspace and reports all findings at once; fails if there is one.
pub fn run(out: &mut impl Write) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut total = 0;
    for rule in RULES {
        let mut findings = (rule.check)(&workspace);
        findings.sort();
        total += findings.len();
        for finding in findings {
            writeln!(out, "{finding} [{}]", rule.name)?;
        }
    }
    let (rules, files) = (RULES.len(), workspace.files.len());
    if total == 0 {
        writeln!(out, "tidy: {rules} rules hold in {files} files")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "tidy: {total} findings of {rules} rules in {files} files"
    )?;
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_finding_says_where_what_and_what_to_do() {
        let finding = Finding::new("crates/a/src/b.rs", 7, "names tokio", "move it");
        assert_eq!(
            finding.to_string(),
            "crates/a/src/b.rs:7: names tokio, move it"
        );
    }

    #[test]
    fn every_rule_has_a_name_of_its_own_and_no_rule_finds_fault_with_nothing() {
        let names: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
        for rule in RULES {
            assert_eq!((rule.check)(&Workspace::default()), [], "{}", rule.name);
        }
    }
}
