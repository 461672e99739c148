//! Numbers handed to the channel many at a time, where it sets them later: only such as nobody oversells by meanwhile.

use crossdock_model::answer::{NumberCall, NumberCallKind};
use crossdock_model::v1::{BegunInBulk, BucketEvent, CallOutcome, EndedInBulk};
use crossdock_model::{Answer, EntityId, Rejection, Timestamp};

use super::calls::{Urgency, check_count};
use super::state::BucketState;
use crate::decider::{Asked, Decision};
use crate::publish::Act;

impl BucketState {
    /// Begins one call for so many numbers at most. What the channel refused goes by itself, and so what must be lower.
    pub(super) fn begin_in_bulk(
        &self,
        asked: &Asked<'_>,
        numbers_max: usize,
        until: Timestamp,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        let EntityId::Bucket(channel, _) = asked.id else {
            return Err(Rejection::NotFound(asked.id.to_string()));
        };
        check_count(numbers_max)?;
        let first = self.wrong.first().filter(|(rank, _)| {
            rank.refused_at.is_none() && rank.urgency != Urgency::Lower && !rank.is_read
        });
        let sent = first.filter_map(|(_, number)| match self.act(channel, number, asked.now)? {
            Act::Set {
                units,
                change_from: None,
            } if units > 0 => Some((number, units)),
            Act::Set { .. } | Act::Read | Act::Nothing | Act::AwaitProof { .. } => None,
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
                },
            });
        }
        Ok(Decision {
            events,
            answer: Answer::Calls(calls),
            notices: Vec::new(),
        })
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
                place.refused_at = None;
                place.kept = place.kept.filter(|_| shows_none);
            }
            CallOutcome::Refused { .. } => {
                place.slot.refuse_handed();
                place.refused_at = Some(now);
            }
            CallOutcome::Stale | CallOutcome::NotDone => place.slot.refuse_handed(),
            CallOutcome::Unknown => place.slot.lose_handed(now),
        }
    }
}
