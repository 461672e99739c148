//! Since when changes of stock wait to be shown, of numbers that are wrong: by this a channel's lag is measured.

use std::collections::BTreeMap;

use crossdock_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::NumberId;

/// Changes that a channel does not show yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Changes(BTreeMap<NumberId, Change>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Change {
    /// The oldest one that no call tells of.
    waits_since: Option<Timestamp>,
    /// The oldest one that the call under way tells of.
    called_since: Option<Timestamp>,
}

impl Changes {
    /// The stock that a number rests on changed then.
    pub fn changed(&mut self, number: NumberId, at: Timestamp) {
        let change = self.0.entry(number).or_default();
        change.waits_since = Some(change.waits_since.map_or(at, |since| since.min(at)));
    }

    /// A call tells of all changes up to now.
    pub fn begun(&mut self, number: &NumberId) {
        if let Some(change) = self.0.get_mut(number) {
            change.called_since = change.waits_since.take();
        }
    }

    /// The call has ended. What it told of waits on unless it is shown.
    pub fn ended(&mut self, number: &NumberId, is_shown: bool) {
        if let Some(change) = self.0.get_mut(number) {
            let called_since = change.called_since.take().filter(|_| !is_shown);
            change.waits_since = called_since.or(change.waits_since);
        }
    }

    /// The number is right.
    pub fn shown(&mut self, number: &NumberId) {
        self.0.remove(number);
    }

    /// When the oldest change was made that no call tells of.
    pub fn since(&self, number: &NumberId) -> Option<Timestamp> {
        self.0.get(number)?.waits_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_model::{ListingId, SourceId};

    #[test]
    fn a_change_waits_until_a_call_that_tells_of_it_is_confirmed() {
        let place = SourceId::new("shop/1").unwrap();
        let number = (ListingId::new("1").unwrap(), place);
        let mut changes = Changes::default();
        let at = |ms| Some(Timestamp::from_ms(ms));
        let change = |changes: &mut Changes, ms| {
            changes.changed(number.clone(), Timestamp::from_ms(ms));
            changes.since(&number)
        };
        assert_eq!(change(&mut changes, 5), at(5));
        assert_eq!(change(&mut changes, 7), at(5));
        changes.begun(&number);
        assert_eq!(changes.since(&number), None);
        assert_eq!(change(&mut changes, 9), at(9));
        // It failed: the oldest waits again.
        changes.ended(&number, false);
        assert_eq!(changes.since(&number), at(5));
        changes.begun(&number);
        assert_eq!(change(&mut changes, 11), at(11));
        changes.ended(&number, true);
        assert_eq!(changes.since(&number), at(11));
        changes.shown(&number);
        assert_eq!(changes, Changes::default());
    }
}
