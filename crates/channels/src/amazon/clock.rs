//! What time it is for Amazon. It dates orders, and says of no number when it was set: that is told by the same clock, or a
//! sale would pass for older than a number that it has lowered since.

use std::sync::atomic::{AtomicI64, Ordering};

use crossdock_model::Timestamp;

/// Answers say the time in whole seconds.
const DATE_MS: i64 = 1_000;

/// How far Amazon's clock is ahead of ours, as its last answer said.
#[derive(Debug, Default)]
pub(super) struct Ahead(AtomicI64);

impl Ahead {
    /// An answer says what time it is; it was asked for, and came, at these times by our clock. As far as it can tell both
    /// clocks may be right. If not, Amazon's is taken for as late as it may be: a sale that then passes for older than a number
    /// has that sent again, and nothing is sold twice.
    pub fn hear(&self, said: Timestamp, asked_at: Timestamp, came_at: Timestamp) {
        let least = said.as_ms() - came_at.as_ms();
        let most = said.as_ms() + DATE_MS - 1 - asked_at.as_ms();
        let may_agree = (least..=most).contains(&0);
        let ahead = if may_agree { 0 } else { most };
        self.0.store(ahead, Ordering::Relaxed);
    }

    /// The time at Amazon when it is `now` for us.
    pub fn at(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_ms(now.as_ms() + self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_cannot_be_right_is_corrected() {
        let at = Timestamp::from_ms;
        // (asked, came, said, what 100,000 is there)
        let cases = [
            (10_200, 10_400, 10_000, 100_000),
            (10_900, 11_100, 11_000, 100_000),
            (10_000, 40_000, 20_000, 100_000),
            (3_610_200, 3_610_400, 10_000, 100_000 - 3_599_201),
            (10_200, 10_400, 3_610_000, 100_000 + 3_600_799),
        ];
        for (asked, came, said, there) in cases {
            let ahead = Ahead::default();
            assert_eq!(ahead.at(at(7)), at(7));
            ahead.hear(at(said), at(asked), at(came));
            assert_eq!(ahead.at(at(100_000)), at(there), "{asked} {came} {said}");
        }
    }
}
