//! `I13`: no more is held of a SKU than clients have asked to be held, for no longer than they have asked, and nothing that was
//! released.

use std::collections::BTreeMap;

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::Origin;
use crossdock_model::{Command, EntityId, HoldId, OrderId, SkuId, Timestamp};

/// What clients have asked to be held.
#[derive(Debug, Default)]
pub(super) struct Held {
    holds: BTreeMap<(SkuId, HoldId), (u64, Timestamp)>,
    /// Units of each SKU in a cart, and until when.
    carts: BTreeMap<OrderId, (BTreeMap<SkuId, u64>, Timestamp)>,
}

impl Held {
    /// Something is asked.
    pub fn asked(&mut self, to: &EntityId, command: &Command) {
        match (to, command) {
            (
                EntityId::Sku(sku),
                Command::Sku(SkuCommand::Hold {
                    hold,
                    units,
                    expires_at,
                    ..
                }),
            ) => {
                let key = (sku.clone(), hold.clone());
                self.holds.insert(key, (u64::from(*units), *expires_at));
            }
            (EntityId::Order(order), Command::Order(OrderCommand::State { facts, origin, .. })) => {
                let Origin::Hold { expires_at } = origin else {
                    return;
                };
                let mut units: BTreeMap<SkuId, u64> = BTreeMap::new();
                for line in &facts.lines {
                    for part in &line.parts {
                        let needed = u64::from(line.ordered_units)
                            .saturating_mul(part.units_per_line_unit.into());
                        *units.entry(part.sku.clone()).or_default() += needed;
                    }
                }
                self.carts.insert(order.clone(), (units, *expires_at));
            }
            // So many may be wanted then as nobody asked for at first.
            (EntityId::Order(order), Command::Order(OrderCommand::EditLines { .. })) => {
                if let Some((units, _)) = self.carts.get_mut(order) {
                    units
                        .values_mut()
                        .for_each(|units| *units = u64::from(u32::MAX));
                }
            }
            _ => {}
        }
    }

    /// Something was done.
    pub fn done(&mut self, to: &EntityId, command: &Command) {
        if let (EntityId::Sku(sku), Command::Sku(SkuCommand::ReleaseHold { hold })) = (to, command)
        {
            self.holds.remove(&(sku.clone(), hold.clone()));
        }
    }

    /// Units of a SKU that may be held now.
    pub fn at_most(&self, sku: &SkuId, now: Timestamp) -> u64 {
        let holds = self.holds.iter().filter(|((of, _), _)| of == sku);
        let holds = holds.map(|(_, (units, until))| (*units, *until));
        let carts = self.carts.values();
        let carts = carts.map(|(units, until)| (units.get(sku).copied().unwrap_or(0), *until));
        let live = holds.chain(carts).filter(|(_, until)| *until > now);
        live.map(|(units, _)| units).sum()
    }
}
