//! Numbers that the channel does not have: a shop does not stock the item at the place.
//!
//! Where a channel compares, nothing can be set there, and nobody buys it: that is no number that is wrong. A person is
//! told of all of a place at once, and it is looked now and then whether the channel has them again. Where writes replace, that a
//! list leaves a number out says less: it is tried again like what was refused.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::{BucketEvent, Writes};
use crossdock_model::{ListingId, Rejection, SourceId, Timestamp};
use serde::{Deserialize, Serialize};

use super::calls::check_count;
use super::state::{BucketState, NumberId, Place};
use crate::decider::{Asked, Decision};
use crate::publish::Slot;

/// Listings that are named of each place; the others are only counted.
const NAMED_MAX: usize = 3;

/// What a channel does not have at one of its places, though there is something to show there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotThere {
    /// The channel's place.
    pub place: SourceId,
    /// So many listings.
    pub count: usize,
    /// Some of them.
    pub some: Vec<ListingId>,
}

/// Numbers that would be sent, and that the channel does not have, by place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Missing(BTreeMap<SourceId, BTreeSet<ListingId>>);

impl Missing {
    /// A number is one of them from now on, or is none.
    pub fn note(&mut self, (listing, place): &NumberId, is_missed: bool) {
        if is_missed {
            let there = self.0.entry(place.clone()).or_default();
            there.insert(listing.clone());
        } else if let Some(there) = self.0.get_mut(place) {
            there.remove(listing);
            if there.is_empty() {
                self.0.remove(place);
            }
        }
    }

    /// What a person is told.
    pub fn told(&self) -> Vec<NotThere> {
        let told = self.0.iter().map(|(place, listings)| NotThere {
            place: place.clone(),
            count: listings.len(),
            some: listings.iter().take(NAMED_MAX).cloned().collect(),
        });
        told.collect()
    }
}

impl Place {
    /// The channel does not have it there any more.
    pub fn go_missing(&mut self, at: Timestamp) {
        self.slot = Slot::default();
        (self.odd.missing_at, self.odd.refused_at) = (Some(at), None);
        (self.odd.untracked_at, self.odd.kept) = (None, None);
    }

    /// The channel says something of it.
    pub fn come_back(&mut self) {
        if self.is_missing() {
            self.odd.missing_at = None;
            // What was sold meanwhile was sold elsewhere.
            self.slot.begin_anew();
        }
    }
}

impl BucketState {
    /// The channel was asked for these numbers at that time, and does not have them. Of one that it said something of since, or
    /// that a call may yet change, that is not known.
    pub(super) fn miss(
        &self,
        asked: &Asked<'_>,
        numbers: &[NumberId],
        asked_at: Timestamp,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        check_count(numbers.len())?;
        let still_says =
            |place: &Place| place.stated_at() < Some(asked_at) && !place.slot.may_change(asked.now);
        let is_news = |number: &NumberId| match (self.place(number), self.writes()) {
            (None, _) => false,
            (Some(place), Writes::CompareAndSet) => !place.is_missing() && still_says(place),
            // Nothing that is to be lowered meanwhile waits for that.
            (Some(place), Writes::Absolute) if self.wrong.contains(number) => {
                let since = place.slot.wrong_since();
                since.is_none_or(|since| since <= asked_at)
            }
            (Some(place), Writes::Absolute) => still_says(place),
        };
        let missed = numbers.iter().filter(|number| is_news(number));
        let events = missed.map(|(listing, place)| BucketEvent::Missed {
            listing: listing.clone(),
            place: place.clone(),
        });
        Ok(Decision::done(events.collect()))
    }

    pub(super) fn is_missing(&self, number: &NumberId) -> bool {
        self.place(number).is_some_and(Place::is_missing)
    }

    /// How the channel takes numbers.
    pub(super) fn writes(&self) -> Writes {
        let publishing = self.publishing.as_deref();
        publishing.map_or(Writes::CompareAndSet, |known| known.writes)
    }
}
