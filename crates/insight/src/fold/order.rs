//! Orders: their head, their plan and their timeline.

use crossdock_model::v1::{
    Destination, OrderEvent, OrderFacts, OrderStatus, Origin, Payment, Plan,
};
use crossdock_model::{LineId, OrderId, Timestamp};
use rusqlite::OptionalExtension;
use serde_json::{Value, json};

use super::{Folded, Folding};
use crate::InsightError;
use crate::sentences::{self, Told};

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

pub(super) fn payment_text(payment: Payment) -> &'static str {
    match payment {
        Payment::Ready => "ready",
        Payment::Pending => "pending",
        Payment::OnHoldUntil(_) => "on_hold",
        Payment::Voided => "voided",
    }
}

fn origin_text(origin: Origin) -> &'static str {
    match origin {
        Origin::Channel => "channel",
        Origin::Api => "api",
        Origin::Adopted => "adopted",
        Origin::Hold { .. } => "hold",
        Origin::SentByChannel => "sent_by_channel",
    }
}

fn lines_or_whole(lines: &[LineId]) -> Vec<&str> {
    match lines.is_empty() {
        true => vec![""],
        false => lines.iter().map(LineId::as_str).collect(),
    }
}

impl Folding<'_> {
    /// Tells the event in the timeline, then only dispatches.
    #[rustfmt::skip]
    pub(super) fn order(&mut self, order: &OrderId, number: usize, event: &OrderEvent) -> Folded {
        use OrderEvent as E;
        let id = order.to_string();
        self.tell(order, &id, number, event)?;
        match event {
            E::Received { facts, origin } => self.received(order, &id, facts, *origin),
            E::PlacedAnew { facts, origin } => self.placed_anew(order, &id, facts, *origin),
            E::Merged { facts } => self.restated(&id, facts),
            E::LinesEdited { lines } => self.edited(&id, lines),
            E::StatusChanged { to } => self.status(&id, *to),
            E::Planned { attempt, plan, .. } => self.planned(&id, *attempt, plan),
            E::Reserved { attempt } => self.reserved(&id, *attempt),
            E::BackorderedAt { skus, .. } => self.backordered(&id, skus),
            E::Released { lines, .. } => self.let_go(&id, lines),
            E::GaveBack { sku, take, .. } => self.gave_back(&id, sku, take),
            E::LinesCancelled { lines, reason, .. } => self.lines_cancelled(&id, lines, reason),
            E::CancelUndone { lines, reason } => self.cancel_undone(&id, lines, reason),
            E::ElsewhereUndone { shipment, lines } => self.elsewhere_undone(&id, shipment, lines),
            E::ShippedElsewhere { shipment, lines } => self.shipped_elsewhere(&id, shipment, lines),
            E::Returned { return_id, lines } => self.came_back(&id, return_id.as_str(), lines),
            E::Refunded { refund, lines } => self.refunded(&id, refund, lines),
            E::Refused { .. } => self.all_cancelled(&id),
            E::RequestCreated { request, location, lines, acknowledge_by, .. } =>
                self.request_created(&id, *request, location, lines, *acknowledge_by),
            E::RequestSent { request } => self.request_sent(&id, *request),
            E::RequestAcknowledged { request } => self.request_acknowledged(&id, *request),
            E::RequestOverdue { request } => self.request_overdue(&id, *request),
            E::RequestRejected { request, .. } => self.request_rejected(&id, *request),
            E::ShortPicked { request, lines } => self.short_picked(&id, *request, lines),
            E::Shipped { .. } => self.shipped(&id, event),
            E::RequestCancelAsked { request, ask, lines } => self.cancel_asked(&id, *request, *ask, lines),
            E::RequestCancelled { request, ask, lines } => self.request_cancelled(&id, *request, *ask, lines),
            E::RequestCancelRefused { request, ask } => self.ask_ended(&id, *request, *ask),
            E::DestinationChanged { destination, .. } => {
                self.destination(&id, Some(destination))?;
                self.feed("order.address_changed", &id, &json!({}))
            }
            E::HeldBack { lines, reason, until } => self.held_back(&id, lines, reason, *until),
            E::HoldEnded { lines } => self.released_from_hold(&id, lines),
            E::ReportMade { .. } | E::ReportBegun { .. } | E::ReportFailed { .. } | E::ReportRetried { .. }
            | E::ReportEnded { .. } => self.report(&id, event),
            E::ExceptionOpened(opened) => self.exception_opened(opened),
            E::ExceptionClosed(closed) => self.exception_closed(closed),
            E::ExceptionNoted(noted) => self.exception_noted(noted),
            // The timeline tells them; no other table shows them.
            E::TieSeen { .. } | E::GiveBackAsked { .. } | E::CancelStated { .. } | E::EditSeen { .. } | E::LinesBound { .. }
            | E::PlanRequested { .. } | E::SkuReserved { .. }
            | E::SlotGranted { .. } | E::AttemptClosed { .. } | E::StockReturned { .. } | E::StockAsked { .. }
            | E::StockSeen { .. } | E::OfferSeen { .. } | E::OfferAnswered { .. } | E::RequestSendFailed { .. }
            | E::RequestResent { .. } | E::RerouteAsked { .. }
            | E::ConflictSeen { .. } | E::Freed | E::SplitAsked { .. }
            | E::Noted { .. } | E::EffectDone { .. } | E::HoldTaken { .. } | E::TimePassed { .. }
            | E::Claimed { .. } | E::CancelAsked { .. } | E::CancelRefused { .. } => Ok(()),
        }
    }

    fn tell(&self, order: &OrderId, id: &str, number: usize, event: &OrderEvent) -> Folded {
        let told = self.context(order, id, event)?;
        let Some((kind, sentence)) = sentences::order(event, &told) else {
            return Ok(());
        };
        let sql = "INSERT INTO timeline (id, number, at, kind, sentence, principal, reason, position, details)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.run(
            sql,
            (
                id,
                self.number(number),
                self.at(),
                kind,
                &sentence,
                self.principal(),
                &self.record.meta.reason,
                format!("{}:{}", self.position.shard, self.position.seq),
                details(event)?.to_string(),
            ),
        )?;
        let sql = "UPDATE orders SET changed_at = ?2, last_change = ?3 WHERE id = ?1";
        self.run(sql, (id, self.at(), sentence))?;
        Ok(())
    }

    /// What a sentence needs to know besides its event.
    fn context(&self, order: &OrderId, id: &str, event: &OrderEvent) -> Result<Told, InsightError> {
        let mut told = Told {
            channel: order.channel.to_string(),
            ..Told::default()
        };
        if let OrderEvent::SkuReserved { attempt, .. } | OrderEvent::Reserved { attempt } = event {
            told.plan = self.plan(id, *attempt)?;
        }
        if let OrderEvent::RequestSent { request }
        | OrderEvent::RequestAcknowledged { request }
        | OrderEvent::RequestOverdue { request }
        | OrderEvent::RequestRejected { request, .. }
        | OrderEvent::ShortPicked { request, .. }
        | OrderEvent::Shipped { request, .. }
        | OrderEvent::RequestCancelAsked { request, .. }
        | OrderEvent::RequestCancelled { request, .. }
        | OrderEvent::RequestCancelRefused { request, .. }
        | OrderEvent::RequestSendFailed { request, .. }
        | OrderEvent::RequestResent { request, .. } = event
        {
            let sql = "SELECT location, acknowledge_by FROM requests WHERE id = ?1 AND number = ?2";
            let mut statement = self.work.prepare_cached(sql)?;
            let known = statement.query_row((id, request), |row| Ok((row.get(0)?, row.get(1)?)));
            told.request = known.optional()?;
        }
        if let OrderEvent::ReportFailed { report, .. } | OrderEvent::ReportEnded { report, .. } =
            event
        {
            told.report = self.report_words(id, *report)?;
        }
        Ok(told)
    }

    /// The plan of an attempt, while it is the order's latest.
    pub(super) fn plan(&self, id: &str, attempt: u32) -> Result<Option<Plan>, InsightError> {
        let sql = "SELECT plan FROM plans WHERE id = ?1 AND attempt = ?2";
        let mut statement = self.work.prepare_cached(sql)?;
        let text: Option<String> = statement
            .query_row((id, attempt), |row| row.get(0))
            .optional()?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    fn received(&self, order: &OrderId, id: &str, facts: &OrderFacts, origin: Origin) -> Folded {
        let sql = "INSERT INTO orders (id, channel, name, status, origin, placed_at, changed_at, payment, tags, test)
            VALUES (?1, ?2, ?3, 'received', ?4, ?5, ?6, '', '[]', ?7)";
        let channel = order.channel.as_str();
        self.run(
            sql,
            (
                id,
                channel,
                &facts.name,
                origin_text(origin),
                facts.placed_at.as_ms(),
                self.at(),
                facts.test,
            ),
        )?;
        self.merged(id, facts)?;
        self.destination(id, facts.destination.as_ref())?;
        let sentence = sentences::received(facts, origin, channel);
        let sql = "UPDATE orders SET last_change = ?2 WHERE id = ?1";
        self.run(sql, (id, sentence))?;
        let data = json!({ "name": facts.name, "channel": channel, "test": facts.test });
        self.feed("order.received", id, &data)
    }

    /// What was refused leaves its timeline and nothing else.
    fn placed_anew(&self, order: &OrderId, id: &str, facts: &OrderFacts, origin: Origin) -> Folded {
        for table in ["orders", "order_lines", "order_holds", "plans", "reports"] {
            self.run(&format!("DELETE FROM {table} WHERE id = ?1"), [id])?;
        }
        self.received(order, id, facts, origin)
    }

    pub(super) fn merged(&self, id: &str, facts: &OrderFacts) -> Folded {
        let sql = "UPDATE orders SET name = ?2, ship_by = ?3, total = ?4, tags = ?5, payment = ?6, payment_until = ?7,
            service_level = ?8, deliver_by = ?9 WHERE id = ?1";
        let until = match facts.payment {
            Payment::OnHoldUntil(until) => Some(until),
            Payment::Ready | Payment::Pending | Payment::Voided => None,
        };
        self.run(
            sql,
            (
                id,
                &facts.name,
                facts.ship_by.map(Timestamp::as_ms),
                facts.total.map(|total| total.to_string()),
                serde_json::to_string(&facts.tags)?,
                payment_text(facts.payment),
                until.map(Timestamp::as_ms),
                &facts.service_level,
                facts.deliver_by.map(Timestamp::as_ms),
            ),
        )?;
        self.state_lines(id, &facts.lines)
    }

    fn destination(&self, id: &str, destination: Option<&Destination>) -> Folded {
        let text = destination.map(serde_json::to_string).transpose()?;
        let sql = "UPDATE orders SET destination = ?2 WHERE id = ?1";
        self.run(sql, (id, text))?;
        Ok(())
    }

    /// The hold of the whole order stands under no line.
    fn held_back(
        &self,
        id: &str,
        lines: &[LineId],
        reason: &str,
        until: Option<Timestamp>,
    ) -> Folded {
        let sql =
            "INSERT OR REPLACE INTO order_holds (id, line, reason, until) VALUES (?1, ?2, ?3, ?4)";
        for line in lines_or_whole(lines) {
            self.run(sql, (id, line, reason, until.map(Timestamp::as_ms)))?;
        }
        Ok(())
    }

    fn released_from_hold(&self, id: &str, lines: &[LineId]) -> Folded {
        if lines.is_empty() {
            self.run("DELETE FROM order_holds WHERE id = ?1", [id])?;
        }
        for line in lines {
            let sql = "DELETE FROM order_holds WHERE id = ?1 AND line = ?2";
            self.run(sql, (id, line.as_str()))?;
        }
        Ok(())
    }

    fn status(&self, id: &str, to: OrderStatus) -> Folded {
        let status = status_text(to);
        let over = matches!(
            to,
            OrderStatus::Shipped | OrderStatus::Closed | OrderStatus::Cancelled
        );
        let sql =
            "UPDATE orders SET status = ?2, backordered = iif(?3, 0, backordered) WHERE id = ?1";
        self.run(sql, (id, status, over))?;
        // `order.received` means that it is new; one that has to be placed again is not.
        let topic = match to {
            OrderStatus::Received => "order.replanned".to_owned(),
            _ => format!("order.{status}"),
        };
        self.feed(&topic, id, &json!({ "status": status }))
    }

    fn planned(&self, id: &str, attempt: u32, plan: &Plan) -> Folded {
        let sql = "INSERT OR REPLACE INTO plans (id, attempt, plan) VALUES (?1, ?2, ?3)";
        self.run(sql, (id, attempt, serde_json::to_string(plan)?))?;
        Ok(())
    }
}

/// The event as JSON. Statements of the channel are cut to what decisions rest on: lines have their own table.
fn details(event: &OrderEvent) -> Result<Value, InsightError> {
    let (OrderEvent::Received { facts, .. }
    | OrderEvent::PlacedAnew { facts, .. }
    | OrderEvent::Merged { facts }) = event
    else {
        // `{"Planned": {…}}`: the kind stands beside it already.
        return Ok(match serde_json::to_value(event)? {
            Value::Object(tagged) => tagged.into_iter().next().map_or(Value::Null, |(_, v)| v),
            _ => json!({}),
        });
    };
    let lines = facts.lines.iter();
    let lines = lines.map(|line| json!({ "line": line.line, "units": line.ordered_units }));
    Ok(json!({
        "name": facts.name, "updated_at": facts.updated_at, "payment": payment_text(facts.payment),
        "service_level": facts.service_level, "tags": facts.tags, "lines": lines.collect::<Vec<_>>(),
    }))
}
