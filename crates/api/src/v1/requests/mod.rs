//! Fulfilment requests: what locations have to do, as JSON, CSV and a printable list, and what they answer.

mod sheet;

use crossdock_channels::Buyer;
use crossdock_insight::{RequestFilter, RequestRow};
use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{ParcelTracking, RejectReason, RequestLine, Scope};
use crossdock_model::{Class, OrderId, ShipmentId};
use crossdock_runtime::PersonState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consistent::{consistent, look, page};
use super::orders::{AddressDoc, OrderAnswer, command, summary};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::buyer::buyer_of;
use crate::error::ApiError;
use crate::extract::{Filter, Input, Two, one_of, read_id};
use crate::route::Route;
use crate::wire::{Items, LineText, SkuText, Text, Time};

/// Routes of fulfilment requests.
pub(super) fn routes() -> Vec<Route> {
    let operate = Scope::Operate;
    let list_path = "/v1/fulfilment-requests";
    vec![
        Route::get(list_path, operate, "List what locations have to do", list)
            .filters::<RequestQuery>()
            .answers::<Items<RequestRowDoc>>(),
        Route::get(
            "/v1/fulfilment-requests.csv",
            operate,
            "The same as CSV, a line each",
            sheet::table,
        )
        .filters::<SheetQuery>()
        .answers_text("text/csv"),
        Route::get(
            "/v1/fulfilment-requests.html",
            operate,
            "The same as a pick list to print",
            sheet::pick_list,
        )
        .filters::<SheetQuery>()
        .answers_text("text/html"),
        Route::post(
            "/v1/orders/{order}/requests/{request}/acknowledge",
            operate,
            "Take the work on",
            acknowledge,
        )
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/requests/{request}/reject",
            operate,
            "Refuse the work",
            reject,
        )
        .takes::<Reject>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/requests/{request}/short-pick",
            operate,
            "Say what was not found",
            short_pick,
        )
        .takes::<ShortPick>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/requests/{request}/ship",
            operate,
            "Say what left",
            ship,
        )
        .takes::<Ship>()
        .needs_key_or_id()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/requests/{request}/cancel-answer",
            operate,
            "Say whether the work was stopped",
            answer_cancel,
        )
        .takes::<CancelAnswer>()
        .answers::<OrderAnswer>(),
    ]
}

/// What a list can be asked for.
const STATUSES: [&str; 10] = [
    "open",
    "created",
    "sent",
    "acknowledged",
    "overdue",
    "partly_shipped",
    "cancelling",
    "shipped",
    "rejected",
    "cancelled",
];

/// Which requests.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestQuery {
    /// Of this order, `channel:external`.
    order: Option<String>,
    /// For this location.
    location: Option<String>,
    /// In this state; `open` for all that are not ended.
    status: Option<String>,
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// Which requests, all of them at once.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct SheetQuery {
    /// Of this order, `channel:external`.
    order: Option<String>,
    /// For this location.
    location: Option<String>,
    /// In this state; `open`, all that are not ended, if absent: what stands on a sheet is sent.
    status: Option<String>,
    /// Where it goes on, when the one before was cut.
    cursor: Option<String>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// A fulfilment request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RequestRowDoc {
    /// The order, `channel:external`.
    order: String,
    /// What people call the order.
    name: String,
    /// Its number in the order.
    request: i64,
    location: String,
    status: String,
    lines: Vec<PickDoc>,
    /// What the location is asked to stop and has not answered.
    asks: Vec<AskDoc>,
    acknowledge_by: Time,
    created_at: Time,
    /// The service level the order asks for.
    service_level: Option<String>,
    /// When the order must leave.
    ship_by: Option<Time>,
    /// Where it goes: personal data.
    ship_to: Option<AddressDoc>,
}

/// Units that a location is asked to stop; it says by `cancel-answer` whether it can.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct AskDoc {
    /// Its number in the request.
    ask: u32,
    lines: Vec<PickDoc>,
}

/// What to pick.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct PickDoc {
    line: String,
    sku: String,
    units: u32,
}

/// Why the work is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reject {
    reason: RejectName,
    /// More words, for `other`.
    text: Option<Text>,
}

/// Why the work is refused.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RejectName {
    NotInStock,
    CannotShipThere,
    CapacityFull,
    Other,
}

/// Units of the request that were not found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShortPick {
    lines: Vec<PickedLine>,
}

/// Units of a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PickedLine {
    line: LineText,
    sku: SkuText,
    units: u32,
}

/// What left.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ship {
    /// The parcel as the location calls it; made from the Idempotency-Key if absent.
    shipment: Option<String>,
    /// Units; all that is left of the request if empty.
    #[serde(default)]
    lines: Vec<PickedLine>,
    /// What the carrier calls it.
    tracking: Option<TrackingInput>,
    /// When it left; now if absent.
    shipped_at: Option<Time>,
}

/// What a carrier calls a parcel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrackingInput {
    carrier: Option<Text>,
    number: Option<Text>,
    url: Option<Text>,
}

/// Whether the work was stopped.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelAnswer {
    /// Whether it was stopped.
    accepted: bool,
    /// Which ask; all that have no answer if absent.
    ask: Option<u32>,
}

fn picked(lines: Vec<PickedLine>) -> Vec<RequestLine> {
    let read = |one: PickedLine| RequestLine {
        line: one.line.0,
        sku: one.sku.0,
        units: one.units,
    };
    lines.into_iter().map(read).collect()
}

fn doc(row: RequestRow, buyer: Option<Buyer>) -> RequestRowDoc {
    RequestRowDoc {
        order: row.order,
        name: row.order_name,
        request: row.number,
        location: row.location,
        status: row.status,
        lines: serde_json::from_value(row.lines).unwrap_or_default(),
        asks: serde_json::from_value(row.asks).unwrap_or_default(),
        acknowledge_by: Time::from_ms(row.acknowledge_by),
        created_at: Time::from_ms(row.created_at),
        service_level: row.service_level,
        ship_by: row.ship_by.map(Time::from_ms),
        ship_to: buyer.and_then(|buyer| buyer.ship_to).map(AddressDoc::from),
    }
}

async fn rows(asking: &Asking, query: RequestQuery) -> Result<Items<RequestRowDoc>, ApiError> {
    consistent(&asking.state, query.consistent_with.as_deref()).await?;
    let filter = RequestFilter {
        order: query.order,
        location: query.location,
        status: query
            .status
            .map(|status| known_status(&status))
            .transpose()?,
        cursor: query.cursor,
        limit: page(query.limit)?,
    };
    let found = look(&asking.state, move |insight| insight.requests(&filter)).await?;
    let buyers = buyers(asking, &found.rows).await?;
    let items = found.rows.into_iter().zip(buyers);
    Ok(Items {
        items: items.map(|(row, buyer)| doc(row, buyer)).collect(),
        next_cursor: found.next,
    })
}

/// A state as the read models call it.
fn known_status(status: &str) -> Result<String, ApiError> {
    one_of("status", &STATUSES, status)
}

/// Where each request goes, from the row of the vault that its order names.
async fn buyers(asking: &Asking, rows: &[RequestRow]) -> Result<Vec<Option<Buyer>>, ApiError> {
    let named: Vec<(String, u64)> = rows
        .iter()
        .map(|row| (format!("order:{}", row.order), row.address_version))
        .collect();
    let read = asking.state.handle.journal_read(move |journal| {
        let entries = named.iter().map(|(subject, version)| {
            let entry = journal.vault(subject, *version)?;
            let replaced = entry.is_none() && *version != 0;
            let replaced = replaced && journal.person(subject)? == PersonState::Kept;
            Ok((entry, replaced))
        });
        entries.collect::<Result<Vec<_>, _>>()
    });
    let mut buyers = Vec::with_capacity(rows.len());
    for (row, (entry, replaced)) in rows.iter().zip(read.await?) {
        buyers.push(match replaced {
            // The read models are a moment behind: the order itself names another one by now.
            true => {
                let order: OrderId = row.order.parse()?;
                let (now, _) = summary(asking, &order).await?;
                buyer_of(&asking.state, &order, now.address_version).await?
            }
            false => entry.and_then(|entry| Buyer::from_bytes(&entry.body)),
        });
    }
    Ok(buyers)
}

async fn list(
    asking: Asking,
    Filter(query): Filter<RequestQuery>,
) -> Answered<Doc<Items<RequestRowDoc>>> {
    Ok(Doc::read(rows(&asking, query).await?))
}

/// The order and the number of its request, from the path.
fn which(Two(order, request): Two) -> Result<(OrderId, u32), ApiError> {
    let number = request.parse();
    let number = number.map_err(|_| ApiError::invalid("request", "expected a number"))?;
    Ok((read_id("order", &order)?, number))
}

async fn acknowledge(asking: Asking, path: Two) -> Answered<Doc<OrderAnswer>> {
    let (order, request) = which(path)?;
    let acknowledge = OrderCommand::Acknowledge { request };
    let called = asking.called;
    command(&asking.of(Class::Location), order, acknowledge, called).await
}

async fn reject(asking: Asking, path: Two, input: Input<Reject>) -> Answered<Doc<OrderAnswer>> {
    let (order, request) = which(path)?;
    let reason = match input.value.reason {
        RejectName::NotInStock => RejectReason::NotInStock,
        RejectName::CannotShipThere => RejectReason::CannotShipThere,
        RejectName::CapacityFull => RejectReason::CapacityFull,
        RejectName::Other => {
            RejectReason::Other(input.value.text.map(String::from).unwrap_or_default())
        }
    };
    let reject = OrderCommand::Reject { request, reason };
    command(&asking.of(Class::Location), order, reject, input.hash).await
}

async fn short_pick(
    asking: Asking,
    path: Two,
    input: Input<ShortPick>,
) -> Answered<Doc<OrderAnswer>> {
    let (order, request) = which(path)?;
    let lines = picked(input.value.lines);
    let short = OrderCommand::ShortPick { request, lines };
    command(&asking.of(Class::Location), order, short, input.hash).await
}

async fn ship(asking: Asking, path: Two, input: Input<Ship>) -> Answered<Doc<OrderAnswer>> {
    let (order, request) = which(path)?;
    let ship = input.value;
    let shipment = match ship.shipment {
        Some(id) => ShipmentId::new(id)?,
        None => ShipmentId::new(asking.key_digest()?)?,
    };
    let tracking = ship.tracking.map(|tracking| ParcelTracking {
        carrier: tracking.carrier.map(String::from),
        number: tracking.number.map(String::from),
        url: tracking.url.map(String::from),
    });
    let ship = OrderCommand::Ship {
        request,
        shipment,
        lines: picked(ship.lines),
        tracking,
        shipped_at: ship.shipped_at.map_or(asking.now(), |at| at.0),
    };
    command(&asking.of(Class::Location), order, ship, input.hash).await
}

async fn answer_cancel(
    asking: Asking,
    path: Two,
    input: Input<CancelAnswer>,
) -> Answered<Doc<OrderAnswer>> {
    let (order, request) = which(path)?;
    let CancelAnswer { accepted, ask } = input.value;
    let answer = OrderCommand::AnswerCancel {
        request,
        ask,
        accepted,
    };
    command(&asking.of(Class::Location), order, answer, input.hash).await
}
