//! The binary `crossdock`: configuration, wiring, telemetry and the command line.
//!
//! Everything else is a library that can be driven without it; here they are put together and given secrets,
//! sockets and a clock.

pub mod config;
pub mod telemetry;

/// Runs the command line.
#[must_use]
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
