//! Which of our crates may depend on which.
//!
//! A crate exists where something must be *unable* to reach something else; this table is what it cannot reach.
//! What only its tests need (dev-dependencies, and the packages under `tests/` and `benches/`) is free, but
//! nothing imports the binary or this tool. Of those packages the binary alone imports one: `bench` runs `benches`.

use super::workspace::{Dependency, Package, Workspace};
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "crate-table",
    about: "our crates depend on each other only as the table allows",
    check,
};

/// A crate and those of ours that its own code may use.
struct Row {
    name: &'static str,
    may_use: &'static [&'static str],
}

const TABLE: &[Row] = &[
    row("model", &[]),
    row("logic", &["model"]),
    row("engine", &["model", "logic"]),
    row("journal", &["model"]),
    row("shard", &["model"]),
    row("runtime", &["model", "logic", "engine", "journal", "shard"]),
    row("channels", &["model"]),
    row("insight", &["model", "journal"]),
    row("api", &["model", "runtime", "insight", "channels"]),
    row(
        "sim",
        &[
            "model", "logic", "engine", "journal", "shard", "runtime", "channels",
        ],
    ),
    row(
        "node",
        &[
            "model", "logic", "engine", "journal", "shard", "runtime", "channels", "insight",
            "api", "sim", "benches",
        ],
    ),
    row("xtask", &[]),
];

/// Nobody may import these, not even a test of another crate.
const NEVER_IMPORTED: &[&str] = &["node", "xtask"];

const fn row(name: &'static str, may_use: &'static [&'static str]) -> Row {
    Row { name, may_use }
}

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let packages = workspace.packages.iter();
    for package in packages.filter(|package| !package.is_test_package()) {
        let Some(row) = TABLE.iter().find(|row| row.name == package.short_name()) else {
            findings.push(Finding::new(
                &package.manifest(),
                1,
                format!("{} is not in the table of crates", package.name),
                "add its row to ARCHITECTURE.md and to tidy/crate_table.rs",
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let used = ours(workspace, &dependency.name).map(Package::short_name);
            let fault = used.and_then(|used| fault(row, used, dependency));
            if let Some((message, remedy)) = fault {
                let line = workspace.manifest_line(package, &dependency.name);
                findings.push(Finding::new(&package.manifest(), line, message, remedy));
            }
        }
    }
    findings
}

/// What is wrong with this edge, and what to do about it.
fn fault(row: &Row, used: &str, dependency: &Dependency) -> Option<(String, &'static str)> {
    let name = row.name;
    if NEVER_IMPORTED.contains(&used) {
        let message = format!("{name} depends on {used}, which nothing may import");
        return Some((message, "move what it needs into a library crate"));
    }
    if dependency.dev {
        return None;
    }
    if !row.may_use.contains(&used) {
        let message = format!("{name} depends on {used}");
        return Some((message, "move the code to a crate that may reach both"));
    }
    // Who ships the binary without simulated channels must be able to.
    if used == "sim" && !dependency.optional {
        let message = format!("{name} depends on sim unconditionally");
        return Some((message, "make it optional, behind the feature `sim`"));
    }
    None
}

fn ours<'a>(workspace: &'a Workspace, name: &str) -> Option<&'a Package> {
    let mut packages = workspace.packages.iter();
    packages.find(|package| package.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{files, findings, package, packages};
    use super::*;

    #[test]
    fn an_edge_that_the_table_does_not_have_is_found() {
        let workspace = packages([
            package("crates/model", &["serde"]),
            package("crates/logic", &["crossdock-model"]),
            package("crates/journal", &["crossdock-model", "crossdock-logic"]),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/journal/Cargo.toml:1: journal depends on logic"]
        );
    }

    #[test]
    fn the_finding_points_at_the_line_of_the_manifest() {
        let manifest =
            "[dependencies]\ncrossdock-logical = \"1\"\ncrossdock-logic.workspace = true\n";
        let mut workspace = files(&[("crates/model/Cargo.toml", manifest)]);
        workspace.packages = vec![
            package("crates/logic", &[]),
            package("crates/model", &["crossdock-logic"]),
        ];
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/model/Cargo.toml:3: model depends on logic"]
        );
    }

    #[test]
    fn dev_dependencies_are_free_but_for_the_binary() {
        let workspace = packages([
            package("crates/node", &[]),
            package("crates/journal", &[]),
            package("crates/engine", &["dev:crossdock-journal"]),
            package("crates/runtime", &["dev:crossdock-node"]),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/runtime/Cargo.toml:1: runtime depends on node, which nothing may import"]
        );
    }

    #[test]
    fn packages_of_tests_and_benches_may_use_any() {
        let workspace = packages([
            package("crates/node", &[]),
            package("tests/cluster", &["crossdock-node"]),
            package("benches/sale", &["crossdock-node"]),
        ]);
        assert_eq!(findings(&RULE, &workspace), [""; 0]);
    }

    #[test]
    fn the_binary_takes_the_simulator_only_behind_a_feature() {
        let sim = || package("crates/sim", &[]);
        let optional = packages([sim(), package("crates/node", &["crossdock-sim?"])]);
        assert_eq!(findings(&RULE, &optional), [""; 0]);
        let fixed = packages([sim(), package("crates/node", &["crossdock-sim"])]);
        assert_eq!(
            findings(&RULE, &fixed),
            ["crates/node/Cargo.toml:1: node depends on sim unconditionally"]
        );
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let workspace = packages([package("crates/utils", &[])]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/utils/Cargo.toml:1: crossdock-utils is not in the table of crates"]
        );
    }
}
