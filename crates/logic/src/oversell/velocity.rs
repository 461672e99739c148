//! How fast a SKU sells on a channel, learned from its sales.

use serde::{Deserialize, Serialize};

/// Thousandths: state is in whole numbers, so that it compares and is the same everywhere.
const MILLI: u64 = 1_000;
const HOUR_MS: u64 = 3_600_000;
/// Sales and time in stock count half after this long (formula 9's discount, applied continuously).
pub const HALF_LIFE_MS: u64 = 7 * 24 * HOUR_MS;

/// A rate of sale as a gamma distribution: `sold` units in `exposed` time in stock (formula 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Velocity {
    sold_milli: u64,
    exposed_ms: u64,
}

impl Velocity {
    /// What is known of a SKU that has not been sold yet: its class sells so many units per hour, and that is worth as
    /// much as having watched it for so long.
    #[must_use]
    pub fn prior(rate_per_h: u32, worth_ms: u64) -> Self {
        let exposed_ms = worth_ms.max(1);
        let sold = u128::from(rate_per_h) * u128::from(exposed_ms) * u128::from(MILLI);
        Self {
            sold_milli: u64::try_from(sold / u128::from(HOUR_MS)).unwrap_or(u64::MAX),
            exposed_ms,
        }
    }

    /// After `in_stock_ms` more in stock, in which `units` were sold.
    #[must_use]
    pub fn after(self, units: u32, in_stock_ms: u64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a discount need not be exact to the millisecond"
        )]
        let keep = libm::exp2(-(in_stock_ms as f64) / (HALF_LIFE_MS as f64));
        Self {
            sold_milli: discounted(self.sold_milli, keep).saturating_add(u64::from(units) * MILLI),
            exposed_ms: discounted(self.exposed_ms, keep).saturating_add(in_stock_ms),
        }
    }

    /// Its mean in thousandths of a unit per hour.
    #[must_use]
    pub fn milli_per_h(&self) -> u64 {
        let per_h = u128::from(self.sold_milli) * u128::from(HOUR_MS);
        u64::try_from(per_h / u128::from(self.exposed_ms.max(1))).unwrap_or(u64::MAX)
    }

    /// Shape of its distribution, in thousandths: the units it was learned from.
    #[must_use]
    pub fn shape_milli(&self) -> u64 {
        self.sold_milli
    }
}

fn discounted(value: u64, keep: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "keep is between 0 and 1"
    )]
    let value = libm::round(value as f64 * keep) as u64;
    value
}

#[cfg(test)]
mod tests {
    use super::{HALF_LIFE_MS, HOUR_MS, Velocity};

    fn close(velocity: Velocity, rate_per_h: f64) {
        let found = velocity.milli_per_h() as f64 / 1_000.0;
        assert!(
            (found - rate_per_h).abs() <= 0.01 * rate_per_h,
            "{found} for {rate_per_h}"
        );
    }

    #[test]
    fn a_new_sku_sells_as_its_class_until_its_own_sales_say_otherwise() {
        let new = Velocity::prior(20, 2 * HOUR_MS);
        close(new, 20.0);
        assert_eq!(new.shape_milli(), 40_000);
        // Gamma(40, 2 h) and 60 sold in 2 h: (40 + 60) / 4 h, but for what is discounted in two hours.
        close(new.after(60, 2 * HOUR_MS), 25.0);
        close(new.after(0, 2 * HOUR_MS), 10.0);
    }

    #[test]
    fn what_is_long_ago_counts_less() {
        let busy = Velocity::prior(0, 1).after(16_800, HALF_LIFE_MS);
        close(busy, 100.0);
        // After as long without a sale, half of the old sales count, over half of the old time and the new.
        close(busy.after(0, HALF_LIFE_MS), 100.0 * 0.5 / 1.5);
    }

    #[test]
    fn in_small_steps_as_in_one() {
        let mut stepped = Velocity::prior(5, HOUR_MS);
        for _ in 0..48 {
            stepped = stepped.after(3, HOUR_MS / 2);
        }
        let at_once = Velocity::prior(5, HOUR_MS).after(144, 24 * HOUR_MS);
        close(stepped, at_once.milli_per_h() as f64 / 1_000.0);
    }
}
