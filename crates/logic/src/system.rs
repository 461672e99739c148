//! Documents of the system.

use crossdock_model::command::SystemCommand;
use crossdock_model::v1::SystemEvent;
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// State of a system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemState {}

impl Decider for SystemState {
    type Command = SystemCommand;
    type Event = SystemEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        _command: &SystemCommand,
    ) -> Result<Decision<SystemEvent>, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        _event: &SystemEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        Ok(())
    }
}
