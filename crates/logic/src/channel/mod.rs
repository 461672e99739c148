//! A channel: its settings, how far it is let in, and exceptions about things that are no entities.
//!
//! An exception may be opened before the channel is connected: what came too early must be seen, not lost.

mod changes;
mod publishing;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crossdock_model::command::{ChannelCommand, EffectNumber};
use crossdock_model::v1::{ChannelEvent, ChannelMode, ChannelSettings, Publishing};
use crossdock_model::{Answer, EntityId, Rejection, SourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory, Pending};
use crate::exceptions::OpenExceptions;
use changes::Changes;
use reading::Reading;

pub use publishing::NOT_COUNTED;

/// Exception kind: what a channel says cannot be read.
pub const UNREADABLE: &str = "unreadable";

/// State of a channel. A new one is observed: orders come in, nothing is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelState {
    settings: Option<ChannelSettings>,
    mode: ChannelMode,
    adopt_older_than: Option<Timestamp>,
    exceptions: OpenExceptions,
    publishing: Option<Box<Publishing>>,
    /// Places that show numbers of ours, and those that did, until when: what they show is no count of anybody's.
    ours: BTreeMap<SourceId, Option<Timestamp>>,
    reading: Option<Reading>,
    changes: Changes,
    pending: Pending,
}

impl Default for ChannelState {
    fn default() -> Self {
        Self {
            settings: None,
            mode: ChannelMode::Observed,
            adopt_older_than: None,
            exceptions: OpenExceptions::default(),
            publishing: None,
            ours: BTreeMap::new(),
            reading: None,
            changes: Changes::default(),
            pending: Pending::default(),
        }
    }
}

impl Decider for ChannelState {
    type Command = ChannelCommand;
    type Event = ChannelEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        command: &ChannelCommand,
    ) -> Result<Decision<ChannelEvent>, Rejection> {
        let connected = self.settings.is_some();
        let event = match command {
            ChannelCommand::PublishAs(_)
            | ChannelCommand::Pause { .. }
            | ChannelCommand::MeasureLag(_)
                if !connected =>
            {
                return Err(Rejection::NotFound(asked.id.to_string()));
            }
            ChannelCommand::PublishAs(wanted) => return self.publish_as(wanted),
            ChannelCommand::Pause { what, paused } => return self.pause(what, *paused),
            ChannelCommand::MeasureLag(measured) => self.measure_lag(measured.as_ref()),
            ChannelCommand::Close { locations } => self.close(locations),
            ChannelCommand::Connect(settings) => (self.settings.as_ref() != Some(settings))
                .then(|| ChannelEvent::Connected(settings.clone())),
            ChannelCommand::SetMode(_)
            | ChannelCommand::Publish
            | ChannelCommand::BeginAdoption { .. }
            | ChannelCommand::Poll(_)
            | ChannelCommand::NoteChange(_)
            | ChannelCommand::LookChanges
            | ChannelCommand::EndChanges(_)
                if !connected =>
            {
                return Err(Rejection::NotFound(asked.id.to_string()));
            }
            ChannelCommand::SetMode(mode) => return self.set_mode(*mode, false),
            ChannelCommand::Publish => return self.set_mode(ChannelMode::Active, true),
            ChannelCommand::BeginAdoption { older_than } => (self.adopt_older_than
                != Some(*older_than))
            .then_some(ChannelEvent::AdoptionBegan {
                older_than: *older_than,
            }),
            ChannelCommand::Poll(polled) => return self.poll(polled),
            ChannelCommand::NoteChange(change) => return Ok(self.note_change(change)),
            ChannelCommand::LookChanges => return Ok(self.look_changes()),
            ChannelCommand::EndChanges(changes) => return Ok(self.end_changes(changes)),
            ChannelCommand::Exception(command) => {
                self.exceptions.decide(command)?.map(ChannelEvent::from)
            }
        };
        Ok(Decision::done(event.into_iter().collect()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        if self.settings.is_none() {
            return Err(Rejection::NotFound(asked.id.to_string()));
        }
        Ok(Answer::Channel {
            settings: self.settings.clone(),
            mode: self.mode,
            adopt_older_than: self.adopt_older_than,
            publishing: self.publishing.clone(),
            polled: self.reading.as_ref().map(Reading::whole),
            ours: self.ours.clone(),
            unreadable: self.exceptions.open_of(UNREADABLE),
        })
    }

    /// A bucket has taken over what is published.
    fn answered(
        &self,
        _asked: &Asked<'_>,
        effect: EffectNumber,
        _from: &EntityId,
        result: &Result<Answer, Rejection>,
    ) -> Decision<ChannelEvent> {
        let is_told = result.is_ok() && self.pending.get(effect).is_some();
        let event = ChannelEvent::BucketTold { effect };
        Decision::done(is_told.then_some(event).into_iter().collect())
    }

    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn apply(
        &mut self,
        id: &EntityId,
        event: &ChannelEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event {
            ChannelEvent::Connected(settings) => self.settings = Some(settings.clone()),
            ChannelEvent::ModeSet(mode) => self.mode = *mode,
            ChannelEvent::AdoptionBegan { older_than } => self.adopt_older_than = Some(*older_than),
            ChannelEvent::ExceptionOpened(opened) => self.exceptions.apply_opened(opened),
            ChannelEvent::ExceptionClosed(closed) => self.exceptions.apply_closed(closed),
            // Views show it; nothing is decided by it.
            ChannelEvent::ExceptionNoted(_) => {}
            ChannelEvent::PublishingSet(publishing) => {
                self.publishing = Some(Box::new(publishing.clone()));
                self.ours = self.ours_with(publishing, at);
                self.tell_buckets(id);
            }
            ChannelEvent::Polled(polled) => self.reading.get_or_insert_default().go_on(polled),
            ChannelEvent::BucketTold { effect } => drop(self.pending.end(*effect)),
            ChannelEvent::ChangeNoted(change) => self.changes.note(change),
            ChannelEvent::ChangesEnded(changes) => self.changes.end(changes),
        }
        Ok(())
    }
}
