//! A number handed over among many, which the channel sets minutes later, over whatever was set meanwhile.
//!
//! Until the channel says what became of it nothing is raised. What is too much is lowered at once, and sent again after the
//! end, as nobody knows which of the two came last.

use crossdock_model::Timestamp;

use super::{Doubt, Handed, Slot, Statement};

impl Slot {
    /// What was handed over.
    #[must_use]
    pub fn handed(&self) -> Option<Handed> {
        self.open.handed
    }

    /// It is handed over, on a channel whose writes replace its number.
    pub fn hand_over(&mut self, call: u64, units: u32, until: Timestamp, at: Timestamp) {
        self.open.handed = Some(Handed {
            call,
            units,
            until,
            begun_at: at,
            is_overtaken: false,
            left: None,
        });
    }

    /// The channel has set it, at `at` by its clock at the latest.
    pub fn confirm_handed(&mut self, at: Timestamp, now: Timestamp) {
        let Some(handed) = self.open.handed else {
            return;
        };
        let is_doubtful = |doubt: Doubt| doubt.until > handed.begun_at;
        if handed.is_overtaken
            || self.open.flight.is_some()
            || self.open.doubt.is_some_and(is_doubtful)
        {
            return self.lose_handed(now);
        }
        (self.open.handed, self.open.doubt) = (None, None);
        self.before = self.shown.map(|shown| shown.units);
        self.shown = Some(Statement {
            units: i64::from(handed.units),
            at,
        });
        (self.left, self.is_roomy) = (handed.left, true);
        (self.is_stale, self.is_refuted) = (false, false);
    }

    /// It was not set, and will not be.
    pub fn refuse_handed(&mut self) {
        self.open.handed = None;
    }

    /// It was set or not, nobody knows when, and will not be set any more.
    pub fn lose_handed(&mut self, now: Timestamp) {
        let Some(handed) = self.open.handed.take() else {
            return;
        };
        let units = i64::from(handed.units);
        let before = self.open.doubt.take();
        let until = before.map_or(now, |doubt| now.max(doubt.until));
        self.open.doubt = Some(Doubt {
            units: before.map_or(units, |doubt| units.max(doubt.units)),
            until,
            is_due: until <= now,
            is_overwritten: false,
            absorbed: before.map_or(0, |doubt| doubt.absorbed),
            put_back: before.map_or(0, |doubt| doubt.put_back),
        });
    }

    /// A call was carried out beside it.
    pub(super) fn overtake(&mut self) {
        if let Some(handed) = &mut self.open.handed {
            handed.is_overtaken = true;
        }
    }
}
