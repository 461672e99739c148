//! `cargo bench -p crossdock-benches [-- --json] [-- FILTER…]`: as `crossdock bench`, with a server that is built before.
//! A figure that is not what it has to be fails the run.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a bench target"
)]

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crossdock_benches::Options;

/// That of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let filters = words.iter().filter(|word| !word.starts_with("--"));
    let measured = crossdock_benches::run(&Options {
        filters: filters.cloned().collect(),
        binary,
    });
    match words.iter().any(|word| word == "--json") {
        true => println!("{}", measured.json()),
        false => print!("{}", measured.markdown()),
    }
    let missed = measured.report.missed();
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("missed: {}", missed.join("; "));
    ExitCode::FAILURE
}

/// The server as users run it.
fn binary() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    let package = ["--package", "crossdock-node", "--bin", "crossdock"];
    build.args(["build", "--release", "--quiet"]).args(package);
    assert!(
        build.status().unwrap().success(),
        "the binary does not build"
    );
    let here = std::env::current_exe().unwrap();
    let release = here.ancestors().find(|dir| dir.ends_with("release"));
    release.unwrap().join("crossdock")
}
