//! Libraries that a crate may not name because it must be unable to do what they do.
//!
//! Model, logic and engine are synchronous and know no randomness and no clock; the journal blocks, and the
//! committer's thread is what waits for it.

use super::workspace::Workspace;
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "refused-names",
    about: "the functional core and the journal name no async runtime, the core no randomness",
    check,
};

/// Libraries, the crates that may not name them, and where the work belongs.
struct Refused {
    libraries: &'static [&'static str],
    crates: &'static [&'static str],
    remedy: &'static str,
}

const REFUSED: &[Refused] = &[
    Refused {
        libraries: &["tokio", "futures", "async-trait", "smol"],
        crates: &["model", "logic", "engine", "journal"],
        remedy: "let runtime do what waits",
    },
    Refused {
        libraries: &["rand", "getrandom", "fastrand", "uuid"],
        crates: &["model", "logic", "engine"],
        remedy: "take what is drawn as an argument",
    },
];

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        for dependency in package.dependencies.iter().filter(|found| !found.dev) {
            let name = dependency.name.as_str();
            let hit = REFUSED.iter().find(|refused| {
                refused.libraries.contains(&name) && refused.crates.contains(&package.short_name())
            });
            if let Some(refused) = hit {
                findings.push(Finding::new(
                    &package.manifest(),
                    workspace.manifest_line(package, name),
                    format!("{} names {name}", package.short_name()),
                    refused.remedy,
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{findings, package, packages};
    use super::*;

    #[test]
    fn the_core_names_neither_tokio_nor_randomness() {
        let workspace = packages([
            package("crates/engine", &["tokio", "getrandom", "thiserror"]),
            package("crates/journal", &["tokio", "getrandom"]),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            [
                "crates/engine/Cargo.toml:1: engine names getrandom",
                "crates/engine/Cargo.toml:1: engine names tokio",
                "crates/journal/Cargo.toml:1: journal names tokio",
            ]
        );
    }

    #[test]
    fn the_shell_and_tests_may() {
        let workspace = packages([
            package("crates/runtime", &["tokio"]),
            package("crates/journal", &["dev:tokio"]),
        ]);
        assert_eq!(findings(&RULE, &workspace), [""; 0]);
    }
}
