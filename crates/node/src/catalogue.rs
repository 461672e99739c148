//! What a channel sells and where it keeps stock, read from the channel itself.

use std::sync::Arc;

use crossdock_api::{ReadError, ReadPlacesFn, ReadVariantsFn};
use crossdock_channels::shopify::admin::{Admin, AdminError};
use crossdock_channels::{CallError, Place, Variants};
use crossdock_model::ChannelId;
use crossdock_runtime::Clock;

use crate::links::{Link, Links};
use crate::reading::{patiently, remedy};
use crate::spend::Spend;

/// Points of a shop that a page of what it sells costs at most.
const VARIANTS_POINTS: u32 = 500;
/// Points of a shop that a page of its places costs at most.
const PLACES_POINTS: u32 = 100;
/// Points of a shop that this leaves to numbers.
const SPARE_POINTS: u32 = 200;

/// Reads what channels sell.
#[must_use]
pub fn read_variants(links: Links, clock: Arc<dyn Clock>) -> ReadVariantsFn {
    Arc::new(move |channel, after| {
        let (links, clock) = (Arc::clone(&links), Arc::clone(&clock));
        Box::pin(async move {
            let (link, admin) = shop(&links, &channel)?;
            let read = variants(link, admin, &clock, after.as_deref()).await;
            read.map_err(|error| failed(link, "what it sells", &error))
        })
    })
}

/// Reads where channels keep stock.
#[must_use]
pub fn read_places(links: Links, clock: Arc<dyn Clock>) -> ReadPlacesFn {
    Arc::new(move |channel| {
        let (links, clock) = (Arc::clone(&links), Arc::clone(&clock));
        Box::pin(async move {
            let (link, admin) = shop(&links, &channel)?;
            let read = places(link, admin, &clock).await;
            read.map_err(|error| failed(link, "its places", &error))
        })
    })
}

/// The shop at the end of a channel's link.
fn shop<'a>(links: &'a Links, channel: &ChannelId) -> Result<(&'a Link, &'a Admin), ReadError> {
    let Some(link) = links.get(channel) else {
        let detail = format!(
            "nothing is known of how {channel} is called: if it is a shop, add a section [channels.{channel}.publish] \
             with its url and token, and start the server again"
        );
        return Err(ReadError::Unsupported(detail));
    };
    let admin = link.shop.as_ref().ok_or_else(|| {
        ReadError::Unsupported(format!(
            "{channel} is no shop: an Amazon account has no places to list, and its listings are mapped with `crossdock \
             import listings`, by seller SKU"
        ))
    })?;
    Ok((link, admin))
}

async fn variants(
    link: &Link,
    admin: &Admin,
    clock: &Arc<dyn Clock>,
    after: Option<&str>,
) -> Result<Variants, CallError> {
    let spend = Spend::new(&link.numbers.purse, VARIANTS_POINTS, SPARE_POINTS, clock);
    let read = || async { admin.variants(after).await.map_err(AdminError::of_reading) };
    patiently(&spend, &**clock, read).await
}

async fn places(
    link: &Link,
    admin: &Admin,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Place>, CallError> {
    let spend = Spend::new(&link.numbers.purse, PLACES_POINTS, SPARE_POINTS, clock);
    let read = || async { admin.places().await.map_err(AdminError::of_reading) };
    patiently(&spend, &**clock, read).await
}

fn failed(link: &Link, what: &str, error: &CallError) -> ReadError {
    let (channel, remedy) = (&link.channel, remedy(error, link));
    ReadError::Failed(format!("{channel} does not tell {what}: {error}: {remedy}"))
}
