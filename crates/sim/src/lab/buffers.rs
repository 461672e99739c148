//! Buffers for a target risk (formula 5), as buckets keep them.

use crossdock_model::Duration;
use crossdock_model::v1::Writes;
use serde::Serialize;

use super::LabError;
use super::book::Rates;
use super::floor::{Outlet, Span, Supply};
use super::keeper::{Keeper, sell};

/// What is promised: of stock-outs, at most so many millionths oversell.
pub const TARGET_PPM: u32 = 1_000;

/// Stock-outs under buffers, and how many oversold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Buffered {
    /// How the channels take numbers and how late they are heard of.
    pub what: String,
    /// Stock-outs.
    pub stock_outs: u64,
    /// Those that oversold.
    pub oversold: u64,
    /// Units that were ordered.
    pub orders: u64,
    /// With 95 % confidence at most this share of stock-outs oversells (Clopper & Pearson, 1934).
    pub share_max: f64,
}

/// Two channels, 20 and 10 sold per hour. `writes` is how the first takes numbers. Sales are heard of after ten minutes, or
/// three where numbers are replaced: always as late as the buffer reckons with, which is the worst case. At a risk of all
/// millionths nothing is kept back.
///
/// # Errors
/// [`LabError`] when the experiment cannot be carried out.
pub fn at_target(
    seed: u64,
    writes: Writes,
    rates: Rates,
    risk_ppm: u32,
    stock_outs: u64,
) -> Result<Buffered, LabError> {
    let heard_after = Span::fixed(Duration::from_minutes(match writes {
        Writes::CompareAndSet => 10,
        Writes::Absolute => 3,
    }));
    let shown_after = Span::fixed(Duration::from_s(1));
    let outlet = |name, per_h, writes| Outlet {
        name,
        per_h,
        shape: None,
        writes,
        heard_after,
        shown_after,
        lost: 0.0,
    };
    let keeper = Keeper::Bucket {
        buffer_risk_ppm: Some(risk_ppm),
        unseen_risk_ppm: risk_ppm,
    };
    let channels = [
        (outlet("market", 20.0, writes), keeper),
        (outlet("shop", 10.0, Writes::CompareAndSet), keeper),
    ];
    let supply = Supply {
        units: 40,
        arrivals: None,
    };
    let outcome = sell(seed, supply, rates, &channels, stock_outs)?;
    Ok(Buffered {
        what: format!("{writes:?}, rates {rates:?}"),
        stock_outs: outcome.episodes,
        oversold: outcome.oversold_episodes,
        orders: outcome.orders,
        share_max: share_max(outcome.oversold_episodes, outcome.episodes),
    })
}

/// The share at which as few as `seen` of `all` would be seen with a chance of 5 %.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub fn share_max(seen: u64, all: u64) -> f64 {
    let at_most_seen = |share: f64| -> f64 {
        let mut log_chance = all as f64 * libm::log1p(-share);
        let mut sum = 0.0;
        for hits in 0..=seen.min(all) {
            sum += libm::exp(log_chance);
            let (hits, all) = (hits as f64, all as f64);
            log_chance += libm::log((all - hits) / (hits + 1.0)) + libm::log(share / (1.0 - share));
        }
        sum
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        match at_most_seen(middle) > 0.05 {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole ten thousand are for `crossdock demo --sync buffers`.
    #[test]
    fn buffers_keep_their_promise() {
        for writes in [Writes::CompareAndSet, Writes::Absolute] {
            for rates in [Rates::Known, Rates::Learned] {
                let kept = at_target(3, writes, rates, TARGET_PPM, 100).unwrap();
                assert_eq!(kept.oversold, 0, "{kept:?}");
            }
            let bare = at_target(3, writes, Rates::Known, 1_000_000, 60).unwrap();
            assert!(bare.oversold > 20, "{bare:?}");
        }
    }

    /// None of n: 3/n, nearly.
    #[test]
    fn the_bound_is_that_of_clopper_and_pearson() {
        for (seen, all, share) in [(0, 10_000, 3.0e-4), (10, 10_000, 1.7e-3), (5, 5, 1.0)] {
            let found = share_max(seen, all);
            assert!(
                (found - share).abs() < 0.01 * share,
                "{seen}/{all}: {found}"
            );
        }
    }
}
