//! Experiments on one SKU: channels, each with how its number is kept.

use crossdock_model::v1::{Buffer, Writes};
use crossdock_model::{ChannelId, Duration, SkuId, Timestamp};

use super::LabError;
use super::book::{Book, Rates};
use super::bucket::{Bucket, Terms};
use super::floor::{Floor, Outcome, Outlet, Supply};
use super::publisher::{Batch, Mirror, Overwriter, Publisher};

/// How a channel's number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// Differences to all there is.
    Mirror,
    /// All there is, every so often.
    Batch(Duration),
    /// All there is, whenever it seems to show something else.
    Naive,
    /// The same, but that a raise waits until the channel's sales are read.
    Proven,
    /// A bucket of ours; units are kept back for that risk, in millionths. `None`: no units are.
    Bucket {
        /// Of others' sales that the channel does not show yet.
        buffer_risk_ppm: Option<u32>,
        /// Of the channel's own sales that we have not read yet, where its writes replace its number.
        unseen_risk_ppm: u32,
    },
}

/// A channel, and how its number is kept.
pub type Kept = (Outlet, Keeper);

/// Sells one SKU until there were so many stock-outs, or arrivals if goods arrive all the time.
///
/// # Errors
/// [`LabError`] when the experiment cannot be carried out.
pub fn sell(
    seed: u64,
    supply: Supply,
    rates: Rates,
    channels: &[Kept],
    episodes: u64,
) -> Result<Outcome, LabError> {
    let sku = SkuId::new("A")?;
    let mut names = Vec::new();
    for (outlet, _) in channels {
        names.push((ChannelId::new(outlet.name)?, outlet.per_h));
    }
    let book = Book::new(sku.clone(), &names, rates)?;
    let mut fronts = Vec::new();
    for (number, (outlet, keeper)) in channels.iter().enumerate() {
        let publisher: Box<dyn Publisher> = match *keeper {
            Keeper::Mirror => Box::new(Mirror::new(number)),
            Keeper::Batch(every) => Box::new(Batch::new(every)),
            Keeper::Naive => Box::new(Overwriter::naive(number)),
            Keeper::Proven => Box::new(Overwriter::with_proof(number)),
            Keeper::Bucket {
                buffer_risk_ppm,
                unseen_risk_ppm,
            } => {
                let buffer = buffer(buffer_risk_ppm, lag_to(channels, number));
                let terms = Terms {
                    writes: outlet.writes,
                    buffer,
                    unseen_for: unseen_for(outlet),
                    unseen_risk_ppm,
                };
                let channel = &names[number].0;
                Box::new(Bucket::new(channel, number, 0, &sku, &terms)?)
            }
        };
        fronts.push((outlet, publisher));
    }
    Floor::new(seed, supply, book, fronts).run(episodes)
}

fn buffer(risk_ppm: Option<u32>, lag: Duration) -> Buffer {
    match risk_ppm {
        None => Buffer::Fixed { units: 0 },
        Some(risk_ppm) => Buffer::Measured {
            risk_ppm,
            lag,
            floor_units: 0,
            cap_units: u32::MAX,
        },
    }
}

/// The longest that a channel may not show another one's sale.
fn lag_to(channels: &[Kept], number: usize) -> Duration {
    let others = channels.iter().enumerate();
    let others = others.filter(|(other, _)| *other != number);
    let heard = others.map(|(_, (outlet, _))| outlet.heard_after.max);
    let shown = channels
        .get(number)
        .map(|(outlet, _)| outlet.shown_after.max);
    both(heard.max().unwrap_or_default(), shown.unwrap_or_default())
}

/// The longest that a sale of the channel itself is not in what is written to it: until it is heard of, and as long as
/// a write is on its way.
fn unseen_for(outlet: &Outlet) -> Duration {
    match outlet.writes {
        Writes::CompareAndSet => outlet.heard_after.max,
        Writes::Absolute => both(outlet.heard_after.max, outlet.shown_after.max),
    }
}

fn both(one: Duration, other: Duration) -> Duration {
    let start = Timestamp::default();
    (start + one + other).since(start)
}
