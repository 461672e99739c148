//! The words that move stock: each is one command for the SKU, answered with its stock then.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{CountBasis, CountOutcome};
use crossdock_model::{Answer, Command, EntityId, LocationId, SkuId, SourceId, TransferId};
use crossdock_runtime::Reply;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{StockDoc, stock_doc};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Id, Input, Two, read_id};
use crate::v1::locations::known;
use crate::v1::orders::ConditionName;
use crate::v1::skus;
use crate::wire::{LocationText, Text, Time};

/// The source of counts that name none.
const API_SOURCE: &str = "api";

/// A count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    location: LocationText,
    /// Units counted.
    counted: u32,
    /// What was counted; `on_hand` if absent.
    #[serde(default)]
    basis: BasisName,
    /// Who counted; `api` if absent.
    source: Option<String>,
    /// When it was counted; now if absent.
    effective_at: Option<Time>,
}

/// What a count counted.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BasisName {
    /// Everything on the shelf.
    #[default]
    OnHand,
    /// What is left after units of orders were taken away.
    NetOfAllocated,
}

/// A correction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adjust {
    location: LocationText,
    /// Units more or less.
    delta: i64,
    /// Why.
    reason: Text,
    /// When it happened; now if absent.
    effective_at: Option<Time>,
}

/// Units that came.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Receive {
    location: LocationText,
    units: u32,
    /// The purchase order or delivery note.
    reference: Option<Text>,
    /// When they came; now if absent.
    effective_at: Option<Time>,
}

/// Units that are sent to another location.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    /// Its id; made from the Idempotency-Key if absent.
    transfer: Option<String>,
    from: LocationText,
    to: LocationText,
    units: u32,
}

/// What arrived of a transfer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrival {
    /// Units that have arrived so far, in all.
    units: u32,
    /// Write off what did not arrive.
    #[serde(default)]
    close: bool,
}

/// Units that can or cannot be sold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    location: LocationText,
    condition: ConditionName,
    units: u32,
}

/// Units that are expected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    location: LocationText,
    /// The purchase order.
    reference: Text,
    /// Zero: nothing any more.
    units: u32,
    expected_at: Time,
}

/// Units that are kept back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Safety {
    location: LocationText,
    units: u32,
}

/// Units handed over at a till.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TillSale {
    location: LocationText,
    units: u32,
    /// The receipt.
    reference: Text,
    /// When; now if absent.
    effective_at: Option<Time>,
}

/// What became of a count.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountedDoc {
    /// `applied`; or recorded and not applied: `older_than_last`, `too_old` (more than 24 h).
    count: &'static str,
    #[serde(flatten)]
    stock: StockDoc,
}

/// Sends a command to a SKU and answers with its stock then.
async fn change(
    asking: &Asking,
    sku: SkuId,
    command: SkuCommand,
    hash: u64,
    effective_at: Option<Time>,
) -> Answered<Doc<StockDoc>> {
    let (done, stock) = told(asking, sku, command, hash, effective_at).await?;
    Ok(Doc::of(&done, stock))
}

/// What a SKU answers to a command, and its stock then.
async fn told(
    asking: &Asking,
    sku: SkuId,
    command: SkuCommand,
    hash: u64,
    effective_at: Option<Time>,
) -> Result<(Reply, StockDoc), ApiError> {
    asking.need_key()?;
    skus::known(asking, &sku).await?;
    let entity = EntityId::Sku(sku);
    let at = effective_at.map(|at| at.0);
    let asked = asking.ask_at(entity.clone(), Command::Sku(command), hash, at);
    let done = asked.await?;
    match asking.read(entity).await?.answer {
        Answer::Stock(view) => Ok((done, stock_doc(&view))),
        other => Err(ApiError::internal(&format!("a SKU answered {other:?}"))),
    }
}

/// The one source of stock truth that a location names.
pub(crate) fn truth_of(asking: &Asking, location: &LocationId) -> Option<SourceId> {
    let found = asking.state.handle.known_location(location);
    found.and_then(|facts| facts.stock_source)
}

pub(super) async fn count(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<Count>,
) -> Answered<Doc<CountedDoc>> {
    let count = input.value;
    known(&asking, &count.location.0)?;
    let command = SkuCommand::Count {
        source: SourceId::new(count.source.as_deref().unwrap_or(API_SOURCE))?,
        truth: truth_of(&asking, &count.location.0),
        location: count.location.0,
        basis: match count.basis {
            BasisName::OnHand => CountBasis::OnHand,
            BasisName::NetOfAllocated => CountBasis::NetOfAllocated,
        },
        counted: count.counted,
        effective_at: count.effective_at.map_or(asking.now(), |at| at.0),
    };
    let (done, stock) = told(&asking, sku, command, input.hash, count.effective_at).await?;
    let outcome = match done.answer {
        Answer::Counted { outcome, .. } => outcome,
        _ => CountOutcome::Applied,
    };
    let counted = CountedDoc {
        count: match outcome {
            CountOutcome::Applied => "applied",
            CountOutcome::OlderThanLast => "older_than_last",
            CountOutcome::TooOld => "too_old",
        },
        stock,
    };
    Ok(Doc::of(&done, counted))
}

pub(super) async fn adjust(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<Adjust>,
) -> Answered<Doc<StockDoc>> {
    known(&asking, &input.value.location.0)?;
    let command = SkuCommand::Adjust {
        location: input.value.location.0,
        delta: input.value.delta,
        reason: input.value.reason.into(),
    };
    change(&asking, sku, command, input.hash, input.value.effective_at).await
}

pub(super) async fn receive(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<Receive>,
) -> Answered<Doc<StockDoc>> {
    known(&asking, &input.value.location.0)?;
    let command = SkuCommand::Receive {
        location: input.value.location.0,
        units: input.value.units,
        reference: input.value.reference.map(String::from),
    };
    change(&asking, sku, command, input.hash, input.value.effective_at).await
}

pub(super) async fn transfer(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<Transfer>,
) -> Answered<Doc<StockDoc>> {
    let transfer = match input.value.transfer {
        Some(id) => TransferId::new(id)?,
        None => TransferId::new(asking.key_digest()?)?,
    };
    for location in [&input.value.from, &input.value.to] {
        known(&asking, &location.0)?;
    }
    let command = SkuCommand::TransferOut {
        transfer,
        from: input.value.from.0,
        to: input.value.to.0,
        units: input.value.units,
    };
    change(&asking, sku, command, input.hash, None).await
}

pub(super) async fn arrive(
    asking: Asking,
    Two(sku, transfer): Two,
    input: Input<Arrival>,
) -> Answered<Doc<StockDoc>> {
    let command = SkuCommand::TransferIn {
        transfer: read_id("transfer", &transfer)?,
        arrived_units: input.value.units,
        close: input.value.close,
    };
    change(&asking, read_id("sku", &sku)?, command, input.hash, None).await
}

pub(super) async fn mark(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<Mark>,
) -> Answered<Doc<StockDoc>> {
    known(&asking, &input.value.location.0)?;
    let command = SkuCommand::MarkUnavailable {
        location: input.value.location.0,
        condition: input.value.condition.read(),
        units: input.value.units,
    };
    change(&asking, sku, command, input.hash, None).await
}

pub(super) async fn unmark(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<Mark>,
) -> Answered<Doc<StockDoc>> {
    known(&asking, &input.value.location.0)?;
    let command = SkuCommand::MakeAvailable {
        location: input.value.location.0,
        condition: input.value.condition.read(),
        units: input.value.units,
    };
    change(&asking, sku, command, input.hash, None).await
}

pub(super) async fn expect(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<Expect>,
) -> Answered<Doc<StockDoc>> {
    known(&asking, &input.value.location.0)?;
    let command = SkuCommand::Expect {
        location: input.value.location.0,
        reference: input.value.reference.into(),
        units: input.value.units,
        expected_at: input.value.expected_at.0,
    };
    change(&asking, sku, command, input.hash, None).await
}

pub(super) async fn safety(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<Safety>,
) -> Answered<Doc<StockDoc>> {
    known(&asking, &input.value.location.0)?;
    let command = SkuCommand::SetSafety {
        location: input.value.location.0,
        units: input.value.units,
    };
    change(&asking, sku, command, input.hash, None).await
}

pub(super) async fn till_sale(
    asking: Asking,
    Id(sku): Id<SkuId>,
    input: Input<TillSale>,
) -> Answered<Doc<StockDoc>> {
    known(&asking, &input.value.location.0)?;
    let command = SkuCommand::SoldAtTill {
        location: input.value.location.0,
        units: input.value.units,
        reference: input.value.reference.into(),
    };
    change(&asking, sku, command, input.hash, input.value.effective_at).await
}
