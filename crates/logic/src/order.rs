//! An order.

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::OrderEvent;
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// State of a order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderState {}

impl Decider for OrderState {
    type Command = OrderCommand;
    type Event = OrderEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        _command: &OrderCommand,
    ) -> Result<Decision<OrderEvent>, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        _event: &OrderEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        Ok(())
    }
}
