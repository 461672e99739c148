//! Rows of figures, each with its peer or limit, as a table or as JSON.

use serde::Serialize;
use serde_json::{Value, json};

/// Timed runs of a row; the median is reported.
pub(crate) const RUNS: usize = 5;

/// What a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
    RatioAtLeast(f64),
    RatioAtMost(f64),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {}", shown(*least)),
            Self::AtMost(most) => write!(f, "at most {}", shown(*most)),
            Self::RatioAtLeast(least) => write!(f, "at least {least} times"),
            Self::RatioAtMost(most) => write!(f, "at most {most} times"),
        }
    }
}

/// One figure: a median of this run.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    /// What it is compared with, and that one's value in the same run.
    peer: Option<(String, f64)>,
    target: Option<Target>,
}

impl Row {
    /// A figure with nothing to compare it with yet.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let name = name.into();
        Self {
            name,
            value,
            unit,
            peer: None,
            target: None,
        }
    }

    /// What else did in this run; without it the row says that it was not there.
    pub(crate) fn against(mut self, name: &str, value: Option<f64>) -> Self {
        self.peer = Some((name.to_owned(), value.unwrap_or(f64::NAN)));
        self
    }

    pub(crate) fn at_least(self, value: f64) -> Self {
        self.target(Target::AtLeast(value))
    }

    pub(crate) fn at_most(self, value: f64) -> Self {
        self.target(Target::AtMost(value))
    }

    pub(crate) fn ratio_at_least(self, ratio: f64) -> Self {
        self.target(Target::RatioAtLeast(ratio))
    }

    pub(crate) fn ratio_at_most(self, ratio: f64) -> Self {
        self.target(Target::RatioAtMost(ratio))
    }

    fn target(self, target: Target) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }

    /// What it is held to: its peer's figure, or the limit itself.
    fn limit(&self) -> Option<f64> {
        match (&self.peer, self.target) {
            (Some((_, value)), _) => Some(*value).filter(|value| value.is_finite()),
            (None, Some(Target::AtLeast(limit) | Target::AtMost(limit))) => Some(limit),
            (None, _) => None,
        }
    }

    fn ratio(&self) -> Option<f64> {
        self.limit().map(|limit| self.value / limit)
    }

    /// Whether it is what it has to be; `None`: nothing is asked of it, or its peer is not there.
    fn met(&self) -> Option<bool> {
        Some(match self.target? {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
            Target::RatioAtLeast(least) => self.ratio()? >= least,
            Target::RatioAtMost(most) => self.ratio()? <= most,
        })
    }

    fn json(&self) -> Value {
        #[derive(Serialize)]
        struct Json<'a> {
            name: &'a str,
            value: f64,
            unit: &'a str,
            peer: Option<&'a str>,
            limit: Option<f64>,
            ratio: Option<f64>,
            target: Option<String>,
            met: Option<bool>,
        }
        json!(Json {
            name: &self.name,
            value: self.value,
            unit: self.unit,
            peer: self.peer.as_ref().map(|(name, _)| name.as_str()),
            limit: self.limit(),
            ratio: self.ratio(),
            target: self.target.map(|target| target.to_string()),
            met: self.met(),
        })
    }

    fn markdown(&self) -> String {
        let against = match (&self.peer, self.limit()) {
            (Some((name, _)), Some(value)) => format!("{name}: {}", shown(value)),
            (Some((name, _)), None) => format!("{name}: not here"),
            (None, _) => "–".to_owned(),
        };
        let ratio = self.peer.as_ref().and_then(|_| self.ratio());
        let ratio = ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let target = match (self.target, self.met()) {
            (None, _) => "–".to_owned(),
            (Some(target), Some(true)) => format!("{target}: met"),
            (Some(target), Some(false)) => format!("{target}: **missed**"),
            (Some(target), None) => target.to_string(),
        };
        let (name, value, unit) = (&self.name, shown(self.value), self.unit);
        format!("| {name} | {value} {unit} | {against} | {ratio} | {target} |\n")
    }
}

/// A number as people read it.
fn shown(value: f64) -> String {
    if value.abs() < 100.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match value < 0.0 {
        true => format!("-{grouped}"),
        false => grouped,
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Takes a row, and says it at once: a run takes minutes.
    pub(crate) fn add(&mut self, row: Row) {
        eprint!("{}", row.markdown());
        self.rows.push(row);
    }

    /// Names of figures that are not what they have to be.
    #[must_use]
    pub fn missed(&self) -> Vec<&str> {
        let missed = self.rows.iter().filter(|row| row.met() == Some(false));
        missed.map(|row| row.name.as_str()).collect()
    }

    /// `{"rows": [{"name", "value", "unit", "peer", "limit", "ratio", "target", "met"}]}`
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>() })
    }

    /// The rows as a table of Markdown; nothing without rows.
    #[must_use]
    pub fn markdown(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let head = "| what | figure | in the same run | ratio | target |\n|---|---|---|---|---|\n";
        let rows: String = self.rows.iter().map(Row::markdown).collect();
        format!("{head}{rows}")
    }
}

/// The middle one of some values.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_it_is_met() {
        let row = || Row::new("row", 1_234.5, "orders/s");
        assert_eq!(row().met(), None);
        assert_eq!(row().at_least(1_000.0).met(), Some(true));
        assert_eq!(row().at_most(1_000.0).met(), Some(false));
        let half = || row().against("peer", Some(2_469.0));
        assert_eq!(half().ratio_at_least(0.5).met(), Some(true));
        assert_eq!(half().ratio_at_most(0.4).met(), Some(false));
        assert_eq!(row().against("peer", None).ratio_at_least(1.0).met(), None);
    }

    #[test]
    fn rows_are_told_as_json_and_as_a_table() {
        let mut report = Report::default();
        let row = Row::new("hot", 84_000.0, "reservations/s");
        report.add(row.against("Postgres", Some(2_000.0)).ratio_at_least(50.0));
        let row = &report.json()["rows"][0];
        assert_eq!(row["limit"], 2_000.0);
        assert_eq!((&row["ratio"], &row["met"]), (&json!(42.0), &json!(false)));
        assert_eq!(report.missed(), ["hot"]);
        let line = "| hot | 84,000 reservations/s | Postgres: 2,000 | 42.00 | at least 50 times: **missed** |\n";
        assert!(report.markdown().ends_with(line), "{}", report.markdown());
    }

    #[test]
    fn numbers_are_grouped() {
        let all = [0.25, 7.0, 99.5, 120.4, 1_234_567.0, -4_000.0].map(shown);
        assert_eq!(all, ["0.25", "7", "99.50", "120", "1,234,567", "-4,000"]);
    }
}
