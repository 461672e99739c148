//! What locations say about the work they were given.

use crossdock_model::codec::digest;
use crossdock_model::command::{DeliveryKind, OrderCommand};
use crossdock_model::v1::{OrderEvent, ParcelTracking, RejectReason, RequestLine, RequestNumber};
use crossdock_model::{Rejection, ShipmentId, Timestamp};

use super::draft::Draft;
use super::routes::misrouted;
use super::state::{Order, Parcel, Phase, Request, Sending};
use super::{DELIVERIES_MAX, Decided, IDS_MAX, RESEND_AFTER, RESEND_MAX, backoff};

const ACK_OVERDUE: &str = "ack_overdue";
const UNDELIVERABLE: &str = "undeliverable";

impl Draft<'_> {
    pub fn hear_location(self, command: &OrderCommand) -> Decided {
        match command {
            OrderCommand::Acknowledge { request } => self.acknowledge(*request),
            OrderCommand::Reject { request, reason } => self.reject(*request, reason),
            OrderCommand::ShortPick { request, lines } => self.short_pick(*request, lines),
            OrderCommand::Ship {
                request,
                shipment,
                lines,
                tracking,
                shipped_at,
            } => self.ship(*request, shipment, lines, tracking.as_ref(), *shipped_at),
            OrderCommand::AnswerCancel {
                request,
                ask,
                accepted,
            } => self.answer_cancel(*request, *ask, *accepted),
            OrderCommand::Delivered {
                request,
                attempt,
                error,
            } => Ok(self.delivered(*request, *attempt, error.as_deref())),
            other => Err(misrouted(other)),
        }
    }

    fn acknowledge(mut self, request: RequestNumber) -> Decided {
        let order = self.known()?;
        match known(order, request)?.phase {
            Phase::Acknowledged | Phase::Shipped => Ok(self.unchanged()),
            Phase::Created | Phase::Sent => {
                self.emit(OrderEvent::RequestAcknowledged { request });
                self.close_about(ACK_OVERDUE, request, "it was acknowledged");
                self.close_about(UNDELIVERABLE, request, "it was acknowledged");
                Ok(self.done())
            }
            Phase::Rejected | Phase::Cancelled => Err(gone(order, request)),
        }
    }

    fn reject(mut self, request: RequestNumber, reason: &RejectReason) -> Decided {
        let order = self.known()?;
        match known(order, request)?.phase {
            Phase::Rejected | Phase::Cancelled => Ok(self.unchanged()),
            Phase::Shipped => Err(gone(order, request)),
            Phase::Created | Phase::Sent | Phase::Acknowledged => {
                let reason = reason.clone();
                self.emit(OrderEvent::RequestRejected { request, reason });
                self.close_about(ACK_OVERDUE, request, "it was rejected");
                self.close_about(UNDELIVERABLE, request, "it was rejected");
                Ok(self.done())
            }
        }
    }

    fn short_pick(mut self, request: RequestNumber, lines: &[RequestLine]) -> Decided {
        let order = self.known()?;
        open(order, request)?;
        contained(order, request, lines)?;
        self.emit(OrderEvent::ShortPicked {
            request,
            lines: lines.to_vec(),
        });
        Ok(self.done())
    }

    fn ship(
        mut self,
        request: RequestNumber,
        shipment: &ShipmentId,
        lines: &[RequestLine],
        tracking: Option<&ParcelTracking>,
        shipped_at: Timestamp,
    ) -> Decided {
        let order = self.known()?;
        if let Some(parcel) = order.seen.parcels.get(&(request, shipment.clone())) {
            let said = Parcel::of(lines, tracking);
            let same = parcel.tracking == said.tracking
                && (lines.is_empty() || parcel.lines == said.lines);
            return match same {
                true => Ok(self.unchanged()),
                false => Err(Rejection::IdConflict(format!(
                    "shipment {shipment} of request {request}"
                ))),
            };
        }
        open(order, request)?;
        let lines = match lines.is_empty() {
            true => order.lines_of(request),
            false => lines.to_vec(),
        };
        contained(order, request, &lines)?;
        within(order.seen.parcels.len(), "shipments of an order")?;
        let sent = order.sent_lines();
        let parcel = OrderEvent::Shipped {
            request,
            shipment: shipment.clone(),
            lines,
            tracking: tracking.cloned(),
            shipped_at,
        };
        self.emit(parcel.clone());
        self.report_parcel(&sent, &parcel);
        self.recount("", "it had left all the same");
        self.close_about(ACK_OVERDUE, request, "it was shipped");
        self.close_about(UNDELIVERABLE, request, "it was shipped");
        Ok(self.done())
    }

    fn delivered(
        mut self,
        request: RequestNumber,
        attempt: u32,
        error: Option<&str>,
    ) -> crate::Decision<OrderEvent> {
        let Some((effect, kind)) = self.order.delivering(request, attempt) else {
            return self.unchanged();
        };
        let order = self.order.order.as_deref();
        let Some(one) = order.and_then(|order| order.requests.get(&request)) else {
            return self.unchanged();
        };
        let failures = one.sending(kind).failures;
        match (error, kind) {
            (None, DeliveryKind::Fulfil) => self.emit(OrderEvent::RequestSent { request }),
            (None, DeliveryKind::Cancel { .. }) => self.emit(OrderEvent::EffectDone { effect }),
            (Some(error), _) => self.delivery_failed(request, attempt, failures, error),
        }
        if error.is_none() {
            self.close_about(UNDELIVERABLE, request, "it was delivered");
        }
        self.done()
    }

    fn delivery_failed(&mut self, request: u32, attempt: u32, failures: u32, error: &str) {
        let pause = backoff(RESEND_AFTER, failures, RESEND_MAX);
        let again = failures + 1 < DELIVERIES_MAX;
        self.emit(OrderEvent::RequestSendFailed {
            request,
            attempt,
            error: error.to_owned(),
            retry_at: again.then(|| self.asked.now + pause),
        });
        if !again {
            let subject = self.request_subject(request);
            let cause = format!("it could not be delivered in {DELIVERIES_MAX} tries: {error}");
            self.open_exception(UNDELIVERABLE, subject, cause, Vec::new());
        }
    }

    fn close_about(&mut self, kind: &str, request: u32, how: &str) {
        let subject = self.request_subject(request);
        self.close_exception(kind, Some(&subject), how);
    }

    /// Deliveries that are due again, and acknowledgements that are late.
    pub fn due_requests(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let now = self.asked.now;
        let (mut resend, mut late) = (Vec::new(), Vec::new());
        let due = |sending: &Sending| sending.retry_at.is_some_and(|at| at <= now);
        for (number, request) in order.open_requests() {
            resend.extend(due(&request.sending).then_some((number, None)));
            let asks = request.asks.iter().filter(|(_, ask)| due(&ask.sending));
            resend.extend(asks.map(|(ask, _)| (number, Some(*ask))));
            if request.is_awaited() && request.acknowledge_by <= now {
                late.push((number, request.location.clone()));
            }
        }
        for (request, ask) in resend {
            let order = self.order.order.as_deref();
            let known = order.and_then(|order| order.requests.get(&request));
            let attempt = known.map_or(0, |known| known.deliveries) + 1;
            self.emit(OrderEvent::RequestResent {
                request,
                attempt,
                ask,
            });
        }
        for (request, location) in late {
            self.emit(OrderEvent::RequestOverdue { request });
            let subject = self.request_subject(request);
            let cause = format!("{location} did not acknowledge it in time");
            self.open_exception(ACK_OVERDUE, subject, cause, Vec::new());
        }
    }
}

impl Request {
    /// How deliveries of that kind fare.
    fn sending(&self, kind: DeliveryKind) -> Sending {
        match kind {
            DeliveryKind::Fulfil => self.sending,
            DeliveryKind::Cancel { ask } => {
                let ask = self.asks.get(&ask);
                ask.map_or_else(Sending::default, |ask| ask.sending)
            }
        }
    }

    /// Whether its acknowledgement may still become late.
    pub fn is_awaited(&self) -> bool {
        matches!(self.phase, Phase::Created | Phase::Sent) && !self.overdue
    }
}

impl Parcel {
    pub fn of(lines: &[RequestLine], tracking: Option<&ParcelTracking>) -> Self {
        let mut sorted = lines.to_vec();
        sorted.sort();
        Self {
            lines: digest(&sorted),
            tracking: digest(&tracking),
        }
    }
}

pub(super) fn known(order: &Order, request: RequestNumber) -> Result<&Request, Rejection> {
    let known = order.requests.get(&request);
    known.ok_or_else(|| Rejection::NotFound(format!("request {request} of {}", order.id)))
}

fn open(order: &Order, request: RequestNumber) -> Result<(), Rejection> {
    match known(order, request)?.phase.is_open() {
        true => Ok(()),
        false => Err(gone(order, request)),
    }
}

fn gone(order: &Order, request: RequestNumber) -> Rejection {
    Rejection::wrong_status(
        order.status,
        format!("request {request} is closed: nothing of it is left to do"),
    )
}

/// Whether the request asks for all of these.
fn contained(
    order: &Order,
    request: RequestNumber,
    lines: &[RequestLine],
) -> Result<(), Rejection> {
    if lines.is_empty() {
        return Err(Rejection::invalid("lines", "name at least one line"));
    }
    let mut sums: Vec<RequestLine> = Vec::new();
    for line in lines {
        if line.units == 0 {
            return Err(Rejection::invalid("units", "must be at least 1"));
        }
        super::lines::add_units(&mut sums, &line.line, &line.sku, line.units);
    }
    let open = order.lines_of(request);
    for line in sums {
        let asked = open
            .iter()
            .find(|one| one.line == line.line && one.sku == line.sku);
        let units = asked.map_or(0, |asked| asked.units);
        if line.units > units {
            let problem = format!("the request asks for {units} more of {}", line.sku);
            return Err(Rejection::invalid("lines", problem));
        }
    }
    Ok(())
}

/// Whether one more id can be remembered.
pub(super) fn within(count: usize, what: &str) -> Result<(), Rejection> {
    match count < IDS_MAX {
        true => Ok(()),
        false => Err(Rejection::Limit {
            what: what.to_owned(),
            max: IDS_MAX as u64,
        }),
    }
}
