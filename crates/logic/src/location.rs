//! A location.

use crossdock_model::command::LocationCommand;
use crossdock_model::v1::LocationEvent;
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// State of a location.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LocationState {}

impl Decider for LocationState {
    type Command = LocationCommand;
    type Event = LocationEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        _command: &LocationCommand,
    ) -> Result<Decision<LocationEvent>, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        _event: &LocationEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        Ok(())
    }
}

impl LocationState {
    /// What the location is, once defined.
    #[must_use]
    pub fn facts(&self) -> Option<&crossdock_model::v1::LocationFacts> {
        None
    }
}
