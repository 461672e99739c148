//! What a number fell by, and which orders explain that.

use crossdock_model::Timestamp;

use super::Slot;

impl Slot {
    /// Units by which it fell without an order that explains it.
    #[must_use]
    pub fn unexplained(&self) -> u32 {
        u32::try_from(self.gap.max(0)).unwrap_or(u32::MAX)
    }

    /// When it was stated last that it fell by units that no order explains yet, however often it was written since.
    #[must_use]
    pub fn fell_at(&self) -> Option<Timestamp> {
        let stated_at = self.shown.map(|shown| shown.at);
        let fell_at = self.open.fell_at.or(stated_at);
        fell_at.filter(|_| self.unexplained() > 0)
    }

    /// Units of a fall are explained, or are not to be any more.
    pub(super) fn note_fall(&mut self) {
        if self.open.fell_at.is_some() {
            self.open.fell_at = self.fell_at();
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
            self.open.fell_at = self.shown.map(|shown| shown.at);
        }
    }

    /// Orders of the channel for so many units were heard of, which explain a fall that was kept, and nothing else: its
    /// sales are named beside its number.
    pub fn explain_fall(&mut self, units: u64) {
        self.gap = self.gap.saturating_sub_unsigned(units).max(0);
    }
}
