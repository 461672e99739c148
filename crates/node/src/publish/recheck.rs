//! Looks now and then whether a channel still shows what it confirmed, also where nothing tells that it does not.
//!
//! Bucket by bucket, with what of the budget nothing urgent needs. What differs is a statement like any other: the bucket
//! says what it comes to, lowers it at once, and has it explained by orders or by a person.

use std::sync::Arc;

use crossdock_channels::{CallError, NumberShown};
use crossdock_model::Answer;
use crossdock_model::answer::{NumberView, Seen};
use crossdock_model::command::BucketCommand;
use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::{BUCKETS, Budget, CALLS_MAX, Number};

use super::Publisher;
use super::call::settle;

/// Pause before a call is tried again that the budget, or the channel, does not allow now.
const NOT_NOW: Duration = Duration::from_s(5);
/// What the channel said less than that ago needs no look; it may also show what it confirmed only minutes later.
const QUIET: Duration = Duration::from_minutes(15);
/// Tries of one page.
const TRIES_MAX: u32 = 3;

impl Publisher {
    /// Looks at every bucket once in a while, one after the other.
    pub(super) async fn recheck(self: Arc<Self>) {
        let share = Duration::from_ms(
            (self.link.numbers.recheck_every.as_ms() / u64::from(BUCKETS)).max(1),
        );
        loop {
            for bucket in 0..BUCKETS {
                let began = self.clock.now();
                self.recheck_bucket(bucket).await;
                self.recount_bucket(bucket).await;
                self.clock.sleep_until(began + share).await;
            }
        }
    }

    async fn recheck_bucket(&self, bucket: u16) {
        let Ok(Answer::Numbers(views)) = self.ask(bucket, BucketCommand::LookNumbers).await else {
            return;
        };
        let before = self.clock.now() - QUIET.min(self.link.numbers.recheck_every);
        let settled = views.into_iter().filter(|view| is_settled(view, before));
        let settled: Vec<Number> = settled.map(|view| (view.listing, view.place)).collect();
        for page in settled.chunks(self.link.numbers.limits.reads_max.max(1)) {
            if let Some((shown, asked_at)) = self.read_spare(page).await {
                self.compare(bucket, page, &shown, asked_at).await;
            }
        }
    }

    /// Reads numbers as soon as nothing urgent needs the calls; what is shown, and when that was asked. What the channel does
    /// not answer about is passed over: it is looked at again with the next round.
    pub(super) async fn read_spare(
        &self,
        page: &[Number],
    ) -> Option<(Vec<Option<NumberShown>>, Timestamp)> {
        let cost = self.link.numbers.limits.cost_of_reading(page.len());
        let mut failures = 0;
        while failures < TRIES_MAX {
            let asked_at = self.clock.now();
            let purse = self.link.numbers.read_purse();
            if self.desk().is_away(asked_at) {
                self.clock.sleep(NOT_NOW).await;
                continue;
            }
            let ready_at = spare_at(&mut purse.budget(), cost, asked_at);
            if let Some(ready_at) = ready_at {
                self.clock.sleep_until(ready_at).await;
                continue;
            }
            let read = self.link.numbers.numbers.read(page.to_vec()).await;
            let (shown, read) = settle(read, page.len());
            let Err(error) = read else {
                self.tell_near().await;
                return Some((shown, asked_at));
            };
            failures += 1;
            let pause = match error {
                CallError::Throttled { retry_after } => retry_after,
                CallError::NotDone(_) | CallError::Unknown(_) => NOT_NOW,
            };
            self.clock.sleep(pause.max(NOT_NOW)).await;
        }
        None
    }

    async fn compare(
        &self,
        bucket: u16,
        page: &[Number],
        shown: &[Option<NumberShown>],
        asked_at: Timestamp,
    ) {
        let mut missing = Vec::new();
        for (number, shown) in page.iter().zip(shown) {
            let Some(shown) = shown else {
                missing.push(number.clone());
                continue;
            };
            if let Some(Seen::Drifted(class)) = self.show(bucket, number, shown, asked_at).await {
                let ((listing, place), units) = (number, shown.units);
                tracing::warn!(%listing, %place, ?units, ?class, "a number drifted; it is put right");
            }
        }
        for numbers in missing.chunks(CALLS_MAX) {
            self.miss(bucket, numbers.to_vec(), asked_at).await;
        }
    }
}

/// Pays for a call that can wait; else says when to try again: when the points are there, or later if others claim them.
fn spare_at(budget: &mut Budget, cost: u32, now: Timestamp) -> Option<Timestamp> {
    if budget.take_spare(cost, now) {
        return None;
    }
    let ready_at = budget.spare_ready_at(cost, now);
    Some(match ready_at > now {
        true => ready_at,
        false => now + NOT_NOW,
    })
}

/// Whether nothing is done about it, or nothing can be, and the channel said before then what it shows. Of a channel that is
/// only observed that is every number: what it would be changed from is what it shows.
fn is_settled(view: &NumberView, before: Timestamp) -> bool {
    let is_quiet = view.stated_at.is_some_and(|at| at <= before);
    // What the channel does not count it may count again, and what it does not have it may have.
    let rests = view.rests || !view.is_tracked;
    rests && view.should.is_some() && is_quiet
}

#[cfg(test)]
mod tests {
    use crossdock_model::v1::ListingMode;
    use crossdock_model::{ListingId, SourceId};

    use super::*;

    /// A small bucket lets as many be looked at as its rate has, not a burst every few seconds.
    #[test]
    fn what_can_wait_goes_on_when_its_points_are_there() {
        let ms = Timestamp::from_ms;
        let mut budget = Budget::new(5, 5, ms(0));
        let (mut now, mut pages) = (ms(0), 0);
        while now < ms(60_000) {
            match spare_at(&mut budget, 1, now) {
                None => pages += 1,
                Some(at) => now = at,
            }
        }
        assert!(pages >= 299, "{pages}");
        budget.claim(5);
        now = now + Duration::from_s(60);
        assert_eq!(spare_at(&mut budget, 1, now), Some(now + NOT_NOW));
    }

    /// (whether nothing is done about it, whether the channel counts it, when that was said, whether it is looked at)
    #[test]
    fn what_rests_or_is_not_counted_is_looked_at() {
        for (rests, is_tracked, stated_at, expected) in [
            (true, true, 5, true),
            (true, true, 6, false),
            (false, true, 5, false),
            (false, false, 5, true),
            (true, false, 6, false),
        ] {
            let view = NumberView {
                listing: ListingId::new("inventory_item:77").unwrap(),
                place: SourceId::new("shop/8050").unwrap(),
                mode: ListingMode::Paused,
                shown: None,
                stated_at: Some(Timestamp::from_ms(stated_at)),
                should: Some(3),
                wrong_since: Some(Timestamp::from_ms(4)),
                is_tracked,
                is_sent_by_channel: false,
                is_missing: false,
                rests,
            };
            let is_looked_at = is_settled(&view, Timestamp::from_ms(5));
            assert_eq!(is_looked_at, expected, "{view:?}");
        }
    }
}
