//! Holds of channels that ask before they sell. A hold that ran out is free at that instant and never revived.

use std::collections::BTreeMap;

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{AttemptId, Sale, SkuEvent, Take};
use crossdock_model::{Answer, HoldId, LocationId, Rejection};

use super::draft::{Draft, Verdict, misrouted};
use super::state::Sums;
use super::{HOLDS_MAX, checked, checked_units, same_takes};
use crate::decider::Decision;
use crate::planted::Mistake;

type Decided = Result<Decision<SkuEvent>, Rejection>;

impl Draft<'_> {
    pub fn hold(mut self, command: &SkuCommand) -> Decided {
        let SkuCommand::Hold {
            hold,
            units,
            takes,
            among,
            expires_at,
        } = command
        else {
            return Err(misrouted(command));
        };
        let (units, among, expires_at) = (*units, among.as_deref(), *expires_at);
        if let Some(repeat) = self.repeated_hold(hold, units, takes) {
            return repeat.map(Decision::unchanged);
        }
        self.known()?;
        checked_units("units", units)?;
        if !takes.is_empty() && checked(takes)? != units {
            return Err(Rejection::invalid("units", "must be the sum of takes"));
        }
        let may = |take: &Take| among.is_none_or(|among| among.contains(&take.location));
        if !takes.iter().all(may) {
            let problem = "names a location that is not open to work";
            return Err(Rejection::invalid("takes", problem));
        }
        if expires_at <= self.now {
            return Err(Rejection::invalid("expires_at", "must be in the future"));
        }
        if self.state.holds.len() >= HOLDS_MAX {
            return Err(Rejection::Limit {
                what: "live holds of a SKU".to_owned(),
                max: HOLDS_MAX as u64,
            });
        }
        // What came free goes to those who were there before.
        self.serve();
        let takes = match takes.is_empty() {
            true => self.pick(units, among)?,
            false => self.may_hold(takes)?,
        };
        self.events.push(SkuEvent::Held {
            hold: hold.clone(),
            takes: takes.clone(),
            expires_at,
        });
        self.change_all(&takes, |sums, units| sums.held += units);
        Ok(self.finish(Answer::Held {
            hold: hold.clone(),
            takes,
            expires_at,
        }))
    }

    fn repeated_hold(
        &self,
        id: &HoldId,
        units: u32,
        takes: &[Take],
    ) -> Option<Result<Answer, Rejection>> {
        if let Some(closed) = self.state.closed.hold(id) {
            return Some(closed.answer());
        }
        let known = self.state.holds.get(id)?;
        let at = known.expires_at;
        if at <= self.now {
            return Some(Err(Rejection::HoldExpired { at }));
        }
        let sum: u32 = known.takes.iter().map(|take| take.units).sum();
        let same = takes.is_empty() || same_takes(takes, &known.takes);
        Some(match same && sum == units {
            true => Ok(Answer::Held {
                hold: id.clone(),
                takes: known.takes.clone(),
                expires_at: at,
            }),
            false => Err(Rejection::KeyConflict),
        })
    }

    fn contended(&self) -> Rejection {
        Rejection::Contended {
            sku: self.sku.clone(),
        }
    }

    fn may_hold(&self, takes: &[Take]) -> Result<Vec<Take>, Rejection> {
        if self.state.is_untracked() {
            for take in takes {
                self.admit(&take.location)?;
            }
        }
        let ahead = |location: &LocationId| self.sums(location).queued;
        match self.verdict(None, takes, Sale::Asks, &ahead) {
            Verdict::Fits => Ok(takes.to_vec()),
            Verdict::Contended => Err(self.contended()),
            Verdict::Short => Err(self.short()),
        }
    }

    /// Picks locations for a hold: most stock first, split only if no location has enough.
    fn pick(&self, units: u32, among: Option<&[LocationId]>) -> Result<Vec<Take>, Rejection> {
        let may = |location: &LocationId| among.is_none_or(|among| among.contains(location));
        if self.state.is_untracked() {
            let mut known = self.state.places.keys().chain(among.unwrap_or_default());
            let location = known.find(|location| may(location)).ok_or_else(|| {
                Rejection::invalid(
                    "takes",
                    "name the location: the SKU has no stock to choose from",
                )
            })?;
            return Ok(vec![Take {
                location: location.clone(),
                units,
            }]);
        }
        let owed = self.share_out(None, Sums::free);
        let owed_at_last = self.share_out(None, Sums::firm);
        let (mut firm, mut rooms) = (0, Vec::new());
        for location in self.locations().filter(|location| may(location)) {
            let sums = self.sums(location);
            let kept = |owed: &BTreeMap<LocationId, i64>| {
                sums.safety + owed.get(location).copied().unwrap_or(0)
            };
            firm += (sums.firm() - kept(&owed_at_last)).max(0);
            rooms.push((sums.free() - kept(&owed) - sums.queued, location.clone()));
        }
        let units = units + u32::from(Mistake::LastNotHeld.is_planted());
        match spread(rooms, units) {
            Some(takes) => Ok(takes),
            None if firm >= i64::from(units) => Err(self.contended()),
            None => Err(self.short()),
        }
    }

    /// An order names a hold: while it lives its units are the order's own.
    pub fn name_hold(mut self, hold: &HoldId) -> Self {
        let known = self.state.holds.get(hold);
        let is_live = |at| at > self.now || Mistake::ExpiredHoldRevived.is_planted();
        let live = known.filter(|known| is_live(known.expires_at));
        self.own_hold = live.map(|known| (hold.clone(), known.takes.as_slice()));
        self
    }

    /// Units at a location that are kept for the order that asks.
    pub fn own_held(&self, location: &LocationId) -> i64 {
        let takes = self.own_hold.as_ref().map_or(&[][..], |(_, takes)| takes);
        let here = takes.iter().filter(|take| take.location == *location);
        here.map(|take| i64::from(take.units)).sum()
    }

    /// The hold ends with the reservation that its units go into; in between nobody is served.
    pub fn confirm_hold(&mut self, id: &AttemptId) {
        if let Some((hold, takes)) = self.own_hold.take() {
            let id = id.clone();
            self.events.push(SkuEvent::HoldConfirmed { hold, id });
            self.change_all(takes, |sums, units| sums.held -= units);
        }
    }

    /// The stock with the units of the named hold among those that can be taken.
    pub fn read_held(self) -> Decided {
        self.known()?;
        let view = self.view(self.version);
        Ok(Decision::unchanged(Answer::Stock(Box::new(view))))
    }

    /// An unknown hold is closed too, so that a release that overtakes its hold leaks nothing.
    pub fn release_hold(mut self, hold: &HoldId) -> Decision<SkuEvent> {
        if let Some(closed) = self.state.closed.hold(hold) {
            return Decision::unchanged(closed.answer().unwrap_or(Answer::Done));
        }
        let known = self.state.holds.get(hold);
        let is_forgotten = known.is_none() && Mistake::ReleaseOvertakesHold.is_planted();
        if is_forgotten || known.is_some_and(|known| known.expires_at <= self.now) {
            return Decision::unchanged(Answer::Done);
        }
        let hold = hold.clone();
        self.events.push(SkuEvent::HoldReleased { hold });
        if let Some(known) = known {
            self.change_all(&known.takes, |sums, units| sums.held -= units);
        }
        self.finish(Answer::Done)
    }
}

/// Takes that many units from locations with room, most room first: one location if any has enough.
pub(super) fn spread(mut rooms: Vec<(i64, LocationId)>, units: u32) -> Option<Vec<Take>> {
    rooms.retain(|(room, _)| *room > 0);
    rooms.sort_by(|(a, at), (b, bt)| b.cmp(a).then_with(|| at.cmp(bt)));
    let mut left = i64::from(units);
    let mut takes = Vec::new();
    for (room, location) in rooms {
        if left == 0 {
            break;
        }
        let part = room.min(left);
        left -= part;
        takes.push(Take {
            location,
            units: super::count(part),
        });
    }
    (left == 0).then_some(takes)
}
