//! An order's events as its timeline tells them.

use crossdock_model::Timestamp;
use crossdock_model::v1::{
    Allocation, AttemptEnd, LineUnits, OrderEvent, OrderFacts, Origin, Plan, RejectReason,
    RequestLine, Verdict,
};

use crate::fold::status_text;

/// Kind and sentence of an event; `None` for book-keeping that tells nothing.
pub(crate) fn order(event: &OrderEvent) -> Option<(&'static str, String)> {
    placing(event)
        .or_else(|| fulfilling(event))
        .or_else(|| changing(event))
}

/// From receipt to reservation.
fn placing(event: &OrderEvent) -> Option<(&'static str, String)> {
    Some(match event {
        OrderEvent::Received { facts, origin } => ("received", received(facts, *origin)),
        OrderEvent::StatusChanged { to } => (
            "status",
            format!("The order is {}.", status_text(*to).replace('_', " ")),
        ),
        OrderEvent::Planned { plan, ordered, .. } => ("planned", planned(plan, *ordered)),
        OrderEvent::Reserved { .. } => (
            "reserved",
            "All units are reserved for this order.".to_owned(),
        ),
        OrderEvent::AttemptClosed {
            cause, retry_at, ..
        } => ("attempt_closed", closed(cause, *retry_at)),
        OrderEvent::BackorderedAt { skus } => {
            let skus = list(skus.iter().map(ToString::to_string));
            (
                "backordered",
                format!("Waits for stock of {skus}; arriving units are offered to it first."),
            )
        }
        OrderEvent::Refused { why } => {
            ("refused", format!("Refused, and nothing was taken: {why}."))
        }
        OrderEvent::StockReturned { sku } => (
            "stock_returned",
            format!("Stock of {sku} came free: planning again."),
        ),
        _ => return None,
    })
}

/// From request to parcel.
fn fulfilling(event: &OrderEvent) -> Option<(&'static str, String)> {
    Some(match event {
        OrderEvent::RequestCreated {
            request,
            location,
            lines,
            ..
        } => {
            let lines = request_lines(lines);
            (
                "request_created",
                format!("Request {request} for {location}: {lines}."),
            )
        }
        OrderEvent::RequestSent { request } => (
            "request_sent",
            format!("Request {request} reached its location."),
        ),
        OrderEvent::RequestSendFailed {
            request,
            attempt,
            error,
            retry_at,
        } => {
            let next = match retry_at {
                Some(_) => "it is tried again",
                None => "it is not tried again: see the open exception",
            };
            (
                "request_send_failed",
                format!("Try {attempt} to deliver request {request} failed ({error}); {next}."),
            )
        }
        OrderEvent::RequestAcknowledged { request } => (
            "acknowledged",
            format!("Request {request} was acknowledged."),
        ),
        OrderEvent::RequestOverdue { request } => (
            "overdue",
            format!("Request {request} was not acknowledged by its deadline."),
        ),
        OrderEvent::RequestRejected { request, reason } => (
            "rejected",
            format!(
                "Request {request} was rejected: {}. Its units go elsewhere.",
                why(reason)
            ),
        ),
        OrderEvent::ShortPicked { request, lines } => {
            let lines = request_lines(lines);
            (
                "short_picked",
                format!("Request {request} was short by {lines}; they go elsewhere."),
            )
        }
        OrderEvent::Shipped {
            request,
            shipment,
            lines,
            tracking,
            ..
        } => {
            let number = tracking.as_ref().and_then(|t| t.number.as_ref());
            let tracking = number.map_or_else(String::new, |number| format!(", tracking {number}"));
            let lines = request_lines(lines);
            (
                "shipped",
                format!("Parcel {shipment} of request {request} left with {lines}{tracking}."),
            )
        }
        OrderEvent::ShippedElsewhere { shipment, lines } => (
            "shipped_elsewhere",
            format!(
                "Somebody else sent {} (shipment {shipment}).",
                line_units(lines)
            ),
        ),
        OrderEvent::RequestCancelAsked { request, .. } => (
            "cancel_asked",
            format!("The location was asked to stop request {request}."),
        ),
        OrderEvent::RequestCancelled { request } => (
            "request_cancelled",
            format!("Request {request} was stopped."),
        ),
        OrderEvent::RequestCancelRefused { request } => (
            "cancel_refused",
            format!("Request {request} could not be stopped any more."),
        ),
        _ => return None,
    })
}

/// What the channel and people changed.
fn changing(event: &OrderEvent) -> Option<(&'static str, String)> {
    Some(match event {
        OrderEvent::Merged { .. } => (
            "merged",
            "A newer statement of the channel was taken over.".to_owned(),
        ),
        OrderEvent::TieSeen { .. } => (
            "tie",
            "Another statement with the same time came: it is read again from the channel."
                .to_owned(),
        ),
        OrderEvent::LinesCancelled { lines, reason } => (
            "cancelled",
            format!("Cancelled {}: {reason}.", line_units(lines)),
        ),
        OrderEvent::Refunded { refund, lines } => {
            let units: u32 = lines.iter().map(|line| line.units).sum();
            ("refunded", format!("Refund {refund} over {units} units."))
        }
        OrderEvent::Returned { return_id, lines } => {
            let units: u32 = lines.iter().map(|line| line.units).sum();
            (
                "returned",
                format!("Return {return_id}: {units} units came back."),
            )
        }
        OrderEvent::LinesEdited { lines } => {
            ("edited", format!("{} lines were changed.", lines.len()))
        }
        OrderEvent::DestinationChanged { destination, .. } => (
            "address_changed",
            format!(
                "The address was changed; it goes to {}.",
                destination.country
            ),
        ),
        OrderEvent::ConflictSeen { field, .. } => (
            "conflict",
            format!("The channel states another {field} than the one that was set here."),
        ),
        OrderEvent::HeldBack { lines, reason, .. } => {
            let what = if lines.is_empty() {
                "The order".to_owned()
            } else {
                format!("{} lines", lines.len())
            };
            ("held", format!("{what} was put on hold: {reason}."))
        }
        OrderEvent::HoldEnded { .. } => ("hold_ended", "The hold ended.".to_owned()),
        OrderEvent::Freed => ("freed", "It was let go to fulfilment.".to_owned()),
        OrderEvent::SplitAsked { lines } => {
            ("split", format!("{} travel apart.", line_units(lines)))
        }
        OrderEvent::Noted { text } => ("note", text.clone()),
        OrderEvent::GaveBack { sku, take, .. } => (
            "gave_back",
            format!(
                "{} × {sku} at {} were given back: the location is short.",
                take.units, take.location
            ),
        ),
        OrderEvent::ExceptionOpened(opened) => ("exception_opened", opened.cause.clone()),
        OrderEvent::ExceptionClosed(closed) => (
            "exception_closed",
            format!(
                "The exception {} is settled: {}.",
                closed.key.kind,
                closed.how.trim_end_matches('.')
            ),
        ),
        _ => return None,
    })
}

fn received(facts: &OrderFacts, origin: Origin) -> String {
    let units: u32 = facts.lines.iter().map(|line| line.ordered_units).sum();
    let how = match origin {
        Origin::Channel => "Received from its channel",
        Origin::Api => "Received through the API",
        Origin::Adopted => "Adopted from an export (reserved only)",
        Origin::Hold { .. } => "Placed as a hold",
    };
    format!(
        "{how} as {}: {} lines, {units} units.",
        facts.name,
        facts.lines.len()
    )
}

fn planned(plan: &Plan, ordered: bool) -> String {
    let mut told = format!("Planned by rule \"{}\"", plan.rule);
    if plan.allocations.is_empty() {
        told.push_str(": no location can take any of it");
    } else {
        let each = plan.allocations.iter().map(
            |Allocation {
                 sku,
                 location,
                 units,
                 ..
             }| format!("{units} × {sku} from {location}"),
        );
        told.push_str(&format!(": {}", list(each)));
    }
    for candidate in &plan.candidates {
        let verdict = match candidate.verdict {
            Verdict::Chosen => "chosen",
            Verdict::Outranked => "not chosen",
            Verdict::Excluded => "ruled out",
        };
        told.push_str(&format!(
            "; {} {verdict}: {}",
            candidate.location, candidate.reason
        ));
    }
    if ordered {
        told.push_str("; SKUs are asked one after the other, because they were contended");
    }
    told.push('.');
    told
}

fn closed(cause: &AttemptEnd, retry_at: Option<Timestamp>) -> String {
    let why = match cause {
        AttemptEnd::Short { sku } => format!("{sku} had too little"),
        AttemptEnd::Contended { sku } => format!("others were reserving {sku} at that moment"),
        AttemptEnd::Busy { sku } => format!("{sku} was busy"),
        AttemptEnd::CapacityFull { location } => format!("{location} has no capacity left"),
        AttemptEnd::Changed => "the order changed".to_owned(),
    };
    let next = if retry_at.is_some() {
        "a moment later it plans again"
    } else {
        "it plans again"
    };
    format!("Nothing was reserved, because {why}; {next}.")
}

fn why(reason: &RejectReason) -> String {
    match reason {
        RejectReason::NotInStock => "not in stock".to_owned(),
        RejectReason::CannotShipThere => "cannot ship there".to_owned(),
        RejectReason::CapacityFull => "no capacity".to_owned(),
        RejectReason::Other(text) => text.clone(),
    }
}

fn request_lines(lines: &[RequestLine]) -> String {
    list(
        lines
            .iter()
            .map(|line| format!("{} × {}", line.units, line.sku)),
    )
}

fn line_units(lines: &[LineUnits]) -> String {
    let units: u32 = lines.iter().map(|line| line.units).sum();
    match units {
        1 => "1 unit".to_owned(),
        units => format!("{units} units"),
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
