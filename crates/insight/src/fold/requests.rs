//! Fulfilment requests: what a location has been asked, and what of it is still to do.

use crossdock_model::v1::{OrderEvent, RequestLine};
use crossdock_model::{LocationId, Timestamp};
use serde_json::json;

use super::{Folded, Folding};

impl Folding<'_> {
    pub(super) fn request_created(
        &self,
        id: &str,
        request: u32,
        location: &LocationId,
        lines: &[RequestLine],
        acknowledge_by: Timestamp,
    ) -> Folded {
        let sql = "INSERT INTO requests (id, number, location, phase, acknowledge_by, created_at)
            VALUES (?1, ?2, ?3, 'created', ?4, ?5)";
        let (place, by) = (location.as_str(), acknowledge_by.as_ms());
        self.run(sql, (id, request, place, by, self.at()))?;
        let sql = "INSERT INTO request_lines (id, number, line, sku, asked, open) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
            ON CONFLICT (id, number, line, sku) DO UPDATE SET asked = asked + ?5, open = open + ?5";
        for one in lines {
            let (line, sku) = (one.line.as_str(), one.sku.as_str());
            self.run(sql, (id, request, line, sku, one.units))?;
            self.take_reserved(id, line, sku, place, one.units)?;
        }
        Ok(())
    }

    pub(super) fn request_sent(&self, id: &str, request: u32) -> Folded {
        let sql = "UPDATE requests SET phase = 'sent' WHERE id = ?1 AND number = ?2 AND phase = 'created'";
        self.run(sql, (id, request))?;
        Ok(())
    }

    pub(super) fn request_acknowledged(&self, id: &str, request: u32) -> Folded {
        let sql =
            "UPDATE requests SET phase = 'acknowledged', overdue = 0 WHERE id = ?1 AND number = ?2";
        self.run(sql, (id, request))?;
        Ok(())
    }

    pub(super) fn request_overdue(&self, id: &str, request: u32) -> Folded {
        let sql = "UPDATE requests SET overdue = 1 WHERE id = ?1 AND number = ?2";
        self.run(sql, (id, request))?;
        Ok(())
    }

    pub(super) fn request_rejected(&self, id: &str, request: u32) -> Folded {
        let sql = "UPDATE request_lines SET open = 0 WHERE id = ?1 AND number = ?2";
        self.run(sql, (id, request))?;
        let sql = "UPDATE requests SET phase = 'rejected', cancelling = '{}' WHERE id = ?1 AND number = ?2";
        self.run(sql, (id, request))?;
        Ok(())
    }

    pub(super) fn short_picked(&self, id: &str, request: u32, lines: &[RequestLine]) -> Folded {
        self.take_open(id, request, lines, 0)?;
        self.close_empty(id, request, "rejected")
    }

    pub(super) fn shipped(&self, id: &str, event: &OrderEvent) -> Folded {
        let OrderEvent::Shipped {
            request,
            shipment,
            lines,
            tracking,
            shipped_at,
        } = event
        else {
            return Ok(());
        };
        let sql = "UPDATE requests SET phase = 'acknowledged', shipped = 1, overdue = 0
            WHERE id = ?1 AND number = ?2";
        self.run(sql, (id, request))?;
        self.take_open(id, *request, lines, 1)?;
        self.close_empty(id, *request, "shipped")?;
        let sql = "INSERT OR REPLACE INTO shipments (id, shipment, request, at, carrier, number, url, lines)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let tracking = tracking.as_ref();
        self.run(
            sql,
            (
                id,
                shipment.as_str(),
                request,
                shipped_at.as_ms(),
                tracking.and_then(|known| known.carrier.as_ref()),
                tracking.and_then(|known| known.number.as_ref()),
                tracking.and_then(|known| known.url.as_ref()),
                serde_json::to_string(lines)?,
            ),
        )?;
        let data = json!({ "request": request, "shipment": shipment, "lines": lines, "tracking": tracking });
        self.feed("order.parcel", id, &data)
    }

    pub(super) fn cancel_asked(
        &self,
        id: &str,
        request: u32,
        ask: u32,
        lines: &[RequestLine],
    ) -> Folded {
        let sql = "UPDATE requests SET cancelling = json_set(cancelling, ?3, json(?4))
            WHERE id = ?1 AND number = ?2";
        let lines = serde_json::to_string(lines)?;
        self.run(sql, (id, request, ask_path(ask), lines))?;
        Ok(())
    }

    /// What the location has stopped is reserved and asked of nobody.
    pub(super) fn request_cancelled(
        &self,
        id: &str,
        request: u32,
        ask: u32,
        lines: &[RequestLine],
    ) -> Folded {
        self.take_open(id, request, lines, 0)?;
        let sql = "INSERT INTO reserved (id, line, sku, location, units)
            SELECT ?1, ?3, ?4, location, ?5 FROM requests WHERE id = ?1 AND number = ?2
            ON CONFLICT (id, line, sku, location) DO UPDATE SET units = units + ?5";
        for one in lines {
            let (line, sku) = (one.line.as_str(), one.sku.as_str());
            self.run(sql, (id, request, line, sku, one.units))?;
        }
        self.ask_ended(id, request, ask)?;
        self.close_empty(id, request, "cancelled")
    }

    pub(super) fn ask_ended(&self, id: &str, request: u32, ask: u32) -> Folded {
        let sql = "UPDATE requests SET cancelling = json_remove(cancelling, ?3)
            WHERE id = ?1 AND number = ?2";
        self.run(sql, (id, request, ask_path(ask)))?;
        Ok(())
    }

    /// Units are not to do any more; `shipped` is 1 where they have left.
    fn take_open(&self, id: &str, request: u32, lines: &[RequestLine], shipped: i64) -> Folded {
        let sql = "UPDATE request_lines SET shipped = shipped + ?6 * ?5, open = max(open - ?5, 0)
            WHERE id = ?1 AND number = ?2 AND line = ?3 AND sku = ?4";
        for one in lines {
            let (line, sku) = (one.line.as_str(), one.sku.as_str());
            self.run(sql, (id, request, line, sku, one.units, shipped))?;
        }
        Ok(())
    }

    /// A request of which nothing is left has ended: as shipped when anything was.
    fn close_empty(&self, id: &str, request: u32, phase: &str) -> Folded {
        let sql = "UPDATE requests SET phase = iif(shipped, 'shipped', ?3), cancelling = '{}'
            WHERE id = ?1 AND number = ?2 AND NOT EXISTS (
            SELECT 1 FROM request_lines l WHERE l.id = ?1 AND l.number = ?2 AND l.open > 0)";
        self.run(sql, (id, request, phase))?;
        Ok(())
    }
}

fn ask_path(ask: u32) -> String {
    format!("$.\"{ask}\"")
}
