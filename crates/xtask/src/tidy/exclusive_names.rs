//! Libraries that only one of our crates may name, so that they can be swapped or faked behind its interface.
//!
//! The packages of tests and benches, and dev-dependencies, may name them too.

use super::workspace::Workspace;
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "exclusive-names",
    about: "databases, transports and exporters are named by their one crate only",
    check,
};

/// Libraries of one kind and the crates that may name them.
struct Exclusive {
    libraries: &'static [&'static str],
    owners: &'static [&'static str],
}

const EXCLUSIVE: &[Exclusive] = &[
    Exclusive {
        libraries: &["rusqlite", "postgres", "tokio-postgres", "sqlx"],
        owners: &["journal", "insight"],
    },
    Exclusive {
        libraries: &["redis", "fred"],
        owners: &["shard"],
    },
    Exclusive {
        libraries: &["ractor", "ractor_cluster", "tonic"],
        owners: &["runtime"],
    },
    Exclusive {
        libraries: &["axum", "axum-extra"],
        owners: &["api", "sim"],
    },
    Exclusive {
        libraries: &["reqwest", "ureq"],
        owners: &["channels", "sim", "node"],
    },
    Exclusive {
        libraries: &["clap", "opentelemetry-otlp", "opentelemetry_sdk"],
        owners: &["node"],
    },
    Exclusive {
        libraries: &["bincode"],
        owners: &["model"],
    },
];

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let packages = workspace.packages.iter();
    for package in packages.filter(|package| !package.is_test_package()) {
        for dependency in package.dependencies.iter().filter(|found| !found.dev) {
            let name = dependency.name.as_str();
            let exclusive = EXCLUSIVE.iter().find(|one| one.libraries.contains(&name));
            let Some(Exclusive { owners, .. }) = exclusive else {
                continue;
            };
            if !owners.contains(&package.short_name()) {
                findings.push(Finding::new(
                    &package.manifest(),
                    workspace.manifest_line(package, name),
                    format!("{} names {name}", package.short_name()),
                    format!("only {} may: go through its interface", owners.join(", ")),
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
    fn only_the_owner_may_name_a_library() {
        let workspace = packages([
            package("crates/journal", &["rusqlite"]),
            package("crates/insight", &["rusqlite"]),
            package("crates/api", &["axum", "rusqlite", "bincode"]),
            package("crates/runtime", &["ractor", "redis"]),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            [
                "crates/api/Cargo.toml:1: api names bincode",
                "crates/api/Cargo.toml:1: api names rusqlite",
                "crates/runtime/Cargo.toml:1: runtime names redis",
            ]
        );
    }

    #[test]
    fn tests_and_benches_may_name_any() {
        let workspace = packages([
            package("tests/api", &["reqwest", "axum"]),
            package("benches", &["postgres"]),
            package("crates/api", &["dev:reqwest"]),
        ]);
        assert_eq!(findings(&RULE, &workspace), [""; 0]);
    }
}
