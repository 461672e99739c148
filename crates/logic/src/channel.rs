//! A channel.

use crossdock_model::command::ChannelCommand;
use crossdock_model::v1::ChannelEvent;
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// State of a channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelState {}

impl Decider for ChannelState {
    type Command = ChannelCommand;
    type Event = ChannelEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        _command: &ChannelCommand,
    ) -> Result<Decision<ChannelEvent>, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        _event: &ChannelEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        Ok(())
    }
}
