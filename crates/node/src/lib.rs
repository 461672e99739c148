//! The binary `crossdock`: configuration, wiring, telemetry and the command line.
//!
//! Everything else is a library that can be driven without it; here they are put together and given secrets,
//! sockets and a clock.

mod bootstrap;
mod catalogue;
mod cli;
mod closed;
pub mod config;
mod connector;
mod counts;
mod exceptions;
mod first_key;
mod http;
mod ingest;
pub mod links;
mod outgoing;
mod poll;
pub mod publish;
mod rates;
mod read_models;
mod reading;
mod report;
mod seed;
pub mod serve;
mod spend;
mod telemetry;
#[cfg(test)]
mod testing;
mod waits;
mod watch;

/// Runs the command line.
#[must_use]
pub fn run() -> std::process::ExitCode {
    cli::run()
}
