//! The one place that prints: data on stdout, talk on stderr.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

/// Where a command's results go. With `--json`, stdout carries one JSON document and nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    json: bool,
}

impl Out {
    /// Prints for people, or with `json` for programs.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether stdout carries JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// A result: the document itself, or what `human` makes of it.
    pub(crate) fn show(self, document: &Value, human: impl FnOnce(Self, &Value)) {
        if self.json {
            self.line(document);
        } else {
            human(self, document);
        }
    }

    /// A line of data. A reader that went away (`| head`) is no error.
    pub(crate) fn line(self, line: impl Display) {
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// A line of talk.
    pub(crate) fn say(self, line: impl Display) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Text as it stands, for generated files.
    pub(crate) fn raw(self, text: &[u8]) {
        let _ = io::stdout().write_all(text);
    }

    /// A table with aligned columns.
    pub(crate) fn table(self, head: &[&str], rows: &[Vec<String>]) {
        for line in table_lines(head, rows) {
            self.line(line);
        }
    }
}

fn table_lines(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let mut widths: Vec<usize> = head.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let missing = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(missing))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(
        rows.iter()
            .map(|row| line(row.iter().map(String::as_str).collect())),
    );
    lines
}

/// A field of a document as text for people: strings bare, nothing for what is absent.
pub(crate) fn text(document: &Value, field: &str) -> String {
    plain(&document[field])
}

/// So many of them, `1 line` or `3 lines`.
pub(crate) fn many(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// A value as text for people.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// The items of a list: the document itself, or the first array in it under one of the usual names.
pub(crate) fn items(document: &Value) -> &[Value] {
    let found = document.as_array().or_else(|| {
        let fields = document.as_object()?;
        fields.values().find_map(Value::as_array)
    });
    found.map_or(&[], Vec::as_slice)
}

/// Rows of a table: the named fields of each item.
pub(crate) fn rows(document: &Value, fields: &[&str]) -> Vec<Vec<String>> {
    let row = |item: &Value| fields.iter().map(|field| text(item, field)).collect();
    items(document).iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_are_aligned() {
        let rows = vec![
            vec!["a".to_owned(), "1".to_owned()],
            vec!["long".to_owned(), "22".to_owned()],
        ];
        assert_eq!(
            table_lines(&["SKU", "ATS"], &rows),
            ["SKU   ATS", "a     1", "long  22"]
        );
    }

    #[test]
    fn one_is_not_many() {
        let lines = [0, 1, 2].map(|number| many(number, "line"));
        assert_eq!(lines, ["0 lines", "1 line", "2 lines"]);
    }

    #[test]
    fn fields_read_plainly() {
        let document = json!({"items": [{"sku": "A-1", "ats": 3, "tags": ["x", "y"]}]});
        assert_eq!(
            rows(&document, &["sku", "ats", "tags", "none"]),
            [["A-1", "3", "x, y", ""]]
        );
    }
}
