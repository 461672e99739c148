//! What a SKU does when time has come: nothing of it depends on the timer running in time.

use crossdock_model::Answer;
use crossdock_model::v1::SkuEvent;

use super::DUE_PER_DECISION;
use super::draft::Draft;
use super::state::Due;
use crate::decider::Decision;

impl Due {
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AskOutcome(_) => "ask for an outcome",
            Self::LeaveQueue(_) => "queue deadline",
            Self::EndOffer(_) => "end of an offer",
            Self::OfferAgain(_) => "offer again",
            Self::AskBackAgain(..) => "ask back again",
        }
    }
}

impl Draft<'_> {
    /// Does what is due, so much of it as one decision may.
    pub fn wake(mut self) -> Decision<SkuEvent> {
        let state = self.state;
        for (at, due) in state.timers.iter().take(DUE_PER_DECISION) {
            if *at > self.now {
                break;
            }
            match due {
                Due::AskOutcome(id) => self.ask_outcome(id),
                Due::LeaveQueue(id) => self.end_queueing(id),
                Due::EndOffer(order) => {
                    self.end_offer(order);
                }
                Due::OfferAgain(order) => self.resume(order),
                Due::AskBackAgain(location, id) => self.ask_back_again(location, id),
            }
        }
        self.finish(Answer::Done)
    }
}
