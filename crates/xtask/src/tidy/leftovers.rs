//! Nothing half done is committed: no placeholder, no debugging aid, no test switched off without a reason.

use super::code::{Token, begins};
use super::workspace::{File, Workspace};
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "leftovers",
    about: "no todo!, unimplemented! or dbg!, and no #[ignore] without a reason",
    check,
};

/// Macros that no commit holds, and what to do about each.
const MACROS: &[(&str, &str)] = &[
    ("todo", "write it, or leave it out"),
    (
        "unimplemented",
        "write it, or make the case unrepresentable",
    ),
    ("dbg", "take it out"),
];

const REASON: &str = "write #[ignore = \"why, and until when\"]";

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace.rust_files() {
        file.with_tokens(|tokens| check_tokens(file, tokens, &mut findings));
    }
    findings
}

fn check_tokens(file: &File, tokens: &[Token<'_>], findings: &mut Vec<Finding>) {
    for (at, token) in tokens.iter().enumerate() {
        let macro_named = MACROS.iter().find(|(name, _)| *name == token.text);
        if let Some((name, remedy)) = macro_named
            && begins(&tokens[at + 1..], &["!"])
        {
            let message = format!("{name}! is left over");
            findings.push(Finding::new(&file.path, token.line, message, *remedy));
        }
        if token.text == "ignore" && is_attribute(tokens, at) && !has_reason(file, tokens, at) {
            let message = "a test is switched off without a reason";
            findings.push(Finding::new(&file.path, token.line, message, REASON));
        }
    }
}

/// Whether the word here is `#[ignore` or the `ignore` of a `cfg_attr(…, ignore)`.
fn is_attribute(tokens: &[Token<'_>], at: usize) -> bool {
    let before = &tokens[..at];
    let opening = before.iter().rposition(|token| token.text == "[");
    let Some(opening) = opening else {
        return false;
    };
    let inside = &tokens[opening + 1..];
    let is_open = before[opening..].iter().all(|token| token.text != "]");
    opening > 0
        && tokens[opening - 1].text == "#"
        && is_open
        && (opening + 1 == at
            || begins(inside, &["cfg_attr"]) && matches!(tokens[at - 1].text, ","))
}

/// Whether the attribute goes on with a reason that says something.
fn has_reason(file: &File, tokens: &[Token<'_>], at: usize) -> bool {
    let line = file.text.lines().nth(tokens[at].line - 1);
    let is_empty = line.is_some_and(|line| line.contains("ignore = \"\""));
    begins(&tokens[at + 1..], &["="]) && !is_empty
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{files, findings};
    use super::*;

    fn check_source(source: &str) -> Vec<String> {
        findings(&RULE, &files(&[("a.rs", source)]))
    }

    #[test]
    fn a_left_over_macro_is_found() {
        for name in ["todo", "unimplemented", "dbg"] {
            let source = format!("fn f() {{\n    {name}!(1)\n}}\n");
            assert_eq!(
                check_source(&source),
                [format!("a.rs:2: {name}! is left over")]
            );
        }
        assert_eq!(check_source("// todo!()\nlet todo = \"dbg!\";\n"), [""; 0]);
    }

    #[test]
    fn a_test_is_switched_off_only_with_a_reason() {
        let off = ["a.rs:1: a test is switched off without a reason"];
        assert_eq!(check_source("#[ignore]\nfn f() {}"), off);
        assert_eq!(check_source("#[ignore = \"\"]\nfn f() {}"), off);
        assert_eq!(check_source("#[cfg_attr(miri, ignore)]\nfn f() {}"), off);
        assert_eq!(
            check_source("#[ignore = \"needs Redis\"]\nfn f() {}"),
            [""; 0]
        );
        assert_eq!(check_source("let ignore = a[ignore];"), [""; 0]);
    }
}
