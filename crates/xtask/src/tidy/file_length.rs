//! No file is longer than a reader holds in mind.
//!
//! The production part is everything before the inline `mod tests`; a file of tests alone may be longer, because
//! it is read one test at a time.

use super::workspace::Workspace;
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "file-length",
    about: "at most 500 lines before the tests, at most 800 in a file of tests",
    check,
};

const PRODUCTION_LINES_MAX: usize = 500;
const TEST_LINES_MAX: usize = 800;

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace.rust_files() {
        let (what, lines, max) = if file.is_test_code() {
            ("of tests", file.text.lines().count(), TEST_LINES_MAX)
        } else {
            let lines = file.production_lines();
            ("before the tests", lines, PRODUCTION_LINES_MAX)
        };
        if lines > max {
            findings.push(Finding::new(
                &file.path,
                max + 1,
                format!("{lines} lines {what}, {max} are the limit"),
                "split it by what it is about",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{files, findings};
    use super::*;

    #[test]
    fn only_the_production_part_counts() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// x\n".repeat(900));
        let long = format!("{}{tests}", "// x\n".repeat(501));
        let fitting = format!("{}{tests}", "// x\n".repeat(500));
        let workspace = files(&[
            ("crates/model/src/long.rs", long.as_str()),
            ("crates/model/src/fitting.rs", fitting.as_str()),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/model/src/long.rs:501: 501 lines before the tests, 500 are the limit"]
        );
    }

    #[test]
    fn a_file_of_tests_may_be_longer_but_not_endless() {
        let (fitting, long) = ("// x\n".repeat(800), "// x\n".repeat(801));
        let workspace = files(&[
            ("crates/logic/src/sku/tests.rs", fitting.as_str()),
            ("crates/journal/tests/contract.rs", long.as_str()),
            ("docs/long.md", long.as_str()),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/journal/tests/contract.rs:801: 801 lines of tests, 800 are the limit"]
        );
    }
}
