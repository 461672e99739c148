//! `I13`: no more is held of a SKU than clients have asked to be held, for no longer than they have asked, and nothing that was
//! released; and nothing is let go before that time, whatever the wall clock says.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::Origin;
use crossdock_model::{Command, Duration, EntityId, HoldId, OrderId, SkuId, Timestamp};

/// One part in so many that a clock may go too fast while it is corrected, and what else is of no account.
const FAST: u64 = 200;
const SLACK_MS: u64 = 1_000;

/// How many units are to be held, and until when by the node's clock, as it was asked last.
#[derive(Debug)]
struct Hold {
    units: u64,
    until: Timestamp,
    /// For how long, since when at the earliest, and how far the node's clock had jumped by then.
    lasts: Duration,
    since: (Timestamp, Duration),
}

/// What clients have asked to be held.
#[derive(Debug, Default)]
pub(super) struct Held {
    holds: BTreeMap<(SkuId, HoldId), Hold>,
    /// Units of each SKU in a cart, and until when.
    carts: BTreeMap<OrderId, (BTreeMap<SkuId, u64>, Timestamp)>,
    /// What was released: its repeats hold nothing.
    released: BTreeSet<(SkuId, HoldId)>,
}

impl Held {
    /// Something is asked to be held so long, now; it may have been asked before.
    pub fn asked(
        &mut self,
        to: &EntityId,
        command: &Command,
        lasts: Duration,
        since: (Timestamp, Duration),
    ) {
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
                if self.released.contains(&key) {
                    return;
                }
                let hold = self.holds.entry(key).or_insert(Hold {
                    units: u64::from(*units),
                    until: *expires_at,
                    lasts,
                    since,
                });
                hold.until = hold.until.max(*expires_at);
            }
            (EntityId::Order(order), Command::Order(OrderCommand::State { facts, origin, .. })) => {
                let Origin::Hold { expires_at } = origin else {
                    return;
                };
                if let Some((_, until)) = self.carts.get_mut(order) {
                    *until = (*until).max(*expires_at);
                    return;
                }
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
            _ => {}
        }
    }

    /// So many may be wanted of a cart then as nobody asked for at first.
    pub fn asked_more(&mut self, to: &EntityId, command: &Command) {
        if let (EntityId::Order(order), Command::Order(OrderCommand::EditLines { .. })) =
            (to, command)
            && let Some((units, _)) = self.carts.get_mut(order)
        {
            units
                .values_mut()
                .for_each(|units| *units = u64::from(u32::MAX));
        }
    }

    /// Whether a hold has lasted as long as was asked, by any clock that goes at most a little too fast.
    pub fn is_over(&self, sku: &SkuId, hold: &HoldId, now: Timestamp, jumped: Duration) -> bool {
        let known = self.holds.get(&(sku.clone(), hold.clone()));
        known.is_none_or(|hold| {
            let (since, jumped_before) = hold.since;
            let passed = now.since(since).as_ms();
            let passed = passed + passed / FAST + (jumped.as_ms() - jumped_before.as_ms());
            passed + SLACK_MS >= hold.lasts.as_ms()
        })
    }

    /// Something was done.
    pub fn done(&mut self, to: &EntityId, command: &Command) {
        if let (EntityId::Sku(sku), Command::Sku(SkuCommand::ReleaseHold { hold })) = (to, command)
        {
            let key = (sku.clone(), hold.clone());
            self.holds.remove(&key);
            self.released.insert(key);
        }
    }

    /// Units of a SKU that may be held now.
    pub fn at_most(&self, sku: &SkuId, now: Timestamp) -> u64 {
        let holds = self.holds.iter().filter(|((of, _), _)| of == sku);
        let holds = holds.map(|(_, hold)| (hold.units, hold.until));
        let carts = self.carts.values();
        let carts = carts.map(|(units, until)| (units.get(sku).copied().unwrap_or(0), *until));
        let live = holds.chain(carts).filter(|(_, until)| *until > now);
        live.map(|(units, _)| units).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_for_ten_minutes_may_end_after_ten() {
        let (sku, hold) = (SkuId::new("A").unwrap(), HoldId::new("1").unwrap());
        let at = |s: i64| Timestamp::from_ms(s * 1_000);
        let command = Command::Sku(SkuCommand::Hold {
            hold: hold.clone(),
            units: 1,
            takes: Vec::new(),
            among: None,
            expires_at: at(600),
        });
        let (mut held, ten) = (Held::default(), Duration::from_s(600));
        let jumped = Duration::from_s(60);
        held.asked(&EntityId::Sku(sku.clone()), &command, ten, (at(0), jumped));
        let is_over = |s, jumped| held.is_over(&sku, &hold, at(s), Duration::from_s(jumped));
        // (passed, jumped in all)
        assert!(!is_over(590, 60));
        assert!(is_over(597, 60));
        assert!(!is_over(10, 3_600 - 2_980));
        assert!(is_over(10, 60 + 590));
        assert_eq!(held.at_most(&sku, at(599)), 1);
        assert_eq!(held.at_most(&sku, at(600)), 0);
    }
}
