//! `demo`: what channels cost that are told late.

use super::exit::Outcome;
use super::sync::{self, Study};
use super::target::Target;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure in accelerated time: batch:60m, batch:30m, batch:15m, events, events+buffers, or `all` of these;
    /// formulas, buffers, trap, priority
    #[arg(long, value_name = "WHAT", default_value = "all")]
    sync: Study,
    /// With --sync: orders of each line of the table
    #[arg(long, default_value = "100000", value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    orders: u64,
    /// Where chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    sync::run(target.out(), args.sync, args.orders, args.seed).await
}
