//! How events change a bucket.

use crossdock_model::command::EffectNumber;
use crossdock_model::v1::{
    BucketEvent, CallOutcome, ChannelMode, ExceptionKey, ExceptionOpened, ListingMode,
    ListingTarget, PublishedStock, Publishing, ShownLevel, Uncounted, Writes,
};
use crossdock_model::{EntityId, ListingId, SourceId, Timestamp};
use litemap::LiteMap;

use super::calls::numbered;
use super::drift::{explain, is_lost_update};
use super::state::{BucketState, Listing, NumberId, Place};
use super::touched::touched;
use super::{HEAR_AGAIN_AFTER, LISTING_DRIFT, LISTING_WRONG, stock};
use crate::decider::IllegalHistory;
use crate::publish::{Announced, Slot, Statement};

/// All of the stock, from the start.
const LIVE: ListingMode = ListingMode::Live {
    share_permille: 1_000,
};

impl BucketState {
    pub(super) fn take_in(
        &mut self,
        id: &EntityId,
        event: &BucketEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        let EntityId::Bucket(..) = id else {
            return Err(IllegalHistory(format!("{id} is no bucket")));
        };
        let mut touched = touched(self, event);
        self.apply_event(id, event, at)?;
        // What a listing shares a SKU with from now on.
        match event {
            BucketEvent::Mapped { listing, .. } => touched.extend(self.beside(listing)),
            BucketEvent::Stocked { stock, .. } => touched.extend(self.beside_kit(stock)),
            _ => {}
        }
        self.note(touched, at);
        Ok(())
    }

    fn apply_event(
        &mut self,
        id: &EntityId,
        event: &BucketEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event {
            BucketEvent::Mapped { listing, target } => self.apply_mapped(id, listing, target),
            BucketEvent::Unmapped { listing } => self.apply_unmapped(id, listing),
            BucketEvent::Shown {
                listing,
                level,
                asked_at,
            } => self.apply_shown(listing, level, *asked_at),
            BucketEvent::PublishingSet(publishing) => self.apply_publishing(id, publishing),
            BucketEvent::ListingModeSet { listing, mode } => {
                if let Some(known) = self.listings.get_mut(listing) {
                    known.mode = *mode;
                }
            }
            BucketEvent::Stocked { stock, asked } => self.apply_stocked(id, stock, *asked, at),
            BucketEvent::Unheard { asked } => {
                let sku = self.end_ask(*asked);
                self.unheard
                    .extend(sku.map(|sku| (sku, at + HEAR_AGAIN_AFTER)));
            }
            BucketEvent::AskedAgain { sku } => {
                self.unheard.remove(sku);
                self.ask(id, sku);
            }
            BucketEvent::Missed { listing, place } => {
                self.apply_missed(&(listing.clone(), place.clone()), at);
            }
            BucketEvent::Drifted { listing, place, .. } => self.apply_drifted(listing, place, at),
            BucketEvent::Proved { up_to } => {
                self.proof = *up_to;
                self.ask_for_proof(id);
            }
            BucketEvent::Begun {
                listing,
                place,
                call,
                units,
            } => {
                self.apply_begun(&(listing.clone(), place.clone()), *call, *units, at)?;
            }
            BucketEvent::Ended {
                listing,
                place,
                outcome,
            } => self.apply_ended(&(listing.clone(), place.clone()), outcome, at),
            BucketEvent::DoubtEnded { listing, place } => {
                self.apply_doubt_ended(&(listing.clone(), place.clone()), at);
            }
            BucketEvent::BegunInBulk(begun) => self.apply_begun_in_bulk(begun, at),
            BucketEvent::EndedInBulk(ended) => self.apply_ended_in_bulk(ended, at),
            BucketEvent::FellBehind { by } => self.behind = *by,
            BucketEvent::LostInBulk { begun_before } => self.apply_lost_in_bulk(*begun_before, at),
            BucketEvent::PutBack { listing, units } => self.apply_put_back(listing, *units, at),
            BucketEvent::ExceptionOpened(opened) => {
                self.exceptions.apply_opened(opened);
                self.tell_of(&opened.key, Some(opened));
            }
            BucketEvent::ExceptionClosed(closed) => {
                self.exceptions.apply_closed(closed);
                self.unlisted.remove(&closed.key.subject);
                self.tell_of(&closed.key, None);
            }
            BucketEvent::ExceptionNoted(_) => {}
        }
        Ok(())
    }

    pub(super) fn place_mut(
        &mut self,
        listing: &ListingId,
        place: &SourceId,
    ) -> Option<&mut Place> {
        self.listings.get_mut(listing)?.places.get_mut(place)
    }

    /// An exception about a number was opened, or closed.
    fn tell_of(&mut self, key: &ExceptionKey, opened: Option<&ExceptionOpened>) {
        let Some((listing, place)) = numbered(key) else {
            return;
        };
        if key.kind == LISTING_DRIFT && opened.is_none() {
            self.gone.remove(&(listing.clone(), place.clone()));
        }
        let Some(place) = self.place_mut(&listing, &place) else {
            return;
        };
        match key.kind == LISTING_WRONG {
            true => place.odd.is_told = opened.is_some(),
            false => place.odd.is_lost = opened.is_some_and(is_lost_update),
        }
    }

    fn apply_missed(&mut self, number: &NumberId, at: Timestamp) {
        let (writes, is_wrong) = (self.writes(), self.wrong.contains(number));
        match self.place_mut(&number.0, &number.1) {
            Some(place) if place.odd.is_leaving => self.forget_place(number),
            Some(place) => {
                // It shows none of it there, that another place would have to wait for.
                place.odd.gives = false;
                match writes {
                    Writes::CompareAndSet => place.go_missing(at),
                    Writes::Absolute => {
                        // What it shows is not known any more: it is read before anything is sent again.
                        if !is_wrong {
                            place.slot = Slot::default();
                        }
                        place.odd.refused_at = Some(at);
                    }
                }
            }
            None => {}
        }
    }

    fn apply_publishing(&mut self, id: &EntityId, publishing: &Publishing) {
        let before = self.publishing.replace(Box::new(publishing.clone()));
        let listings: Vec<ListingId> = self.listings.keys().cloned().collect();
        if let Some(before) = &before {
            self.change_places(before);
            if before.counted != publishing.counted {
                let uncounted = listings.iter().filter(|one| !publishing.counts(one));
                uncounted.for_each(|listing| self.stop_listening(id, listing));
            }
        }
        listings.iter().for_each(|listing| self.listen(id, listing));
        self.pack();
        let was_observed = before.is_none_or(|before| before.mode == ChannelMode::Observed);
        if was_observed && publishing.mode != ChannelMode::Observed {
            // What others changed while it was only observed is no sale that is still to be heard of.
            self.count_anew(&listings);
        }
    }

    fn apply_mapped(&mut self, id: &EntityId, listing: &ListingId, target: &ListingTarget) {
        if self.listings.contains_key(listing) {
            let beside = self.beside(listing);
            self.stop_listening(id, listing);
            self.count_anew(&beside);
        }
        match self.listings.get_mut(listing) {
            Some(known) => known.target = target.clone(),
            None => {
                let known = Listing {
                    target: target.clone(),
                    mode: LIVE,
                    places: LiteMap::with_capacity(1),
                };
                self.listings.insert(listing.clone(), known);
            }
        }
        self.listen(id, listing);
        self.count_anew(&self.beside(listing));
    }

    fn apply_unmapped(&mut self, id: &EntityId, listing: &ListingId) {
        let beside = self.beside(listing);
        self.stop_listening(id, listing);
        if let Some(known) = self.listings.remove(listing) {
            for (id, place) in &known.places {
                self.stop_following((listing.clone(), id.clone()), place);
            }
        }
        self.count_anew(&beside);
        self.forget_closed();
    }

    /// Nothing is to be done about a number any more that was like this.
    pub(super) fn stop_following(&mut self, number: NumberId, place: &Place) {
        self.changes.shown(&number);
        self.sent_by_channel.remove(&number);
        self.missing.note(&number, false);
        if place.odd.is_lost {
            self.gone.insert(number.clone());
        }
        if self.wrong.remove(&number) {
            self.righted.insert(number);
        }
    }

    /// It cannot be told any more, or can be again, which sales lowered these numbers.
    pub(super) fn count_anew(&mut self, listings: &[ListingId]) {
        for listing in listings {
            let known = self.listings.get_mut(listing).into_iter();
            for (_, place) in known.flat_map(|known| known.places.iter_mut()) {
                place.slot.begin_anew();
            }
        }
    }

    fn apply_shown(
        &mut self,
        listing: &ListingId,
        level: &ShownLevel,
        asked_at: Option<Timestamp>,
    ) {
        let number = (listing.clone(), level.place.clone());
        let statement = level.units.map(|units| Statement {
            units,
            at: level.at,
        });
        let fall = statement.map_or(0, |one| self.falls(&number, one));
        let writes = self.writes();
        let publishing = self.publishing.as_deref();
        let uncounted = publishing.map_or(Uncounted::Endless, |known| known.uncounted);
        let Some(known) = self.listings.get_mut(listing) else {
            return;
        };
        let place = known.places.entry(level.place.clone()).or_default();
        place.come_back();
        let Some(statement) = statement else {
            place.odd.untracked_at = Some(level.at);
            if uncounted == Uncounted::SentByChannel {
                // It is no number of ours, as long as that is so.
                place.slot.begin_anew();
                place.slot.leave_ended(asked_at.unwrap_or_default());
            }
            return;
        };
        place.odd.refused_at = None;
        match asked_at {
            Some(asked_at) => place.slot.read(statement, writes, asked_at),
            None => place.slot.state(statement, writes),
        }
        if place.slot.shown() == Some(statement) {
            place.slot.keep_fall(fall);
        }
    }

    fn apply_stocked(
        &mut self,
        id: &EntityId,
        stock: &PublishedStock,
        asked: Option<(EffectNumber, Timestamp)>,
        now: Timestamp,
    ) {
        if let Some((effect, _)) = asked {
            self.end_ask(effect);
        }
        self.unheard.remove(&stock.sku);
        let (EntityId::Bucket(channel, _), is_behind) = (id, self.behind.is_some()) else {
            return;
        };
        let recomposed = self.recomposed(stock);
        let Some(heard) = self.skus.get_mut(&stock.sku) else {
            return;
        };
        heard.aside = stock.aside;
        if stock.aside {
            return;
        }
        let sold = stock::news(heard, stock);
        let has_company = heard.stock.is_some() && heard.sole != stock.sole;
        if heard
            .stock
            .as_ref()
            .is_none_or(|known| known.version <= stock.version)
        {
            // Collected, it would take room for four.
            let mut ats = LiteMap::with_capacity(stock.ats.len());
            ats.extend(stock.ats.iter().cloned());
            heard.stock = Some(Announced {
                version: stock.version,
                tracking: stock.tracking.clone(),
                ats,
            });
            heard.sold = stock.sold.as_slice().into();
            heard.sold_units = stock.sold_units;
            heard.sole = stock.sole;
            stock::take_rates(heard, stock, channel, is_behind);
        }
        let proof = asked.map(|(_, proof)| proof);
        heard.proof = heard.proof.max(proof.unwrap_or_default());
        let listings = heard.listings.clone();
        for (listing, before) in recomposed {
            self.recompose(id, &listing, &before);
        }
        if has_company {
            self.count_anew(&listings);
        }
        let writes = self.publishing.as_ref().map(|known| known.writes);
        for listing in listings {
            let own = self.own_units(&listing, sold);
            let places = self.listings.get_mut(&listing).into_iter();
            for (id, place) in places.flat_map(|known| known.places.iter_mut()) {
                self.changes
                    .changed((listing.clone(), id.clone()), stock.at);
                explain(writes, &mut place.slot, own, now);
                if let Some(proof) = proof {
                    place.slot.give_up_explaining(proof);
                }
            }
        }
    }

    fn apply_put_back(&mut self, listing: &ListingId, units: u32, at: Timestamp) {
        let targets = self.targets(listing);
        let known = self.listings.get_mut(listing).into_iter();
        for (id, place) in known.flat_map(|known| known.places.iter_mut()) {
            let target = targets.get(id).filter(|_| place.can_be_set());
            if let Some(target) = target {
                place.slot.put_back(units, target.unstated(), at);
            }
        }
    }

    fn apply_doubt_ended(&mut self, number: &NumberId, at: Timestamp) {
        let publishing = self.publishing.as_deref().zip(self.place(number));
        let is_theirs = publishing.is_some_and(|(known, place)| place.is_sent_by_channel(known));
        if let Some(place) = self.place_mut(&number.0, &number.1) {
            place.slot.end_doubt(at);
            if is_theirs {
                place.slot.leave_ended(at);
            }
        }
    }

    fn apply_begun(
        &mut self,
        number: &NumberId,
        call: u64,
        units: u32,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        let (listing, place) = number;
        self.calls = call;
        let is_counted = self.is_counted(listing, place);
        let place = self.place_mut(listing, place);
        let place = place.ok_or_else(|| IllegalHistory(format!("a call about {listing}")))?;
        if units == 0 && !is_counted {
            let shown = place.slot.most(None);
            let shown = shown.and_then(|units| u32::try_from(units).ok());
            place.odd.kept = place.odd.kept.or(shown.filter(|units| *units > 0));
        }
        place.slot.begin(call, units, at);
        self.changes.begun(number);
        Ok(())
    }

    fn apply_ended(&mut self, number: &NumberId, outcome: &CallOutcome, now: Timestamp) {
        let is_shown = matches!(outcome, CallOutcome::Confirmed { .. });
        self.changes.ended(number, is_shown);
        let (listing, place) = number;
        let Some(call_for) = self.publishing.as_ref().map(|known| known.call_for) else {
            return;
        };
        let shows_none = self.shows_none(listing);
        let Some(place) = self.place_mut(listing, place) else {
            return;
        };
        let slot = &mut place.slot;
        match outcome {
            CallOutcome::Confirmed { at } => {
                slot.confirm(*at);
                place.odd.refused_at = None;
                place.odd.kept = place.odd.kept.filter(|_| shows_none);
            }
            CallOutcome::Stale => slot.refuse(true),
            CallOutcome::Refused { .. } => {
                slot.refuse(false);
                place.odd.refused_at = Some(now);
            }
            CallOutcome::NotDone => slot.refuse(false),
            CallOutcome::Unknown => {
                let begun_at = slot.flight().map(|flight| flight.begun_at);
                slot.lose(begun_at.unwrap_or_default() + call_for);
            }
        }
    }
}
