//! Small workspaces for the tests of the rules.

use super::Rule;
use super::workspace::{Dependency, File, Package, Workspace};

/// A workspace of these files, given as (path, text).
pub fn files(files: &[(&str, &str)]) -> Workspace {
    let file = |(path, text): &(&str, &str)| File {
        path: (*path).to_owned(),
        text: (*text).to_owned(),
    };
    Workspace {
        packages: Vec::new(),
        files: files.iter().map(file).collect(),
    }
}

/// A workspace of these packages.
pub fn packages<const N: usize>(packages: [Package; N]) -> Workspace {
    Workspace {
        packages: packages.into(),
        files: Vec::new(),
    }
}

/// A package of the house; a dependency is written `name`, `name?` if optional, `dev:name` if only for tests.
pub fn package(folder: &str, dependencies: &[&str]) -> Package {
    let dependency = |text: &&str| {
        let (dev, name) = match text.strip_prefix("dev:") {
            Some(name) => (true, name),
            None => (false, *text),
        };
        Dependency {
            name: name.trim_end_matches('?').to_owned(),
            dev,
            optional: name.ends_with('?'),
        }
    };
    let short = folder.rsplit('/').next().unwrap_or(folder);
    Package {
        name: match short {
            "xtask" => short.to_owned(),
            _ => format!("crossdock-{short}"),
        },
        folder: folder.to_owned(),
        dependencies: dependencies.iter().map(dependency).collect(),
        binaries: Vec::new(),
    }
}

/// What the rule finds, as `file:line: message`.
pub fn findings(rule: &Rule, workspace: &Workspace) -> Vec<String> {
    let mut findings = (rule.check)(workspace);
    findings.sort();
    findings
        .iter()
        .map(|found| format!("{}:{}: {}", found.file, found.line, found.message))
        .collect()
}
