//! Units that are asked for in a span of time, as a distribution.

/// Greatest mean that is calculated with; a greater one counts as this. Keeping back a hundred thousand units is the
/// same as showing none.
pub const MEAN_UNITS_MAX: f64 = 100_000.0;
/// Standard deviations above the mean at which a distribution ends, and units beyond that.
const TAIL_DEVIATIONS: f64 = 60.0;
const TAIL_UNITS: f64 = 100.0;

/// Units asked for in a span of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    mean: f64,
    /// Shape of the rate's own distribution; infinite for a rate that is known.
    shape: f64,
}

impl Demand {
    /// Steady arrivals at a known rate: Poisson.
    #[must_use]
    pub fn poisson(mean_units: f64) -> Self {
        Self::gamma_poisson(mean_units, f64::INFINITY)
    }

    /// Arrivals at an uncertain or bursty rate: negative binomial with variance `mean + mean² / shape`. A shape that
    /// is no positive number counts as a known rate.
    #[must_use]
    pub fn gamma_poisson(mean_units: f64, shape: f64) -> Self {
        let mean = if mean_units > 0.0 { mean_units } else { 0.0 };
        Self {
            mean: mean.min(MEAN_UNITS_MAX),
            shape: if shape > 0.0 { shape } else { f64::INFINITY },
        }
    }

    /// Its mean in units.
    #[must_use]
    pub fn mean_units(&self) -> f64 {
        self.mean
    }

    /// The chance of 0, 1, 2, … units, until what is left is beyond measure.
    pub fn chances(&self) -> impl Iterator<Item = f64> + use<> {
        let Self { mean, shape } = *self;
        let known = shape.is_infinite();
        // In logarithms: the chance of none at all is too small for a number when many are expected.
        let none = match known {
            true => -mean,
            false => -shape * libm::log1p(mean / shape),
        };
        let log_share = match known {
            true => libm::log(mean),
            false => -libm::log1p(shape / mean),
        };
        let variance = if known {
            mean
        } else {
            mean + mean * mean / shape
        };
        let last = mean + TAIL_DEVIATIONS * libm::sqrt(variance) + TAIL_UNITS;
        let mut log_chance = none;
        let mut units = 0.0;
        std::iter::from_fn(move || {
            if units > last {
                return None;
            }
            let chance = libm::exp(log_chance);
            let arrivals = if known { 0.0 } else { libm::log(shape + units) };
            units += 1.0;
            log_chance += log_share + arrivals - libm::log(units);
            Some(chance)
        })
    }

    /// The fewest units `k` with P(more than `k`) at most `risk`, which is between 0 and 1.
    #[must_use]
    pub fn units_at_risk(&self, risk: f64) -> u32 {
        let mut beyond = 1.0;
        let mut units = 0;
        for chance in self.chances() {
            beyond -= chance;
            if beyond <= risk {
                break;
            }
            units += 1;
        }
        units
    }

    /// Units beyond `kept` that are asked for on average: E[(D − kept)⁺] (formula 6).
    #[must_use]
    pub fn shortage_units(&self, kept: u32) -> f64 {
        let kept = f64::from(kept);
        // E[(D − b)⁺] = E[D] − b + E[(b − D)⁺]: the last sum ends at b.
        let mut spare = 0.0;
        let mut units = 0.0;
        for chance in self.chances() {
            if units >= kept {
                break;
            }
            spare += (kept - units) * chance;
            units += 1.0;
        }
        (self.mean - kept + spare).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Demand;

    #[test]
    fn chances_sum_to_one_and_give_mean_and_variance() {
        let cases = [
            (Demand::poisson(0.0), 0.0),
            (Demand::poisson(0.03), 0.03),
            (Demand::poisson(2_000.0), 2_000.0),
            (Demand::gamma_poisson(3.33, 1.0), 3.33 + 3.33 * 3.33),
            (Demand::gamma_poisson(50.0, 4.0), 50.0 + 50.0 * 50.0 / 4.0),
        ];
        for (demand, variance) in cases {
            let (mut all, mut first, mut second) = (0.0, 0.0, 0.0);
            for (units, chance) in (0..).map(f64::from).zip(demand.chances()) {
                all += chance;
                first += units * chance;
                second += units * units * chance;
            }
            let close = |found: f64, wanted: f64| (found - wanted).abs() <= 1e-6 * wanted.max(1.0);
            assert!(close(all, 1.0), "{demand:?}: {all}");
            assert!(close(first, demand.mean_units()), "{demand:?}: {first}");
            assert!(close(second - first * first, variance), "{demand:?}");
        }
    }

    /// Formula 6's check value.
    #[test]
    fn shortage_is_what_is_asked_for_beyond_what_is_kept() {
        let demand = Demand::poisson(10.0 / 3.0);
        assert!((demand.shortage_units(5) - 0.2059).abs() < 5e-5);
        assert!((demand.shortage_units(0) - 10.0 / 3.0).abs() < 1e-12);
        assert!(demand.shortage_units(60) < 1e-9);
    }

    #[test]
    fn what_is_no_rate_is_no_demand() {
        for mean in [f64::NAN, -1.0, 0.0] {
            assert_eq!(Demand::poisson(mean).units_at_risk(0.001), 0);
        }
        let huge = Demand::gamma_poisson(f64::INFINITY, -3.0);
        assert!(huge.units_at_risk(0.01) > 100_000);
    }
}
