//! Every crate begins by saying what it is.

use super::workspace::Workspace;
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "crate-docs",
    about: "every lib.rs and main.rs of a crate begins with a `//!` doc",
    check,
};

fn check(workspace: &Workspace) -> Vec<Finding> {
    let roots = workspace.rust_files().filter(|file| {
        let parts: Vec<&str> = file.path.split('/').collect();
        matches!(parts.as_slice(), ["crates", _, "src", "lib.rs" | "main.rs"])
    });
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    roots
        .filter(|file| {
            first(&file.text)
                .strip_prefix("//!")
                .is_none_or(|doc| doc.trim().is_empty())
        })
        .map(|file| {
            Finding::new(
                &file.path,
                1,
                "the crate has no doc",
                "say in its first `//!` lines what it is and what it cannot do",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{files, findings};
    use super::*;

    #[test]
    fn a_crate_that_does_not_begin_with_its_doc_is_found() {
        let workspace = files(&[
            ("crates/model/src/lib.rs", "//! The nouns.\n"),
            ("crates/logic/src/lib.rs", "pub mod sku;\n//! Too late.\n"),
            ("crates/shard/src/lib.rs", "//!\n"),
            ("crates/node/src/main.rs", ""),
            ("crates/node/src/wiring.rs", "pub fn wire() {}\n"),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            [
                "crates/logic/src/lib.rs:1: the crate has no doc",
                "crates/node/src/main.rs:1: the crate has no doc",
                "crates/shard/src/lib.rs:1: the crate has no doc",
            ]
        );
    }
}
