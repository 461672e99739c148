//! What keeps an order from its locations: holds, adoption, carts; and what people say about it.

use crossdock_model::v1::{ExceptionKey, OrderEvent};
use crossdock_model::{LineId, Rejection, Timestamp};

use super::Decided;
use super::draft::Draft;
use super::routes::no_line;
use super::state::Order;
use crate::decider::Decision;
use crate::exceptions::{check_text, noted, resolved};

impl Draft<'_> {
    pub fn hold(mut self, lines: &[LineId], reason: &str, until: Option<Timestamp>) -> Decided {
        let order = self.open()?;
        let unknown = lines.iter().find(|line| !order.lines.contains_key(*line));
        if let Some(line) = unknown {
            return Err(no_line(line));
        }
        if until.is_some_and(|until| until <= self.asked.now) {
            return Err(Rejection::invalid("until", "must be in the future"));
        }
        check_text("reason", reason)?;
        let concerned = |id: &&LineId| lines.is_empty() || lines.contains(id);
        let mut left = order.lines.iter().filter(|(id, _)| concerned(id));
        if !left.any(|(_, line)| line.cancellable_units() > 0) {
            let hint = "nothing that is to be held is left to send";
            return Err(Rejection::wrong_status(order.status, hint));
        }
        self.emit(OrderEvent::HeldBack {
            lines: lines.to_vec(),
            reason: reason.to_owned(),
            until,
        });
        // What is requested is held back as far as its location can.
        self.recall_requests(|line| lines.is_empty() || lines.contains(line));
        Ok(self.done())
    }

    pub fn unhold(mut self, lines: &[LineId]) -> Decided {
        let order = self.open()?;
        let holds = &order.holds;
        let held = match lines.is_empty() {
            true => holds.whole.is_some() || !holds.lines.is_empty(),
            false => lines.iter().any(|line| holds.lines.contains_key(line)),
        };
        self.refuse_asked(lines);
        if held {
            let lines = lines.to_vec();
            self.emit(OrderEvent::HoldEnded { lines });
        }
        match self.events.is_empty() {
            true => Ok(self.unchanged()),
            false => Ok(self.done()),
        }
    }

    /// Ends the holds whose time has come.
    pub fn end_holds(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let now = self.asked.now;
        let due = |until: &Option<Timestamp>| until.is_some_and(|until| until <= now);
        let lines: Vec<LineId> = order
            .holds
            .lines
            .iter()
            .filter(|(_, until)| due(until))
            .map(|(line, _)| line.clone())
            .collect();
        let whole = order.holds.whole.as_ref().is_some_and(due);
        if whole {
            let mut kept = order.holds.lines.clone();
            kept.retain(|line, _| !lines.contains(line));
            self.emit(OrderEvent::HoldEnded { lines: Vec::new() });
            for (line, until) in kept {
                self.emit(OrderEvent::HeldBack {
                    lines: vec![line],
                    reason: "its own hold goes on".to_owned(),
                    until,
                });
            }
        } else if !lines.is_empty() {
            self.emit(OrderEvent::HoldEnded { lines });
        }
    }

    /// An adopted order goes to fulfilment, or a cart's hold becomes an order.
    pub fn free(mut self) -> Decided {
        let order = self.known()?;
        if let Some(why) = &order.refused {
            return Err(why.clone());
        }
        let order = self.open()?;
        if !order.is_unfreed() {
            return Ok(self.unchanged());
        }
        self.emit(OrderEvent::Freed);
        Ok(self.done())
    }

    /// A cart's hold that ran out is over before anything else is looked at: it is never revived.
    pub fn expire_hold(&mut self) {
        let order = self.order.order.as_deref();
        let expires_at = order.and_then(Order::expires_at);
        if let Some(at) = expires_at.filter(|at| *at <= self.asked.now) {
            let refused = order.is_some_and(|order| order.refused.is_some());
            if !refused {
                self.refuse(Rejection::HoldExpired { at });
            }
        }
    }

    /// A cart's hold is given back: it has run out as of now.
    pub fn release_hold(mut self) -> Decision<OrderEvent> {
        let order = self.order.order.as_deref();
        if order.and_then(Order::expires_at).is_none() {
            return self.unchanged();
        }
        self.refuse(Rejection::HoldExpired { at: self.asked.now });
        self.done()
    }

    pub fn note(mut self, text: &str) -> Decided {
        check_text("text", text)?;
        let text = text.to_owned();
        self.emit(OrderEvent::Noted { text });
        Ok(self.done())
    }

    /// A person settled an exception of the order.
    pub fn resolve(mut self, key: &ExceptionKey, how: &str) -> Decided {
        let closed = resolved(self.has_open(key)?, key, how)?;
        self.emit(OrderEvent::ExceptionClosed(closed));
        self.give_report_up(key);
        self.give_ask_up(key);
        Ok(self.done())
    }

    /// A person wrote onto an exception of the order.
    pub fn note_exception(mut self, key: &ExceptionKey, text: &str) -> Decided {
        let noted = noted(self.has_open(key)?, key, text)?;
        self.emit(OrderEvent::ExceptionNoted(noted));
        Ok(self.done())
    }

    fn has_open(&self, key: &ExceptionKey) -> Result<bool, Rejection> {
        let name = (key.kind.clone(), key.subject.clone());
        let known = self.known()?.exceptions.get(&name);
        Ok(known.is_some_and(|one| one.open && one.count == key.episode))
    }
}

impl Order {
    pub(super) fn hold_back(&mut self, lines: &[LineId], until: Option<Timestamp>) {
        if lines.is_empty() {
            self.holds.whole = Some(until);
        }
        for line in lines {
            self.holds.lines.insert(line.clone(), until);
        }
    }

    pub(super) fn end_hold(&mut self, lines: &[LineId]) {
        if lines.is_empty() {
            self.holds = super::state::Holds::default();
        }
        for line in lines {
            self.holds.lines.remove(line);
        }
    }
}
