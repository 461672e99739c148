//! Lines that were adopted from an export without the channel's ids.
//!
//! Such a line keeps the id it was given here: reservations, locations and people know it by that. The first
//! statement with the channel's ids is compared with what was adopted; from then on those ids are read as ours, so
//! that no unit is taken for a new one and sent a second time.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crossdock_model::v1::{LineFacts, OrderEvent, OrderFacts, Origin};
use crossdock_model::{LineId, Rejection};

use super::draft::Draft;
use super::state::Order;

/// An adopted line and a stated one, each with its place in its statement.
type Pair<'a> = ((usize, &'a LineFacts), (usize, &'a LineFacts));

/// What makes two lines the same one, most certain first. What they are made of may have been mapped anew since.
const ALIKE: [fn(&Pair<'_>) -> bool; 4] = [
    |pair| is_same_place(pair) && is_same_units(pair) && is_same_parts(pair),
    |pair| is_same_units(pair) && is_same_parts(pair),
    is_same_parts,
    |pair| is_same_place(pair) && is_same_units(pair),
];

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
        let names_them = !facts.lines.iter().any(|line| line.line.is_provisional());
        if let Some(order) = self.order.order.as_deref()
            && order.lacks_ids()
            && names_them
        {
            let lines = pairs(&order.facts.lines, &facts.lines);
            self.emit(OrderEvent::LinesBound { lines });
        }
        let order = self.order.order.as_deref();
        let Some(order) = order.filter(|order| order.seen.bound.is_some()) else {
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
    /// Whether the channel's ids of its lines are yet to be told.
    fn lacks_ids(&self) -> bool {
        self.origin == Origin::Adopted
            && self.seen.bound.is_none()
            && self.lines.keys().any(LineId::is_provisional)
    }

    fn bound<'a>(&'a self, line: &'a LineId) -> &'a LineId {
        let bound = self.seen.bound.as_ref();
        bound.and_then(|bound| bound.get(line)).unwrap_or(line)
    }

    /// Our id of a line that the channel names.
    ///
    /// # Errors
    /// [`Rejection::NotFound`] while it cannot be known: the order's next statement tells.
    pub(super) fn ours(&self, line: &LineId) -> Result<LineId, Rejection> {
        if self.lacks_ids() && !self.lines.contains_key(line) {
            let id = &self.id;
            let what = format!("line {line} of {id}, adopted without ids of lines,");
            return Err(Rejection::NotFound(what));
        }
        Ok(self.bound(line).clone())
    }
}

/// Which stated line is which adopted one: (the channel's id, ours).
fn pairs(adopted: &[LineFacts], stated: &[LineFacts]) -> Vec<(LineId, LineId)> {
    let (mut pairs, mut taken) = (Vec::new(), BTreeSet::new());
    for is_alike in ALIKE {
        for stated in stated.iter().enumerate() {
            if pairs.iter().any(|(theirs, _)| *theirs == stated.1.line) {
                continue;
            }
            let mut free = adopted.iter().enumerate();
            let found = free
                .find(|adopted| !taken.contains(&adopted.1.line) && is_alike(&(*adopted, stated)));
            if let Some((_, ours)) = found {
                taken.insert(&ours.line);
                pairs.push((stated.1.line.clone(), ours.line.clone()));
            }
        }
    }
    pairs
}
