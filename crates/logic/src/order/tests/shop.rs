//! The order's channel in a random history: what it was told, and what it says of that.

use std::collections::BTreeMap;

use crossdock_model::answer::ReportTask;
use crossdock_model::command::{OrderCommand, ReportCall, Said};
use crossdock_model::v1::{LineUnits, ReportKind, ReportNumber};
use crossdock_model::{Answer, Command, LineId, ShipmentId};

use super::scene::*;
use super::world::World;

/// A parcel as the channel knows it.
#[derive(Debug, Clone)]
pub struct Known {
    pub id: ShipmentId,
    pub lines: Vec<LineUnits>,
    pub tracking: Option<String>,
}

/// What the channel was told.
#[derive(Debug, Default)]
pub struct Shop {
    pub parcels: Vec<Known>,
    /// How often it cancelled the order, by report.
    pub cancels: BTreeMap<ReportNumber, u32>,
    calls: u32,
}

impl Shop {
    /// The parcel of a report, among those that are nothing else.
    pub fn find(&self, task: &ReportTask) -> Option<ShipmentId> {
        let ReportKind::Shipped {
            lines, tracking, ..
        } = &task.kind
        else {
            return None;
        };
        let number = tracking.as_ref().and_then(|one| one.number.clone());
        let mut unknown = self
            .parcels
            .iter()
            .filter(|one| !task.known.contains(&one.id));
        let found = unknown.find(|one| one.tracking == number && one.lines == *lines);
        found.map(|one| one.id.clone())
    }

    /// Carries a report out, as a channel does that was not asked whether it did so before.
    pub fn carry_out(&mut self, report: ReportNumber, task: &ReportTask) -> Option<ShipmentId> {
        match &task.kind {
            ReportKind::Shipped {
                lines, tracking, ..
            } => {
                let known = Known {
                    id: id(&format!("f{}", self.parcels.len())),
                    lines: lines.clone(),
                    tracking: tracking.as_ref().and_then(|one| one.number.clone()),
                };
                self.parcels.push(known.clone());
                Some(known.id)
            }
            ReportKind::Cancelled { .. } => {
                *self.cancels.entry(report).or_default() += 1;
                None
            }
        }
    }

    /// Units of a line that the channel was told have left.
    pub fn units(&self, line: &LineId) -> u32 {
        let lines = self.parcels.iter().flat_map(|parcel| &parcel.lines);
        lines
            .filter(|one| one.line == *line)
            .map(|one| one.units)
            .sum()
    }

    /// What it says of its newest parcel.
    pub fn statement(&self) -> Option<OrderCommand> {
        let newest = self.parcels.last()?;
        Some(OrderCommand::ShippedElsewhere {
            shipment: newest.id.clone(),
            lines: newest.lines.clone(),
            tracking: newest.tracking.clone(),
        })
    }
}

impl World {
    /// Tells the channel, which may be away, or do as told without a word; its statements are on their way then.
    pub fn report(&mut self, call: &ReportCall) {
        let (report, attempt) = (call.report, call.attempt);
        self.scene.tell(OrderCommand::BeginReport {
            report,
            attempt,
            keyed: false,
        });
        self.durable = self.scene.records.len();
        let Ok(Answer::Report(task)) = self.scene.answer.clone() else {
            return;
        };
        self.shop.calls += 1;
        let before = self.shop.find(&task).filter(|_| task.in_doubt);
        let is_cancelled = task.in_doubt && self.shop.cancels.contains_key(&report);
        let by_hand = matches!(task.kind, ReportKind::Cancelled { whole: false, .. });
        let said = match (before, self.shop.calls % 5) {
            (Some(theirs), _) => Some(Said::Told {
                theirs: Some(theirs),
            }),
            _ if is_cancelled => Some(Said::Told { theirs: None }),
            _ if by_hand => Some(Said::ByHand {
                what: "see there".to_owned(),
            }),
            (None, 0) => Some(Said::Failed {
                error: "away".to_owned(),
                in_doubt: self.shop.calls.is_multiple_of(2),
            }),
            (None, which) => {
                let theirs = self.shop.carry_out(report, &task);
                let statement = self.shop.statement().filter(|_| theirs.is_some());
                self.notices.extend(statement.map(Command::Order));
                let in_doubt = Said::Failed {
                    error: "no answer".to_owned(),
                    in_doubt: true,
                };
                match which {
                    1 => None,
                    2 => Some(in_doubt),
                    _ => Some(Said::Told { theirs }),
                }
            }
        };
        let answer = said.map(|said| OrderCommand::Reported {
            report,
            attempt,
            said,
        });
        self.notices.extend(answer.map(Command::Order));
    }
}
