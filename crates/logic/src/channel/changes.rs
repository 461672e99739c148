//! Orders that the channel said have changed, until they are read: one entry each, however often it said so.

use std::collections::BTreeMap;

use crossdock_model::v1::{ChannelEvent, OrderChange};
use crossdock_model::{Answer, ExternalId, Timestamp};
use serde::{Deserialize, Serialize};

use super::ChannelState;
use crate::decider::Decision;

/// Orders that are remembered at most.
const CHANGES_MAX: usize = 10_000;
/// Orders that are told at once.
const LOOKED_MAX: usize = 100;

/// What is still to be read, as of the newest change of each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Changes(BTreeMap<ExternalId, Timestamp>);

impl Changes {
    pub fn note(&mut self, change: &OrderChange) {
        self.0.insert(change.order.clone(), change.changed_at);
    }

    pub fn end(&mut self, changes: &[OrderChange]) {
        for change in changes {
            self.0.remove(&change.order);
        }
    }

    /// Whether it says more than is remembered, and there is room for it.
    fn is_news(&self, change: &OrderChange) -> bool {
        match self.0.get(&change.order) {
            Some(known) => *known < change.changed_at,
            None => self.0.len() < CHANGES_MAX,
        }
    }

    /// Whether it ends what is remembered of its order: that did not change again since.
    fn is_end(&self, change: &OrderChange) -> bool {
        let known = self.0.get(&change.order);
        known.is_some_and(|known| *known <= change.changed_at)
    }
}

impl ChannelState {
    pub(super) fn note_change(&self, change: &OrderChange) -> Decision<ChannelEvent> {
        let is_news = self.changes.is_news(change);
        let event = is_news.then(|| ChannelEvent::ChangeNoted(change.clone()));
        Decision::done(event.into_iter().collect())
    }

    pub(super) fn end_changes(&self, changes: &[OrderChange]) -> Decision<ChannelEvent> {
        let ended = changes.iter().filter(|change| self.changes.is_end(change));
        let ended: Vec<OrderChange> = ended.cloned().collect();
        let event = (!ended.is_empty()).then_some(ChannelEvent::ChangesEnded(ended));
        Decision::done(event.into_iter().collect())
    }

    pub(super) fn look_changes(&self) -> Decision<ChannelEvent> {
        let changes = self.changes.0.iter();
        let mut changes: Vec<_> = changes.map(|(order, at)| (*at, order)).collect();
        changes.sort_unstable();
        let oldest = changes.into_iter().take(LOOKED_MAX);
        let oldest = oldest.map(|(changed_at, order)| OrderChange {
            order: order.clone(),
            changed_at,
        });
        Decision::unchanged(Answer::Changes(oldest.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(order: usize, ms: i64) -> OrderChange {
        OrderChange {
            order: ExternalId::new(order.to_string()).unwrap(),
            changed_at: Timestamp::from_ms(ms),
        }
    }

    /// What there is no room for is left out, and of what is told the oldest change comes first.
    #[test]
    fn what_is_remembered_and_what_is_told_of_it_has_a_limit() {
        let mut state = ChannelState::default();
        for order in 0..CHANGES_MAX {
            let change = change(order, -i64::try_from(order).unwrap());
            assert!(state.changes.is_news(&change));
            state.changes.note(&change);
        }
        assert!(!state.changes.is_news(&change(CHANGES_MAX, 5)));
        assert!(state.changes.is_news(&change(7, 5)), "it has its room");
        let Answer::Changes(told) = state.look_changes().answer else {
            panic!("it tells them");
        };
        let last = (CHANGES_MAX - LOOKED_MAX..CHANGES_MAX).rev();
        let oldest: Vec<_> = last
            .map(|order| change(order, -i64::try_from(order).unwrap()))
            .collect();
        assert_eq!(told, oldest);
    }
}
