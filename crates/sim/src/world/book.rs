//! A warehouse's own book: what lies on its shelves, what it was asked for, and every unit that left.

use std::collections::BTreeMap;

/// A line of an order, and the SKU of it.
pub type Line = (String, String);

/// What happens in warehouses, and a server must get over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mishap {
    /// A request is taken, the answer says that it was not, and it is left lying: it comes again.
    Unheard,
    /// A request is answered after seconds.
    Slow,
    /// A request is refused.
    Rejected,
    /// A unit is not found, and is gone.
    ShortPicked,
    /// It is sent late.
    Late,
    /// It is sent in several parcels.
    Parcels,
    /// A request that is known came once more.
    Repeated,
}

impl Mishap {
    /// Every kind there is.
    pub const ALL: [Self; 7] = [
        Self::Unheard,
        Self::Slow,
        Self::Rejected,
        Self::ShortPicked,
        Self::Late,
        Self::Parcels,
        Self::Repeated,
    ];
}

/// A parcel that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Whose.
    pub order: String,
    /// The carrier's number of it.
    pub number: String,
    /// What is in it.
    pub lines: BTreeMap<Line, u32>,
}

/// Units that were asked for where there were none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Who wanted them.
    pub order: String,
    /// Of what.
    pub sku: String,
    /// How many.
    pub units: u32,
}

/// Which request: the order, and its number there.
pub(super) type RequestId = (String, u32);

/// A warehouse's own book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// Units on the shelves.
    pub shelf: BTreeMap<String, u32>,
    /// Units that ever came in.
    pub received: BTreeMap<String, u64>,
    /// Units that were lost.
    pub lost: BTreeMap<String, u64>,
    /// Units that left, by order and line.
    pub left: BTreeMap<String, BTreeMap<Line, u32>>,
    /// Parcels that left, the first one first.
    pub parcels: Vec<Parcel>,
    /// Units that were asked for where there were none, though none had been lost for it.
    pub missing: Vec<Missing>,
    /// How often what happened.
    pub happened: BTreeMap<Mishap, u64>,
    /// Requests whose signature was not right.
    pub unsigned: u64,
    /// What the server refused of what it was told, by its code.
    pub refused: BTreeMap<String, u64>,
    /// Units still to be sent.
    open: BTreeMap<RequestId, BTreeMap<Line, u32>>,
    /// Units that are not to be sent of requests that have not come yet.
    stopped: BTreeMap<RequestId, BTreeMap<Line, u32>>,
}

impl Book {
    pub(super) fn note(&mut self, mishap: Mishap) {
        *self.happened.entry(mishap).or_default() += 1;
    }

    /// How often that happened.
    #[must_use]
    pub fn happened(&self, mishap: Mishap) -> u64 {
        self.happened.get(&mishap).copied().unwrap_or_default()
    }

    /// Units that are still to be sent.
    #[must_use]
    pub fn open_units(&self) -> u64 {
        let lines = self.open.values().flat_map(BTreeMap::values);
        lines.map(|units| u64::from(*units)).sum()
    }

    /// Whether something of a request is still to be sent.
    pub(super) fn is_open(&self, id: &RequestId) -> bool {
        let open = self.open.get(id);
        open.is_some_and(|open| open.values().any(|units| *units > 0))
    }

    pub(super) fn receive(&mut self, sku: &str, units: u32) {
        *self.shelf.entry(sku.to_owned()).or_default() += units;
        *self.received.entry(sku.to_owned()).or_default() += u64::from(units);
    }

    /// A request comes. Returns whether it is a new one.
    pub(super) fn take(&mut self, id: &RequestId, mut lines: BTreeMap<Line, u32>) -> bool {
        if self.open.contains_key(id) {
            self.note(Mishap::Repeated);
            return false;
        }
        for (line, units) in self.stopped.remove(id).unwrap_or_default() {
            if let Some(wanted) = lines.get_mut(&line) {
                *wanted = wanted.saturating_sub(units);
            }
        }
        self.open.insert(id.clone(), lines);
        true
    }

    /// Nothing of a request will leave.
    pub(super) fn reject(&mut self, id: &RequestId) {
        if let Some(open) = self.open.get_mut(id) {
            open.values_mut().for_each(|units| *units = 0);
        }
    }

    /// Units are not to be sent any more. Returns whether that was in time for all of them.
    pub(super) fn stop(&mut self, id: &RequestId, lines: BTreeMap<Line, u32>) -> bool {
        let Some(open) = self.open.get_mut(id) else {
            let stopped = self.stopped.entry(id.clone()).or_default();
            for (line, units) in lines {
                *stopped.entry(line).or_default() += units;
            }
            return true;
        };
        let is_there = |(line, units): (&Line, &u32)| open.get(line).is_some_and(|at| at >= units);
        let in_time = lines.iter().all(is_there);
        if in_time {
            for (line, units) in lines {
                open.entry(line).and_modify(|open| *open -= units);
            }
        }
        in_time
    }

    /// One unit is not found, and is gone. Returns it.
    pub(super) fn lose(&mut self, id: &RequestId) -> BTreeMap<Line, u32> {
        let open = self.open.get_mut(id);
        let first = open.and_then(|open| open.iter_mut().find(|(_, units)| **units > 0));
        let Some((line, units)) = first else {
            return BTreeMap::new();
        };
        let Some(shelf) = self.shelf.get_mut(&line.1).filter(|shelf| **shelf > 0) else {
            return BTreeMap::new();
        };
        (*shelf, *units) = (*shelf - 1, *units - 1);
        *self.lost.entry(line.1.clone()).or_default() += 1;
        let lost = BTreeMap::from([(line.clone(), 1)]);
        self.note(Mishap::ShortPicked);
        lost
    }

    /// Units that are asked for and are not on the shelf.
    pub(super) fn miss(&mut self, id: &RequestId) -> BTreeMap<Line, u32> {
        let mut missed = BTreeMap::new();
        for ((line, sku), units) in self.open.get_mut(id).into_iter().flatten() {
            let here = self.shelf.get(sku).copied().unwrap_or_default();
            let gone = units.saturating_sub(here);
            if gone > 0 {
                *units -= gone;
                missed.insert((line.clone(), sku.clone()), gone);
                self.missing.push(Missing {
                    order: id.0.clone(),
                    sku: sku.clone(),
                    units: gone,
                });
            }
        }
        missed
    }

    /// A parcel of that number leaves: all that is still wanted, or half of it. Empty: nothing is.
    pub(super) fn leave(&mut self, id: &RequestId, number: &str, all: bool) -> BTreeMap<Line, u32> {
        let mut parcel = BTreeMap::new();
        for (line, units) in self.open.get_mut(id).into_iter().flatten() {
            let here = self.shelf.entry(line.1.clone()).or_default();
            let wanted = if all { *units } else { units.div_ceil(2) };
            let leaves = wanted.min(*here);
            if leaves > 0 {
                (*here, *units) = (*here - leaves, *units - leaves);
                parcel.insert(line.clone(), leaves);
                let left = self.left.entry(id.0.clone()).or_default();
                *left.entry(line.clone()).or_default() += leaves;
            }
            if !all && !parcel.is_empty() {
                break;
            }
        }
        if !parcel.is_empty() {
            self.parcels.push(Parcel {
                order: id.0.clone(),
                number: number.to_owned(),
                lines: parcel.clone(),
            });
        }
        parcel
    }
}
