//! Orders changed: each call is one command for the order, answered with where the order is then.

use crossdock_channels::{Address, Buyer};
use crossdock_model::command::{LineEdit, OrderCommand};
use crossdock_model::v1::{Condition, Destination, RefundLine, Restock, ReturnLine};
use crossdock_model::{Command, EntityId, OrderId, RefundId, ReturnId};
use crossdock_runtime::PersonState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::doc::{OrderAnswer, order_answer, summary};
use super::input::{AddressInput, DestinationInput, LineUnitsInput, line_units};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::buyer::{buyer_of, personal};
use crate::error::ApiError;
use crate::extract::{Id, Input};
use crate::v1::locations::known;
use crate::wire::{LineText, LocationText, Text, Time};

/// What to cancel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cancel {
    /// Why.
    reason: Text,
    /// Only these units; all that is left if absent.
    lines: Option<Vec<LineUnitsInput>>,
}

/// What to change of lines; an unknown line is added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditLines {
    lines: Vec<EditedLine>,
}

/// A line as it is to be. What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditedLine {
    /// The line.
    line: LineText,
    /// The SKU or kit that one unit is from now on; a new line needs it. With the SKU it has already the line keeps
    /// what its listing stands for, six of a SKU, say.
    sku: Option<crate::wire::SkuText>,
    /// Units ordered in all, with those that have left; 0: none any more.
    units: u32,
    /// Its title; the SKU if the SKU is new.
    title: Option<Text>,
    /// Price of a unit.
    unit_price: Option<crate::wire::Amount>,
}

/// What to hold. Locations that have it already are asked to stop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hold {
    /// Why.
    reason: Text,
    /// Until when; without end if absent.
    until: Option<Time>,
    /// Only these lines; the whole order if empty.
    #[serde(default)]
    lines: Vec<LineText>,
}

/// What to release from hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Release {
    /// Only these lines; the whole order if empty.
    #[serde(default)]
    lines: Vec<LineText>,
}

/// Where not to place it again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reroute {
    /// Locations that may not be chosen.
    #[serde(default)]
    exclude: Vec<LocationText>,
}

/// What travels in a request of its own, as soon as it is reserved. The rest of the order does not wait for it either.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Split {
    lines: Vec<LineUnitsInput>,
}

/// Where it goes now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeAddress {
    /// The address, for the vault. Without a name or a phone it keeps those of the address before.
    address: AddressInput,
    /// As routing needs it; taken from the address if absent.
    destination: Option<DestinationInput>,
}

/// A note.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// Without personal data: it cannot be erased.
    text: String,
}

/// Goods that came back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Return {
    /// Its id; a repeat changes nothing.
    #[serde(rename = "return")]
    return_id: Option<String>,
    lines: Vec<ReturnedLine>,
}

/// Units of a line that came back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnedLine {
    /// The line.
    line: LineText,
    /// Units.
    units: u32,
    /// Where they are.
    location: LocationText,
    /// Why they cannot be sold; sellable again if absent.
    condition: Option<ConditionName>,
}

/// Why units cannot be sold.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConditionName {
    /// Damaged.
    Damaged,
    /// Held back by quality control.
    Quality,
}

impl ConditionName {
    /// For a command.
    pub fn read(self) -> Condition {
        match self {
            Self::Damaged => Condition::Damaged,
            Self::Quality => Condition::Quality,
        }
    }
}

/// A refund.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refund {
    /// Its id; a repeat changes nothing.
    refund: Option<String>,
    lines: Vec<RefundedLine>,
}

/// Refunded units of a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundedLine {
    /// The line.
    line: LineText,
    /// Units.
    units: u32,
    /// What becomes of the goods; `no` if absent.
    #[serde(default)]
    restock: RestockName,
    /// Where they come back to.
    location: Option<LocationText>,
}

/// What becomes of refunded goods.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RestockName {
    /// Not restocked: units that had left stay with the buyer, or are lost; those that had not are cancelled.
    #[default]
    No,
    /// They have not left and are cancelled.
    Cancel,
    /// They had left and come back; those that have not left are still sent.
    Return,
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Erased {
    /// The order.
    order: String,
    /// Whether its personal data is erased.
    erased: bool,
    /// Requests of locations, which may have the address: nothing here erases it there, and they do not get it again.
    requests: Vec<AtLocation>,
}

/// A request that a location was given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AtLocation {
    /// Its number in the order.
    request: u32,
    /// Whom to ask to erase the address too.
    location: String,
    /// Its state: something of it is still to be sent, unless it is `shipped`, `rejected` or `cancelled`.
    status: String,
}

/// Sends a command to an order and answers with where it is then.
pub(crate) async fn command(
    asking: &Asking,
    order: OrderId,
    command: OrderCommand,
    hash: u64,
) -> Answered<Doc<OrderAnswer>> {
    let entity = EntityId::Order(order.clone());
    let done = asking.ask(entity, Command::Order(command), hash).await?;
    let (now, _) = summary(asking, &order).await?;
    Ok(Doc::of(&done, order_answer(&now)))
}

/// Cancels.
pub(super) async fn cancel(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<Cancel>,
) -> Answered<Doc<OrderAnswer>> {
    let Cancel { reason, lines } = input.value;
    let lines = lines.map(line_units);
    let reason = reason.into();
    let cancel = OrderCommand::Cancel { reason, lines };
    command(&asking, order, cancel, input.hash).await
}

/// Edits lines.
pub(super) async fn edit_lines(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<EditLines>,
) -> Answered<Doc<OrderAnswer>> {
    let edited = input.value.lines.into_iter().map(|edit| {
        let price = edit.unit_price.map(|price| price.read());
        Ok(LineEdit {
            line: edit.line.0,
            units: edit.units,
            sku: edit.sku.map(|sku| sku.0),
            title: edit.title.map(String::from),
            unit_price: price.transpose()?,
        })
    });
    let lines = edited.collect::<Result<_, ApiError>>()?;
    command(
        &asking,
        order,
        OrderCommand::EditLines { lines },
        input.hash,
    )
    .await
}

/// Holds.
pub(super) async fn hold(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<Hold>,
) -> Answered<Doc<OrderAnswer>> {
    let hold = OrderCommand::Hold {
        lines: input.value.lines.into_iter().map(|line| line.0).collect(),
        reason: input.value.reason.into(),
        until: input.value.until.map(|until| until.0),
    };
    command(&asking, order, hold, input.hash).await
}

/// Releases from hold.
pub(super) async fn release(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<Release>,
) -> Answered<Doc<OrderAnswer>> {
    let lines = input.value.lines.into_iter().map(|line| line.0).collect();
    command(&asking, order, OrderCommand::Unhold { lines }, input.hash).await
}

/// Places again.
pub(super) async fn reroute(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<Reroute>,
) -> Answered<Doc<OrderAnswer>> {
    let exclude = input.value.exclude.into_iter().map(|one| one.0).collect();
    command(
        &asking,
        order,
        OrderCommand::Reroute { exclude },
        input.hash,
    )
    .await
}

/// Splits.
pub(super) async fn split(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<Split>,
) -> Answered<Doc<OrderAnswer>> {
    let lines = line_units(input.value.lines);
    command(&asking, order, OrderCommand::Split { lines }, input.hash).await
}

/// Changes the address: in the vault, and named by the order.
pub(super) async fn address(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<ChangeAddress>,
) -> Answered<Doc<OrderAnswer>> {
    let (now, _) = summary(&asking, &order).await?;
    let ChangeAddress {
        address,
        destination,
    } = input.value;
    let named = || {
        let country = ApiError::invalid("address.country", "is missing");
        address.destination().ok_or(country)
    };
    let destination = destination.map_or_else(named, Ok)?;
    let known = buyer_of(&asking.state, &order, now.address_version).await?;
    let known = known.unwrap_or_else(|| Buyer::unknown(order.to_string()));
    let before = known.ship_to.clone().unwrap_or_default();
    let stated = address.read();
    let address = Address {
        name: stated.name.or(before.name),
        phone: stated.phone.or(before.phone),
        ..stated
    };
    let buyer = Buyer {
        ship_to: Some(address),
        ..known
    };
    let entity = EntityId::Order(order.clone());
    let buyer = personal(&asking.state.handle, &entity, &buyer, asking.now());
    let destination = Destination {
        address_version: buyer.version,
        ..destination.read()?
    };
    let change = Command::Order(OrderCommand::ChangeDestination { destination });
    let by = asking.keyed(input.hash, "")?;
    let done = asking
        .ask_with_buyer(entity, Some(buyer), change, by)
        .await?;
    let (now, _) = summary(&asking, &order).await?;
    Ok(Doc::of(&done, order_answer(&now)))
}

/// Writes a note.
pub(super) async fn note(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<Note>,
) -> Answered<Doc<OrderAnswer>> {
    let text = input.value.text;
    command(&asking, order, OrderCommand::Note { text }, input.hash).await
}

/// Takes goods back.
pub(super) async fn take_back(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<Return>,
) -> Answered<Doc<OrderAnswer>> {
    let return_id = match input.value.return_id {
        Some(id) => ReturnId::new(id)?,
        None => ReturnId::new(asking.key_digest()?)?,
    };
    for line in &input.value.lines {
        known(&asking, &line.location.0)?;
    }
    let lines = input.value.lines.into_iter().map(|one| ReturnLine {
        line: one.line.0,
        units: one.units,
        location: one.location.0,
        condition: one.condition.map(ConditionName::read),
    });
    let back = OrderCommand::Return {
        return_id,
        lines: lines.collect(),
    };
    command(&asking, order, back, input.hash).await
}

/// Records a refund.
pub(super) async fn refund(
    asking: Asking,
    Id(order): Id<OrderId>,
    input: Input<Refund>,
) -> Answered<Doc<OrderAnswer>> {
    let refund = match input.value.refund {
        Some(id) => RefundId::new(id)?,
        None => RefundId::new(asking.key_digest()?)?,
    };
    for location in input
        .value
        .lines
        .iter()
        .filter_map(|line| line.location.as_ref())
    {
        known(&asking, &location.0)?;
    }
    let lines = input.value.lines.into_iter().map(|one| RefundLine {
        line: one.line.0,
        units: one.units,
        restock: match one.restock {
            RestockName::No => Restock::No,
            RestockName::Cancel => Restock::Cancel,
            RestockName::Return => Restock::Return,
        },
        location: one.location.map(|location| location.0),
    });
    let refund = OrderCommand::Refund {
        refund,
        lines: lines.collect(),
    };
    command(&asking, order, refund, input.hash).await
}

/// Lets an adopted order go to fulfilment.
pub(super) async fn free(asking: Asking, Id(order): Id<OrderId>) -> Answered<Doc<OrderAnswer>> {
    command(&asking, order, OrderCommand::Free, asking.called).await
}

/// Tells the channel again what it could not be told.
pub(super) async fn tell(asking: Asking, Id(order): Id<OrderId>) -> Answered<Doc<OrderAnswer>> {
    command(&asking, order, OrderCommand::Retell, asking.called).await
}

/// Erases the personal data of an order for good.
pub(super) async fn erase(asking: Asking, Id(order): Id<OrderId>) -> Answered<Doc<Erased>> {
    let handle = &asking.state.handle;
    let entity = EntityId::Order(order.clone());
    let subject = entity.to_string();
    let person = handle.journal_read(move |journal| journal.person(&subject));
    let known = summary(&asking, &order).await;
    let requests = match (person.await?, known) {
        (_, Ok((known, _))) => known.requests,
        (PersonState::Unknown, Err(error)) => return Err(error),
        // Of an order that is not there any more, or cannot be read now.
        (PersonState::Kept | PersonState::Erased, Err(_)) => Vec::new(),
    };
    handle.erase(&entity).await?;
    let requests = requests.into_iter();
    let requests = requests.map(|(request, location, status)| AtLocation {
        request,
        location: location.to_string(),
        status,
    });
    Ok(Doc::read(Erased {
        order: order.to_string(),
        erased: true,
        requests: requests.collect(),
    }))
}
