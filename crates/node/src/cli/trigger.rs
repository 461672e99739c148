//! `trigger`: sends webhooks to a running server as a Shopify shop would: signed, and if asked twice, late and
//! out of order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use crossdock_channels::Secret;
use crossdock_runtime::{Clock, RealClock};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::{Client, Received};
use super::delivery::{Delivery, Order};
use super::exit::{Failure, Outcome};
use super::out::{Out, many, text};
use super::target::Target;

/// Webhooks on their way at once.
const AT_ONCE_MAX: usize = 32;
/// New orders are numbered by the clock: so many to a millisecond, starting again after three years.
const NUMBERS_PER_MS: u64 = 100;
const NUMBERS_MS: u64 = 100_000_000_000;
/// How much older a stale statement is, in milliseconds.
const STALE_MS: u64 = 3_600_000;

/// Arguments of `trigger`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The topic: orders/create, orders/updated, orders/edited, orders/cancelled, orders/paid, refunds/create,
    /// inventory_levels/update
    topic: String,
    /// The channel
    #[arg(long, default_value = "shop")]
    channel: String,
    /// Send this body instead of a built-in one
    #[arg(long, value_name = "BODY", conflicts_with_all = ["sku", "order", "count", "stale"])]
    file: Option<PathBuf>,
    /// What is ordered: SKU and units, for each line
    #[arg(long, value_name = "SKU[:UNITS]", value_parser = line)]
    sku: Vec<(String, u32)>,
    /// Number of the first order; new ones if absent
    #[arg(long, value_name = "N")]
    order: Option<u64>,
    /// Orders
    #[arg(long, value_name = "N", default_value = "1")]
    count: u32,
    /// Webhooks a second; as fast as they are taken if absent
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// Send each webhook so many times more, with the same event id
    #[arg(long, value_name = "N", default_value = "0")]
    duplicate: u32,
    /// Send them in random order
    #[arg(long)]
    shuffle: bool,
    /// After each webhook, send what the shop said of the order an hour before
    #[arg(long)]
    stale: bool,
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let (client, out) = (target.client()?, target.out());
    let secret = target.channel_secret(&args.channel)?;
    let now_ms = u64::try_from(RealClock::default().now().as_ms()).unwrap_or_default();
    let deliveries = deliveries(&args, now_ms)?;
    let (all, mut told) = (deliveries.len(), Vec::new());
    let sent = send(&client, out, &args, &secret, deliveries, &mut told).await;
    finish(out, &args.channel, all, &told, sent)
}

/// Everything to be sent, in order.
fn deliveries(args: &Args, now_ms: u64) -> Outcome<Vec<Delivery>> {
    let mut all = Vec::new();
    if let Some(file) = &args.file {
        let body =
            std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        all.push(Delivery::of_file(&args.topic, body, now_ms));
    } else {
        let first = args.order.unwrap_or(now_ms % NUMBERS_MS * NUMBERS_PER_MS);
        for number in first..first + u64::from(args.count) {
            let order = Order {
                number,
                lines: args.sku.clone(),
                at_ms: now_ms,
            };
            all.push(Delivery::of_template(&args.topic, &order)?);
            if args.stale {
                let at_ms = now_ms.saturating_sub(STALE_MS);
                let before = Order { at_ms, ..order };
                all.push(Delivery::of_template(&args.topic, &before)?);
            }
        }
    }
    let times = args.duplicate as usize + 1;
    let mut all: Vec<Delivery> = all
        .into_iter()
        .flat_map(|delivery| std::iter::repeat_n(delivery, times))
        .collect();
    if args.shuffle {
        shuffle(&mut all, random_number()?);
    }
    Ok(all)
}

/// Sends them all, at the rate if there is one, and tells each as it is answered.
async fn send(
    client: &Client,
    out: Out,
    args: &Args,
    secret: &Secret,
    deliveries: Vec<Delivery>,
    told: &mut Vec<Value>,
) -> Outcome {
    let at_once = if args.rate.is_some() { AT_ONCE_MAX } else { 1 };
    let (ways, mut tasks) = (Arc::new(Semaphore::new(at_once)), JoinSet::new());
    let start = Instant::now();
    for (number, delivery) in (0_u32..).zip(deliveries) {
        if let Some(rate) = args.rate {
            sleep_until(start + Duration::from_secs_f64(f64::from(number) / rate)).await;
        }
        let way = Arc::clone(&ways).acquire_owned().await;
        let way = way.map_err(|error| Failure::failed(error.to_string()))?;
        let (client, call) = (client.clone(), delivery.call(client, &args.channel, secret));
        tasks.spawn(async move {
            let received = client.send(&call).await;
            drop(way);
            received.map(|received| document(&delivery, &received))
        });
        while let Some(joined) = tasks.try_join_next() {
            tell(out, told, joined)?;
        }
    }
    while let Some(joined) = tasks.join_next().await {
        tell(out, told, joined)?;
    }
    Ok(())
}

fn tell(
    out: Out,
    told: &mut Vec<Value>,
    joined: Result<Outcome<Value>, tokio::task::JoinError>,
) -> Outcome {
    let document = joined.map_err(|error| Failure::failed(error.to_string()))??;
    if !out.is_json() {
        let [status, topic, order, detail] =
            ["status", "topic", "order", "detail"].map(|field| text(&document, field));
        out.line(
            format_args!("{status}  {topic}  {order}  {detail}")
                .to_string()
                .trim_end(),
        );
    }
    told.push(document);
    Ok(())
}

fn document(delivery: &Delivery, received: &Received) -> Value {
    let detail = if received.status.is_success() {
        Value::Null
    } else {
        received.body["detail"].clone()
    };
    json!({
        "topic": delivery.topic,
        "order": delivery.order,
        "event": delivery.event,
        "status": received.status.as_u16(),
        "detail": detail,
    })
}

/// Tells how many were taken, also where the server went away in the midst of it.
fn finish(out: Out, channel: &str, all: usize, told: &[Value], sent: Outcome) -> Outcome {
    let taken = told.iter().filter(|document| {
        document["status"]
            .as_u64()
            .is_some_and(|status| status / 100 == 2)
    });
    let taken = taken.count();
    if out.is_json() {
        out.line(json!({ "sent": all, "taken": taken, "deliveries": told }));
    }
    let said = format!("{taken} of {} taken", many(all as u64, "webhook"));
    if let Err(failure) = sent {
        let what = format!("{said}; then {}", failure.what);
        return Err(Failure { what, ..failure }.told());
    }
    if taken < all {
        return Err(Failure::failed(said).told());
    }
    out.say(said);
    if let Some(order) = told.last().map(|document| text(document, "order")) {
        out.say(format_args!("see: crossdock order show {channel}:{order}"));
    }
    Ok(())
}

/// Reads `SKU` or `SKU:UNITS`. What follows the last `:` is units when it is a number.
fn line(text: &str) -> Result<(String, u32), String> {
    let split = text.rsplit_once(':');
    let numbered = split.and_then(|(sku, units)| Some((sku, units.parse::<u32>().ok()?)));
    let (sku, units) = numbered.unwrap_or((text, 1));
    if sku.is_empty() || units == 0 {
        return Err("expected SKU or SKU:UNITS, at least 1 unit".to_owned());
    }
    Ok((sku.to_owned(), units))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text
        .trim_end_matches("/s")
        .parse()
        .map_err(|_| "expected a number a second")?;
    if rate.is_finite() && rate > 0.0 {
        return Ok(rate);
    }
    Err("expected a number a second above 0".to_owned())
}

fn random_number() -> Outcome<u64> {
    getrandom::u64().map_err(|error| Failure::failed(format!("no randomness: {error}")))
}

/// Fisher and Yates' shuffle with xorshift numbers.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let chosen = usize::try_from(state % (last as u64 + 1)).unwrap_or(0);
        items.swap(last, chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_rates_read() {
        assert_eq!(line("A-1:2"), Ok(("A-1".to_owned(), 2)));
        assert_eq!(line("A:b"), Ok(("A:b".to_owned(), 1)));
        assert!(line("A:0").is_err());
        assert_eq!(rate("100/s"), Ok(100.0));
        assert!(rate("0").is_err());
    }

    #[test]
    fn a_shuffle_loses_nothing() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut items, 42);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    /// The server went away: what it took before is told all the same.
    #[test]
    fn what_was_taken_is_told_however_it_ended() {
        let told = [200, 503].map(|status| json!({"status": status, "order": "1"}));
        let ended = |all, told: &[Value], sent| {
            let ended = finish(Out::new(false), "shop", all, told, sent);
            ended.map_err(|failure| failure.what)
        };
        let gone = Err(Failure::failed("nothing listens there"));
        let expected = "1 of 5 webhooks taken; then nothing listens there";
        assert_eq!(ended(5, &told, gone), Err(expected.to_owned()));
        let expected = "1 of 2 webhooks taken";
        assert_eq!(ended(2, &told, Ok(())), Err(expected.to_owned()));
        assert_eq!(ended(1, &told[..1], Ok(())), Ok(()));
    }
}
