//! What is offered to the channel's budget, and calls that begin and end.

use std::cmp::Reverse;

use crossdock_model::answer::{NumberCall, NumberCallKind};
use crossdock_model::command::CallEnd;
use crossdock_model::v1::{BucketEvent, CallOutcome, EndedInBulk, ExceptionKey, Publishing};
use crossdock_model::{Answer, ChannelId, Duration, ListingId, Rejection, SourceId, Timestamp};
use serde::{Deserialize, Serialize};

use super::agenda::{Rank, Task};
use super::due::{call_due, late_at};
use super::missing::NotThere;
use super::numbers::Target;
use super::state::{BucketState, NumberId, Place};
use super::{CALLS_MAX, LISTING_DRIFT, LISTING_WRONG, OFFERS_MAX};
use crate::decider::{Asked, Decision};
use crate::publish::{Act, Slot};

/// What lasts so long is half as dangerous as what is sold out: about as long as it takes to send what is urgent.
const SOON: Duration = Duration::from_s(10);
const MILLI: u128 = 1_000;
const HOUR_MS: u128 = 3_600_000;

/// What a bucket would have the channel asked or told, the most urgent first.
#[derive(Debug, Clone, PartialEq)]
pub struct Offers {
    /// The channel.
    pub channel: ChannelId,
    /// The bucket's number.
    pub bucket: u16,
    /// At most [`OFFERS_MAX`].
    pub offers: Vec<Offer>,
    /// Numbers wait until the channel's orders are read: one of them goes on once those up to then are.
    pub unproven: Option<Timestamp>,
    /// Numbers of which none is sent, as the channel sends what they are about itself.
    pub sent_by_channel: usize,
    /// What the channel does not have at its places, though there is something to show there.
    pub missing: Vec<NotThere>,
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
    /// sale times the units that are wrong, and less the longer what there is lasts.
    pub milli_per_h: u64,
    /// Since when it is wrong.
    pub since: Timestamp,
    /// The channel is asked what it shows; else it is told.
    pub is_read: bool,
}

/// What is avoided by a call, the more urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    pub fn offers(&self, channel: &ChannelId, bucket: u16) -> Offers {
        let first = self.wrong.first().take(OFFERS_MAX);
        let offers = first.map(|(rank, (listing, place))| Offer {
            listing: listing.clone(),
            place: place.clone(),
            urgency: rank.urgency,
            milli_per_h: rank.milli_per_h.0,
            since: rank.since,
            is_read: rank.is_read,
        });
        Offers {
            channel: channel.clone(),
            bucket,
            offers: offers.collect(),
            unproven: self.wrong.unproven(),
            sent_by_channel: self.sent_by_channel.len(),
            missing: self.missing.told(),
        }
    }

    /// Whether anything can be published to the channel.
    #[must_use]
    pub fn is_publishable(&self) -> bool {
        self.publishing.is_some()
    }

    /// What should be shown, and what is to be done about it.
    pub(super) fn act(&self, number: &NumberId, now: Timestamp) -> Option<Act> {
        let place = self.place(number)?;
        let target = self.targets(&number.0).remove(&number.1)?;
        let publishing = self.publishing.as_ref()?;
        Some(act(publishing, (&number.1, place), &target, now))
    }

    /// Begins the calls that are still needed.
    pub(super) fn begin(
        &self,
        asked: &Asked<'_>,
        numbers: &[NumberId],
    ) -> Result<Decision<BucketEvent>, Rejection> {
        check_count(numbers.len())?;
        let call_for = self.publishing.as_ref().map(|known| known.call_for);
        let until = asked.now + call_for.unwrap_or_default();
        let (mut events, mut calls) = (Vec::new(), Vec::new());
        for number in numbers {
            let kind = match self.act(number, asked.now) {
                Some(Act::Read) => NumberCallKind::Read,
                Some(Act::Set { units, change_from }) => {
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
                        since: self.waits_since(number),
                        tells_lag: self.wrong.tells_lag(number),
                        until,
                    }
                }
                Some(Act::Nothing | Act::AwaitProof { .. }) | None => continue,
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

    /// When the oldest change was made that a number does not show. What waited for proof before it was to be lowered says
    /// nothing of how late the lowering is.
    fn waits_since(&self, number: &NumberId) -> Option<Timestamp> {
        let since = self.changes.since(number)?;
        let lowered_at = self.wrong.lowered_at(number);
        Some(lowered_at.map_or(since, |at| at.max(since)))
    }

    pub(super) fn end(&self, calls: &[CallEnd]) -> Result<Decision<BucketEvent>, Rejection> {
        check_count(calls.len())?;
        let events = calls.iter().filter_map(|ended| {
            let slot = self.slot(&ended.listing, &ended.place)?;
            let is_it = |call: u64| call == ended.call;
            let (listing, place) = (ended.listing.clone(), ended.place.clone());
            let outcome = ended.outcome.clone();
            if slot.flight().is_some_and(|flight| is_it(flight.call)) {
                Some(BucketEvent::Ended {
                    listing,
                    place,
                    outcome,
                })
            } else {
                let handed = slot.handed().filter(|handed| is_it(handed.call));
                handed.map(|_| {
                    BucketEvent::EndedInBulk(EndedInBulk {
                        listing,
                        place,
                        outcome,
                    })
                })
            }
        });
        Ok(Decision::done(events.collect()))
    }

    fn slot(&self, listing: &ListingId, place: &SourceId) -> Option<&Slot> {
        let place = self.listings.get(listing)?.places.get(place)?;
        Some(&place.slot)
    }

    /// Every call under way is of unknown outcome: its process is gone.
    pub(super) fn lose(&self) -> Decision<BucketEvent> {
        let under_way = self.wrong.numbers().filter(|(listing, place)| {
            let slot = self.slot(listing, place);
            slot.is_some_and(|slot| slot.flight().is_some())
        });
        Decision::done(under_way.map(lost).collect())
    }
}

/// How an exception names a number. A place's name begins with its channel's.
pub(super) fn subject((listing, place): &NumberId) -> String {
    format!("{listing}@{place}")
}

/// The number that an exception is about.
pub(super) fn numbered(key: &ExceptionKey) -> Option<NumberId> {
    let (listing, place) = key.subject.rsplit_once('@')?;
    let number = (ListingId::new(listing).ok()?, SourceId::new(place).ok()?);
    matches!(key.kind.as_str(), LISTING_WRONG | LISTING_DRIFT).then_some(number)
}

pub(super) fn check_count(calls: usize) -> Result<(), Rejection> {
    match calls > CALLS_MAX {
        true => Err(Rejection::Limit {
            what: "calls at once".to_owned(),
            max: CALLS_MAX as u64,
        }),
        false => Ok(()),
    }
}

pub(super) fn lost((listing, place): &NumberId) -> BucketEvent {
    BucketEvent::Ended {
        listing: listing.clone(),
        place: place.clone(),
        outcome: CallOutcome::Unknown,
    }
}

/// What is to be done about a number. A place that is only observed is only asked what it shows.
pub(super) fn act(
    publishing: &Publishing,
    (id, place): (&SourceId, &Place),
    target: &Target,
    now: Timestamp,
) -> Act {
    match publishing.sends_to(id) {
        _ if !place.can_be_set() => Act::Nothing,
        false => place.slot.look(now),
        true => place.slot.act(&target.want(), now),
    }
}

/// What there is to do about a number that is wrong, as of `now`: each change of it comes with an event.
pub(super) fn task(
    publishing: &Publishing,
    (id, place): (&SourceId, &Place),
    target: &Target,
    now: Timestamp,
) -> Task {
    let call = call_due(publishing, place).or(place.slot.doubt_due());
    let act = act(publishing, (id, place), target, now);
    let late = late_at(publishing, id, place);
    Task {
        rank: rank(place, target, act, now),
        due: call.into_iter().chain(late).min(),
        unproven: unproven(place, act).filter(|_| publishing.sends_to(id)),
        lowered_at: None,
    }
}

/// Up to when the channel's orders must have been read before a number can be raised, or before it is known whether it
/// fell by sales.
fn unproven(place: &Place, act: Act) -> Option<Timestamp> {
    let unproven = match act {
        Act::AwaitProof { of } => Some(of),
        Act::Nothing | Act::Set { .. } | Act::Read => place.slot.fell_at(),
    };
    unproven.filter(|_| place.is_tracked())
}

fn rank(place: &Place, target: &Target, act: Act, now: Timestamp) -> Option<Rank> {
    let slot = &place.slot;
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
            Some(most) if most <= i64::from(units) => {
                (Urgency::Raise, i64::from(units).abs_diff(most).max(1))
            }
            Some(most) => (Urgency::Lower, most.abs_diff(units.into())),
            None => (Urgency::Read, 1),
        },
    };
    let milli_per_h = target.milli_per_h.max(1).saturating_mul(units);
    Some(Rank {
        refused_at: place.odd.refused_at,
        urgency,
        milli_per_h: Reverse(match urgency {
            Urgency::Lower => imminent(milli_per_h, target),
            Urgency::Read | Urgency::Raise => milli_per_h,
        }),
        since: slot.wrong_since().unwrap_or(now),
        is_read: act == Act::Read,
    })
}

/// What may be oversold per hour, weighted with how soon: as long as there is enough for all channels, a number that is
/// too high sells nothing twice.
fn imminent(milli_per_h: u64, target: &Target) -> u64 {
    let left = u128::from(target.units) * MILLI * HOUR_MS;
    let Some(left_ms) = left.checked_div(target.everywhere_milli_per_h.into()) else {
        return milli_per_h;
    };
    let soon_ms = u128::from(SOON.as_ms());
    let weighted = u128::from(milli_per_h) * soon_ms / (soon_ms + left_ms);
    u64::try_from(weighted).unwrap_or(u64::MAX).max(1)
}
