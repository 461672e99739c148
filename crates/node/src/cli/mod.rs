//! The command line: one file a command. Commands that change state go through the running server.
//!
//! stdout carries data and stderr talk; with `--json`, stdout is one JSON document. Exit codes: 0 done, 1 failed,
//! 2 the command line makes no sense, 3 the configuration has mistakes, 4 not found, 5 the server is unreachable.

#[cfg(feature = "bench")]
mod bench;
mod catalogue;
mod channel;
mod check;
mod client;
mod completions;
mod delivery;
#[cfg(feature = "sim")]
mod demo;
mod erase;
mod exceptions;
mod exit;
mod follow;
mod import;
mod init;
mod journal;
mod key;
mod listing;
mod offline;
mod order;
mod out;
mod quarantine;
mod race;
mod schema;
mod serve;
#[cfg(feature = "sim")]
mod sim;
mod sku;
#[cfg(feature = "sim")]
mod sync;
mod target;
mod template;
mod trigger;

use std::num::NonZero;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Failure, Outcome};
use target::Target;

/// Threads for tasks, of each core. While some decide, others serve what has come in: the longest waits are a fifth shorter than
/// with one of each core.
const WORKERS_PER_CORE: usize = 2;

/// An open order operations layer: many channels, one inventory, no unit promised twice.
#[derive(Debug, Parser)]
#[command(name = "crossdock", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Args),
    /// Write a commented configuration, create the data directory and the first admin key
    Init(init::Args),
    /// Check the configuration: all mistakes at once, with file and line
    Check(check::Args),
    /// Print the JSON Schema of the configuration
    Schema(schema::Args),
    /// Send signed Shopify webhooks to a running server
    Trigger(trigger::Args),
    /// Show and change orders
    Order(order::Args),
    /// Show stock and its ledger
    Sku(sku::Args),
    /// Create, list and revoke API keys
    Key(key::Args),
    /// Import SKUs, stock, locations or listings from a CSV or JSON Lines file
    Import(import::Args),
    /// Say what a channel's listings stand for
    Listing(listing::Args),
    /// Look after what was put aside after crashes
    Quarantine(quarantine::Args),
    /// Look after what needs a person
    Exceptions(exceptions::Args),
    /// Connect channels
    Channel(channel::Args),
    /// Erase the personal data of an order
    Erase(erase::Args),
    /// Read, check, back up and restore a data directory
    Journal(journal::Args),
    /// Let many buyers want few units at once, and prove that none is sold twice
    Race(race::Args),
    /// Run the server with a simulated shop, a till, warehouses and shoppers, and prove what it promises; or measure
    /// what it costs to tell channels late
    #[cfg(feature = "sim")]
    Demo(demo::Args),
    /// Run the engine through whatever can go wrong, by seeds: each does the same on every machine
    #[cfg(feature = "sim")]
    Sim(sim::Args),
    /// Measure this machine: each figure with its peer or limit in the same run
    #[cfg(feature = "bench")]
    Bench(bench::Args),
    /// Print shell completions
    Completions(completions::Args),
}

/// Runs the command line of this process.
pub(crate) fn run() -> ExitCode {
    // A mistake ends here with clap's exit code, which is `Exit::Usage`; help and version end with 0.
    let cli = Cli::parse();
    let out = cli.target.out();
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let ended = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS_PER_CORE * cores)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(dispatch(cli)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if out.is_json() && !failure.is_told {
                out.line(failure.to_json());
            }
            out.say(format_args!("crossdock: {failure}"));
            failure.exit.into()
        }
    }
}

async fn dispatch(cli: Cli) -> Outcome {
    let target = &cli.target;
    match cli.command {
        Command::Serve(args) => serve::run(target, args).await,
        Command::Init(args) => init::run(target, args).await,
        Command::Check(args) => check::run(target, &args),
        Command::Schema(args) => schema::run(target, &args),
        Command::Trigger(args) => trigger::run(target, args).await,
        Command::Order(args) => order::run(target, args).await,
        Command::Sku(args) => sku::run(target, args).await,
        Command::Key(args) => key::run(target, args).await,
        Command::Import(args) => import::run(target, args).await,
        Command::Listing(args) => listing::run(target, args).await,
        Command::Quarantine(args) => quarantine::run(target, args).await,
        Command::Exceptions(args) => exceptions::run(target, args).await,
        Command::Channel(args) => channel::run(target, args).await,
        Command::Erase(args) => erase::run(target, args).await,
        Command::Journal(args) => journal::run(target, args).await,
        Command::Race(args) => race::run(target, args).await,
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(target, args).await,
        #[cfg(feature = "sim")]
        Command::Demo(args) => demo::run(target, args).await,
        #[cfg(feature = "sim")]
        Command::Sim(args) => sim::run(target, args).await,
        Command::Completions(args) => completions::run(target, &args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::exit::Exit;
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_of_the_manual_parse() {
        for line in [
            "crossdock serve --config config/example.toml",
            "crossdock init --dir shop",
            "crossdock check",
            "crossdock trigger orders/create --channel shop --sku A-1:2 --count 3 --rate 10 --duplicate 2 --shuffle",
            "crossdock order show shop:1 --json",
            "crossdock order cancel shop:1 --reason bought-twice",
            "crossdock sku ledger A-1",
            "crossdock key create --name till --scope operate",
            "crossdock key create --name ops --scope admin --offline",
            "crossdock import stock stock.csv --preview",
            "crossdock listing map shop 4412 A-1:3",
            "crossdock listing import --channel shop --preview --json",
            "crossdock channel places --channel shop",
            "crossdock quarantine retry sku:A-1",
            "crossdock exceptions resolve 7 --how counted-again",
            "crossdock channel adopt --channel shop --from 2026-11-01T00:00:00Z --file orders.json --preview",
            "crossdock erase shop:1",
            "crossdock journal cat --shard 3 --entity sku:A-1 --json",
            "crossdock journal restore --from a --to b",
            "crossdock race --buyers 200 --units 50 --mode two-lines --path webhook --json",
            "crossdock --json race --path engine",
            "crossdock demo --sync events+buffers --orders 20000 --json",
            "crossdock demo --for 60s --seed 7 --json --listen 127.0.0.1:0 --orders-per-s 20 --data demo",
            "crossdock completions bash",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
    }

    #[test]
    fn mistakes_end_with_the_usage_code() {
        for line in [
            "crossdock fly",
            "crossdock race --mode twice",
            "crossdock sim --seed 1 --seeds 2",
            "crossdock demo --sync batch:7m",
            "crossdock order show",
        ] {
            assert_eq!(
                parse(line).unwrap_err().exit_code(),
                Exit::Usage as i32,
                "{line}"
            );
        }
    }
}
