//! The listing map of a channel: what its listings stand for. What waited for a mapping is worked on at once.

use axum::response::Response;
use crossdock_insight::ListingRow;
use crossdock_model::command::BucketCommand;
use crossdock_model::v1::{ListingMode, ListingTarget, Scope, ShownLevel};
use crossdock_model::{Answer, ChannelId, Command, EntityId, ListingId, SkuId};
use crossdock_runtime::bucket_of;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::channels::{self, ChannelPath, channel_id};
use super::consistent::{PAGE_MAX, consistent, look, page};
use super::skus::{ComponentInput, components, known};
use crate::answer::{self, Answered, Doc};
use crate::ask::Asking;
use crate::cells;
use crate::error::ApiError;
use crate::extract::{Filter, Input, Two, read_id};
use crate::route::Route;
use crate::wire::{Items, SkuText, Time};

/// All of the stock.
const ALL_PERMILLE: u16 = 1_000;

/// Routes of the listing map.
pub(super) fn routes() -> Vec<Route> {
    let (read, operate) = (Scope::Read, Scope::Operate);
    let one = "/v1/channels/{channel}/listings/{listing}";
    vec![
        Route::get(
            "/v1/channels/{channel}/listings",
            read,
            "List the listing map",
            list,
        )
        .filters::<ListingQuery>()
        .answers::<Items<ListingDoc>>(),
        Route::get(
            "/v1/channels/{channel}/listings.csv",
            read,
            "The whole listing map as CSV",
            export,
        )
        .answers_text("text/csv"),
        Route::get(one, read, "Show what a listing stands for", show).answers::<ListingDoc>(),
        Route::put(
            one,
            operate,
            "Map a listing; what waited for it is worked on",
            map,
        )
        .takes::<Mapping>()
        .answers::<ListingDoc>(),
        Route::delete(one, operate, "Forget a listing", unmap).answers::<ListingDoc>(),
        Route::post(
            "/v1/channels/{channel}/listings/{listing}/mode",
            operate,
            "Let a listing in with a share of the stock, or show none of it",
            set_mode,
        )
        .takes::<ListingModeDoc>()
        .answers::<ListingModeDoc>(),
    ]
}

/// A page of a listing map.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListingQuery {
    /// Where the page begins.
    cursor: Option<String>,
    /// Rows of a page, 1 to 200.
    limit: Option<usize>,
    /// Show at least what stands at this `Crossdock-Position`.
    consistent_with: Option<String>,
}

/// What a listing stands for: units of a SKU, or a kit made up for it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapping {
    /// The SKU or kit.
    pub sku: Option<SkuText>,
    /// Parts of a kit made up for this listing.
    #[serde(default)]
    pub components: Vec<ComponentInput>,
    /// How many of it one unit of the listing is; 1 if absent.
    pub multiplier: Option<u32>,
}

/// How far a listing is let in.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListingModeDoc {
    mode: ListingModeName,
    /// Of a live listing: thousandths of the stock that it shows, 1 to 1000; all of it if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_permille: Option<u16>,
}

/// How far a listing is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListingModeName {
    /// Shows its share of the stock.
    Live,
    /// Its wave has not been opened: shows none.
    NotInWave,
    /// Shows none.
    Paused,
}

impl ListingModeDoc {
    pub fn of(mode: ListingMode) -> Self {
        let (mode, share_permille) = match mode {
            ListingMode::Live { share_permille } => (ListingModeName::Live, Some(share_permille)),
            ListingMode::NotInWave => (ListingModeName::NotInWave, None),
            ListingMode::Paused => (ListingModeName::Paused, None),
        };
        Self {
            mode,
            share_permille,
        }
    }

    fn read(self) -> Result<ListingMode, ApiError> {
        match (self.mode, self.share_permille) {
            (ListingModeName::Live, share) => Ok(ListingMode::Live {
                share_permille: share.unwrap_or(ALL_PERMILLE),
            }),
            (ListingModeName::NotInWave, None) => Ok(ListingMode::NotInWave),
            (ListingModeName::Paused, None) => Ok(ListingMode::Paused),
            (_, Some(_)) => Err(ApiError::invalid(
                "share_permille",
                "only a live listing has a share",
            )),
        }
    }
}

/// A mapped listing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListingDoc {
    listing: String,
    /// Absent: not mapped.
    sku: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<ListingPart>,
    multiplier: u32,
    /// What the channel shows of it, by the channel's places. It changes no stock.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shown: Vec<ShownDoc>,
    /// Deliveries that waited for it and are worked on now.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<usize>,
}

/// What a channel shows of a listing at one of its places.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownDoc {
    /// As a location's `stock_source` would name it.
    place: String,
    /// Absent: not tracked there.
    units: Option<i64>,
    at: Time,
}

/// A part of a listing's kit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListingPart {
    sku: String,
    units_per_kit: u32,
}

impl Mapping {
    /// For a command.
    pub fn target(self) -> Result<ListingTarget, ApiError> {
        let multiplier = self.multiplier.unwrap_or(1);
        match (self.sku, self.components.is_empty()) {
            (Some(sku), true) => Ok(ListingTarget::Sku {
                sku: sku.0,
                multiplier,
            }),
            (None, false) => Ok(ListingTarget::Kit {
                components: components(self.components),
                multiplier,
            }),
            _ => Err(ApiError::invalid(
                "sku",
                "give a sku or components, not both",
            )),
        }
    }
}

fn doc(listing: String, target: Option<&ListingTarget>, resumed: Option<usize>) -> ListingDoc {
    let (sku, components, multiplier) = match target {
        None => (None, Vec::new(), 0),
        Some(ListingTarget::Sku { sku, multiplier }) => {
            (Some(sku.to_string()), Vec::new(), *multiplier)
        }
        Some(ListingTarget::Kit {
            components,
            multiplier,
        }) => {
            let parts = components.iter().map(|part| ListingPart {
                sku: part.sku.to_string(),
                units_per_kit: part.units_per_kit,
            });
            (None, parts.collect(), *multiplier)
        }
    };
    ListingDoc {
        listing,
        sku,
        components,
        multiplier,
        shown: Vec::new(),
        resumed,
    }
}

fn row_doc(row: ListingRow) -> ListingDoc {
    let target: Option<ListingTarget> = serde_json::from_value(row.target).ok();
    doc(row.listing, target.as_ref(), None)
}

async fn list(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
    Filter(query): Filter<ListingQuery>,
) -> Answered<Doc<Items<ListingDoc>>> {
    consistent(&asking.state, query.consistent_with.as_deref()).await?;
    let (cursor, limit) = (query.cursor, page(query.limit)?);
    let read = move |insight: &crossdock_insight::Insight| {
        insight.listings(channel.as_str(), cursor.as_deref(), limit)
    };
    let rows = look(&asking.state, read).await?;
    Ok(Doc::read(Items::of(rows, row_doc)))
}

async fn export(asking: Asking, ChannelPath(channel): ChannelPath) -> Answered<Response> {
    let read = move |insight: &crossdock_insight::Insight| {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = insight.listings(channel.as_str(), cursor.as_deref(), PAGE_MAX)?;
            all.extend(page.rows);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    };
    let rows = look(&asking.state, read).await?.into_iter().map(row_doc);
    let cells = rows.map(|row| {
        let parts = row.components.iter();
        let parts: Vec<String> = parts
            .map(|part| format!("{}:{}", part.sku, part.units_per_kit))
            .collect();
        let sku = row.sku.unwrap_or_default();
        vec![
            row.listing,
            sku,
            row.multiplier.to_string(),
            parts.join(";"),
        ]
    });
    let head = ["listing", "sku", "multiplier", "components"];
    Ok(answer::text(
        "text/csv; charset=utf-8",
        cells::write(&head, cells),
    ))
}

fn which(Two(channel, listing): Two) -> Result<(ChannelId, ListingId), ApiError> {
    Ok((channel_id(&channel)?, read_id("listing", &listing)?))
}

/// Where a listing's mapping lives.
pub(super) fn bucket(channel: &ChannelId, listing: &ListingId) -> EntityId {
    EntityId::Bucket(channel.clone(), bucket_of(listing))
}

async fn show(asking: Asking, path: Two) -> Answered<Doc<ListingDoc>> {
    let (channel, listing) = which(path)?;
    let command = Command::Bucket(BucketCommand::Look {
        listing: listing.clone(),
    });
    let reply = asking
        .ask_by(bucket(&channel, &listing), command, asking.by())
        .await?;
    let target = match &reply.answer {
        Answer::Listings(found) => found.first().map(|(_, target)| target),
        _ => None,
    };
    let target = target.ok_or_else(|| ApiError::not_found(format!("listing {listing}")))?;
    let document = ListingDoc {
        shown: shown(&asking, &channel, &listing).await?,
        ..doc(listing.to_string(), Some(target), None)
    };
    Ok(Doc::of(&reply, document))
}

async fn shown(
    asking: &Asking,
    channel: &ChannelId,
    listing: &ListingId,
) -> Result<Vec<ShownDoc>, ApiError> {
    let command = Command::Bucket(BucketCommand::LookShown {
        listing: listing.clone(),
    });
    let reply = asking
        .ask_by(bucket(channel, listing), command, asking.by())
        .await?;
    let Answer::Shown(levels) = reply.answer else {
        return Ok(Vec::new());
    };
    let read = |level: ShownLevel| ShownDoc {
        place: level.place.to_string(),
        units: level.units,
        at: Time(level.at),
    };
    Ok(levels.into_iter().map(read).collect())
}

/// What deliveries wait for that name a listing nobody has mapped.
pub(super) fn waited_for(channel: &ChannelId, listing: &ListingId) -> String {
    format!("{channel}/{listing}")
}

/// Refuses what stands for a SKU that nobody defined.
pub(super) async fn known_target(asking: &Asking, target: &ListingTarget) -> Result<(), ApiError> {
    let skus: Vec<&SkuId> = match target {
        ListingTarget::Sku { sku, .. } => vec![sku],
        ListingTarget::Kit { components, .. } => components.iter().map(|part| &part.sku).collect(),
    };
    for sku in skus {
        known(asking, sku).await?;
    }
    Ok(())
}

async fn map(asking: Asking, path: Two, input: Input<Mapping>) -> Answered<Doc<ListingDoc>> {
    let (channel, listing) = which(path)?;
    let target = input.value.target()?;
    channels::doc(&asking, &channel).await?;
    known_target(&asking, &target).await?;
    let by = asking.keyed(input.hash, "")?;
    let command = Command::Bucket(BucketCommand::Map {
        listing: listing.clone(),
        target: target.clone(),
    });
    let reply = asking
        .ask_by(bucket(&channel, &listing), command, by)
        .await?;
    let waited_for = waited_for(&channel, &listing);
    let resumed = asking.state.handle.unpark(vec![waited_for]).await?;
    let document = doc(listing.to_string(), Some(&target), Some(resumed));
    Ok(Doc::of(&reply, document))
}

async fn set_mode(
    asking: Asking,
    path: Two,
    input: Input<ListingModeDoc>,
) -> Answered<Doc<ListingModeDoc>> {
    let (channel, listing) = which(path)?;
    let mode = input.value.read()?;
    let entity = bucket(&channel, &listing);
    let command = Command::Bucket(BucketCommand::SetListingMode { listing, mode });
    let reply = asking.ask(entity, command, input.hash).await?;
    Ok(Doc::of(&reply, ListingModeDoc::of(mode)))
}

async fn unmap(asking: Asking, path: Two) -> Answered<Doc<ListingDoc>> {
    let (channel, listing) = which(path)?;
    let command = Command::Bucket(BucketCommand::Unmap {
        listing: listing.clone(),
    });
    let reply = asking
        .ask_by(bucket(&channel, &listing), command, asking.by())
        .await?;
    Ok(Doc::of(&reply, doc(listing.to_string(), None, None)))
}
