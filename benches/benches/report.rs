//! Rows of figures, as a table or as JSON.

use serde_json::{Value, json};

/// Timed runs of a row; the median is reported.
pub const RUNS: usize = 3;

/// One figure.
pub struct Row {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    /// What it is compared with, and that one's value in the same run.
    pub peer: Option<(String, f64)>,
    /// It is not to be more than that.
    pub is_limited: bool,
}

/// All figures of a run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    pub fn add(&mut self, name: &str, value: f64, unit: &'static str, peer: Option<(&str, f64)>) {
        let peer = peer.map(|(name, value)| (name.to_owned(), value));
        eprintln!("{name}: {value:.0} {unit}");
        self.rows.push(Row {
            name: name.to_owned(),
            value,
            unit,
            peer,
            is_limited: false,
        });
    }

    /// A figure that fails the run if it is above its limit.
    pub fn limited(&mut self, name: &str, value: f64, unit: &'static str, limit: f64) {
        self.add(name, value, unit, Some((&format!("limit, {unit}"), limit)));
        if let Some(row) = self.rows.last_mut() {
            row.is_limited = true;
        }
    }

    /// Figures above their limits.
    pub fn missed(&self) -> Vec<&str> {
        let is_missed = |row: &&Row| {
            let limit = row.peer.as_ref().filter(|_| row.is_limited);
            limit.is_some_and(|(_, limit)| row.value > *limit)
        };
        let missed = self.rows.iter().filter(is_missed);
        missed.map(|row| row.name.as_str()).collect()
    }

    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let ratio = row.peer.as_ref().map(|(_, peer)| row.value / peer);
            json!({
                "name": row.name, "value": row.value, "unit": row.unit,
                "peer": row.peer.as_ref().map(|(name, _)| name),
                "limit": row.peer.as_ref().map(|(_, value)| value), "ratio": ratio,
            })
        };
        json!({ "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }

    pub fn table(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut table = String::from("| row | value | against | ratio |\n|---|---|---|---|\n");
        for row in &self.rows {
            let (peer, ratio) = match &row.peer {
                Some((name, value)) => (
                    format!("{name}: {value:.0}"),
                    format!("{:.2}", row.value / value),
                ),
                None => ("-".to_owned(), "-".to_owned()),
            };
            let line = format!(
                "| {} | {:.0} {} | {peer} | {ratio} |\n",
                row.name, row.value, row.unit
            );
            table.push_str(&line);
        }
        table
    }
}

/// The median of several runs.
pub fn median(mut run: impl FnMut() -> f64) -> f64 {
    let mut values: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    values.sort_by(f64::total_cmp);
    values[RUNS / 2]
}
