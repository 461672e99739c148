//! No file names a place that exists on one machine only.

use super::workspace::Workspace;
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "outside-paths",
    about: "no file names somebody's home or work folder",
    check,
};

/// Beginnings of such places, written in two parts so that this file does not find itself.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// A folder beside the project; tests may look there for larger data, and do without.
const BESIDE: &str = concat!("../sha", "red");

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &workspace.files {
        let production = file.production_lines();
        for (index, line) in file.text.lines().enumerate() {
            let is_test = file.is_test_code() || index >= production;
            if let Some(place) = named_place(line, is_test) {
                findings.push(Finding::new(
                    &file.path,
                    index + 1,
                    format!("names {place}, which only one machine has"),
                    "write a path relative to the project, or take it as a setting",
                ));
            }
        }
    }
    findings
}

fn named_place(line: &str, is_test: bool) -> Option<&'static str> {
    if line.contains(BESIDE) && !is_test {
        return Some(BESIDE);
    }
    PLACES.iter().copied().find(|place| {
        let mut hits = line.match_indices(place);
        hits.any(|(at, _)| starts_path(&line[..at]))
    })
}

/// Whether an absolute path may start after this text: not in the middle of an address or a relative path.
fn starts_path(before: &str) -> bool {
    let last = before.chars().next_back();
    !last.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '~' | '*'))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{files, findings};
    use super::*;

    #[test]
    fn a_place_on_one_machine_is_found() {
        for place in PLACES {
            let text = format!("first\nsee `{place}notes.md`\n");
            let workspace = files(&[("docs/a.md", text.as_str())]);
            let expected = format!("docs/a.md:2: names {place}, which only one machine has");
            assert_eq!(findings(&RULE, &workspace), [expected]);
        }
    }

    #[test]
    fn addresses_and_relative_paths_are_free() {
        for place in PLACES {
            let text = format!("https://example.com{place}a and .{place}b and $X/..{place}c\n");
            let workspace = files(&[("docs/a.md", text.as_str())]);
            assert_eq!(findings(&RULE, &workspace), [""; 0]);
        }
    }

    #[test]
    fn the_folder_beside_is_for_tests_only() {
        let text = format!("let data = \"{BESIDE}/orders.csv\";\n");
        let tested = format!("fn of_use() {{}}\n#[cfg(test)]\nmod tests {{\n{text}}}\n");
        let workspace = files(&[
            ("crates/sim/src/replay.rs", tested.as_str()),
            ("crates/sim/tests/replay.rs", text.as_str()),
            ("tests/replay/main.rs", text.as_str()),
            ("crates/sim/src/lib.rs", text.as_str()),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            [format!(
                "crates/sim/src/lib.rs:1: names {BESIDE}, which only one machine has"
            )]
        );
    }
}
