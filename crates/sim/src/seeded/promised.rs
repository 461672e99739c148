//! What a SKU must not do with what is promised: `I1`, nothing is promised of it at a location that is not there, unless what
//! is there was found to be less; a part of `I3`, and `I13`.

use std::collections::BTreeMap;

use crossdock_engine::{Step, StepKind};
use crossdock_logic::Announcement;
use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{Event, Record, SkuEvent};
use crossdock_model::{Command, HoldId, LocationId, SkuId};

use super::Broken;
use super::node::Caller;

/// What SKUs said last that is left of them; below zero, it is missing.
#[derive(Debug, Default)]
pub(super) struct Promised(BTreeMap<(SkuId, LocationId), i64>);

/// Whether a command says that less is there than was thought. What was promised of it is missing then.
pub(super) fn finds_less(command: &Command) -> bool {
    matches!(
        command,
        Command::Sku(
            SkuCommand::Count { .. }
                | SkuCommand::Adjust { .. }
                | SkuCommand::SoldAtTill { .. }
                | SkuCommand::MarkUnavailable { .. }
                | SkuCommand::TransferOut { .. }
                | SkuCommand::Settle { .. }
        )
    )
}

/// `I3`: a SKU that was only woken, and asked by nobody, gives nothing back that an order has reserved: what became of it the
/// order alone knows.
pub(super) fn gives_nothing_back(sku: &SkuId, steps: &[Step<Caller>]) -> Result<(), Broken> {
    for step in steps {
        let StepKind::Record(body) = &step.kind else {
            continue;
        };
        let record = Record::decode(body).map_err(|error| Broken::new("I8", error.to_string()))?;
        let is_given_back = |event: &&Event| matches!(event, Event::Sku(SkuEvent::Released { .. }));
        if let Some(event) = record.events.iter().find(is_given_back) {
            return Err(Broken::new("I3", format!("{sku} asked nobody: {event:?}")));
        }
    }
    Ok(())
}

/// `I13`: what runs out has lasted as long as was asked.
pub(super) fn lets_go_in_time(
    sku: &SkuId,
    steps: &[Step<Caller>],
    is_over: impl Fn(&HoldId) -> bool,
) -> Result<(), Broken> {
    for step in steps {
        let StepKind::Record(body) = &step.kind else {
            continue;
        };
        let record = Record::decode(body).map_err(|error| Broken::new("I8", error.to_string()))?;
        for event in &record.events {
            if let Event::Sku(SkuEvent::HoldExpired { hold }) = event
                && !is_over(hold)
            {
                let what = format!("{sku} lets {hold} go before its time");
                return Err(Broken::new("I13", what));
            }
        }
    }
    Ok(())
}

/// `I13`: no more is held than may be.
pub(super) fn holds_no_more(sku: &SkuId, steps: &[Step<Caller>], most: u64) -> Result<(), Broken> {
    for step in steps {
        let Some(Announcement::Stock(said)) = &step.release.announcement else {
            continue;
        };
        let held = said.view.locations.iter().map(|at| u64::from(at.held));
        let held: u64 = held.sum();
        if held > most {
            let what = format!("{sku}: {held} units are held, {most} may be");
            return Err(Broken::new("I13", what));
        }
    }
    Ok(())
}

impl Promised {
    /// A SKU was read: it begins with what it was, whatever was decided since and lost.
    pub fn read(&mut self, said: Option<Announcement>) {
        if let Some(Announcement::Stock(said)) = said {
            for at in said.view.locations {
                let key = (said.view.sku.clone(), at.location);
                self.0.insert(key, at.available);
            }
        }
    }

    /// A SKU has decided these steps.
    pub fn check(
        &mut self,
        sku: &SkuId,
        steps: &[Step<Caller>],
        finds_less: bool,
    ) -> Result<(), Broken> {
        for step in steps {
            let Some(Announcement::Stock(said)) = &step.release.announcement else {
                continue;
            };
            for at in &said.view.locations {
                let key = (sku.clone(), at.location.clone());
                let before = self.0.insert(key, at.available).unwrap_or(0).min(0);
                if at.available < before && !finds_less {
                    return Err(Broken::new("I1", format!("{sku} after {before}: {at:?}")));
                }
            }
        }
        Ok(())
    }
}
