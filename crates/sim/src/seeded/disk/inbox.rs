//! The inbox on the disk of a simulated node: a delivery is stored once, and its state says what is still to be done.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_journal::{InboxId, InboxInsert, InboxMark, InboxRow, InboxState, Inserted};
use crossdock_model::ChannelId;

/// All deliveries, in the order in which they were stored.
#[derive(Debug, Default)]
pub(in super::super) struct Inbox {
    rows: Vec<InboxRow>,
    index: BTreeMap<InboxId, usize>,
    /// Those that are not done, by number.
    undone: BTreeSet<usize>,
}

impl Inbox {
    pub(super) fn insert(&mut self, delivery: InboxInsert) -> Inserted {
        if let Some(known) = self.row(&delivery.id) {
            return match known.delivery.body == delivery.body {
                true => Inserted::Repeat,
                false => Inserted::Conflict,
            };
        }
        self.index.insert(delivery.id.clone(), self.rows.len());
        self.undone.insert(self.rows.len());
        self.rows.push(InboxRow::new(delivery));
        Inserted::New
    }

    pub(super) fn mark(&mut self, mark: &InboxMark) {
        let Some(at) = self.index.get(&mark.id).copied() else {
            return;
        };
        if let Some(row) = self.rows.get_mut(at) {
            row.mark(mark);
            if row.state == InboxState::Done {
                self.undone.remove(&at);
            }
        }
    }

    fn undone(&self, after: usize) -> impl Iterator<Item = &InboxRow> {
        let undone = self.undone.range(after..);
        undone.filter_map(|at| self.rows.get(*at))
    }

    pub fn row(&self, id: &InboxId) -> Option<&InboxRow> {
        self.index.get(id).and_then(|at| self.rows.get(*at))
    }

    /// Channels that have any in a state.
    pub fn channels(&self, state: InboxState) -> BTreeSet<ChannelId> {
        let rows = self.undone(0).filter(|row| row.state == state);
        rows.map(|row| row.delivery.id.channel.clone()).collect()
    }

    /// So many of a channel in a state, what was tried least first. `after`: only of those that were stored after so many.
    pub fn page(
        &self,
        (state, channel): (InboxState, &ChannelId),
        after: usize,
        limit: usize,
    ) -> Vec<InboxRow> {
        let rows = self.undone(after);
        let is_wanted = |row: &&InboxRow| row.state == state && row.delivery.id.channel == *channel;
        let mut found: Vec<_> = rows.filter(is_wanted).collect();
        found.sort_by_key(|row| row.attempts);
        found.into_iter().take(limit).cloned().collect()
    }

    /// Those that wait for it.
    pub fn parked_on(&self, subject: &str) -> Vec<InboxRow> {
        let waits = |row: &&InboxRow| {
            row.state == InboxState::Parked && row.parked_on.as_deref() == Some(subject)
        };
        self.undone(0).filter(waits).cloned().collect()
    }

    /// How many were stored up to the last that is done.
    pub fn done_up_to(&self) -> usize {
        let done = self
            .rows
            .iter()
            .rposition(|row| row.state == InboxState::Done);
        done.map_or(0, |at| at + 1)
    }

    pub fn rows(&self) -> &[InboxRow] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_model::Timestamp;

    #[test]
    fn a_delivery_is_stored_once_and_what_is_done_stays_done() {
        let delivery = |body: &[u8]| InboxInsert {
            id: InboxId {
                channel: ChannelId::checked("shop").unwrap(),
                delivery: "1".to_owned(),
            },
            received_at: Timestamp::default(),
            topic: String::new(),
            headers: Vec::new(),
            body: body.to_vec(),
        };
        let mut inbox = Inbox::default();
        let inserted = [b"a", b"a", b"b"].map(|body| inbox.insert(delivery(body)));
        assert_eq!(
            inserted,
            [Inserted::New, Inserted::Repeat, Inserted::Conflict]
        );
        let id = delivery(b"").id;
        let open = (InboxState::Open, &id.channel);
        assert_eq!(inbox.page(open, 0, 9).len(), 1);
        assert_eq!(inbox.page(open, 1, 9).len(), 0);
        for state in [InboxState::Done, InboxState::Open] {
            inbox.mark(&InboxMark {
                id: id.clone(),
                state,
                parked_on: None,
                subject: None,
            });
        }
        assert_eq!(inbox.row(&id).unwrap().state, InboxState::Done);
        assert_eq!(inbox.channels(InboxState::Open), BTreeSet::new());
        assert_eq!(inbox.done_up_to(), 1);
    }
}
