//! What locations can be given to send: what is reserved and complete, each split by itself and the rest of the order
//! together.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::RequestLine;
use crossdock_model::{LocationId, Timestamp};

use super::SLOT_FRESH_FOR;
use super::lines::add_units;
use super::state::{Missing, Order, Piece, Split};

/// By location and split (none: the rest): highest attempt, and lines.
pub(super) type Work = BTreeMap<(LocationId, Option<u32>), (u32, Vec<RequestLine>)>;

impl Order {
    /// Units that can be requested as far as they are concerned. A split waits for its own units only, and the rest of
    /// the order not for those of splits.
    pub(super) fn work(&self) -> Work {
        let held = self.held_lines();
        let mut lacks = self.missing();
        lacks.retain(|(line, _), _| !held.contains(line));
        let mut wanted: Vec<Missing> = (1..)
            .zip(&self.route.splits)
            .map(|(number, split)| self.wanted_of(number, split))
            .collect();
        let pieces = self.pieces.iter();
        let ready = pieces.filter(|one| one.request.is_none() && !held.contains(&one.line));
        let mut work = Work::new();
        for piece in ready {
            share_out(piece, &mut wanted, &mut work);
        }
        let mut incomplete: BTreeSet<Option<u32>> = BTreeSet::new();
        for (number, wanted) in (1..).zip(&wanted) {
            for (key, units) in wanted {
                let lacking = lacks.get_mut(key).filter(|lacking| **lacking > 0);
                if let Some(lacking) = lacking.filter(|_| *units > 0) {
                    *lacking -= (*lacking).min(*units);
                    incomplete.insert(Some(number));
                }
            }
        }
        if lacks.values().any(|units| *units > 0) {
            incomplete.insert(None);
        }
        work.retain(|(_, split), _| !incomplete.contains(split));
        work
    }

    /// Units of a split that have neither left nor are requested with it.
    fn wanted_of(&self, number: u32, split: &Split) -> Missing {
        let mut wanted = Missing::new();
        for (id, units) in &split.lines {
            let made_of = self.lines.get(id).map(|line| &line.lot.made_of);
            for (sku, per) in made_of.into_iter().flatten() {
                let key = (id.clone(), sku.clone());
                let left = split.shipped.get(&key).copied().unwrap_or(0);
                wanted.insert(key, units.saturating_mul(*per).saturating_sub(left));
            }
        }
        for piece in &self.pieces {
            let request = piece.request.and_then(|number| self.requests.get(&number));
            if request.is_some_and(|request| request.split == Some(number)) {
                let key = (piece.line.clone(), piece.sku.clone());
                if let Some(units) = wanted.get_mut(&key) {
                    *units = units.saturating_sub(piece.units);
                }
            }
        }
        wanted
    }

    /// By when a location acknowledges, unless it said so too long ago.
    pub(super) fn slot_by(
        &self,
        attempt: u32,
        location: &LocationId,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let slot = self.slots.get(&(attempt, location.clone()))?;
        (now.since(slot.granted_at) <= SLOT_FRESH_FOR).then_some(slot.acknowledge_by)
    }

    /// Locations that could be given work but for their time to acknowledge.
    pub(super) fn stale_slots(&self, now: Timestamp) -> BTreeSet<LocationId> {
        let stale = self
            .work()
            .into_iter()
            .filter(|((location, _), (attempt, _))| {
                self.slot_by(*attempt, location, now).is_none()
            });
        stale.map(|((location, _), _)| location).collect()
    }
}

/// Gives units to the splits that want them, in their order, and what is left to the rest.
fn share_out(piece: &Piece, wanted: &mut [Missing], work: &mut Work) {
    let key = (piece.line.clone(), piece.sku.clone());
    let mut left = piece.units;
    let mut give = |split: Option<u32>, units: u32| {
        if units > 0 {
            let (attempt, lines) = work.entry((piece.location.clone(), split)).or_default();
            *attempt = piece.attempt.max(*attempt);
            add_units(lines, &piece.line, &piece.sku, units);
        }
    };
    for (number, wanted) in (1..).zip(wanted) {
        if let Some(wanted) = wanted.get_mut(&key) {
            let units = left.min(*wanted);
            *wanted -= units;
            left -= units;
            give(Some(number), units);
        }
    }
    give(None, left);
}
