//! What is wanted, by component, and what there is of it.

use std::collections::BTreeMap;

use crossdock_model::answer::StockView;
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::{Sale, Tracking};
use crossdock_model::{LineId, LocationId, SkuId};

/// Depth to which kits of kits are taken apart.
const KIT_DEPTH_MAX: usize = 3;

/// Stock as this order may take it.
pub(super) struct Supply<'a> {
    views: BTreeMap<&'a SkuId, &'a StockView>,
    offered: BTreeMap<(&'a SkuId, &'a LocationId), u64>,
    sale: Sale,
}

impl<'a> Supply<'a> {
    /// The newest statement of each SKU, and what is kept for this order alone.
    pub fn new(request: &'a PlanRequest, stock: &'a BTreeMap<SkuId, StockView>) -> Self {
        let mut views: BTreeMap<&SkuId, &StockView> = stock.iter().collect();
        for fresh in &request.fresh {
            let known = views.entry(&fresh.sku).or_insert(fresh);
            if fresh.version >= known.version {
                *known = fresh;
            }
        }
        let mut offered = BTreeMap::new();
        for (sku, takes) in &request.offered {
            for take in takes {
                *offered.entry((sku, &take.location)).or_insert(0) += u64::from(take.units);
            }
        }
        Self { views, offered, sale: request.sale }
    }

    fn tracking(&self, sku: &SkuId) -> &Tracking {
        self.views.get(sku).map_or(&Tracking::Tracked, |view| &view.tracking)
    }

    /// Whether there is always enough of it.
    pub fn is_untracked(&self, sku: &SkuId) -> bool {
        *self.tracking(sku) == Tracking::Untracked
    }

    /// Units of a tracked SKU this order may take at a location.
    pub fn at(&self, sku: &SkuId, location: &LocationId) -> u64 {
        let view = self.views.get(sku).and_then(|view| view.locations.iter().find(|l| l.location == *location));
        let free = view.map_or(0, |stock| match self.sale {
            Sale::Asks => u64::from(stock.ats),
            Sale::AlreadySold => u64::try_from(stock.available).unwrap_or(0),
        });
        free + self.offered.get(&(sku, location)).copied().unwrap_or(0)
    }
}

/// Wanted units of one component for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub line: LineId,
    pub sku: SkuId,
    pub units: u64,
}

/// Everything wanted, kits taken apart.
pub(super) struct Needs {
    pub each: Vec<Need>,
    by_sku: BTreeMap<SkuId, u64>,
}

impl Needs {
    pub fn expand(request: &PlanRequest, supply: &Supply<'_>) -> Self {
        let mut sums: BTreeMap<(LineId, SkuId), u64> = BTreeMap::new();
        for (line, sku, units) in &request.wanted {
            take_apart(supply, sku, u64::from(*units), 0, &mut |sku, units| {
                *sums.entry((line.clone(), sku.clone())).or_default() += units;
            });
        }
        let each: Vec<Need> =
            sums.into_iter().map(|((line, sku), units)| Need { line, sku, units }).collect();
        let mut by_sku = BTreeMap::new();
        for need in &each {
            *by_sku.entry(need.sku.clone()).or_default() += need.units;
        }
        Self { each, by_sku }
    }

    /// Tracked SKUs with the units wanted in all.
    pub fn tracked<'a>(&'a self, supply: &'a Supply<'_>) -> impl Iterator<Item = (&'a SkuId, u64)> {
        let tracked = self.by_sku.iter().filter(|(sku, _)| !supply.is_untracked(sku));
        tracked.map(|(sku, units)| (sku, *units))
    }

    /// Whether nothing of it is counted.
    pub fn is_free(&self, supply: &Supply<'_>) -> bool {
        self.tracked(supply).next().is_none()
    }

    /// Tracked units wanted in all.
    pub fn total(&self, supply: &Supply<'_>) -> u64 {
        self.tracked(supply).map(|(_, units)| units).sum()
    }

    /// How many of the wanted units a location could give.
    pub fn held_at(&self, supply: &Supply<'_>, location: &LocationId) -> u64 {
        self.tracked(supply).map(|(sku, units)| units.min(supply.at(sku, location))).sum()
    }

    /// All of it, as unplaced.
    pub fn all(&self) -> Vec<(LineId, SkuId, u32)> {
        let unplaced = |need: &Need| (need.line.clone(), need.sku.clone(), clamp(need.units));
        self.each.iter().map(unplaced).collect()
    }
}

pub(super) fn clamp(units: u64) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

fn take_apart(
    supply: &Supply<'_>,
    sku: &SkuId,
    units: u64,
    depth: usize,
    add: &mut impl FnMut(&SkuId, u64),
) {
    match supply.tracking(sku) {
        Tracking::Kit(components) if depth < KIT_DEPTH_MAX => {
            for component in components {
                let each = u64::from(component.units_per_kit);
                take_apart(supply, &component.sku, units.saturating_mul(each), depth + 1, add);
            }
        }
        Tracking::Kit(_) | Tracking::Tracked | Tracking::Untracked => add(sku, units),
    }
}
