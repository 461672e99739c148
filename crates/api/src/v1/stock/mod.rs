//! Stock: what there is, every movement, and the words that move it.

mod change;

use crossdock_insight::{LedgerRow, StockFilter, StockRow, StockSearch};
use crossdock_model::answer::StockView;
use crossdock_model::v1::{Scope, Tracking};
use crossdock_model::{Answer, EntityId, SkuId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Filter, Id};
use crate::route::Route;
use crate::v1::consistent::{consistent, look, page};
use crate::v1::kits;
use crate::wire::{Items, Time};

pub(super) use change::truth_of;

/// Routes of stock.
pub(super) fn routes() -> Vec<Route> {
    [shown(), moved(), marked()].into_iter().flatten().collect()
}

/// What there is.
fn shown() -> Vec<Route> {
    let read = Scope::Read;
    vec![
        Route::get("/v1/stock", read, "List stock by SKU and location", list)
            .filters::<StockQuery>()
            .answers::<Items<StockRowDoc>>(),
        Route::get(
            "/v1/stock/{sku}",
            read,
            "Show the stock of a SKU as of now",
            show,
        )
        .filters::<ShowQuery>()
        .answers::<StockShownDoc>(),
        Route::get(
            "/v1/stock/{sku}/ledger",
            read,
            "List movements, newest first",
            ledger,
        )
        .filters::<LedgerQuery>()
        .answers::<Items<MovementDoc>>(),
    ]
}

/// Units that come, go and are counted.
fn moved() -> Vec<Route> {
    let operate = Scope::Operate;
    vec![
        Route::post(
            "/v1/stock/{sku}/counts",
            operate,
            "Record a count",
            change::count,
        )
        .takes::<change::Count>()
        .needs_key()
        .answers::<change::CountedDoc>(),
        Route::post(
            "/v1/stock/{sku}/adjustments",
            operate,
            "Correct by a difference",
            change::adjust,
        )
        .takes::<change::Adjust>()
        .needs_key()
        .answers::<StockDoc>(),
        Route::post(
            "/v1/stock/{sku}/receipts",
            operate,
            "Receive units",
            change::receive,
        )
        .takes::<change::Receive>()
        .needs_key()
        .answers::<StockDoc>(),
        Route::post(
            "/v1/stock/{sku}/transfers",
            operate,
            "Send units to another location",
            change::transfer,
        )
        .takes::<change::Transfer>()
        .needs_key()
        .answers::<StockDoc>(),
        Route::post(
            "/v1/stock/{sku}/transfers/{transfer}/arrival",
            operate,
            "Take a transfer in",
            change::arrive,
        )
        .takes::<change::Arrival>()
        .needs_key()
        .answers::<StockDoc>(),
    ]
}

/// Units that are kept, expected or gone already.
fn marked() -> Vec<Route> {
    let operate = Scope::Operate;
    vec![
        Route::post(
            "/v1/stock/{sku}/unavailable",
            operate,
            "Mark units as not for sale",
            change::mark,
        )
        .takes::<change::Mark>()
        .needs_key()
        .answers::<StockDoc>(),
        Route::post(
            "/v1/stock/{sku}/available",
            operate,
            "Make marked units sellable again",
            change::unmark,
        )
        .takes::<change::Mark>()
        .needs_key()
        .answers::<StockDoc>(),
        Route::post(
            "/v1/stock/{sku}/incoming",
            operate,
            "Say what is expected",
            change::expect,
        )
        .takes::<change::Expect>()
        .needs_key()
        .answers::<StockDoc>(),
        Route::post(
            "/v1/stock/{sku}/safety",
            operate,
            "Keep units back from channels that ask",
            change::safety,
        )
        .takes::<change::Safety>()
        .needs_key()
        .answers::<StockDoc>(),
        Route::post(
            "/v1/stock/{sku}/till-sales",
            operate,
            "Record a sale at a till",
            change::till_sale,
        )
        .takes::<change::TillSale>()
        .needs_key()
        .answers::<StockDoc>(),
    ]
}

/// Which stock.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct StockQuery {
    /// SKUs that begin with this.
    prefix: Option<String>,
    /// At this location.
    location: Option<String>,
    /// SKUs with this text in their title, in any case.
    title: Option<String>,
    /// With fewer units available than this.
    available_below: Option<i64>,
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// How stock is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowQuery {
    /// Show at least what stands at this `Crossdock-Position`, also in the lists of the read model.
    consistent_with: Option<String>,
}

/// Which movements.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerQuery {
    /// At this location.
    location: Option<String>,
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// Stock of a SKU at a location, in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StockRowDoc {
    sku: String,
    title: String,
    location: String,
    /// Units on hand.
    on_hand: i64,
    /// Of those, units that cannot be sold.
    unavailable: i64,
    /// Units kept back from channels that ask.
    safety: i64,
    /// Reserved for orders.
    committed: i64,
    /// Kept for holds.
    held: i64,
    /// Taken by orders that have not committed yet.
    tentative: i64,
    /// Expected.
    incoming: i64,
    /// On their way from another location.
    in_transit: i64,
    /// What an order that is sold already may take; below 0: short.
    available: i64,
}

/// A movement.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MovementDoc {
    /// When it was recorded.
    at: Time,
    /// When it happened.
    effective_at: Time,
    location: String,
    /// Change of the units on hand.
    on_hand_delta: i64,
    /// Change of the units that cannot be sold.
    unavailable_delta: i64,
    /// Units on hand afterwards.
    on_hand: i64,
    /// Why.
    reason: String,
    /// What it refers to: an order, a transfer, a delivery note.
    reference: Option<String>,
    /// Who recorded it: the name of a person or system.
    by: String,
}

/// Stock of a SKU, as of now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StockDoc {
    pub sku: String,
    pub title: String,
    /// `tracked`, `untracked` or `kit`.
    pub tracking: &'static str,
    /// Orders statements of this SKU.
    pub version: u64,
    /// Available to sell over all locations.
    pub ats: u64,
    /// Units that waiting orders lack.
    pub waiting_units: u32,
    /// What a kit is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<Vec<ComponentDoc>>,
    /// Whether a kit's components may leave from different locations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_split: Option<bool>,
    pub locations: Vec<LocationStockDoc>,
}

/// Stock of a SKU as of now, with what is on its way as the read model has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StockShownDoc {
    #[serde(flatten)]
    stock: StockDoc,
    /// Units that are expected, soonest first.
    expected: Vec<ExpectedDoc>,
    /// Transfers of which units are still on their way.
    transfers: Vec<TransferDoc>,
}

/// Units that are expected.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ExpectedDoc {
    location: String,
    /// The purchase order.
    reference: String,
    /// Units still to come.
    units: i64,
    expected_at: Time,
}

/// Units on their way between two locations.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TransferDoc {
    transfer: String,
    from: String,
    to: String,
    /// Units that have not arrived.
    units: i64,
    sent_at: Time,
}

/// A part of a kit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ComponentDoc {
    sku: String,
    units_per_kit: u32,
}

/// Stock at a location.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LocationStockDoc {
    location: String,
    on_hand: i64,
    /// Reserved for orders.
    committed: u32,
    /// Kept for holds.
    held: u32,
    /// Taken by orders that have not committed yet.
    tentative: u32,
    unavailable: u32,
    incoming: u32,
    in_transit: u32,
    safety: u32,
    /// What an order that is sold already may take.
    available: i64,
    /// Available to sell.
    ats: u32,
}

/// How stock is kept, as the API calls it.
pub(super) fn tracking_name(tracking: &Tracking) -> &'static str {
    match tracking {
        Tracking::Tracked => "tracked",
        Tracking::Untracked => "untracked",
        Tracking::Kit(_) => "kit",
    }
}

/// What a kit is made of.
pub(super) fn component_docs(tracking: &Tracking) -> Option<Vec<ComponentDoc>> {
    let Tracking::Kit(kit) = tracking else {
        return None;
    };
    let parts = kit.components.iter().map(|one| ComponentDoc {
        sku: one.sku.to_string(),
        units_per_kit: one.units_per_kit,
    });
    Some(parts.collect())
}

/// Stock as the API shows it; a kit's is that of what it is made of.
pub(super) async fn stock_now(asking: &Asking, view: &StockView) -> Result<StockDoc, ApiError> {
    let mut stock = stock_doc(view);
    match &view.tracking {
        Tracking::Kit(kit) => stock.ats = kits::ats(asking, kit).await?,
        // Nothing is sold where no order could be sent from.
        Tracking::Tracked => {
            let known = |at| asking.state.handle.known_location(at);
            let open = view.locations.iter();
            let open = open.filter(|here| known(&here.location).is_some_and(|at| at.enabled));
            stock.ats = open.map(|here| u64::from(here.ats)).sum();
        }
        Tracking::Untracked => {}
    }
    Ok(stock)
}

/// Stock as its SKU says it.
fn stock_doc(view: &StockView) -> StockDoc {
    let locations = view.locations.iter().map(|stock| LocationStockDoc {
        location: stock.location.to_string(),
        on_hand: stock.on_hand,
        committed: stock.committed,
        held: stock.held,
        tentative: stock.tentative,
        unavailable: stock.unavailable,
        incoming: stock.incoming,
        in_transit: stock.in_transit,
        safety: stock.safety,
        available: stock.available,
        ats: stock.ats,
    });
    StockDoc {
        sku: view.sku.to_string(),
        title: view.title.clone(),
        tracking: tracking_name(&view.tracking),
        version: view.version,
        ats: view.ats(),
        waiting_units: view.waiting_units,
        components: component_docs(&view.tracking),
        may_split: kits::may_split(&view.tracking),
        locations: locations.collect(),
    }
}

async fn list(
    asking: Asking,
    Filter(query): Filter<StockQuery>,
) -> Answered<Doc<Items<StockRowDoc>>> {
    consistent(&asking.state, query.consistent_with.as_deref()).await?;
    let search = StockSearch {
        base: StockFilter {
            prefix: query.prefix,
            location: query.location,
            cursor: query.cursor,
            limit: page(query.limit)?,
        },
        title: query.title,
        available_below: query.available_below,
        now: Some(asking.now().as_ms()),
    };
    let rows = look(&asking.state, move |insight| insight.search_stock(&search)).await?;
    let doc = |row: StockRow| StockRowDoc {
        sku: row.sku,
        title: row.title,
        location: row.location,
        on_hand: row.on_hand,
        unavailable: row.unavailable,
        safety: row.safety,
        committed: row.committed,
        held: row.held,
        tentative: row.tentative,
        incoming: row.incoming,
        in_transit: row.in_transit,
        available: row.available,
    };
    Ok(Doc::read(Items::of(rows, doc)))
}

async fn show(
    asking: Asking,
    Id(sku): Id<SkuId>,
    Filter(query): Filter<ShowQuery>,
) -> Answered<Doc<StockShownDoc>> {
    consistent(&asking.state, query.consistent_with.as_deref()).await?;
    let reply = asking.read(EntityId::Sku(sku.clone())).await?;
    let Answer::Stock(view) = &reply.answer else {
        let answer = &reply.answer;
        return Err(ApiError::internal(&format!("a SKU answered {answer:?}")));
    };
    let read = move |insight: &crossdock_insight::Insight| {
        Ok((
            insight.expected(sku.as_str())?,
            insight.transfers(sku.as_str())?,
        ))
    };
    let (expected, transfers) = look(&asking.state, read).await?;
    let expected = expected.into_iter().map(|row| ExpectedDoc {
        location: row.location,
        reference: row.reference,
        units: row.units,
        expected_at: Time::from_ms(row.expected_at),
    });
    let transfers = transfers.into_iter().map(|row| TransferDoc {
        transfer: row.transfer,
        from: row.from,
        to: row.to,
        units: row.units,
        sent_at: Time::from_ms(row.sent_at),
    });
    let shown = StockShownDoc {
        stock: stock_now(&asking, view).await?,
        expected: expected.collect(),
        transfers: transfers.collect(),
    };
    Ok(Doc::of(&reply, shown))
}

async fn ledger(
    asking: Asking,
    Id(sku): Id<SkuId>,
    Filter(query): Filter<LedgerQuery>,
) -> Answered<Doc<Items<MovementDoc>>> {
    consistent(&asking.state, query.consistent_with.as_deref()).await?;
    let limit = page(query.limit)?;
    let read = move |insight: &crossdock_insight::Insight| {
        let (location, cursor) = (query.location.as_deref(), query.cursor.as_deref());
        insight.ledger(sku.as_str(), location, cursor, limit)
    };
    let state = &asking.state;
    let rows = look(state, read).await?;
    let names = state.keys.names(&state.handle).await?;
    let doc = |row: LedgerRow| MovementDoc {
        at: Time::from_ms(row.at),
        effective_at: Time::from_ms(row.effective_at),
        location: row.location,
        on_hand_delta: row.on_hand_delta,
        unavailable_delta: row.unavailable_delta,
        on_hand: row.on_hand,
        reason: row.reason,
        reference: row.reference,
        by: names.of(row.principal),
    };
    Ok(Doc::read(Items::of(rows, doc)))
}
