//! What a channel shows that neither its sales nor our writes explain.
//!
//! More than was shown is put right at once: lowering is safe. Fewer may have been sold, so nothing is said of it before
//! the channel's orders are read; then it is put right, and a person is told, as the units may be gone. If it was a write of
//! ours that was lost, that is over once the number is right. What drifts again and again is not a matter of one number any more.

use crossdock_model::answer::Seen;
use crossdock_model::v1::{
    BucketEvent, DriftClass, ExceptionOpened, PublishedStock, ShownLevel, Writes,
};
use crossdock_model::{Duration, ListingId, SourceId, Timestamp};

use super::calls::subject;
use super::state::{BucketState, Heard, NumberId, Place};
use super::{LISTING_DRIFT, stock};
use crate::publish::{Fit, Slot, Statement};

/// A number that drifted before that is not taken to do so again and again.
const AGAIN_WITHIN: Duration = Duration::from_days(1);
/// Drifts one after the other that are no accident.
const DRIFTS_MAX: u32 = 3;

/// How the evidence names a write of ours that was lost.
const LOST_UPDATE: &str = "lost_update";

/// Whether an exception tells that a write of ours was lost.
pub(super) fn is_lost_update(opened: &ExceptionOpened) -> bool {
    let is_it = |(name, class): &(String, String)| name == "class" && class == LOST_UPDATE;
    opened.key.kind == LISTING_DRIFT && opened.evidence.iter().any(is_it)
}

/// How often a number drifted of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Drifts {
    count: u32,
    last_at: Timestamp,
}

impl Drifts {
    /// It never did.
    pub const NONE: Self = Self {
        count: 0,
        last_at: Timestamp::from_ms(0),
    };

    fn next(self, now: Timestamp) -> u32 {
        match now.since(self.last_at) <= AGAIN_WITHIN {
            true => self.count.saturating_add(1),
            false => 1,
        }
    }

    pub fn note(&mut self, now: Timestamp) {
        *self = Self {
            count: self.next(now),
            last_at: now,
        };
    }
}

impl BucketState {
    /// What a statement of the channel comes to, and what it says of drift. Of what rose and is told by the channel itself
    /// (`is_asked`: as an answer), orders may tell the cause in a moment: one that was cancelled there and put back.
    pub(super) fn see(
        &self,
        listing: &ListingId,
        (level, is_asked): (&ShownLevel, bool),
        now: Timestamp,
    ) -> (Seen, Vec<BucketEvent>) {
        let number = (listing.clone(), level.place.clone());
        let (Some(units), Some(place)) = (level.units, self.place(&number)) else {
            return (Seen::AsKnown, Vec::new());
        };
        let target = self.targets(listing).remove(&level.place);
        let sold = target.as_ref().and_then(|target| target.unstated());
        let statement = Statement {
            units,
            at: level.at,
        };
        let by = match place.slot.fit(statement, sold) {
            Fit::AsKnown => return (Seen::AsKnown, Vec::new()),
            Fit::InFlight => return (Seen::InFlight, Vec::new()),
            Fit::Fell { .. } => return (Seen::Fell, Vec::new()),
            Fit::Rose { .. } if !is_asked => return (Seen::InFlight, Vec::new()),
            Fit::Rose { units } => i64::from(units),
        };
        let known = self.publishing.as_deref();
        if known.is_some_and(|known| !known.sends_to(&level.place)) {
            return (Seen::AsKnown, Vec::new());
        }
        let is_lost = place.slot.before() == Some(units);
        let class = class(place, is_lost, now);
        let events = self.drifted_by(&number, class, by);
        (Seen::Drifted(class), events)
    }

    /// Units by which a number falls with a statement, where writes replace it: of more than may have been sold unseen it is asked
    /// whether orders explain them. Not of what others set, nor where the sales since what was known are not all named.
    pub(super) fn falls(&self, number: &NumberId, statement: Statement) -> u32 {
        let publishing = self.publishing.as_deref();
        let is_ours = publishing.is_some_and(|publishing| {
            publishing.writes == Writes::Absolute && publishing.sends_to(&number.1)
        });
        let Some(place) = self.place(number).filter(|_| is_ours) else {
            return 0;
        };
        let target = self.targets(&number.0).remove(&number.1);
        let known_at = place.slot.shown().map(|shown| shown.at);
        let (Some(target), Some(known_at)) = (target, known_at) else {
            return 0;
        };
        let is_told_apart = || self.names_sales_since(&number.0, known_at);
        match place.slot.fit(statement, target.unstated()) {
            Fit::Fell { units } if units > target.unseen() && is_told_apart() => units,
            Fit::Fell { .. } | Fit::AsKnown | Fit::InFlight | Fit::Rose { .. } => 0,
        }
    }

    /// Whether the sales of the channel that lowered a listing since then can be told apart from others, and are all named.
    fn names_sales_since(&self, listing: &ListingId, since: Timestamp) -> bool {
        let parts = self.listings.get(listing);
        let parts = parts.map(|known| self.made_of(&known.target));
        let heard = parts.into_iter().flatten().map(|(_, heard, _)| heard);
        let are_named = |heard: &Heard| {
            let named = heard.sold.iter().map(|sold| u64::from(sold.units));
            let reaches_back = heard.sold.iter().any(|sold| sold.at <= since);
            reaches_back || named.sum::<u64>() == heard.sold_units
        };
        self.tells_sales_apart(listing) && heard.into_iter().all(are_named)
    }

    /// What is lowered at once needs nobody, unless it does not stay so.
    fn drifted_by(&self, number: &NumberId, class: DriftClass, by: i64) -> Vec<BucketEvent> {
        let (listing, place) = number.clone();
        let drifted = BucketEvent::Drifted {
            listing,
            place,
            class,
            units: by,
        };
        let is_told = by < 0 || class == DriftClass::WrongMapping;
        let opened = is_told.then(|| self.drift(number, class, by)).flatten();
        let opened = opened.map(BucketEvent::ExceptionOpened);
        [drifted].into_iter().chain(opened).collect()
    }

    /// Numbers that fell without a sale, told now that all sales up to then are read.
    pub(super) fn drifted(
        &self,
        stock: &PublishedStock,
        proof: Timestamp,
        now: Timestamp,
    ) -> Vec<BucketEvent> {
        let Some(heard) = self.skus.get(&stock.sku) else {
            return Vec::new();
        };
        let sold = stock::news(heard, stock);
        let writes = self.publishing.as_ref().map(|known| known.writes);
        // Where sales are not told apart by number, a fall that none of them explains may be one of them all the same.
        let told_apart = heard.listings.iter();
        let told_apart = told_apart.filter(|listing| self.tells_sales_apart(listing));
        let drifted = told_apart.flat_map(|listing| {
            let known = self.listings.get(listing).into_iter();
            let places = known.flat_map(|known| &known.places);
            places.flat_map(|(id, place)| {
                let mut slot = place.slot.clone();
                let own = self.own_units(listing, sold);
                explain(writes, &mut slot, own, Timestamp::default());
                let units = slot.give_up_explaining(proof);
                let number = (listing.clone(), id.clone());
                let class = class(place, place.slot.fell_back(), now);
                match units {
                    0 => Vec::new(),
                    _ => self.drifted_by(&number, class, -i64::from(units)),
                }
            })
        });
        drifted.collect()
    }

    fn drift(&self, number: &NumberId, class: DriftClass, by: i64) -> Option<ExceptionOpened> {
        let (listing, place) = number;
        let units = by.unsigned_abs();
        let more = if by < 0 { "fewer" } else { "more" };
        let (name, why) = match class {
            DriftClass::LostUpdate => (
                LOST_UPDATE,
                "It shows what it showed before our last write, which it had confirmed. It is written again.",
            ),
            DriftClass::ForeignEdit => (
                "foreign_edit",
                "Somebody changed it there. It is put right now; if units were taken out there, count them here.",
            ),
            DriftClass::WrongMapping => (
                "wrong_mapping",
                "It is the third time within a day. See whether something else writes there, whether the listing is \
                 what it is mapped to, and whether two listings are one item. It is put right each time.",
            ),
        };
        let cause =
            format!("{place} shows {units} {more} of {listing} than its sales explain. {why}");
        let evidence = [
            ("class".to_owned(), name.to_owned()),
            ("units".to_owned(), by.to_string()),
        ];
        self.exceptions
            .open(LISTING_DRIFT, &subject(number), &cause, &evidence)
    }

    pub(super) fn apply_drifted(&mut self, listing: &ListingId, place: &SourceId, now: Timestamp) {
        if let Some(place) = self.place_mut(listing, place) {
            place.odd.drifts.note(now);
        }
    }
}

/// Orders of the channel for so many units were heard of: they explain why a number fell, or will.
pub(super) fn explain(writes: Option<Writes>, slot: &mut Slot, units: u64, now: Timestamp) {
    match writes {
        Some(Writes::Absolute) => slot.explain_fall(units),
        Some(Writes::CompareAndSet) | None => slot.explain(units, now),
    }
}

fn class(place: &Place, is_lost: bool, now: Timestamp) -> DriftClass {
    if place.odd.drifts.next(now) >= DRIFTS_MAX {
        return DriftClass::WrongMapping;
    }
    match is_lost {
        true => DriftClass::LostUpdate,
        false => DriftClass::ForeignEdit,
    }
}
