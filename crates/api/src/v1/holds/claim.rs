//! The claim of a key that holds units of one SKU: beside the hold, so that both share a flush.

use std::future::poll_fn;
use std::task::Poll;

use crossdock_model::command::RequestCommand;
use crossdock_model::{Answer, ChannelId, Command, EntityId, ExternalId, OrderId, Rejection};
use crossdock_runtime::{AskError, Door};

use crate::ask::Asking;
use crate::error::ApiError;

/// What a key stands for that holds units of one SKU: the hash of what it came with.
pub(super) struct Claim {
    request: EntityId,
    stands_for: OrderId,
    hash: u64,
}

impl Claim {
    /// Looks whether the key stands for something else: then it is a conflict, and nothing is held.
    pub async fn of(asking: &Asking, request: EntityId, hash: u64) -> Result<Self, ApiError> {
        let claim = Self {
            request,
            stands_for: OrderId {
                channel: ChannelId::checked(ChannelId::HOLDS)?,
                external: ExternalId::new(format!("{hash:016x}"))?,
            },
            hash,
        };
        let handle = &asking.state.handle;
        match handle.read_through(Door::Hold, claim.request.clone()).await {
            Ok(known) => match known.answer {
                Answer::Claimed { order, .. } if order == claim.stands_for => Ok(claim),
                _ => Err(Rejection::KeyConflict.into()),
            },
            Err(AskError::Rejected(Rejection::NotFound(_))) => Ok(claim),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the claim. Nobody waits until it is durable, so that a hold is one flush; but it is on its way before
    /// the caller hears of the hold, and who uses the key again waits for it.
    pub async fn keep(self, asking: &Asking) {
        let command = Command::Request(RequestCommand::Claim {
            order: self.stands_for,
            body_hash: self.hash,
        });
        let (handle, by) = (asking.state.handle.clone(), asking.by());
        let mut asked = Box::pin(async move { handle.ask(self.request, command, by).await });
        let sent = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context).is_ready()));
        if !sent.await {
            tokio::spawn(asked);
        }
    }
}
