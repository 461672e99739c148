//! Orders, their timelines and their fulfilment requests.

use crossdock_model::EntityId;
use crossdock_model::v1::{LineFacts, OrderEvent, OrderFacts, OrderStatus, Origin};
use serde_json::{Value, json};

use super::Folding;
use crate::{InsightError, sentences};

/// The text of a status, as users see it.
pub(crate) fn status_text(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Received => "received",
        OrderStatus::Held => "held",
        OrderStatus::Routed => "routed",
        OrderStatus::Reserved => "reserved",
        OrderStatus::Requested => "requested",
        OrderStatus::Acknowledged => "acknowledged",
        OrderStatus::PartlyShipped => "partly_shipped",
        OrderStatus::Shipped => "shipped",
        OrderStatus::Closed => "closed",
        OrderStatus::Cancelled => "cancelled",
        OrderStatus::Backordered => "backordered",
    }
}

impl Folding<'_> {
    pub fn order(&self, number: usize, event: &OrderEvent) -> Result<(), InsightError> {
        let EntityId::Order(id) = self.entity else {
            return Ok(());
        };
        let id = id.to_string();
        self.tell(&id, number, event)?;
        match event {
            OrderEvent::Received { facts, origin } => self.received(&id, facts, *origin)?,
            OrderEvent::Merged { facts } => self.merged(&id, facts)?,
            OrderEvent::LinesEdited { lines } => self.edited(&id, lines)?,
            OrderEvent::StatusChanged { to } => self.status(&id, *to)?,
            OrderEvent::RequestCreated {
                request,
                location,
                lines,
                acknowledge_by,
                ..
            } => {
                let sql = "INSERT OR REPLACE INTO requests (id, number, location, status, lines, acknowledge_by,
                    created_at) VALUES (?1, ?2, ?3, 'created', ?4, ?5, ?6)";
                self.work.prepare_cached(sql)?.execute((
                    &id,
                    request,
                    location.as_str(),
                    serde_json::to_string(lines)?,
                    acknowledge_by.as_ms(),
                    self.at(),
                ))?;
            }
            OrderEvent::RequestSent { request } => self.request(&id, *request, "sent")?,
            OrderEvent::RequestAcknowledged { request } => {
                self.request(&id, *request, "acknowledged")?
            }
            OrderEvent::RequestOverdue { request } => self.request(&id, *request, "overdue")?,
            OrderEvent::RequestRejected { request, .. } => {
                self.request(&id, *request, "rejected")?
            }
            OrderEvent::ShortPicked { request, .. } => {
                self.request(&id, *request, "short_picked")?
            }
            OrderEvent::Shipped {
                request, shipment, ..
            } => {
                self.request(&id, *request, "shipped")?;
                self.feed(
                    "order.parcel",
                    &id,
                    &json!({ "request": request, "shipment": shipment }),
                )?;
            }
            OrderEvent::RequestCancelAsked { request, .. } => {
                self.request(&id, *request, "cancel_asked")?
            }
            OrderEvent::RequestCancelled { request } => self.request(&id, *request, "cancelled")?,
            OrderEvent::RequestCancelRefused { request } => {
                self.request(&id, *request, "cancel_refused")?
            }
            OrderEvent::ExceptionOpened(opened) => self.opened(opened)?,
            OrderEvent::ExceptionClosed(closed) => self.closed(closed)?,
            _ => {}
        }
        Ok(())
    }

    fn tell(&self, id: &str, number: usize, event: &OrderEvent) -> Result<(), InsightError> {
        let Some((kind, sentence)) = sentences::order(event) else {
            return Ok(());
        };
        let sql = "INSERT OR REPLACE INTO timeline (id, number, at, kind, sentence, principal, reason, position)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let meta = &self.record.meta;
        self.work.prepare_cached(sql)?.execute((
            id,
            self.number(number),
            self.at(),
            kind,
            sentence,
            meta.principal.as_str(),
            &meta.reason,
            format!("{}:{}", self.position.shard, self.position.seq),
        ))?;
        Ok(())
    }

    fn received(&self, id: &str, facts: &OrderFacts, origin: Origin) -> Result<(), InsightError> {
        let sql = "INSERT OR REPLACE INTO orders (id, channel, name, status, placed_at, changed_at, ship_by, units,
            total, tags, test, lines, origin) VALUES (?1, ?2, ?3, 'received', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let channel = id.split_once(':').map_or(id, |(channel, _)| channel);
        let origin = match origin {
            Origin::Channel => "channel",
            Origin::Api => "api",
            Origin::Adopted => "adopted",
            Origin::Hold { .. } => "hold",
        };
        self.work.prepare_cached(sql)?.execute((
            id,
            channel,
            &facts.name,
            facts.placed_at.as_ms(),
            self.at(),
            facts.ship_by.map(crossdock_model::Timestamp::as_ms),
            units(&facts.lines),
            facts.total.map(|total| total.to_string()),
            facts.tags.join(","),
            facts.test,
            lines(&facts.lines).to_string(),
            origin,
        ))?;
        self.feed("order.received", id, &json!({ "name": facts.name }))
    }

    fn merged(&self, id: &str, facts: &OrderFacts) -> Result<(), InsightError> {
        let sql = "UPDATE orders SET name = ?2, ship_by = ?3, units = ?4, total = ?5, tags = ?6, lines = ?7,
            changed_at = ?8 WHERE id = ?1";
        self.work.prepare_cached(sql)?.execute((
            id,
            &facts.name,
            facts.ship_by.map(crossdock_model::Timestamp::as_ms),
            units(&facts.lines),
            facts.total.map(|total| total.to_string()),
            facts.tags.join(","),
            lines(&facts.lines).to_string(),
            self.at(),
        ))?;
        Ok(())
    }

    /// Lines an operator changed replace the ones of the same id; new ones are added.
    fn edited(&self, id: &str, edited: &[LineFacts]) -> Result<(), InsightError> {
        let known: String =
            self.work
                .query_row("SELECT lines FROM orders WHERE id = ?1", [id], |row| {
                    row.get(0)
                })?;
        let mut known: Vec<Value> = serde_json::from_str(&known)?;
        let Value::Array(edited) = lines(edited) else {
            return Ok(());
        };
        for line in edited {
            match known.iter_mut().find(|known| known["line"] == line["line"]) {
                Some(known) => *known = line,
                None => known.push(line),
            }
        }
        let sql = "UPDATE orders SET lines = ?2, changed_at = ?3 WHERE id = ?1";
        self.work
            .execute(sql, (id, serde_json::to_string(&known)?, self.at()))?;
        Ok(())
    }

    fn status(&self, id: &str, to: OrderStatus) -> Result<(), InsightError> {
        let status = status_text(to);
        let sql = "UPDATE orders SET status = ?2, changed_at = ?3 WHERE id = ?1";
        self.work
            .prepare_cached(sql)?
            .execute((id, status, self.at()))?;
        self.feed(&format!("order.{status}"), id, &json!({ "status": status }))
    }

    fn request(&self, id: &str, number: u32, status: &str) -> Result<(), InsightError> {
        let sql = "UPDATE requests SET status = ?3 WHERE id = ?1 AND number = ?2";
        self.work
            .prepare_cached(sql)?
            .execute((id, number, status))?;
        Ok(())
    }
}

fn units(lines: &[LineFacts]) -> i64 {
    lines
        .iter()
        .map(|line| i64::from(line.ordered_units.saturating_sub(line.cancelled_units)))
        .sum()
}

fn lines(lines: &[LineFacts]) -> Value {
    let line = |line: &LineFacts| {
        json!({
            "line": line.line, "title": line.title, "ordered_units": line.ordered_units,
            "cancelled_units": line.cancelled_units, "unit_price": line.unit_price.map(|p| p.to_string()),
            "ships": line.ships,
            "parts": line.parts.iter().map(|part| json!({
                "sku": part.sku, "units_per_line_unit": part.units_per_line_unit
            })).collect::<Vec<_>>(),
        })
    };
    lines.iter().map(line).collect()
}
