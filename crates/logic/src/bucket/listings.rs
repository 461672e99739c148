//! The listing map: what a listing stands for, how far it is let in, and what the channel says it shows.

use std::collections::BTreeSet;

use crossdock_model::answer::Seen;
use crossdock_model::v1::{BucketEvent, ListingMode, ListingTarget, ShownLevel, Writes};
use crossdock_model::{Answer, ListingId, Rejection, Timestamp};

use super::state::{BucketState, Place};
use super::{COMPONENTS_MAX, LISTINGS_MAX, PLACES_MAX, UNITS_MAX};
use crate::decider::{Asked, Decision};

/// All of the stock.
const ALL_PERMILLE: u16 = 1_000;

type Decided = Result<Decision<BucketEvent>, Rejection>;

impl BucketState {
    pub(super) fn map(&self, listing: &ListingId, target: &ListingTarget) -> Decided {
        let known = self.listings.get(listing);
        if known.is_some_and(|known| known.target == *target) {
            return Ok(Decision::unchanged(Answer::Done));
        }
        check(target)?;
        if known.is_none() && self.listings.len() >= LISTINGS_MAX {
            return Err(Rejection::Limit {
                what: "listings of one bucket".to_owned(),
                max: LISTINGS_MAX as u64,
            });
        }
        let (listing, target) = (listing.clone(), target.clone());
        Ok(Decision::done(vec![BucketEvent::Mapped {
            listing,
            target,
        }]))
    }

    /// As [`Self::map`], and never changes what a listing stands for.
    pub(super) fn map_new(&self, listing: &ListingId, target: &ListingTarget) -> Decided {
        let known = self.listings.get(listing);
        if known.is_some_and(|known| known.target != *target) {
            return Err(Rejection::WrongState {
                state: format!("listing {listing} stands for something else"),
                hint: "map it by itself if that is wrong".to_owned(),
            });
        }
        self.map(listing, target)
    }

    pub(super) fn unmap(&self, listing: &ListingId) -> Decision<BucketEvent> {
        match self.listings.contains_key(listing) {
            true => Decision::done(vec![BucketEvent::Unmapped {
                listing: listing.clone(),
            }]),
            false => Decision::unchanged(Answer::Done),
        }
    }

    /// Remembers the number, unless it says nothing new. Of what the channel says of its own accord, what is not newer than
    /// the last is only looked at where it tells that nobody knows which is the newer one.
    pub(super) fn show(
        &self,
        asked: &Asked<'_>,
        listing: &ListingId,
        level: &ShownLevel,
        asked_at: Option<Timestamp>,
    ) -> Decided {
        let Some(known) = self.listings.get(listing) else {
            return Ok(Decision::unchanged(Answer::Done));
        };
        let place = known.places.get(&level.place);
        if place.is_none() && known.places.len() >= PLACES_MAX {
            return Err(Rejection::Limit {
                what: "places of a listing".to_owned(),
                max: PLACES_MAX as u64,
            });
        }
        let stated = (level, asked_at.is_some());
        let (seen, drifted) = self.see(listing, stated, asked.now);
        let publishing = self.publishing.as_deref();
        let is_published = publishing.is_some_and(|known| known.sends_to(&level.place));
        let rests = |place: &Place| place.rests_at(level, is_published, asked.now);
        let is_news = place.is_none_or(|place| match asked_at {
            Some(_) => !(seen == Seen::AsKnown && rests(place)),
            // Of what it does not have any statement says that it has it again: one that comes late costs a read.
            None => place.is_missing() || place.tells(level, self.writes()),
        });
        if !is_news {
            return Ok(Decision::unchanged(Answer::Seen(seen)));
        }
        let shown = BucketEvent::Shown {
            listing: listing.clone(),
            level: level.clone(),
            asked_at,
        };
        Ok(Decision {
            events: [shown].into_iter().chain(drifted).collect(),
            answer: Answer::Seen(seen),
            notices: Vec::new(),
        })
    }

    /// Where a channel compares, it states what it put back, and what is sent is refused until we know. Where writes replace
    /// the number, nothing else would tell.
    pub(super) fn put_back(&self, listing: &ListingId, units: u32) -> Decision<BucketEvent> {
        let places = self.listings.get(listing).map(|known| &known.places);
        let mut places = places.into_iter().flatten();
        let is_shown = places.any(|(_, place)| place.slot.shown().is_some() && place.can_be_set());
        let event = BucketEvent::PutBack {
            listing: listing.clone(),
            units,
        };
        let is_news = is_shown && units > 0 && self.writes() == Writes::Absolute;
        Decision::done(is_news.then_some(event).into_iter().collect())
    }

    pub(super) fn set_mode(&self, listing: &ListingId, mode: ListingMode) -> Decided {
        let Some(known) = self.listings.get(listing) else {
            return Err(Rejection::NotFound(format!("listing {listing}")));
        };
        if let ListingMode::Live { share_permille } = mode
            && !(1..=ALL_PERMILLE).contains(&share_permille)
        {
            let problem = format!("between 1 and {ALL_PERMILLE} thousandths of the stock");
            return Err(Rejection::invalid("share", problem));
        }
        let event = BucketEvent::ListingModeSet {
            listing: listing.clone(),
            mode,
        };
        let changed = (known.mode != mode).then_some(event);
        Ok(Decision::done(changed.into_iter().collect()))
    }
}

fn check(target: &ListingTarget) -> Result<(), Rejection> {
    let (multiplier, components) = match target {
        ListingTarget::Sku { multiplier, .. } => (*multiplier, None),
        ListingTarget::Kit {
            components,
            multiplier,
        } => (*multiplier, Some(components)),
    };
    if !(1..=UNITS_MAX).contains(&multiplier) {
        let problem = format!("one unit of a listing is 1 to {UNITS_MAX} units");
        return Err(Rejection::invalid("multiplier", problem));
    }
    let Some(components) = components else {
        return Ok(());
    };
    let sized = (1..=COMPONENTS_MAX).contains(&components.len());
    let counted = components
        .iter()
        .all(|component| (1..=UNITS_MAX).contains(&component.units_per_kit));
    let distinct: BTreeSet<_> = components.iter().map(|component| &component.sku).collect();
    if !sized || !counted || distinct.len() < components.len() {
        let problem = format!(
            "a kit has 1 to {COMPONENTS_MAX} components, each SKU once, of 1 to {UNITS_MAX} units each"
        );
        return Err(Rejection::invalid("components", problem));
    }
    Ok(())
}
