//! A SKU: who may take which units.
//!
//! One SKU decides alone and in order whether a unit is taken. It keeps balances and open things only, with a
//! running sum per location and an index for everything that falls due, so that a decision costs the same
//! after ten million reservations as after a thousand. A decision is drafted (see `draft`): its own events
//! first, then whoever is to be served by what came free, then whoever must be asked for units that are not
//! there.

mod allocated;
mod apply;
mod closed;
mod draft;
mod exceptions;
mod expiries;
mod give_back;
mod hold;
mod kit;
mod ledger;
mod lines;
mod listeners;
mod movements;
mod queue;
mod reserve;
mod sales;
mod state;
mod stock;
mod view;
mod wait;
mod wake;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{SkuEvent, Take, Tracking};
use crossdock_model::{Answer, Duration, EntityId, Rejection, Timestamp};

pub use kit::{KIT_DEPTH_MAX, Shelved, kit_ats};
pub use listeners::{LISTENERS_MAX, Publication};
pub use sales::SALES_MAX;
pub use state::SkuState;

use crate::decider::{Asked, Decider, Decision, IllegalHistory};
use draft::Draft;

/// How long an order may leave a reservation undecided before it is asked.
pub const ASK_AFTER: Duration = Duration::from_s(5);
/// Longest pause between two such questions.
pub const ASK_PAUSE_MAX: Duration = Duration::from_s(60);
/// Questions an order may leave open until the next one is asked for its units too.
pub const ASKS_UNTIL_NEXT: u32 = 3;
/// Longest pause between two questions to one order for its units.
pub const ASK_BACK_PAUSE_MAX: Duration = Duration::from_minutes(15);
/// Most orders asked for their units at a location at once.
pub const ASKED_BACK_MAX: usize = 64;
/// How long a reservation may wait its turn.
pub const QUEUE_DEADLINE: Duration = Duration::from_ms(500);
/// Most reservations that wait their turn.
pub const QUEUE_MAX: usize = 1_024;
/// How long units that came free are kept for a waiting order.
pub const OFFER_FOR: Duration = Duration::from_s(2);
/// Most live offers: the rest of the line is served as they end.
pub const OFFERS_MAX: usize = 512;
/// Shortest pause before an order that let an offer pass is offered the same units again.
pub const OFFER_PAUSE_MIN: Duration = Duration::from_s(2);
/// Longest such pause: who cannot use what is free is not asked about it again and again.
pub const OFFER_PAUSE_MAX: Duration = Duration::from_minutes(15);
/// Most orders that wait for stock. Further ones ask again until there is room in the line.
pub const WAITING_MAX: usize = 50_000;
/// Most open reservations: past it whoever asks is told to come back. Those of sold orders are not lost: they come back
/// by themselves.
pub const RESERVATIONS_MAX: usize = 100_000;
/// Most live holds.
pub const HOLDS_MAX: usize = 100_000;
/// Most closed attempts, holds, returns and transfers, each, remembered within the dedup window.
pub const CLOSED_MAX: usize = 100_000;
/// Most things that fall due done in one decision; the rest is done in the next.
pub const DUE_PER_DECISION: usize = 64;
/// Most units in one command: far above any stock, far below what could overflow a sum.
pub const UNITS_MAX: u32 = 1_000_000_000;
/// Most locations of one SKU, and most takes in one command.
pub const LOCATIONS_MAX: usize = 4_096;
/// Most references of expected units at a location, and most open transfers of a SKU.
pub const EXPECTED_MAX: usize = 1_000;
/// Most instants of which movements are remembered per location; with more, older ones share instants.
pub const MOVEMENTS_MAX: usize = 4_096;
/// A count older than that is recorded, not applied.
pub const COUNT_AGE_MAX: Duration = Duration::from_days(1);
/// Movements that close to a count may be in it or not.
pub const COUNT_AMBIGUITY: Duration = Duration::from_minutes(15);
/// What an untracked SKU shows as available: there is always enough.
pub const UNTRACKED_UNITS: u32 = 1_000_000;

/// Exception kind: fewer units than committed, and nobody gives any back.
pub const SHORT: &str = "short";
/// Exception kind: movements that close to a count that they may be counted twice or not at all.
pub const DRIFT: &str = "drift";

impl Decider for SkuState {
    type Command = SkuCommand;
    type Event = SkuEvent;

    fn decide(
        &self,
        asked: &Asked<'_>,
        command: &SkuCommand,
    ) -> Result<Decision<SkuEvent>, Rejection> {
        let draft = Draft::new(self, asked)?;
        let of_kits = matches!(
            command,
            SkuCommand::Define { .. }
                | SkuCommand::ReadHeld { .. }
                | SkuCommand::Subscribe { .. }
                | SkuCommand::Unsubscribe { .. }
        );
        if matches!(self.tracking(), Tracking::Kit(_)) && !of_kits {
            return Err(Rejection::invalid(
                "sku",
                "a kit has no stock of its own: it is reserved by component",
            ));
        }
        match command {
            SkuCommand::Define { .. }
            | SkuCommand::Count { .. }
            | SkuCommand::Adjust { .. }
            | SkuCommand::Receive { .. }
            | SkuCommand::Expect { .. }
            | SkuCommand::SetSafety { .. }
            | SkuCommand::TransferOut { .. }
            | SkuCommand::TransferIn { .. }
            | SkuCommand::MarkUnavailable { .. }
            | SkuCommand::MakeAvailable { .. }
            | SkuCommand::SoldAtTill { .. }
            | SkuCommand::Return { .. } => draft.stock(command),
            SkuCommand::Hold { .. } => draft.hold(command),
            SkuCommand::ReleaseHold { hold } => Ok(draft.release_hold(hold)),
            SkuCommand::Reserve { .. } | SkuCommand::ReserveHeld { .. } => draft.reserves(command),
            SkuCommand::ReadHeld { hold } => draft.name_hold(hold).read_held(),
            SkuCommand::Confirm { id } => draft.confirm(id),
            SkuCommand::Release { id } => Ok(draft.release(id)),
            SkuCommand::Outcome { id, outcome } => draft.outcome(id, outcome),
            SkuCommand::Settle {
                id,
                location,
                shipped_units: shipped,
                released_units: released,
                missing_units: missing,
            } => draft.settle(id, location, [*shipped, *released, *missing]),
            SkuCommand::Wait { .. } => draft.wait(command),
            SkuCommand::StopWaiting { order } => Ok(draft.stop_waiting(order)),
            SkuCommand::DeclineOffer { order } => Ok(draft.decline_offer(order)),
            SkuCommand::Kept { id, location } => Ok(draft.kept(id, location)),
            SkuCommand::ResolveException { key, how } => draft.resolve_exception(key, how),
            SkuCommand::NoteException { key, text } => draft.note_exception(key, text),
            SkuCommand::Subscribe { bucket } => draft.subscribe(bucket),
            SkuCommand::Unsubscribe { bucket } => draft.unsubscribe(bucket),
            SkuCommand::LookCount { location } => Ok(self.look_count(location)),
        }
    }

    fn wake(&self, asked: &Asked<'_>) -> Decision<SkuEvent> {
        match Draft::new(self, asked) {
            Ok(draft) => draft.wake(),
            Err(_) => Decision::unchanged(Answer::Done),
        }
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        if !self.exists() {
            return Err(Rejection::NotFound(asked.id.to_string()));
        }
        let draft = Draft::new(self, asked)?;
        Ok(Answer::Stock(Box::new(draft.view(asked.version))))
    }

    fn apply(
        &mut self,
        id: &EntityId,
        event: &SkuEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        self.take_in(id, event, at)
    }

    fn forget(&mut self, now: Timestamp, window: Duration) {
        self.closed.forget(now, window);
    }

    fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        let expiry = self.expiries.first().map(|at| (at, "hold expiry"));
        let timer = self.timers.first().map(|(at, due)| (*at, due.reason()));
        expiry.into_iter().chain(timer).min()
    }
}

/// A pause that doubles with each try.
fn backoff(min: Duration, tries: u32, max: Duration) -> Duration {
    let factor = 1_u64.checked_shl(tries).unwrap_or(u64::MAX);
    Duration::from_ms(min.as_ms().saturating_mul(factor)).min(max)
}

/// Units as a quantity that cannot be negative.
fn count(units: i64) -> u32 {
    u32::try_from(units.max(0)).unwrap_or(u32::MAX)
}

/// The sum of takes that each name another location and at least one unit.
fn checked(takes: &[Take]) -> Result<u32, Rejection> {
    let mut seen = std::collections::BTreeSet::new();
    let mut sum = 0_u32;
    for take in takes {
        if take.units == 0 || !seen.insert(&take.location) {
            return Err(Rejection::invalid(
                "takes",
                "each take names another location and at least one unit",
            ));
        }
        sum = sum.saturating_add(take.units);
    }
    if takes.len() > LOCATIONS_MAX {
        return Err(Rejection::Limit {
            what: "takes".to_owned(),
            max: LOCATIONS_MAX as u64,
        });
    }
    checked_units("takes", sum)
}

/// At least one unit, and no more than sums can bear.
fn checked_units(field: &str, units: u32) -> Result<u32, Rejection> {
    match units {
        1..=UNITS_MAX => Ok(units),
        _ => Err(Rejection::invalid(
            field,
            format!("must be between 1 and {UNITS_MAX} units"),
        )),
    }
}

/// Whether two lists take the same, in whatever order.
fn same_takes(one: &[Take], other: &[Take]) -> bool {
    let sorted = |takes: &[Take]| {
        let mut takes = takes.to_vec();
        takes.sort();
        takes
    };
    sorted(one) == sorted(other)
}
