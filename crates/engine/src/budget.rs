//! How often a channel may be called: a token bucket, shared by everything that calls it.

use crossdock_model::{Duration, Timestamp};

const NANO: u64 = 1_000_000_000;

/// A token bucket, in points: calls, or what a channel charges for them.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Billionths of a point per millisecond.
    nano_per_ms: u64,
    burst_nano: u64,
    left_nano: u64,
    /// Kept for those that have claimed it.
    claimed_nano: u64,
    /// What urgent calls took of what was claimed, and those that claim it have not had since.
    borrowed_nano: u64,
    at: Timestamp,
}

impl Budget {
    /// A full bucket of `burst` points that gets `per_s` points a second.
    #[must_use]
    pub fn new(per_s: u32, burst: u32, now: Timestamp) -> Self {
        Self::per_hour(u64::from(per_s) * 3_600, burst, now)
    }

    /// As [`Budget::new`], for slow rates: points per hour.
    #[must_use]
    pub fn per_hour(per_h: u64, burst: u32, now: Timestamp) -> Self {
        let burst_nano = u64::from(burst.max(1)) * NANO;
        Self {
            nano_per_ms: rate(per_h),
            burst_nano,
            left_nano: burst_nano,
            claimed_nano: 0,
            borrowed_nano: 0,
            at: now,
        }
    }

    fn left_at(&self, now: Timestamp) -> u64 {
        let gained = now.since(self.at).as_ms().saturating_mul(self.nano_per_ms);
        self.left_nano.saturating_add(gained).min(self.burst_nano)
    }

    fn cost(&self, points: u32) -> u64 {
        (u64::from(points) * NANO).min(self.burst_nano)
    }

    /// Takes points if there are as many that nobody has claimed. What costs more than the bucket holds takes a full one.
    pub fn take(&mut self, points: u32, now: Timestamp) -> bool {
        let free = self.left_at(now).saturating_sub(self.claimed_nano);
        free >= self.cost(points) && self.pay(points, now)
    }

    /// Takes points for what must not wait: also those that somebody has claimed, but in the long run no more of them than
    /// those that claim get, so that they have their turn.
    pub fn take_urgent(&mut self, points: u32, now: Timestamp) -> bool {
        if self.take(points, now) {
            return true;
        }
        let may = self.may_borrow(points) && self.pay(points, now);
        if may {
            self.borrowed_nano = self.borrowed_nano.saturating_add(self.cost(points));
        }
        may
    }

    fn may_borrow(&self, points: u32) -> bool {
        self.borrowed_nano.saturating_add(self.cost(points)) <= self.burst_nano / 2
    }

    fn pay(&mut self, points: u32, now: Timestamp) -> bool {
        let (cost, left) = (self.cost(points), self.left_at(now));
        if left < cost {
            return false;
        }
        self.left_nano = left - cost;
        self.at = now.max(self.at);
        true
    }

    /// Keeps points for a call that has waited long: others, whose calls cost less, would take them before there are as
    /// many. Ends with [`Budget::take_claimed`] or [`Budget::unclaim`].
    pub fn claim(&mut self, points: u32) {
        self.claimed_nano = self.claimed_nano.saturating_add(self.cost(points));
    }

    /// Takes claimed points if they are there; the claim is over then.
    pub fn take_claimed(&mut self, points: u32, now: Timestamp) -> bool {
        let is_paid = self.pay(points, now);
        if is_paid {
            self.borrowed_nano = self.borrowed_nano.saturating_sub(self.cost(points));
            self.unclaim(points);
        }
        is_paid
    }

    /// Gives a claim up.
    pub fn unclaim(&mut self, points: u32) {
        self.claimed_nano = self.claimed_nano.saturating_sub(self.cost(points));
        if self.claimed_nano == 0 {
            self.borrowed_nano = 0;
        }
    }

    /// Takes points for what can wait: only if more than half of the bucket is left then.
    pub fn take_spare(&mut self, points: u32, now: Timestamp) -> bool {
        self.left_at(now) >= self.spare(points) && self.take(points, now)
    }

    /// When so much more than half of the bucket is left, if nobody takes any until then.
    #[must_use]
    pub fn spare_ready_at(&self, points: u32, now: Timestamp) -> Timestamp {
        self.holds_at(self.spare(points), now)
    }

    fn spare(&self, points: u32) -> u64 {
        (u64::from(points) * NANO).saturating_add(self.burst_nano / 2)
    }

    /// The channel says how many points are left.
    pub fn correct(&mut self, left: u32, now: Timestamp) {
        self.left_nano = (u64::from(left) * NANO).min(self.burst_nano);
        self.at = now.max(self.at);
    }

    /// The channel says how many points it grants an hour, from now on.
    pub fn grant(&mut self, per_h: u64, now: Timestamp) {
        self.left_nano = self.left_at(now);
        self.at = now.max(self.at);
        self.nano_per_ms = rate(per_h);
    }

    /// When as many points are there that nobody has claimed.
    #[must_use]
    pub fn ready_at(&self, points: u32, now: Timestamp) -> Timestamp {
        self.holds_at(self.cost(points).saturating_add(self.claimed_nano), now)
    }

    /// When as many points are there for what must not wait, if nobody takes any until then.
    #[must_use]
    pub fn urgent_ready_at(&self, points: u32, now: Timestamp) -> Timestamp {
        match self.may_borrow(points) {
            true => self.claimed_ready_at(points, now),
            false => self.ready_at(points, now),
        }
    }

    /// When as many points are there for one that has claimed them.
    #[must_use]
    pub fn claimed_ready_at(&self, points: u32, now: Timestamp) -> Timestamp {
        self.holds_at(self.cost(points), now)
    }

    fn holds_at(&self, nano: u64, now: Timestamp) -> Timestamp {
        let lacking = nano.saturating_sub(self.left_at(now));
        now + Duration::from_ms(lacking.div_ceil(self.nano_per_ms))
    }
}

/// Billionths of a point per millisecond.
fn rate(per_h: u64) -> u64 {
    (per_h.saturating_mul(NANO) / 3_600_000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_back_with_time_up_to_the_burst() {
        let ms = Timestamp::from_ms;
        let mut budget = Budget::new(10, 3, ms(0));
        // (at, points, whether they are given)
        let steps = [
            (0, 2, true),
            (0, 2, false),
            (100, 2, true),
            (100, 1, false),
            (199, 1, false),
            (200, 1, true),
            (9_000, 3, true),
            (9_000, 1, false),
            (9_300, 99, true),
        ];
        for (at, points, given) in steps {
            assert_eq!(budget.take(points, ms(at)), given, "{points} at {at}");
        }
        assert_eq!(budget.ready_at(2, ms(9_300)), ms(9_500));
        budget.correct(2, ms(9_300));
        assert_eq!(budget.ready_at(2, ms(9_300)), ms(9_300));
    }

    /// One call per three minutes, and twenty at once.
    #[test]
    fn slow_rates_are_kept() {
        let ms = Timestamp::from_ms;
        let mut budget = Budget::per_hour(20, 20, ms(0));
        assert_eq!((0..99).filter(|_| budget.take(1, ms(0))).count(), 20);
        let next = budget.ready_at(1, ms(0)).as_ms();
        assert!((180_000..=180_100).contains(&next), "{next}");
    }

    /// What was there when another rate is told stays there.
    #[test]
    fn another_rate_is_kept_from_then_on() {
        let ms = Timestamp::from_ms;
        let mut budget = Budget::new(10, 10, ms(0));
        assert!(budget.take(10, ms(0)));
        budget.grant(3_600, ms(500));
        assert!(budget.take(5, ms(500)));
        assert_eq!(budget.ready_at(1, ms(500)), ms(1_500));
        assert!(!budget.take(1, ms(1_499)));
        assert!(budget.take(1, ms(1_500)));
    }

    /// Small calls leave a large one nothing until it has claimed what it needs.
    #[test]
    fn what_is_claimed_is_not_there_for_others() {
        let ms = Timestamp::from_ms;
        let mut budget = Budget::new(10, 10, ms(0));
        assert!(budget.take(10, ms(0)));
        budget.claim(5);
        assert_eq!(budget.ready_at(1, ms(0)), ms(600));
        assert_eq!(budget.claimed_ready_at(5, ms(0)), ms(500));
        assert!(!budget.take(1, ms(500)));
        assert!(!budget.take_claimed(5, ms(499)));
        assert!(budget.take_claimed(5, ms(500)));
        assert!(budget.take(1, ms(600)), "the claim is over");
        // One claim is given up, the other stays.
        budget.claim(5);
        budget.claim(2);
        budget.unclaim(5);
        assert_eq!(budget.ready_at(1, ms(600)), ms(900));
        assert!(!budget.take(1, ms(899)));
        assert!(budget.take(1, ms(900)));
    }

    /// A hundred points a second: five that claim all there is again and again, and what must not wait. Where that is little
    /// it never waits; where it is all there is, both have half of it.
    #[test]
    fn what_must_not_wait_takes_what_is_claimed_and_leaves_half_of_it() {
        const CLAIM: u32 = 250;
        const URGENT: u32 = 13;
        // (milliseconds between two urgent calls, longest wait of one, urgent calls, at least so many claims paid)
        for (every_ms, wait_max_ms, urgent_min, claims_min) in
            [(1_000, 150, 599, 190), (10, 3_000, 2_000, 110)]
        {
            let ms = Timestamp::from_ms;
            let mut budget = Budget::new(100, 2_000, ms(0));
            assert!(budget.take(2_000, ms(0)));
            (0..5).for_each(|_| budget.claim(CLAIM));
            let (mut urgent, mut claims, mut due) = (0, 0, 0);
            let mut longest = 0;
            for at in (0..600_000).step_by(10) {
                if at >= due && budget.take_urgent(URGENT, ms(at)) {
                    longest = longest.max(at - due);
                    urgent += 1;
                    due = at.max(due + every_ms);
                }
                if budget.take_claimed(CLAIM, ms(at)) {
                    claims += 1;
                    budget.claim(CLAIM);
                }
            }
            assert!(longest <= wait_max_ms, "{every_ms}: {longest}");
            assert!(urgent >= urgent_min, "{every_ms}: {urgent}");
            assert!(claims >= claims_min, "{every_ms}: {claims}");
        }
    }

    /// When it says that points are there, they are.
    #[test]
    fn what_must_not_wait_is_told_when_it_may_go_on() {
        let ms = Timestamp::from_ms;
        let mut budget = Budget::new(10, 10, ms(0));
        assert!(budget.take(10, ms(0)));
        budget.claim(5);
        for at in [0, 500] {
            let ready = budget.urgent_ready_at(5, ms(at));
            assert!(ready > ms(at));
            assert!(!budget.take_urgent(5, ms(ready.as_ms() - 1)));
            if at == 0 {
                assert_eq!(ready, ms(500));
                assert!(budget.take_urgent(5, ready));
            } else {
                assert_eq!(ready, ms(1_500), "half of the bucket was borrowed");
                assert!(budget.take_urgent(5, ready), "nobody waits for these");
            }
        }
    }

    #[test]
    fn what_can_wait_leaves_half_of_it() {
        let start = Timestamp::default();
        let mut budget = Budget::new(1, 10, start);
        assert!(budget.take_spare(5, start));
        assert!(!budget.take_spare(1, start));
        assert!(budget.take(5, start));
        assert!(!budget.take_spare(1, start + Duration::from_s(5)));
        let ready_at = budget.spare_ready_at(1, start);
        assert_eq!(ready_at, start + Duration::from_s(6));
        assert!(budget.take_spare(1, start + Duration::from_s(6)));
        assert!(
            !budget.take_spare(6, start + Duration::from_s(60)),
            "more than half"
        );
    }
}
