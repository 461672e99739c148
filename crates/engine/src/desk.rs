//! Which number of a channel is sent next: the most dangerous first, as its rate allows.
//!
//! Buckets offer; the desk holds the newest offers, rests what was refused, and stops altogether while a channel does
//! not answer. It owns nothing durable: a bucket offers again whatever is still wrong.

use std::collections::BTreeMap;

use crossdock_logic::bucket::{Offer, Offers, Urgency};
use crossdock_model::{ChannelId, Duration, ListingId, SourceId, Timestamp, codec};

use crate::budget::Budget;

/// First pause of a number that was refused; it doubles with each refusal.
const REST_MIN: Duration = Duration::from_s(1);
/// Longest such pause.
const REST_MAX: Duration = Duration::from_minutes(15);
/// Numbers of which pauses are remembered after they are over: a shop may refuse all that it does not stock at one of its
/// places.
const PAUSES_MAX: usize = 200_000;
/// First time for which a number is passed over that was in a call without an answer; it doubles with each such call.
const PASSED_MIN: Duration = Duration::from_s(1);
/// Longest such time.
const PASSED_MAX: Duration = Duration::from_minutes(2);
/// Calls in a row without an answer after which the channel is taken to be away.
const FAILURES_MAX: u32 = 5;
/// First pause of a channel that is away; it doubles with each call that fails.
const AWAY_MIN: Duration = Duration::from_s(1);
/// Longest such pause.
const AWAY_MAX: Duration = Duration::from_minutes(1);
/// Of so many calls one is for what shows too few, however much shows too many.
const RAISE_EVERY: u32 = 8;

/// One number: a listing at a place of the channel.
pub type Number = (ListingId, SourceId);

/// How a channel is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeskLimits {
    /// Numbers in one call at most.
    pub batch_max: usize,
    /// Calls under way at most.
    pub calls_max: usize,
    /// What a call that sets numbers costs of the budget.
    pub cost: u32,
    /// Numbers read in one call at most.
    pub reads_max: usize,
    /// What reading one number costs of the budget; the whole call costs one at least.
    pub read_cost: u32,
}

impl DeskLimits {
    /// What reading so many numbers in one call costs.
    #[must_use]
    pub fn cost_of_reading(&self, numbers: usize) -> u32 {
        let numbers = u32::try_from(numbers).unwrap_or(u32::MAX);
        self.read_cost.saturating_mul(numbers).max(1)
    }
}

/// What became of a number that was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The channel took it, or said what it shows, or nothing was to be done any more.
    Done,
    /// The channel refused this number.
    Refused,
    /// Its call had no answer, or one that says that the channel does not work: that may be for this number's sake.
    Failed,
}

/// Numbers for one call, by their buckets.
pub type Pick = BTreeMap<u16, Vec<Number>>;

/// Numbers of one call.
struct Numbers {
    /// With their buckets.
    numbers: Vec<(u16, Number)>,
    /// Somebody oversells while they wait.
    is_urgent: bool,
}

/// What calls are paid from.
#[derive(Debug)]
pub enum Funds<'a> {
    /// One budget for all of them.
    Shared(&'a mut Budget),
    /// One for each kind: what there is of the one helps nothing with the other.
    Apart {
        /// Numbers are set from it.
        sets: &'a mut Budget,
        /// Numbers are read from it.
        reads: &'a mut Budget,
    },
}

impl Funds<'_> {
    fn of(&mut self, is_read: bool) -> &mut Budget {
        match self {
            Self::Shared(budget) => budget,
            Self::Apart { reads, .. } if is_read => reads,
            Self::Apart { sets, .. } => sets,
        }
    }
}

impl<'a> From<&'a mut Budget> for Funds<'a> {
    fn from(budget: &'a mut Budget) -> Self {
        Self::Shared(budget)
    }
}

/// Pauses of numbers, each longer than the one before.
#[derive(Debug)]
struct Pauses {
    min: Duration,
    max: Duration,
    of: BTreeMap<Number, Pause>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    /// Pauses of the number in a row.
    times: u32,
    until: Timestamp,
}

impl Pauses {
    fn new(min: Duration, max: Duration) -> Self {
        let of = BTreeMap::new();
        Self { min, max, of }
    }

    /// A number has its next pause.
    fn begin(&mut self, number: &Number, now: Timestamp) {
        let known = self.of.get(number).map_or(0, |pause| pause.times);
        if self.of.len() >= PAUSES_MAX {
            // Others that are over begin with a short one the next time.
            self.of.retain(|_, pause| pause.until > now);
        }
        let pause = Pause {
            times: known + 1,
            until: now + doubled(self.min, known, self.max),
        };
        self.of.insert(number.clone(), pause);
    }

    /// The pauses in a row of a number that has one now, else 0.
    fn times(&self, number: &Number, now: Timestamp) -> u32 {
        let pause = self.of.get(number).filter(|pause| pause.until > now);
        pause.map_or(0, |pause| pause.times)
    }
}

/// The desk of one channel.
#[derive(Debug)]
pub struct Desk {
    limits: DeskLimits,
    offers: BTreeMap<u16, Vec<Offer>>,
    /// Each with the call that it is read by, if it is.
    under_way: BTreeMap<Number, Option<u32>>,
    calls: usize,
    /// Numbers that are still read, by the calls that do.
    reads: BTreeMap<u32, usize>,
    /// Numbers that the channel refused are not sent.
    rests: Pauses,
    /// Others go before numbers that calls failed for.
    passed: Pauses,
    failures: u32,
    away_until: Timestamp,
    picked: u32,
    /// When the points are there that were missing last.
    ready_at: Timestamp,
    /// Numbers in the next call at most: fewer after one in which a number kept the others from being taken.
    batch_max: usize,
    /// The same of one that reads.
    reads_max: usize,
    /// Whose pauses are unlike those of other channels.
    spread_by: Option<ChannelId>,
}

impl Desk {
    /// A desk for a channel that is written to like this.
    #[must_use]
    pub fn new(limits: DeskLimits) -> Self {
        Self {
            batch_max: limits.batch_max,
            reads_max: limits.reads_max,
            limits,
            offers: BTreeMap::new(),
            under_way: BTreeMap::new(),
            calls: 0,
            reads: BTreeMap::new(),
            rests: Pauses::new(REST_MIN, REST_MAX),
            passed: Pauses::new(PASSED_MIN, PASSED_MAX),
            failures: 0,
            away_until: Timestamp::default(),
            picked: 0,
            ready_at: Timestamp::default(),
            spread_by: None,
        }
    }

    /// The desk of that channel: while it is away its pauses are shorter by a part that is its own, so that channels that
    /// went away together, with the network, are not tried again together.
    #[must_use]
    pub fn of(channel: ChannelId, limits: DeskLimits) -> Self {
        Self {
            spread_by: Some(channel),
            ..Self::new(limits)
        }
    }

    /// What a bucket offers now, in place of what it offered before.
    pub fn offered(&mut self, offers: Offers) {
        if offers.offers.is_empty() {
            self.offers.remove(&offers.bucket);
        } else {
            self.offers.insert(offers.bucket, offers.offers);
        }
    }

    /// Numbers for the next call, if one may be made now. Each pick ends with [`Desk::ended`] for every number and one of
    /// [`Desk::answered`] and [`Desk::unanswered`].
    pub fn pick<'a>(&mut self, funds: impl Into<Funds<'a>>, now: Timestamp) -> Option<Pick> {
        if self.calls >= self.limits.calls_max || now < self.away_until {
            return None;
        }
        let (numbers, is_read) = self.paid(funds.into(), now)?;
        self.calls += 1;
        self.picked = self.picked.wrapping_add(1);
        let read_by = is_read.then_some(self.picked);
        self.reads
            .extend(read_by.map(|call| (call, numbers.numbers.len())));
        let mut pick = Pick::new();
        for (bucket, number) in numbers.numbers {
            self.under_way.insert(number.clone(), read_by);
            pick.entry(bucket).or_default().push(number);
        }
        Some(pick)
    }

    /// Whether one more call of a kind may be under way. Reads leave half of the calls to what is set: those that hang hold
    /// back nothing that must be lowered. While a channel does not answer, one call of a kind at a time tries whether it is back.
    fn has_room(&self, is_read: bool) -> bool {
        let (all, reads) = (self.limits.calls_max, self.reads.len());
        let sets = self.calls.saturating_sub(reads);
        let (under_way, most) = match is_read {
            true => (reads, (all / 2).max(1)),
            false => (sets, all),
        };
        let most = if self.failures > 0 { 1 } else { most };
        under_way < most
    }

    /// The most urgent numbers, once their call is paid. Where each kind of call has a budget of its own, those of the other
    /// kind have their turn if there are no points for them.
    fn paid(&mut self, mut funds: Funds<'_>, now: Timestamp) -> Option<(Numbers, bool)> {
        let (sets, reads, is_read) = self.first(now);
        let kinds = match is_read {
            true => [(reads, true), (sets, false)],
            false => [(sets, false), (reads, true)],
        };
        let tries = match funds {
            Funds::Shared(_) => 1,
            Funds::Apart { .. } => 2,
        };
        self.ready_at = Timestamp::default();
        let mut lacking: Option<Timestamp> = None;
        let kinds = kinds.into_iter().filter(|(numbers, is_read)| {
            let is_wanted = !numbers.numbers.is_empty();
            is_wanted && self.has_room(*is_read)
        });
        let kinds: Vec<(Numbers, bool)> = kinds.take(tries).collect();
        for (numbers, is_read) in kinds {
            let cost = match is_read {
                true => self.limits.cost_of_reading(numbers.numbers.len()),
                false => self.limits.cost,
            };
            let budget = funds.of(is_read);
            let (is_paid, ready_at) = match numbers.is_urgent {
                true => (
                    budget.take_urgent(cost, now),
                    budget.urgent_ready_at(cost, now),
                ),
                false => (budget.take(cost, now), budget.ready_at(cost, now)),
            };
            if is_paid {
                return Some((numbers, is_read));
            }
            lacking = Some(lacking.map_or(ready_at, |at| at.min(ready_at)));
        }
        self.ready_at = lacking.unwrap_or_default();
        None
    }

    /// The most urgent numbers that may be sent, and read, now, and whether those that are read come first: what goes in one
    /// call is all of a kind.
    fn first(&self, now: Timestamp) -> (Numbers, Numbers, bool) {
        let raises_first = self.picked % RAISE_EVERY == RAISE_EVERY - 1;
        let (mut sets, mut reads) = (Vec::new(), Vec::new());
        for (bucket, offers) in &self.offers {
            for offer in offers {
                let number = (offer.listing.clone(), offer.place.clone());
                if self.may_go(&number, now) {
                    let open = if offer.is_read { &mut reads } else { &mut sets };
                    let failures = self.passed.times(&number, now);
                    let rank = rank(offer, failures, raises_first, now);
                    open.push((rank, *bucket, number));
                }
            }
        }
        let is_read = match (reads.iter().min(), sets.iter().min()) {
            (Some(read), Some(set)) => read < set,
            (first, _) => first.is_some(),
        };
        let (sets, reads) = (most(sets, self.batch_max), most(reads, self.reads_max));
        (sets, reads, is_read)
    }

    /// Numbers that could be sent now and of which nobody oversells by waiting.
    #[must_use]
    pub fn may_wait(&self, now: Timestamp) -> usize {
        let offers = self.offers.values().flatten();
        let may_wait = offers.filter(|offer| {
            let number = || (offer.listing.clone(), offer.place.clone());
            offer.urgency != Urgency::Lower && !offer.is_read && self.may_go(&number(), now)
        });
        may_wait.count()
    }

    fn may_go(&self, number: &Number, now: Timestamp) -> bool {
        self.rests.times(number, now) == 0 && !self.under_way.contains_key(number)
    }

    /// A number that was picked is done with for now.
    pub fn ended(&mut self, number: &Number, ended: Ended, now: Timestamp) {
        if let Some(call) = self.under_way.remove(number).flatten()
            && let Some(left) = self.reads.get_mut(&call)
        {
            *left = left.saturating_sub(1);
            self.reads.retain(|_, left| *left > 0);
        }
        match ended {
            Ended::Done => {
                self.rests.of.remove(number);
                self.passed.of.remove(number);
            }
            // The next calls are made for others, if there are any: one number that the channel cannot work on keeps
            // nothing else from being sent.
            Ended::Failed => self.passed.begin(number, now),
            Ended::Refused => self.rests.begin(number, now),
        }
    }

    /// The channel answered a call, whatever it said. Returns whether it was taken to be away.
    pub fn answered(&mut self) -> bool {
        self.end_call();
        let was_away = self.failures >= FAILURES_MAX;
        self.failures = 0;
        if was_away {
            self.away_until = Timestamp::default();
            // It was the channel, and no number of it.
            self.passed.of.clear();
        }
        was_away
    }

    fn end_call(&mut self) {
        self.calls = self.calls.saturating_sub(1);
        while self.reads.len() > self.calls {
            self.reads.pop_first();
        }
    }

    /// Nothing had to be called after all.
    pub fn idle(&mut self) {
        self.end_call();
    }

    /// Numbers of a call were left undone for another's sake, or none was: the next calls are smaller, or larger again.
    pub fn resize(&mut self, left_undone: bool) {
        self.batch_max = resized(self.batch_max, left_undone, self.limits.batch_max);
    }

    /// As [`Desk::resize`], after a call that reads.
    pub fn resize_reads(&mut self, left_undone: bool) {
        self.reads_max = resized(self.reads_max, left_undone, self.limits.reads_max);
    }

    /// A call had no answer, or one that says that the channel does not work. Returns whether it is taken to be away
    /// from now on.
    pub fn unanswered(&mut self, now: Timestamp) -> bool {
        self.end_call();
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            let pause = doubled(AWAY_MIN, self.failures - FAILURES_MAX, AWAY_MAX);
            self.away_until = now + self.spread(pause);
        }
        self.failures == FAILURES_MAX
    }

    /// Up to a quarter less of a pause.
    fn spread(&self, pause: Duration) -> Duration {
        let Some(channel) = &self.spread_by else {
            return pause;
        };
        let part = pause.as_ms() / 4 + 1;
        let less = codec::digest(&(channel, self.failures)) % part;
        Duration::from_ms(pause.as_ms() - less)
    }

    /// Whether the channel is not to be called: it asked for a pause, or does not answer and the desk's own calls will tell
    /// when it does.
    #[must_use]
    pub fn is_away(&self, now: Timestamp) -> bool {
        let is_tried = self.calls > 0 || !self.offers.is_empty();
        now < self.away_until || (self.failures >= FAILURES_MAX && is_tried)
    }

    /// The channel said that it is asked too much.
    pub fn throttled(&mut self, until: Timestamp) {
        self.end_call();
        self.away_until = self.away_until.max(until);
    }

    /// When something may be picked next, if nothing new is offered.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.offers.is_empty() {
            return None;
        }
        let rests = self.rests.of.values().map(|rest| rest.until);
        let rest = rests.filter(|until| *until > now).min();
        let ready = self.ready_at.max(self.away_until);
        Some(match ready > now {
            true => ready,
            false => rest?,
        })
    }
}

/// Half as many if numbers were left undone, else twice as many, up to the most.
fn resized(numbers: usize, left_undone: bool, most: usize) -> usize {
    match left_undone {
        true => (numbers / 2).max(1),
        false => (numbers * 2).min(most),
    }
}

/// As many of what may go as one call takes: those that go first. What calls failed for goes with no others than such.
fn most(mut open: Vec<(Rank, u16, Number)>, most: usize) -> Numbers {
    let fewest = open.iter().map(|((failures, ..), ..)| *failures).min();
    open.retain(|((failures, ..), ..)| Some(*failures) == fewest);
    if open.len() > most {
        open.select_nth_unstable(most);
        open.truncate(most);
    }
    let is_urgent = open
        .iter()
        .any(|((_, _, urgency, _), ..)| *urgency == Urgency::Lower);
    let numbers = open.into_iter();
    Numbers {
        numbers: numbers
            .map(|(_, bucket, number)| (bucket, number))
            .collect(),
        is_urgent,
    }
}

/// What goes first is least: what fewer calls failed for, what is not late for another's turn, then by urgency, then by what
/// waiting has cost so far: expected oversold units avoided by the call, times the time it has waited.
type Rank = (u32, bool, Urgency, std::cmp::Reverse<u128>);

fn rank(offer: &Offer, failures: u32, raises_first: bool, now: Timestamp) -> Rank {
    let waited = u128::from(now.since(offer.since).as_ms()) + 1;
    let cost = u128::from(offer.milli_per_h) * waited;
    let is_late = raises_first && offer.urgency != Urgency::Raise;
    (failures, is_late, offer.urgency, std::cmp::Reverse(cost))
}

fn doubled(min: Duration, times: u32, max: Duration) -> Duration {
    Duration::from_ms(min.as_ms() << times.min(20)).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn number(id: &str) -> Number {
        (
            ListingId::new(id).unwrap(),
            SourceId::new("shop/1").unwrap(),
        )
    }

    fn offers(bucket: u16, rows: &[(&str, Urgency, u64, i64)]) -> Offers {
        let offer = |(id, urgency, milli_per_h, since): &(&str, Urgency, u64, i64)| Offer {
            listing: number(id).0,
            place: number(id).1,
            urgency: *urgency,
            milli_per_h: *milli_per_h,
            since: ms(*since),
            is_read: *urgency == Urgency::Read,
        };
        Offers {
            unproven: None,
            sent_by_channel: 0,
            missing: Vec::new(),
            channel: "shop".parse().unwrap(),
            bucket,
            offers: rows.iter().map(offer).collect(),
        }
    }

    fn desk(batch_max: usize) -> (Desk, Budget) {
        let limits = DeskLimits {
            batch_max,
            calls_max: 2,
            cost: 1,
            reads_max: 1,
            read_cost: 1,
        };
        (Desk::new(limits), Budget::new(1_000, 1_000, ms(0)))
    }

    fn picked(pick: Option<Pick>) -> Vec<String> {
        let numbers = pick
            .into_iter()
            .flat_map(|pick| pick.into_values().flatten());
        numbers.map(|(listing, _)| listing.to_string()).collect()
    }

    fn finish(desk: &mut Desk, id: &str, ended: Ended, now: Timestamp) {
        desk.ended(&number(id), ended, now);
        desk.answered();
    }

    #[test]
    fn the_most_dangerous_goes_first_and_waiting_counts() {
        use Urgency::{Lower, Raise, Read};
        let (mut desk, mut budget) = desk(1);
        desk.offered(offers(
            1,
            &[("slow", Lower, 10, 0), ("raise", Raise, 9_999, 0)],
        ));
        desk.offered(offers(
            2,
            &[("fast", Lower, 100, 900), ("read", Read, 1, 0)],
        ));
        // 10 × 1,000 ms against 100 × 100 ms, then against 100 × 200 ms.
        for (at, id) in [
            (1_000, "fast"),
            (1_000, "slow"),
            (1_000, "read"),
            (1_000, "raise"),
        ] {
            assert_eq!(picked(desk.pick(&mut budget, ms(at))), [id]);
            finish(&mut desk, id, Ended::Done, ms(at));
            for bucket in [1, 2] {
                let left = desk.offers.get(&bucket).cloned().unwrap_or_default();
                let left = left
                    .into_iter()
                    .filter(|offer| offer.listing.as_str() != id);
                let channel = "shop".parse().unwrap();
                desk.offered(Offers {
                    unproven: None,
                    sent_by_channel: 0,
                    missing: Vec::new(),
                    channel,
                    bucket,
                    offers: left.collect(),
                });
            }
        }
        assert!(desk.offers.is_empty());
        assert_eq!(desk.next_due(ms(1_000)), None);
    }

    /// Three numbers cost 6 to read and 1 to set: they are not mixed, and no more are read than a call may hold.
    #[test]
    fn what_is_read_costs_by_the_number() {
        use Urgency::{Lower, Read};
        let (mut desk, _) = desk(10);
        (desk.limits.reads_max, desk.reads_max) = (3, 3);
        desk.limits.read_cost = 2;
        let mut budget = Budget::new(1, 7, ms(0));
        desk.offered(offers(1, &[("set", Lower, 1, 0)]));
        let rows: Vec<_> = ["a", "b", "c", "d"].map(|id| (id, Read, 1, 0)).into();
        desk.offered(offers(2, &rows));
        assert_eq!(picked(desk.pick(&mut budget, ms(0))), ["set"]);
        assert_eq!(picked(desk.pick(&mut budget, ms(0))).len(), 3);
        desk.answered();
        desk.answered();
        assert_eq!(desk.pick(&mut budget, ms(0)), None, "no point is left");
        assert_eq!(desk.next_due(ms(0)), Some(ms(2_000)));
        assert_eq!(picked(desk.pick(&mut budget, ms(2_000))).len(), 1);
    }

    /// Where one number is set a call, more can be read; fewer after a read that failed, whatever is set meanwhile.
    #[test]
    fn what_is_read_together_is_fewer_after_a_failure() {
        let (mut desk, mut budget) = desk(1);
        (desk.limits.reads_max, desk.reads_max) = (4, 4);
        let rows: Vec<_> = ["a", "b", "c", "d", "e"]
            .map(|id| (id, Urgency::Read, 1, 0))
            .into();
        desk.offered(offers(1, &rows));
        for (is_failed, next) in [(false, 4), (true, 2), (true, 1), (true, 1), (false, 2)] {
            desk.resize(false);
            desk.resize_reads(is_failed);
            let pick = picked(desk.pick(&mut budget, ms(0)));
            assert_eq!(pick.len(), next, "{is_failed}");
            for id in pick {
                desk.ended(&number(&id), Ended::Done, ms(0));
            }
            desk.answered();
        }
    }

    /// What there are too few points for keeps nothing back that is paid from other ones.
    #[test]
    fn budgets_of_their_own_do_not_wait_for_each_other() {
        use Urgency::{Lower, Read};
        let (mut desk, _) = desk(1);
        desk.limits.calls_max = 9;
        let (mut sets, mut reads) = (Budget::new(1, 1, ms(0)), Budget::new(2, 1, ms(0)));
        let rows = [
            ("a", Lower, 9, 0),
            ("b", Lower, 1, 0),
            ("c", Read, 9, 0),
            ("d", Read, 1, 0),
        ];
        desk.offered(offers(1, &rows));
        let steps = [
            (0, Some("a"), None),
            (0, Some("c"), None),
            (0, None, Some(500)),
            (500, Some("d"), None),
            (500, None, Some(1_000)),
            (1_000, Some("b"), None),
        ];
        for (at, number, due) in steps {
            let funds = Funds::Apart {
                sets: &mut sets,
                reads: &mut reads,
            };
            let found = desk.pick(funds, ms(at));
            let expected = number.map(|id| Pick::from([(1, vec![self::number(id)])]));
            assert_eq!(found, expected, "at {at}");
            assert_eq!(desk.next_due(ms(at)), due.map(ms), "at {at}");
        }
    }

    #[test]
    fn what_is_under_way_is_not_picked_again_and_calls_are_bounded() {
        use Urgency::Lower;
        let (mut desk, mut budget) = desk(2);
        let rows: Vec<_> = ["a", "b", "c", "d", "e"].map(|id| (id, Lower, 1, 0)).into();
        desk.offered(offers(1, &rows));
        let mut all = picked(desk.pick(&mut budget, ms(1)));
        all.extend(picked(desk.pick(&mut budget, ms(1))));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
        assert_eq!(
            desk.pick(&mut budget, ms(1)),
            None,
            "two calls are under way"
        );
        desk.answered();
        assert_eq!(picked(desk.pick(&mut budget, ms(1))).len(), 1);
    }

    /// None of the reads is answered: what must be lowered has half of the calls all the same, also once one has failed.
    #[test]
    fn reads_that_hang_leave_half_of_the_calls_to_what_is_set() {
        use Urgency::{Lower, Read};
        let (mut desk, mut budget) = desk(1);
        desk.limits.calls_max = 4;
        let ids = ["a", "b", "c", "d", "e"];
        desk.offered(offers(1, &ids.map(|id| (id, Read, 1, 0))));
        assert_eq!(picked(desk.pick(&mut budget, ms(0))), ["a"]);
        assert_eq!(picked(desk.pick(&mut budget, ms(0))), ["b"]);
        assert_eq!(desk.pick(&mut budget, ms(0)), None);
        // What is shown otherwise than believed is read, and is as urgent.
        let mut stale = offers(2, &[("stale", Lower, 99, 0)]);
        stale.offers[0].is_read = true;
        desk.offered(stale);
        assert_eq!(desk.pick(&mut budget, ms(0)), None);
        let rows = ["x", "y", "z"].map(|id| (id, Lower, 1, 0));
        desk.offered(offers(3, &rows));
        for id in ["x", "y"] {
            assert_eq!(picked(desk.pick(&mut budget, ms(0))), [id]);
        }
        assert_eq!(desk.pick(&mut budget, ms(0)), None, "four are under way");
        finish(&mut desk, "x", Ended::Done, ms(0));
        finish(&mut desk, "y", Ended::Done, ms(0));
        desk.ended(&number("a"), Ended::Failed, ms(0));
        desk.unanswered(ms(0));
        // One of each kind tries whether the channel is back.
        assert_eq!(picked(desk.pick(&mut budget, ms(0))), ["x"]);
        assert_eq!(desk.pick(&mut budget, ms(0)), None);
        finish(&mut desk, "x", Ended::Done, ms(0));
        assert_eq!(picked(desk.pick(&mut budget, ms(0))).len(), 1);
    }

    #[test]
    fn only_what_is_raised_or_first_sent_may_wait_for_others() {
        use Urgency::{Lower, Raise, Read};
        let (mut desk, mut budget) = desk(1);
        let mut first = offers(1, &[("first", Read, 1, 0), ("raise", Raise, 1, 0)]);
        first.offers[0].is_read = false;
        desk.offered(first);
        desk.offered(offers(2, &[("lower", Lower, 1, 0), ("read", Read, 1, 0)]));
        desk.offered(offers(3, &[("refused", Raise, 1, 0)]));
        desk.ended(&number("refused"), Ended::Refused, ms(0));
        assert_eq!(desk.may_wait(ms(0)), 2);
        assert_eq!(desk.may_wait(ms(1_000)), 3, "it has rested");
        assert_eq!(picked(desk.pick(&mut budget, ms(0))), ["lower"]);
        assert_eq!(picked(desk.pick(&mut budget, ms(0))).len(), 1);
        assert_eq!(desk.may_wait(ms(0)), 1, "one is under way by itself");
    }

    #[test]
    fn a_refused_number_rests_longer_each_time() {
        let (mut desk, mut budget) = desk(1);
        desk.offered(offers(1, &[("a", Urgency::Lower, 1, 0)]));
        let mut now = ms(0);
        for pause in [1_000, 2_000, 4_000] {
            assert_eq!(picked(desk.pick(&mut budget, now)), ["a"]);
            finish(&mut desk, "a", Ended::Refused, now);
            assert_eq!(desk.pick(&mut budget, now), None);
            let due = now + Duration::from_ms(pause);
            assert_eq!(desk.next_due(now), Some(due));
            now = due;
        }
    }

    /// However many are refused, each rests longer the next time; where there are more than are remembered, this one does.
    #[test]
    fn many_refused_numbers_rest_longer_each_time() {
        for count in [10_001, PAUSES_MAX + 1] {
            let (mut desk, _) = desk(1);
            let ids: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            for id in &ids {
                desk.ended(&number(id), Ended::Refused, ms(0));
            }
            let last = number(&ids[count - 1]);
            desk.ended(&last, Ended::Refused, ms(1_000));
            assert!(!desk.may_go(&last, ms(2_999)), "{count}");
            assert!(desk.may_go(&last, ms(3_000)), "{count}");
            if count == 10_001 {
                desk.ended(&number("0"), Ended::Refused, ms(3_000));
                assert!(!desk.may_go(&number("0"), ms(4_999)), "{count}");
            }
        }
    }

    #[test]
    fn a_channel_that_does_not_answer_is_tried_with_one_call_at_a_time() {
        let (mut desk, mut budget) = desk(1);
        let rows: Vec<_> = ["a", "b", "c"].map(|id| (id, Urgency::Lower, 1, 0)).into();
        desk.offered(offers(1, &rows));
        for failure in 1..=FAILURES_MAX {
            let id = picked(desk.pick(&mut budget, ms(0))).remove(0);
            assert_eq!(desk.unanswered(ms(0)), failure == FAILURES_MAX);
            desk.ended(&number(&id), Ended::Done, ms(0));
        }
        assert_eq!(desk.pick(&mut budget, ms(999)), None);
        assert_eq!(desk.next_due(ms(0)), Some(ms(1_000)));
        assert!(desk.pick(&mut budget, ms(1_000)).is_some());
        assert_eq!(desk.pick(&mut budget, ms(1_000)), None, "one at a time");
        desk.answered();
        assert!(desk.pick(&mut budget, ms(1_000)).is_some());
        assert!(desk.pick(&mut budget, ms(1_000)).is_some());
    }

    /// The channel gives no answer to calls about one number that is more urgent than all others, alone or among them.
    #[test]
    fn a_number_that_calls_fail_for_keeps_no_other_back() {
        for (batch_max, calls_max) in [(1, 12), (4, 14)] {
            let (mut desk, mut budget) = desk(batch_max);
            let mut left: Vec<String> = (0..10).map(|n| n.to_string()).collect();
            let (mut now, mut calls) = (ms(0), 0);
            while !left.is_empty() {
                let rows = left.iter().map(|id| (id.as_str(), Urgency::Lower, 1, 0));
                let bad = ("bad", Urgency::Lower, 1_000_000, 0);
                let rows: Vec<_> = rows.chain([bad]).collect();
                desk.offered(offers(1, &rows));
                let Some(pick) = desk.pick(&mut budget, now) else {
                    now = desk.next_due(now).unwrap();
                    continue;
                };
                calls += 1;
                let ids = picked(Some(pick));
                let ended = match ids.iter().any(|id| id == "bad") {
                    true => Ended::Failed,
                    false => Ended::Done,
                };
                ids.iter()
                    .for_each(|id| desk.ended(&number(id), ended, now));
                match ended {
                    Ended::Failed => drop(desk.unanswered(now)),
                    Ended::Done | Ended::Refused => {
                        desk.answered();
                        left.retain(|id| !ids.contains(id));
                    }
                }
                desk.resize(ended == Ended::Failed);
                now = now + Duration::from_ms(100);
            }
            assert!(calls <= calls_max, "{batch_max}: {calls}");
        }
    }

    /// While a channel is away nothing waits longer than the channel does, and once it answers the most urgent is first.
    #[test]
    fn what_failed_with_the_channel_goes_first_once_it_answers() {
        let (mut desk, mut budget) = desk(1);
        desk.offered(offers(1, &[("a", Urgency::Lower, 9, 0)]));
        let mut now = ms(0);
        for _ in 0..FAILURES_MAX {
            assert_eq!(picked(desk.pick(&mut budget, now)), ["a"]);
            desk.ended(&number("a"), Ended::Failed, now);
            desk.unanswered(now);
        }
        now = desk.next_due(now).unwrap();
        assert_eq!(now, ms(1_000));
        let rows = [("a", Urgency::Lower, 9, 0), ("b", Urgency::Lower, 1, 0)];
        desk.offered(offers(1, &rows));
        assert_eq!(picked(desk.pick(&mut budget, now)), ["b"]);
        assert!({
            desk.ended(&number("b"), Ended::Done, now);
            desk.answered()
        });
        assert_eq!(picked(desk.pick(&mut budget, now)), ["a"]);
    }

    /// Channels that go away together are tried again each in its own time, and none later than it would be by itself.
    #[test]
    fn channels_that_went_away_together_do_not_come_back_in_step() {
        let pauses = |name: &str| -> Vec<u64> {
            let limits = desk(1).0.limits;
            let mut desk = Desk::of(name.parse().unwrap(), limits);
            let pause = |_| {
                desk.unanswered(ms(0));
                desk.away_until.since(ms(0)).as_ms()
            };
            let pauses: Vec<u64> = (0..20).map(pause).collect();
            pauses[FAILURES_MAX as usize - 1..].to_vec()
        };
        let (one, other) = (pauses("shop"), pauses("market"));
        assert_eq!(one, pauses("shop"));
        assert_ne!(one[0], other[0]);
        assert_ne!(one.last(), other.last());
        for pauses in [one, other] {
            for (times, pause) in (0..).zip(pauses) {
                let whole = doubled(AWAY_MIN, times, AWAY_MAX).as_ms();
                assert!((whole * 3 / 4..=whole).contains(&pause), "{times}: {pause}");
            }
        }
    }

    #[test]
    fn the_budget_says_when() {
        let (mut desk, _) = desk(1);
        let mut budget = Budget::new(2, 1, ms(0));
        let rows: Vec<_> = ["a", "b"].map(|id| (id, Urgency::Lower, 1, 0)).into();
        desk.offered(offers(1, &rows));
        assert!(desk.pick(&mut budget, ms(0)).is_some());
        assert_eq!(desk.pick(&mut budget, ms(0)), None);
        assert_eq!(desk.next_due(ms(0)), Some(ms(500)));
        assert!(desk.pick(&mut budget, ms(500)).is_some());
        desk.throttled(ms(9_000));
        assert_eq!(desk.next_due(ms(600)), Some(ms(9_000)));
    }

    #[test]
    fn only_what_must_be_lowered_takes_what_others_have_claimed() {
        use Urgency::{Lower, Raise, Read};
        for (urgency, goes) in [(Lower, true), (Read, false), (Raise, false)] {
            let (mut desk, _) = desk(1);
            let mut budget = Budget::new(1, 10, ms(0));
            budget.claim(10);
            desk.offered(offers(1, &[("a", urgency, 1, 0)]));
            assert_eq!(desk.pick(&mut budget, ms(0)).is_some(), goes, "{urgency:?}");
        }
    }

    #[test]
    fn what_shows_too_few_has_its_turn_too() {
        let (mut desk, mut budget) = desk(1);
        let (mut lowered, mut raised) = (0, 0);
        desk.offered(offers(
            1,
            &[("l", Urgency::Lower, 9, 0), ("r", Urgency::Raise, 9, 0)],
        ));
        for _ in 0..80 {
            let id = picked(desk.pick(&mut budget, ms(1))).remove(0);
            lowered += u32::from(id == "l");
            raised += u32::from(id == "r");
            finish(&mut desk, &id, Ended::Done, ms(1));
        }
        assert_eq!((lowered, raised), (70, 10));
    }
}
