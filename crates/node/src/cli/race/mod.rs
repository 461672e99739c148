//! `race`: many buyers want few units at once. The verdict is read from the server's own books afterwards.
//!
//! A buyer that finds the server busy tries again under the same key and is neither sold nor refused until then.

mod engine;
mod host;
mod http;
mod run;
mod scene;
mod verdict;

use clap::ValueEnum;

use super::client::random_key;
use super::exit::{Failure, Outcome};
use super::out::Out;
use super::target::Target;
use host::Host;
use scene::Scene;
use verdict::Verdict;

/// Arguments of `race`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Buyers, all of whom press at once
    #[arg(long, default_value = "200", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    buyers: u32,
    /// How many buyers the stock is enough for
    #[arg(long, default_value = "50", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    units: u32,
    /// What each buyer wants
    #[arg(long, value_enum, default_value = "one")]
    mode: Mode,
    /// The door they press
    #[arg(long, value_enum, default_value = "engine")]
    path: Path,
    /// With --url and --path webhook: the channel, whose secret the configuration names
    #[arg(long, default_value = "shop")]
    channel: String,
}

/// What each buyer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// One unit of one SKU
    One,
    /// One unit each of two SKUs
    TwoLines,
    /// One unit each of two SKUs, which half of the buyers name the other way round
    Crossed,
    /// Two lines of one unit each of the same SKU
    SameSku,
    /// A kit of one unit of a SKU and two of another
    Kit,
    /// One unit of a SKU whose stock lies at three locations
    Locations,
}

/// The door the buyers press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Path {
    /// The entities in this process, without HTTP
    Engine,
    /// POST /v1/holds
    Hold,
    /// POST /v1/orders
    Order,
    /// Signed Shopify orders/create: sold is reserved, refused is backordered
    Webhook,
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let scene = Scene::new(args.mode, args.units, &random_key()?[..8]);
    let (host, out) = (Host::find(target, &args).await?, target.out());
    let raced = match args.path {
        Path::Engine => engine::race(&host, &scene, args.buyers).await,
        Path::Hold | Path::Order | Path::Webhook => {
            http::race(&host, &scene, args.path, args.buyers).await
        }
    };
    host.stop().await;
    let (tally, books) = raced?;
    for problem in tally.problems() {
        out.say(problem);
    }
    let verdict = Verdict::of(&scene, &tally, &books);
    finish(out, &args, &verdict, tally.unsettled())
}

fn finish(out: Out, args: &Args, verdict: &Verdict, unsettled: u32) -> Outcome {
    if out.is_json() {
        out.line(serde_json::to_string(verdict).map_err(anyhow::Error::from)?);
    } else {
        let (buyers, units) = (args.buyers, args.units);
        out.line(format_args!("{buyers} buyers, stock for {units}"));
        verdict.lines().iter().for_each(|line| out.line(line));
    }
    if unsettled > 0 {
        let what = format!("{unsettled} buyers got no answer");
        return Err(Failure::failed(what).told());
    }
    if verdict.is_right() {
        return Ok(());
    }
    Err(Failure::failed("units were promised twice, counted twice or refused without need").told())
}
