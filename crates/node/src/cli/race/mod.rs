//! `race`: many buyers want few units at once. The verdict is read from the server's own books afterwards.
//!
//! A buyer that finds the server busy tries again under the same key and is neither sold nor refused until then.

mod engine;
mod host;
mod http;
mod run;
mod scene;
mod shop;
mod verdict;
mod webhook;

use clap::ValueEnum;

use super::client::random_key;
use super::exit::{Failure, Outcome};
use super::out::Out;
use super::target::Target;
use host::Host;
use run::Crowd;
use scene::Scene;
use verdict::Verdict;

/// Arguments of `race`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Buyers, all of whom press at once unless --rate says otherwise
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
    /// Buyers a second who press, whether or not those before them were answered; latency counts from when each was to press
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
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
    /// One unit of one SKU, which half of the buyers hold and half of them order
    HoldsAgainstOrders,
    /// As many as there are units have ordered one; each is shipped while it is cancelled, and the others want what comes back
    CancelAgainstShip,
    /// As many as there are units hold one; each is confirmed as it expires, and the others want what comes back
    ExpiryAgainstConfirm,
    /// One unit of one SKU, and each buyer presses three times at once under one key
    Duplicates,
}

impl Mode {
    /// Whether units come back while others want them.
    fn gives_back(self) -> bool {
        matches!(self, Self::CancelAgainstShip | Self::ExpiryAgainstConfirm)
    }
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
    is_possible(&args)?;
    let scene = Scene::new(args.mode, args.units, &random_key()?[..8]);
    let (host, out) = (Host::find(target, &args).await?, target.out());
    let crowd = Crowd {
        buyers: args.buyers,
        rate: args.rate,
    };
    let raced = match args.path {
        Path::Engine => engine::race(&host, &scene, crowd).await,
        Path::Hold | Path::Order | Path::Webhook => {
            http::race(&host, &scene, args.path, crowd).await
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

/// Refuses what makes no sense, with what would.
fn is_possible(args: &Args) -> Outcome {
    let (what, remedy) = match (args.mode, args.path) {
        (Mode::HoldsAgainstOrders, Path::Hold) => (
            "holds-against-orders places holds and orders: one path names the door of the orders",
            "take --path order, webhook or engine",
        ),
        (Mode::CancelAgainstShip, Path::Hold) => (
            "cancel-against-ship needs orders: a hold is not shipped",
            "take --path order, webhook or engine",
        ),
        (Mode::ExpiryAgainstConfirm, Path::Order | Path::Webhook) => (
            "expiry-against-confirm needs holds: an order does not expire",
            "take --path hold or engine",
        ),
        (Mode::ExpiryAgainstConfirm, _) if args.rate.is_some() => (
            "expiry-against-confirm presses when the holds expire",
            "leave --rate out",
        ),
        _ => return Ok(()),
    };
    Err(Failure::usage(what).remedy(remedy))
}

fn finish(out: Out, args: &Args, verdict: &Verdict, unsettled: u32) -> Outcome {
    if out.is_json() {
        out.line(serde_json::to_string(verdict).map_err(anyhow::Error::from)?);
    } else {
        let (buyers, units) = (args.buyers, args.units);
        let rate = args.rate.map(|rate| format!(", {rate} a second"));
        let rate = rate.unwrap_or_default();
        out.line(format_args!("{buyers} buyers{rate}, stock for {units}"));
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
