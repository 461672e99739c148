//! Adoption: a shop goes live with open orders. They are reserved, and go to fulfilment only when released.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use crossdock_channels::{ChannelOrder, shopify};
use crossdock_insight::{OrderFilter, OrderRow};
use crossdock_model::answer::OrderSummary;
use crossdock_model::command::{ChannelCommand, OrderCommand};
use crossdock_model::v1::Scope;
use crossdock_model::{
    Answer, ChannelId, Command, Duration, EntityId, OrderId, ShardId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::channels::ChannelPath;
use super::consistent::{PAGE_MAX, consistent, look};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Filter, read_id, unread};
use crate::route::Route;
use crate::wire::Time;

/// Routes of adoption.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/v1/channels/{channel}/adopt",
            Scope::Admin,
            "Read open orders from an export, or from the channel itself",
            adopt,
        )
        .filters::<AdoptQuery>()
        .takes_text("application/json")
        .answers::<Adoption>()
        .import(),
    ]
}

/// What to adopt or release.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdoptQuery {
    /// Orders placed before are adopted.
    #[param(value_type = String)]
    from: Time,
    /// Say what would happen, and change nothing.
    #[serde(default)]
    preview: bool,
    /// Read what changed in so many days before `from` from the channel itself, in place of an export.
    read_days: Option<u16>,
    /// Release adopted orders to fulfilment: `all`, `name=#1001` or `status=reserved`.
    release: Option<String>,
}

/// What became of each order.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Adoption {
    adopted: Vec<AdoptedDoc>,
    errors: Vec<AdoptError>,
    /// How far the read models must be to show what was adopted.
    #[serde(skip)]
    written: BTreeMap<ShardId, u64>,
}

/// An order of an adoption.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdoptedDoc {
    /// `channel:external`.
    order: String,
    name: String,
    status: String,
    /// What happens, or would happen.
    action: &'static str,
}

/// An order of the export that could not be adopted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdoptError {
    /// Line of the file, or number of the order in it.
    line: u64,
    detail: String,
}

async fn adopt(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
    Filter(query): Filter<AdoptQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Answered<Doc<Adoption>> {
    let body = body.map_err(unread)?;
    let is_given = !body.is_empty() || query.read_days.is_some();
    if is_given && !query.preview {
        let begin = ChannelCommand::BeginAdoption {
            older_than: query.from.0,
        };
        let entity = EntityId::Channel(channel.clone());
        asking
            .ask_by(entity, Command::Channel(begin), asking.by())
            .await?;
    }
    let mut adoption = Adoption::default();
    for (line, read) in orders(&asking, &channel, &query, &body).await? {
        match read {
            Ok(order) => take(&asking, &channel, &query, (line, order), &mut adoption).await?,
            Err(detail) => adoption.errors.push(AdoptError { line, detail }),
        }
    }
    if let Some(filter) = &query.release {
        release(&asking, &channel, filter, query.preview, &mut adoption).await?;
    }
    Ok(Doc::read(adoption))
}

/// An order, or why it cannot be read, with its place in the export or the list.
type Numbered = (u64, Result<ChannelOrder, String>);

/// The orders of the export, or of the channel itself.
async fn orders(
    asking: &Asking,
    channel: &ChannelId,
    query: &AdoptQuery,
    body: &[u8],
) -> Result<Vec<Numbered>, ApiError> {
    let Some(days) = query.read_days else {
        let export = (1..).zip(shopify::read_export(body));
        let export = export.map(|(line, read)| match read {
            Ok(order) => (line, Ok(order)),
            Err(problem) => (problem.line as u64, Err(problem.what)),
        });
        return Ok(export.collect());
    };
    let read = asking.state.read_orders.as_ref().ok_or_else(|| {
        let status = axum::http::StatusCode::CONFLICT;
        ApiError::new(status, "unsupported", "this server reads no orders")
    })?;
    let since = query.from.0 - Duration::from_days(days.into());
    let read = read(channel.clone(), since).await?;
    Ok((1..).zip(read).collect())
}

async fn take(
    asking: &Asking,
    channel: &ChannelId,
    query: &AdoptQuery,
    (line, order): (u64, ChannelOrder),
    adoption: &mut Adoption,
) -> Result<(), ApiError> {
    let external = order.external.clone();
    let id = OrderId {
        channel: channel.clone(),
        external,
    };
    let (name, is_older) = (order.name.clone(), is_older(&order, query.from.0));
    let is_left = order.is_left_to_send();
    let known = known(asking, &id).await?;
    let action = match &known {
        _ if !is_older => "left: not placed before that time",
        Some(known) if !known.unfreed => {
            "left: it is here already and was not adopted, or is released"
        }
        _ if !is_left && query.preview => "would be adopted: nothing of it is left to send",
        _ if !is_left => "adopted: nothing of it is left to send",
        Some(_) if query.preview => "is adopted already: reserved, not sent",
        None if query.preview => "would be adopted: reserved, not sent",
        Some(_) => "adopted before: reserved, not sent",
        None => "adopted: reserved, not sent",
    };
    if is_older && known.as_ref().is_none_or(|known| known.unfreed) {
        let adopt = asking.state.adopt.as_ref().ok_or_else(|| {
            let status = axum::http::StatusCode::CONFLICT;
            ApiError::new(status, "unsupported", "this server adopts no orders")
        })?;
        let handle = asking.state.handle.clone();
        match adopt(handle, channel.clone(), order, query.preview).await {
            Ok(reply) => adoption
                .written
                .extend(reply.and_then(|reply| reply.position)),
            Err(detail) => {
                adoption.errors.push(AdoptError { line, detail });
                return Ok(());
            }
        }
    }
    adoption.adopted.push(AdoptedDoc {
        order: id.to_string(),
        name,
        status: known.map_or_else(String::new, |known| known.status.to_string()),
        action,
    });
    Ok(())
}

/// The order as it is now.
async fn known(asking: &Asking, id: &OrderId) -> Result<Option<OrderSummary>, ApiError> {
    match asking.read(EntityId::Order(id.clone())).await {
        Ok(reply) => Ok(match reply.answer {
            Answer::Order(summary) => Some(*summary),
            _ => None,
        }),
        Err(error) if error.code() == "not_found" => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_older(order: &ChannelOrder, than: Timestamp) -> bool {
    order.placed_at < than
}

/// Which adopted orders are released.
enum Wanted<'a> {
    All,
    Name(&'a str),
    Status(&'a str),
}

impl<'a> Wanted<'a> {
    fn read(text: &'a str) -> Result<Self, ApiError> {
        match text.split_once('=') {
            None if text == "all" => Ok(Self::All),
            Some(("name", name)) => Ok(Self::Name(name)),
            Some(("status", status)) => Ok(Self::Status(status)),
            _ => {
                let problem = "expected all, name=… or status=…";
                Err(ApiError::invalid("release", problem))
            }
        }
    }

    fn fits(&self, row: &OrderRow) -> bool {
        let waits = ["received", "held", "routed", "reserved", "backordered"];
        waits.contains(&row.status.as_str()) && self.names(row)
    }

    fn names(&self, row: &OrderRow) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => row.name == *name,
            Self::Status(status) => row.status == *status,
        }
    }
}

async fn release(
    asking: &Asking,
    channel: &ChannelId,
    filter: &str,
    preview: bool,
    adoption: &mut Adoption,
) -> Result<(), ApiError> {
    let wanted = Wanted::read(filter)?;
    let written = adoption.written.iter();
    let written: Vec<_> = written
        .map(|(shard, seq)| format!("{shard}:{seq}"))
        .collect();
    consistent(&asking.state, Some(&written.join(","))).await?;
    let mut cursor = None;
    loop {
        let page = OrderFilter {
            channel: Some(channel.to_string()),
            origin: Some("adopted".to_owned()),
            cursor: cursor.take(),
            limit: PAGE_MAX,
            ..OrderFilter::default()
        };
        let found = look(&asking.state, move |insight| insight.orders(&page)).await?;
        for row in found.rows.into_iter().filter(|row| wanted.fits(row)) {
            release_one(asking, row, preview, adoption).await?;
        }
        cursor = found.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

async fn release_one(
    asking: &Asking,
    row: OrderRow,
    preview: bool,
    adoption: &mut Adoption,
) -> Result<(), ApiError> {
    let mut action = "would be released to fulfilment";
    if !preview {
        let entity = EntityId::Order(read_id("order", &row.id)?);
        let free = Command::Order(OrderCommand::Free);
        action = match asking.ask_by(entity, free, asking.by()).await {
            Ok(_) => "released to fulfilment",
            Err(error) if error.code() == "wrong_state" => return Ok(()),
            Err(error) => return Err(error),
        };
    }
    adoption.adopted.push(AdoptedDoc {
        order: row.id,
        name: row.name,
        status: row.status,
        action,
    });
    Ok(())
}
