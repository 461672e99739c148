//! What it costs to tell channels late: batches, events, and events with buffers, on the same shoppers.

use std::str::FromStr;

use crossdock_logic::oversell::{Demand, buffer_units};
use crossdock_model::Duration;
use crossdock_model::v1::Writes;
use serde::Serialize;

use super::LabError;
use super::book::Rates;
use super::estimate::Estimate;
use super::floor::{Outlet, Span, Supply};
use super::keeper::{Keeper, Kept, sell};

/// Units of the SKU at the start, and again after each stock-out.
const STOCK_UNITS: u32 = 120;
/// Orders that figures are given for.
const PER_ORDERS: f64 = 10_000.0;
const PER_H: f64 = 10.0;
const RISK_PPM: u32 = 1_000;
const RISK: f64 = 0.001;

/// How channels are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Sync {
    /// Orders are fetched and numbers written every so many minutes.
    Batch(u64),
    /// At once, as buckets do.
    Events,
    /// At once, with buffers for a risk of 0.1 %.
    EventsAndBuffers,
}

/// All that are compared.
pub const SYNCS: [Sync; 5] = [
    Sync::Batch(60),
    Sync::Batch(30),
    Sync::Batch(15),
    Sync::Events,
    Sync::EventsAndBuffers,
];

impl From<Sync> for String {
    fn from(sync: Sync) -> Self {
        match sync {
            Sync::Batch(minutes) => format!("batch:{minutes}m"),
            Sync::Events => "events".to_owned(),
            Sync::EventsAndBuffers => "events+buffers".to_owned(),
        }
    }
}

impl FromStr for Sync {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = SYNCS.into_iter().find(|sync| String::from(*sync) == text);
        known.ok_or_else(|| {
            let names = SYNCS.map(String::from).join(", ");
            format!("{text} is none of {names}")
        })
    }
}

/// The channels that compete for the stock, each asked for ten units an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Market {
    /// Two shops that compare numbers and tell of orders within a second.
    TwoShops,
    /// Such a shop, and Amazon: its orders are read minutes late, its numbers are replaced.
    ShopAndAmazon,
}

impl From<Market> for String {
    fn from(market: Market) -> Self {
        let name = match market {
            Market::TwoShops => "two shops",
            Market::ShopAndAmazon => "shop and Amazon",
        };
        name.to_owned()
    }
}

/// All of them.
pub const MARKETS: [Market; 2] = [Market::TwoShops, Market::ShopAndAmazon];

impl Market {
    fn outlets(self) -> [Outlet; 2] {
        let shop = |name| Outlet {
            name,
            per_h: PER_H,
            shape: None,
            writes: Writes::CompareAndSet,
            heard_after: Span::fixed(Duration::from_s(1)),
            shown_after: Span::fixed(Duration::from_s(1)),
            lost: 0.0,
        };
        let amazon = Outlet {
            writes: Writes::Absolute,
            heard_after: Span {
                min: Duration::from_s(120),
                max: Duration::from_s(180),
            },
            ..shop("amazon")
        };
        match self {
            Self::TwoShops => [shop("shop"), shop("outlet")],
            Self::ShopAndAmazon => [shop("shop"), amazon],
        }
    }
}

/// What one way of telling costs on one market.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The channels.
    pub market: Market,
    /// How they are told.
    pub sync: Sync,
    /// Units that were ordered.
    pub orders: u64,
    /// Stock-outs.
    pub stock_outs: u64,
    /// Oversold units per 10,000 orders.
    pub oversold_per_10k: Estimate,
    /// The same by the formulas.
    pub predicted_per_10k: f64,
    /// Oversold units per stock-out.
    pub oversold_per_stock_out: Estimate,
    /// The same by the formulas.
    pub predicted_per_stock_out: f64,
}

/// Sells about so many units, told like this.
///
/// # Errors
/// [`LabError`] when the experiment cannot be carried out.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub fn row(seed: u64, market: Market, sync: Sync, orders: u64) -> Result<Row, LabError> {
    let outlets = market.outlets();
    let predicted = predicted(&outlets, sync);
    let keeper = match sync {
        Sync::Batch(minutes) => Keeper::Batch(Duration::from_minutes(minutes)),
        Sync::Events => Keeper::Bucket {
            buffer_risk_ppm: None,
            unseen_risk_ppm: RISK_PPM,
        },
        Sync::EventsAndBuffers => Keeper::Bucket {
            buffer_risk_ppm: Some(RISK_PPM),
            unseen_risk_ppm: RISK_PPM,
        },
    };
    let channels = outlets.map(|outlet| -> Kept { (outlet, keeper) });
    let supply = Supply {
        units: STOCK_UNITS,
        arrivals: None,
    };
    let stock_outs = orders.div_ceil(STOCK_UNITS.into()).max(1);
    let outcome = sell(seed, supply, Rates::Known, &channels, stock_outs)?;
    let per_stock_out = outcome.orders as f64 / outcome.episodes as f64;
    Ok(Row {
        market,
        sync,
        orders: outcome.orders,
        stock_outs: outcome.episodes,
        oversold_per_10k: outcome.oversold.times(PER_ORDERS / per_stock_out),
        predicted_per_10k: predicted * PER_ORDERS / (f64::from(STOCK_UNITS) + predicted),
        oversold_per_stock_out: outcome.oversold,
        predicted_per_stock_out: predicted,
    })
}

/// Oversold units per stock-out: of each channel, by its share of sales, what it sells in its lag beyond what is kept
/// back there. Without anything kept back that is formula 4, with it formula 6. It is an upper bound where channels keep back
/// unlike numbers: who keeps back more stops first, and sells nothing in the other's lag.
fn predicted(outlets: &[Outlet], sync: Sync) -> f64 {
    let all: f64 = outlets.iter().map(|outlet| outlet.per_h).sum();
    let waits = match sync {
        // On average a batch is half its interval away.
        Sync::Batch(minutes) => hours(Duration::from_minutes(minutes)) / 2.0,
        Sync::Events | Sync::EventsAndBuffers => 0.0,
    };
    let each = outlets.iter().enumerate().map(|(number, outlet)| {
        let others = outlets.iter().enumerate();
        let others = others.filter(|(other, _)| *other != number);
        let shown = hours(outlet.shown_after.max);
        let lag = |other: &Outlet| waits + mean_h(other.heard_after) + shown;
        let elsewhere: f64 = others.map(|(_, other)| other.per_h * lag(other)).sum();
        let is_replaced = matches!(sync, Sync::Batch(_)) || outlet.writes == Writes::Absolute;
        let own = match is_replaced {
            true => outlet.per_h * (mean_h(outlet.heard_after) + shown),
            false => 0.0,
        };
        let kept = kept(outlets, number, sync);
        outlet.per_h / all * Demand::poisson(elsewhere + own).shortage_units(kept)
    });
    each.sum()
}

/// What production keeps back of a channel: for others' sales, and for its own that were not read yet.
fn kept(outlets: &[Outlet], number: usize, sync: Sync) -> u32 {
    let at_risk = |mean: f64| buffer_units(Demand::poisson(mean), RISK);
    let (Some(outlet), Sync::Events | Sync::EventsAndBuffers) = (outlets.get(number), sync) else {
        return 0;
    };
    let shown = hours(outlet.shown_after.max);
    let unseen = match outlet.writes {
        Writes::CompareAndSet => 0,
        Writes::Absolute => at_risk(outlet.per_h * (hours(outlet.heard_after.max) + shown)),
    };
    let others = outlets.iter().enumerate();
    let others = others.filter(|(other, _)| *other != number);
    let elsewhere = others.map(|(_, other)| other.per_h * (hours(other.heard_after.max) + shown));
    match sync {
        Sync::Batch(_) | Sync::Events => unseen,
        Sync::EventsAndBuffers => unseen + at_risk(elsewhere.sum()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans are short")]
fn hours(span: Duration) -> f64 {
    span.as_ms() as f64 / 3_600_000.0
}

fn mean_h(span: Span) -> f64 {
    (hours(span.min) + hours(span.max)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shop and Amazon by events is bounded by what is predicted, the rest is predicted.
    #[test]
    fn batches_cost_what_the_formulas_say_and_events_hardly_anything() {
        for market in MARKETS {
            let rows = SYNCS.map(|sync| {
                let is_batch = matches!(sync, Sync::Batch(_));
                let orders = if is_batch { 36_000 } else { 6_000 };
                row(1, market, sync, orders).unwrap()
            });
            for row in &rows {
                let (found, predicted) = (row.oversold_per_10k, row.predicted_per_10k);
                let is_batch = matches!(row.sync, Sync::Batch(_));
                assert!(!is_batch || found.holds(predicted), "{row:?}");
                assert!(found.mean - found.plus_minus <= predicted, "{row:?}");
            }
            let means = rows.map(|row| row.oversold_per_10k.mean);
            assert!(means.is_sorted_by(|one, next| one >= next), "{means:?}");
            assert!(means[3] * 10.0 < means[2] && means[4] == 0.0, "{means:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_row() {
        let of = |seed| row(seed, Market::ShopAndAmazon, Sync::Batch(30), 1_000).unwrap();
        assert_eq!(of(5), of(5));
        assert_ne!(of(5), of(6));
    }

    #[test]
    fn names_read_back() {
        for sync in SYNCS {
            assert_eq!(String::from(sync).parse(), Ok(sync));
        }
        assert!("batch:7m".parse::<Sync>().is_err());
    }
}
