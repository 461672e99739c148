//! An idempotency key.

use crossdock_model::command::RequestCommand;
use crossdock_model::v1::RequestEvent;
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// State of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestState {}

impl Decider for RequestState {
    type Command = RequestCommand;
    type Event = RequestEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        _command: &RequestCommand,
    ) -> Result<Decision<RequestEvent>, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        _event: &RequestEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        Ok(())
    }
}
