//! Units to keep back from a channel.

use super::demand::Demand;

/// Units to keep back so that more than that are sold unseen with a chance of at most `risk` (formula 5): the
/// channel is shown `max(0, available − buffer)`. `demand` is what is sold elsewhere until this channel shows it; on
/// a channel whose writes replace its number, its own sales that we have not read yet count too.
#[must_use]
pub fn buffer_units(demand: Demand, risk: f64) -> u32 {
    demand.units_at_risk(risk)
}

/// Units to keep back where an oversold unit costs `over` and a hidden one `under` (formula 7, newsvendor): the
/// fewest `b` with P(D ≤ b) ≥ over / (over + under).
#[must_use]
pub fn newsvendor_units(demand: Demand, over: f64, under: f64) -> u32 {
    buffer_units(demand, risk_of_costs(over, under))
}

/// The risk at which to keep units back, that an oversold unit costs `over` and a hidden one `under`; 1 where neither costs
/// anything.
#[must_use]
pub fn risk_of_costs(over: f64, under: f64) -> f64 {
    let all = over + under;
    match all > 0.0 {
        true => under / all,
        false => 1.0,
    }
}

/// A channel that competes for scarce stock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fare {
    /// What a unit brings there.
    pub revenue: f64,
    /// Mean units it will still ask for.
    pub mean_units: f64,
    /// Their standard deviation.
    pub deviation_units: f64,
}

/// Units to protect for the channels up to each one, against all after it (formula 8). `fares` is sorted by what a
/// unit brings, best first; one entry fewer than there are fares. For two this is Littlewood's rule, for more EMSR-b,
/// with normal demand.
#[must_use]
pub fn protection_levels(fares: &[Fare]) -> Vec<u32> {
    (1..fares.len())
        .map(|better| {
            let (high, low) = (&fares[..better], &fares[better]);
            let mean: f64 = high.iter().map(|fare| fare.mean_units).sum();
            let variance = high
                .iter()
                .map(|fare| fare.deviation_units * fare.deviation_units);
            let revenue: f64 = high.iter().map(|fare| fare.revenue * fare.mean_units).sum();
            let ratio = low.revenue * mean / revenue;
            if !(0.0..1.0).contains(&ratio) {
                return 0;
            }
            let deviation = libm::sqrt(variance.sum());
            units(mean + deviation * normal_quantile(1.0 - ratio))
        })
        .collect()
}

/// The nearest whole number of units.
fn units(value: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as saturates, and is 0 for what is below"
    )]
    let units = libm::round(value) as u32;
    units
}

/// Where a standard normal variable is below with this chance: by bisection, as it is asked for seldom.
fn normal_quantile(chance: f64) -> f64 {
    let below = |z: f64| 0.5 * libm::erfc(-z / core::f64::consts::SQRT_2);
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        match below(middle) < chance {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formula 5's check table: mean, buffer at 1 %, at 0.1 %, at 0.1 % with an uncertain rate.
    #[test]
    fn buffers_are_those_of_the_table() {
        let (s, min, h) = (1.0 / 3_600.0, 1.0 / 60.0, 1.0);
        let table = [
            (20.0 * 5.0 * s, 1, 1, 1),
            (20.0 * 10.0 * min, 8, 10, 26),
            (20.0 * 3.0 * h, 79, 85, 417),
            (200.0 * 5.0 * s, 2, 3, 4),
            (200.0 * 15.0 * min, 67, 73, 348),
        ];
        for (mean, percent, thousandth, uncertain) in table {
            let known = Demand::poisson(mean);
            let found = (
                buffer_units(known, 0.01),
                buffer_units(known, 0.001),
                buffer_units(Demand::gamma_poisson(mean, 1.0), 0.001),
            );
            assert_eq!(found, (percent, thousandth, uncertain), "mean {mean}");
        }
    }

    /// Cheap overselling keeps nothing back, dear overselling much; equal costs keep the median.
    #[test]
    fn the_price_of_an_oversold_unit_sets_the_buffer() {
        let demand = Demand::poisson(10.0 / 3.0);
        let cases = [(0.0, 1.0, 0), (1.0, 1.0, 3), (99.0, 1.0, 8), (0.0, 0.0, 0)];
        for (over, under, units) in cases {
            assert_eq!(
                newsvendor_units(demand, over, under),
                units,
                "{over}/{under}"
            );
        }
    }

    /// Littlewood's rule with R_low/R_high = 1/2 protects the median. The four fares are example 2.3 of Talluri & van
    /// Ryzin, whose EMSR-b levels are 16.7, 50.9 and 83.2.
    #[test]
    fn better_channels_are_protected_from_worse_ones() {
        let fare = |(revenue, mean_units, deviation_units)| Fare {
            revenue,
            mean_units,
            deviation_units,
        };
        let half = (100.0, 40.0, 8.0);
        let four = [
            (1_050.0, 17.3, 5.8),
            (567.0, 45.1, 15.0),
            (534.0, 39.6, 13.2),
            (520.0, 34.0, 11.3),
        ];
        let cases: [(Vec<_>, &[u32]); 4] = [
            (vec![half, (50.0, 90.0, 9.0)], &[40]),
            (vec![half, (100.0, 90.0, 9.0)], &[0]),
            (four.to_vec(), &[17, 51, 83]),
            (Vec::new(), &[]),
        ];
        for (fares, levels) in cases {
            let fares: Vec<Fare> = fares.into_iter().map(fare).collect();
            assert_eq!(protection_levels(&fares), levels);
        }
    }
}
