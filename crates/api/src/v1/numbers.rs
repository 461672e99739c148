//! What a channel shows and should show, and what is paused there.

use crossdock_model::answer::NumberView;
use crossdock_model::command::{BucketCommand, ChannelCommand, PauseTarget};
use crossdock_model::v1::Scope;
use crossdock_model::{Answer, Command, EntityId};
use crossdock_runtime::BUCKETS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::channels::{self, ChannelDoc, ChannelPath};
use super::listings::ListingModeDoc;
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Filter, Input};
use crate::route::Route;
use crate::wire::{Items, LocationText, SkuText, Time};

/// Rows after which a page ends with the bucket that it is in.
const ROWS_FEW: usize = 500;

/// Routes of what is published.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/v1/channels/{channel}/numbers",
            Scope::Read,
            "List what the channel shows and should show",
            list,
        )
        .filters::<NumberQuery>()
        .answers::<Items<NumberDoc>>(),
        Route::post(
            "/v1/channels/{channel}/pause",
            Scope::Operate,
            "Show none of a SKU, or of what is at a location",
            pause,
        )
        .takes::<Paused>()
        .answers::<ChannelDoc>(),
        Route::post(
            "/v1/channels/{channel}/resume",
            Scope::Operate,
            "Show a SKU, or what is at a location, again",
            resume,
        )
        .takes::<Paused>()
        .answers::<ChannelDoc>(),
    ]
}

/// Which numbers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumberQuery {
    /// Where the page begins.
    cursor: Option<String>,
    /// Only numbers that are not as they should be.
    #[serde(default)]
    wrong: bool,
    /// Only numbers of what the channel sends itself.
    #[serde(default)]
    sent_by_channel: bool,
    /// Only numbers that the channel does not have.
    #[serde(default)]
    missing: bool,
}

impl NumberQuery {
    fn asks_for(&self, one: &NumberDoc) -> bool {
        (!self.wrong || one.is_wrong())
            && (!self.sent_by_channel || one.sent_by_channel)
            && (!self.missing || one.missing)
    }
}

/// One number: a listing at a place of its channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NumberDoc {
    listing: String,
    place: String,
    #[serde(flatten)]
    mode: ListingModeDoc,
    /// Units shown, as far as is known; at most so many, on a channel whose writes replace its number. Absent: nobody
    /// knows yet.
    shown: Option<i64>,
    /// Units that should be shown. Absent: it cannot be told, as a count or a mapping is missing; what is shown stays.
    should: Option<u32>,
    /// Since when it should be another number.
    wrong_since: Option<Time>,
    /// Whether the channel counts it there, as far as is known. What it does not count it sells without end, and shows no
    /// number of, or sends itself.
    tracked: bool,
    /// Whether it does not count it there, as it sends it itself (Amazon fulfils it): no number of it is sent.
    sent_by_channel: bool,
    /// Whether the channel does not have it there (a shop does not stock the item at that place): no number of it can be sent.
    missing: bool,
}

/// What is paused: a SKU or a location.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paused {
    sku: Option<SkuText>,
    location: Option<LocationText>,
}

impl NumberDoc {
    fn of(view: NumberView) -> Self {
        Self {
            listing: view.listing.to_string(),
            place: view.place.to_string(),
            mode: ListingModeDoc::of(view.mode),
            shown: view.shown,
            should: view.should,
            wrong_since: view.wrong_since.map(Time),
            tracked: view.is_tracked,
            sent_by_channel: view.is_sent_by_channel,
            missing: view.is_missing,
        }
    }

    fn is_wrong(&self) -> bool {
        let should = self.should.filter(|_| self.tracked && !self.missing);
        should.is_some_and(|should| self.shown != Some(should.into()))
    }
}

/// Whole buckets, so that a page is what they say at one time.
async fn list(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
    Filter(query): Filter<NumberQuery>,
) -> Answered<Doc<Items<NumberDoc>>> {
    channels::doc(&asking, &channel).await?;
    let mut bucket = match query.cursor.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(bucket)) if bucket < BUCKETS => bucket,
        Some(_) => return Err(ApiError::invalid("cursor", "not the next_cursor of a page")),
    };
    let mut items = Vec::new();
    while bucket < BUCKETS && items.len() < ROWS_FEW {
        let entity = EntityId::Bucket(channel.clone(), bucket);
        let look = Command::Bucket(BucketCommand::LookNumbers);
        if let Answer::Numbers(views) = asking.ask_by(entity, look, asking.by()).await?.answer {
            let documents = views.into_iter().map(NumberDoc::of);
            items.extend(documents.filter(|one| query.asks_for(one)));
        }
        bucket += 1;
    }
    Ok(Doc::read(Items {
        items,
        next_cursor: (bucket < BUCKETS).then(|| bucket.to_string()),
    }))
}

async fn pause(
    asking: Asking,
    path: ChannelPath,
    input: Input<Paused>,
) -> Answered<Doc<ChannelDoc>> {
    set(asking, path, input, true).await
}

async fn resume(
    asking: Asking,
    path: ChannelPath,
    input: Input<Paused>,
) -> Answered<Doc<ChannelDoc>> {
    set(asking, path, input, false).await
}

async fn set(
    asking: Asking,
    ChannelPath(channel): ChannelPath,
    input: Input<Paused>,
    paused: bool,
) -> Answered<Doc<ChannelDoc>> {
    let what = match (input.value.sku, input.value.location) {
        (Some(sku), None) => PauseTarget::Sku(sku.0),
        (None, Some(location)) => PauseTarget::Location(location.0),
        _ => {
            return Err(ApiError::invalid(
                "sku",
                "give a sku or a location, not both",
            ));
        }
    };
    let pause = ChannelCommand::Pause { what, paused };
    channels::change(&asking, channel, pause, input.hash).await
}

#[cfg(test)]
mod tests {
    use crossdock_model::v1::ListingMode;
    use crossdock_model::{ListingId, SourceId};

    use super::*;

    /// (what is shown, what should be, whether the channel counts it, whether it lacks it, whether publishing would change it)
    #[test]
    fn what_the_channel_does_not_count_or_have_is_not_to_be_changed() {
        for (shown, should, is_tracked, is_missing, expected) in [
            (Some(3), Some(3), true, false, false),
            (Some(4), Some(3), true, false, true),
            (None, Some(0), true, false, true),
            (Some(4), None, true, false, false),
            (Some(4), Some(3), false, false, false),
            (None, Some(3), true, true, false),
        ] {
            let view = NumberView {
                listing: ListingId::new("inventory_item:77").unwrap(),
                place: SourceId::new("shop/8050").unwrap(),
                mode: ListingMode::Paused,
                shown,
                stated_at: None,
                should,
                wrong_since: None,
                is_tracked,
                is_sent_by_channel: false,
                is_missing,
                rests: false,
            };
            assert_eq!(NumberDoc::of(view.clone()).is_wrong(), expected, "{view:?}");
        }
    }
}
