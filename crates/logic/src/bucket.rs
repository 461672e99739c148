//! A bucket of a channel's listing map: what its listings stand for.

use std::collections::BTreeMap;

use crossdock_model::command::BucketCommand;
use crossdock_model::v1::{BucketEvent, ListingTarget};
use crossdock_model::{Answer, EntityId, ListingId, Rejection, ShardId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// Buckets of a channel.
pub const BUCKETS: u16 = 64;
/// Listings of one bucket at most.
const LISTINGS_MAX: usize = 50_000;
/// Components of one kit at most.
const COMPONENTS_MAX: usize = 100;

/// The bucket a listing is in.
#[must_use]
pub fn bucket_of(listing: &ListingId) -> u16 {
    ShardId::of_key(&format!("listing:{listing}")).number() % BUCKETS
}

/// State of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BucketState {
    listings: BTreeMap<ListingId, ListingTarget>,
}

impl Decider for BucketState {
    type Command = BucketCommand;
    type Event = BucketEvent;

    fn decide(
        &self,
        _asked: &Asked<'_>,
        command: &BucketCommand,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        match command {
            BucketCommand::Map { listing, target } => self.map(listing, target),
            BucketCommand::Unmap { listing } => Ok(match self.listings.contains_key(listing) {
                true => Decision::done(vec![BucketEvent::Unmapped { listing: listing.clone() }]),
                false => Decision::unchanged(Answer::Done),
            }),
            BucketCommand::Look { listing } => {
                let found = self.listings.get_key_value(listing);
                let found = found.map(|(listing, target)| (listing.clone(), target.clone()));
                Ok(Decision::unchanged(Answer::Listings(found.into_iter().collect())))
            }
        }
    }

    fn read(&self, _asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Ok(Answer::Listings(self.listings.clone().into_iter().collect()))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &BucketEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event {
            BucketEvent::Mapped { listing, target } => {
                self.listings.insert(listing.clone(), target.clone());
            }
            BucketEvent::Unmapped { listing } => {
                self.listings.remove(listing);
            }
        }
        Ok(())
    }
}

impl BucketState {
    fn map(
        &self,
        listing: &ListingId,
        target: &ListingTarget,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        let known = self.listings.get(listing);
        if known == Some(target) {
            return Ok(Decision::unchanged(Answer::Done));
        }
        let (multiplier, components) = match target {
            ListingTarget::Sku { multiplier, .. } => (*multiplier, None),
            ListingTarget::Kit { components, multiplier } => (*multiplier, Some(components)),
        };
        if multiplier == 0 {
            return Err(Rejection::invalid("multiplier", "one unit of a listing is at least 1 unit"));
        }
        if let Some(components) = components
            && (components.is_empty()
                || components.len() > COMPONENTS_MAX
                || components.iter().any(|component| component.units_per_kit == 0))
        {
            let problem = format!("a kit has 1 to {COMPONENTS_MAX} components of at least 1 unit each");
            return Err(Rejection::invalid("components", problem));
        }
        if known.is_none() && self.listings.len() >= LISTINGS_MAX {
            return Err(Rejection::Limit {
                what: "listings of one bucket".to_owned(),
                max: LISTINGS_MAX as u64,
            });
        }
        let (listing, target) = (listing.clone(), target.clone());
        Ok(Decision::done(vec![BucketEvent::Mapped { listing, target }]))
    }
}
