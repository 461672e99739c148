//! What can be sold of a kit, which has no stock of its own.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::StockView;
use crossdock_model::v1::{Kit, Tracking};
use crossdock_model::{LocationId, SkuId};

use super::UNTRACKED_UNITS;

/// Depth to which kits of kits are taken apart. Of one below it there is nothing.
pub const KIT_DEPTH_MAX: usize = 3;

/// A SKU's stock, as far as kits are counted by it.
pub trait Shelved {
    /// How it is kept.
    fn tracking(&self) -> &Tracking;
    /// Units available to sell at each location.
    fn ats(&self) -> impl Iterator<Item = (&LocationId, u32)>;

    /// Units available to sell at one location.
    fn ats_at(&self, location: &LocationId) -> u64 {
        let here = self.ats().find(|(at, _)| *at == location);
        here.map_or(0, |(_, units)| units.into())
    }
}

impl Shelved for StockView {
    fn tracking(&self) -> &Tracking {
        &self.tracking
    }

    fn ats(&self) -> impl Iterator<Item = (&LocationId, u32)> {
        self.locations.iter().map(|here| (&here.location, here.ats))
    }
}

/// Kits available to sell, by the stock of their components (and of the components' components) at locations that are
/// open to work. A kit that leaves whole is counted location by location.
#[must_use]
pub fn kit_ats<S: Shelved>(
    kit: &Kit,
    stock: &BTreeMap<SkuId, S>,
    is_open: &dyn Fn(&LocationId) -> bool,
) -> u64 {
    let shelves = Shelves { stock, is_open };
    shelves.kits(kit, 0)
}

struct Shelves<'a, S> {
    stock: &'a BTreeMap<SkuId, S>,
    is_open: &'a dyn Fn(&LocationId) -> bool,
}

impl<S: Shelved> Shelves<'_, S> {
    fn kits(&self, kit: &Kit, depth: usize) -> u64 {
        if kit.may_split {
            let each = kit.components.iter().map(|one| {
                let units = self.units(&one.sku, depth);
                units / u64::from(one.units_per_kit.max(1))
            });
            return each.min().unwrap_or(0);
        }
        let mut parts = BTreeMap::new();
        if !self.take_apart(kit, 1, depth, &mut parts) {
            return 0;
        }
        let counted = parts.iter().filter_map(|(sku, per)| {
            let view = self.stock.get(*sku)?;
            (*view.tracking() != Tracking::Untracked).then_some((view, *per))
        });
        let counted: Vec<(&S, u64)> = counted.collect();
        if counted.is_empty() {
            return UNTRACKED_UNITS.into();
        }
        let locations = counted.iter().flat_map(|(view, _)| view.ats());
        let locations: BTreeSet<&LocationId> = locations.map(|(at, _)| at).collect();
        let open = locations.into_iter().filter(|at| (self.is_open)(at));
        let whole = |at| {
            let each = counted.iter().map(|(view, per)| view.ats_at(at) / per);
            each.min().unwrap_or(0)
        };
        open.map(whole).sum()
    }

    /// Units of a SKU, or kits, over all open locations.
    fn units(&self, sku: &SkuId, depth: usize) -> u64 {
        let Some(view) = self.stock.get(sku) else {
            return 0;
        };
        match view.tracking() {
            Tracking::Untracked => UNTRACKED_UNITS.into(),
            Tracking::Kit(kit) if depth + 1 < KIT_DEPTH_MAX => self.kits(kit, depth + 1),
            Tracking::Kit(_) => 0,
            Tracking::Tracked => {
                let open = view.ats().filter(|(at, _)| (self.is_open)(at));
                open.map(|(_, units)| u64::from(units)).sum()
            }
        }
    }

    /// Units of each SKU in that many kits; `false` if one is unknown, or a kit of kits goes too deep.
    fn take_apart<'k>(
        &'k self,
        kit: &'k Kit,
        kits: u64,
        depth: usize,
        parts: &mut BTreeMap<&'k SkuId, u64>,
    ) -> bool {
        depth < KIT_DEPTH_MAX
            && kit.components.iter().all(|one| {
                let units = kits.saturating_mul(one.units_per_kit.max(1).into());
                match self.stock.get(&one.sku).map(Shelved::tracking) {
                    None => false,
                    Some(Tracking::Kit(inner)) => self.take_apart(inner, units, depth + 1, parts),
                    Some(Tracking::Tracked | Tracking::Untracked) => {
                        *parts.entry(&one.sku).or_default() += units;
                        true
                    }
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crossdock_model::SkuId;
    use crossdock_model::answer::StockView;
    use crossdock_model::v1::{Component, Kit, Tracking};

    use super::kit_ats;
    use crate::router::tests::{stock, view};

    fn kit(parts: &[(&str, u32)], may_split: bool) -> Kit {
        let component = |(sku, units_per_kit): &(&str, u32)| Component {
            sku: SkuId::new(*sku).unwrap(),
            units_per_kit: *units_per_kit,
        };
        Kit {
            components: parts.iter().map(component).collect(),
            may_split,
        }
    }

    fn with(
        mut all: BTreeMap<SkuId, StockView>,
        sku: &str,
        tracking: Tracking,
    ) -> BTreeMap<SkuId, StockView> {
        all.insert(SkuId::new(sku).unwrap(), view(sku, tracking));
        all
    }

    #[test]
    fn kits_are_counted_where_all_of_one_is() {
        let on_hand = stock("A@paris=5 B@paris=1 A@reno=1 B@reno=9 A@london=4 B@london=4");
        let on_hand = with(on_hand, "CARD", Tracking::Untracked);
        let on_hand = with(on_hand, "TWO", Tracking::Kit(kit(&[("A", 2)], false)));
        let on_hand = with(on_hand, "LOOP", Tracking::Kit(kit(&[("LOOP", 1)], true)));
        let check = |parts: &[(&str, u32)], may_split, expected| {
            let found = kit_ats(&kit(parts, may_split), &on_hand, &|_| true);
            assert_eq!(found, expected, "{parts:?}, {may_split}");
        };
        check(&[("A", 2), ("B", 1)], false, 1 + 2);
        check(&[("A", 2), ("B", 1)], true, 5);
        check(&[("A", 1), ("CARD", 3)], false, 10);
        check(&[("CARD", 2)], false, 1_000_000);
        check(&[("CARD", 2)], true, 500_000);
        check(&[("TWO", 1), ("B", 1)], false, 1 + 2);
        check(&[("TWO", 1), ("B", 1)], true, 4);
        check(&[("A", 1), ("UNKNOWN", 1)], false, 0);
        check(&[("A", 1), ("UNKNOWN", 1)], true, 0);
        check(&[("LOOP", 1)], false, 0);
        let open = |at: &crossdock_model::LocationId| at.as_str() != "london";
        let kit = |may_split| kit(&[("A", 2), ("B", 1)], may_split);
        assert_eq!(kit_ats(&kit(false), &on_hand, &open), 1);
        assert_eq!(kit_ats(&kit(true), &on_hand, &open), 3);
    }
}
