//! Orders read: one with its timeline, lists, and a search by who bought.

use crossdock_insight::{OrderFilter, OrderRow};
use crossdock_model::OrderId;
use crossdock_model::v1::Scope;
use serde::Deserialize;
use utoipa::IntoParams;

use super::doc::{BuyerDoc, OrderDoc, OrderRowDoc, buyer_of, order_answer, summary};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Filter, Id};
use crate::v1::consistent::{consistent, look, page, shows};
use crate::wire::{Items, Time};

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderQuery {
    /// Of this channel.
    channel: Option<String>,
    /// In this state.
    status: Option<String>,
    /// How they came in: `channel`, `api`, `adopted`, `hold`.
    origin: Option<String>,
    /// Placed at or after.
    #[param(value_type = Option<String>)]
    placed_from: Option<Time>,
    /// Placed before.
    #[param(value_type = Option<String>)]
    placed_to: Option<Time>,
    /// Bought by this e-mail address.
    email: Option<String>,
    /// Bought by this telephone number.
    phone: Option<String>,
    /// Bought by this name.
    name: Option<String>,
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// How an order is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowQuery {
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// Shows an order: its state from the order itself, its history from the read model, once that has come as far.
pub(super) async fn show(
    asking: Asking,
    Id(order): Id<OrderId>,
    Filter(query): Filter<ShowQuery>,
) -> Answered<Doc<OrderDoc>> {
    let state = &asking.state;
    consistent(state, query.consistent_with.as_deref()).await?;
    let (now, reply) = summary(&asking, &order).await?;
    let told = match reply.token() {
        Some(token) => shows(state, &token).await?,
        None => true,
    };
    let id = order.to_string();
    let read = move |insight: &crossdock_insight::Insight| {
        Ok((insight.order(&id)?, insight.timeline(&id)?))
    };
    let (row, timeline) = look(state, read).await?;
    let buyer = match asking.caller.scope >= Scope::Operate {
        true => buyer_of(state, &order).await?.map(BuyerDoc::from),
        false => None,
    };
    let document = OrderDoc {
        answer: order_answer(&now),
        facts: row.map(Into::into),
        buyer,
        timeline: timeline.into_iter().map(Into::into).collect(),
        timeline_behind: !told,
    };
    Ok(Doc::of(&reply, document))
}

/// Lists orders.
pub(super) async fn list(
    asking: Asking,
    Filter(query): Filter<OrderQuery>,
) -> Answered<Doc<Items<OrderRowDoc>>> {
    let state = &asking.state;
    consistent(state, query.consistent_with.as_deref()).await?;
    let terms = [
        ("email", &query.email),
        ("phone", &query.phone),
        ("name", &query.name),
    ];
    let limit = page(query.limit)?;
    let searched = terms
        .into_iter()
        .find_map(|(field, term)| Some((field, term.clone()?)));
    if let Some((field, term)) = searched {
        let found = find(&asking, field, term, limit).await?;
        return Ok(Doc::read(Items::all(found)));
    }
    let filter = OrderFilter {
        channel: query.channel,
        status: query.status,
        origin: query.origin,
        placed_from: query.placed_from.map(|at| at.0.as_ms()),
        placed_to: query.placed_to.map(|at| at.0.as_ms()),
        cursor: query.cursor,
        limit,
    };
    let rows = look(state, move |insight| insight.orders(&filter)).await?;
    Ok(Doc::read(Items::of(rows, OrderRowDoc::from)))
}

/// Orders of a buyer, found through the vault's keyed hashes.
async fn find(
    asking: &Asking,
    field: &'static str,
    term: String,
    limit: usize,
) -> Result<Vec<OrderRowDoc>, ApiError> {
    let handle = &asking.state.handle;
    let read = handle.journal_read(move |journal| journal.vault_find(field, &term, limit));
    let subjects = read.await?;
    let rows = look(&asking.state, move |insight| {
        let ids = subjects
            .iter()
            .filter_map(|subject| subject.strip_prefix("order:"));
        let rows: Result<Vec<Option<OrderRow>>, _> = ids.map(|id| insight.order(id)).collect();
        Ok(rows?.into_iter().flatten().collect::<Vec<_>>())
    });
    Ok(rows.await?.into_iter().map(OrderRowDoc::from).collect())
}
