//! What came of a race: what the buyers were told, held against the books.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::scene::Scene;

/// Problems told at most.
const PROBLEMS_MAX: usize = 10;

/// How it ended for a buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// Has the goods, under this id of the order or hold.
    Sold(String),
    /// Was told that there are none.
    Refused,
    /// Has given the goods back.
    Cancelled,
    /// Was told two things of which only one can be.
    Torn(String),
    /// Was told nothing that settles it.
    Unsettled(String),
}

/// How it ended for one buyer, and when.
#[derive(Debug)]
pub(super) struct Told {
    /// How it ended.
    pub ended: Ended,
    /// From the moment when the buyer was to press.
    pub latency: Duration,
    /// How much later than that this process let it press.
    pub late: Duration,
}

/// What all buyers were told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    told: BTreeMap<u32, Told>,
}

impl Tally {
    /// Enters a buyer.
    pub(super) fn enter(&mut self, buyer: u32, told: Told) {
        self.told.insert(buyer, told);
    }

    /// Replaces what buyers were told by what came of it since. When they were told first is what counts.
    pub(super) fn settle(&mut self, mut settle: impl FnMut(u32, &Ended) -> Option<Ended>) {
        for (buyer, told) in &mut self.told {
            if let Some(settled) = settle(*buyer, &told.ended) {
                told.ended = settled;
            }
        }
    }

    /// How it ended for a buyer.
    pub(super) fn ended(&self, buyer: u32) -> Option<&Ended> {
        self.told.get(&buyer).map(|told| &told.ended)
    }

    /// The buyers that were told that there are none.
    pub(super) fn refused(&self) -> Vec<u32> {
        let all = self.told.iter();
        let refused = all.filter(|(_, told)| told.ended == Ended::Refused);
        refused.map(|(buyer, _)| *buyer).collect()
    }

    /// What was sold, as told: buyer and id.
    pub(super) fn sold(&self) -> Vec<(u32, String)> {
        let sold = self
            .told
            .iter()
            .filter_map(|(buyer, told)| match &told.ended {
                Ended::Sold(id) => Some((*buyer, id.clone())),
                Ended::Refused | Ended::Cancelled | Ended::Torn(_) | Ended::Unsettled(_) => None,
            });
        sold.collect()
    }

    /// Buyers that were told nothing that settles it.
    pub(super) fn unsettled(&self) -> u32 {
        self.count(|ended| matches!(ended, Ended::Unsettled(_)))
    }

    /// What is odd about what buyers were told, each once.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut reasons: BTreeMap<&String, u32> = BTreeMap::new();
        for told in self.told.values() {
            if let Ended::Unsettled(why) | Ended::Torn(why) = &told.ended {
                *reasons.entry(why).or_default() += 1;
            }
        }
        let told = reasons
            .iter()
            .map(|(why, count)| format!("{count} × {why}"));
        told.take(PROBLEMS_MAX).collect()
    }

    fn count(&self, is: impl Fn(&Ended) -> bool) -> u32 {
        let count = self.told.values().filter(|told| is(&told.ended)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn percentiles(&self, of: impl Fn(&Told) -> Duration) -> Percentiles {
        let mut all: Vec<Duration> = self.told.values().map(of).collect();
        all.sort_unstable();
        Percentiles(all)
    }
}

/// Times in ascending order.
struct Percentiles(Vec<Duration>);

impl Percentiles {
    /// In milliseconds, what so many of a thousand do not exceed.
    fn ms(&self, permille: usize) -> u64 {
        let index = (self.0.len() * permille).div_ceil(1000).saturating_sub(1);
        let found = self.0.get(index).copied().unwrap_or_default();
        u64::try_from(found.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Units of a SKU that are promised, as the server's own stock view has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Promised {
    /// On hand at all locations.
    pub on_hand: i64,
    /// Committed and held.
    pub taken: u64,
    /// Neither taken nor free yet.
    pub tentative: u64,
}

impl Promised {
    /// Units that are somebody's: those that left, and those that are kept. Fewer than none if more came back than left.
    fn of(self, stock: u64) -> i64 {
        signed(stock) - self.on_hand + signed(self.taken + self.tentative)
    }
}

/// The books after the race, by SKU.
pub(super) type Books = BTreeMap<String, Promised>;

/// Whether nothing is under way any more, and nothing is kept for those who gave it back.
pub(super) fn is_settled(scene: &Scene, tally: &Tally, books: &Books) -> bool {
    let sold = tally.sold().len() as u64;
    scene.counted().into_iter().all(|(sku, each)| {
        let book = books.get(sku).copied().unwrap_or_default();
        let told = signed(sold * u64::from(each));
        book.tentative == 0 && (!scene.mode.gives_back() || book.of(scene.stock_of(sku)) <= told)
    })
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    sold: u32,
    refused: u32,
    oversold: u32,
    doubled: u32,
    needlessly_refused: u32,
    cancelled: u32,
    latency_ms_p50: u64,
    latency_ms_p90: u64,
    latency_ms_p99: u64,
    latency_ms_p999: u64,
    latency_ms_max: u64,
    generator_late_ms_p99: u64,
    generator_late_ms_max: u64,
}

impl Verdict {
    /// Holds what buyers were told against the books. All figures are in buyers, not in units.
    pub(super) fn of(scene: &Scene, tally: &Tally, books: &Books) -> Self {
        let ids = tally.sold();
        let sold = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let refused = tally.count(|ended| *ended == Ended::Refused);
        let torn = tally.count(|ended| matches!(ended, Ended::Torn(_)));
        let odd = u64::from(tally.unsettled()) + u64::from(torn);
        let distinct: BTreeSet<&String> = ids.iter().map(|(_, id)| id).collect();
        let repeated = (ids.len() - distinct.len()) as u64;
        let (mut oversold, mut counted_twice) = (u64::from(sold.saturating_sub(scene.units)), 0);
        let mut left = u64::MAX;
        for (sku, each) in scene.counted() {
            let each = u64::from(each);
            let stock = scene.stock_of(sku);
            let promised = books.get(sku).copied().unwrap_or_default().of(stock);
            let beyond = |more: i64, less: u64| over(more, signed(less)).div_ceil(each);
            oversold = oversold.max(beyond(promised, stock));
            // Sold, and not in the books: promised to a buyer without a unit behind it.
            let missing = over(signed(u64::from(sold) * each), promised);
            oversold = oversold.max(missing.div_ceil(each));
            counted_twice = counted_twice.max(beyond(promised, (u64::from(sold) + odd) * each));
            left = left.min(over(signed(stock), promised) / each);
        }
        let latency = tally.percentiles(|told| told.latency);
        let late = tally.percentiles(|told| told.late);
        Self {
            sold,
            refused,
            oversold: narrow(oversold),
            doubled: narrow(repeated.max(counted_twice) + u64::from(torn)),
            needlessly_refused: narrow(left).min(refused),
            cancelled: tally.count(|ended| *ended == Ended::Cancelled),
            latency_ms_p50: latency.ms(500),
            latency_ms_p90: latency.ms(900),
            latency_ms_p99: latency.ms(990),
            latency_ms_p999: latency.ms(999),
            latency_ms_max: latency.ms(1000),
            generator_late_ms_p99: late.ms(990),
            generator_late_ms_max: late.ms(1000),
        }
    }

    /// Whether every unit was promised once and nobody was refused without need.
    pub(super) fn is_right(&self) -> bool {
        self.oversold == 0 && self.doubled == 0 && self.needlessly_refused == 0
    }

    /// The longest that a buyer waited, in milliseconds.
    #[cfg(test)]
    pub(super) fn latency_ms_max(&self) -> u64 {
        self.latency_ms_max
    }

    /// The verdict for people, one figure a line.
    pub(super) fn lines(&self) -> Vec<String> {
        let figures = [
            ("sold", u64::from(self.sold)),
            ("refused", self.refused.into()),
            ("cancelled", self.cancelled.into()),
            ("oversold", self.oversold.into()),
            ("doubled", self.doubled.into()),
            ("needlessly refused", self.needlessly_refused.into()),
            ("latency p50, ms", self.latency_ms_p50),
            ("latency p90, ms", self.latency_ms_p90),
            ("latency p99, ms", self.latency_ms_p99),
            ("latency p99.9, ms", self.latency_ms_p999),
            ("latency max, ms", self.latency_ms_max),
            ("pressed late p99, ms", self.generator_late_ms_p99),
            ("pressed late max, ms", self.generator_late_ms_max),
        ];
        let rows = figures.iter();
        rows.map(|(name, value)| format!("{name:<22}{value}"))
            .collect()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// By how much the first is more than the second.
fn over(more: i64, less: i64) -> u64 {
    u64::try_from(more.saturating_sub(less)).unwrap_or_default()
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::*;

    fn told(ended: Ended) -> Told {
        Told {
            ended,
            latency: Duration::from_millis(5),
            late: Duration::ZERO,
        }
    }

    /// The verdict on what buyers were told of two units, so many of which the books keep and have.
    fn verdict(ended: &[Ended], taken: u64, on_hand: i64) -> Verdict {
        let scene = Scene::new(Mode::One, 2, "x");
        let mut tally = Tally::default();
        for (buyer, ended) in (0..).zip(ended) {
            tally.enter(buyer, told(ended.clone()));
        }
        let promised = Promised {
            on_hand,
            taken,
            tentative: 0,
        };
        let books = Books::from([("RACE-x-A".to_owned(), promised)]);
        Verdict::of(&scene, &tally, &books)
    }

    fn sold(id: &str) -> Ended {
        Ended::Sold(id.to_owned())
    }

    /// Sold, refused, oversold, doubled, needlessly refused; and it is right only if there is none of the last three.
    fn figures(verdict: Verdict) -> [u32; 5] {
        let Verdict {
            sold,
            refused,
            oversold,
            doubled,
            needlessly_refused,
            ..
        } = verdict;
        let wrong = oversold + doubled + needlessly_refused;
        assert_eq!(verdict.is_right(), wrong == 0, "{verdict:?}");
        [sold, refused, oversold, doubled, needlessly_refused]
    }

    #[test]
    fn books_decide() {
        use Ended::Refused;
        let (a, b) = (sold("a"), sold("b"));
        let ended = [a.clone(), b.clone(), Refused, Refused, Refused];
        assert_eq!(figures(verdict(&ended, 2, 2)), [2, 3, 0, 0, 0]);
        // More sold than there is.
        let ended = [a.clone(), b.clone(), sold("c")];
        assert_eq!(figures(verdict(&ended, 3, 2)), [3, 0, 1, 0, 0]);
        // Sold with nothing in the books.
        let ended = [a.clone(), b.clone()];
        assert_eq!(figures(verdict(&ended, 1, 2)), [2, 0, 1, 0, 0]);
        // One order given to two buyers.
        let ended = [a.clone(), a.clone()];
        assert_eq!(figures(verdict(&ended, 2, 2)), [2, 0, 0, 1, 0]);
        // One sale taken twice.
        let ended = [a.clone(), Refused];
        assert_eq!(figures(verdict(&ended, 2, 2)), [1, 1, 0, 1, 0]);
        // A buyer sent away from a full shelf.
        let ended = [a, Refused, Refused, Refused];
        assert_eq!(figures(verdict(&ended, 1, 2)), [1, 3, 0, 0, 1]);
    }

    #[test]
    fn what_left_and_what_came_back_count() {
        use Ended::{Cancelled, Refused};
        let (a, b) = (sold("a"), sold("b"));
        // One unit left, one was given back and sold anew.
        let ended = [a.clone(), Cancelled, b.clone(), Refused];
        assert_eq!(figures(verdict(&ended, 1, 1)), [2, 1, 0, 0, 0]);
        // Nobody wants the unit that came back.
        let ended = [a.clone(), Cancelled];
        assert_eq!(figures(verdict(&ended, 0, 1)), [1, 0, 0, 0, 0]);
        // Shipped and given back all the same.
        let both = Ended::Torn("both".to_owned());
        let ended = [a.clone(), both, b.clone()];
        assert_eq!(figures(verdict(&ended, 2, 1)), [2, 0, 1, 1, 0]);
        // One parcel taken off stock twice.
        let ended = [a.clone(), Cancelled];
        assert_eq!(figures(verdict(&ended, 0, 0)), [1, 0, 0, 1, 0]);
        // A unit given back twice.
        let ended = [Cancelled, Refused];
        assert_eq!(figures(verdict(&ended, 0, 3)), [0, 1, 1, 0, 1]);
        let ended = [a, Cancelled];
        assert_eq!(figures(verdict(&ended, 0, 2)), [1, 0, 1, 0, 0]);
    }

    #[test]
    fn copies_that_were_told_different_things_are_doubled() {
        let torn = Ended::Torn("sold and refused".to_owned());
        let ended = [torn.clone(), sold("b")];
        assert_eq!(figures(verdict(&ended, 2, 2)), [1, 0, 0, 1, 0]);
        let ended = [torn, sold("b"), Ended::Refused];
        assert_eq!(figures(verdict(&ended, 1, 2)), [1, 1, 0, 1, 1]);
    }

    #[test]
    fn what_is_kept_for_those_who_gave_it_back_is_not_settled() {
        let book = |taken, tentative| {
            let promised = Promised {
                on_hand: 2,
                taken,
                tentative,
            };
            Books::from([("RACE-x-A".to_owned(), promised)])
        };
        let mut tally = Tally::default();
        tally.enter(0, told(sold("a")));
        tally.enter(1, told(Ended::Cancelled));
        let is_settled = |mode, books| is_settled(&Scene::new(mode, 2, "x"), &tally, &books);
        assert!(is_settled(Mode::CancelAgainstShip, book(1, 0)));
        assert!(!is_settled(Mode::CancelAgainstShip, book(2, 0)));
        assert!(!is_settled(Mode::One, book(1, 1)));
        assert!(is_settled(Mode::One, book(2, 0)));
    }

    #[test]
    fn the_slowest_percent_counts() {
        let mut tally = Tally::default();
        for ms in 1..=1000 {
            let told = Told {
                latency: Duration::from_millis(ms.into()),
                ..told(Ended::Refused)
            };
            tally.enter(ms, told);
        }
        let latency = tally.percentiles(|told| told.latency);
        let found = [500, 900, 990, 999, 1000].map(|permille| latency.ms(permille));
        assert_eq!(found, [500, 900, 990, 999, 1000]);
        assert_eq!(Percentiles(Vec::new()).ms(990), 0);
    }
}
