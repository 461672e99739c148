//! One number at one place of a channel.

mod bulk;
mod fall;
mod open;
mod replace;

use crossdock_model::v1::{Sold, Writes};
use crossdock_model::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use self::open::Open;
pub use self::open::{Doubt, Flight, Handed};
use crate::seldom::Seldom;

/// A sale that we heard of is in what the channel states after that time, or was given back.
pub const STATED_WITHIN: Duration = Duration::from_s(30);

/// What a channel says, or has confirmed, that it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Units, also fewer than none.
    pub units: i64,
    /// When, by the channel's clock.
    pub at: Timestamp,
}

/// What should be shown.
#[derive(Debug, Clone, Copy)]
pub struct Want<'a> {
    /// Units for sale there, after buffers and shares.
    pub units: u32,
    /// How the channel takes numbers.
    pub writes: Writes,
    /// Units that may have been sold there unseen, on a channel whose writes replace its number.
    pub unseen: u32,
    /// The same of all the time since its orders were last read, while that is longer ago than `unseen` allows for.
    pub behind: Option<u32>,
    /// Sales of the channel itself that `units` has been lowered by. `None`: it cannot be told which of the channel's
    /// numbers they lowered. On a channel that compares they were [`Slot::explain`]ed.
    pub sold: Option<&'a [Sold]>,
    /// `units` was computed after every order of the channel up to then was taken off.
    pub proof: Timestamp,
}

/// What is to be done about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is right, or a call is under way.
    Nothing,
    /// Send it.
    Set {
        /// Units to show.
        units: u32,
        /// What the channel must show for it to be taken, on a channel that compares.
        change_from: Option<i64>,
    },
    /// Ask the channel what it shows.
    Read,
    /// It would, or could, raise what is shown: wait until the channel's orders up to then are in it.
    AwaitProof {
        /// Up to when.
        of: Timestamp,
    },
}

/// How a statement of the channel fits what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It says what we believed, or nothing was known.
    AsKnown,
    /// A call, or sales that we heard of, may be in it or not.
    InFlight,
    /// Fewer than we believed: sold, or taken out by somebody.
    Fell {
        /// By so many.
        units: u32,
    },
    /// More than was ever shown since the last statement: no sale does that.
    Rose {
        /// By so many.
        units: u32,
    },
}

/// What is known of one number, and what is being done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    shown: Option<Statement>,
    /// On a channel that compares: units by which what it states fell, less the units of its sales that we heard of. The
    /// two come in any order. Above 0: sold, and not heard of yet. Below 0: heard of, and not stated yet. Where writes replace the
    /// number: units of a fall that is more than may have been sold unseen, until orders explain them.
    gap: i64,
    /// When the last of those sales was heard of.
    heard_at: Timestamp,
    open: Seldom<Open>,
    /// The channel may show something else than its statement says: it has to be asked.
    is_stale: bool,
    /// What we believed was not what it showed.
    is_refuted: bool,
    /// Since when another number should be shown.
    wrong_since: Option<Timestamp>,
    /// What was shown before the last call that was carried out.
    before: Option<i64>,
    /// Where writes replace the number: units that what is shown leaves for unseen sales. `None`: it was not looked at yet.
    left: Option<u32>,
    /// It was set among many, and leaves room for what was sold until then: that is no reason to set another.
    is_roomy: bool,
}

impl Slot {
    /// The newest statement.
    #[must_use]
    pub fn shown(&self) -> Option<Statement> {
        self.shown
    }

    /// What was shown before the last call that was carried out.
    #[must_use]
    pub fn before(&self) -> Option<i64> {
        self.before
    }

    /// How a statement fits what is known; `sold`: as [`Slot::most`].
    #[must_use]
    pub fn fit(&self, statement: Statement, sold: Option<&[Sold]>) -> Fit {
        let (Some(shown), Some(believed)) = (self.shown, self.believed(sold)) else {
            return Fit::AsKnown;
        };
        let is_open = self.is_open() || self.is_stale;
        let units = |by: i64| u32::try_from(by).unwrap_or(u32::MAX);
        match statement.units {
            _ if is_open || statement.at < shown.at => Fit::InFlight,
            stated if stated == believed => Fit::AsKnown,
            stated if stated < believed => Fit::Fell {
                units: units(believed - stated),
            },
            stated if stated > shown.units => Fit::Rose {
                units: units(stated - shown.units),
            },
            _ => Fit::InFlight,
        }
    }

    /// Whether a call may yet change what is shown.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.flight.is_some() || self.open.doubt.is_some() || self.open.handed.is_some()
    }

    /// The call under way.
    #[must_use]
    pub fn flight(&self) -> Option<Flight> {
        self.open.flight
    }

    /// Whether a statement of so many units is the call under way coming back, which lowers the number: its answer says as much.
    /// If it was somebody else, and the call is not carried out, less is shown than we believe until that is refused or stated.
    #[must_use]
    pub fn is_echo(&self, units: i64, writes: Writes) -> bool {
        let flight = self.open.flight.filter(|_| self.open.aside.is_none());
        let is_sent = flight.is_some_and(|flight| i64::from(flight.units) == units);
        let is_lower = self.shown.is_some_and(|shown| units < shown.units);
        writes == Writes::CompareAndSet && is_sent && is_lower
    }

    /// Since when another number should be shown.
    #[must_use]
    pub fn wrong_since(&self) -> Option<Timestamp> {
        self.wrong_since
    }

    /// Whether it is right and no call is under way.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.wrong_since.is_none() && self.open.flight.is_none()
    }

    /// Whether it was set among many, and leaves more room than is needed as far as is known.
    #[must_use]
    pub fn is_roomy(&self) -> bool {
        self.is_roomy
    }

    /// When it has to be looked at what the channel shows, though nothing else tells so: a lost call has surely ended, or
    /// sales that we heard of should have been stated long ago.
    #[must_use]
    pub fn doubt_due(&self) -> Option<Timestamp> {
        // Also of a number that is to be read: where writes replace, a lost raise is sent again, read or not.
        let doubt = self.open.doubt.filter(|doubt| !doubt.is_due);
        let doubt = doubt.map(|doubt| doubt.until);
        let unstated = (self.gap < 0).then_some(self.heard_at + STATED_WITHIN);
        let unread = unstated.into_iter().chain(self.open.verify_at);
        let unread = unread.filter(|_| !self.is_stale);
        let handed = self.open.handed.map(|handed| handed.until);
        unread.chain(doubt).chain(handed).min()
    }

    /// What the channel shows if all its sales are known, and at most shows if not. `None`: nothing is known.
    #[must_use]
    pub fn most(&self, sold: Option<&[Sold]>) -> Option<i64> {
        let most = self.most_beside_bulk(sold)?;
        Some(most.max(self.open.handed.map_or(most, |handed| handed.units.into())))
    }

    /// As [`Slot::most`], of all that was not handed over among many.
    fn most_beside_bulk(&self, sold: Option<&[Sold]>) -> Option<i64> {
        let shown = self.believed(sold);
        shown.map(|units| {
            self.open
                .doubt
                .map_or(units, |doubt| units.max(doubt.units))
        })
    }

    /// The newest statement, less what was sold since as far as we know.
    fn believed(&self, sold: Option<&[Sold]>) -> Option<i64> {
        let sold = sold.unwrap_or_default();
        let shown = self.shown?;
        Some(shown.units + self.gap.min(0) - sold_after(sold, shown.at))
    }

    /// What is to be done at `now`.
    #[must_use]
    pub fn act(&self, want: &Want<'_>, now: Timestamp) -> Act {
        if self.open.flight.is_some() {
            return Act::Nothing;
        }
        match want.writes {
            Writes::CompareAndSet => self.compare(want, now),
            Writes::Absolute => self.replace(want, now),
        }
    }

    /// What is to be done about a number that nobody sets: it is asked for where it is not known what the channel shows.
    #[must_use]
    pub fn look(&self, now: Timestamp) -> Act {
        let is_known = self.shown.is_some() && !self.is_stale && !self.is_in_doubt(now);
        match is_known || self.open.flight.is_some() {
            true => Act::Nothing,
            false => Act::Read,
        }
    }

    /// Units that should be shown, with what was sold unseen taken off.
    #[must_use]
    pub fn should(&self, want: &Want<'_>) -> u32 {
        want.units.saturating_sub(match want.writes {
            Writes::CompareAndSet if want.sold.is_none() => 0,
            Writes::CompareAndSet => self.unexplained(),
            Writes::Absolute => self.room(want),
        })
    }

    fn compare(&self, want: &Want<'_>, now: Timestamp) -> Act {
        let (Some(shown), Some(believed)) = (self.shown, self.believed(None)) else {
            return Act::Read;
        };
        let units = self.should(want);
        let set = Act::Set {
            units,
            change_from: Some(believed),
        };
        match i64::from(units) {
            _ if self.is_stale || self.is_in_doubt(now) => Act::Read,
            units if units == believed => Act::Nothing,
            // What fell may have been sold, and must not be put back.
            units if units > believed && want.sold.is_none() => {
                let of = self.wrong_since.unwrap_or(now).max(shown.at);
                proven(want, of, set)
            }
            _ => set,
        }
    }

    fn is_in_doubt(&self, now: Timestamp) -> bool {
        self.open.doubt.is_some_and(|doubt| now >= doubt.until)
    }

    /// A call begins.
    pub fn begin(&mut self, call: u64, units: u32, at: Timestamp) {
        self.open.flight = Some(Flight {
            call,
            units,
            begun_at: at,
            absorbed: -self.gap.min(0),
            left: None,
        });
    }

    /// The call was carried out: the channel shows what was sent, at `at` by its clock. On a channel that compares it did
    /// show what we believed: what had been heard and not stated is in it.
    pub fn confirm(&mut self, at: Timestamp) {
        let Some(flight) = self.open.flight.take() else {
            return;
        };
        self.before = self.shown.map(|shown| shown.units);
        self.shown = Some(Statement {
            units: i64::from(flight.units),
            at,
        });
        (self.left, self.is_roomy) = (flight.left, false);
        self.gap += flight.absorbed;
        (self.is_stale, self.is_refuted) = (false, false);
        self.overtake();
        self.open.doubt = self
            .open
            .doubt
            .filter(|doubt| flight.begun_at < doubt.until);
        if let Some(doubt) = &mut self.open.doubt {
            doubt.is_overwritten = true;
        }
        // What was begun after a lost call had ended, and taken, says what that left behind.
        let is_before = |at: &Timestamp| flight.begun_at + STATED_WITHIN < *at;
        self.open.verify_at = self.open.verify_at.filter(is_before);
        self.take_aside();
    }

    /// The call was refused and changed nothing. `stale`: as the channel shows another number than it was compared with.
    pub fn refuse(&mut self, stale: bool) {
        self.open.flight = None;
        self.is_stale |= stale;
        self.is_refuted |= stale;
        self.take_aside();
    }

    /// Nobody knows what became of the call; it has surely ended at `until`.
    pub fn lose(&mut self, until: Timestamp) {
        let Some(flight) = self.open.flight.take() else {
            return;
        };
        let units = i64::from(flight.units);
        let before = self.open.doubt.take();
        self.open.doubt = Some(Doubt {
            units: before.map_or(units, |doubt| units.max(doubt.units)),
            until: before.map_or(until, |doubt| until.max(doubt.until)),
            is_due: false,
            absorbed: flight.absorbed,
            is_overwritten: false,
            put_back: before.map_or(0, |doubt| doubt.put_back),
        });
        self.open.verify_at = Some(until + STATED_WITHIN);
        self.open.aside = None;
        self.is_stale = true;
    }

    /// What [`Slot::doubt_due`] said is due.
    pub fn end_doubt(&mut self, now: Timestamp) {
        if self.open.handed.is_some_and(|handed| handed.until <= now) {
            self.lose_handed(now);
        }
        if let Some(doubt) = &mut self.open.doubt {
            doubt.is_due = doubt.until <= now;
        }
        self.open.verify_at = self.open.verify_at.filter(|at| *at > now);
        (self.is_stale, self.is_refuted) = (true, true);
    }

    /// The channel says what it shows, of its own accord. What is older than known is passed over; of two numbers of one
    /// instant nobody knows which is the later one.
    pub fn state(&mut self, statement: Statement, writes: Writes) {
        if self.open.flight.is_some() {
            let later = self.open.aside.filter(|known| known.at > statement.at);
            let compares = writes == Writes::CompareAndSet;
            self.open.aside = compares.then_some(later.unwrap_or(statement));
            return;
        }
        match self.shown {
            Some(shown) if statement.at < shown.at => {}
            Some(shown) if statement.at == shown.at => {
                self.is_stale |= statement.units != shown.units;
            }
            Some(_) | None => self.measure(statement, writes),
        }
    }

    fn take_aside(&mut self) {
        if let Some(statement) = self.open.aside.take() {
            self.state(statement, Writes::CompareAndSet);
        }
    }

    /// The channel answers what it shows; it was asked at that time by our clock. If it said
    /// something else of that instant, or a later one, nobody knows which was first: it has to be asked again.
    pub fn read(&mut self, statement: Statement, writes: Writes, asked_at: Timestamp) {
        let overtaken =
            |shown: Statement| statement.at <= shown.at && statement.units != shown.units;
        // What was heard of meanwhile may be in it or not.
        let is_mixed = self.is_refuted && self.heard_at >= asked_at;
        if self.open.flight.is_some() || is_mixed || self.shown.is_some_and(overtaken) {
            self.is_stale = true;
            return;
        }
        self.measure(statement, writes);
        if self.is_refuted {
            // What was heard of and is still not stated will not be: it was given back meanwhile, say.
            self.gap = self.gap.max(0);
        }
        (self.is_stale, self.is_refuted) = (false, false);
        if self.is_in_doubt(asked_at) {
            self.open.doubt = None;
        }
    }

    /// Takes a statement over, and what fell since the last one.
    fn measure(&mut self, statement: Statement, writes: Writes) {
        if let Some(shown) = self.shown {
            let base = match writes {
                Writes::CompareAndSet => self.base(shown.units, statement.units),
                // What fell is kept apart.
                Writes::Absolute => shown.units.min(statement.units),
            };
            let fall = base - statement.units;
            // What rose was no sale: it makes up for what fell, and for nothing else.
            if fall > 0 {
                self.open.fell = Some(self.fall_to(statement));
            }
            self.gap = match fall {
                0.. => self.gap + fall,
                _ => self.gap.min((self.gap + fall).max(0)),
            };
        }
        (self.shown, self.left) = (Some(statement), None);
        self.is_roomy = false;
    }

    /// What was shown before. A lost call was carried out if that makes the smaller fall of it: then it is lost no more.
    fn base(&mut self, known: i64, stated: i64) -> i64 {
        let Some(doubt) = &mut self.open.doubt else {
            return known;
        };
        let from = known - doubt.absorbed;
        let is_done = doubt.units >= stated && (from < stated || doubt.units < from);
        if !is_done {
            // What had been heard of when it began is in what is stated now.
            doubt.absorbed = 0;
            return known;
        }
        let Doubt {
            units, absorbed, ..
        } = *doubt;
        self.open.doubt = None;
        self.gap += absorbed;
        units
    }

    /// What fell up to now means nothing for what is sold from now on: another thing is counted, or it begins to be
    /// published. It has to be asked for.
    pub fn begin_anew(&mut self) {
        (self.gap, self.left, self.is_roomy) = (0, None, false);
        (self.is_stale, self.is_refuted) = (true, false);
        self.wrong_since = None;
    }

    /// Notes since when the number is wrong. One of which falls and sales do not match is not right yet.
    pub fn note(&mut self, want: &Want<'_>, at: Timestamp) {
        self.leave(want);
        self.note_fall();
        self.open.give_room_back();
        let sold = want.sold.filter(|_| want.writes == Writes::Absolute);
        let right = self.open.doubt.is_none()
            && self.open.handed.is_none()
            && (!self.is_stale || want.writes == Writes::Absolute)
            && self.open.verify_at.is_none()
            && (self.gap == 0 || want.sold.is_none())
            && self.most(sold) == Some(i64::from(self.should(want)));
        self.wrong_since = match right {
            true => None,
            false => self.wrong_since.or(Some(at)),
        };
    }
}

fn proven(want: &Want<'_>, of: Timestamp, set: Act) -> Act {
    if want.proof >= of {
        set
    } else {
        Act::AwaitProof { of }
    }
}

/// Units sold after a time.
fn sold_after(sold: &[Sold], after: Timestamp) -> i64 {
    let later = sold.iter().filter(|sold| sold.at > after);
    later.map(|sold| i64::from(sold.units)).sum()
}
