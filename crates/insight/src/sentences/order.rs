//! An order's events as its timeline tells them.

use crossdock_model::answer::StockView;
use crossdock_model::v1::{
    Allocation, AttemptEnd, Candidate, Destination, ExceptionClosed, Fallback, LineUnits,
    OrderEvent, OrderFacts, Origin, ParcelTracking, Plan, ReportEnd, RequestLine, ReturnLine, Take,
    Verdict,
};
use crossdock_model::{LineId, LocationId, ShipmentId, SkuId, Timestamp};

use super::words::{
    count, instant, line_units, list, many, open_ended, refusal, request_lines, sum,
};
use crate::fold::status_text;

/// What sentences need to know besides their event.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The order's channel.
    pub channel: String,
    /// The plan of the attempt the event is of.
    pub plan: Option<Plan>,
    /// Location and deadline, milliseconds since 1970, of the request the event is of.
    pub request: Option<(String, i64)>,
    /// What the report that the event is of says.
    pub report: Option<String>,
}

/// Kind and sentence of an event; `None` for book-keeping that tells nobody anything.
#[rustfmt::skip]
pub(crate) fn order(event: &OrderEvent, told: &Told) -> Option<(&'static str, String)> {
    use OrderEvent as E;
    Some(match event {
        E::Received { facts, origin } => ("received", received(facts, *origin, &told.channel)),
        E::PlacedAnew { facts, origin } => ("placed_anew", format!("Placed anew, as the try before was refused. {}", received(facts, *origin, &told.channel))),
        E::Merged { .. } => ("merged", format!("A newer statement of {} was taken over.", told.channel)),
        E::TieSeen { updated_at } => ("tie", format!("Another statement as of {} came, and which is newer cannot be told: what it cancels counts, the rest waits for the next one of {}.", instant(*updated_at), told.channel)),
        E::CancelStated { updated_at, whole, lines } => ("cancel_stated", cancel_stated(*updated_at, whole.is_some(), lines, &told.channel)),
        E::StatusChanged { to } => ("status", format!("The order is {}.", status_text(*to).replace('_', " "))),
        E::PlanRequested { attempt, excluded } => ("plan_requested", plan_requested(*attempt, excluded)),
        E::Planned { plan, ordered, .. } => ("planned", planned(plan, *ordered)),
        E::SkuReserved { sku, .. } => ("sku_reserved", sku_reserved(sku, told.plan.as_ref())),
        E::SlotGranted { location, day, .. } => ("capacity_granted", format!("{location} has capacity for it on {day}.")),
        E::Reserved { .. } => ("reserved", reserved(told.plan.as_ref())),
        E::AttemptClosed { cause, retry_at, .. } => ("attempt_closed", attempt_closed(cause, *retry_at)),
        E::BackorderedAt { skus, locations } => ("backordered", backordered(skus, locations)),
        E::StockReturned { sku } => ("stock_returned", format!("Stock of {sku} came free: planning again.")),
        E::StockAsked { skus } => ("stock_asked", format!("No place was found for all of it: the stock of {} is looked at again.", list(skus))),
        E::StockSeen { stock } => ("stock_seen", stock_seen(stock)),
        E::OfferSeen { sku, takes, until } => ("offer_seen", format!("{} of {sku} are kept for it until {}.", taken(takes), instant(*until))),
        E::OfferAnswered { sku, accepted } => ("offer_answered", format!("What {sku} kept for it was {}.", if *accepted { "taken" } else { "let go" })),
        E::Refused { why } => ("refused", format!("Refused, and nothing was taken: {}.", open_ended(&why.to_string()))),
        E::Released { lines, .. } => ("released", format!("Let go of {}.", allocations(lines))),
        E::GaveBack { sku, take, .. } => ("gave_back", format!("SKU {sku} was short at {}: gave {} back, planning again.", take.location, count(take.units, "unit"))),
        E::RequestCreated { request, location, lines, .. } => ("request_created", format!("Request {request} made out to {location}: {}.", request_lines(lines))),
        E::RequestSent { request } => ("request_sent", format!("Request {request} sent{}{}.", to_location(told), acknowledge_by(told))),
        E::RequestSendFailed { request, attempt, error, retry_at } => ("request_send_failed", send_failed(*request, *attempt, error, *retry_at, told)),
        E::RequestResent { request, attempt, ask } => ("request_resent", resent(*request, *attempt, *ask, told)),
        E::RequestAcknowledged { request } => ("acknowledged", format!("Request {request} was acknowledged{}.", by_location(told))),
        E::RequestOverdue { request } => ("overdue", format!("Request {request} was not acknowledged{} in time.", by_location(told))),
        E::RequestRejected { request, reason } => ("rejected", format!("Request {request} was rejected{}: {}. Its units go elsewhere.", by_location(told), refusal(reason))),
        E::ShortPicked { request, lines } => ("short_picked", short_picked(*request, lines, told)),
        E::Shipped { request, shipment, lines, tracking, .. } => ("shipped", format!("Parcel {shipment} of request {request} left{} with {}{}.", from_location(told), request_lines(lines), tracked(tracking.as_ref()))),
        E::ShippedElsewhere { shipment, lines } => ("shipped_elsewhere", format!("{} says somebody else sent {} (shipment {shipment}).", told.channel, line_units(lines))),
        E::ElsewhereUndone { shipment, lines } => ("elsewhere_undone", elsewhere_undone(shipment.as_str(), lines, &told.channel)),
        E::EditSeen { edited_at, .. } => ("edit_seen", format!("{} edited it at {}: its next statement says how in full.", told.channel, instant(*edited_at))),
        E::LinesBound { lines } => ("lines_bound", lines_bound(lines, &told.channel)),
        E::RequestCancelAsked { request, lines, .. } => ("cancel_asked", format!("Asked{} to stop {} of request {request}.", at_location(told), request_lines(lines))),
        E::RequestCancelled { request, lines, .. } => ("request_cancelled", stopped(*request, lines, told)),
        E::GiveBackAsked { sku, location, until, .. } => ("give_back_asked", format!("SKU {sku} is short at {location} and wants units back: the location has until {} to stop them.", instant(*until))),
        E::RequestCancelRefused { request, ask } => ("cancel_refused", format!("What was asked to stop of request {request} could not be{} any more (ask {ask}).", by_location(told))),
        E::LinesCancelled { lines, reason, .. } => ("cancelled", format!("Cancelled {}: {}.", line_units(lines), open_ended(reason))),
        E::CancelUndone { lines, reason } => ("cancel_undone", format!("{} no longer cancelled: {}.", line_units(lines), open_ended(reason))),
        E::Refunded { refund, lines } => ("refunded", format!("Refund {refund} over {}.", count(sum(lines.iter().map(|line| line.units)), "unit"))),
        E::Returned { return_id, lines } => ("returned", returned(return_id.as_str(), lines)),
        E::LinesEdited { lines } => ("edited", format!("{} changed: {}.", many(lines, "line"), list(lines.iter().map(|line| &line.line)))),
        E::DestinationChanged { destination, by_operator } => ("address_changed", destination_changed(destination, *by_operator, &told.channel)),
        E::ConflictSeen { field, theirs } => ("conflict", format!("{} states another {field} ({theirs}) than the one that was set here, which stays.", told.channel)),
        E::HeldBack { lines, reason, until } => ("held", held_back(lines, reason, *until)),
        E::HoldEnded { lines } => ("hold_ended", format!("The hold of {} ended.", whole_or(lines))),
        E::CancelAsked { lines, reason, .. } => ("buyer_asks_cancel", cancel_asked(lines, reason, &told.channel)),
        E::CancelRefused { lines } => ("cancel_not_agreed", format!("To be sent all the same, as was decided here: line {}.", list(lines))),
        E::HoldTaken { hold } => ("hold_taken", format!("The hold {hold} became this order's.")),
        E::Freed => ("freed", "Let go to fulfilment.".to_owned()),
        E::SplitAsked { lines } => ("split", format!("{} travel in a request of their own.", line_units(lines))),
        E::RerouteAsked { exclude } => ("reroute_asked", reroute_asked(exclude)),
        E::Noted { text } => ("note", text.clone()),
        E::ReportFailed { error, in_doubt, retry_at, .. } => ("report_failed", report_failed(error, *in_doubt, *retry_at, told)),
        E::ReportEnded { end: ReportEnd::Told { theirs }, .. } => ("reported", reported(theirs.as_ref(), told)),
        E::ReportEnded { end: ReportEnd::Void, .. } => ("report_void", format!("{} need not be told{} any more.", told.channel, of_report(told))),
        E::ExceptionOpened(opened) => ("exception_opened", format!("Needs a person ({}): {}.", opened.key.kind, open_ended(&opened.cause))),
        E::ExceptionClosed(closed) => ("exception_closed", exception_closed(closed)),
        E::ExceptionNoted(noted) => ("exception_noted", format!("Noted ({}): {}.", noted.key.kind, open_ended(&noted.text))),
        E::EffectDone { .. } | E::TimePassed { .. } | E::Claimed { .. } | E::ReportMade { .. } | E::ReportBegun { .. }
        | E::ReportRetried { .. } | E::ReportEnded { end: ReportEnd::NotTold, .. } => return None,
    })
}

/// How it came in. The channel is told by its id.
pub(crate) fn received(facts: &OrderFacts, origin: Origin, channel: &str) -> String {
    let units = sum(facts.lines.iter().map(|line| line.ordered_units));
    let how = match origin {
        Origin::Channel => format!("Received from {channel}"),
        Origin::Api => format!("Received through the API for {channel}"),
        Origin::Adopted => format!("Adopted from an export of {channel} (reserved only)"),
        Origin::SentByChannel => format!("Received from {channel}, which sends it itself,"),
        Origin::Hold { expires_at } => {
            format!(
                "Placed as a hold on {channel} until {}",
                instant(expires_at)
            )
        }
    };
    let test = if facts.test {
        " This is a test order."
    } else {
        ""
    };
    let (lines, units) = (many(&facts.lines, "line"), count(units, "unit"));
    format!("{how} as {}: {lines}, {units}.{test}", facts.name)
}

fn of_report(told: &Told) -> String {
    let what = told.report.as_ref();
    what.map_or_else(String::new, |what| format!(" of {what}"))
}

fn report_failed(error: &str, in_doubt: bool, retry_at: Option<Timestamp>, told: &Told) -> String {
    let (channel, what) = (&told.channel, of_report(told));
    let known = match in_doubt {
        true => format!("Nobody knows whether {channel} was told{what}"),
        false => format!("{channel} was not told{what}"),
    };
    let next = match retry_at {
        Some(at) => format!("next try at {}", instant(at)),
        None => "left to a person".to_owned(),
    };
    format!("{known} ({}): {next}.", open_ended(error))
}

fn reported(theirs: Option<&ShipmentId>, told: &Told) -> String {
    let known = match theirs {
        Some(theirs) => format!(", as its shipment {theirs}"),
        None => String::new(),
    };
    format!("{} knows{}{known}.", told.channel, of_report(told))
}

fn elsewhere_undone(shipment: &str, lines: &[LineUnits], channel: &str) -> String {
    match lines.is_empty() {
        true => format!("{channel} says shipment {shipment} of somebody else is void."),
        false => format!(
            "{channel} says somebody else did not send {} after all (shipment {shipment}): ours to send again.",
            line_units(lines)
        ),
    }
}

fn lines_bound(lines: &[(LineId, LineId)], channel: &str) -> String {
    let named = lines
        .iter()
        .map(|(theirs, ours)| format!("{ours} is {theirs}"));
    match lines.is_empty() {
        true => format!("No line of the export is one that {channel} states."),
        false => format!(
            "Lines of the export, as {channel} calls them: {}.",
            list(named)
        ),
    }
}

fn cancel_stated(at: Timestamp, whole: bool, lines: &[LineUnits], channel: &str) -> String {
    let what = match whole {
        true => "the order".to_owned(),
        false => line_units(lines),
    };
    format!(
        "{channel} cancelled {what}, by its statement as of {}.",
        instant(at)
    )
}

fn plan_requested(attempt: u32, excluded: &[LocationId]) -> String {
    match excluded.is_empty() {
        true => format!("Planning, attempt {attempt}."),
        false => format!("Planning, attempt {attempt}, without {}.", list(excluded)),
    }
}

fn backordered(skus: &[SkuId], locations: &[LocationId]) -> String {
    match (skus.is_empty(), locations.is_empty()) {
        (true, _) => "Waits for stock no longer.".to_owned(),
        (false, true) => {
            let skus = list(skus);
            format!("Waits for stock of {skus}, but the rules allow no location for it.")
        }
        (false, false) => format!(
            "Waits for stock of {} at {}; units that arrive there are offered to it first.",
            list(skus),
            list(locations)
        ),
    }
}

/// How locations fared by a rule.
fn fared(candidates: &[Candidate]) -> Vec<String> {
    let mut parts = Vec::new();
    for verdict in [Verdict::Chosen, Verdict::Outranked, Verdict::Excluded] {
        let word = match verdict {
            Verdict::Chosen => "chosen",
            Verdict::Outranked => "outranked",
            Verdict::Excluded => "ruled out",
        };
        let fared = candidates.iter().filter(|one| one.verdict == verdict);
        parts.extend(
            fared.map(|one| format!("{} {word} — {}", one.location, open_ended(&one.reason))),
        );
    }
    if candidates.is_empty() {
        parts.push("no location was looked at".to_owned());
    }
    parts
}

fn planned(plan: &Plan, ordered: bool) -> String {
    let tried = plan.tried.iter().map(|one| {
        let fared = fared(&one.candidates).join("; ");
        format!("Rule '{}' did not place all of it: {fared}. ", one.rule)
    });
    let tried: String = tried.collect();
    let mut parts = fared(&plan.candidates);
    if !plan.allocations.is_empty() {
        parts.push(format!("taking {}", allocations(&plan.allocations)));
    }
    if !plan.unplaced.is_empty() {
        let left = plan
            .unplaced
            .iter()
            .map(|(_, sku, units)| format!("{units} × {sku}"));
        let then = match plan.fallback {
            Fallback::Backorder => "to be backordered",
            Fallback::Exception => "left to a person",
        };
        parts.push(format!("no place for {}, {then}", list(left)));
    }
    if ordered {
        parts.push("SKUs are asked one after the other, because they were contended".to_owned());
    }
    format!(
        "{tried}Planned by rule '{}': {}.",
        plan.rule,
        parts.join("; ")
    )
}

fn allocations(lines: &[Allocation]) -> String {
    list(
        lines
            .iter()
            .map(|one| format!("{} × {} at {}", one.units, one.sku, one.location)),
    )
}

fn sku_reserved(sku: &SkuId, plan: Option<&Plan>) -> String {
    let all = plan
        .map(|plan| plan.allocations.as_slice())
        .unwrap_or_default();
    let own: Vec<Allocation> = all.iter().filter(|one| one.sku == *sku).cloned().collect();
    match own.is_empty() {
        true => format!("Reserved what was planned of {sku}."),
        false => format!("Reserved {}.", allocations(&own)),
    }
}

fn reserved(plan: Option<&Plan>) -> String {
    match plan.filter(|plan| !plan.unplaced.is_empty()) {
        Some(plan) => {
            let units = sum(plan.unplaced.iter().map(|(_, _, units)| *units));
            format!(
                "What was planned is reserved for this order; {} found no place.",
                count(units, "unit")
            )
        }
        None => "All that was planned is reserved for this order.".to_owned(),
    }
}

fn attempt_closed(cause: &AttemptEnd, retry_at: Option<Timestamp>) -> String {
    let why = match cause {
        AttemptEnd::Short { sku } => format!("{sku} had too little"),
        AttemptEnd::Contended { sku } => format!("others were reserving {sku} at that moment"),
        AttemptEnd::Busy { sku } => format!("{sku} was busy"),
        AttemptEnd::CapacityFull { location } => format!("{location} has no capacity left"),
        AttemptEnd::Changed => "the order changed".to_owned(),
    };
    let next = match retry_at {
        Some(at) => format!("planning again at {}", instant(at)),
        None => "planning again".to_owned(),
    };
    format!("Nothing was reserved, because {why}: {next}.")
}

fn stock_seen(stock: &StockView) -> String {
    let has = stock.locations.iter().filter(|one| one.available > 0);
    let has = list(has.map(|one| format!("{} at {}", one.available, one.location)));
    match has.is_empty() {
        true => format!("SKU {} says it has no free units.", stock.sku),
        false => format!("SKU {} says what is free: {has}.", stock.sku),
    }
}

fn taken(takes: &[Take]) -> String {
    list(
        takes
            .iter()
            .map(|take| format!("{} at {}", count(take.units, "unit"), take.location)),
    )
}

fn near(told: &Told, word: &str) -> String {
    let location = told.request.as_ref().map(|(location, _)| location);
    location.map_or_else(String::new, |location| format!(" {word} {location}"))
}

fn to_location(told: &Told) -> String {
    near(told, "to")
}

fn by_location(told: &Told) -> String {
    near(told, "by")
}

fn from_location(told: &Told) -> String {
    near(told, "from")
}

fn at_location(told: &Told) -> String {
    let location = told.request.as_ref().map(|(location, _)| location);
    location.map_or_else(String::new, |location| format!(" {location}"))
}

fn acknowledge_by(told: &Told) -> String {
    let by = told.request.as_ref().map(|(_, by)| Timestamp::from_ms(*by));
    by.map_or_else(String::new, |by| {
        format!(", to be acknowledged by {}", instant(by))
    })
}

fn send_failed(
    request: u32,
    attempt: u32,
    error: &str,
    retry_at: Option<Timestamp>,
    told: &Told,
) -> String {
    let next = match retry_at {
        Some(at) => format!("tried again at {}", instant(at)),
        None => "not tried again, see the open exception".to_owned(),
    };
    let to = to_location(told);
    format!(
        "Try {attempt} to deliver request {request}{to} failed ({}): {next}.",
        open_ended(error)
    )
}

fn stopped(request: u32, lines: &[RequestLine], told: &Told) -> String {
    let by = by_location(told);
    match lines.is_empty() {
        true => format!("Nothing was left to stop of request {request}{by}."),
        false => format!(
            "{} of request {request} was stopped{by}.",
            request_lines(lines)
        ),
    }
}

fn resent(request: u32, attempt: u32, ask: Option<u32>, told: &Told) -> String {
    let what = match ask {
        Some(ask) => format!("Ask {ask} to stop units of request {request}"),
        None => format!("Request {request}"),
    };
    let to = to_location(told);
    format!("{what} is given to its connector again{to}, try {attempt}.")
}

fn short_picked(request: u32, lines: &[RequestLine], told: &Told) -> String {
    let mut skus: Vec<&SkuId> = lines.iter().map(|line| &line.sku).collect();
    skus.dedup();
    let at = near(told, "at");
    let missing = request_lines(lines);
    format!(
        "SKU {} was short{at}: {missing} of request {request} missing, planning again.",
        list(skus)
    )
}

fn tracked(tracking: Option<&ParcelTracking>) -> String {
    let Some(tracking) = tracking else {
        return String::new();
    };
    let known = [&tracking.carrier, &tracking.number];
    let known: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
    match known.is_empty() {
        true => String::new(),
        false => format!(", tracking {}", known.join(" ")),
    }
}

fn returned(return_id: &str, lines: &[ReturnLine]) -> String {
    let back = lines.iter().map(|one| {
        let state = if one.condition.is_some() {
            ", not sellable"
        } else {
            ""
        };
        format!(
            "{} of line {} at {}{state}",
            count(one.units, "unit"),
            one.line,
            one.location
        )
    });
    format!("Return {return_id}: {} came back.", list(back))
}

fn destination_changed(to: &Destination, by_operator: bool, channel: &str) -> String {
    let who = if by_operator { "here" } else { channel };
    let how = if by_operator { "changed" } else { "changed by" };
    let state = to
        .state
        .as_ref()
        .map_or_else(String::new, |state| format!("-{state}"));
    format!(
        "The address was {how} {who}: it goes to {}{state}.",
        to.country
    )
}

fn whole_or(lines: &[LineId]) -> String {
    match lines.is_empty() {
        true => "the order".to_owned(),
        false => format!("line {}", list(lines)),
    }
}

fn cancel_asked(lines: &[LineId], reason: &str, channel: &str) -> String {
    match lines.is_empty() {
        true => format!("{channel} says that the buyer does not ask to cancel anything any more."),
        false => format!(
            "{channel} says that the buyer asks to cancel line {}: {}.",
            list(lines),
            open_ended(reason)
        ),
    }
}

fn held_back(lines: &[LineId], reason: &str, until: Option<Timestamp>) -> String {
    let until = until.map_or_else(String::new, |at| format!(" until {}", instant(at)));
    format!(
        "On hold, {}{until}: {}.",
        whole_or(lines),
        open_ended(reason)
    )
}

fn reroute_asked(exclude: &[LocationId]) -> String {
    match exclude.is_empty() {
        true => "What has not left is to be placed again.".to_owned(),
        false => format!(
            "What has not left is to be placed again, without {}.",
            list(exclude)
        ),
    }
}

fn exception_closed(closed: &ExceptionClosed) -> String {
    format!(
        "Settled ({}): {}.",
        closed.key.kind,
        open_ended(&closed.how)
    )
}
