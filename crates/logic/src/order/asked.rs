//! Buyers who ask their channel that something be not sent any more: it is kept from locations until a person decides.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::{ExceptionKey, OrderEvent};
use crossdock_model::{LineId, Rejection, Timestamp};

use super::Decided;
use super::draft::Draft;
use super::state::Order;

/// Kind of the exception about a buyer who asks for a cancellation.
const CANCEL_ASKED: &str = "cancel_asked";

impl Draft<'_> {
    /// A statement says of which lines the buyer asks it; none: of none any more. Of older statements newer ones
    /// have said all that counts.
    pub fn cancel_asked(mut self, lines: &[LineId], reason: &str, asked_at: Timestamp) -> Decided {
        let order = self.known()?;
        let ours: Result<BTreeSet<LineId>, Rejection> =
            lines.iter().map(|line| order.ours(line)).collect();
        let ours = ours?;
        let known = order.asked.keys().eq(&ours);
        if known || order.is_over() || asked_at < order.facts.updated_at {
            return Ok(self.unchanged());
        }
        self.emit(OrderEvent::CancelAsked {
            lines: ours.into_iter().collect(),
            reason: reason.to_owned(),
            asked_at,
        });
        let cause = self.known()?.why_asked(reason);
        self.close_exception(CANCEL_ASKED, None, "the buyer asks otherwise now");
        if let Some(cause) = cause {
            self.open_exception(CANCEL_ASKED, self.asked.id.to_string(), cause, Vec::new());
        }
        Ok(self.done())
    }

    /// A person says of these lines (none named: of all) that they are sent all the same.
    pub fn refuse_asked(&mut self, lines: &[LineId]) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let mut refused = order.undecided();
        refused.retain(|line| lines.is_empty() || lines.contains(line));
        if !refused.is_empty() {
            self.emit(OrderEvent::CancelRefused { lines: refused });
        }
    }

    /// As [`Draft::refuse_asked`], by settling the exception.
    pub fn give_ask_up(&mut self, key: &ExceptionKey) {
        if key.kind == CANCEL_ASKED {
            self.refuse_asked(&[]);
        }
    }

    /// Nothing is left to decide once the lines are cancelled, have left, or somebody said that they are sent.
    pub fn watch_asked(&mut self) {
        let order = self.order.order.as_deref();
        let decided = order.is_some_and(|order| order.undecided().is_empty());
        if decided {
            let how = "nothing that the buyer asks to cancel is left to decide";
            self.close_exception(CANCEL_ASKED, None, how);
        }
    }
}

impl Order {
    /// Lines that the buyer asks to cancel, of which something has not left, and of which nobody has decided.
    pub(super) fn undecided(&self) -> Vec<LineId> {
        let open = self.asked.iter().filter(|(id, undecided)| {
            let line = self.lines.get(*id);
            **undecided && line.is_some_and(|line| line.cancellable_units() > 0)
        });
        open.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn take_ask(&mut self, lines: &[LineId]) {
        let before = std::mem::take(&mut self.asked);
        let ask = |line: &LineId| (line.clone(), before.get(line).copied().unwrap_or(true));
        self.asked = lines.iter().map(ask).collect();
    }

    pub(super) fn refuse_ask(&mut self, lines: &[LineId]) {
        for line in lines {
            if let Some(undecided) = self.asked.get_mut(line) {
                *undecided = false;
            }
        }
    }

    /// What a person has to know of it, if there is something to decide.
    fn why_asked(&self, reason: &str) -> Option<String> {
        let undecided = self.undecided();
        let mut at_locations: BTreeMap<&LineId, u32> = BTreeMap::new();
        let requested = self.pieces.iter().filter(|one| one.request.is_some());
        for piece in requested.filter(|one| undecided.contains(&one.line)) {
            *at_locations.entry(&piece.line).or_default() += piece.units;
        }
        let with_them: u32 = at_locations.values().sum();
        let left_alone = match with_them {
            0 => String::new(),
            units => format!(
                "; units that locations were asked for already ({units}) are sent unless it is cancelled"
            ),
        };
        let names: Vec<&str> = undecided.iter().map(LineId::as_str).collect();
        (!names.is_empty()).then(|| {
            format!(
                "the buyer asks not to be sent line {} ({reason}): nothing more of it is requested until it is \
                 cancelled, or let go on{left_alone}",
                names.join(", ")
            )
        })
    }
}
