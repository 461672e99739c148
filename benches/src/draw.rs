//! Which SKU somebody wants.

use std::sync::Arc;

/// How wishes spread over SKUs.
#[derive(Debug, Clone)]
pub(crate) enum Spread {
    /// All of them want the first one.
    One,
    /// Each of so many equally.
    Uniform(usize),
    /// By Zipf's law: the share of the SKU of rank `k` is in proportion to `k^-s`. Cumulated shares.
    Zipf(Arc<[f64]>),
}

impl Spread {
    /// Zipf's law with exponent `s` over so many SKUs.
    pub(crate) fn zipf(skus: usize, s: f64) -> Self {
        let share = |rank: usize| (rank as f64).powf(-s);
        let total: f64 = (1..=skus).map(share).sum();
        let cumulated = (1..=skus).scan(0.0, |sum, rank| {
            *sum += share(rank) / total;
            Some(*sum)
        });
        Self::Zipf(cumulated.collect())
    }

    /// How many SKUs there are.
    pub(crate) fn skus(&self) -> usize {
        match self {
            Self::One => 1,
            Self::Uniform(skus) => *skus,
            Self::Zipf(cumulated) => cumulated.len(),
        }
    }
}

/// One client's wishes: the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    spread: Spread,
    state: u64,
}

impl Draw {
    pub(crate) fn new(spread: &Spread, seed: usize) -> Self {
        Self {
            spread: spread.clone(),
            state: seed as u64,
        }
    }

    /// The next number of SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Number of the SKU that is wanted next.
    pub(crate) fn sku(&mut self) -> usize {
        let number = self.next();
        match &self.spread {
            Spread::One => 0,
            Spread::Uniform(skus) => (number % *skus as u64) as usize,
            Spread::Zipf(cumulated) => {
                let share = (number >> 11) as f64 / (1_u64 << 53) as f64;
                let rank = cumulated.partition_point(|sum| *sum < share);
                rank.min(cumulated.len() - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(spread: &Spread) -> Vec<f64> {
        const DRAWS: usize = 100_000;
        let mut draw = Draw::new(spread, 1);
        let mut counts = vec![0_usize; spread.skus()];
        (0..DRAWS).for_each(|_| counts[draw.sku()] += 1);
        counts.iter().map(|n| *n as f64 / DRAWS as f64).collect()
    }

    #[test]
    fn wishes_spread_as_asked() {
        assert_eq!(shares(&Spread::One), [1.0]);
        let uniform = shares(&Spread::Uniform(4));
        assert!(uniform.iter().all(|share| (share - 0.25).abs() < 0.01));
        let zipf = shares(&Spread::zipf(1_000, 0.99));
        assert!((zipf[0] / zipf[9] - 10_f64.powf(0.99)).abs() < 1.0);
        assert!((zipf.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
