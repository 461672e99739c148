//! An idempotency key: which order and body it stands for.

use crossdock_model::command::RequestCommand;
use crossdock_model::v1::RequestEvent;
use crossdock_model::{Answer, EntityId, OrderId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};
use crate::entity::DEDUP_WINDOW;

/// State of a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestState {
    claim: Option<(OrderId, u64, Timestamp)>,
}

impl Decider for RequestState {
    type Command = RequestCommand;
    type Event = RequestEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        command: &RequestCommand,
    ) -> Result<Decision<RequestEvent>, Rejection> {
        let RequestCommand::Claim { order, body_hash } = command;
        if let Some((known, hash, at)) = &self.claim
            && asked.now.since(*at) <= DEDUP_WINDOW
        {
            return match hash == body_hash {
                true => Ok(Decision::unchanged(Answer::Claimed { order: known.clone(), first: false })),
                false => Err(Rejection::KeyConflict),
            };
        }
        let (order, body_hash) = (order.clone(), *body_hash);
        let claimed = RequestEvent::Claimed { order: order.clone(), body_hash, at: asked.now };
        Ok(Decision {
            events: vec![claimed],
            answer: Answer::Claimed { order, first: true },
            notices: Vec::new(),
        })
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        match &self.claim {
            Some((order, ..)) => Ok(Answer::Claimed { order: order.clone(), first: false }),
            None => Err(Rejection::NotFound(asked.id.to_string())),
        }
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &RequestEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        let RequestEvent::Claimed { order, body_hash, at } = event;
        self.claim = Some((order.clone(), *body_hash, *at));
        Ok(())
    }
}
