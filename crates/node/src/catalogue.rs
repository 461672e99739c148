//! What a channel sells and where it keeps stock, read from the channel itself.

use std::sync::Arc;

use crossdock_api::{ReadError, ReadPlacesFn, ReadVariantsFn};
use crossdock_channels::shopify::admin::{Admin, AdminError};
use crossdock_channels::{CallError, Place, Variants};
use crossdock_model::ChannelId;
use crossdock_runtime::Clock;

use crate::links::{Link, Links, SellerLink};
use crate::reading::{patiently, remedy};
use crate::spend::Spend;

/// Points of a shop that a page of what it sells costs at most.
const VARIANTS_POINTS: u32 = 500;
/// Points of a shop that a page of its places costs at most.
const PLACES_POINTS: u32 = 100;
/// Points of a shop that this leaves to numbers.
const SPARE_POINTS: u32 = 200;
/// Calls to a seller's account that this leaves to numbers.
const SPARE_CALLS: u32 = 1;

/// Reads what channels sell.
#[must_use]
pub fn read_variants(links: Links, clock: Arc<dyn Clock>) -> ReadVariantsFn {
    Arc::new(move |channel, after| {
        let (links, clock) = (Arc::clone(&links), Arc::clone(&clock));
        Box::pin(async move {
            let link = link(&links, &channel)?;
            let read = match (&link.shop, &link.seller) {
                (Some(admin), _) => variants(link, admin, &clock, after.as_deref()).await,
                (None, Some(account)) => listings(link, account, &clock, after.as_deref()).await,
                (None, None) => return Err(unlisted(&channel)),
            };
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

fn link<'a>(links: &'a Links, channel: &ChannelId) -> Result<&'a Link, ReadError> {
    let link = links.get(channel);
    link.map(|link| &**link).ok_or_else(|| unlisted(channel))
}

fn unlisted(channel: &ChannelId) -> ReadError {
    ReadError::Unsupported(format!(
        "nothing is known of how {channel} is called: if it is a shop, add a section [channels.{channel}.publish] with its \
         url and token, and start the server again"
    ))
}

/// The shop at the end of a channel's link.
fn shop<'a>(links: &'a Links, channel: &ChannelId) -> Result<(&'a Link, &'a Admin), ReadError> {
    let link = link(links, channel)?;
    let admin = link.shop.as_ref().ok_or_else(|| {
        ReadError::Unsupported(format!(
            "{channel} is no shop: an Amazon account has no places to list"
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

async fn listings(
    link: &Link,
    account: &SellerLink,
    clock: &Arc<dyn Clock>,
    after: Option<&str>,
) -> Result<Variants, CallError> {
    let spend = Spend::new(link.numbers.read_purse(), 1, SPARE_CALLS, clock);
    patiently(&spend, &**clock, || account.seller.listings(after)).await
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
