//! The queue of a contended SKU: oldest first, and nobody passes those before.

use std::collections::BTreeMap;

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{AttemptId, SkuEvent};
use crossdock_model::{Answer, LocationId, Rejection};

use super::QUEUE_DEADLINE;
use super::draft::{Draft, Verdict};
use super::lines::Queued;

impl Draft<'_> {
    /// Serves the queue with what came free, and answers those who cannot be served any more.
    pub fn serve_queue(&mut self) {
        let stirred = self.stirred.freed || self.stirred.fell;
        if !stirred || self.state.queue.entries.is_empty() {
            return;
        }
        let somebody_short = self.somebody_may_be_short();
        let mut ahead: BTreeMap<LocationId, i64> = BTreeMap::new();
        let state = self.state;
        for queued in state.queue.entries.values() {
            if !somebody_short && !self.room_behind(&ahead) {
                break;
            }
            if self.left_queue.contains(&queued.id) {
                continue;
            }
            let before = |location: &LocationId| ahead.get(location).copied().unwrap_or(0);
            let order = Some(&queued.id.order);
            match self.verdict(order, &queued.takes, queued.sale, &before) {
                Verdict::Fits => self.take_turn(queued),
                Verdict::Short => {
                    let stock = Box::new(self.view(self.version + 1));
                    let sku = self.sku.clone();
                    self.leave_queue(queued, Rejection::Short { sku, stock });
                }
                Verdict::Contended => {
                    for take in &queued.takes {
                        *ahead.entry(take.location.clone()).or_default() += i64::from(take.units);
                    }
                }
            }
        }
    }

    /// Whether the largest want at some location is beyond what could ever come back.
    fn somebody_may_be_short(&self) -> bool {
        let owed = self.owed_units();
        self.state.queue.wants.iter().any(|(location, wants)| {
            let largest = wants.last_key_value().map_or(0, |(units, _)| *units);
            let certain = self.sums(location).firm() - self.sums(location).safety - owed;
            certain < i64::from(largest)
        })
    }

    /// Whether anything is left at a wanted location behind those who stand before, or for an order of its own.
    fn room_behind(&self, ahead: &BTreeMap<LocationId, i64>) -> bool {
        let offers = self.state.line.offers > 0;
        offers
            || self.state.queue.wants.keys().any(|location| {
                let before = ahead.get(location).copied().unwrap_or(0);
                self.sums(location).free() > before
            })
    }

    fn take_turn(&mut self, queued: &Queued) {
        self.left_queue.insert(queued.id.clone());
        self.change_all(&queued.takes, |sums, units| sums.queued -= units);
        self.grant(&queued.id, &queued.takes, queued.sale, queued.promised_at);
        let takes = queued.takes.clone();
        self.turn_came(&queued.id, Ok(Answer::Reserved { takes }));
    }

    fn leave_queue(&mut self, queued: &Queued, why: Rejection) {
        self.left_queue.insert(queued.id.clone());
        self.change_all(&queued.takes, |sums, units| sums.queued -= units);
        let id = queued.id.clone();
        self.events.push(SkuEvent::Unqueued { id });
        // Those behind it, and its own wait for stock, may be served now though no unit came free.
        self.stirred.freed = true;
        self.turn_came(&queued.id, Err(why));
    }

    fn turn_came(&mut self, id: &AttemptId, result: Result<Answer, Rejection>) {
        let came = OrderCommand::TurnCame {
            sku: self.sku.clone(),
            attempt: id.attempt,
            result,
        };
        self.tell(&id.order, came);
    }

    /// A queued reservation has waited long enough: not a refusal, its order tries again.
    pub fn end_queueing(&mut self, id: &AttemptId) {
        let state = self.state;
        if let Some(queued) = state.queue.get(id) {
            let sku = self.sku.clone();
            let retry_after_ms = QUEUE_DEADLINE.as_ms();
            self.leave_queue(
                queued,
                Rejection::Busy {
                    sku,
                    retry_after_ms,
                },
            );
        }
    }
}
