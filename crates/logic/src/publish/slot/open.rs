//! Calls that may yet change what is shown. Of nearly all numbers there is none.

use crossdock_model::v1::Sold;
use crossdock_model::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Slot, Statement};
use crate::seldom::AtFirst;

/// A call that was begun and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// Its number in the bucket.
    pub call: u64,
    /// What is sent.
    pub units: u32,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// Units heard of and not stated that it was compared with.
    pub(super) absorbed: i64,
    /// As the slot's.
    pub(super) left: Option<u32>,
}

/// A call of which nobody knows what became.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// The most that it may leave behind.
    pub units: i64,
    /// When it has surely ended: what is sent or read after that holds.
    pub until: Timestamp,
    /// It has ended, and what the channel shows since then is not known yet.
    pub is_due: bool,
    /// As its flight's.
    pub(super) absorbed: i64,
    /// What is believed to be shown was sent and confirmed since it was lost.
    pub(super) is_overwritten: bool,
    /// So many of the units were put back by the channel: what overwrites them is less by as much, as no order was read for it.
    pub(super) put_back: u32,
}

/// A number that was handed over, and not yet said to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Its number in the bucket.
    pub call: u64,
    /// What was handed over.
    pub units: u32,
    /// When it has surely been set, or never will be.
    pub until: Timestamp,
    /// When it was handed over.
    pub begun_at: Timestamp,
    /// Another call was carried out since.
    pub(super) is_overtaken: bool,
    /// As the slot's.
    pub(super) left: Option<u32>,
}

/// What is open of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    pub flight: Option<Flight>,
    /// What the channel stated while a call was under way: which of the two came first is known when that has ended.
    pub aside: Option<Statement>,
    pub doubt: Option<Doubt>,
    pub handed: Option<Handed>,
    /// When it is looked at once more after a lost call: what became of that was told from numbers that buyers change too.
    pub verify_at: Option<Timestamp>,
    /// When it was stated last that it fell, while no order explains that, and whether to what was shown before the last call.
    pub fell: Option<(Timestamp, bool)>,
}

impl AtFirst for Open {
    const AT_FIRST: &'static Self = &Self {
        flight: None,
        aside: None,
        doubt: None,
        handed: None,
        verify_at: None,
        fell: None,
    };
}

impl Slot {
    /// Nobody sets the number any more: calls that were lost and have ended by then leave nothing to be done.
    pub fn leave_ended(&mut self, by: Timestamp) {
        let doubt = self.open.doubt;
        self.open.doubt = doubt.filter(|doubt| !doubt.is_due && doubt.until > by);
        if self.open.doubt.is_none() {
            self.open.verify_at = None;
        }
    }

    /// So many units that the channel had sold are on sale again, on top of whatever was sent before or is under way. It is as with
    /// a lost call that has ended: what is sent from now on overwrites it. `sold`: as [`Slot::most`].
    pub fn put_back(&mut self, units: u32, sold: Option<&[Sold]>, at: Timestamp) {
        let Some(most) = self.most(sold) else {
            return;
        };
        let (before, flight) = (self.open.doubt, self.open.flight);
        // What is under way may have come first, also where it began within the same millisecond.
        let after = flight.map_or(at, |flight| at.max(flight.begun_at + Duration::from_ms(1)));
        let most = flight.map_or(most, |flight| most.max(flight.units.into()));
        self.open.doubt = Some(Doubt {
            units: most + i64::from(units),
            until: before.map_or(after, |doubt| doubt.until.max(after)),
            is_due: before.map_or(after <= at, |doubt| doubt.is_due && after <= at),
            absorbed: before.map_or(0, |doubt| doubt.absorbed),
            is_overwritten: false,
            put_back: before
                .map_or(0, |doubt| doubt.put_back)
                .saturating_add(units),
        });
    }

    /// Whether a call may change at `now`, or later, what is shown.
    #[must_use]
    pub fn may_change(&self, now: Timestamp) -> bool {
        let is_in_doubt = self.open.doubt.is_some_and(|doubt| now < doubt.until);
        self.open.flight.is_some() || self.open.handed.is_some() || is_in_doubt
    }
}
