//! Which numbers an event is about.

use std::collections::BTreeSet;

use crossdock_model::ListingId;
use crossdock_model::v1::{
    BegunInBulk, BucketEvent, EndedInBulk, ExceptionClosed, ExceptionOpened,
};

use super::calls::numbered;
use super::state::BucketState;

/// The listings whose numbers an event may have made right or wrong.
pub(super) fn touched(state: &BucketState, event: &BucketEvent) -> BTreeSet<ListingId> {
    match event {
        BucketEvent::Mapped { listing, .. } | BucketEvent::Unmapped { listing } => {
            let own = [listing.clone()].into_iter();
            own.chain(state.beside(listing)).collect()
        }
        BucketEvent::Shown { listing, .. }
        | BucketEvent::ListingModeSet { listing, .. }
        | BucketEvent::Begun { listing, .. }
        | BucketEvent::Ended { listing, .. }
        | BucketEvent::Missed { listing, .. }
        | BucketEvent::PutBack { listing, .. }
        | BucketEvent::BegunInBulk(BegunInBulk { listing, .. })
        | BucketEvent::EndedInBulk(EndedInBulk { listing, .. })
        | BucketEvent::DoubtEnded { listing, .. } => [listing.clone()].into(),
        BucketEvent::ExceptionOpened(ExceptionOpened { key, .. })
        | BucketEvent::ExceptionClosed(ExceptionClosed { key, .. }) => {
            let number = numbered(key).into_iter();
            number.map(|(listing, _)| listing).collect()
        }
        BucketEvent::PublishingSet(_)
        | BucketEvent::FellBehind { .. }
        | BucketEvent::LostInBulk { .. } => state.listings.keys().cloned().collect(),
        BucketEvent::Stocked { stock, .. } => {
            let heard = state.skus.get(&stock.sku).into_iter();
            let listings = heard.flat_map(|heard| heard.listings.iter().cloned());
            listings.chain(state.beside_kit(stock)).collect()
        }
        BucketEvent::Unheard { .. }
        | BucketEvent::AskedAgain { .. }
        | BucketEvent::Drifted { .. }
        | BucketEvent::Proved { .. }
        | BucketEvent::ExceptionNoted(_) => BTreeSet::new(),
    }
}
