//! Placing an order: the key is claimed, then the buyer goes to the vault and the order is stated and settles. In
//! flushes: the claim; the statement with buyer, plan and reservations; *reserved*.

use crossdock_channels::Buyer;
use crossdock_model::answer::OrderSummary;
use crossdock_model::command::{OrderCommand, RequestCommand};
use crossdock_model::v1::{OrderFacts, Origin, Sale};
use crossdock_model::{
    Answer, ChannelId, Command, CommandKey, EntityId, HoldId, OrderId, Timestamp,
};
use crossdock_runtime::{Door, Reply};

use super::doc::{OrderAnswer, order_answer};
use super::input::NewOrder;
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::buyer::{name_address, personal};
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
    let entity = EntityId::Channel(channel.clone());
    let read = asking.read_through(Door::Ask, entity).await?;
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
    mut facts: OrderFacts,
    buyer: Option<Buyer>,
    how: How,
) -> Result<Placed, ApiError> {
    let (order, _) = claim(asking, id, hash).await?;
    let (origin, hold) = match how {
        How::Stated(origin) => (origin, None),
        How::Holding(hold) => (Origin::Api, Some(hold)),
    };
    let entity = EntityId::Order(order);
    // As old as can be: it never replaces what is known of an order that is there already.
    let stated_at = Timestamp::default();
    let mut buyer = buyer.map(|one| personal(&asking.state.handle, &entity, &one, stated_at));
    facts.destination = name_address(facts.destination, &mut buyer);
    let state = OrderCommand::Place {
        facts: Box::new(facts),
        origin,
        hold,
        claim: CommandKey::new(asking.key_digest()?)?,
    };
    let reply = asking
        .ask_with_buyer(entity, buyer, Command::Order(state), asking.by())
        .await?;
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
    let _turn = asking.state.handle.turn(&request).await;
    let claim = Command::Request(RequestCommand::Claim { order, body_hash });
    match asking.ask_by(request, claim, asking.by()).await?.answer {
        Answer::Claimed { order, first } => Ok((order, first)),
        other => Err(ApiError::internal(&format!(
            "a claim was answered by {other:?}"
        ))),
    }
}
