//! An order: what was sold, what is reserved for it, and who was asked to send it.
//!
//! The state says how many units each line needs and where units of it are; everything else follows. After
//! each event `progress` compares the two: what is missing is placed, what is too much is let go, what is
//! complete and paid is requested.

mod answers;
mod apply;
mod apply_lines;
mod apply_placing;
mod apply_reports;
mod apply_requests;
mod asked;
mod bound;
mod cancel;
mod commit;
mod draft;
mod edited;
mod effects;
mod facts;
mod holds;
mod lines;
mod lots;
mod placing;
mod progress;
mod recalls;
mod reports;
mod requests;
mod returns;
mod routes;
mod state;
mod view;
mod waiting;
mod work;

#[cfg(test)]
mod tests;

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::OrderEvent;
use crossdock_model::{Answer, Duration, EffectNumber, EntityId, Rejection, Timestamp};

use crate::decider::{Asked, Decider, Decision, IllegalHistory, Pending};
use draft::Draft;

pub use state::OrderState;

/// Lines an order may have.
pub const LINES_MAX: usize = 500;
/// Refunds, shipments and returns whose ids are remembered, each.
pub const IDS_MAX: usize = 1_000;
/// How often an order that was refused may be placed anew.
const PLACINGS_MAX: usize = 100;
/// Attempts of one placing that follow each other at once; later ones pause first.
const TRIES_AT_ONCE_MAX: u32 = 8;
/// First pause between two attempts, doubled with each.
const RETRY_AFTER: Duration = Duration::from_ms(20);
/// Longest pause of an order whose buyer is waiting for an answer.
const RETRY_ASKS_MAX: Duration = Duration::from_ms(320);
/// Longest pause of an order that is sold.
const RETRY_SOLD_MAX: Duration = Duration::from_s(30);
/// Longest pause of a sold order that needs a SKU which does not say what it has: each try is written down, and it may
/// be days until a person has looked at the SKU.
const RETRY_WITHHELD_MAX: Duration = Duration::from_minutes(5);
/// How long an order waits for stock until it looks again whether the rules allow other locations.
const REVIEW_AFTER: Duration = Duration::from_minutes(60);
/// Pause of an order for which locations had no capacity left.
const RETRY_CAPACITY_AFTER: Duration = Duration::from_s(60);
/// How long an order that asks first is tried before it is answered *busy*.
const ASKS_PATIENCE: Duration = Duration::from_s(10);
/// How long a location's word on its time to acknowledge is good for: a later request asks for it again.
const SLOT_FRESH_FOR: Duration = Duration::from_minutes(1);
/// How often locations may reject an order or be short before a person decides.
const REROUTES_MAX: u32 = 5;
/// First pause before a request that failed to be delivered is sent again, doubled with each.
const RESEND_AFTER: Duration = Duration::from_s(5);
/// Longest pause between two deliveries of a request.
const RESEND_MAX: Duration = Duration::from_minutes(150);
/// Deliveries of a request before a person is told.
const DELIVERIES_MAX: u32 = 16;
/// Tries of a report to the channel before a person is told; it is tried on.
const REPORT_PATIENCE: u32 = 6;
/// Tries of a report in all, until a person wants it tried again.
const REPORTS_MAX: u32 = 24;
/// How long an edit of the channel may stand without the statement that says it in full.
const EDIT_PATIENCE: Duration = Duration::from_minutes(10);
/// How long a location has to say whether it can stop units that a SKU wants back.
const STOP_WITHIN: Duration = Duration::from_minutes(60);
/// How long a shipped order is open before it is closed; goods may come back later all the same.
const CLOSE_AFTER: Duration = Duration::from_days(30);

/// Kind of the exception about an order that locations rejected too often.
const REROUTE_LIMIT: &str = "reroute_limit";
/// Kinds of exceptions after which a person decides where an order goes.
const STUCK: [&str; 2] = [placing::UNROUTABLE, REROUTE_LIMIT];

type Decided = Result<Decision<OrderEvent>, Rejection>;

/// A pause that doubles with each try.
fn backoff(first: Duration, tries: u32, max: Duration) -> Duration {
    let factor = 1_u64.checked_shl(tries).unwrap_or(u64::MAX);
    Duration::from_ms(first.as_ms().saturating_mul(factor).min(max.as_ms()))
}

impl Decider for OrderState {
    type Command = OrderCommand;
    type Event = OrderEvent;

    fn decide(&self, asked: &Asked<'_>, command: &OrderCommand) -> Decided {
        Draft::begin(self, asked).decide(command)
    }

    fn answered(
        &self,
        asked: &Asked<'_>,
        effect: EffectNumber,
        from: &EntityId,
        result: &Result<Answer, Rejection>,
    ) -> Decision<OrderEvent> {
        Draft::begin(self, asked).answered(effect, from, result)
    }

    fn wake(&self, asked: &Asked<'_>) -> Decision<OrderEvent> {
        Draft::begin(self, asked).wake()
    }

    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        self.summary(asked.version)
            .map(|summary| Answer::Order(Box::new(summary)))
            .ok_or_else(|| Rejection::NotFound(asked.id.to_string()))
    }

    fn apply(
        &mut self,
        id: &EntityId,
        event: &OrderEvent,
        at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        self.take_in(id, event, at)
    }

    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        self.deadline()
    }

    fn settled(&self, asked: &Asked<'_>) -> Option<Result<Answer, Rejection>> {
        self.outcome(asked.version)
    }
}

impl Draft<'_> {
    /// Only dispatches: each command is a method in the file of its group.
    fn decide(self, command: &OrderCommand) -> Decided {
        match command {
            OrderCommand::State {
                facts,
                origin,
                settle,
            } => self.state_facts(facts, *origin, *settle),
            OrderCommand::Place {
                facts,
                origin,
                hold,
                claim,
            } => self.place_once(facts, *origin, hold.as_ref(), claim),
            OrderCommand::AskOutcome { sku, attempt } => Ok(self.ask_outcome(sku, *attempt)),
            OrderCommand::Offer { sku, takes, until } => Ok(self.offer(sku, takes, *until)),
            _ if self.order.order.is_none() => Err(Rejection::NotFound(self.asked.id.to_string())),
            OrderCommand::Refund { .. }
            | OrderCommand::Cancel { .. }
            | OrderCommand::EditLines { .. }
            | OrderCommand::ShippedElsewhere { .. }
            | OrderCommand::UndoElsewhere { .. }
            | OrderCommand::Edited { .. } => self.change_lines(command),
            OrderCommand::ChangeDestination { .. }
            | OrderCommand::Reroute { .. }
            | OrderCommand::Split { .. } => self.change_route(command),
            OrderCommand::Hold {
                lines,
                reason,
                until,
            } => self.hold(lines, reason, *until),
            OrderCommand::Unhold { lines } => self.unhold(lines),
            OrderCommand::CancelAsked {
                lines,
                reason,
                asked_at,
            } => self.cancel_asked(lines, reason, *asked_at),
            OrderCommand::Free => self.free(),
            OrderCommand::ReleaseHold => Ok(self.release_hold()),
            OrderCommand::Note { text } => self.note(text),
            OrderCommand::Return { return_id, lines } => self.take_back(return_id, lines),
            OrderCommand::ResolveException { key, how } => self.resolve(key, how),
            OrderCommand::NoteException { key, text } => self.note_exception(key, text),
            OrderCommand::Acknowledge { .. }
            | OrderCommand::Reject { .. }
            | OrderCommand::ShortPick { .. }
            | OrderCommand::Ship { .. }
            | OrderCommand::AnswerCancel { .. }
            | OrderCommand::Delivered { .. } => self.hear_location(command),
            OrderCommand::BeginReport { .. }
            | OrderCommand::Reported { .. }
            | OrderCommand::Retell => self.hear_reporter(command),
            OrderCommand::TurnCame {
                sku,
                attempt,
                result,
            } => Ok(self.turn_came(sku, *attempt, result)),
            OrderCommand::GiveBack {
                sku,
                attempt,
                location,
            } => Ok(self.give_back(sku, *attempt, location)),
        }
    }
}
