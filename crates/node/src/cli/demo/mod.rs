//! `demo`: the real server with a simulated shop, a seller's account, a till, warehouses and shoppers around it, and all that goes wrong
//! between them. The verdict is computed from the journal and from the simulators' own books. With `--sync`: what
//! channels cost that are told late, in accelerated time.

mod gather;
mod history;
mod market;
mod mischief;
mod predicted;
mod scene;
mod set_up;
mod status;
mod supply;
mod verdict;

use std::path::PathBuf;
use std::time::Duration as Wait;

use anyhow::Context;
use tokio::time::Instant;

use super::exit::{Failure, Outcome};
use super::out::Out;
use super::sync::{self, Study};
use super::target::Target;
use history::History;
use scene::Scene;
use status::Board;
use verdict::{Found, Verdict};

/// Pause between two looks.
const LOOK: Wait = Wait::from_millis(500);
/// How long what is under way may take after the last shopper left, but for what waits until Amazon's lists are read.
const SETTLE_MAX: Wait = Wait::from_secs(240);
/// So often Amazon's lists may have to be read then, one after the other: for an order, for its payment, and for a number
/// that rises by what was bought in for it, which the next list may be too early for.
const SETTLE_READS: u32 = 4;
/// Amazon lets its lists be read that often once the calls are used that it grants after a rest.
const READ_EVERY: Wait = Wait::from_secs(180);
/// Latest that Amazon's lists may be.
const LAG_MAX: Wait = Wait::from_secs(1_800);
/// Pause between two lines that say what is still under way.
const STILL: Wait = Wait::from_secs(10);
/// So few orders and numbers that are not right yet are named.
const FEW: usize = 3;
/// Looks after which what orders still wait for is delivered, again and again.
const LOOKS_PER_DELIVERY: u64 = 8;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure this in accelerated time instead: batch:60m, batch:30m, batch:15m, events, events+buffers, or `all` of
    /// these; formulas, buffers, trap, priority
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["time", "orders_per_s", "amazon_lag", "listen", "data"])]
    sync: Option<Study>,
    /// With --sync: orders of each line of the table
    #[arg(long, default_value = "100000", value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    orders: u64,
    /// How long shoppers come, `60s` or `5m`; until Ctrl-C if absent
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    time: Option<Wait>,
    /// Where chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Visits of shoppers in a second
    #[arg(long, value_name = "RATE", default_value_t = 50.0, value_parser = rate)]
    orders_per_s: f64,
    /// How late Amazon lists orders. Really it is two minutes: with `2m` it takes many minutes more until all is counted
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = lag)]
    amazon_lag: Wait,
    /// Where the server listens, and shows the status page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Keep the data there, in a folder that is not there yet
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn span(text: &str) -> Result<Wait, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err("expected a time as 60s, 5m or 1h".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "expected a whole number".to_owned())?;
    match number.checked_mul(seconds) {
        Some(seconds @ 1..=86_400) => Ok(Wait::from_secs(seconds)),
        _ => Err("expected 1 second to a day".to_owned()),
    }
}

fn lag(text: &str) -> Result<Wait, String> {
    let lag = span(text)?;
    match lag <= LAG_MAX {
        true => Ok(lag),
        false => Err("expected 1 second to 30 minutes".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text
        .parse()
        .ok()
        .filter(|rate| (0.1..=1_000.0).contains(rate));
    rate.ok_or_else(|| "expected 0.1 to 1000".to_owned())
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    if let Some(study) = args.sync {
        return sync::run(target.out(), study, args.orders, args.seed).await;
    }
    if args.data.as_ref().is_some_and(|data| data.exists()) {
        return Err(Failure::usage(
            "--data: the folder is there already; a demo begins anew",
        ));
    }
    let out = target.out();
    out.say("setting up a shop, a seller's account, a till and three warehouses …");
    let board = Board::default();
    let mut scene = tokio::select! {
        scene = Scene::start(&args, board.page()) => scene?,
        pressed = tokio::signal::ctrl_c() => {
            pressed.context("Ctrl-C")?;
            return Err(Failure::failed("broken off before any shopper came"));
        }
    };
    out.say(format_args!(
        "Amazon lists orders {} s late (--amazon-lag; really two minutes)",
        args.amazon_lag.as_secs()
    ));
    out.say(format_args!("status page: http://{}/", scene.server.addr));
    let mut history = History::default();
    show_until(&args, &scene, &mut history, &board, out).await?;
    out.say("shoppers have left; what is under way comes to its end …");
    let visits = scene.calm_down().await;
    let settle_max = SETTLE_MAX + (READ_EVERY + args.amazon_lag) * SETTLE_READS;
    let found = settle(&scene, &mut history, &board, settle_max, out).await?;
    scene.server.stop().await;
    let verdict = found.verdict();
    for wrong in found.wrong() {
        out.say(wrong);
    }
    out.say(format_args!(
        "{} visits bought, {} found nothing, {} changed an order",
        visits.bought, visits.left, visits.changed
    ));
    finish(out, &verdict)
}

/// Shows what happens until the time is over or Ctrl-C is pressed.
async fn show_until(
    args: &Args,
    scene: &Scene,
    history: &mut History,
    board: &Board,
    out: Out,
) -> Outcome {
    let began = Instant::now();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut screen = status::Screen::new(out);
    loop {
        tokio::select! {
            pressed = &mut interrupted => {
                pressed.context("Ctrl-C")?;
                return Ok(());
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        board.look(scene, history).await?;
        screen.show(&board.document());
        if args.time.is_some_and(|time| began.elapsed() >= time) {
            return Ok(());
        }
    }
}

/// Waits until every order was heard of, and has left, was cancelled or waits in vain, every number is as it should be,
/// and channels know of every parcel; or until that takes too long, or Ctrl-C is pressed.
async fn settle(
    scene: &Scene,
    history: &mut History,
    board: &Board,
    settle_max: Wait,
    out: Out,
) -> Outcome<Found> {
    let began = Instant::now();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut next_line = STILL;
    for look in 1_u64.. {
        tokio::select! {
            pressed = &mut interrupted => {
                pressed.context("Ctrl-C")?;
                break;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        board.look(scene, history).await?;
        let found = scene.gather(history).await?;
        let is_told_again = scene.shop.with(|store, _| store.subscribed()) > 0;
        let untold = (!is_told_again).then(|| "the shop's webhooks not subscribed to".to_owned());
        let open: Vec<String> = found.under_way().into_iter().chain(untold).collect();
        let waited = began.elapsed();
        if open.is_empty() || waited > settle_max {
            return Ok(found);
        }
        if waited >= next_line {
            next_line = waited + STILL;
            out.say(format_args!(
                "{:>4} s  {}",
                waited.as_secs(),
                open.join(", ")
            ));
            let wrong = found.wrong();
            for wrong in wrong.iter().filter(|_| wrong.len() <= FEW) {
                out.say(format_args!("        {wrong}"));
            }
        }
        if look % LOOKS_PER_DELIVERY == 0 {
            deliver_what_is_waited_for(scene, history, look).await;
        }
    }
    board.look(scene, history).await?;
    let found = scene.gather(history).await?;
    Ok(Found {
        is_broken_off: true,
        ..found
    })
}

/// What was sold and was not there is bought in, so that those who wait get it.
async fn deliver_what_is_waited_for(scene: &Scene, history: &History, look: u64) {
    let at = (look / LOOKS_PER_DELIVERY) as usize % scene.warehouses.len();
    for (sku, units) in history.waits(scene.clock.now()) {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        if let Some(warehouse) = scene.warehouses.get(at) {
            warehouse
                .receive(&sku, units, &format!("last-{look}"))
                .await;
        }
    }
}

fn finish(out: Out, verdict: &Verdict) -> Outcome {
    let why = match out.is_json() {
        true => {
            out.line(serde_json::to_string(verdict).map_err(anyhow::Error::from)?);
            verdict.not_proved.join("; ")
        }
        false => {
            verdict.lines().iter().for_each(|line| out.line(line));
            "not proved".to_owned()
        }
    };
    match verdict.proved {
        true => Ok(()),
        false => Err(Failure::failed(why).told()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_read() {
        assert_eq!(span("60s"), Ok(Wait::from_secs(60)));
        assert_eq!(span("5m"), Ok(Wait::from_secs(300)));
        for wrong in ["60", "s", "0s", "-1s", "25h", "1d", "1.5m"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        assert_eq!(lag("2m"), Ok(Wait::from_secs(120)));
        for wrong in ["0s", "31m", "1h"] {
            assert!(lag(wrong).is_err(), "{wrong}");
        }
        assert_eq!(rate("2.5"), Ok(2.5));
        for wrong in ["0", "-1", "1001", "many", "NaN"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
