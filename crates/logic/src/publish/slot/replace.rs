//! What is sent to a channel whose writes replace its number.

use crossdock_model::Timestamp;

use super::{Act, Handed, Slot, Want, proven};

impl Slot {
    pub(super) fn replace(&self, want: &Want<'_>, now: Timestamp) -> Act {
        if let Some(handed) = self.handed {
            return self.replace_beside(handed, want);
        }
        let units = self.should(want);
        let set = Act::Set {
            units,
            change_from: None,
        };
        let Some(most) = self.most(want.sold) else {
            // Nothing is known to be lower than none.
            return match units {
                0 => set,
                _ => proven(want, self.wrong_since.unwrap_or(now), set),
            };
        };
        if self.is_in_doubt(now) {
            // What comes too late must be overwritten; not by more than may be shown already.
            let units = u32::try_from(most.max(0)).unwrap_or(u32::MAX).min(units);
            return Act::Set {
                units,
                change_from: None,
            };
        }
        let wanted = i64::from(units);
        // Sent and taken since a call was lost: sent again once that has surely ended, not over and over until then.
        let is_sent = self.doubt.is_some_and(|doubt| doubt.is_overwritten)
            && self.believed(want.sold) == Some(wanted);
        match () {
            () if wanted == most || is_sent => Act::Nothing,
            () if is_lower(units, most, want) => set,
            () => proven(want, self.wrong_since.unwrap_or(now), set),
        }
    }

    /// What is to be done before it is known what became of it: only what may be shown already and is too much is sent.
    fn replace_beside(&self, handed: Handed, want: &Want<'_>) -> Act {
        let units = self.should(want);
        let shown = self.most_beside_bulk(want.sold);
        let most = match shown {
            Some(shown) if handed.is_overtaken => shown,
            shown => shown.unwrap_or_default().max(handed.units.into()),
        };
        match is_lower(units, most, want) {
            true => Act::Set {
                units,
                change_from: None,
            },
            false => Act::Nothing,
        }
    }
}

/// Whether sending `units` surely raises nothing: between what may be shown and that less the unseen sales, it could.
fn is_lower(units: u32, most: i64, want: &Want<'_>) -> bool {
    let wanted = i64::from(units);
    wanted < most && (units == 0 || wanted + i64::from(want.unseen) <= most)
}
