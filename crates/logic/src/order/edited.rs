//! Edits that the channel made: what it took out is not sent, and what it added comes with its next statement.

use crossdock_model::Timestamp;
use crossdock_model::v1::{LineUnits, OrderEvent};

use super::draft::Draft;
use super::{Decided, EDIT_PATIENCE};

/// Kind of the exception about an edit that no statement followed.
const UNSTATED_EDIT: &str = "unstated_edit";

impl Draft<'_> {
    /// A statement as new as the edit covers it. What an operator set stays: the statement opens the conflict.
    pub fn edited(mut self, edited_at: Timestamp, removed: &[LineUnits]) -> Decided {
        let order = self.known()?;
        let covered = edited_at <= order.facts.updated_at;
        let known = order.seen.edit.is_some_and(|(last, _)| edited_at <= last);
        if order.is_over() || covered || known {
            return Ok(self.unchanged());
        }
        let mut lines = order.left_of(removed)?;
        lines.retain(|one| {
            let line = order.lines.get(&one.line);
            line.is_some_and(|line| !line.by_operator)
        });
        self.emit(OrderEvent::EditSeen {
            edited_at,
            removed: lines,
        });
        self.recount("removed by the channel", "");
        Ok(self.done())
    }

    /// Units that an edit added are not known until they are stated: a statement that does not come needs a person.
    pub fn watch_edit(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        match order.seen.edit {
            Some((_, heard)) if heard + EDIT_PATIENCE <= self.asked.now => {
                let cause = "the channel edited it and has not stated since what it is now; what was added is not \
                             reserved"
                    .to_owned();
                self.open_exception(UNSTATED_EDIT, self.asked.id.to_string(), cause, Vec::new());
            }
            Some(_) => {}
            None => self.close_exception(UNSTATED_EDIT, None, "the channel stated it"),
        }
    }
}
