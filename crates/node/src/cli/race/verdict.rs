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
    /// Was told nothing that settles it.
    Unsettled(String),
}

/// What all buyers were told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ended: Vec<(Ended, Duration)>,
}

impl Tally {
    /// Enters a buyer: how it ended, and how long after the start.
    pub(super) fn enter(&mut self, ended: Ended, after: Duration) {
        self.ended.push((ended, after));
    }

    /// Replaces what a buyer was told by what became of its order, in the order of entry.
    pub(super) fn settle(&mut self, mut settle: impl FnMut(&str) -> Option<Ended>) {
        for (ended, _) in &mut self.ended {
            if let Ended::Sold(id) = ended
                && let Some(settled) = settle(id)
            {
                *ended = settled;
            }
        }
    }

    /// Ids of what was sold, as told; a repeated one is there twice.
    pub(super) fn ids(&self) -> Vec<&str> {
        let ids = self.ended.iter().filter_map(|(ended, _)| match ended {
            Ended::Sold(id) => Some(id.as_str()),
            Ended::Refused | Ended::Unsettled(_) => None,
        });
        ids.collect()
    }

    /// Buyers that were told nothing that settles it.
    pub(super) fn unsettled(&self) -> u32 {
        self.count(|ended| matches!(ended, Ended::Unsettled(_)))
    }

    /// Why, each reason once.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut reasons: BTreeMap<&String, u32> = BTreeMap::new();
        for (ended, _) in &self.ended {
            if let Ended::Unsettled(why) = ended {
                *reasons.entry(why).or_default() += 1;
            }
        }
        let told = reasons
            .iter()
            .map(|(why, count)| format!("{count} × {why}"));
        told.take(PROBLEMS_MAX).collect()
    }

    fn count(&self, is: impl Fn(&Ended) -> bool) -> u32 {
        let count = self.ended.iter().filter(|(ended, _)| is(ended)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn latency_ms_p99(&self) -> u64 {
        let mut all: Vec<Duration> = self.ended.iter().map(|(_, after)| *after).collect();
        all.sort_unstable();
        let index = (all.len() * 99).div_ceil(100).saturating_sub(1);
        let found = all.get(index).copied().unwrap_or_default();
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

/// The books after the race, by SKU.
pub(super) type Books = BTreeMap<String, Promised>;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    sold: u32,
    refused: u32,
    oversold: u32,
    doubled: u32,
    needlessly_refused: u32,
    latency_ms_p99: u64,
}

impl Verdict {
    /// Holds what buyers were told against the books. All figures are in buyers, not in units.
    pub(super) fn of(scene: &Scene, tally: &Tally, books: &Books) -> Self {
        let ids = tally.ids();
        let sold = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let refused = tally.count(|ended| *ended == Ended::Refused);
        let unsettled = u64::from(tally.unsettled());
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        let repeated = (ids.len() - distinct.len()) as u64;
        let (mut oversold, mut counted_twice) = (u64::from(sold.saturating_sub(scene.units)), 0);
        let mut left = u64::MAX;
        for (sku, each) in scene.counted() {
            let each = u64::from(each);
            let (stock, book) = (
                scene.stock_of(sku),
                books.get(sku).copied().unwrap_or_default(),
            );
            let promised = book.taken + book.tentative;
            oversold = oversold.max(promised.saturating_sub(stock).div_ceil(each));
            // Sold, and not in the books: promised to a buyer without a unit behind it.
            let missing = (u64::from(sold) * each).saturating_sub(promised);
            oversold = oversold.max(missing.div_ceil(each));
            let explained = (u64::from(sold) + unsettled) * each;
            counted_twice = counted_twice.max(promised.saturating_sub(explained).div_ceil(each));
            left = left.min(stock.saturating_sub(promised) / each);
        }
        Self {
            sold,
            refused,
            oversold: narrow(oversold),
            doubled: narrow(repeated.max(counted_twice)),
            needlessly_refused: narrow(left).min(refused),
            latency_ms_p99: tally.latency_ms_p99(),
        }
    }

    /// Whether every unit was promised once and nobody was refused without need.
    pub(super) fn is_right(&self) -> bool {
        self.oversold == 0 && self.doubled == 0 && self.needlessly_refused == 0
    }

    /// The verdict for people, one figure a line.
    pub(super) fn lines(&self) -> [String; 6] {
        let row = |name: &str, value: u64| format!("{name:<20}{value}");
        [
            row("sold", self.sold.into()),
            row("refused", self.refused.into()),
            row("oversold", self.oversold.into()),
            row("doubled", self.doubled.into()),
            row("needlessly refused", self.needlessly_refused.into()),
            row("latency p99, ms", self.latency_ms_p99),
        ]
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::*;

    fn verdict(sold: &[&str], refused: usize, taken: u64) -> Verdict {
        let scene = Scene::new(Mode::One, 2, "x");
        let mut tally = Tally::default();
        let sold = sold.iter().map(|id| Ended::Sold((*id).to_owned()));
        for ended in sold.chain(std::iter::repeat_n(Ended::Refused, refused)) {
            tally.enter(ended, Duration::from_millis(5));
        }
        let promised = Promised {
            on_hand: 2,
            taken,
            tentative: 0,
        };
        let books = Books::from([("RACE-x-A".to_owned(), promised)]);
        Verdict::of(&scene, &tally, &books)
    }

    fn figures(verdict: Verdict) -> [u32; 5] {
        let Verdict {
            sold,
            refused,
            oversold,
            doubled,
            needlessly_refused,
            ..
        } = verdict;
        [sold, refused, oversold, doubled, needlessly_refused]
    }

    #[test]
    fn books_decide() {
        assert_eq!(figures(verdict(&["a", "b"], 3, 2)), [2, 3, 0, 0, 0]);
        // More sold than there is.
        assert_eq!(figures(verdict(&["a", "b", "c"], 0, 3)), [3, 0, 1, 0, 0]);
        // Sold with nothing in the books.
        assert_eq!(figures(verdict(&["a", "b"], 0, 1)), [2, 0, 1, 0, 0]);
        // One order given to two buyers.
        assert_eq!(figures(verdict(&["a", "a"], 0, 2)), [2, 0, 0, 1, 0]);
        // One sale taken twice.
        assert_eq!(figures(verdict(&["a"], 1, 2)), [1, 1, 0, 1, 0]);
        // A buyer sent away from a full shelf.
        assert_eq!(figures(verdict(&["a"], 3, 1)), [1, 3, 0, 0, 1]);
    }

    #[test]
    fn the_slowest_percent_counts() {
        let mut tally = Tally::default();
        for ms in 1..=100 {
            tally.enter(Ended::Refused, Duration::from_millis(ms));
        }
        assert_eq!(tally.latency_ms_p99(), 99);
    }
}
