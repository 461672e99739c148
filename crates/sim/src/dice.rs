//! Chances from a seed.

/// A generator of chances (SplitMix64: Steele, Lea & Flood, *Fast Splittable Pseudorandom Number Generators*, 2014). The
/// same seed gives the same chances on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 up to, not including, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this chance, from 0 to 1, happens.
    pub fn happens(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        // The widening multiply of Lemire, 2019; the bias for any end used here is below 2⁻³².
        let wide = u128::from(self.bits()) * u128::from(end.max(1));
        (wide >> 64) as u64
    }

    /// A number with a gamma distribution of that shape and scale 1, whose mean is the shape (Marsaglia & Tsang, *A Simple
    /// Method for Generating Gamma Variables*, 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        let shape = shape.max(1e-3);
        if shape < 1.0 {
            let boosted = self.gamma(shape + 1.0);
            return boosted * libm::pow(1.0 - self.unit(), 1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let z = self.normal();
            let v = libm::pow(1.0 + c * z, 3.0);
            let log_u = libm::log(1.0 - self.unit());
            if v > 0.0 && log_u < 0.5 * z * z + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }

    /// A number with a standard normal distribution (Box & Muller, 1958).
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }

    /// Hours until the next of arrivals that come at that rate.
    pub fn gap_h(&mut self, per_h: f64) -> f64 {
        -libm::log(1.0 - self.unit()) / per_h.max(1e-9)
    }

    /// Milliseconds until the next of arrivals that come at that rate, one at least.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as saturates, and nothing is negative"
    )]
    pub fn gap_ms(&mut self, per_h: f64) -> u64 {
        (self.gap_h(per_h) * 3_600_000.0) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_gives_the_same_chances() {
        let mut dice = Dice::new(1);
        let first: Vec<u64> = (0..3).map(|_| dice.bits()).collect();
        assert_eq!(
            first,
            (0..3)
                .map({
                    let mut again = Dice::new(1);
                    move |_| again.bits()
                })
                .collect::<Vec<_>>()
        );
        assert_ne!(first[0], Dice::new(2).bits());
    }

    #[test]
    fn chances_are_what_they_say() {
        let mut dice = Dice::new(7);
        let times = 20_000;
        let hits = (0..times).filter(|_| dice.happens(0.3)).count();
        assert!((5_700..6_300).contains(&hits), "{hits}");
        let mut counts = [0; 5];
        (0..times).for_each(|_| counts[dice.below(5) as usize] += 1);
        assert!(
            counts.iter().all(|count| (3_700..4_300).contains(count)),
            "{counts:?}"
        );
        let mean = (0..times).map(|_| dice.gap_ms(200.0)).sum::<u64>() / times;
        assert!((17_500..18_500).contains(&mean), "{mean}");
    }

    /// Mean and variance of a gamma distribution are its shape.
    #[test]
    fn gamma_has_its_mean_and_variance() {
        let mut dice = Dice::new(7);
        for shape in [0.5, 1.0, 9.0] {
            let times = 400_000;
            let drawn: Vec<f64> = (0..times).map(|_| dice.gamma(shape)).collect();
            let mean = drawn.iter().sum::<f64>() / f64::from(times);
            let squares = drawn.iter().map(|one| (one - mean) * (one - mean));
            let variance = squares.sum::<f64>() / f64::from(times);
            let close = |found: f64| (found - shape).abs() < 0.02 * shape;
            assert!(
                close(mean) && close(variance),
                "{shape}: {mean}, {variance}"
            );
        }
    }
}
