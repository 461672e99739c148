//! What clients want of stock: that it moves, is counted, kept back or held.

use std::collections::BTreeSet;

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{Condition, CountBasis, Origin, Payment, Sale};
use crossdock_model::{
    Command, CommandKey, Duration, EntityId, ExternalId, HoldId, LocationId, OrderId, SkuId,
    SourceId, Timestamp, TransferId,
};

use super::{Clients, Placed, Wish, define, line, order_facts, receive, single};
use crate::Dice;
use crate::seeded::Broken;
use crate::seeded::requests::Means;

/// Units on their way between locations.
pub(super) struct Transfer {
    sku: SkuId,
    id: TransferId,
    sent: u32,
    /// Some have arrived, so that it will not be closed short.
    has_come: bool,
}

impl Clients {
    pub(super) fn of_stock(
        &mut self,
        kind: usize,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<Option<Wish>, Broken> {
        let number = self.number();
        let (sku, location) = (self.sku(dice), self.location(dice));
        let units = 1 + u32::try_from(dice.below(5)).unwrap_or(0);
        let moves = |units: u32| Means::Moves(vec![(sku.clone(), -i64::from(units))]);
        let (command, means) = match kind {
            11 => return Ok(Some(receive(&sku, &location, units))),
            12 => {
                let delta = -i64::from(units);
                let reason = "broken".to_owned();
                let command = SkuCommand::Adjust {
                    location,
                    delta,
                    reason,
                };
                (command, moves(units))
            }
            13 => {
                let command = SkuCommand::Count {
                    location,
                    source: SourceId::new("person")?,
                    truth: None,
                    basis: CountBasis::OnHand,
                    counted: units * 2,
                    effective_at: now - Duration::from_s(dice.below(60)),
                };
                (command, Means::Counts(sku.clone()))
            }
            14 => {
                let reference = number.to_string();
                let command = SkuCommand::SoldAtTill {
                    location,
                    units,
                    reference,
                };
                (command, moves(units))
            }
            15 => (SkuCommand::SetSafety { location, units }, Means::Nothing),
            16 => return Ok(Some(condition(&sku, location, units, dice))),
            17 => return self.transfer(sku, location, units, dice).map(Some),
            18 => {
                // Some run out while they are asked for.
                let most = if dice.happens(0.5) { 5_000 } else { 600_000 };
                let expires_at = now + Duration::from_ms(1 + dice.below(most));
                return self.hold(sku, units, expires_at, dice).map(Some);
            }
            _ => return Ok(Some(define(&location, dice.happens(0.7)))),
        };
        Ok(Some(Wish {
            to: EntityId::Sku(sku.clone()),
            command: Command::Sku(command),
            means,
        }))
    }

    fn transfer(
        &mut self,
        sku: SkuId,
        from: LocationId,
        units: u32,
        dice: &mut Dice,
    ) -> Result<Wish, Broken> {
        if let Some(transfer) = self.transfers.pop() {
            if dice.happens(0.5) {
                return Ok(self.arrives(transfer, dice));
            }
            self.transfers.push(transfer);
        }
        let id = TransferId::new(self.number().to_string())?;
        self.transfers.push(Transfer {
            sku: sku.clone(),
            id: id.clone(),
            sent: units,
            has_come: false,
        });
        let to = self.location(dice);
        let command = SkuCommand::TransferOut {
            transfer: id,
            from,
            to,
            units,
        };
        Ok(Wish {
            to: EntityId::Sku(sku),
            command: Command::Sku(command),
            means: Means::Nothing,
        })
    }

    /// Some of it has arrived in all, of which some may be said to have come before; or no more will come.
    fn arrives(&mut self, mut transfer: Transfer, dice: &mut Dice) -> Wish {
        let sent = transfer.sent;
        let arrived = u32::try_from(dice.below(u64::from(sent) + 1)).unwrap_or(sent);
        let close = !transfer.has_come && dice.happens(0.3);
        let (to, id) = (EntityId::Sku(transfer.sku.clone()), transfer.id.clone());
        let means = match close {
            true => Means::Moves(vec![(
                transfer.sku.clone(),
                i64::from(arrived) - i64::from(sent),
            )]),
            false => Means::Nothing,
        };
        if !close {
            transfer.has_come = true;
            self.transfers.push(transfer);
        }
        let command = SkuCommand::TransferIn {
            transfer: id,
            arrived_units: arrived,
            close,
        };
        Wish {
            to,
            command: Command::Sku(command),
            means,
        }
    }

    /// Somebody orders what is held for them.
    pub(super) fn confirm(
        &mut self,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Result<Option<Wish>, Broken> {
        if self.holds.is_empty() {
            return Ok(None);
        }
        // Some have run out by then, and their units are others'.
        let at = usize::try_from(dice.below(self.holds.len() as u64)).unwrap_or(0);
        let (sku, hold, units) = self.holds.swap_remove(at);
        if dice.happens(0.3) {
            // Somebody else will try it too.
            self.holds.push((sku.clone(), hold.clone(), units));
        }
        let number = self.number();
        let id = OrderId {
            channel: self.asks.clone(),
            external: ExternalId::new(number.to_string())?,
        };
        let lines = vec![line(0, units, vec![single(sku)])?];
        let facts = order_facts(number, lines, Sale::Asks, Payment::Ready, now);
        let place = OrderCommand::Place {
            facts: Box::new(facts.clone()),
            origin: Origin::Api,
            hold: Some(hold),
            claim: CommandKey::new(format!("c-{number}"))?,
        };
        let wish = Wish {
            to: EntityId::Order(id.clone()),
            command: Command::Order(place),
            means: Means::Nothing,
        };
        self.placed.push(Placed {
            id,
            facts,
            is_cart: false,
            kept_from: BTreeSet::new(),
        });
        Ok(Some(wish))
    }

    pub(super) fn hold(
        &mut self,
        sku: SkuId,
        units: u32,
        expires_at: Timestamp,
        dice: &mut Dice,
    ) -> Result<Wish, Broken> {
        let (sku, command) = match self.holds.pop() {
            Some((sku, hold, _)) if dice.happens(0.5) => (sku, SkuCommand::ReleaseHold { hold }),
            known => {
                self.holds.extend(known);
                let hold = HoldId::new(self.number().to_string())?;
                self.holds.push((sku.clone(), hold.clone(), units));
                let command = SkuCommand::Hold {
                    hold,
                    units,
                    takes: Vec::new(),
                    among: None,
                    expires_at,
                };
                (sku, command)
            }
        };
        Ok(Wish {
            to: EntityId::Sku(sku),
            command: Command::Sku(command),
            means: Means::Nothing,
        })
    }
}

fn condition(sku: &SkuId, location: LocationId, units: u32, dice: &mut Dice) -> Wish {
    let condition = Condition::Damaged;
    let command = match dice.below(2) {
        0 => SkuCommand::MarkUnavailable {
            location,
            condition,
            units,
        },
        _ => SkuCommand::MakeAvailable {
            location,
            condition,
            units,
        },
    };
    Wish {
        to: EntityId::Sku(sku.clone()),
        command: Command::Sku(command),
        means: Means::Nothing,
    }
}
