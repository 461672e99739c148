//! What a number fell by, and which orders explain that.

use crossdock_model::Timestamp;

use super::{Slot, Statement};

impl Slot {
    /// Units by which it fell without an order that explains it.
    #[must_use]
    pub fn unexplained(&self) -> u32 {
        u32::try_from(self.gap.max(0)).unwrap_or(u32::MAX)
    }

    /// When it was stated last that it fell by units that no order explains yet, however often it was written since.
    #[must_use]
    pub fn fell_at(&self) -> Option<Timestamp> {
        self.fell().map(|(at, _)| at)
    }

    /// Whether it fell to what was shown before the last call then: that was lost.
    #[must_use]
    pub fn fell_back(&self) -> bool {
        self.fell().is_some_and(|(_, back)| back)
    }

    fn fell(&self) -> Option<(Timestamp, bool)> {
        let fell = self
            .open
            .fell
            .or(self.shown.map(|shown| self.fall_to(shown)));
        fell.filter(|_| self.unexplained() > 0)
    }

    /// A fall that is stated so.
    pub(super) fn fall_to(&self, stated: Statement) -> (Timestamp, bool) {
        (stated.at, self.before == Some(stated.units))
    }

    /// Units of a fall are explained, or are not to be any more.
    pub(super) fn note_fall(&mut self) {
        if self.open.fell.is_some() {
            self.open.fell = self.fell();
        }
    }

    /// Units sold by orders of the channel that were heard of at `now`.
    pub fn explain(&mut self, units: u64, now: Timestamp) {
        if units > 0 {
            self.gap = self.gap.saturating_sub_unsigned(units);
            self.heard_at = now;
        }
    }

    /// All orders of the channel up to when it fell are taken off, and the fall is still not explained: it was no
    /// sale. Returns the units.
    pub fn give_up_explaining(&mut self, proof: Timestamp) -> u32 {
        let units = self.unexplained();
        match self.fell_at() {
            Some(at) if at <= proof => {
                self.gap = 0;
                units
            }
            Some(_) | None => 0,
        }
    }

    /// What was stated last fell by so many more than is known to be sold. Orders may explain it
    /// yet.
    pub fn keep_fall(&mut self, units: u32) {
        if units > 0 {
            self.gap += i64::from(units);
            self.open.fell = self.shown.map(|shown| self.fall_to(shown));
        }
    }

    /// Orders of the channel for so many units were heard of, which explain a fall that was kept, and nothing else: its
    /// sales are named beside its number.
    pub fn explain_fall(&mut self, units: u64) {
        self.gap = self.gap.saturating_sub_unsigned(units).max(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_model::v1::Writes;

    /// 9 were confirmed where 5 were shown before. What is read then tells whether that was lost, also after further writes.
    #[test]
    fn a_fall_to_what_was_shown_before_is_a_lost_write() {
        for (read, is_lost) in [(5, true), (6, false)] {
            let at = Timestamp::from_ms;
            let stated = |units, ms| Statement { units, at: at(ms) };
            let mut slot = Slot::default();
            slot.state(stated(5, 1), Writes::Absolute);
            slot.begin(1, 9, at(2));
            slot.confirm(at(3));
            assert!(!slot.fell_back(), "it did not fall");
            slot.read(stated(read, 4), Writes::Absolute, at(4));
            slot.keep_fall(9 - u32::try_from(read).unwrap());
            for (call, units) in [(2, 4), (3, 3)] {
                slot.begin(call, units, at(10 + i64::from(units)));
                slot.confirm(at(20));
                assert_eq!(slot.fell_back(), is_lost, "{read}, {units}");
            }
            assert!(slot.give_up_explaining(at(4)) > 0);
            assert!(!slot.fell_back());
        }
    }
}
