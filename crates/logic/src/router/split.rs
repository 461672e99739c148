//! From which locations: the most units, the fewest shipments, the fewest split lines, the best preference.
//!
//! The four are compared in this order, so what can be placed as a whole is placed as a whole, and otherwise
//! as much of it as the shipments allow. Sets of locations are searched by branch and bound, best preference
//! first: within [`SEARCHED_MAX`] locations the answer is exact. Beyond them the search looks at the most
//! preferred ones, and a greedy choice over all of them is the floor below which the answer cannot fall.
//!
//! What must leave together (a kit) leaves from one location or not at all. The answer is exact in the number of split
//! lines too, unless lines compete for the units of one SKU or are kits: there lines are given out in order, which may
//! split one more than needed, or place a kit less.

use std::collections::BTreeMap;

use crossdock_model::v1::Allocation;
use crossdock_model::{LineId, LocationId, SkuId};

use super::needs::{Bundle, Needs, clamp};

/// Locations whose sets are searched.
pub(super) const SEARCHED_MAX: usize = 16;

/// A location that may ship, with the units of each counted SKU that it could give.
pub(super) struct Source<'a> {
    pub location: &'a LocationId,
    pub held: &'a [u64],
}

/// Who gives what.
#[derive(Default)]
pub(super) struct Split {
    pub allocations: Vec<Allocation>,
    pub unplaced: Vec<(LineId, SkuId, u32)>,
}

/// Gives everything wanted out over `sources`, which are in order of preference, in at most so many shipments.
pub(super) fn split(needs: &Needs<'_>, sources: &[Source<'_>], shipments: usize) -> Split {
    let wanted = needs.wanted();
    let able: Vec<&Source<'_>> = sources
        .iter()
        .filter(|source| units_of(&wanted, source.held) > 0)
        .collect();
    let mut chosen = Search::over(needs, &wanted, &able, shipments);
    if able.len() > SEARCHED_MAX {
        let greedy = greedy(needs, &wanted, &able, shipments);
        chosen = chosen.min(greedy);
    }
    let mut from: Vec<&Source<'_>> = chosen.at.iter().map(|at| able[*at]).collect();
    // What is not counted travels with the rest; on its own it leaves from the most preferred location.
    if from.is_empty() {
        from.extend(sources.first());
    }
    give_out(needs, &from)
}

/// A set of locations, as their ranks in order. The least is the best.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Choice {
    missing: u64,
    shipments: usize,
    split_lines: usize,
    at: Vec<usize>,
}

impl Choice {
    fn of(needs: &Needs<'_>, able: &[&Source<'_>], at: &[usize]) -> Self {
        let from: Vec<&Source<'_>> = at.iter().map(|at| able[*at]).collect();
        let split = give_out(needs, &from);
        let unplaced = split.unplaced.iter().map(|(_, _, units)| u64::from(*units));
        Self {
            missing: unplaced.sum(),
            shipments: at.len(),
            split_lines: split_lines(&split),
            at: at.to_vec(),
        }
    }
}

/// Wanted units that are there.
fn units_of(wanted: &[u64], held: &[u64]) -> u64 {
    wanted
        .iter()
        .zip(held)
        .map(|(wanted, held)| *wanted.min(held))
        .sum()
}

struct Search<'a> {
    needs: &'a Needs<'a>,
    wanted: &'a [u64],
    able: &'a [&'a Source<'a>],
    /// From each location on, the most of each SKU that any one location holds.
    most_from: Vec<Vec<u64>>,
    best: Choice,
}

impl<'a> Search<'a> {
    fn over(
        needs: &'a Needs<'a>,
        wanted: &'a [u64],
        able: &'a [&'a Source<'a>],
        shipments: usize,
    ) -> Choice {
        let able = &able[..able.len().min(SEARCHED_MAX)];
        let mut most_from = vec![vec![0; wanted.len()]; able.len() + 1];
        for at in (0..able.len()).rev() {
            let most = |sku: usize| able[at].held[sku].max(most_from[at + 1][sku]);
            most_from[at] = (0..wanted.len()).map(most).collect();
        }
        let best = Choice::of(needs, able, &[]);
        let mut search = Search {
            needs,
            wanted,
            able,
            most_from,
            best,
        };
        for size in 1..=shipments.min(able.len()) {
            if search.best.missing == 0 {
                break;
            }
            let nothing = vec![0; wanted.len()];
            search.extend(&mut Vec::with_capacity(size), size, &nothing);
        }
        search.best
    }

    /// Extends a set to its full size in every way that may still be better than the best.
    fn extend(&mut self, at: &mut Vec<usize>, size: usize, held: &[u64]) {
        if at.len() == size {
            let missing = self.wanted.iter().sum::<u64>() - units_of(self.wanted, held);
            if (missing, size) > (self.best.missing, self.best.shipments) {
                return;
            }
            let choice = Choice::of(self.needs, self.able, at);
            if choice < self.best {
                self.best = choice;
            }
            return;
        }
        let from = at.last().map_or(0, |last| last + 1);
        let open = size - at.len();
        for next in from..=self.able.len() - open {
            if !self.may_be_better(held, next, open, size) {
                return;
            }
            let source = self.able[next].held;
            let held: Vec<u64> = held.iter().zip(source).map(|(a, b)| a + b).collect();
            at.push(next);
            self.extend(at, size, &held);
            at.pop();
        }
    }

    /// Whether `open` more locations out of `next..` may beat the best. Sets come in order of preference, so
    /// one that is only as good as the best is not better.
    fn may_be_better(&self, held: &[u64], next: usize, open: usize, size: usize) -> bool {
        let most = held
            .iter()
            .zip(&self.most_from[next])
            .map(|(held, most)| held.saturating_add(most.saturating_mul(open as u64)));
        let most: Vec<u64> = most.collect();
        let missing = self.wanted.iter().sum::<u64>() - units_of(self.wanted, &most);
        (missing, size, 0)
            < (
                self.best.missing,
                self.best.shipments,
                self.best.split_lines,
            )
    }
}

/// Adds whichever location gives most of what is missing, until nothing is or the shipments are used up.
fn greedy(needs: &Needs<'_>, wanted: &[u64], able: &[&Source<'_>], shipments: usize) -> Choice {
    let mut missing = wanted.to_vec();
    let mut at: Vec<usize> = Vec::new();
    while at.len() < shipments {
        let open = (0..able.len()).filter(|next| !at.contains(next));
        // Of equal ones `max_by_key` takes the last: from the back that is the most preferred.
        let next = open
            .rev()
            .max_by_key(|next| units_of(&missing, able[*next].held));
        let Some(next) = next.filter(|next| units_of(&missing, able[*next].held) > 0) else {
            break;
        };
        for (missing, held) in missing.iter_mut().zip(able[next].held) {
            *missing = missing.saturating_sub(*held);
        }
        at.push(next);
    }
    at.sort_unstable();
    Choice::of(needs, able, &at)
}

/// Lines that leave from more than one location.
fn split_lines(split: &Split) -> usize {
    let lines = split.allocations.chunk_by(|a, b| a.line == b.line);
    lines
        .filter(|line| line.iter().any(|one| one.location != line[0].location))
        .count()
}

/// Gives the wanted units out over locations in order of preference. Lines that one location can give whole
/// stay whole; of the others, kits and SKUs that one location can give whole; the rest is filled up in order.
fn give_out(needs: &Needs<'_>, from: &[&Source<'_>]) -> Split {
    let mut hands = Hands {
        needs,
        left: from.iter().map(|source| source.held.to_vec()).collect(),
        given: vec![BTreeMap::new(); needs.each.len()],
    };
    let mut broken: Vec<&Bundle> = Vec::new();
    for line in needs.bundles.chunk_by(|a, b| a.line == b.line) {
        match hands.whole(line) {
            Some(at) => line.iter().for_each(|one| hands.give(one, one.count, at)),
            None => broken.extend(line),
        }
    }
    // A kit is harder to place than a unit, which fits wherever kits leave room.
    let (kits, units) = broken.into_iter().partition(|one| one.is_kit());
    hands.give_apart(kits);
    hands.give_apart(units);
    collect(needs, from, &hands.given)
}

/// What locations have left, and what they have given of each need.
struct Hands<'a> {
    needs: &'a Needs<'a>,
    left: Vec<Vec<u64>>,
    given: Vec<BTreeMap<usize, u64>>,
}

impl Hands<'_> {
    /// The first location that can still give all of these.
    fn whole(&self, bundles: &[Bundle]) -> Option<usize> {
        let mut wanted: BTreeMap<usize, u64> = BTreeMap::new();
        for bundle in bundles {
            for (need, per) in &bundle.parts {
                if let Some(sku) = self.needs.each[*need].counted {
                    *wanted.entry(sku).or_default() += bundle.count * per;
                }
            }
        }
        let holds = |left: &Vec<u64>| wanted.iter().all(|(sku, units)| left[*sku] >= *units);
        self.left.iter().position(holds)
    }

    /// Gives each from one location if any has it whole, and then the rest from several.
    fn give_apart(&mut self, bundles: Vec<&Bundle>) {
        let mut pieces = Vec::new();
        for bundle in bundles {
            match self.whole(std::slice::from_ref(bundle)) {
                Some(at) => self.give(bundle, bundle.count, at),
                None => pieces.push(bundle),
            }
        }
        for bundle in pieces {
            let mut missing = bundle.count;
            for at in 0..self.left.len() {
                let count = self.needs.fitting(bundle, &self.left[at]).min(missing);
                self.give(bundle, count, at);
                missing -= count;
            }
        }
    }

    fn give(&mut self, bundle: &Bundle, count: u64, at: usize) {
        for (need, per) in bundle.parts.iter().filter(|_| count > 0) {
            let units = count * per;
            if let Some(sku) = self.needs.each[*need].counted {
                self.left[at][sku] -= units;
            }
            *self.given[*need].entry(at).or_default() += units;
        }
    }
}

fn collect(needs: &Needs<'_>, from: &[&Source<'_>], given: &[BTreeMap<usize, u64>]) -> Split {
    let mut split = Split::default();
    for (need, given) in needs.each.iter().zip(given) {
        let mut missing = need.units;
        for (at, units) in given {
            missing -= units;
            split.allocations.push(Allocation {
                line: need.line.clone(),
                sku: need.sku.clone(),
                location: from[*at].location.clone(),
                units: clamp(*units),
            });
        }
        if missing > 0 {
            let unplaced = (need.line.clone(), need.sku.clone(), clamp(missing));
            split.unplaced.push(unplaced);
        }
    }
    split
}
