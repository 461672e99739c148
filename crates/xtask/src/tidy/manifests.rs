//! How packages are called, and that each takes the workspace's lints.
//!
//! Folders carry no prefix, packages do (`crates/model` is `crossdock-model`); the binary is `crossdock`. A package
//! that forgets `[lints] workspace = true` would escape every lint of the house.

use super::workspace::{PREFIX, Package, Workspace};
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "manifests",
    about: "packages are named as their folders are, and take the workspace's lints",
    check,
};

/// The one package without the prefix, so that `cargo xtask` reads as everywhere.
const UNPREFIXED: &str = "xtask";

/// What the operator types.
const BINARY: &str = "crossdock";

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let manifest = package.manifest();
        let mut found = |message: String, remedy: String| {
            let line = workspace.manifest_line(package, "name");
            findings.push(Finding::new(&manifest, line, message, remedy));
        };
        if let Some((message, remedy)) = name_fault(package) {
            found(message, remedy);
        }
        if package.short_name() == "node" && package.binaries != [BINARY] {
            found(
                format!("node's binaries are {:?}", package.binaries),
                format!("have one, called `{BINARY}`"),
            );
        }
        let takes_lints = |text: &str| text.contains("[lints]\nworkspace = true");
        let file = workspace.file(&manifest);
        if file.is_some_and(|file| !takes_lints(&file.text)) {
            found(
                format!("{} does not take the workspace's lints", package.name),
                "write `[lints]` and `workspace = true` under it".to_owned(),
            );
        }
    }
    findings
}

fn name_fault(package: &Package) -> Option<(String, String)> {
    let Package { name, folder, .. } = package;
    let last = folder.rsplit('/').next().unwrap_or(folder);
    if last.starts_with("crossdock") {
        let message = format!("the folder {folder} carries a prefix");
        return Some((message, "name it by what it holds".to_owned()));
    }
    let expected = match last {
        UNPREFIXED => UNPREFIXED.to_owned(),
        _ => format!("{PREFIX}{last}"),
    };
    // What stands beside others of its kind needs a longer name than its folder: `crossdock-tests-cluster`.
    let is_free = package.is_test_package() && name.starts_with(PREFIX);
    (*name != expected && !is_free).then(|| {
        let message = format!("the package in {folder} is called {name}");
        (message, format!("call it {expected}"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{files, findings, package, packages};
    use super::*;

    #[test]
    fn a_package_is_called_as_its_folder_with_the_prefix() {
        let mut plain = package("crates/model", &[]);
        plain.name = "model".to_owned();
        let mut other = package("tests/cluster", &[]);
        other.name = "crossdock-tests-cluster".to_owned();
        let prefixed = package("crates/crossdock-logic", &[]);
        let workspace = packages([plain, other, prefixed, package("crates/xtask", &[])]);
        assert_eq!(
            findings(&RULE, &workspace),
            [
                "crates/crossdock-logic/Cargo.toml:1: the folder crates/crossdock-logic carries a prefix",
                "crates/model/Cargo.toml:1: the package in crates/model is called model",
            ]
        );
    }

    #[test]
    fn the_binary_is_called_crossdock() {
        let mut node = package("crates/node", &[]);
        node.binaries = vec!["crossdock-node".to_owned()];
        let workspace = packages([node]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/node/Cargo.toml:1: node's binaries are [\"crossdock-node\"]"]
        );
    }

    #[test]
    fn a_manifest_without_the_lints_is_found() {
        let mut workspace = files(&[
            ("crates/model/Cargo.toml", "[package]\nname = \"x\"\n"),
            (
                "crates/logic/Cargo.toml",
                "[package]\n\n[lints]\nworkspace = true\n",
            ),
        ]);
        workspace.packages = vec![package("crates/model", &[]), package("crates/logic", &[])];
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/model/Cargo.toml:2: crossdock-model does not take the workspace's lints"]
        );
    }
}
