//! What is offered to the channel's budget, calls that begin and end, and what becomes of numbers that stay wrong.

use crossdock_model::answer::{NumberCall, NumberCallKind};
use crossdock_model::v1::{
    BucketEvent, CallOutcome, ChannelMode, ExceptionClosed, ExceptionKey, ExceptionOpened,
};
use crossdock_model::{Answer, ChannelId, EntityId, ListingId, Rejection, SourceId, Timestamp};

use super::numbers::Target;
use super::state::{BucketState, NumberId};
use super::{CALLS_MAX, DUE_PER_DECISION, LISTING_WRONG, OFFERS_MAX};
use crate::decider::{Asked, Decision};
use crate::exceptions::resolved;
use crate::publish::{Act, Slot};

/// What a bucket would have the channel asked or told, the most urgent first.
#[derive(Debug, Clone, PartialEq)]
pub struct Offers {
    /// The channel.
    pub channel: ChannelId,
    /// The bucket's number.
    pub bucket: u16,
    /// At most [`OFFERS_MAX`].
    pub offers: Vec<Offer>,
}

/// A number that should be asked for or sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The listing.
    pub listing: ListingId,
    /// The channel's place.
    pub place: SourceId,
    /// What comes first.
    pub urgency: Urgency,
    /// Expected oversold units avoided (or, for a raise, sales won) per hour of waiting, in thousandths: the rate of
    /// sale times the units that are wrong.
    pub milli_per_h: u64,
    /// Since when it is wrong.
    pub since: Timestamp,
}

/// What is avoided by a call, the more urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// More is shown than may be sold.
    Lower,
    /// Nobody knows what is shown.
    Read,
    /// Less is shown than could be sold.
    Raise,
}

impl BucketState {
    /// What is to be done now about numbers that are wrong. A channel that is only observed is only asked what it shows.
    #[must_use]
    pub fn offers(&self, channel: &ChannelId, bucket: u16, now: Timestamp) -> Offers {
        let wrong = self.wrong.iter();
        let mut offers: Vec<Offer> = wrong
            .filter_map(|number| self.offer(channel, number, now))
            .collect();
        let first = |offer: &Offer| {
            (
                offer.urgency,
                std::cmp::Reverse(offer.milli_per_h),
                offer.since,
            )
        };
        offers.sort_by_key(first);
        offers.truncate(OFFERS_MAX);
        Offers {
            channel: channel.clone(),
            bucket,
            offers,
        }
    }

    /// Whether anything can be published to the channel.
    #[must_use]
    pub fn is_publishable(&self) -> bool {
        self.publishing.is_some()
    }

    fn is_published(&self) -> bool {
        let publishing = self.publishing.as_ref();
        publishing.is_some_and(|publishing| publishing.mode != ChannelMode::Observed)
    }

    fn offer(&self, channel: &ChannelId, number: &NumberId, now: Timestamp) -> Option<Offer> {
        let (target, act) = self.act(channel, number, now)?;
        let slot = &self.place(number)?.slot;
        let most = slot.most(target.unstated());
        let (urgency, units) = match act {
            Act::Nothing | Act::AwaitProof { .. } => return None,
            // Of what is shown otherwise than we believe, too much may be shown.
            Act::Read if slot.shown().is_some() => (
                Urgency::Lower,
                most.map_or(1, |most| most.unsigned_abs().max(1)),
            ),
            Act::Read => (Urgency::Read, 1),
            Act::Set { units, .. } => match most {
                Some(most) if most < i64::from(units) => {
                    (Urgency::Raise, i64::from(units).abs_diff(most))
                }
                Some(most) => (Urgency::Lower, most.abs_diff(units.into())),
                None => (Urgency::Lower, 1),
            },
        };
        Some(Offer {
            listing: number.0.clone(),
            place: number.1.clone(),
            urgency,
            milli_per_h: target.milli_per_h.max(1).saturating_mul(units),
            since: slot.wrong_since().unwrap_or(now),
        })
    }

    /// What should be shown, and what is to be done about it.
    fn act(&self, channel: &ChannelId, number: &NumberId, now: Timestamp) -> Option<(Target, Act)> {
        let place = self.place(number)?;
        let target = self.targets(channel, &number.0).remove(&number.1)?;
        let act = match place.slot.act(&target.want(), now) {
            _ if !place.is_tracked() => Act::Nothing,
            Act::Set { .. } if !self.is_published() => Act::Nothing,
            act => act,
        };
        Some((target, act))
    }

    /// Begins the calls that are still needed.
    pub(super) fn begin(
        &self,
        asked: &Asked<'_>,
        numbers: &[NumberId],
    ) -> Result<Decision<BucketEvent>, Rejection> {
        let EntityId::Bucket(channel, _) = asked.id else {
            return Err(Rejection::NotFound(asked.id.to_string()));
        };
        if numbers.len() > CALLS_MAX {
            return Err(Rejection::Limit {
                what: "calls at once".to_owned(),
                max: CALLS_MAX as u64,
            });
        }
        let (mut events, mut calls) = (Vec::new(), Vec::new());
        for number in numbers {
            let kind = match self.act(channel, number, asked.now) {
                Some((_, Act::Read)) => NumberCallKind::Read,
                Some((_, Act::Set { units, change_from })) => {
                    let call = self.calls + 1 + events.len() as u64;
                    events.push(BucketEvent::Begun {
                        listing: number.0.clone(),
                        place: number.1.clone(),
                        call,
                        units,
                    });
                    NumberCallKind::Set {
                        call,
                        units,
                        change_from,
                    }
                }
                Some((_, Act::Nothing | Act::AwaitProof { .. })) | None => continue,
            };
            calls.push(NumberCall {
                listing: number.0.clone(),
                place: number.1.clone(),
                kind,
            });
        }
        Ok(Decision {
            events,
            answer: Answer::Calls(calls),
            notices: Vec::new(),
        })
    }

    pub(super) fn end(
        &self,
        listing: &ListingId,
        place: &SourceId,
        call: u64,
        outcome: &CallOutcome,
    ) -> Decision<BucketEvent> {
        let number = (listing.clone(), place.clone());
        let flight = self.place(&number).and_then(|place| place.slot.flight());
        let is_under_way = flight.is_some_and(|flight| flight.call == call);
        let event = BucketEvent::Ended {
            listing: number.0,
            place: number.1,
            outcome: outcome.clone(),
        };
        Decision::done(is_under_way.then_some(event).into_iter().collect())
    }

    /// Every call under way is of unknown outcome: its process is gone.
    pub(super) fn lose(&self) -> Decision<BucketEvent> {
        Decision::done(self.lost(|_| true))
    }

    fn lost(&self, is_lost: impl Fn(Timestamp) -> bool) -> Vec<BucketEvent> {
        let under_way = self.wrong.iter().filter(|number| {
            let flight = self.place(number).and_then(|place| place.slot.flight());
            flight.is_some_and(|flight| is_lost(flight.begun_at))
        });
        let lost = under_way.map(|(listing, place)| BucketEvent::Ended {
            listing: listing.clone(),
            place: place.clone(),
            outcome: CallOutcome::Unknown,
        });
        lost.collect()
    }

    /// Calls that were never heard of again, numbers that are wrong for too long, and those that are right again.
    pub(super) fn do_what_is_due(&self, now: Timestamp) -> Decision<BucketEvent> {
        let Some(publishing) = &self.publishing else {
            return Decision::unchanged(Answer::Done);
        };
        let mut events = self.lost(|begun_at| begun_at + publishing.call_for <= now);
        let ended = self.wrong.iter().filter(|number| {
            let due = self.place(number).and_then(|place| place.slot.doubt_due());
            due.is_some_and(|due| due <= now)
        });
        events.extend(ended.map(|(listing, place)| BucketEvent::DoubtEnded {
            listing: listing.clone(),
            place: place.clone(),
        }));
        let late = self.wrong.iter().filter(|number| {
            self.is_published() && {
                let since = self
                    .place(number)
                    .and_then(|place| place.slot.wrong_since());
                since.is_some_and(|since| since + publishing.wrong_for <= now)
            }
        });
        events.extend(
            late.filter_map(|number| self.open_wrong(number))
                .map(BucketEvent::ExceptionOpened),
        );
        let righted = self.righted.iter().filter_map(|number| {
            let how = "the channel shows what it should";
            self.exceptions
                .close(LISTING_WRONG, &subject(number), None, how)
        });
        events.extend(righted.map(BucketEvent::ExceptionClosed));
        events.truncate(DUE_PER_DECISION);
        Decision::done(events)
    }

    fn open_wrong(&self, number: &NumberId) -> Option<ExceptionOpened> {
        let (listing, place) = number;
        let slot = &self.place(number)?.slot;
        let shown = slot
            .shown()
            .map_or("nobody knows how many".to_owned(), |shown| {
                shown.units.to_string()
            });
        let cause = format!(
            "{place} has shown the wrong number of {listing} for too long: it shows {shown}. See whether the channel \
             answers (its other exceptions say), and whether the listing still exists there."
        );
        let evidence = [("shown".to_owned(), shown)];
        self.exceptions
            .open(LISTING_WRONG, &subject(number), &cause, &evidence)
    }

    /// When something is due, and what.
    pub(super) fn next_due(&self) -> Option<(Timestamp, &'static str)> {
        let publishing = self.publishing.as_ref()?;
        if !self.righted.is_empty() {
            return Some((Timestamp::default(), "listing is right again"));
        }
        let due = self.wrong.iter().flat_map(|number| {
            let slot = self.place(number).map(|place| &place.slot);
            let call = slot
                .and_then(|slot| slot.flight())
                .map(|flight| flight.begun_at + publishing.call_for);
            let is_open = || {
                self.exceptions
                    .open(LISTING_WRONG, &subject(number), "", &[])
                    .is_none()
            };
            let late = slot
                .and_then(|slot| slot.wrong_since())
                .filter(|_| self.is_published() && !is_open())
                .map(|since| since + publishing.wrong_for);
            let call = call.map(|at| (at, "call to a channel"));
            let doubt = slot.and_then(Slot::doubt_due);
            let call = call.or(doubt.map(|at| (at, "lost call to a channel")));
            call.into_iter()
                .chain(late.map(|at| (at, "listing is wrong")))
        });
        due.min()
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
        let is_wrong = self
            .wrong
            .iter()
            .any(|number| subject(number) == key.subject);
        if key.kind == LISTING_WRONG && is_wrong {
            return Err(Rejection::Invalid {
                field: "exception".to_owned(),
                problem: "the channel still shows the wrong number: it closes by itself once that is right".to_owned(),
            });
        }
        Ok(Decision::done(vec![BucketEvent::ExceptionClosed(closed)]))
    }
}

/// How an exception names a number. A place's name begins with its channel's.
pub(super) fn subject((listing, place): &NumberId) -> String {
    format!("{listing}@{place}")
}
