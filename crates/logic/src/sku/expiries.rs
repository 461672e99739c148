//! When live holds run out: what is free by then is known without a walk over all that ran out.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::Take;
use crossdock_model::{HoldId, LocationId, Timestamp};
use serde::{Deserialize, Serialize};

/// Widths of the spans over which units are summed, widest first, as powers of two in ms: 262 s, 4 s and 64 ms.
const WIDTHS: [u32; 3] = [18, 12, 6];

/// Live holds by the instant at which their units are free again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Expiries {
    by_instant: BTreeMap<Timestamp, BTreeSet<HoldId>>,
    /// Held units per location, by the width of a span and its number.
    sums: BTreeMap<(u32, i64), BTreeMap<LocationId, i64>>,
}

impl Expiries {
    pub fn insert(&mut self, at: Timestamp, hold: HoldId, takes: &[Take]) {
        self.by_instant.entry(at).or_default().insert(hold);
        self.shift(at, takes, 1);
    }

    pub fn remove(&mut self, at: Timestamp, hold: &HoldId, takes: &[Take]) {
        if let Some(holds) = self.by_instant.get_mut(&at) {
            holds.remove(hold);
            if holds.is_empty() {
                self.by_instant.remove(&at);
            }
        }
        self.shift(at, takes, -1);
    }

    fn shift(&mut self, at: Timestamp, takes: &[Take], sign: i64) {
        for width in WIDTHS {
            let key = (width, at.as_ms() >> width);
            let sums = self.sums.entry(key).or_default();
            for take in takes {
                let sum = sums.entry(take.location.clone()).or_default();
                *sum += sign * i64::from(take.units);
            }
            sums.retain(|_, units| *units != 0);
            if sums.is_empty() {
                self.sums.remove(&key);
            }
        }
    }

    pub fn first(&self) -> Option<Timestamp> {
        self.by_instant.keys().next().copied()
    }

    /// Holds that have run out, earliest first.
    pub fn until(&self, now: Timestamp) -> impl Iterator<Item = &HoldId> {
        self.by_instant.range(..=now).flat_map(|(_, holds)| holds)
    }

    /// Sums of spans that ended by now, which together hold all that ran out but the holds that are left: those of
    /// the span that has not ended yet.
    pub fn sums_until(
        &self,
        now: Timestamp,
    ) -> (
        impl Iterator<Item = (&LocationId, i64)>,
        impl Iterator<Item = &HoldId>,
    ) {
        let end = now.as_ms().saturating_add(1);
        let (mut from, mut spans) = (i64::MIN, Vec::new());
        for width in WIDTHS {
            let last = end >> width;
            spans.push(self.sums.range((width, from >> width)..(width, last)));
            from = last << width;
        }
        let sums = spans.into_iter().flatten().flat_map(|(_, sums)| sums);
        let (from, end) = (Timestamp::from_ms(from), Timestamp::from_ms(end));
        let left = self.by_instant.range(from..end);
        (
            sums.map(|(location, units)| (location, *units)),
            left.flat_map(|(_, holds)| holds),
        )
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::Timestamp;

    use super::Expiries;
    use crate::sku::bench::{hold_id, takes};

    /// However many ran out, and whenever: the sum is right, and is made of few parts.
    #[test]
    fn what_ran_out_is_summed_in_few_steps() {
        let at = |ms: i64| Timestamp::from_ms(1_000_000_007 + ms);
        let mut expiries = Expiries::default();
        for number in 0..20_000_i64 {
            let hold = hold_id(&format!("h{number}"));
            expiries.insert(at(number * 45), hold, &takes(&[("a", 1)]));
        }
        for ms in [
            0,
            44,
            45,
            63,
            64,
            4_095,
            262_143,
            262_144,
            500_000,
            899_955,
            i64::MAX / 2,
        ] {
            let (sums, left) = expiries.sums_until(at(ms));
            let (mut units, mut steps) = (0, 0);
            for (_, sum) in sums {
                (units, steps) = (units + sum, steps + 1);
            }
            let left = i64::try_from(left.count()).unwrap();
            assert_eq!(units + left, (ms / 45 + 1).min(20_000), "{ms} ms");
            assert!(steps + left < 140, "{steps} + {left} steps at {ms} ms");
        }
        for number in 0..20_000_i64 {
            let hold = hold_id(&format!("h{number}"));
            expiries.remove(at(number * 45), &hold, &takes(&[("a", 1)]));
        }
        assert_eq!(expiries, Expiries::default());
    }
}
