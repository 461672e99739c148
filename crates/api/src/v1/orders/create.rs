//! Placing an order: the key is claimed, then the buyer goes to the vault and the order is stated and settles. In
//! flushes: the claim; the statement with buyer, plan and reservations; *reserved*.

use crossdock_channels::Buyer;
use crossdock_model::answer::OrderSummary;
use crossdock_model::command::{OrderCommand, RequestCommand};
use crossdock_model::v1::{OrderFacts, Origin, Sale};
use crossdock_model::{
    Answer, ChannelId, Command, CommandKey, EntityId, HoldId, OrderId, Rejection,
};
use crossdock_runtime::{AskError, Reply, VaultEntry, VaultWrite};

use super::doc::{OrderAnswer, order_answer};
use super::input::NewOrder;
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::Input;
use crate::state::ConnectorKind;

/// An order that settled.
pub(crate) struct Placed {
    pub reply: Reply,
    pub summary: OrderSummary,
}

/// How an order comes about.
pub(crate) enum How {
    /// It states what it is, and reserves it.
    Stated(Origin),
    /// It takes over what a hold keeps for it.
    Holding(HoldId),
}

/// Places an order.
pub(super) async fn create(asking: Asking, input: Input<NewOrder>) -> Answered<Doc<OrderAnswer>> {
    let id = input.value.id(&asking.key_digest()?)?;
    let sale = sale_of(&asking, &id.channel).await?;
    let (facts, buyer) = input.value.read(&id, sale, asking.now())?;
    let placed = place(
        &asking,
        input.hash,
        id,
        facts,
        buyer,
        How::Stated(Origin::Api),
    )
    .await?;
    Ok(Doc::of(&placed.reply, order_answer(&placed.summary)).created())
}

/// How a channel sells through this API. One with a connector of its own states its orders itself.
pub(crate) async fn sale_of(asking: &Asking, channel: &ChannelId) -> Result<Sale, ApiError> {
    let read = asking.read(EntityId::Channel(channel.clone())).await?;
    let Answer::Channel {
        settings: Some(settings),
        ..
    } = read.answer
    else {
        return Err(ApiError::not_found(format!("channel {channel}")));
    };
    match settings.connector == ConnectorKind::Api.name() {
        true => Ok(settings.sale),
        false => {
            let connector = settings.connector;
            let problem = format!("{channel} gets its orders from {connector}, not from here");
            Err(ApiError::invalid("channel", problem))
        }
    }
}

/// Claims the caller's key for the order, then states it. A repeat gets the answer of the first.
pub(crate) async fn place(
    asking: &Asking,
    hash: u64,
    id: OrderId,
    facts: OrderFacts,
    buyer: Option<Buyer>,
    how: How,
) -> Result<Placed, ApiError> {
    let (order, _) = claim(asking, id, hash).await?;
    let (origin, hold) = match how {
        How::Stated(origin) => (origin, None),
        How::Holding(hold) => (Origin::Api, Some(hold)),
    };
    let state = OrderCommand::Place {
        facts: Box::new(facts),
        origin,
        hold,
        claim: CommandKey::new(asking.key_digest()?)?,
    };
    let entity = EntityId::Order(order);
    let asked = asking.ask_by(entity.clone(), Command::Order(state), asking.by());
    let reply = match &buyer {
        None => asked.await?,
        // It may be somebody else's, and keeps the buyer it has.
        Some(buyer) if stands(asking, &entity).await? => {
            let reply = asked.await?;
            if !has_buyer(asking, &entity).await? {
                put_buyer(asking, &entity, buyer).await?;
            }
            reply
        }
        // Queued before the order hears of it, so in its first flush or in one before.
        Some(buyer) => {
            let (kept, reply) = tokio::join!(biased; put_buyer(asking, &entity, buyer), asked);
            kept?;
            reply?
        }
    };
    match &reply.answer {
        Answer::Order(summary) => {
            let summary = (**summary).clone();
            Ok(Placed { reply, summary })
        }
        other => Err(ApiError::internal(&format!("an order answered {other:?}"))),
    }
}

/// Claims the caller's key and what it was sent with for that order: what the key stands for, and whether since now.
pub(crate) async fn claim(
    asking: &Asking,
    order: OrderId,
    body_hash: u64,
) -> Result<(OrderId, bool), ApiError> {
    let request = EntityId::Request(asking.principal(), asking.need_key()?);
    let claim = Command::Request(RequestCommand::Claim { order, body_hash });
    match asking.ask_by(request, claim, asking.by()).await?.answer {
        Answer::Claimed { order, first } => Ok((order, first)),
        other => Err(ApiError::internal(&format!(
            "a claim was answered by {other:?}"
        ))),
    }
}

/// Whether there is an order already, and not a cart's hold that waits to become one.
async fn stands(asking: &Asking, entity: &EntityId) -> Result<bool, ApiError> {
    match asking.state.handle.read(entity.clone()).await {
        Ok(reply) => Ok(match reply.answer {
            Answer::Order(summary) => summary.hold_expires_at.is_none(),
            _ => true,
        }),
        Err(AskError::Rejected(Rejection::NotFound(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the vault knows the buyer: the answer of the first time may have been lost on the way there.
async fn has_buyer(asking: &Asking, order: &EntityId) -> Result<bool, ApiError> {
    let subject = order.to_string();
    let read = asking
        .state
        .handle
        .journal_read(move |journal| journal.vault(&subject));
    Ok(read.await?.is_some())
}

/// Puts a buyer into the vault.
pub(crate) async fn put_buyer(
    asking: &Asking,
    order: &EntityId,
    buyer: &Buyer,
) -> Result<(), ApiError> {
    let put = VaultWrite::Put {
        subject: order.to_string(),
        buyer: buyer.key.clone(),
        entry: VaultEntry {
            body: buyer.to_bytes(),
            terms: buyer.terms(),
        },
    };
    Ok(asking.state.handle.write_vault(order, put).await?)
}
