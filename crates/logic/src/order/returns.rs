//! Goods that come back from buyers.

use std::collections::BTreeMap;

use crossdock_model::v1::{OrderEvent, ReturnLine};
use crossdock_model::{LineId, Rejection, ReturnId, codec};

use super::Decided;
use super::draft::Draft;
use super::requests::within;
use super::routes::no_line;
use super::state::Digest;

impl Draft<'_> {
    pub fn take_back(mut self, return_id: &ReturnId, lines: &[ReturnLine]) -> Decided {
        let order = self.known()?;
        match order.seen.returns.get(return_id) {
            Some(known) if *known == digest(lines) => return Ok(self.unchanged()),
            Some(_) => return Err(Rejection::IdConflict(format!("return {return_id}"))),
            None => {}
        }
        within(order.seen.returns.len(), "returns of an order")?;
        if lines.is_empty() {
            return Err(Rejection::invalid("lines", "name at least one line"));
        }
        let mut sums: BTreeMap<&LineId, u32> = BTreeMap::new();
        for one in lines {
            if one.units == 0 {
                return Err(Rejection::invalid("units", "must be at least 1"));
            }
            let units = sums.entry(&one.line).or_default();
            *units = units.saturating_add(one.units);
        }
        for (line, units) in sums {
            let known = order.lines.get(line).ok_or_else(|| no_line(line))?;
            let sent = known.shipped_units().saturating_add(known.elsewhere);
            let left = sent.saturating_sub(known.returned);
            if units > left {
                return Err(Rejection::wrong_status(
                    order.status,
                    format!("{left} units of line {line} were sent and can come back"),
                ));
            }
        }
        self.emit(OrderEvent::Returned {
            return_id: return_id.clone(),
            lines: lines.to_vec(),
        });
        Ok(self.done())
    }
}

/// Tells a repeat of a return from another one.
pub(super) fn digest(lines: &[ReturnLine]) -> Digest {
    codec::digest(&lines)
}
