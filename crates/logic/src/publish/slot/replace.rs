//! What is sent to a channel whose writes replace its number.
//!
//! Its own sales lower what it shows, whether we have heard of them or not; only a write can put them back. So a write
//! leaves room for all that may be unseen by then. While its orders cannot be read that is more and more, but what is shown
//! needs no other number for that alone: it stays right until the stock is another than it was when that was written.

use crossdock_model::Timestamp;
use crossdock_model::v1::Writes;

use super::{Act, Handed, Slot, Want, proven};

impl Slot {
    pub(super) fn replace(&self, want: &Want<'_>, now: Timestamp) -> Act {
        if let Some(handed) = self.open.handed {
            return self.replace_beside(handed, want);
        }
        let (should, sent) = (i64::from(self.should(want)), sent(want));
        let since = self.wrong_since.unwrap_or(now);
        let Some(most) = self.most(want.sold) else {
            // It may be none that a number is to be sent of.
            return Act::Read;
        };
        if let Some(doubt) = self.open.doubt.filter(|_| self.is_in_doubt(now)) {
            // What comes too late must be overwritten; not by more than may be shown already.
            let known = (most - i64::from(doubt.put_back)).max(0);
            return set(u32::try_from(known).unwrap_or(u32::MAX).min(sent));
        }
        // Sent and taken since a call was lost: sent again once that has surely ended, not over and over until then.
        let is_sent = self.open.doubt.is_some_and(|doubt| doubt.is_overwritten)
            && self.believed(want.sold) == Some(sent.into());
        if should == most || is_sent {
            return Act::Nothing;
        }
        if is_lower(should, most, want) {
            return set(sent);
        }
        match proven(want, since, set(sent)) {
            // As long as reading is behind it can be raised no further.
            Act::Set { .. } if should > most && i64::from(sent) <= most => Act::Nothing,
            act => act,
        }
    }

    /// What is to be done before it is known what became of it: only what may be shown already and is too much is sent.
    fn replace_beside(&self, handed: Handed, want: &Want<'_>) -> Act {
        let shown = self.most_beside_bulk(want.sold);
        let most = match shown {
            Some(shown) if handed.is_overtaken => shown,
            shown => shown.unwrap_or_default().max(handed.units.into()),
        };
        match is_lower(self.should(want).into(), most, want) {
            true => set(sent(want)),
            false => Act::Nothing,
        }
    }

    /// Units that what should be shown leaves for unseen sales: those that what is shown leaves, if these are enough and
    /// no more than may be needed, or were needed when it was set among many.
    pub(super) fn room(&self, want: &Want<'_>) -> u32 {
        let left = match self.open.handed {
            Some(handed) if !handed.is_overtaken => handed.left,
            Some(_) | None => self.left,
        };
        let left = left.unwrap_or(0);
        let is_roomy = self.is_roomy && self.open.handed.is_none();
        let needed = want.behind.unwrap_or(0).max(want.unseen);
        let most = if is_roomy { needed.max(left) } else { needed };
        left.clamp(want.unseen, most)
    }

    /// Notes how much what was sent or stated since the last time leaves.
    pub(super) fn leave(&mut self, want: &Want<'_>) {
        if want.writes != Writes::Absolute {
            return;
        }
        let left = |units: i64| u32::try_from(i64::from(want.units) - units).unwrap_or(0);
        if let Some(flight) = &mut self.open.flight {
            flight.left.get_or_insert(left(flight.units.into()));
        }
        if let Some(handed) = &mut self.open.handed {
            handed.left.get_or_insert(left(handed.units.into()));
        }
        let shown_leaves = self.believed(want.sold).map(left);
        self.left = self.left.or(shown_leaves);
        if self.is_roomy && want.behind.is_none() {
            // What is sold elsewhere has the room that the unseen sales did not need.
            self.left = self.left.min(shown_leaves);
        }
    }
}

/// What a write sets.
fn sent(want: &Want<'_>) -> u32 {
    let unseen = want.behind.unwrap_or(0).max(want.unseen);
    want.units.saturating_sub(unseen)
}

fn set(units: u32) -> Act {
    Act::Set {
        units,
        change_from: None,
    }
}

/// Whether what should be shown is surely less than what is: between what may be shown and that less the unseen sales, a
/// write could raise it. While reading is behind no proof comes, and it is written all the same.
fn is_lower(should: i64, most: i64, want: &Want<'_>) -> bool {
    let is_sure = should == 0 || want.behind.is_some() || should + i64::from(want.unseen) <= most;
    should < most && is_sure
}
