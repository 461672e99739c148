//! Lines of orders: how many units are wanted, and which are reserved and not yet asked of a location.

use crossdock_model::v1::{Allocation, LineFacts, LineUnits, ReturnLine, Take};
use crossdock_model::{ShipmentId, SkuId};
use serde_json::{Value, json};

use super::{Folded, Folding};

impl Folding<'_> {
    /// Lines as the channel states them. What an operator set stays.
    pub(super) fn state_lines(&self, id: &str, lines: &[LineFacts]) -> Folded {
        self.keep_lines(id, lines, false)
    }

    pub(super) fn lines_edited(&self, id: &str, lines: &[LineFacts]) -> Folded {
        self.keep_lines(id, lines, true)?;
        let sql = "UPDATE order_lines SET by_operator = 1 WHERE id = ?1 AND line = ?2";
        for line in lines {
            self.run(sql, (id, line.line.as_str()))?;
        }
        Ok(())
    }

    fn keep_lines(&self, id: &str, lines: &[LineFacts], by_operator: bool) -> Folded {
        let sql = "INSERT INTO order_lines (id, line, place, title, ordered, unit_price, ships, parts)
            VALUES (?1, ?2, (SELECT count(*) FROM order_lines WHERE id = ?1), ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (id, line) DO UPDATE SET title = ?3, ordered = ?4, unit_price = ?5, ships = ?6, parts = ?7
            WHERE ?8 OR NOT by_operator";
        for line in lines {
            let parts = line.parts.iter().map(
                |part| json!({ "sku": part.sku, "units_per_line_unit": part.units_per_line_unit }),
            );
            self.run(
                sql,
                (
                    id,
                    line.line.as_str(),
                    &line.title,
                    line.ordered_units,
                    line.unit_price.map(|price| price.to_string()),
                    line.ships,
                    Value::from_iter(parts).to_string(),
                    by_operator,
                ),
            )?;
        }
        self.count_units(id)
    }

    fn count_units(&self, id: &str) -> Folded {
        let sql = "UPDATE orders SET units = (SELECT coalesce(sum(max(ordered - cancelled, 0)), 0)
            FROM order_lines WHERE id = ?1) WHERE id = ?1";
        self.run(sql, [id])?;
        Ok(())
    }

    /// Adds units to a count of lines: `cancelled`, `elsewhere` or `returned`.
    pub(super) fn count_lines(
        &self,
        id: &str,
        count: &'static str,
        sign: i64,
        lines: &[LineUnits],
    ) -> Folded {
        let sql =
            format!("UPDATE order_lines SET {count} = {count} + ?3 WHERE id = ?1 AND line = ?2");
        for LineUnits { line, units } in lines {
            self.run(&sql, (id, line.as_str(), sign * i64::from(*units)))?;
        }
        self.count_units(id)
    }

    pub(super) fn returned(&self, id: &str, lines: &[ReturnLine]) -> Folded {
        let lines: Vec<LineUnits> = lines
            .iter()
            .map(|one| LineUnits {
                line: one.line.clone(),
                units: one.units,
            })
            .collect();
        self.count_lines(id, "returned", 1, &lines)
    }

    pub(super) fn shipped_elsewhere(
        &self,
        id: &str,
        shipment: &ShipmentId,
        lines: &[LineUnits],
    ) -> Folded {
        self.count_lines(id, "elsewhere", 1, lines)?;
        let sql =
            "INSERT OR REPLACE INTO shipments (id, shipment, at, lines) VALUES (?1, ?2, ?3, ?4)";
        let lines = serde_json::to_string(lines)?;
        self.run(sql, (id, shipment.as_str(), self.at(), lines))?;
        Ok(())
    }

    pub(super) fn elsewhere_undone(
        &self,
        id: &str,
        shipment: &ShipmentId,
        lines: &[LineUnits],
    ) -> Folded {
        self.count_lines(id, "elsewhere", -1, lines)?;
        let sql = "DELETE FROM shipments WHERE id = ?1 AND request = 0 AND shipment = ?2";
        self.run(sql, (id, shipment.as_str()))?;
        Ok(())
    }

    /// Refused: nothing of it is wanted any more.
    pub(super) fn all_cancelled(&self, id: &str) -> Folded {
        let sql = "UPDATE order_lines SET cancelled = max(ordered - elsewhere, 0) WHERE id = ?1";
        self.run(sql, [id])?;
        self.count_units(id)
    }

    /// The commit point: the attempt's units are the order's.
    pub(super) fn reserved(&self, id: &str, attempt: u32) -> Folded {
        let Some(plan) = self.plan(id, attempt)? else {
            return Ok(());
        };
        let sql =
            "INSERT INTO reserved (id, line, sku, location, units) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (id, line, sku, location) DO UPDATE SET units = units + ?5";
        for one in &plan.allocations {
            let (line, sku, location) =
                (one.line.as_str(), one.sku.as_str(), one.location.as_str());
            self.run(sql, (id, line, sku, location, one.units))?;
        }
        let left = plan.unplaced.iter();
        let left = left.fold(0_u32, |sum, (_, _, units)| sum.saturating_add(*units));
        let sql = "UPDATE orders SET backordered = min(backordered, ?2) WHERE id = ?1";
        self.run(sql, (id, left))?;
        Ok(())
    }

    /// Units that wait, by the latest plan.
    pub(super) fn backordered(&self, id: &str, skus: &[SkuId]) -> Folded {
        let wanted: Vec<&str> = skus.iter().map(SkuId::as_str).collect();
        let sql = "UPDATE orders SET backordered = max(1, coalesce((
            SELECT sum(json_extract(u.value, '$[2]')) FROM plans p, json_each(p.plan, '$.unplaced') u
            WHERE p.id = ?1 AND json_extract(u.value, '$[1]') IN (SELECT value FROM json_each(?2))), 0))
            WHERE id = ?1";
        self.run(sql, (id, serde_json::to_string(&wanted)?))?;
        Ok(())
    }

    pub(super) fn let_go(&self, id: &str, lines: &[Allocation]) -> Folded {
        for one in lines {
            let (line, sku, location) =
                (one.line.as_str(), one.sku.as_str(), one.location.as_str());
            self.take_reserved(id, line, sku, location, one.units)?;
        }
        Ok(())
    }

    /// Units of any lines: the SKU that is short does not know lines.
    pub(super) fn gave_back(&self, id: &str, sku: &SkuId, take: &Take) -> Folded {
        let sql = "SELECT line, units FROM reserved WHERE id = ?1 AND sku = ?2 AND location = ?3 ORDER BY line";
        let location = take.location.as_str();
        let mut statement = self.work.prepare_cached(sql)?;
        let rows = statement.query_map((id, sku.as_str(), location), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        let rows: Vec<(String, u32)> = rows.collect::<Result<_, _>>()?;
        let mut left = take.units;
        for (line, units) in rows {
            let units = units.min(left);
            left -= units;
            self.take_reserved(id, &line, sku.as_str(), location, units)?;
        }
        Ok(())
    }

    /// Takes units out of what is reserved and not asked of a location yet.
    pub(super) fn take_reserved(
        &self,
        id: &str,
        line: &str,
        sku: &str,
        location: &str,
        units: u32,
    ) -> Folded {
        let sql = "UPDATE reserved SET units = max(units - ?5, 0)
            WHERE id = ?1 AND line = ?2 AND sku = ?3 AND location = ?4";
        self.run(sql, (id, line, sku, location, units))?;
        let sql = "DELETE FROM reserved WHERE id = ?1 AND line = ?2 AND sku = ?3 AND location = ?4 AND units = 0";
        self.run(sql, (id, line, sku, location))?;
        Ok(())
    }
}
