//! A bucket of a listing map.

use crossdock_model::command::BucketCommand;
use crossdock_model::v1::BucketEvent;
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// State of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BucketState {}

impl Decider for BucketState {
    type Command = BucketCommand;
    type Event = BucketEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        _command: &BucketCommand,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        _event: &BucketEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        Ok(())
    }
}
