//! Lines that were adopted from an export without the channel's ids.
//!
//! Such a line keeps the id it was given here: reservations, locations and people know it by that. Statements with
//! the channel's ids are compared with what was adopted, until each such line has its partner; those ids are read as
//! ours from then on, so that no unit is taken for a new one and sent a second time.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crossdock_model::v1::{LineFacts, OrderEvent, OrderFacts, Origin};
use crossdock_model::{LineId, Rejection};

use super::draft::Draft;
use super::state::Order;

/// A line and its place in its statement, from 1.
type Placed<'a> = (usize, &'a LineFacts);
/// An adopted line and a stated one.
type Pair<'a> = (Placed<'a>, Placed<'a>);
/// Whether two lines may be the same one.
type IsAlike = fn(&Pair<'_>) -> bool;

/// What makes two lines the same one, most certain first.
const ALIKE: [IsAlike; 3] = [
    |pair| is_same_place(pair) && is_same_units(pair) && is_same_parts(pair),
    |pair| is_same_units(pair) && is_same_parts(pair),
    is_same_parts,
];

/// And at first: what they are made of may have been mapped anew since.
const ALIKE_AT_FIRST: [IsAlike; 1] = [|pair| is_same_place(pair) && is_same_units(pair)];

fn is_same_place(((adopted, _), (stated, _)): &Pair<'_>) -> bool {
    adopted == stated
}

fn is_same_units(((_, adopted), (_, stated)): &Pair<'_>) -> bool {
    adopted.ordered_units == stated.ordered_units
}

fn is_same_parts(((_, adopted), (_, stated)): &Pair<'_>) -> bool {
    (&adopted.parts, adopted.ships) == (&stated.parts, stated.ships)
}

impl Draft<'_> {
    /// A statement with its lines under our ids.
    pub fn in_our_terms<'f>(&mut self, facts: &'f OrderFacts) -> Cow<'f, OrderFacts> {
        let order = self.order.order.as_deref();
        let lines = order.map_or_else(Vec::new, |order| order.partners(&facts.lines));
        if !lines.is_empty() {
            self.emit(OrderEvent::LinesBound { lines });
        }
        let order = self.order.order.as_deref();
        let Some(order) = order.filter(|order| !order.seen.bound.is_empty()) else {
            return Cow::Borrowed(facts);
        };
        let mut facts = facts.clone();
        for line in &mut facts.lines {
            line.line = order.bound(&line.line).clone();
        }
        Cow::Owned(facts)
    }
}

impl Order {
    /// Whether a statement of these lines is about ours. One whose ids were made up says nothing of an order whose
    /// ids the channel has told.
    pub(super) fn is_about_ours(&self, lines: &[LineFacts]) -> bool {
        let mut lines = lines.iter();
        !lines.any(|line| line.line.is_provisional())
            || (self.seen.bound.is_empty() && self.lines.keys().any(LineId::is_provisional))
    }

    /// Adopted lines whose ids the channel is yet to tell, each with its place.
    fn without_ids(&self) -> Vec<Placed<'_>> {
        if self.origin != Origin::Adopted {
            return Vec::new();
        }
        let known: BTreeSet<&LineId> = self.seen.bound.values().collect();
        let lines = self.lines.iter().filter(|(id, _)| !known.contains(id));
        let placed = lines.filter_map(|(id, line)| {
            let stated = self.facts.lines.iter().find(|stated| stated.line == *id);
            Some((id.provisional_number()?, stated.unwrap_or(&line.facts)))
        });
        let mut placed: Vec<_> = placed.collect();
        placed.sort_by_key(|(place, _)| *place);
        placed
    }

    /// Which newly stated line is which adopted one: (the channel's id, ours).
    fn partners(&self, stated: &[LineFacts]) -> Vec<(LineId, LineId)> {
        let is_new = |line: &LineId| {
            let bound = &self.seen.bound;
            !line.is_provisional() && !bound.contains_key(line) && !self.lines.contains_key(line)
        };
        let stated: Vec<_> = (1..).zip(stated).collect();
        let stated = stated.into_iter().filter(|(_, one)| is_new(&one.line));
        let stated: Vec<_> = stated.collect();
        let (mut free, mut pairs) = (self.without_ids(), Vec::new());
        let at_first = ALIKE_AT_FIRST.iter().filter(|_| self.seen.bound.is_empty());
        for is_alike in ALIKE.iter().chain(at_first) {
            for stated in &stated {
                if pairs.iter().any(|(theirs, _)| *theirs == stated.1.line) {
                    continue;
                }
                if let Some(at) = free.iter().position(|one| is_alike(&(*one, *stated))) {
                    let ours = free.remove(at).1.line.clone();
                    pairs.push((stated.1.line.clone(), ours));
                }
            }
        }
        pairs
    }

    fn bound<'a>(&'a self, line: &'a LineId) -> &'a LineId {
        self.seen.bound.get(line).unwrap_or(line)
    }

    /// Our id of a line that the channel names.
    ///
    /// # Errors
    /// [`Rejection::NotFound`] while it cannot be known: the order's next statement tells.
    pub(super) fn ours(&self, line: &LineId) -> Result<LineId, Rejection> {
        let ours = self.bound(line);
        if !self.lines.contains_key(ours) && !self.without_ids().is_empty() {
            let id = &self.id;
            let what = format!("line {line} of {id}, adopted without ids of lines,");
            return Err(Rejection::NotFound(what));
        }
        Ok(ours.clone())
    }
}
