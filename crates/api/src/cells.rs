//! CSV out and in. A cell that a spreadsheet would run as a formula is written behind an apostrophe.
//!
//! Source: OWASP, "CSV Injection": cells that begin with `= + - @`, TAB, CR or LF.

use serde_json::{Map, Value};

const DANGEROUS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// Writes a table.
pub(crate) fn write(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    // A Vec takes every byte, and every row has the length of the head.
    let _ = writer.write_record(head);
    for row in rows {
        let _ = writer.write_record(row.iter().map(|cell| guarded(cell)));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn guarded(cell: &str) -> String {
    match cell.starts_with(DANGEROUS) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(DANGEROUS) => rest,
        Some(_) | None => cell,
    }
}

/// How the cells of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Text,
    Number,
    Flag,
    /// Separated by `;`.
    Texts,
    /// Separated by `;`.
    Numbers,
    /// `SKU:UNITS`, separated by `;`.
    Components,
}

/// A line of a file: its number, and its value or what is wrong with it.
pub(crate) type FileLine = (u64, Result<Value, String>);

/// Reads CSV with a head line into JSON objects, one after the other. Empty cells are left out.
pub(crate) fn read(body: &[u8], columns: &[(&str, Column)], mut each: impl FnMut(FileLine)) {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(body);
    let head: Vec<String> = match reader.headers() {
        Ok(head) => head.iter().map(|name| name.trim().to_owned()).collect(),
        Err(error) => return each((1, Err(error.to_string()))),
    };
    let unknown = head.iter().find(|name| column(columns, name).is_none());
    if let Some(name) = unknown {
        let known: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let what = format!("unknown column {name:?}; known are {}", known.join(", "));
        return each((1, Err(what)));
    }
    for record in reader.records() {
        each(match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                (line, object(&record, &head, columns))
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                (line, Err(error.to_string()))
            }
        });
    }
}

/// Reads JSON Lines, one after the other. Blank lines are left out.
pub(crate) fn read_json(body: &[u8], each: impl FnMut(FileLine)) {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let filled = (1..).zip(lines).filter(|(_, line)| !line.is_empty());
    let read = filled.map(|(number, line)| {
        let read = serde_json::from_slice(line);
        (number, read.map_err(|error| format!("not JSON: {error}")))
    });
    read.for_each(each);
}

fn column(columns: &[(&str, Column)], name: &str) -> Option<Column> {
    let found = columns.iter().find(|(known, _)| *known == name);
    found.map(|(_, column)| *column)
}

fn object(
    record: &csv::StringRecord,
    head: &[String],
    columns: &[(&str, Column)],
) -> Result<Value, String> {
    if record.len() > head.len() {
        return Err(format!(
            "{} cells under {} columns",
            record.len(),
            head.len()
        ));
    }
    let mut fields = Map::new();
    for (name, cell) in head.iter().zip(record) {
        let cell = unguarded(cell.trim());
        if let Some(column) = column(columns, name).filter(|_| !cell.is_empty()) {
            let value = value(column, cell).map_err(|what| format!("{name}: {what}"))?;
            fields.insert(name.clone(), value);
        }
    }
    Ok(Value::Object(fields))
}

fn value(column: Column, cell: &str) -> Result<Value, String> {
    let parts = || {
        cell.split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    match column {
        Column::Text => Ok(Value::from(cell)),
        Column::Number => number(cell),
        Column::Flag => match cell.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "0" => Ok(Value::Bool(false)),
            _ => Err("expected true or false".to_owned()),
        },
        Column::Texts => Ok(parts().map(Value::from).collect()),
        Column::Numbers => parts().map(number).collect(),
        Column::Components => parts().map(component).collect(),
    }
}

fn number(text: &str) -> Result<Value, String> {
    let read: Result<Value, _> = serde_json::from_str(text);
    let number = read.ok().filter(Value::is_number);
    number.ok_or_else(|| "expected a number".to_owned())
}

fn component(text: &str) -> Result<Value, String> {
    let wrong = || "expected SKU:UNITS, separated by ;".to_owned();
    let (sku, units) = text.rsplit_once(':').ok_or_else(wrong)?;
    let units: u32 = units.trim().parse().map_err(|_| wrong())?;
    Ok(serde_json::json!({ "sku": sku.trim(), "units_per_kit": units }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_written_behind_an_apostrophe_and_read_back() {
        for cell in [
            "=1+1", "+1", "-1", "@A1", "\tx", "\rx", "\nx", "plain", "'quoted'",
        ] {
            let text = write(&["name"], [vec![cell.to_owned()]]);
            let written = text.lines().nth(1).unwrap_or_default();
            assert!(!written.starts_with("\"="), "{text}");
            assert_eq!(unguarded(&guarded(cell)), cell);
        }
        assert_eq!(write(&["a"], [vec!["=x".to_owned()]]), "\"a\"\n\"'=x\"\n");
    }

    #[test]
    fn cells_become_typed_fields_and_mistakes_keep_their_line() {
        let columns = [
            ("sku", Column::Text),
            ("on_hand", Column::Number),
            ("components", Column::Components),
        ];
        let text = "sku,on_hand,components\nA,5,\nB,five,\n\"C\",,X:1; Y:2\nD,1,,,\n";
        let lines = |text: &str| {
            let mut lines = Vec::new();
            read(text.as_bytes(), &columns, |line| lines.push(line));
            lines
        };
        let unknown = lines("sku,colour\n");
        assert!(unknown[0].1.as_ref().unwrap_err().contains("colour"));
        let lines = lines(text);
        let numbers: Vec<u64> = lines.iter().map(|(line, _)| *line).collect();
        assert_eq!(numbers, [2, 3, 4, 5]);
        assert_eq!(
            lines[0].1,
            Ok(serde_json::json!({"sku": "A", "on_hand": 5}))
        );
        assert!(lines[1].1.as_ref().unwrap_err().starts_with("on_hand:"));
        let kit = lines[2].1.as_ref().unwrap();
        assert_eq!(kit["components"][1]["units_per_kit"], 2);
        assert!(lines[3].1.is_err());
    }
}
