//! Topics of the feed, and changes of orders that are told in it beside their states.

use crossdock_model::RefundId;
use crossdock_model::v1::{LineFacts, LineUnits, OrderFacts, RefundLine, ReturnLine};
use serde_json::{Value, json};

use super::order::payment_text;
use super::{Folded, Folding};
use crate::InsightError;

/// Every topic of the feed with what it tells. Whoever listens names one, or the beginning of several.
pub const TOPICS: &[(&str, &str)] = &[
    ("order.received", "an order is new"),
    ("order.held", "it is on hold"),
    ("order.replanned", "it has to be placed again"),
    ("order.routed", "it has a plan"),
    ("order.backordered", "units of it wait for stock"),
    ("order.reserved", "its units are its own"),
    ("order.requested", "locations were asked to send it"),
    ("order.acknowledged", "all of them said that they will"),
    ("order.partly_shipped", "a part of it left"),
    ("order.shipped", "all of it left"),
    ("order.closed", "nothing more is to be done"),
    ("order.cancelled", "nothing of it is wanted any more"),
    ("order.parcel", "a parcel left, with its tracking"),
    ("order.lines_changed", "lines or their units changed"),
    ("order.lines_cancelled", "units are no longer wanted"),
    (
        "order.cancel_undone",
        "cancelled units are wanted, or left, after all",
    ),
    (
        "order.address_changed",
        "it goes to another address; ask for the order to see it",
    ),
    ("order.payment_changed", "its payment is in another state"),
    ("order.refunded", "units were refunded"),
    ("order.returned", "goods came back"),
    ("stock.changed", "a SKU's units at a location changed"),
    ("exception.opened", "something needs a person"),
    ("exception.closed", "it does not any more"),
];

impl Folding<'_> {
    /// A newer statement of the channel; what is different in it is told.
    pub(super) fn restated(&self, id: &str, facts: &OrderFacts) -> Folded {
        let before = (self.lines_of(id)?, self.payment_of(id)?);
        self.merged(id, facts)?;
        if self.lines_of(id)? != before.0 {
            self.lines_changed(id)?;
        }
        let payment = payment_text(facts.payment);
        match before.1 == payment {
            true => Ok(()),
            false => self.feed("order.payment_changed", id, &json!({ "payment": payment })),
        }
    }

    pub(super) fn edited(&self, id: &str, lines: &[LineFacts]) -> Folded {
        self.lines_edited(id, lines)?;
        self.lines_changed(id)
    }

    pub(super) fn lines_cancelled(&self, id: &str, lines: &[LineUnits], reason: &str) -> Folded {
        self.count_lines(id, "cancelled", 1, lines)?;
        let data = json!({ "lines": units(lines), "reason": reason });
        self.feed("order.lines_cancelled", id, &data)
    }

    pub(super) fn cancel_undone(&self, id: &str, lines: &[LineUnits], reason: &str) -> Folded {
        self.count_lines(id, "cancelled", -1, lines)?;
        let data = json!({ "lines": units(lines), "reason": reason });
        self.feed("order.cancel_undone", id, &data)
    }

    pub(super) fn refunded(&self, id: &str, refund: &RefundId, lines: &[RefundLine]) -> Folded {
        let lines = lines.iter();
        let lines = lines.map(|line| json!({ "line": line.line, "units": line.units }));
        let data = json!({ "refund": refund, "lines": Value::from_iter(lines) });
        self.feed("order.refunded", id, &data)
    }

    pub(super) fn came_back(&self, id: &str, return_id: &str, lines: &[ReturnLine]) -> Folded {
        self.returned(id, lines)?;
        let lines = lines.iter();
        let lines = lines.map(|line| json!({ "line": line.line, "units": line.units }));
        let data = json!({ "return": return_id, "lines": Value::from_iter(lines) });
        self.feed("order.returned", id, &data)
    }

    fn lines_changed(&self, id: &str) -> Folded {
        let lines: Value = serde_json::from_str(&self.lines_of(id)?)?;
        self.feed("order.lines_changed", id, &json!({ "lines": lines }))
    }

    fn lines_of(&self, id: &str) -> Result<String, InsightError> {
        let sql = "SELECT json_group_array(json_object('line', line, 'units', ordered, 'skus', json(parts)))
            FROM (SELECT line, ordered, parts FROM order_lines WHERE id = ?1 ORDER BY place)";
        let mut statement = self.work.prepare_cached(sql)?;
        Ok(statement.query_row([id], |row| row.get(0))?)
    }

    fn payment_of(&self, id: &str) -> Result<String, InsightError> {
        let sql = "SELECT payment FROM orders WHERE id = ?1";
        let mut statement = self.work.prepare_cached(sql)?;
        Ok(statement.query_row([id], |row| row.get(0))?)
    }
}

fn units(lines: &[LineUnits]) -> Value {
    let lines = lines.iter();
    Value::from_iter(lines.map(|line| json!({ "line": line.line, "units": line.units })))
}
