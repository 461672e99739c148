//! Figures of this machine, each with its peer or its limit in the same run: what counts is the ratio.
//!
//! A row is the median of several runs. Peers run in the same process or on the same cores, and take turns with what is compared with
//! them. *Durable* means flushed before the answer.
#![allow(
    missing_docs,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "it measures, as a test does: what goes wrong ends the run, and says where"
)]

mod database;
mod decide;
mod draw;
mod engine;
mod growth;
mod half;
mod holds;
mod import;
mod journal;
mod load;
mod memory;
mod orders;
mod overload;
mod postgres;
mod publish;
mod race;
mod report;
mod reserve;
mod server;
mod telemetry;

use std::path::PathBuf;

use serde_json::Value;

pub use report::Report;

/// What is measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the server is, as users run it; built first where it must be.
    pub binary: fn() -> PathBuf,
    /// Names of what is wanted, or parts of several; none: all of it.
    pub filters: Vec<String>,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        let mut filters = self.filters.iter();
        self.filters.is_empty() || filters.any(|filter| is_meant(filter, name))
    }
}

/// Whether a filter stands for that name: a whole name for itself alone, a part for all that have it.
fn is_meant(filter: &str, name: &str) -> bool {
    match NAMES.contains(&filter) {
        true => name == filter,
        false => name.contains(filter),
    }
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// The rows.
    pub report: Report,
    races: Option<race::Table>,
}

/// What there is to measure, as filters name it.
pub const NAMES: [&str; 21] = [
    "memory skus",
    "decide",
    "journal",
    "reserve hot 64",
    "reserve hot 512",
    "reserve uniform",
    "reserve zipf",
    "holds",
    "orders",
    "half load",
    "growth",
    "memory servers",
    "overload",
    "import",
    "telemetry",
    "publish lag",
    "publish silent",
    "publish flooded",
    "publish overloaded",
    "listings",
    "race",
];

/// Measures what is wanted: each takes minutes.
#[must_use]
pub fn run(options: &Options) -> Measured {
    let mut measured = Measured::default();
    let report = &mut measured.report;
    if options.wants("memory skus") {
        memory::skus(report, &(options.binary)());
    }
    if options.wants("decide") {
        decide::run(report);
    }
    if options.wants("journal") {
        journal::run(report);
    }
    reserve::run(report, |name| options.wants(name));
    if options.wants("holds") {
        holds::run(report, &(options.binary)());
    }
    if options.wants("orders") {
        orders::run(report, &(options.binary)());
    }
    if options.wants("half load") {
        half::run(report, &(options.binary)());
    }
    if options.wants("growth") {
        growth::run(report, &(options.binary)());
    }
    if options.wants("memory servers") {
        memory::servers(report, &(options.binary)());
    }
    if options.wants("overload") {
        overload::run(report, &(options.binary)());
    }
    if options.wants("import") {
        import::run(report, &(options.binary)());
    }
    if options.wants("telemetry") {
        telemetry::run(report, &(options.binary)());
    }
    publish::run(report, options.binary, |name| options.wants(name));
    if options.wants("listings") {
        publish::listings(report, &(options.binary)());
    }
    if options.wants("race") {
        measured.races = Some(race::run(&(options.binary)()));
    }
    measured
}

impl Measured {
    /// One document.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut document = self.report.json();
        if let Some(races) = &self.races {
            document["races"] = races.json();
        }
        document
    }

    /// Tables as the README has them.
    #[must_use]
    pub fn markdown(&self) -> String {
        let races = self.races.as_ref();
        let races = races.map(|races| format!("\n{}", races.markdown()));
        format!("{}{}", self.report.markdown(), races.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_stands_for_itself_alone() {
        assert!(is_meant("overload", "overload"));
        assert!(!is_meant("overload", "publish overloaded"));
        assert!(is_meant("publish", "publish overloaded") && is_meant("publish", "publish lag"));
    }
}
