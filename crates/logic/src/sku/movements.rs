//! What moved and what was committed of late: what a count that comes in afterwards is corrected by.

use std::collections::BTreeMap;

use crossdock_model::v1::CountBasis;
use crossdock_model::{ChannelId, Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::allocated::Allocated;
use super::{COUNT_AGE_MAX, COUNT_AMBIGUITY, MOVEMENTS_MAX};

/// How exactly instants are kept once there are too many of them, near the present and before.
const NEAR: Duration = Duration::from_s(1);
const FAR: Duration = Duration::from_minutes(1);

// A day by the minute and its end by the second always fits.
const _: () = assert!(
    COUNT_AGE_MAX.as_ms() / FAR.as_ms() + COUNT_AMBIGUITY.as_ms() / NEAR.as_ms() + 2
        < MOVEMENTS_MAX as u64
);

/// What changed at one instant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Movement {
    /// Units that left or came.
    pub units: i64,
    /// Change of the units that are committed to orders.
    pub allocated: Allocated,
    /// Units moved, also where they cancel out.
    pub moved: bool,
}

impl Movement {
    /// Units that came or left. Those that left with an order, of that channel, were committed to it until then.
    pub fn of_units(units: i64, allocated_to: Option<&ChannelId>) -> Self {
        let mut moved = Self {
            units,
            moved: units != 0,
            ..Self::default()
        };
        if let Some(channel) = allocated_to {
            moved.allocated.change(channel, units);
        }
        moved
    }

    /// Units that an order of that channel committed to, or let go.
    pub fn of_committed(channel: &ChannelId, units: i64) -> Self {
        let mut moved = Self::default();
        moved.allocated.change(channel, units);
        moved
    }

    fn add(&mut self, other: &Self) {
        self.units += other.units;
        self.allocated.add(&other.allocated);
        self.moved |= other.moved;
    }
}

/// Movements of the last 24 h by the time they took effect. On a busy SKU older ones share instants: a count so near
/// to them that it matters is a drift anyway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Movements {
    log: BTreeMap<Timestamp, Movement>,
}

impl Movements {
    pub fn add(&mut self, effective_at: Timestamp, moved: &Movement, now: Timestamp) {
        self.log.entry(effective_at).or_default().add(moved);
        while let Some((&first, _)) = self.log.first_key_value()
            && now.since(first) > COUNT_AGE_MAX
        {
            self.log.pop_first();
        }
        if self.log.len() > MOVEMENTS_MAX {
            self.coarsen(now);
        }
    }

    fn coarsen(&mut self, now: Timestamp) {
        for (at, moved) in std::mem::take(&mut self.log) {
            let width = match now.since(at) > COUNT_AMBIGUITY {
                true => FAR,
                false => NEAR,
            };
            let into = Duration::from_ms(at.as_ms().rem_euclid(width.as_ms() as i64) as u64);
            self.log.entry(at - into).or_default().add(&moved);
        }
    }

    /// The sum of what took effect after that instant.
    pub fn after(&self, instant: Timestamp) -> Movement {
        let mut sum = Movement::default();
        let later = self.log.range(instant..).filter(|(at, _)| **at > instant);
        later.for_each(|(_, one)| sum.add(one));
        sum
    }

    /// Whether anything took effect in that span that such a count may or may not have seen.
    pub fn any_within(&self, basis: &CountBasis, from: Timestamp, to: Timestamp) -> bool {
        let mut near = self.log.range(from..=to);
        near.any(|(_, one)| one.moved || one.allocated.concerns(basis))
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::v1::CountBasis;
    use crossdock_model::{ChannelId, Duration, Timestamp};

    use super::{Movement, Movements};
    use crate::sku::MOVEMENTS_MAX;

    #[test]
    fn a_day_of_a_busy_sku_is_known() {
        let mut log = Movements::default();
        let shop = ChannelId::new("shop").unwrap();
        let (mut now, mut sum) = (Timestamp::from_ms(1 << 40), 0);
        let start = now;
        let mut sums = Vec::new();
        for number in 0_i64..200_000 {
            now = now + Duration::from_ms(432);
            let units = number % 7 - 3;
            sum += units;
            let channel = (number % 5 == 0).then_some(&shop);
            log.add(now, &Movement::of_units(units, channel), now);
            if number % 1_000 == 0 {
                sums.push((now, sum));
            }
        }
        assert!(log.log.len() <= MOVEMENTS_MAX);
        assert!(now.since(start) <= Duration::from_days(1));
        for (at, before) in sums {
            // What is off is less than what moved in the minute around it.
            let off = log.after(at).units - (sum - before);
            assert!(off.abs() <= 3 * 139, "{off}");
            let minute = Duration::from_minutes(1);
            assert!(log.any_within(&CountBasis::OnHand, at - minute, at + minute));
        }
    }
}
