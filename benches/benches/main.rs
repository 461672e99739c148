//! `cargo bench -p crossdock-benches [-- --json] [-- FILTER]`: figures with their peer or limit in the same run.
//!
//! Every row is the median of several runs on this machine; what counts is the ratio. The machine's own limit
//! and the peers run in the same process or on the same cores. A figure above its limit fails the run.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a bench target"
)]

mod database;
mod http;
mod journal;
mod postgres;
mod publish;
mod race;
mod report;
mod reserve;
mod server;

use std::process::ExitCode;

use report::Report;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let json = words.iter().any(|word| word == "--json");
    let wanted = |name: &str| {
        let mut filters = words
            .iter()
            .filter(|word| !word.starts_with("--"))
            .peekable();
        filters.peek().is_none() || filters.any(|filter| name.contains(filter.as_str()))
    };
    let mut report = Report::default();
    if wanted("journal") {
        journal::run(&mut report);
    }
    if wanted("reserve") {
        let peer = postgres::run(&mut report);
        reserve::run(&mut report, &peer);
    }
    if wanted("http") {
        http::run(&mut report);
    }
    publish::run(&mut report, wanted);
    if wanted("listings") {
        publish::listings(&mut report);
    }
    let races = wanted("race").then(race::run);
    if json {
        let mut document = report.json();
        if let Some(races) = &races {
            document["races"] = races.json();
        }
        println!("{document}")
    } else {
        print!("{}", report.table());
        if let Some(races) = &races {
            print!("\n{}", races.markdown());
        }
    }
    let missed = report.missed();
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("above the limit: {}", missed.join("; "));
    ExitCode::FAILURE
}
