//! Model, logic and engine decide the same on every machine and at every time.
//!
//! So their production code names no clock, no randomness, nothing that iterates in an order of its own, nothing
//! that waits, and no I/O. Their tests may.

use super::code::{Token, begins};
use super::workspace::{File, Workspace};
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "pure-sources",
    about: "model, logic and engine name no clock, randomness, hash order, async or I/O",
    check,
};

const PURE: &[&str] = &["crates/model/", "crates/logic/", "crates/engine/"];

const CLOCK: &str = "take `now` as an argument";
const ORDER: &str = "use BTreeMap, BTreeSet or a sorted Vec: hash order differs from run to run";
const CHANCE: &str = "take what is drawn as an argument";
const WAITING: &str = "return an effect and let runtime wait for it";

/// Words that may not appear, and what to do instead.
const WORDS: &[(&str, &str)] = &[
    ("Instant", CLOCK),
    ("SystemTime", CLOCK),
    ("HashMap", ORDER),
    ("HashSet", ORDER),
    ("RandomState", ORDER),
    ("rand", CHANCE),
    ("getrandom", CHANCE),
    ("tokio", WAITING),
    ("async", WAITING),
    ("await", WAITING),
];

/// Modules of `std` that reach outside.
const STD_MODULES: &[&str] = &["fs", "net", "thread", "process", "env"];

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace.rust_files() {
        let is_pure = PURE.iter().any(|folder| file.path.starts_with(folder));
        if is_pure && !file.is_test_code() {
            check_file(file, &mut findings);
        }
    }
    findings
}

fn check_file(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.production_lines();
    let mut found = |token: &Token<'_>, name: &str, remedy: &str| {
        let message = format!("names {name}");
        findings.push(Finding::new(&file.path, token.line, message, remedy));
    };
    file.with_tokens(|tokens| {
        let production = tokens.partition_point(|token| token.line <= lines);
        let tokens = &tokens[..production];
        for (at, token) in tokens.iter().enumerate() {
            if let Some((word, remedy)) = WORDS.iter().find(|(word, _)| *word == token.text) {
                found(token, word, remedy);
            }
            if begins(&tokens[at..], &[":", ":", "now", "("]) {
                found(token, "a clock's now()", CLOCK);
            }
            for module in std_modules(&tokens[at..]) {
                if STD_MODULES.contains(&module.text) {
                    found(module, &format!("std::{}", module.text), WAITING);
                }
            }
        }
    });
}

/// The modules named by a path that begins here with `std::`, alone or in braces.
fn std_modules<'a, 'b>(tokens: &'b [Token<'a>]) -> Vec<&'b Token<'a>> {
    if !begins(tokens, &["std", ":", ":"]) {
        return Vec::new();
    }
    let path = &tokens[3..];
    if !begins(path, &["{"]) {
        return path.iter().take(1).collect();
    }
    let mut depth = 0_usize;
    let mut modules = Vec::new();
    for pair in path.windows(2) {
        match pair[0].text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(pair[0].text, "{" | ",") {
            modules.push(&pair[1]);
        }
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{files, findings};
    use super::*;

    fn check_logic(source: &str) -> Vec<String> {
        findings(&RULE, &files(&[("crates/logic/src/a.rs", source)]))
    }

    #[test]
    fn each_impure_name_is_found() {
        let cases = [
            ("use std::time::{Duration, Instant};", "Instant"),
            ("let t = std::time::SystemTime::UNIX_EPOCH;", "SystemTime"),
            ("use std::collections::HashMap;", "HashMap"),
            ("let s: HashSet<u8>;", "HashSet"),
            ("let n: u8 = rand::random();", "rand"),
            ("use tokio::sync;", "tokio"),
            ("pub async fn decide() {}", "async"),
            ("let t = jiff::Zoned::now();", "a clock's now()"),
            ("let a = std::fs::read(path);", "std::fs"),
            ("use std::net::TcpStream;", "std::net"),
            ("use std::{fmt, thread};", "std::thread"),
        ];
        for (source, name) in cases {
            let expected = format!("crates/logic/src/a.rs:1: names {name}");
            assert_eq!(check_logic(source), [expected], "{source}");
        }
    }

    #[test]
    fn words_that_only_look_impure_are_free() {
        let cases = [
            "// A HashMap would iterate in another order each run.",
            "let problem = \"tokio\";",
            "let operand = strand;",
            "use std::{fmt, collections::{BTreeMap, fs}};",
            "fn decide(now: Timestamp) {}",
            "#[cfg(test)]\nmod tests {\n    use std::collections::HashMap;\n}\n",
        ];
        for source in cases {
            assert_eq!(check_logic(source), [""; 0], "{source}");
        }
    }

    #[test]
    fn the_shell_is_free() {
        let source = "use std::collections::HashMap;\nuse tokio::sync;\n";
        let workspace = files(&[
            ("crates/runtime/src/a.rs", source),
            ("crates/engine/src/sub/tests.rs", source),
        ]);
        assert_eq!(findings(&RULE, &workspace), [""; 0]);
    }
}
