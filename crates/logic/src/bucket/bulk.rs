//! Numbers handed to the channel many at a time, where it sets them later: only such as nobody oversells by meanwhile.

use crossdock_model::answer::{NumberCall, NumberCallKind};
use crossdock_model::v1::{BegunInBulk, BucketEvent, CallOutcome, EndedInBulk};
use crossdock_model::{Answer, Duration, Rejection, Timestamp};

use super::calls::{Urgency, act, check_count};
use super::state::{BucketState, NumberId};
use crate::decider::{Asked, Decision};
use crate::publish::{Act, Handed};

impl BucketState {
    /// Begins one call for so many numbers at most, to be set by then at the latest and as a rule within that span. What the
    /// channel refused goes by itself, and so what must be lower.
    pub(super) fn begin_in_bulk(
        &self,
        asked: &Asked<'_>,
        numbers_max: usize,
        (until, set_within): (Timestamp, Duration),
    ) -> Result<Decision<BucketEvent>, Rejection> {
        check_count(numbers_max)?;
        let first = self.wrong.first().filter(|(rank, _)| {
            rank.refused_at.is_none() && rank.urgency != Urgency::Lower && !rank.is_read
        });
        let sent = first.filter_map(|(_, number)| {
            let units = self.raised_in_bulk(number, set_within, asked.now)?;
            Some((number, units))
        });
        let (mut events, mut calls) = (Vec::new(), Vec::new());
        for (call, (number, units)) in (self.calls + 1..).zip(sent.take(numbers_max)) {
            let (listing, place) = number;
            events.push(BucketEvent::BegunInBulk(BegunInBulk {
                listing: listing.clone(),
                place: place.clone(),
                call,
                units,
                until,
            }));
            calls.push(NumberCall {
                listing: listing.clone(),
                place: place.clone(),
                kind: NumberCallKind::Set {
                    call,
                    units,
                    change_from: None,
                    since: self.changes.since(number),
                    tells_lag: false,
                    until,
                },
            });
        }
        Ok(Decision {
            events,
            answer: Answer::Calls(calls),
            notices: Vec::new(),
        })
    }

    /// What a number is raised to that is set so much later; none of those that are not raised by that.
    fn raised_in_bulk(
        &self,
        number: &NumberId,
        set_within: Duration,
        now: Timestamp,
    ) -> Option<u32> {
        let target = self.targets_in(&number.0, set_within);
        let target = target.get(&number.1)?;
        let place = (&number.1, self.place(number)?);
        let act = act(self.publishing.as_ref()?, place, target, now);
        let Act::Set {
            units,
            change_from: None,
        } = act
        else {
            return None;
        };
        let most = self.place(number)?.slot.most(target.unstated());
        (units > 0 && most.is_none_or(|most| most <= units.into())).then_some(units)
    }

    /// When the first of what the channel may yet set was handed over.
    pub(super) fn look_in_bulk(&self) -> Answer {
        Answer::InBulk(self.handed().map(|handed| handed.begun_at).min())
    }

    /// What was handed over before will not be set any more.
    pub(super) fn lose_in_bulk(&self, begun_before: Timestamp) -> Decision<BucketEvent> {
        let mut handed = self.handed();
        let is_news = handed.any(|handed| handed.begun_at < begun_before);
        let event = BucketEvent::LostInBulk { begun_before };
        Decision::done(is_news.then_some(event).into_iter().collect())
    }

    fn handed(&self) -> impl Iterator<Item = Handed> {
        let numbers = self.wrong.numbers();
        numbers.filter_map(|number| self.place(number)?.slot.handed())
    }

    pub(super) fn apply_lost_in_bulk(&mut self, begun_before: Timestamp, now: Timestamp) {
        let listings = self.listings.values_mut();
        for (_, place) in listings.flat_map(|known| known.places.iter_mut()) {
            let handed = place.slot.handed();
            if handed.is_some_and(|handed| handed.begun_at < begun_before) {
                place.slot.lose_handed(now);
            }
        }
    }

    pub(super) fn apply_begun_in_bulk(&mut self, begun: &BegunInBulk, at: Timestamp) {
        self.calls = begun.call;
        if let Some(place) = self.place_mut(&begun.listing, &begun.place) {
            place
                .slot
                .hand_over(begun.call, begun.units, begun.until, at);
        }
    }

    pub(super) fn apply_ended_in_bulk(&mut self, ended: &EndedInBulk, now: Timestamp) {
        let shows_none = self.shows_none(&ended.listing);
        let Some(place) = self.place_mut(&ended.listing, &ended.place) else {
            return;
        };
        match &ended.outcome {
            CallOutcome::Confirmed { at } => {
                place.slot.confirm_handed(*at, now);
                place.odd.refused_at = None;
                place.odd.kept = place.odd.kept.filter(|_| shows_none);
            }
            CallOutcome::Refused { .. } => {
                place.slot.refuse_handed();
                place.odd.refused_at = Some(now);
            }
            CallOutcome::Stale | CallOutcome::NotDone => place.slot.refuse_handed(),
            CallOutcome::Unknown => place.slot.lose_handed(now),
        }
    }
}
