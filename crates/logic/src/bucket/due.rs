//! What is due by itself: calls that are never heard of again, numbers that stay wrong, and exceptions that are over.

use crossdock_model::v1::{
    BucketEvent, ExceptionClosed, ExceptionKey, ExceptionOpened, Publishing, Uncounted,
};
use crossdock_model::{Answer, Rejection, SourceId, Timestamp};

use super::calls::{lost, numbered, subject};
use super::state::{BucketState, NumberId, Place};
use super::{DUE_PER_DECISION, LISTING_DRIFT, LISTING_WRONG, SKU_UNHEARD};
use crate::decider::Decision;
use crate::exceptions::resolved;

impl BucketState {
    /// Calls that were never heard of again, numbers that are wrong for too long, and those that are right again.
    pub(super) fn do_what_is_due(&self, now: Timestamp) -> Decision<BucketEvent> {
        let Some(publishing) = &self.publishing else {
            return Decision::unchanged(Answer::Done);
        };
        let mut events = Vec::new();
        for number in self.wrong.due(now).take(DUE_PER_DECISION) {
            let Some(place) = self.place(number) else {
                continue;
            };
            let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
            if is_due(call_due(publishing, place)) {
                events.push(lost(number));
            } else if is_due(place.slot.doubt_due()) {
                events.push(BucketEvent::DoubtEnded {
                    listing: number.0.clone(),
                    place: number.1.clone(),
                });
            }
            if is_due(late_at(publishing, &number.1, place)) {
                events.extend(self.open_wrong(number).map(BucketEvent::ExceptionOpened));
            }
        }
        let righted = self.righted.iter().flat_map(|number| {
            let is_theirs = self.sent_by_channel.contains(number);
            let how = match publishing.sends_to(&number.1) {
                true if self.is_missing(number) => "the channel does not have it there any more",
                true if is_theirs => "the channel sends it itself: it has no number of ours",
                true => "the channel shows what it should",
                false => "nothing is published to the channel any more",
            };
            self.close_righted(number, how)
        });
        let righted = righted.take(DUE_PER_DECISION);
        events.extend(righted.map(BucketEvent::ExceptionClosed));
        let gone = self.gone.iter().filter_map(|number| {
            let how = "it is not mapped any more, or not published to that place";
            self.exceptions
                .close(LISTING_DRIFT, &subject(number), None, how)
        });
        let gone = gone.take(DUE_PER_DECISION);
        events.extend(gone.map(BucketEvent::ExceptionClosed));
        let unlisted = self.unlisted.iter().filter_map(|subject| {
            let how = "no listing is made of it any more";
            self.exceptions.close(SKU_UNHEARD, subject, None, how)
        });
        let unlisted = unlisted.take(DUE_PER_DECISION);
        events.extend(unlisted.map(BucketEvent::ExceptionClosed));
        let unheard = self.unheard.iter().filter(|(_, at)| **at <= now);
        let again = unheard.map(|(sku, _)| BucketEvent::AskedAgain { sku: sku.clone() });
        events.extend(again.take(DUE_PER_DECISION));
        Decision::done(events)
    }

    /// Whether an exception of that kind about a number is open.
    pub(super) fn is_open(&self, kind: &str, number: &NumberId) -> bool {
        let open = self.exceptions.close(kind, &subject(number), None, "");
        open.is_some()
    }

    /// What ends with a number that is right again: that it was wrong, and that a write of it was lost.
    fn close_righted(
        &self,
        number: &NumberId,
        how: &'static str,
    ) -> impl Iterator<Item = ExceptionClosed> {
        let is_lost = self.place(number).is_some_and(|place| place.odd.is_lost);
        let kinds = [(LISTING_WRONG, true), (LISTING_DRIFT, is_lost)];
        let kinds = kinds.into_iter().filter(|(_, is_over)| *is_over);
        kinds.filter_map(move |(kind, _)| {
            let subject = subject(number);
            self.exceptions.close(kind, &subject, None, how)
        })
    }

    fn open_wrong(&self, number: &NumberId) -> Option<ExceptionOpened> {
        let (listing, place) = number;
        let known = self.place(number)?;
        let shown = known
            .slot
            .shown()
            .map_or("nobody knows how many".to_owned(), |shown| {
                shown.units.to_string()
            });
        let (cause, shown) = match known.is_tracked() {
            true => (
                format!(
                    "{place} has shown the wrong number of {listing} for too long: it shows {shown}. See whether the \
                     channel answers (its other exceptions say), and whether the listing still exists there and has a quantity."
                ),
                shown,
            ),
            false => (
                format!(
                    "{place} does not count {listing} any more: it is sold there without end, whatever there is, and a \
                     pause does not end that. Have its quantity tracked there, or take its mapping away if it is meant so."
                ),
                "untracked".to_owned(),
            ),
        };
        let evidence = [("shown".to_owned(), shown)];
        self.exceptions
            .open(LISTING_WRONG, &subject(number), &cause, &evidence)
    }

    /// When something is due, and what.
    pub(super) fn next_due(&self) -> Option<(Timestamp, &'static str)> {
        self.publishing.as_ref()?;
        if !self.righted.is_empty() {
            return Some((Timestamp::default(), "listing is right again"));
        }
        if !self.gone.is_empty() {
            return Some((Timestamp::default(), "listing is not mapped any more"));
        }
        if !self.unlisted.is_empty() {
            return Some((Timestamp::default(), "a SKU is not listed any more"));
        }
        let wrong = self.wrong.next_due().map(|at| (at, "listing is wrong"));
        let unheard = self.unheard.values().min();
        let unheard = unheard.map(|at| (*at, "SKU is asked again"));
        wrong.into_iter().chain(unheard).min()
    }

    /// A person settles an exception; one about a number that is still wrong closes when it is right.
    pub(super) fn resolve(
        &self,
        key: &ExceptionKey,
        how: &str,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        let open = self
            .exceptions
            .close(&key.kind, &key.subject, Some(key.episode), how);
        let closed: ExceptionClosed = resolved(open.is_some(), key, how)?;
        let is_wrong = |number: &NumberId| {
            let known = self.publishing.as_deref();
            known.is_some_and(|known| known.sends_to(&number.1)) && self.wrong.contains(number)
        };
        let is_wrong = || numbered(key).is_some_and(|number| is_wrong(&number));
        if key.kind == LISTING_WRONG && is_wrong() {
            let problem =
                "the channel still shows the wrong number: it closes by itself once that is right";
            return Err(Rejection::invalid("exception", problem));
        }
        Ok(Decision::done(vec![BucketEvent::ExceptionClosed(closed)]))
    }
}

/// When a call under way is not heard of any more.
pub(super) fn call_due(publishing: &Publishing, place: &Place) -> Option<Timestamp> {
    let flight = place.slot.flight();
    flight.map(|flight| flight.begun_at + publishing.call_for)
}

/// When a person is told that it is wrong. One that was handed over among many is being set: it has as long from then on.
pub(super) fn late_at(publishing: &Publishing, id: &SourceId, place: &Place) -> Option<Timestamp> {
    let is_untold = publishing.sends_to(id) && !place.odd.is_told;
    let since = match place.is_tracked() {
        true => place.slot.wrong_since(),
        false if publishing.uncounted == Uncounted::SentByChannel => None,
        false => place.odd.untracked_at,
    };
    let since = since.filter(|_| is_untold)?;
    let handed_at = place.slot.handed().map(|handed| handed.begun_at);
    Some(handed_at.map_or(since, |at| at.max(since)) + publishing.wrong_for)
}
