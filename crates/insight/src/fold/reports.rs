//! What channels were told of their orders.

use crossdock_model::Timestamp;
use crossdock_model::v1::{OrderEvent, ReportEnd, ReportKind, ReportNumber};

use rusqlite::OptionalExtension;

use super::{Folded, Folding};
use crate::InsightError;

impl Folding<'_> {
    pub(super) fn report(&self, id: &str, event: &OrderEvent) -> Folded {
        match event {
            OrderEvent::ReportMade { report, kind } => self.report_made(id, *report, kind),
            OrderEvent::ReportBegun { report } => self.report_is(id, *report, "telling"),
            OrderEvent::ReportRetried { report } => self.report_is(id, *report, "waiting"),
            OrderEvent::ReportFailed {
                report,
                error,
                in_doubt,
                retry_at,
                ..
            } => {
                let status = match (retry_at, in_doubt) {
                    (None, _) => "left",
                    (Some(_), true) => "in_doubt",
                    (Some(_), false) => "waiting",
                };
                self.report_is(id, *report, status)?;
                let sql =
                    "UPDATE reports SET error = ?3, retry_at = ?4 WHERE id = ?1 AND number = ?2";
                let again = retry_at.map(Timestamp::as_ms);
                self.run(sql, (id, report, error, again)).map(drop)
            }
            OrderEvent::ReportEnded { report, end } => self.report_ended(id, *report, end),
            _ => Ok(()),
        }
    }

    /// What a report says, in words.
    pub(super) fn report_words(
        &self,
        id: &str,
        report: ReportNumber,
    ) -> Result<Option<String>, InsightError> {
        let sql =
            "SELECT iif(kind = 'shipped', 'parcel ' || shipment, 'what was cancelled') FROM reports
            WHERE id = ?1 AND number = ?2";
        let mut statement = self.work.prepare_cached(sql)?;
        let words = statement.query_row((id, report), |row| row.get(0));
        Ok(words.optional()?)
    }

    fn report_made(&self, id: &str, report: ReportNumber, kind: &ReportKind) -> Folded {
        let (name, parcel, lines) = match kind {
            ReportKind::Shipped {
                request,
                shipment,
                lines,
                ..
            } => ("shipped", Some((*request, shipment.as_str())), lines),
            ReportKind::Cancelled { lines, .. } => ("cancelled", None, lines),
        };
        let sql =
            "INSERT INTO reports (id, number, kind, request, shipment, lines, status, changed_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7)";
        let (request, shipment) = parcel.unzip();
        let lines = serde_json::to_string(lines)?;
        let row = (id, report, name, request, shipment, lines, self.at());
        self.run(sql, row).map(drop)
    }

    fn report_is(&self, id: &str, report: ReportNumber, status: &str) -> Folded {
        let sql = "UPDATE reports SET status = ?3, error = NULL, retry_at = NULL, changed_at = ?4
            WHERE id = ?1 AND number = ?2";
        self.run(sql, (id, report, status, self.at())).map(drop)
    }

    fn report_ended(&self, id: &str, report: ReportNumber, end: &ReportEnd) -> Folded {
        match end {
            ReportEnd::Told { theirs } => {
                self.report_is(id, report, "told")?;
                let sql = "UPDATE reports SET theirs = ?3 WHERE id = ?1 AND number = ?2";
                let theirs = theirs.as_ref().map(|id| id.as_str());
                self.run(sql, (id, report, theirs)).map(drop)
            }
            ReportEnd::Void => self.report_is(id, report, "void"),
            ReportEnd::NotTold => {
                let sql = "DELETE FROM reports WHERE id = ?1 AND number = ?2";
                self.run(sql, (id, report)).map(drop)
            }
        }
    }
}
