//! A SKU: who may take which units.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::SkuEvent;
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// State of a sku.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SkuState {}

impl Decider for SkuState {
    type Command = SkuCommand;
    type Event = SkuEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        _command: &SkuCommand,
    ) -> Result<Decision<SkuEvent>, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Err(Rejection::NotFound(asked.id.to_string()))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        _event: &SkuEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        Ok(())
    }
}

impl SkuState {
    /// Its stock as of now.
    #[must_use]
    pub fn view(
        &self,
        _sku: &crossdock_model::SkuId,
        _version: u64,
        _now: Timestamp,
    ) -> crossdock_model::answer::StockView {
        unreachable!()
    }
}
