//! Orders read: one with its timeline, lists, and a search by who bought.

use std::collections::BTreeSet;

use crossdock_insight::{OrderFilter, OrderSearch};
use crossdock_model::v1::Scope;
use crossdock_model::{OrderId, Rejection};
use serde::Deserialize;
use utoipa::IntoParams;

use super::doc::{BuyerDoc, OrderDoc, OrderRowDoc, STATUSES, StepDoc, order_answer, step, summary};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::auth::scope_name;
use crate::buyer::buyer_of;
use crate::error::ApiError;
use crate::extract::{Filter, Id, one_of};
use crate::v1::consistent::{consistent, look, page, shows};
use crate::wire::{Items, Time};

/// Which orders: those of which everything that is named is true.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderQuery {
    /// Of this channel.
    channel: Option<String>,
    /// In this state.
    status: Option<String>,
    /// How they came in: `channel`, `api`, `adopted`, `hold`, `sent_by_channel`.
    origin: Option<String>,
    /// Placed at or after.
    #[param(value_type = Option<String>)]
    placed_from: Option<Time>,
    /// Placed before.
    #[param(value_type = Option<String>)]
    placed_to: Option<Time>,
    /// Changed at or after.
    #[param(value_type = Option<String>)]
    changed_from: Option<Time>,
    /// Changed before.
    #[param(value_type = Option<String>)]
    changed_to: Option<Time>,
    /// With units that wait for stock, or without.
    backordered: Option<bool>,
    /// With units reserved or requested at this location.
    location: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// Tests of their channels, or none of them.
    test: Option<bool>,
    /// Bought by this e-mail address; as phone and name it needs scope operate.
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

/// How orders come in.
const ORIGINS: [&str; 5] = ["channel", "api", "adopted", "hold", "sent_by_channel"];

/// A page of a timeline.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimelineQuery {
    /// Where the page begins.
    cursor: Option<String>,
    /// Steps of a page, 1 to 200.
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
        let (row, parcels) = (insight.order(&id)?, insight.shipments(&id)?);
        Ok((row, parcels, insight.reports(&id)?, insight.timeline(&id)?))
    };
    let (row, parcels, reports, timeline) = look(state, read).await?;
    let names = state.keys.names(&state.handle).await?;
    let buyer = match asking.caller.scope >= Scope::Operate {
        true => buyer_of(state, &order, now.address_version)
            .await?
            .map(BuyerDoc::from),
        false => None,
    };
    let document = OrderDoc {
        answer: order_answer(&now),
        facts: row.map(Into::into),
        buyer,
        shipments: parcels.into_iter().map(Into::into).collect(),
        reports: reports.into_iter().map(Into::into).collect(),
        timeline: timeline.into_iter().map(|row| step(row, &names)).collect(),
        timeline_behind: !told,
    };
    Ok(Doc::of(&reply, document))
}

/// Shows what happened to an order, page by page.
pub(super) async fn timeline(
    asking: Asking,
    Id(order): Id<OrderId>,
    Filter(query): Filter<TimelineQuery>,
) -> Answered<Doc<Items<StepDoc>>> {
    let state = &asking.state;
    consistent(state, query.consistent_with.as_deref()).await?;
    let (id, limit) = (order.to_string(), page(query.limit)?);
    let read = move |insight: &crossdock_insight::Insight| {
        insight.timeline_page(&id, query.cursor.as_deref(), limit)
    };
    let rows = look(state, read).await?;
    let names = state.keys.names(&state.handle).await?;
    Ok(Doc::read(Items::of(rows, |row| step(row, &names))))
}

/// Lists orders, newest first.
pub(super) async fn list(
    asking: Asking,
    Filter(query): Filter<OrderQuery>,
) -> Answered<Doc<Items<OrderRowDoc>>> {
    let state = &asking.state;
    consistent(state, query.consistent_with.as_deref()).await?;
    let ids = bought_by(&asking, &query).await?;
    let search = OrderSearch {
        base: OrderFilter {
            channel: query.channel,
            status: known("status", &STATUSES, query.status)?,
            origin: known("origin", &ORIGINS, query.origin)?,
            placed_from: query.placed_from.map(|at| at.0.as_ms()),
            placed_to: query.placed_to.map(|at| at.0.as_ms()),
            cursor: query.cursor,
            limit: page(query.limit)?,
        },
        changed_from: query.changed_from.map(|at| at.0.as_ms()),
        changed_to: query.changed_to.map(|at| at.0.as_ms()),
        backordered: query.backordered,
        location: query.location,
        tag: query.tag,
        test: query.test,
        ids,
    };
    let rows = look(state, move |insight| insight.search_orders(&search)).await?;
    Ok(Doc::read(Items::of(rows, OrderRowDoc::from)))
}

/// Orders of one buyer that a search looks at, at most.
const BOUGHT_MAX: usize = 10_000;

/// Orders of the buyer who is named, found through the vault's keyed hashes; nothing where none is named. Whether
/// somebody bought is personal data.
async fn bought_by(asking: &Asking, query: &OrderQuery) -> Result<Option<Vec<String>>, ApiError> {
    let terms = [
        ("email", &query.email),
        ("phone", &query.phone),
        ("name", &query.name),
    ];
    let mut found: Option<BTreeSet<String>> = None;
    for (field, term) in terms {
        let Some(term) = term.clone() else { continue };
        if asking.caller.scope < Scope::Operate {
            let needed = scope_name(Scope::Operate).to_owned();
            return Err(Rejection::Forbidden { needed }.into());
        }
        let handle = &asking.state.handle;
        let read = handle.journal_read(move |journal| journal.vault_find(field, &term, BOUGHT_MAX));
        let rows = read.await?;
        let ids = rows
            .iter()
            .filter_map(|(subject, _)| subject.strip_prefix("order:"));
        let ids: BTreeSet<String> = ids.map(str::to_owned).collect();
        found = Some(match found {
            None => ids,
            Some(known) => known.intersection(&ids).cloned().collect(),
        });
    }
    Ok(found.map(|ids| ids.into_iter().collect()))
}

fn known(field: &str, names: &[&str], text: Option<String>) -> Result<Option<String>, ApiError> {
    text.map(|text| one_of(field, names, &text)).transpose()
}
