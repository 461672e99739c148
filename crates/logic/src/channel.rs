//! A channel: its settings, how far it is let in, and exceptions about things that are no entities.

use crossdock_model::command::ChannelCommand;
use crossdock_model::v1::{ChannelEvent, ChannelMode, ChannelSettings};
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};
use crate::exceptions::OpenExceptions;

/// State of a channel. A new one is observed: orders come in, nothing is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelState {
    settings: Option<ChannelSettings>,
    mode: ChannelMode,
    adopt_older_than: Option<Timestamp>,
    exceptions: OpenExceptions,
}

impl Default for ChannelState {
    fn default() -> Self {
        Self {
            settings: None,
            mode: ChannelMode::Observed,
            adopt_older_than: None,
            exceptions: OpenExceptions::default(),
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
            ChannelCommand::Connect(settings) => (self.settings.as_ref() != Some(settings))
                .then(|| ChannelEvent::Connected(settings.clone())),
            _ if !connected => return Err(Rejection::NotFound(asked.id.to_string())),
            ChannelCommand::SetMode(mode) => {
                (self.mode != *mode).then_some(ChannelEvent::ModeSet(*mode))
            }
            ChannelCommand::BeginAdoption { older_than } => {
                (self.adopt_older_than != Some(*older_than))
                    .then_some(ChannelEvent::AdoptionBegan { older_than: *older_than })
            }
            ChannelCommand::OpenException { kind, subject, cause, evidence } => self
                .exceptions
                .open(kind, subject, cause, evidence)
                .map(ChannelEvent::ExceptionOpened),
            ChannelCommand::CloseException { kind, subject, how } => {
                self.exceptions.close(kind, subject, how).map(ChannelEvent::ExceptionClosed)
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
        })
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &ChannelEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event {
            ChannelEvent::Connected(settings) => self.settings = Some(settings.clone()),
            ChannelEvent::ModeSet(mode) => self.mode = *mode,
            ChannelEvent::AdoptionBegan { older_than } => self.adopt_older_than = Some(*older_than),
            ChannelEvent::ExceptionOpened(opened) => self.exceptions.apply_opened(opened),
            ChannelEvent::ExceptionClosed(closed) => self.exceptions.apply_closed(closed),
        }
        Ok(())
    }
}
