//! Means of what was simulated, and how far they can be off by chance.

use serde::Serialize;

/// Standard deviations to either side that hold 95 % of a normal distribution.
const DEVIATIONS_95: f64 = 1.959_963_985;

/// A mean of independent samples.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Samples {
    count: u64,
    sum: f64,
    squares: f64,
}

impl Samples {
    /// One more.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    /// Their mean, and half the width of its 95 % interval.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub fn estimate(&self) -> Estimate {
        let count = self.count.max(1) as f64;
        let mean = self.sum / count;
        let variance = (self.squares / count - mean * mean).max(0.0);
        Estimate {
            mean,
            plus_minus: DEVIATIONS_95 * libm::sqrt(variance / count),
        }
    }
}

/// What a simulation says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % interval.
    pub plus_minus: f64,
}

impl Estimate {
    /// Whether a prediction lies within the interval.
    #[must_use]
    pub fn holds(&self, predicted: f64) -> bool {
        (self.mean - predicted).abs() <= self.plus_minus
    }

    /// The same of so many times as much.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self {
            mean: self.mean * factor,
            plus_minus: self.plus_minus * factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand tosses with 300 hits: the deviation of the mean is √(0.3 × 0.7 / 1,000).
    #[test]
    fn the_interval_is_that_of_a_mean() {
        let mut samples = Samples::default();
        (0..1_000).for_each(|toss| samples.add(f64::from(u8::from(toss % 10 < 3))));
        let estimate = samples.estimate();
        assert!((estimate.mean - 0.3).abs() < 1e-12);
        assert!((estimate.plus_minus - 1.96 * 0.014_491).abs() < 1e-4);
        assert!(estimate.holds(0.28) && !estimate.holds(0.27));
    }
}
