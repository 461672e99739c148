//! Places that the channel's settings name no more: what they show is sold at others from now on. They are made to show
//! none, once, and are forgotten then: whoever counts there has the place for itself. Likewise, what a place shows of a location
//! that is another one's from now on is not shown twice.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::{ChannelMode, Publishing};
use crossdock_model::{ListingId, SourceId};

use super::numbers::keep_back;
use super::state::{BucketState, Listing, NumberId};

impl BucketState {
    /// Follows the settings from those before. Where nothing was sent, nothing is taken back.
    pub(super) fn change_places(&mut self, before: &Publishing) {
        let Some(publishing) = &self.publishing else {
            return;
        };
        let givers = givers(before, publishing);
        if names(before) == names(publishing)
            && before.observed_places == publishing.observed_places
            && givers.is_empty()
        {
            return;
        }
        let (were, are) = (let_in(before), let_in(publishing));
        let was_ours = before.mode != ChannelMode::Observed;
        let places = self.listings.values_mut();
        for (id, place) in places.flat_map(|known| &mut known.places) {
            let is_left = place.odd.is_leaving || (was_ours && were.contains(id));
            let is_leaving = is_left && !are.contains(id);
            if place.odd.is_leaving != is_leaving {
                place.odd.is_leaving = is_leaving;
            }
            if was_ours && were.contains(id) && givers.contains(id) && !place.odd.gives {
                place.odd.gives = true;
            }
        }
        // With other places it is told otherwise which sales lowered a number.
        let listings: Vec<ListingId> = self.listings.keys().cloned().collect();
        self.count_anew(&listings);
    }

    /// A place shows nothing of a listing any more that is another one's.
    pub(super) fn end_leaving(&mut self, number: &NumberId) {
        match self.place_mut(&number.0, &number.1) {
            Some(place) if place.odd.is_leaving => self.forget_place(number),
            Some(place) => place.odd.gives = false,
            None => {}
        }
    }

    /// A place shows none of a listing any more.
    pub(super) fn forget_place(&mut self, number: &NumberId) {
        let (listing, place) = number;
        let known = self.listings.get_mut(listing);
        if let Some(left) = known.and_then(|known| known.places.remove(place)) {
            self.stop_following(number.clone(), &left);
        }
        self.count_anew(std::slice::from_ref(listing));
    }
}

fn names(publishing: &Publishing) -> BTreeSet<&SourceId> {
    let places = publishing.places.iter();
    places.map(|place| &place.place).collect()
}

/// Places that numbers are sent to, or would be if the channel were published to.
fn let_in(publishing: &Publishing) -> BTreeSet<SourceId> {
    let names = names(publishing).into_iter();
    let observed = &publishing.observed_places;
    names
        .filter(|one| !observed.contains(one))
        .cloned()
        .collect()
}

/// Places that had a location which another place has now.
fn givers<'a>(before: &'a Publishing, publishing: &Publishing) -> BTreeSet<&'a SourceId> {
    let givers = before.places.iter().filter(|giver| {
        let others = publishing.places.iter();
        let mut others = others.filter(|other| other.place != giver.place);
        others.any(|other| {
            giver
                .locations
                .iter()
                .any(|one| other.locations.contains(one))
        })
    });
    givers.map(|giver| &giver.place).collect()
}

/// Takes off what places still show above their own that gave a location away: of each, at the others that numbers are sent to.
pub(super) fn keep_given(
    publishing: &Publishing,
    known: &Listing,
    units: &mut BTreeMap<SourceId, u32>,
) {
    let givers = known.places.iter().filter(|(_, place)| place.odd.gives);
    let givers = givers.filter_map(|(id, place)| {
        let own = i64::from(*units.get(id)?);
        let over = place.slot.most(None)?.saturating_sub(own);
        Some((id, u32::try_from(over.max(0)).unwrap_or(u32::MAX)))
    });
    let givers: Vec<(&SourceId, u32)> = givers.collect();
    for (giver, over) in givers {
        let mut others = units.clone();
        others.retain(|place, _| place != giver && publishing.sends_to(place));
        keep_back(&mut others, over);
        units.extend(others);
    }
}

/// Places that are to show none of a listing.
pub(super) fn leaving(known: &Listing) -> impl Iterator<Item = &SourceId> {
    let places = known
        .places
        .iter()
        .filter(|(_, place)| place.odd.is_leaving);
    places.map(|(id, _)| id)
}

/// Units that such places may still show: until they do not, others show as many fewer.
pub(super) fn shown_there(known: &Listing) -> u32 {
    let leaving = known.places.values().filter(|place| place.odd.is_leaving);
    let most = leaving.filter_map(|place| place.slot.most(None));
    let units = most.fold(0, |sum: i64, units| sum.saturating_add(units.max(0)));
    u32::try_from(units).unwrap_or(u32::MAX)
}
