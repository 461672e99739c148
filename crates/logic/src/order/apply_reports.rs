//! How events move what an order's channel is still to be told.

use crossdock_model::command::ReportCall;
use crossdock_model::v1::{LineUnits, OrderEvent, ReportEnd, ReportKind, ReportNumber};
use crossdock_model::{Effect, Timestamp};

use super::apply::{Applied, illegal, require};
use super::state::{Order, OrderState, Report, Turn};
use crate::IllegalHistory;

impl OrderState {
    pub(super) fn apply_reports(&mut self, event: &OrderEvent, at: Timestamp) -> Applied {
        match event {
            OrderEvent::ReportMade { report, kind } => self.report_made(*report, kind, at),
            OrderEvent::ReportBegun { report } => {
                let one = self.report_mut(*report)?;
                one.in_doubt = true;
                one.unanswered += 1;
                Ok(())
            }
            OrderEvent::ReportFailed {
                report,
                in_doubt,
                failures,
                retry_at,
                ..
            } => {
                let one = self.report_mut(*report)?;
                // That one call did nothing says nothing of another that was begun and has no answer.
                one.unanswered = one.unanswered.saturating_sub(1);
                one.in_doubt = *in_doubt || one.unanswered > 0;
                one.failures = *failures;
                one.turn = retry_at.map_or(Turn::Never, Turn::Then);
                self.end_reporting();
                self.begin_reporting();
                Ok(())
            }
            OrderEvent::ReportRetried { report } => {
                let one = self.report_mut(*report)?;
                if one.turn == Turn::Never {
                    one.failures = 0;
                }
                one.turn = Turn::Now;
                self.begin_reporting();
                Ok(())
            }
            OrderEvent::ReportEnded { report, end } => self.report_ended(*report, end),
            _ => Err(illegal("not an event of reports")),
        }
    }

    fn report_mut(&mut self, number: ReportNumber) -> Result<&mut Report, IllegalHistory> {
        let report = self.order_mut()?.reports.get_mut(&number);
        report.ok_or_else(|| illegal(format!("nothing is to be told as {number}")))
    }

    fn report_made(&mut self, number: ReportNumber, kind: &ReportKind, at: Timestamp) -> Applied {
        let order = self.order_mut()?;
        let next = order.last_report + 1;
        require(number == next, "reports are counted one by one")?;
        order.last_report = number;
        if let ReportKind::Cancelled { lines, whole, .. } = kind {
            order.is_cancel_told |= whole;
            for LineUnits { line, units } in lines {
                let cancels = &mut order.line_mut(line)?.cancels;
                cancels.told = cancels.told.saturating_add(*units);
            }
        }
        let report = Report {
            kind: kind.clone(),
            made_at: at,
            attempts: 0,
            failures: 0,
            in_doubt: false,
            unanswered: 0,
            turn: Turn::Now,
        };
        order.reports.insert(number, report);
        self.begin_reporting();
        Ok(())
    }

    fn report_ended(&mut self, number: ReportNumber, end: &ReportEnd) -> Applied {
        self.report_mut(number)?;
        if self.reporting().is_some_and(|call| call.report == number) {
            self.end_reporting();
        }
        let order = self.order_mut()?;
        order.reports.remove(&number);
        if let ReportEnd::Told { theirs: Some(id) } = end {
            order.seen.shipments.insert(id.clone());
        }
        self.begin_reporting();
        Ok(())
    }

    /// One report is told at a time, the first of those that can be.
    fn begin_reporting(&mut self) {
        if self.reporting().is_some() {
            return;
        }
        let Some(order) = self.order.as_deref_mut() else {
            return;
        };
        if let Some(report) = order.next_report()
            && let Some(one) = order.reports.get_mut(&report)
        {
            one.attempts += 1;
            let call = ReportCall {
                order: order.id.clone(),
                report,
                attempt: one.attempts,
            };
            self.pending.begin(Effect::Report(call));
        }
    }

    /// What is being told.
    pub(super) fn reporting(&self) -> Option<&ReportCall> {
        self.pending.iter().find_map(|(_, effect)| match effect {
            Effect::Report(call) => Some(call),
            Effect::Plan(_) | Effect::Deliver(_) | Effect::Tell { .. } => None,
        })
    }

    pub(super) fn end_reporting(&mut self) {
        self.pending
            .retain(|_, effect| !matches!(effect, Effect::Report(_)));
    }
}

impl Order {
    /// While it is in doubt whether the channel was told of one, those after it wait: two parcels of the same could not
    /// be told apart.
    fn next_report(&self) -> Option<ReportNumber> {
        for (number, report) in &self.reports {
            match report.turn {
                Turn::Now => return Some(*number),
                Turn::Then(_) if report.in_doubt => return None,
                Turn::Then(_) | Turn::Never => {}
            }
        }
        None
    }
}
