//! Formulas 2, 3 and 4 against channels that show all there is.

use crossdock_logic::oversell::{
    Demand, Seller, oversell_chance, oversold_at_last_unit_chance, oversold_units,
};
use crossdock_model::Duration;
use crossdock_model::v1::Writes;
use serde::Serialize;

use super::LabError;
use super::book::Rates;
use super::estimate::{Estimate, Samples};
use super::floor::{Outcome, Outlet, Span, Supply};
use super::keeper::{Keeper, Kept, sell};
use crate::Dice;

/// What a formula says, and what was simulated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// What was compared.
    pub what: String,
    /// By the formula.
    pub predicted: f64,
    /// By the simulation.
    pub simulated: Estimate,
}

/// A channel: units per hour, seconds until a sale there is heard of, and until it shows what is decided.
pub type Quick = (f64, u64, u64);

/// A channel in one lag: units per hour, the shape of an uncertain rate, and what it shows.
pub type Window = (f64, Option<f64>, u32);

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const HOUR_S: f64 = 3_600.0;

fn outlets(channels: &[Quick]) -> Vec<Outlet> {
    let outlet = |(name, (per_h, heard_s, shown_s)): (&'static str, &Quick)| Outlet {
        name,
        per_h: *per_h,
        shape: None,
        writes: Writes::CompareAndSet,
        heard_after: Span::fixed(Duration::from_s(*heard_s)),
        shown_after: Span::fixed(Duration::from_s(*shown_s)),
        lost: 0.0,
    };
    NAMES.into_iter().zip(channels).map(outlet).collect()
}

#[expect(clippy::cast_precision_loss, reason = "lags are short")]
fn sellers(channels: &[Quick]) -> Vec<Seller> {
    let lag_h = |heard_s: u64, shown_s: u64| (heard_s + shown_s) as f64 / HOUR_S;
    let seller = |(rate_per_h, heard_s, _): &Quick| Seller {
        rate_per_h: *rate_per_h,
        lag_h: channels
            .iter()
            .map(|(_, _, shown_s)| lag_h(*heard_s, *shown_s))
            .collect(),
    };
    channels.iter().map(seller).collect()
}

fn mirrored(
    seed: u64,
    channels: &[Quick],
    units: u32,
    stock_outs: u64,
) -> Result<Outcome, LabError> {
    let supply = Supply {
        units,
        arrivals: None,
    };
    let channels = outlets(channels).into_iter();
    let channels: Vec<Kept> = channels.map(|outlet| (outlet, Keeper::Mirror)).collect();
    sell(seed, supply, Rates::Known, &channels, stock_outs)
}

fn named(channels: &[Quick], what: &str) -> String {
    let each = channels
        .iter()
        .map(|(per_h, heard_s, shown_s)| format!("{per_h}/h {heard_s}+{shown_s} s"));
    format!("{what}: {}", each.collect::<Vec<_>>().join(", "))
}

/// Formula 3: the last unit, shown by all.
///
/// # Errors
/// [`LabError`] when the experiment cannot be carried out.
pub fn last_unit(seed: u64, channels: &[Quick], stock_outs: u64) -> Result<Compared, LabError> {
    Ok(Compared {
        what: named(channels, "last unit oversold"),
        predicted: oversold_at_last_unit_chance(&sellers(channels)),
        simulated: mirrored(seed, channels, 1, stock_outs)?.oversold_share,
    })
}

/// Formula 4: units oversold per stock-out, from so many units.
///
/// # Errors
/// [`LabError`] when the experiment cannot be carried out.
pub fn per_stock_out(
    seed: u64,
    channels: &[Quick],
    units: u32,
    stock_outs: u64,
) -> Result<Compared, LabError> {
    Ok(Compared {
        what: named(channels, "oversold units per stock-out"),
        predicted: oversold_units(&sellers(channels)),
        simulated: mirrored(seed, channels, units, stock_outs)?.oversold,
    })
}

/// Formula 2: one lag, in sync before.
#[must_use]
pub fn one_lag(
    seed: u64,
    channels: &[Window],
    available: u32,
    lag: Duration,
    times: u64,
) -> Compared {
    let mut dice = Dice::new(seed);
    #[expect(clippy::cast_precision_loss, reason = "lags are short")]
    let lag_h = lag.as_ms() as f64 / (HOUR_S * 1_000.0);
    let mut samples = Samples::default();
    for _ in 0..times {
        let sold = channels.iter().map(|(per_h, shape, shown)| {
            let pace = shape.map_or(1.0, |shape| dice.gamma(shape) / shape);
            let mut left_h = lag_h;
            let mut units = 0;
            loop {
                left_h -= dice.gap_h(per_h * pace);
                if left_h < 0.0 || units == *shown {
                    break units;
                }
                units += 1;
            }
        });
        let sold: u32 = sold.sum();
        samples.add(f64::from(u8::from(sold > available)));
    }
    let published = channels.iter().map(|(per_h, shape, shown)| {
        let shape = shape.unwrap_or(f64::INFINITY);
        (Demand::gamma_poisson(per_h * lag_h, shape), *shown)
    });
    let published: Vec<_> = published.collect();
    Compared {
        what: format!("oversold in one lag: {channels:?} of {available}"),
        predicted: oversell_chance(&published, available),
        simulated: samples.estimate(),
    }
}

/// Every comparison: rates of 10 to 200 per hour, lags of 2 seconds to 10 minutes, two to four channels, and so many runs
/// of each.
///
/// # Errors
/// [`LabError`] when an experiment cannot be carried out.
pub fn compare(seed: u64, runs: u64) -> Result<Vec<Compared>, LabError> {
    let lags: [&[Quick]; 5] = [
        &[(10.0, 590, 10), (10.0, 590, 10)],
        &[(10.0, 29, 1), (10.0, 29, 1)],
        &[(10.0, 1, 1), (10.0, 1, 1)],
        &[(200.0, 180, 1), (20.0, 1, 1)],
        &[(10.0, 590, 10), (10.0, 590, 10), (10.0, 590, 10)],
    ];
    let mut all = Vec::new();
    for channels in lags {
        all.push(last_unit(seed, channels, runs)?);
    }
    // From stock that lasts for several lags: the formula is about that.
    let stocked: [(&[Quick], u32); 4] = [
        (&[(10.0, 590, 10), (10.0, 590, 10)], 20),
        (&[(10.0, 590, 10), (10.0, 590, 10), (10.0, 590, 10)], 30),
        (&[(200.0, 180, 1), (20.0, 1, 1)], 60),
        (
            &[(20.0, 300, 5), (15.0, 60, 1), (5.0, 1, 30), (5.0, 1, 1)],
            20,
        ),
    ];
    for (channels, units) in stocked {
        all.push(per_stock_out(seed, channels, units, runs / 3)?);
    }
    let quarter = Duration::from_minutes(15);
    let windows: [(&[Window], u32); 3] = [
        (&[(10.0, None, 8), (10.0, None, 8)], 8),
        (&[(20.0, Some(1.0), 5), (10.0, None, 5)], 6),
        (&[(200.0, Some(4.0), 60), (20.0, None, 60)], 60),
    ];
    let windows = windows.iter();
    all.extend(windows.map(|(channels, units)| one_lag(seed, channels, *units, quarter, runs)));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixty thousand runs of each are for `crossdock demo --sync formulas`.
    #[test]
    fn simulated_oversell_is_what_the_formulas_say() {
        for compared in compare(1, 20_000).unwrap() {
            assert!(compared.simulated.holds(compared.predicted), "{compared:?}");
        }
    }
}
