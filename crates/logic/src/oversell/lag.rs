//! What is sold twice while a sale on one channel is still on its way to the others.

use super::demand::Demand;

/// Units up to which the whole distribution of what several channels sell is calculated.
const EXACT_UNITS_MAX: u32 = 20_000;

/// A channel that sells, by its number in a list of channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Seller {
    /// Units sold per hour of time in stock.
    pub rate_per_h: f64,
    /// Hours until each channel shows a sale of this one, by its number. Its own entry is not looked at.
    pub lag_h: Vec<f64>,
}

impl Seller {
    /// What the other channels sell on average before they show a sale of this one.
    fn sold_by_others(&self, own: usize, sellers: &[Self]) -> f64 {
        let others = sellers.iter().zip(&self.lag_h).enumerate();
        let others = others.filter(|(number, _)| *number != own);
        others.map(|(_, (other, lag))| other.rate_per_h * lag).sum()
    }
}

/// Mean over the channels of `value` of what others sell meanwhile, each weighted with its share of all sales.
fn over_sellers(sellers: &[Seller], value: impl Fn(f64) -> f64) -> f64 {
    let all: f64 = sellers.iter().map(|seller| seller.rate_per_h).sum();
    if all <= 0.0 {
        return 0.0;
    }
    let each = sellers
        .iter()
        .enumerate()
        .map(|(own, seller)| seller.rate_per_h / all * value(seller.sold_by_others(own, sellers)));
    each.sum()
}

/// The chance that the last unit is sold twice, where every channel shows all there is (formula 3).
#[must_use]
pub fn oversold_at_last_unit_chance(sellers: &[Seller]) -> f64 {
    over_sellers(sellers, |meanwhile| -libm::expm1(-meanwhile))
}

/// Units sold beyond what there was, on average per stock-out, where every channel shows all there is and that is
/// many (formula 4).
#[must_use]
pub fn oversold_units(sellers: &[Seller]) -> f64 {
    over_sellers(sellers, |meanwhile| meanwhile)
}

/// The chance that channels together sell more than `available` in one lag, starting in sync (formula 2). Each is
/// given as what is asked for there and what it shows. Past twenty thousand available units, where the exact sum
/// would cost too much, the chance is that of the least they can sell: 1 if they show more and it is asked for.
#[must_use]
pub fn oversell_chance(published: &[(Demand, u32)], available: u32) -> f64 {
    let shown: u64 = published.iter().map(|(_, units)| u64::from(*units)).sum();
    if shown <= u64::from(available) {
        return 0.0;
    }
    let available = available.min(EXACT_UNITS_MAX) as usize;
    // Chance of each sum up to what is available; what is beyond is left out.
    let mut sums = vec![0.0; available + 1];
    sums[0] = 1.0;
    for (demand, shown) in published {
        let sold = truncated(*demand, *shown as usize, available);
        let mut next = vec![0.0; available + 1];
        for (before, chance) in sums.iter().enumerate().filter(|(_, chance)| **chance > 0.0) {
            for (units, more) in sold.iter().take(available + 1 - before).enumerate() {
                next[before + units] += chance * more;
            }
        }
        sums = next;
    }
    (1.0 - sums.iter().sum::<f64>()).clamp(0.0, 1.0)
}

/// The chance of each number of units sold by a channel that shows `shown`: whoever comes later finds none.
fn truncated(demand: Demand, shown: usize, units_max: usize) -> Vec<f64> {
    let mut sold: Vec<f64> = demand.chances().take(shown.min(units_max + 1)).collect();
    if shown <= units_max {
        let rest = 1.0 - sold.iter().sum::<f64>();
        sold.resize(shown, 0.0);
        sold.push(rest.max(0.0));
    }
    sold
}

#[cfg(test)]
mod tests {
    use super::{Seller, oversell_chance, oversold_at_last_unit_chance, oversold_units};
    use crate::oversell::Demand;

    fn alike(channels: usize, rate_per_h: f64, lag_h: f64) -> Vec<Seller> {
        let lag_h = vec![lag_h; channels];
        vec![Seller { rate_per_h, lag_h }; channels]
    }

    /// Formulas 3 and 4 with their check values: lag in seconds, chance at the last unit, units per stock-out.
    #[test]
    fn lag_between_channels_that_show_all_sells_the_last_unit_twice() {
        let cases = [
            (2, 600.0, 0.811, Some(1.667)),
            (2, 30.0, 0.080, None),
            (2, 2.0, 0.0055, None),
            (3, 600.0, 0.964, Some(3.333)),
        ];
        for (channels, lag_s, chance, units) in cases {
            let sellers = alike(channels, 10.0, lag_s / 3_600.0);
            let found = oversold_at_last_unit_chance(&sellers);
            assert!(
                (found - chance).abs() < 6e-4,
                "{channels} at {lag_s} s: {found}"
            );
            if let Some(units) = units {
                assert!((oversold_units(&sellers) - units).abs() < 1e-3);
            }
        }
        assert_eq!(oversold_units(&alike(2, 0.0, 1.0)), 0.0);
        assert_eq!(oversold_units(&[]), 0.0);
    }

    #[test]
    fn channels_that_together_show_no_more_than_there_is_cannot_oversell() {
        let many = Demand::poisson(500.0);
        assert_eq!(oversell_chance(&[(many, 3), (many, 2)], 5), 0.0);
        // Both are certain to sell all they show.
        assert!((oversell_chance(&[(many, 3), (many, 3)], 5) - 1.0).abs() < 1e-9);
    }

    /// One unit, shown by two: oversold when both sell, which is told without convolving.
    #[test]
    fn one_unit_is_oversold_when_both_sell_it() {
        let (a, b) = (Demand::poisson(0.4), Demand::gamma_poisson(1.0, 2.0));
        let none = |demand: Demand| demand.chances().next().unwrap();
        let both = (1.0 - none(a)) * (1.0 - none(b));
        let found = oversell_chance(&[(a, 1), (b, 1)], 1);
        assert!((found - both).abs() < 1e-12, "{found} for {both}");
    }

    /// Where all is shown to all, what is sold is the sum: known to be Poisson of the summed mean.
    #[test]
    fn shown_to_all_without_limit_it_is_the_tail_of_the_sum() {
        let published = [(Demand::poisson(2.0), 400), (Demand::poisson(3.5), 400)];
        let found = oversell_chance(&published, 9);
        let up_to_9: f64 = Demand::poisson(5.5).chances().take(10).sum();
        assert!((found - (1.0 - up_to_9)).abs() < 1e-9, "{found}");
    }
}
