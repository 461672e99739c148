//! An idempotency key: which order and body it stands for, until the dedup window is over.

use crossdock_model::command::RequestCommand;
use crossdock_model::v1::RequestEvent;
use crossdock_model::{Answer, Duration, EntityId, OrderId, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// State of a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestState {
    claim: Option<Claim>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Claim {
    order: OrderId,
    body_hash: u64,
    /// The first instant at which the key is free again.
    until: Timestamp,
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
        // The wake-up that forgets a claim may be late, so its end is looked at here too.
        if let Some(claim) = self.live(asked.now) {
            return match claim.body_hash == *body_hash {
                true => Ok(Decision::unchanged(claimed(&claim.order, false))),
                false => Err(Rejection::KeyConflict),
            };
        }
        let claim = RequestEvent::Claimed {
            order: order.clone(),
            body_hash: *body_hash,
            until: asked.now + asked.window + Duration::from_ms(1),
        };
        Ok(Decision {
            events: vec![claim],
            answer: claimed(order, true),
            notices: Vec::new(),
        })
    }

    fn wake(&self, asked: &Asked<'_>) -> Decision<RequestEvent> {
        let over = self.claim.is_some() && self.live(asked.now).is_none();
        Decision::done(
            over.then_some(RequestEvent::Forgotten)
                .into_iter()
                .collect(),
        )
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        match self.live(asked.now) {
            Some(claim) => Ok(claimed(&claim.order, false)),
            None => Err(Rejection::NotFound(asked.id.to_string())),
        }
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &RequestEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        self.claim = match event {
            RequestEvent::Claimed {
                order,
                body_hash,
                until,
            } => Some(Claim {
                order: order.clone(),
                body_hash: *body_hash,
                until: *until,
            }),
            RequestEvent::Forgotten => None,
        };
        Ok(())
    }

    fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        let claim = self.claim.as_ref()?;
        Some((claim.until, "the key may be used for another order"))
    }
}

impl RequestState {
    fn live(&self, now: Timestamp) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| now < claim.until)
    }
}

fn claimed(order: &OrderId, first: bool) -> Answer {
    Answer::Claimed {
        order: order.clone(),
        first,
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::command::RequestCommand;
    use crossdock_model::{Answer, Command, Duration, Rejection, Timestamp};

    use crate::entity::DEDUP_WINDOW;
    use crate::testing::Scene;

    fn claim(order: &str, body_hash: u64) -> Command {
        let order = order.parse().expect("an order id");
        Command::Request(RequestCommand::Claim { order, body_hash })
    }

    fn answer(order: &str, first: bool) -> Result<Answer, Rejection> {
        let order = order.parse().expect("an order id");
        Ok(Answer::Claimed { order, first })
    }

    #[test]
    fn a_key_stands_for_one_order_and_body() {
        let mut key = Scene::new("request:k1:order-7");
        assert_eq!(key.ask(claim("api:1", 5)), answer("api:1", true));
        assert_eq!(key.ask(claim("api:1", 5)), answer("api:1", false));
        assert_eq!(key.ask(claim("api:2", 5)), answer("api:1", false));
        assert_eq!(key.ask(claim("api:1", 6)), Err(Rejection::KeyConflict));
        assert_eq!(key.version(), 1, "repeats and conflicts write nothing");
    }

    #[test]
    fn a_key_is_free_again_after_the_window() {
        let mut key = Scene::new("request:k1:order-7");
        key.ask(claim("api:1", 5)).expect("claimed");
        key.now = Timestamp::default() + DEDUP_WINDOW;
        assert_eq!(key.ask(Command::Wake), Ok(Answer::Done));
        assert_eq!(key.ask(claim("api:2", 6)), Err(Rejection::KeyConflict));
        key.now = key.now + Duration::from_ms(1);
        assert_eq!(key.deadline(), Some(key.now));
        assert_eq!(key.clone().ask(claim("api:2", 6)), answer("api:2", true));
        assert_eq!(key.ask(Command::Wake), Ok(Answer::Done));
        assert_eq!((key.version(), key.deadline()), (2, None));
        assert!(matches!(
            key.ask(Command::Read),
            Err(Rejection::NotFound(_))
        ));
        assert_eq!(key.ask(claim("api:2", 6)), answer("api:2", true));
    }

    #[test]
    fn layout_is_golden() {
        let mut key = Scene::new("request:k1:order-7");
        key.ask(claim("api:1", 5)).expect("claimed");
        crate::golden::check(&key.entity);
    }
}
