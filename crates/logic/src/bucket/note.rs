//! Notes which numbers are wrong, and which are right again.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::{ListingId, SourceId, Timestamp};

use super::calls::{subject, task};
use super::numbers::Target;
use super::state::{BucketState, NumberId, Place};
use super::{LISTING_DRIFT, LISTING_WRONG};

impl BucketState {
    /// Notes which numbers of these listings are wrong.
    pub(super) fn note(&mut self, listings: BTreeSet<ListingId>, at: Timestamp) {
        for listing in listings {
            let left = self.note_listing(&listing, at);
            for number in &left {
                self.end_leaving(number);
            }
            if !left.is_empty() {
                // What they showed is shown elsewhere now.
                self.note_listing(&listing, at);
            }
        }
        self.forget_closed();
    }

    /// Notes which numbers of a listing are wrong. Returns those of places that it can leave now, or that
    /// show nothing any more of what they gave away.
    fn note_listing(&mut self, listing: &ListingId, at: Timestamp) -> Vec<NumberId> {
        let targets = self.targets(listing);
        self.note_gone(listing, &targets);
        let (Some(publishing), Some(known)) = (&self.publishing, self.listings.get_mut(listing))
        else {
            return Vec::new();
        };
        let mut left = Vec::new();
        for (id, target) in targets {
            let place = known.places.entry(id.clone()).or_default();
            let is_sent_by_channel = place.is_sent_by_channel(publishing);
            if !is_sent_by_channel && !place.is_missing() {
                place.slot.note(&target.want(), at);
            }
            let number = (listing.clone(), id);
            let is_published = publishing.sends_to(&number.1);
            let is_settled = is_settled(place, (is_published, is_sent_by_channel));
            match is_sent_by_channel {
                true => self.sent_by_channel.insert(number.clone()),
                false => self.sent_by_channel.remove(&number),
            };
            let is_missed = place.is_missing() && is_published && target.units > 0;
            self.missing.note(&number, is_missed);
            // How long nothing was sent to a place says nothing of the channel's pace.
            if is_settled || !place.is_tracked() || !is_published {
                self.changes.shown(&number);
            }
            if is_settled && (place.odd.is_leaving || place.odd.gives) {
                left.push(number.clone());
            }
            place.odd.give_room_back();
            match is_settled {
                true if self.wrong.remove(&number) || place.odd.is_lost => {
                    self.righted.insert(number);
                }
                true => {}
                false => {
                    match is_published {
                        // One that was to be closed is open.
                        true if self.righted.remove(&number) => {
                            let subject = subject(&number);
                            let exceptions = &self.exceptions;
                            let open = exceptions.close(LISTING_WRONG, &subject, None, "");
                            place.odd.is_told = open.is_some();
                        }
                        // Nobody is to put it right any more.
                        false if place.odd.is_told || place.odd.is_lost => {
                            self.righted.insert(number.clone());
                        }
                        true | false => {}
                    }
                    let task = task(publishing, (&number.1, place), &target, at);
                    self.wrong.set(number, task, at);
                }
            }
        }
        left
    }

    /// Of numbers that should be none any more nothing can be told.
    fn note_gone(&mut self, listing: &ListingId, targets: &BTreeMap<SourceId, Target>) {
        let known = self.listings.get(listing).into_iter();
        let places = known.flat_map(|known| known.places.keys());
        for id in places.filter(|id| !targets.contains_key(*id)) {
            let number = (listing.clone(), id.clone());
            self.changes.shown(&number);
            self.missing.note(&number, false);
            if self.wrong.remove(&number) {
                self.righted.insert(number);
            }
        }
    }

    /// Only those are to be closed that are open.
    pub(super) fn forget_closed(&mut self) {
        let righted = std::mem::take(&mut self.righted);
        let are_open = |number: &NumberId| {
            let is_lost = self.place(number).is_some_and(|place| place.odd.is_lost);
            self.is_open(LISTING_WRONG, number) || (is_lost && self.is_open(LISTING_DRIFT, number))
        };
        self.righted = righted.into_iter().filter(are_open).collect();
    }
}

/// Whether nothing is to be done about a number. What the channel does not have, or does not count, cannot be set: a person is
/// told, where it is to be.
fn is_settled(place: &Place, (is_published, is_sent_by_channel): (bool, bool)) -> bool {
    match place.is_tracked() {
        _ if place.is_missing() => true,
        true => place.slot.is_settled(),
        false if is_sent_by_channel => !place.slot.is_open(),
        false => place.odd.is_leaving || !is_published,
    }
}
