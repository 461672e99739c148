//! Who has taken what of a SKU: holds, reservations, offers to waiting orders. Mirrors the SKU's own sums.

use crossdock_model::v1::{AttemptId, Take};
use crossdock_model::{HoldId, LocationId, OrderId, SkuId, Timestamp};
use rusqlite::{Params, Row};

use super::sku::Sum;
use super::{Folded, Folding};
use crate::InsightError;

/// Units at a location, as read from a row (location, units).
fn take(row: &Row<'_>) -> rusqlite::Result<(String, u32)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// Rows of (location, units) as takes. A location that reads back was an id when it was written.
fn takes(rows: Vec<(String, u32)>) -> Vec<Take> {
    let one = |(location, units): (String, u32)| {
        let location = LocationId::new(location).ok()?;
        Some(Take { location, units })
    };
    rows.into_iter().filter_map(one).collect()
}

impl Folding<'_> {
    fn takes(&self, sql: &str, values: impl Params) -> Result<Vec<Take>, InsightError> {
        let mut statement = self.work.prepare_cached(sql)?;
        let rows = statement.query_map(values, take)?;
        Ok(takes(rows.collect::<Result<_, _>>()?))
    }

    /// What `rows` finds, which `change` changes or deletes. Mostly there is none.
    fn takes_of(
        &self,
        rows: &str,
        change: &str,
        values: impl Params + Copy,
    ) -> Result<Vec<Take>, InsightError> {
        let found = self.takes(rows, values)?;
        if !found.is_empty() {
            self.run(change, values)?;
        }
        Ok(found)
    }

    pub(super) fn held(
        &mut self,
        sku: &SkuId,
        hold: &HoldId,
        takes: &[Take],
        expires_at: Timestamp,
    ) -> Folded {
        let sql =
            "INSERT INTO holds (sku, location, hold, units, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (sku, hold, location) DO UPDATE SET units = units + ?4";
        for take in takes {
            self.shift(sku, &take.location, Sum::Held, i64::from(take.units))?;
            let (location, at) = (take.location.as_str(), expires_at.as_ms());
            self.run(sql, (sku.as_str(), location, hold.as_str(), take.units, at))?;
        }
        Ok(())
    }

    /// Ends a hold; nothing for one that is not known.
    pub(super) fn hold_ended(&mut self, sku: &SkuId, hold: &HoldId) -> Folded {
        let rows = "SELECT location, units FROM holds WHERE sku = ?1 AND hold = ?2";
        let delete = "DELETE FROM holds WHERE sku = ?1 AND hold = ?2";
        let key = (sku.as_str(), hold.as_str());
        for Take { location, units } in self.takes_of(rows, delete, key)? {
            self.shift(sku, &location, Sum::Held, -i64::from(units))?;
        }
        Ok(())
    }

    /// Tentative; takes up what was offered to the order.
    pub(super) fn units_reserved(&mut self, sku: &SkuId, id: &AttemptId, takes: &[Take]) -> Folded {
        self.offer_ended(sku, &id.order)?;
        let taken: u32 = takes.iter().map(|take| take.units).sum();
        let sql =
            "UPDATE waiting SET units = units - ?3 WHERE sku = ?1 AND holder = ?2 AND units > ?3";
        self.run(sql, (sku.as_str(), id.order.to_string(), taken))?;
        let sql = "INSERT INTO reservations (sku, holder, attempt, location, units, confirmed)
            VALUES (?1, ?2, ?3, ?4, ?5, 0)
            ON CONFLICT (sku, holder, attempt, location) DO UPDATE SET units = units + ?5";
        let holder = id.order.to_string();
        for Take { location, units } in takes {
            let place = (id.attempt, location.as_str());
            self.run(sql, (sku.as_str(), &holder, place.0, place.1, units))?;
            self.shift(sku, location, Sum::Tentative, i64::from(*units))?;
        }
        Ok(())
    }

    pub(super) fn confirmed(&mut self, sku: &SkuId, id: &AttemptId) -> Folded {
        let rows = "SELECT location, units FROM reservations
            WHERE sku = ?1 AND holder = ?2 AND attempt = ?3 AND confirmed = 0";
        let confirm = "UPDATE reservations SET confirmed = 1
            WHERE sku = ?1 AND holder = ?2 AND attempt = ?3 AND confirmed = 0";
        let holder = id.order.to_string();
        let key = (sku.as_str(), holder.as_str(), id.attempt);
        for Take { location, units } in self.takes_of(rows, confirm, key)? {
            self.shift(sku, &location, Sum::Tentative, -i64::from(units))?;
            self.shift(sku, &location, Sum::Committed, i64::from(units))?;
        }
        Ok(())
    }

    /// The attempt's open units are free; one that was never seen has none.
    pub(super) fn freed(&mut self, sku: &SkuId, id: &AttemptId) -> Folded {
        let rows = "SELECT location, units - shipped - released FROM reservations
            WHERE sku = ?1 AND holder = ?2 AND attempt = ?3 AND confirmed = ?4";
        let delete = "DELETE FROM reservations
            WHERE sku = ?1 AND holder = ?2 AND attempt = ?3 AND confirmed = ?4";
        let holder = id.order.to_string();
        for (confirmed, sum) in [(0, Sum::Tentative), (1, Sum::Committed)] {
            let key = (sku.as_str(), holder.as_str(), id.attempt, confirmed);
            for Take { location, units } in self.takes_of(rows, delete, key)? {
                self.shift(sku, &location, sum, -i64::from(units))?;
            }
        }
        Ok(())
    }

    /// Counts rise only: the difference to before has left the committed units.
    pub(super) fn settled(
        &mut self,
        sku: &SkuId,
        id: &AttemptId,
        location: &LocationId,
        shipped: u32,
        released: u32,
    ) -> Folded {
        let holder = id.order.to_string();
        let place = (sku.as_str(), &holder, id.attempt, location.as_str());
        let sql = "SELECT location, shipped + released FROM reservations
            WHERE sku = ?1 AND holder = ?2 AND attempt = ?3 AND location = ?4";
        for before in self.takes(sql, place)? {
            let gone = i64::from(shipped + released) - i64::from(before.units);
            self.shift(sku, location, Sum::Committed, -gone)?;
        }
        let sql = "UPDATE reservations SET shipped = ?5, released = ?6
            WHERE sku = ?1 AND holder = ?2 AND attempt = ?3 AND location = ?4";
        let (sku_text, order, attempt, at) = place;
        self.run(sql, (sku_text, order, attempt, at, shipped, released))?;
        let sql = "DELETE FROM reservations WHERE sku = ?1 AND holder = ?2 AND attempt = ?3 AND NOT EXISTS (
            SELECT 1 FROM reservations r WHERE r.sku = ?1 AND r.holder = ?2 AND r.attempt = ?3
            AND r.units > r.shipped + r.released)";
        self.run(sql, (sku_text, order, attempt))?;
        Ok(())
    }

    pub(super) fn waiting(
        &mut self,
        sku: &SkuId,
        order: &OrderId,
        units: u32,
        promised_at: Timestamp,
    ) -> Folded {
        self.offer_ended(sku, order)?;
        let sql = "INSERT OR REPLACE INTO waiting (sku, holder, units, promised_at) VALUES (?1, ?2, ?3, ?4)";
        let at = promised_at.as_ms();
        self.run(sql, (sku.as_str(), order.to_string(), units, at))?;
        Ok(())
    }

    pub(super) fn wait_ended(&mut self, sku: &SkuId, order: &OrderId) -> Folded {
        self.offer_ended(sku, order)?;
        let sql = "DELETE FROM waiting WHERE sku = ?1 AND holder = ?2";
        self.run(sql, (sku.as_str(), order.to_string()))?;
        Ok(())
    }

    pub(super) fn offered(&mut self, sku: &SkuId, order: &OrderId, takes: &[Take]) -> Folded {
        let sql = "INSERT INTO offers (sku, holder, location, units) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (sku, holder, location) DO UPDATE SET units = units + ?4";
        for Take { location, units } in takes {
            let holder = order.to_string();
            self.run(sql, (sku.as_str(), holder, location.as_str(), units))?;
            self.shift(sku, location, Sum::Tentative, i64::from(*units))?;
        }
        Ok(())
    }

    /// Also for an order that nothing is offered to.
    pub(super) fn offer_ended(&mut self, sku: &SkuId, order: &OrderId) -> Folded {
        let rows = "SELECT location, units FROM offers WHERE sku = ?1 AND holder = ?2";
        let delete = "DELETE FROM offers WHERE sku = ?1 AND holder = ?2";
        let holder = order.to_string();
        let key = (sku.as_str(), holder.as_str());
        for Take { location, units } in self.takes_of(rows, delete, key)? {
            self.shift(sku, &location, Sum::Tentative, -i64::from(units))?;
        }
        Ok(())
    }
}
