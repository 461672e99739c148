//! Notes which numbers are wrong, and which are right again.

use std::collections::BTreeSet;

use crossdock_model::{ChannelId, ListingId, SourceId, Timestamp};

use super::LISTING_WRONG;
use super::calls::{is_published, task};
use super::state::{BucketState, NumberId};

impl BucketState {
    /// Notes which numbers of these listings are wrong.
    pub(super) fn note(
        &mut self,
        channel: &ChannelId,
        listings: BTreeSet<ListingId>,
        at: Timestamp,
    ) {
        for listing in listings {
            let left = self.note_listing(channel, &listing, at);
            for number in &left {
                self.forget_place(number);
            }
            if !left.is_empty() {
                // What they showed is shown elsewhere now.
                self.note_listing(channel, &listing, at);
            }
        }
        self.forget_closed();
    }

    /// Notes which numbers of a listing are wrong. Returns those of places that it can leave now.
    fn note_listing(
        &mut self,
        channel: &ChannelId,
        listing: &ListingId,
        at: Timestamp,
    ) -> Vec<NumberId> {
        let targets = self.targets(channel, listing);
        let (Some(publishing), Some(known)) = (&self.publishing, self.listings.get_mut(listing))
        else {
            return Vec::new();
        };
        // Of these nothing can be told any more.
        let is_gone = |id: &&SourceId| !targets.contains_key(*id);
        for id in known.places.keys().filter(is_gone) {
            let number = (listing.clone(), id.clone());
            self.changes.shown(&number);
            if self.wrong.remove(&number) {
                self.righted.insert(number);
            }
        }
        let mut left = Vec::new();
        for (id, target) in targets {
            let place = known.places.entry(id.clone()).or_default();
            place.slot.note(&target.want(), at);
            let number = (listing.clone(), id);
            // What the channel does not count cannot be set: a person is told, where it is to be.
            let is_settled = match place.is_tracked() {
                true => place.slot.is_settled(),
                false => place.odd.is_leaving || !is_published(publishing),
            };
            if is_settled || !place.is_tracked() {
                self.changes.shown(&number);
            }
            if is_settled && place.odd.is_leaving {
                left.push(number.clone());
            }
            place.odd.give_room_back();
            match is_settled {
                true if self.wrong.remove(&number) => {
                    self.righted.insert(number);
                }
                true => {}
                false => {
                    match is_published(publishing) {
                        // One that was to be closed is open.
                        true if self.righted.remove(&number) => place.odd.is_told = true,
                        // Nobody is to put it right any more.
                        false if place.odd.is_told => drop(self.righted.insert(number.clone())),
                        true | false => {}
                    }
                    let task = task(publishing, place, &target, at);
                    self.wrong.set(number, task, at);
                }
            }
        }
        left
    }

    /// Only those are to be closed that are open.
    pub(super) fn forget_closed(&mut self) {
        let exceptions = &self.exceptions;
        self.righted.retain(|number| {
            let subject = super::calls::subject(number);
            exceptions.open(LISTING_WRONG, &subject, "", &[]).is_none()
        });
    }
}
