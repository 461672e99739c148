//! Every stable error code has a page that says what happened and who must act.
//!
//! Codes are read where they are written: the string literals of a `fn code` that matches, and of a `const …CODES`
//! slice, in the model's rejections and anywhere in the API.

use super::workspace::{File, Workspace};
use super::{Finding, Rule};

pub const RULE: Rule = Rule {
    name: "error-pages",
    about: "every stable error code has a page in docs/errors",
    check,
};

const PAGES: &str = "docs/errors/";
const REJECTIONS: &str = "crates/model/src/rejection.rs";
const API: &str = "crates/api/src/";

fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = empty_pages(workspace);
    let rejections: Vec<&File> = workspace.file(REJECTIONS).into_iter().collect();
    let api: Vec<&File> = workspace
        .rust_files()
        .filter(|file| file.path.starts_with(API) && !file.is_test_code())
        .collect();
    for sources in [rejections, api] {
        check_sources(workspace, &sources, &mut findings);
    }
    findings
}

fn empty_pages(workspace: &Workspace) -> Vec<Finding> {
    let pages = workspace.files.iter().filter(|file| {
        file.path.starts_with(PAGES) && file.path.ends_with(".md") && file.text.trim().is_empty()
    });
    pages
        .map(|page| {
            let remedy = "say what happened, why, and who must do what";
            Finding::new(&page.path, 1, "the page of an error is empty", remedy)
        })
        .collect()
}

fn check_sources(workspace: &Workspace, sources: &[&File], findings: &mut Vec<Finding>) {
    let mut is_any = false;
    for file in sources {
        for (line, code) in codes(&file.text) {
            is_any = true;
            let page = format!("{PAGES}{code}.md");
            if workspace.file(&page).is_none() {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!("the error code {code} has no page"),
                    format!("write {page}"),
                ));
            }
        }
    }
    // A source that changed its form must not make the rule hold by finding nothing.
    if let (false, Some(first)) = (is_any, sources.first()) {
        findings.push(Finding::new(
            &first.path,
            1,
            "no error code is found here",
            "list them in a `fn code` that matches or a `const ERROR_CODES` slice",
        ));
    }
}

/// The codes that this source lists, with their lines.
fn codes(text: &str) -> Vec<(usize, &str)> {
    let mut codes = Vec::new();
    let mut until = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if until.is_none() {
            until = list_end(line);
        }
        let Some(end) = &until else {
            continue;
        };
        if !trimmed.starts_with("//") {
            codes.extend(literals(trimmed).map(|code| (index + 1, code)));
        }
        if line.starts_with(end.as_str()) || trimmed.ends_with("];") {
            until = None;
        }
    }
    codes
}

/// If the line opens a list of codes, how the line that closes it begins.
fn list_end(line: &str) -> Option<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    if line.contains("fn code(") {
        return Some(format!("{indent}}}"));
    }
    let (_, declared) = line.split_once("const ")?;
    let name = declared.split(':').next()?;
    name.ends_with("CODES").then(|| format!("{indent}]"))
}

/// What stands between quotes and looks like a code.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    let is_code = |text: &&str| {
        let is_sign = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        !text.is_empty() && text.chars().all(is_sign)
    };
    line.split('"').skip(1).step_by(2).filter(is_code)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{files, findings};
    use super::*;

    const SOURCE: &str = r#"impl Rejection {
    pub fn code(&self) -> &'static str {
        match self {
            // Not "this_one".
            Self::Short { .. } => "short",
            Self::TooOld => "too_old",
        }
    }

    pub fn other(&self) -> &'static str {
        "no_code"
    }
}
"#;

    #[test]
    fn a_code_without_a_page_is_found() {
        let workspace = files(&[(REJECTIONS, SOURCE), ("docs/errors/short.md", "# short\n")]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/model/src/rejection.rs:6: the error code too_old has no page"]
        );
    }

    #[test]
    fn a_page_says_something() {
        let workspace = files(&[("docs/errors/short.md", " \n")]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["docs/errors/short.md:1: the page of an error is empty"]
        );
    }

    #[test]
    fn the_codes_of_the_api_are_read_from_its_slice() {
        let source = "pub const ERROR_CODES: &[&str] = &[\n    \"unauthorized\",\n    \"not_found\",\n];\n\
            const NAME: &str = \"no_code\";\n";
        let workspace = files(&[
            ("crates/api/src/error.rs", source),
            ("docs/errors/not_found.md", "# not_found\n"),
        ]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/api/src/error.rs:2: the error code unauthorized has no page"]
        );
        let one_line = "const CODES: &[&str] = &[\"gone\"];\nlet a = \"no_code\";\n";
        assert_eq!(codes(one_line), [(1, "gone")]);
    }

    #[test]
    fn a_source_that_lists_no_code_is_found() {
        let workspace = files(&[(REJECTIONS, "pub enum Rejection {}\n")]);
        assert_eq!(
            findings(&RULE, &workspace),
            ["crates/model/src/rejection.rs:1: no error code is found here"]
        );
    }
}
