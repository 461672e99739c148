//! What calls to a channel cost: each waits for its points in a budget that it shares with others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossdock_model::{Duration, Timestamp};
use crossdock_runtime::{Budget, Clock};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A call that has waited so long for its points has them kept for it.
const CLAIM_AFTER: Duration = Duration::from_s(5);

/// A budget that several pay from.
#[derive(Debug)]
pub struct Purse {
    budget: Mutex<Budget>,
    freed: Notify,
}

impl Purse {
    /// To be shared.
    #[must_use]
    pub fn new(budget: Budget) -> Arc<Self> {
        Arc::new(Self {
            budget: Mutex::new(budget),
            freed: Notify::new(),
        })
    }

    /// What it holds.
    pub fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when points are there sooner than whoever asks after this was told.
    pub fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// The channel says how many points are left.
    pub fn correct(&self, left: u32, now: Timestamp) {
        self.budget().correct(left, now);
        self.freed.notify_waiters();
    }

    /// The channel says how many points it grants an hour.
    pub fn grant(&self, per_h: u64, now: Timestamp) {
        self.budget().grant(per_h, now);
        self.freed.notify_waiters();
    }

    /// A call is not waited for any more that had claimed its points.
    fn unclaim(&self, points: u32) {
        self.budget().unclaim(points);
        self.freed.notify_waiters();
    }
}

/// What one kind of call costs, and of what.
#[derive(Clone)]
pub struct Spend {
    purse: Arc<Purse>,
    points: u32,
    spare: u32,
    clock: Arc<dyn Clock>,
}

impl Spend {
    /// Calls that cost so many points, and leave some to others.
    #[must_use]
    pub fn new(purse: &Arc<Purse>, points: u32, spare: u32, clock: &Arc<dyn Clock>) -> Self {
        Self {
            purse: Arc::clone(purse),
            points,
            spare,
            clock: Arc::clone(clock),
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.purse.budget()
    }

    /// Whether what a call costs is there now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let now = self.clock.now();
        let wanted = self.points.saturating_add(self.spare);
        self.budget().ready_at(wanted, now) <= now
    }

    /// Takes what a call costs, if it is there now.
    #[must_use]
    pub fn try_take(&self) -> bool {
        self.is_ready() && self.budget().take(self.points, self.clock.now())
    }

    /// Takes what a call costs that can wait: if more than half of what there can be is left then.
    #[must_use]
    pub fn try_take_spare(&self) -> bool {
        let now = self.clock.now();
        self.budget().take_spare(self.points, now)
    }

    /// Begins to wait for a call.
    #[must_use]
    pub fn turn(&self) -> Turn {
        Turn {
            spend: self.clone(),
            claims_at: self.clock.now() + CLAIM_AFTER,
            has_claim: false,
        }
    }

    /// Waits until a call may be made, and takes what it costs.
    pub async fn take(&self) {
        let mut turn = self.turn();
        loop {
            let freed = self.purse.freed();
            if turn.try_take() {
                return;
            }
            tokio::select! {
                () = freed => {}
                () = self.clock.sleep_until(turn.ready_at()) => {}
            }
        }
    }
}

/// A call that waits for its points. Others' calls that cost less find theirs sooner: one that has waited long claims
/// its own, and leaves nothing to spare.
pub struct Turn {
    spend: Spend,
    claims_at: Timestamp,
    has_claim: bool,
}

impl Turn {
    /// Takes what the call costs, if it is there now.
    #[must_use]
    pub fn try_take(&mut self) -> bool {
        if !self.has_claim && self.spend.try_take() {
            return true;
        }
        let now = self.spend.clock.now();
        if !self.has_claim && now >= self.claims_at {
            self.spend.budget().claim(self.spend.points);
            self.has_claim = true;
        }
        let is_paid = self.has_claim && self.spend.budget().take_claimed(self.spend.points, now);
        self.has_claim &= !is_paid;
        is_paid
    }

    /// When it is to be tried again.
    #[must_use]
    pub fn ready_at(&self) -> Timestamp {
        let (spend, now) = (&self.spend, self.spend.clock.now());
        let at = match self.has_claim {
            true => spend.budget().claimed_ready_at(spend.points, now),
            false => {
                let wanted = spend.points.saturating_add(spend.spare);
                spend.budget().ready_at(wanted, now).min(self.claims_at)
            }
        };
        at.max(now + Duration::from_ms(1))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.has_claim {
            self.spend.purse.unclaim(self.spend.points);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration as Wait;

    use crossdock_runtime::PausedClock;

    use super::*;

    /// Numbers take whatever there is all the time: a list of orders has its turn, and they have theirs.
    #[test]
    fn a_call_that_costs_much_has_its_turn_beside_many_that_cost_little() {
        let paused = Arc::new(PausedClock::new(Timestamp::default()));
        let clock = Arc::clone(&paused) as Arc<dyn Clock>;
        let purse = Purse::new(Budget::new(100, 2_000, clock.now()));
        let list = Spend::new(&purse, 250, 200, &clock);
        let set = Spend::new(&purse, 13, 0, &clock);
        while set.try_take() {}
        let (mut lists, mut sets) = (0, 0);
        let mut turn = list.turn();
        for _ in 0..600 {
            paused.advance(Duration::from_ms(100));
            while set.try_take() {
                sets += 1;
            }
            if turn.try_take() {
                lists += 1;
                turn = list.turn();
            }
        }
        // A minute has 6,000 points: a list comes every five seconds and those that its points take to come.
        assert!((7..=9).contains(&lists), "{lists}");
        assert!(sets >= 280, "{sets}");
        // One that is not waited for any more keeps nothing.
        paused.advance(CLAIM_AFTER);
        while set.try_take() {}
        assert!(!turn.try_take());
        paused.advance(Duration::from_s(1));
        assert!(!set.try_take());
        drop(turn);
        assert!(set.try_take());
    }

    /// Time stands still: points are there as somebody else waits for them no more, or as the channel says that more are left.
    #[tokio::test]
    async fn points_that_are_given_back_are_taken_at_once() {
        for is_said in [false, true] {
            let paused = Arc::new(PausedClock::new(Timestamp::default()));
            let clock = Arc::clone(&paused) as Arc<dyn Clock>;
            let purse = Purse::new(Budget::per_hour(1, 100, clock.now()));
            assert!(purse.budget().take(50, clock.now()));
            let mut turn = Spend::new(&purse, 80, 0, &clock).turn();
            paused.advance(CLAIM_AFTER);
            assert!(!turn.try_take());
            let waits = Spend::new(&purse, 10, 0, &clock);
            let taken = tokio::spawn(async move { waits.take().await });
            tokio::task::yield_now().await;
            assert!(!taken.is_finished());
            match is_said {
                true => purse.correct(100, clock.now()),
                false => drop(turn),
            }
            let taken = tokio::time::timeout(Wait::from_secs(30), taken).await;
            assert!(matches!(taken, Ok(Ok(()))), "{taken:?}");
        }
    }
}
