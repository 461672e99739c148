//! Placing an order: the key is claimed, then the buyer goes to the vault and the order is stated and settles. In
//! flushes: the claim; the statement with buyer, plan and reservations; *reserved*.

use crossdock_channels::Buyer;
use crossdock_model::answer::OrderSummary;
use crossdock_model::command::{OrderCommand, RequestCommand};
use crossdock_model::v1::{OrderFacts, Origin, Sale};
use crossdock_model::{
    Answer, ChannelId, Command, EntityId, HoldId, OrderId, Rejection, Timestamp,
};
use crossdock_runtime::{AskError, Reply, VaultEntry, VaultWrite};

use super::doc::{OrderAnswer, order_answer};
use super::input::NewOrder;
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::Input;

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

async fn sale_of(asking: &Asking, channel: &ChannelId) -> Result<Sale, ApiError> {
    match asking
        .read(EntityId::Channel(channel.clone()))
        .await?
        .answer
    {
        Answer::Channel {
            settings: Some(settings),
            ..
        } => Ok(settings.sale),
        _ => Err(ApiError::not_found(format!("channel {channel}"))),
    }
}

/// Claims the caller's key for the order, then states it. A repeat gets the answer of the first.
pub(crate) async fn place(
    asking: &Asking,
    hash: u64,
    id: OrderId,
    mut facts: OrderFacts,
    buyer: Option<Buyer>,
    how: How,
) -> Result<Placed, ApiError> {
    let request = EntityId::Request(asking.principal(), asking.need_key()?);
    let claim = RequestCommand::Claim {
        order: id,
        body_hash: hash,
    };
    let claimed = asking
        .ask_by(request, Command::Request(claim), asking.by())
        .await?;
    let Answer::Claimed { order, first } = claimed.answer else {
        return Err(ApiError::internal(&"a claim was not answered as one"));
    };
    let entity = EntityId::Order(order.clone());
    let mut to_vault = buyer.as_ref();
    if !first && exists(asking, &entity).await? {
        // Older than all that is known of the order, so it changes nothing and only awaits the outcome.
        facts.updated_at = Timestamp::default();
        if has_buyer(asking, &entity).await? {
            to_vault = None;
        }
    }
    let facts = Box::new(facts);
    let settle = true;
    let state = match how {
        How::Stated(origin) => OrderCommand::State {
            facts,
            origin,
            settle,
        },
        How::Holding(hold) => OrderCommand::StateHeld {
            facts,
            hold,
            settle,
        },
    };
    let asked = asking.ask_by(entity.clone(), Command::Order(state), asking.by());
    // Queued before the order hears of it, so in its first flush or in one before.
    let (kept, reply) = tokio::join!(biased; put_buyer(asking, &entity, to_vault), asked);
    kept?;
    let reply = reply?;
    match &reply.answer {
        Answer::Order(summary) => {
            let summary = (**summary).clone();
            Ok(Placed { reply, summary })
        }
        other => Err(ApiError::internal(&format!("an order answered {other:?}"))),
    }
}

async fn exists(asking: &Asking, entity: &EntityId) -> Result<bool, ApiError> {
    match asking.state.handle.read(entity.clone()).await {
        Ok(_) => Ok(true),
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

/// Puts a buyer, if there is one, into the vault.
pub(crate) async fn put_buyer(
    asking: &Asking,
    order: &EntityId,
    buyer: Option<&Buyer>,
) -> Result<(), ApiError> {
    let Some(buyer) = buyer else { return Ok(()) };
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
