//! `I14`: what clients were answered about a SKU is what one of them after the other could have been answered, each between
//! its request and its answer: the history is linearizable. It is checked against a model of a SKU that fits on a page, by
//! the search of Wing and Gong with the memory of Lowe ("Testing for linearizability", Concurrency and Computation 29(4),
//! 2017): what was tried from the same state with the same calls done is not tried again.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

/// What a client asks of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// So many units come, or go.
    Moves(i64),
    /// To hold so many, under a number.
    Hold(u64, i64),
    /// To hold them no more.
    Release(u64),
    /// What can be sold.
    Look,
}

/// What it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is done.
    Done,
    /// So many can be sold, which is what was asked, or too few for it.
    Left(i64),
    /// Nothing yet, or nothing that says whether it was done: it may be, or not.
    Nothing,
}

/// A call, by what happened before and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub asked: Asked,
    pub told: Told,
    /// When it was asked, and when it was told.
    pub from: u64,
    pub to: u64,
}

/// A SKU, as far as its clients can see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Model {
    free: i64,
    /// Units by hold; none is held any more of one that was released.
    holds: BTreeMap<u64, i64>,
}

impl Model {
    /// What it is after a call, if it can be told that then.
    fn after(&self, call: &Call) -> Option<Self> {
        let mut after = self.clone();
        match (call.asked, call.told) {
            (Asked::Look, Told::Left(left)) => {
                return (self.free.max(0) == left).then_some(after);
            }
            (Asked::Hold(_, units), Told::Left(left)) => {
                return (self.free.max(0) == left && self.free < units).then_some(after);
            }
            (Asked::Moves(units), _) => after.free += units,
            (Asked::Hold(hold, units), _) => {
                if self.free < units || self.holds.contains_key(&hold) {
                    return None;
                }
                after.free -= units;
                after.holds.insert(hold, units);
            }
            (Asked::Release(hold), _) => {
                after.free += after.holds.insert(hold, 0).unwrap_or(0);
            }
            (Asked::Look, _) => {}
        }
        Some(after)
    }
}

/// States that are tried at most: where much was never answered there may be more than there is time and memory for.
const TRIED_MAX: usize = 50_000;

/// Whether the calls could have been done one after the other; `None`: there are too many ways to try.
pub(super) fn is_linearizable(calls: &[Call]) -> Option<bool> {
    let mut calls: Vec<&Call> = calls.iter().collect();
    calls.sort_by_key(|call| call.from);
    let mut search = Search::new(&calls);
    search.runs()
}

/// Which calls are done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Set(Vec<u64>);

impl Set {
    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    fn turn(&mut self, at: usize) {
        self.0[at / 64] ^= 1 << (at % 64);
    }
}

struct Search<'a> {
    calls: &'a [&'a Call],
    done: Set,
    model: Model,
    /// Those done, in order, with what the SKU was before.
    steps: Vec<(usize, Model)>,
    tried: HashSet<(Set, Model)>,
}

impl<'a> Search<'a> {
    fn new(calls: &'a [&'a Call]) -> Self {
        Self {
            calls,
            done: Set(vec![0; calls.len().div_ceil(64)]),
            model: Model::default(),
            steps: Vec::new(),
            tried: HashSet::new(),
        }
    }

    fn runs(&mut self) -> Option<bool> {
        let mut next = 0;
        while self.tried.len() < TRIED_MAX {
            if self.is_over() {
                return Some(true);
            }
            if self.steps_on(next) {
                next = 0;
                continue;
            }
            let Some((last, before)) = self.steps.pop() else {
                return Some(false);
            };
            self.done.turn(last);
            self.model = before;
            next = last + 1;
        }
        None
    }

    /// Whether all that were told something are done. Others need not be.
    fn is_over(&self) -> bool {
        let mut calls = self.calls.iter().enumerate();
        calls.all(|(at, call)| self.done.has(at) || call.told == Told::Nothing)
    }

    /// Does one more, from that one on: none that was asked only after another one, which is not done, was told.
    fn steps_on(&mut self, from: usize) -> bool {
        let open = self.calls.iter().enumerate();
        let open = open.filter(|(at, _)| !self.done.has(*at));
        let limit = open.map(|(_, call)| call.to).min().unwrap_or(u64::MAX);
        for at in from..self.calls.len() {
            let call = self.calls[at];
            if call.from > limit {
                break;
            }
            if self.done.has(at) {
                continue;
            }
            let Some(after) = self.model.after(call) else {
                continue;
            };
            self.done.turn(at);
            if self.tried.insert((self.done.clone(), after.clone())) {
                let before = std::mem::replace(&mut self.model, after);
                self.steps.push((at, before));
                return true;
            }
            self.done.turn(at);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(asked: Asked, told: Told, from: u64, to: u64) -> Call {
        Call {
            asked,
            told,
            from,
            to,
        }
    }

    #[test]
    fn what_could_have_been_in_some_order_is_linearizable() {
        let come = call(Asked::Moves(1), Told::Done, 0, 1);
        let first = call(Asked::Hold(1, 1), Told::Done, 2, 9);
        let second = call(Asked::Hold(2, 1), Told::Left(0), 3, 4);
        assert_eq!(is_linearizable(&[come, first, second]), Some(true));
        let look = |left, from, to| call(Asked::Look, Told::Left(left), from, to);
        // While it is held either can be seen, but none after both.
        assert_eq!(
            is_linearizable(&[come, first, look(1, 3, 4), look(0, 5, 6)]),
            Some(true)
        );
        assert_eq!(
            is_linearizable(&[come, first, look(0, 3, 4), look(1, 5, 6)]),
            Some(false)
        );
        assert_eq!(
            is_linearizable(&[come, first, look(1, 10, 11)]),
            Some(false)
        );
    }

    #[test]
    fn the_last_unit_is_held_once() {
        let come = call(Asked::Moves(1), Told::Done, 0, 1);
        let hold = |hold, told| call(Asked::Hold(hold, 1), told, 2, 9);
        let twice = [come, hold(1, Told::Done), hold(2, Told::Done)];
        assert_eq!(is_linearizable(&twice), Some(false));
        let both_refused = [come, hold(1, Told::Left(0)), hold(2, Told::Left(0))];
        assert_eq!(is_linearizable(&both_refused), Some(false));
        let between = call(Asked::Release(1), Told::Done, 3, 5);
        assert_eq!(
            is_linearizable(&[twice[0], twice[1], twice[2], between]),
            Some(true)
        );
    }

    #[test]
    fn what_nobody_heard_of_may_be_done_or_not() {
        let come = call(Asked::Moves(1), Told::Nothing, 0, u64::MAX);
        let look = |left, from| call(Asked::Look, Told::Left(left), from, from + 1);
        assert_eq!(is_linearizable(&[come, look(0, 2), look(1, 4)]), Some(true));
        assert_eq!(
            is_linearizable(&[come, look(1, 2), look(0, 4)]),
            Some(false)
        );
        let before = call(Asked::Release(1), Told::Done, 0, 1);
        let late = call(Asked::Hold(1, 1), Told::Nothing, 0, u64::MAX);
        let come = call(Asked::Moves(1), Told::Done, 2, 3);
        assert_eq!(
            is_linearizable(&[before, late, come, look(0, 5)]),
            Some(false)
        );
    }

    /// Many clients at once, one of them wrong: found all the same.
    #[test]
    fn a_long_history_is_searched_in_little_time() {
        let mut calls = vec![call(Asked::Moves(1_000), Told::Done, 0, 1)];
        for number in 0..1_000 {
            let from = 10 + number * 2;
            let asked = match number % 3 {
                0 => Asked::Hold(number, 1),
                1 => Asked::Release(number - 1),
                _ => Asked::Moves(1),
            };
            calls.push(call(asked, Told::Done, from, from + 17));
        }
        assert_eq!(is_linearizable(&calls), Some(true));
        calls.truncate(100);
        calls.push(call(Asked::Look, Told::Left(0), 200, 201));
        assert_eq!(is_linearizable(&calls), Some(false));
    }
}
