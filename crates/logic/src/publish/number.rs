//! How many units of a listing a place of a channel should show, from the stock of its SKUs.

use std::collections::BTreeMap;

use crossdock_model::v1::{ChannelPlace, Kit, ListingTarget, Tracking};
use crossdock_model::{LocationId, SkuId};
use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use crate::sku::{KIT_DEPTH_MAX, Shelved, kit_ats};

/// What a SKU last announced, as far as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Its version.
    pub version: u64,
    /// How its stock is kept.
    pub tracking: Tracking,
    /// Units available to sell, at each location where its stock is known.
    pub ats: LiteMap<LocationId, u32>,
}

impl Shelved for Announced {
    fn tracking(&self) -> &Tracking {
        &self.tracking
    }

    fn ats(&self) -> impl Iterator<Item = (&LocationId, u32)> {
        self.ats.iter().map(|(at, units)| (at, *units))
    }
}

type Stock = BTreeMap<SkuId, Announced>;

/// Units shown at most: what is without end at several locations is no number that a channel takes.
const SHOWN_MAX: u64 = 1_000_000_000;

/// Units of a listing at a place, before buffers. `None`: it cannot be told, as the stock of a component was never
/// counted there or needs no counting. What is shown stays as it is then: nothing is taken off sale because a count is
/// still missing.
#[must_use]
pub fn units_at(target: &ListingTarget, stock: &Stock, place: &ChannelPlace) -> Option<u32> {
    let is_here = |location: &LocationId| place.locations.contains(location);
    let kit = |kit: &Kit| {
        let counted = kit_is_counted(kit, stock, &is_here, 0)?;
        counted.then(|| kit_ats(kit, stock, &is_here))
    };
    let (units, multiplier) = match target {
        ListingTarget::Sku { sku, multiplier } => {
            let announced = stock.get(sku)?;
            let units = match &announced.tracking {
                Tracking::Kit(of) => kit(of)?,
                Tracking::Untracked => return None,
                Tracking::Tracked => {
                    let here = announced.ats().filter(|(at, _)| is_here(at));
                    let here: Vec<u64> = here.map(|(_, units)| units.into()).collect();
                    (!here.is_empty()).then(|| here.iter().sum())?
                }
            };
            (units, *multiplier)
        }
        ListingTarget::Kit {
            components,
            multiplier,
        } => {
            let of = Kit {
                components: components.clone(),
                may_split: false,
            };
            (kit(&of)?, *multiplier)
        }
    };
    let units = (units / u64::from(multiplier.max(1))).min(SHOWN_MAX);
    Some(u32::try_from(units).unwrap_or(u32::MAX))
}

/// Whether anything of the kit is counted at all. `None`: a component is not known here.
fn kit_is_counted(
    kit: &Kit,
    stock: &Stock,
    is_here: &dyn Fn(&LocationId) -> bool,
    depth: usize,
) -> Option<bool> {
    let mut counted = false;
    for component in &kit.components {
        let announced = stock.get(&component.sku)?;
        counted |= match &announced.tracking {
            Tracking::Untracked => false,
            Tracking::Kit(_) if depth + 1 >= KIT_DEPTH_MAX => return None,
            Tracking::Kit(inner) => kit_is_counted(inner, stock, is_here, depth + 1)?,
            Tracking::Tracked => {
                announced.ats.keys().find(|at| is_here(at))?;
                true
            }
        };
    }
    Some(counted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crossdock_model::v1::{ChannelPlace, Component, Kit, ListingTarget, Tracking};
    use crossdock_model::{LocationId, SkuId, SourceId};

    use super::{Announced, units_at};

    fn sku(id: &str) -> SkuId {
        SkuId::new(id).unwrap()
    }

    fn at(id: &str) -> LocationId {
        LocationId::new(id).unwrap()
    }

    fn parts(parts: &[(&str, u32)]) -> Vec<Component> {
        let component = |(id, units_per_kit): &(&str, u32)| Component {
            sku: sku(id),
            units_per_kit: *units_per_kit,
        };
        parts.iter().map(component).collect()
    }

    /// SKU, how it is kept, and units at locations.
    type Row<'a> = (&'a str, Tracking, &'a [(&'a str, u32)]);

    fn stock() -> BTreeMap<SkuId, Announced> {
        let kit = |components: &[(&str, u32)], may_split| {
            let components = parts(components);
            Tracking::Kit(Kit {
                components,
                may_split,
            })
        };
        let rows: [Row<'_>; 8] = [
            (
                "A",
                Tracking::Tracked,
                &[("reno", 7), ("york", 2), ("till", 90)],
            ),
            ("B", Tracking::Tracked, &[("reno", 1), ("york", 5)]),
            ("FAR", Tracking::Tracked, &[("till", 4)]),
            (
                "ENDLESS",
                Tracking::Tracked,
                &[("reno", 999_999_999), ("york", 999_999_999)],
            ),
            ("GIFT", Tracking::Untracked, &[("reno", 1_000_000)]),
            ("WHOLE", kit(&[("A", 2), ("B", 1), ("GIFT", 1)], false), &[]),
            ("SPLIT", kit(&[("A", 2), ("B", 1)], true), &[]),
            ("NESTED", kit(&[("WHOLE", 1), ("NEW", 1)], false), &[]),
        ];
        let announced = |(id, tracking, ats): Row<'_>| {
            let ats = ats.iter().map(|(id, units)| (at(id), *units)).collect();
            let announced = Announced {
                version: 1,
                tracking,
                ats,
            };
            (sku(id), announced)
        };
        rows.into_iter().map(announced).collect()
    }

    #[test]
    fn a_place_shows_what_its_locations_can_sell() {
        let one = |id: &str, multiplier| ListingTarget::Sku {
            sku: sku(id),
            multiplier,
        };
        let kit = |components: &[(&str, u32)], multiplier| ListingTarget::Kit {
            components: parts(components),
            multiplier,
        };
        let cases = [
            (one("A", 1), Some(9)),
            (one("A", 2), Some(4)),
            (one("A", 10), Some(0)),
            (one("FAR", 1), None),
            (one("ENDLESS", 1), Some(1_000_000_000)),
            (one("NEW", 1), None),
            (one("GIFT", 1), None),
            (one("WHOLE", 1), Some(2)),
            (one("SPLIT", 1), Some(4)),
            (one("NESTED", 1), None),
            (kit(&[("A", 1), ("B", 1)], 1), Some(3)),
            (kit(&[("A", 1), ("B", 1)], 2), Some(1)),
            (kit(&[("A", 1), ("FAR", 1)], 1), None),
            (kit(&[("A", 1), ("GIFT", 1)], 1), Some(9)),
            (kit(&[("GIFT", 1)], 1), None),
        ];
        let (stock, locations) = (stock(), ["reno", "york"].map(at).into());
        let place = SourceId::new("shop/1").unwrap();
        let place = ChannelPlace { place, locations };
        for (target, units) in cases {
            assert_eq!(units_at(&target, &stock, &place), units, "{target:?}");
        }
    }
}
