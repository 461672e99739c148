//! `I15`: what was delivered is done, or waits with a reason that people see; and every order is known as its channel stated
//! it last, however that was told.

use std::collections::BTreeSet;

use crossdock_journal::{InboxRow, InboxState};
use crossdock_model::v1::{ChannelEvent, Event, ExceptionKey, Record};
use crossdock_model::{ChannelId, EntityId};
use crossdock_runtime::beside;

use super::node::WAITS;
use super::{Broken, World, check, meta};

impl World {
    /// Once all has settled.
    pub(super) fn check_deliveries(&self) -> Result<(), Broken> {
        let Some(node) = self.node.as_ref().filter(|_| self.knobs.delivers) else {
            return Ok(());
        };
        let inbox = &self.disk.inbox;
        for insert in self.mail.promised() {
            let known = inbox.row(&insert.id);
            let is_same = known.is_some_and(|row| row.delivery.body == insert.body);
            if !is_same && inbox.row(&beside(insert.clone()).id).is_none() {
                let what = format!("{:?} was said to be stored", insert.id);
                return Err(Broken::new("I15", what));
            }
        }
        let open = self.disk.exceptions(&self.clients.channels)?;
        for row in inbox.rows() {
            check_row(row, &open)?;
        }
        let by = meta(&self.by, self.now().node);
        for told in self.mail.told() {
            let entity = EntityId::Order(told.order.clone());
            let stored = node.stored(&self.disk, &entity, self.knobs.limits.dedup_window)?;
            let known = check::stated_at(&stored, &by);
            if known != Some(told.facts.updated_at) {
                let told = told.facts.updated_at;
                let what = format!("{entity} is known as of {known:?}, and was stated at {told:?}");
                return Err(Broken::new("I15", what));
            }
        }
        Ok(())
    }
}

fn check_row(row: &InboxRow, open: &BTreeSet<(ChannelId, ExceptionKey)>) -> Result<(), Broken> {
    let id = &row.delivery.id;
    match (row.state, &row.parked_on) {
        (InboxState::Done, _) => Ok(()),
        (InboxState::Open, _) => Err(Broken::new("I9", format!("{id:?} is not worked on"))),
        (InboxState::Parked, waits_for) => {
            let is_seen = open.iter().any(|(channel, key)| {
                let of_it = *channel == id.channel && Some(&key.subject) == waits_for.as_ref();
                of_it && WAITS.contains(&key.kind.as_str())
            });
            match is_seen {
                true => Ok(()),
                false => Err(Broken::new(
                    "I15",
                    format!("nobody sees that {id:?} waits for {waits_for:?}"),
                )),
            }
        }
    }
}

impl super::disk::Disk {
    /// Exceptions that are open at channels.
    fn exceptions(
        &self,
        channels: &[ChannelId],
    ) -> Result<BTreeSet<(ChannelId, ExceptionKey)>, Broken> {
        let mut open = BTreeSet::new();
        for channel in channels {
            for body in self.records(&EntityId::Channel(channel.clone())) {
                let record = Record::decode(body);
                let record = record.map_err(|error| Broken::new("I8", error.to_string()))?;
                for event in record.events {
                    match event {
                        Event::Channel(ChannelEvent::ExceptionOpened(opened)) => {
                            open.insert((channel.clone(), opened.key));
                        }
                        Event::Channel(ChannelEvent::ExceptionClosed(closed)) => {
                            open.remove(&(channel.clone(), closed.key));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(open)
    }
}
