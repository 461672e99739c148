//! What an order's channel is told of it: parcels of ours, and units that were given up here.
//!
//! A report is a call that must not be carried out twice. It is *begun*, durably, before it is made; what was begun and
//! has no answer is in doubt, and whoever makes the call again looks first whether it was carried out. The channel's
//! own statement may come before the answer, and says as much.

use std::collections::BTreeMap;

use crossdock_model::answer::ReportTask;
use crossdock_model::command::{OrderCommand, Said};
use crossdock_model::v1::{
    ExceptionKey, LineUnits, OrderEvent, OrderStatus, Origin, ReportEnd, ReportKind, ReportNumber,
};
use crossdock_model::{Answer, Duration, LineId, Rejection, Timestamp, codec};

use super::draft::Draft;
use super::routes::misrouted;
use super::state::{Line, Order, Report, Turn};
use super::{Decided, REPORT_PATIENCE, REPORTS_MAX, RESEND_AFTER, RESEND_MAX, backoff};

/// A channel could not be told in so many tries.
pub(super) const REPORT_FAILED: &str = "report_failed";
/// Nobody knows whether the channel was told, and it cannot be found out.
pub(super) const UNKNOWN_OUTCOME: &str = "unknown_outcome";
/// Units were cancelled here, and a person cancels them at the channel.
pub(super) const CANCEL_BY_HAND: &str = "cancel_by_hand";
/// A parcel left, and a person tells the channel.
pub(super) const SHIP_BY_HAND: &str = "ship_by_hand";
const KINDS: [&str; 4] = [REPORT_FAILED, UNKNOWN_OUTCOME, CANCEL_BY_HAND, SHIP_BY_HAND];

impl Draft<'_> {
    pub fn hear_reporter(self, command: &OrderCommand) -> Decided {
        match command {
            OrderCommand::BeginReport {
                report,
                attempt,
                keyed,
            } => self.begin_report(*report, *attempt, *keyed),
            OrderCommand::Reported {
                report,
                attempt,
                said,
            } => Ok(self.reported(*report, *attempt, said)),
            OrderCommand::Retell => self.retell(),
            other => Err(misrouted(other)),
        }
    }

    fn is_reporting(&self, report: ReportNumber, attempt: u32) -> bool {
        let call = self.order.reporting();
        call.is_some_and(|call| (call.report, call.attempt) == (report, attempt))
    }

    fn begin_report(mut self, report: ReportNumber, attempt: u32, keyed: bool) -> Decided {
        let order = self.known()?;
        let one = order.reports.get(&report);
        let Some(one) = one.filter(|_| self.is_reporting(report, attempt)) else {
            return Ok(self.unchanged());
        };
        let in_doubt = one.in_doubt;
        let kind = match order.in_their_terms(&one.kind) {
            Ok(kind) => kind,
            Err(line) => {
                let error = format!("it has not said yet what it calls line {line}");
                self.report_failed(report, &error, in_doubt);
                return Ok(self.done());
            }
        };
        let task = ReportTask {
            kind,
            made_at: one.made_at,
            in_doubt,
            known: order.seen.shipments.iter().cloned().collect(),
        };
        if !keyed {
            self.emit(OrderEvent::ReportBegun { report });
        }
        Ok(self.finish(Answer::Report(Box::new(task))))
    }

    fn reported(
        mut self,
        report: ReportNumber,
        attempt: u32,
        said: &Said,
    ) -> crate::Decision<OrderEvent> {
        if !self.is_reporting(report, attempt) {
            return self.unchanged();
        }
        match said {
            Said::Told { theirs } => {
                let theirs = theirs.clone();
                self.end_report(report, ReportEnd::Told { theirs }, "it was told");
            }
            Said::NotTold => self.end_report(report, ReportEnd::NotTold, "nobody is to be told"),
            Said::Failed { error, in_doubt } => self.report_failed(report, error, *in_doubt),
            Said::Later { after, in_doubt } => self.put_off(report, *after, *in_doubt),
            Said::ByHand { what } => self.leave_to_person(report, what),
            Said::Unknown { error } => {
                self.stop_telling(report, error, true);
                let cause = format!(
                    "Nobody knows whether the channel was told {}, and it must not be told twice: {error}. See there, \
                     and resolve this",
                    self.words_of(report)
                );
                self.open_about(UNKNOWN_OUTCOME, report, cause);
            }
        }
        self.done()
    }

    /// The channel knows, or is not to know any more. A parcel of ours that was taken for somebody else's, as the
    /// channel spoke of it before, is taken back.
    pub fn end_report(&mut self, report: ReportNumber, end: ReportEnd, how: &str) {
        let order = self.order.order.as_deref();
        let theirs = match &end {
            ReportEnd::Told { theirs } => theirs.clone(),
            ReportEnd::NotTold | ReportEnd::Void => None,
        };
        let mistaken = order.zip(theirs).and_then(|(order, shipment)| {
            let counted = order.seen.elsewhere.get(&shipment)?;
            let lines = order.undoable(Some(counted));
            Some(OrderEvent::ElsewhereUndone { shipment, lines })
        });
        if let Some(mistaken) = mistaken {
            self.emit(mistaken);
            self.recount("cancelled by the channel", "");
        }
        self.emit(OrderEvent::ReportEnded { report, end });
        let subject = self.report_subject(report);
        for kind in KINDS {
            self.close_exception(kind, Some(&subject), how);
        }
    }

    fn report_failed(&mut self, report: ReportNumber, error: &str, in_doubt: bool) {
        let Some(one) = self.report(report) else {
            return;
        };
        let failures = one.failures + 1;
        let pause = backoff(RESEND_AFTER, one.failures, RESEND_MAX);
        let again = failures < REPORTS_MAX;
        self.emit(OrderEvent::ReportFailed {
            report,
            error: error.to_owned(),
            in_doubt,
            failures,
            retry_at: again.then(|| {
                self.asked.now + pause + jitter(&self.asked.id.to_string(), failures, pause)
            }),
        });
        if failures >= REPORT_PATIENCE {
            let words = self.words_of(report);
            let cause =
                format!("The channel could not be told {words}, in {failures} tries: {error}");
            self.open_about(REPORT_FAILED, report, cause);
        }
    }

    /// The channel is asked too much: that is no failure.
    fn put_off(&mut self, report: ReportNumber, after: Duration, in_doubt: bool) {
        let failures = self.report(report).map_or(0, |one| one.failures);
        self.emit(OrderEvent::ReportFailed {
            report,
            error: "it is asked too much".to_owned(),
            in_doubt,
            failures,
            retry_at: Some(self.asked.now + after),
        });
    }

    fn leave_to_person(&mut self, report: ReportNumber, what: &str) {
        let Some(one) = self.report(report) else {
            return;
        };
        let kind = match one.kind {
            ReportKind::Shipped { .. } => SHIP_BY_HAND,
            ReportKind::Cancelled { .. } => CANCEL_BY_HAND,
        };
        self.stop_telling(report, what, false);
        self.open_about(kind, report, what.to_owned());
    }

    fn stop_telling(&mut self, report: ReportNumber, error: &str, in_doubt: bool) {
        let failures = self.report(report).map_or(0, |one| one.failures);
        self.emit(OrderEvent::ReportFailed {
            report,
            error: error.to_owned(),
            in_doubt,
            failures,
            retry_at: None,
        });
    }

    fn retell(mut self) -> Decided {
        let reports = self.known()?.reports.iter();
        let waits = reports.filter(|(_, one)| one.turn != Turn::Now);
        let waits: Vec<ReportNumber> = waits.map(|(number, _)| *number).collect();
        for report in waits {
            self.emit(OrderEvent::ReportRetried { report });
        }
        Ok(self.done())
    }

    /// What there is to tell now, and what there no longer is.
    pub fn tell_channel(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let now = self.asked.now;
        let settled = order.settled_cancels();
        let is_due = |one: &Report| matches!(one.turn, Turn::Then(at) if at <= now);
        let due = order.reports.iter().filter(|(_, one)| is_due(one));
        let due: Vec<ReportNumber> = due.map(|(number, _)| *number).collect();
        let untold = order.cancels_to_tell();
        for report in due {
            self.emit(OrderEvent::ReportRetried { report });
        }
        for (report, end, how) in settled {
            self.end_report(report, end, how);
        }
        if let Some(untold) = untold {
            self.make_report(untold);
        }
    }

    /// A parcel left: the channel is told of the units that are complete by it. `sent`: as many were so before.
    pub fn report_parcel(&mut self, sent: &BTreeMap<LineId, u32>, parcel: &OrderEvent) {
        let OrderEvent::Shipped {
            request,
            shipment,
            tracking,
            shipped_at,
            ..
        } = parcel
        else {
            return;
        };
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let Some(from) = order.requests.get(request) else {
            return;
        };
        let lines = order.sent_lines().into_iter().map(|(line, units)| {
            let before = sent.get(&line).copied().unwrap_or(0);
            let units = units.saturating_sub(before);
            LineUnits { line, units }
        });
        let lines: Vec<LineUnits> = lines.filter(|one| one.units > 0).collect();
        if order.is_reported() && !lines.is_empty() {
            self.make_report(ReportKind::Shipped {
                request: *request,
                shipment: shipment.clone(),
                location: from.location.clone(),
                lines,
                tracking: tracking.clone(),
                shipped_at: *shipped_at,
            });
        }
    }

    fn make_report(&mut self, kind: ReportKind) {
        let order = self.order.order.as_deref();
        let report = order.map_or(0, |order| order.last_report) + 1;
        self.emit(OrderEvent::ReportMade { report, kind });
    }

    /// A person settled the exception about a report: it is not told any more.
    pub fn give_report_up(&mut self, key: &ExceptionKey) {
        let order = self.order.order.as_deref();
        let mut reports = order.iter().flat_map(|order| order.reports.keys().copied());
        let about = |report: &ReportNumber| {
            KINDS.contains(&key.kind.as_str()) && self.report_subject(*report) == key.subject
        };
        if let Some(report) = reports.find(about) {
            self.end_report(report, ReportEnd::Void, "a person saw to it");
        }
    }

    fn report(&self, report: ReportNumber) -> Option<&Report> {
        self.order.order.as_deref()?.reports.get(&report)
    }

    fn report_subject(&self, report: ReportNumber) -> String {
        format!("{}/report/{report}", self.asked.id)
    }

    fn open_about(&mut self, kind: &str, report: ReportNumber, cause: String) {
        self.open_exception(kind, self.report_subject(report), cause, Vec::new());
    }

    fn words_of(&self, report: ReportNumber) -> String {
        match self.report(report).map(|one| &one.kind) {
            Some(ReportKind::Shipped { location, .. }) => {
                format!("that a parcel left {location}")
            }
            Some(ReportKind::Cancelled { .. }) => "what was cancelled".to_owned(),
            None => "something".to_owned(),
        }
    }
}

/// Up to a quarter of the pause, so that what failed together is not tried again together.
fn jitter(order: &str, failures: u32, pause: Duration) -> Duration {
    let spread = pause.as_ms() / 4 + 1;
    Duration::from_ms(codec::digest(&(order, failures)) % spread)
}

impl Report {
    /// Whether a shipment that the channel tells of is this parcel. By its number, if both have one; else by what is in
    /// it, if it may have been told, or was left to a person who may have told the channel.
    fn is_parcel(&self, said: &[LineUnits], number: Option<&str>) -> bool {
        let ReportKind::Shipped {
            lines, tracking, ..
        } = &self.kind
        else {
            return false;
        };
        let ours = tracking.as_ref().and_then(|known| known.number.as_deref());
        let same = || sorted(lines) == sorted(said);
        match (ours, number) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => (self.in_doubt || self.turn == Turn::Never) && same(),
            (None, Some(_)) | (Some(_), None) => self.turn == Turn::Never && same(),
        }
    }
}

fn sorted(lines: &[LineUnits]) -> Vec<&LineUnits> {
    let mut sorted: Vec<&LineUnits> = lines.iter().collect();
    sorted.sort();
    sorted
}

impl Line {
    /// Units that were cancelled here.
    fn cancelled_here(&self) -> u32 {
        self.cancels.here.min(self.cancelled)
    }

    /// Of those, units that the channel says are cancelled.
    fn cancelled_there(&self) -> u32 {
        let cancels = &self.cancels;
        cancels.stated.saturating_add(cancels.refunded)
    }
}

impl Order {
    /// Whether it is its channel's own, which is to know what becomes of it.
    pub(super) fn is_reported(&self) -> bool {
        matches!(self.origin, Origin::Channel | Origin::Adopted)
    }

    /// Units of each line that have left whole.
    pub(super) fn sent_lines(&self) -> BTreeMap<LineId, u32> {
        let lines = self.lines.iter();
        lines
            .map(|(id, line)| (id.clone(), line.shipped_units()))
            .collect()
    }

    /// When a report is told again.
    pub(super) fn report_due(&self) -> Option<Timestamp> {
        let turns = self.reports.values().filter_map(|one| match one.turn {
            Turn::Then(at) => Some(at),
            Turn::Now | Turn::Never => None,
        });
        turns.min()
    }

    /// The report of the parcel that the channel tells of.
    ///
    /// # Errors
    /// As [`Order::ours`].
    pub(super) fn report_of_parcel(
        &self,
        lines: &[LineUnits],
        tracking: Option<&str>,
    ) -> Result<Option<ReportNumber>, Rejection> {
        if self.reports.is_empty() {
            return Ok(None);
        }
        let ours = lines.iter().map(|one| {
            let line = self.ours(&one.line)?;
            Ok(LineUnits {
                line,
                units: one.units,
            })
        });
        let ours = ours.collect::<Result<Vec<_>, Rejection>>()?;
        let mut reports = self.reports.iter();
        let found = reports.find(|(_, one)| one.is_parcel(&ours, tracking));
        Ok(found.map(|(number, _)| *number))
    }

    /// A report with the channel's own ids of lines; a line whose id it has not told yet.
    fn in_their_terms(&self, kind: &ReportKind) -> Result<ReportKind, LineId> {
        let mut kind = kind.clone();
        let (ReportKind::Shipped { lines, .. } | ReportKind::Cancelled { lines, .. }) = &mut kind;
        for one in lines {
            let mut bound = self.seen.bound.iter();
            let theirs = bound.find(|(_, ours)| **ours == one.line);
            match theirs {
                Some((theirs, _)) => one.line = theirs.clone(),
                None if one.line.is_provisional() => return Err(one.line.clone()),
                None => {}
            }
        }
        Ok(kind)
    }

    /// Reports of cancellations that the channel says itself by now, or that hold no longer.
    fn settled_cancels(&self) -> Vec<(ReportNumber, ReportEnd, &'static str)> {
        let ended = self.reports.iter().filter_map(|(number, one)| {
            let ReportKind::Cancelled { lines, whole, .. } = &one.kind else {
                return None;
            };
            let known = || lines.iter().filter_map(|one| self.lines.get(&one.line));
            let agrees = |line: &Line| line.cancelled_there() >= line.cancelled_here();
            let holds = match whole {
                true => self.status == OrderStatus::Cancelled,
                false => !self.is_cancel_told && known().any(|line| line.cancelled_here() > 0),
            };
            match () {
                () if !holds => Some((*number, ReportEnd::Void, "it holds no longer")),
                () if self.facts.cancelled.is_some() || known().all(agrees) => {
                    let told = ReportEnd::Told { theirs: None };
                    Some((*number, told, "the channel says so too"))
                }
                () => None,
            }
        });
        ended.collect()
    }

    /// Units that were cancelled here and that the channel is to be told of: all at once when the order is given up as a
    /// whole, else once it is known what of them could be stopped.
    fn cancels_to_tell(&self) -> Option<ReportKind> {
        if !self.is_reported() || self.facts.cancelled.is_some() || self.is_cancel_told {
            return None;
        }
        let whole = self.status == OrderStatus::Cancelled;
        let lines = self.lines.iter().filter_map(|(line, one)| {
            let known = match whole {
                true => one.cancelled_there(),
                false => one.cancelled_there().max(one.cancels.told),
            };
            let units = one.cancelled_here().saturating_sub(known);
            let line = line.clone();
            (units > 0).then_some(LineUnits { line, units })
        });
        let lines: Vec<LineUnits> = lines.collect();
        if lines.is_empty() {
            return None;
        }
        let is_asked = self.requests.values().any(|one| !one.asks.is_empty());
        let goes_on = !self.is_over() && self.lines.values().any(is_wanted);
        let is_clear = whole || (goes_on && !is_asked && self.excess().is_empty());
        is_clear.then(|| ReportKind::Cancelled {
            lines,
            reason: self.why_cancelled.clone(),
            whole,
        })
    }
}

/// Whether something of a line was sent, or is to be.
fn is_wanted(line: &Line) -> bool {
    line.open_units() > 0 || line.elsewhere > 0
}
