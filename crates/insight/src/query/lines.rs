//! Lines of an order with what became of their units.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::{Value, json as value};

use super::json;
use crate::InsightError;

/// Units of one part of a line.
#[derive(Debug, Default, Clone, Copy)]
struct PartUnits {
    reserved: i64,
    requested: i64,
    shipped: i64,
}

type Parts = BTreeMap<(String, String), PartUnits>;

/// Lines of an order, in the order in which they came.
pub(super) fn of(reader: &Connection, id: &str, backordered: bool) -> Result<Value, InsightError> {
    let known = parts(reader, id)?;
    let sql =
        "SELECT line, title, ordered, cancelled, elsewhere, returned, unit_price, ships, parts
        FROM order_lines WHERE id = ?1 ORDER BY place";
    let mut statement = reader.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        let line: String = row.get(0)?;
        let (ordered, cancelled): (i64, i64) = (row.get(2)?, row.get(3)?);
        let (elsewhere, returned): (i64, i64) = (row.get(4)?, row.get(5)?);
        let ships: bool = row.get(7)?;
        let made_of = json(&row.get::<_, String>(8)?);
        let units = (ordered - cancelled).max(0);
        let each = each_part(&line, &made_of, &known);
        let status = match (units, ships) {
            (0, _) => "cancelled",
            (_, false) => "not_shipped",
            _ if returned >= units => "returned",
            _ => status(units - elsewhere, &each, backordered),
        };
        Ok(value!({
            "line": line, "title": row.get::<_, String>(1)?, "units": units, "status": status,
            "ordered_units": ordered, "cancelled_units": cancelled, "shipped_elsewhere_units": elsewhere,
            "returned_units": returned, "unit_price": row.get::<_, Option<String>>(6)?, "ships": ships,
            "parts": each.iter().map(|(sku, per, units)| value!({
                "sku": sku, "units_per_line_unit": per, "reserved_units": units.reserved,
                "requested_units": units.requested, "shipped_units": units.shipped,
            })).collect::<Vec<_>>(),
        }))
    })?;
    let rows: Vec<Value> = rows.collect::<Result<_, _>>()?;
    Ok(Value::Array(rows))
}

fn parts(reader: &Connection, id: &str) -> Result<Parts, InsightError> {
    let sql = "SELECT line, sku, sum(units), 0, 0 FROM reserved WHERE id = ?1 GROUP BY line, sku
        UNION ALL SELECT line, sku, 0, sum(open), sum(shipped) FROM request_lines WHERE id = ?1 GROUP BY line, sku";
    let mut statement = reader.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let mut all = Parts::new();
    while let Some(row) = rows.next()? {
        let units = all.entry((row.get(0)?, row.get(1)?)).or_default();
        units.reserved += row.get::<_, i64>(2)?;
        units.requested += row.get::<_, i64>(3)?;
        units.shipped += row.get::<_, i64>(4)?;
    }
    Ok(all)
}

/// SKU, units per unit of the line, and what became of them. A part that is a kit was planned by its components,
/// which follow with 0 units per unit of the line.
fn each_part(line: &str, made_of: &Value, known: &Parts) -> Vec<(String, i64, PartUnits)> {
    let stated = made_of.as_array().cloned().unwrap_or_default();
    let mut each: Vec<(String, i64, PartUnits)> = Vec::new();
    for part in &stated {
        let sku = part["sku"].as_str().unwrap_or_default().to_owned();
        let per = part["units_per_line_unit"].as_i64().unwrap_or(0);
        let units = known.get(&(line.to_owned(), sku.clone()));
        each.push((sku, per, units.copied().unwrap_or_default()));
    }
    for ((of, sku), units) in known {
        if of == line && !each.iter().any(|(known, _, _)| known == sku) {
            each.push((sku.clone(), 0, *units));
        }
    }
    each
}

/// The state of a line: that of its part which is least far.
fn status(open: i64, each: &[(String, i64, PartUnits)], backordered: bool) -> &'static str {
    if open <= 0 {
        return "shipped";
    }
    let kit = each.iter().any(|(_, per, _)| *per == 0);
    let counted = each
        .iter()
        .filter(|(_, per, units)| !kit || *per == 0 || units.any());
    let mut least = Stage::Shipped;
    let mut any_shipped = false;
    for (_, per, units) in counted {
        any_shipped |= units.shipped > 0;
        // What a component needs is not known here: all that was ever placed of it.
        let need = match *per {
            0 => units.reserved + units.requested + units.shipped,
            per => open * per,
        };
        let stage = if units.shipped >= need {
            Stage::Shipped
        } else if units.shipped + units.requested >= need {
            Stage::Requested
        } else if units.shipped + units.requested + units.reserved >= need {
            Stage::Reserved
        } else {
            Stage::Open
        };
        least = least.min(stage);
    }
    match (least, any_shipped) {
        (Stage::Open, _) if backordered => "backordered",
        (Stage::Shipped, true) => "shipped",
        (Stage::Requested | Stage::Reserved, true) => "partly_shipped",
        (Stage::Requested, false) => "requested",
        (Stage::Reserved, false) => "reserved",
        (Stage::Open | Stage::Shipped, _) => "open",
    }
}

impl PartUnits {
    fn any(self) -> bool {
        self.reserved + self.requested + self.shipped > 0
    }
}

/// How far units are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    Reserved,
    Requested,
    Shipped,
}
