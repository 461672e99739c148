//! What is wanted, kits taken apart, and what there is of it for this order.

use std::collections::BTreeMap;

use crossdock_model::answer::{LocationStock, StockView};
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::{Sale, Tracking};
use crossdock_model::{LineId, LocationId, SkuId};

/// Depth to which kits of kits are taken apart. A kit below it counts as a SKU without stock, so that its
/// units are named as unplaced and a kit that contains itself ends.
const KIT_DEPTH_MAX: usize = 3;

/// Wanted units of one component for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub line: LineId,
    pub sku: SkuId,
    pub units: u64,
    /// Which of the counted SKUs it is; `None` for one of which there is always enough.
    pub counted: Option<usize>,
}

/// A counted SKU: the units wanted of it in all, and where this order may take how many.
struct Counted<'a> {
    sku: SkuId,
    wanted: u64,
    at: BTreeMap<&'a LocationId, u64>,
    /// What any other location has: nothing, unless there is always enough of it.
    elsewhere: u64,
}

/// What stands for "always enough" where it has to be counted: sums of it stay far from overflow.
const ENOUGH: u64 = u32::MAX as u64;

/// Everything wanted and everything there is of it.
pub(super) struct Needs<'a> {
    /// By line, then by SKU.
    pub each: Vec<Need>,
    counted: Vec<Counted<'a>>,
    rejected: &'a [(LocationId, SkuId)],
}

impl<'a> Needs<'a> {
    /// Takes kits apart and looks the stock up, each SKU once.
    pub fn new(request: &'a PlanRequest, stock: &'a BTreeMap<SkuId, StockView>) -> Self {
        let source = Source { request, stock };
        let mut sums: BTreeMap<(LineId, SkuId), u64> = BTreeMap::new();
        for (line, sku, units) in request.wanted.iter().filter(|(_, _, units)| *units > 0) {
            source.take_apart(sku, u64::from(*units), 0, &mut |sku, units| {
                let sum = sums.entry((line.clone(), sku.clone())).or_default();
                *sum = sum.saturating_add(units);
            });
        }
        let mut needs = Self {
            each: Vec::with_capacity(sums.len()),
            counted: Vec::new(),
            rejected: &request.rejected,
        };
        let mut known: BTreeMap<SkuId, Option<usize>> = BTreeMap::new();
        for ((line, sku), units) in sums {
            // An allocation cannot name more, and sums of it cannot overflow.
            let units = units.min(u64::from(u32::MAX));
            let counted = *known
                .entry(sku.clone())
                .or_insert_with(|| needs.count(&source, &sku));
            if let Some(at) = counted {
                needs.counted[at].wanted += units;
            }
            needs.each.push(Need {
                line,
                sku,
                units,
                counted,
            });
        }
        needs
    }

    /// A SKU of which there is always enough is counted only where a location could not give it before.
    fn count(&mut self, source: &Source<'a>, sku: &SkuId) -> Option<usize> {
        let untracked = matches!(source.tracking(sku), Some(Tracking::Untracked));
        let rejected: Vec<&LocationId> = source.rejected(sku).collect();
        if untracked && rejected.is_empty() {
            return None;
        }
        let (mut at, elsewhere) = match untracked {
            true => (BTreeMap::new(), ENOUGH),
            false => (source.stock_of(sku), 0),
        };
        at.extend(rejected.into_iter().map(|location| (location, 0)));
        self.counted.push(Counted {
            sku: sku.clone(),
            wanted: 0,
            at,
            elsewhere,
        });
        Some(self.counted.len() - 1)
    }

    /// Units wanted of each counted SKU.
    pub fn wanted(&self) -> Vec<u64> {
        self.counted.iter().map(|counted| counted.wanted).collect()
    }

    /// Units of each counted SKU that this order may take at a location.
    pub fn held_at(&self, location: &LocationId) -> Vec<u64> {
        let at = |counted: &Counted<'_>| {
            let known = counted.at.get(location).copied();
            known.unwrap_or(counted.elsewhere)
        };
        self.counted.iter().map(at).collect()
    }

    /// The first SKU of which that is too little: its id, what is held and what is wanted.
    pub fn first_lack(&self, held: &[u64]) -> Option<(&SkuId, u64, u64)> {
        let mut pairs = self.counted.iter().zip(held);
        let (counted, held) = pairs.find(|(counted, held)| **held < counted.wanted)?;
        Some((&counted.sku, *held, counted.wanted))
    }

    /// What is wanted and a location could not give to this order before, in words.
    pub fn rejected_at(&self, location: &LocationId) -> Option<String> {
        let pairs = self.rejected.iter().filter(|(at, _)| at == location);
        let of = |sku: &SkuId| self.each.iter().any(|need| need.sku == *sku);
        let skus: Vec<&str> = pairs
            .filter(|(_, sku)| of(sku))
            .map(|(_, sku)| sku.as_str())
            .collect();
        (!skus.is_empty()).then(|| format!("could not give {} before", skus.join(" or ")))
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

/// Where stock is looked up: announced, or stated afresh by a SKU that refused.
struct Source<'a> {
    request: &'a PlanRequest,
    stock: &'a BTreeMap<SkuId, StockView>,
}

impl<'a> Source<'a> {
    /// The newest statement; of two with the same version the fresh one.
    fn view(&self, sku: &SkuId) -> Option<&'a StockView> {
        let fresh = self.request.fresh.iter().filter(|view| view.sku == *sku);
        let known = self.stock.get(sku).into_iter();
        known.chain(fresh).max_by_key(|view| view.version)
    }

    fn tracking(&self, sku: &SkuId) -> Option<&'a Tracking> {
        self.view(sku).map(|view| &view.tracking)
    }

    /// Locations that could not give that SKU to this order before.
    fn rejected(&self, sku: &SkuId) -> impl Iterator<Item = &'a LocationId> {
        let pairs = self.request.rejected.iter();
        let sku = sku.clone();
        pairs.filter_map(move |(location, of)| (*of == sku).then_some(location))
    }

    fn take_apart(&self, sku: &SkuId, units: u64, depth: usize, add: &mut impl FnMut(&SkuId, u64)) {
        match self.tracking(sku) {
            Some(Tracking::Kit(components)) if depth < KIT_DEPTH_MAX => {
                for component in components {
                    let units = units.saturating_mul(u64::from(component.units_per_kit));
                    self.take_apart(&component.sku, units, depth + 1, add);
                }
            }
            Some(Tracking::Kit(_) | Tracking::Tracked | Tracking::Untracked) | None => {
                add(sku, units);
            }
        }
    }

    /// What this order may take, with what is kept for it alone.
    fn stock_of(&self, sku: &SkuId) -> BTreeMap<&'a LocationId, u64> {
        let view = self.view(sku);
        let locations = view.map_or(&[][..], |view| view.locations.as_slice());
        let mut at: BTreeMap<&LocationId, u64> = locations
            .iter()
            .map(|stock| (&stock.location, self.free(stock)))
            .collect();
        let offers = self.request.offered.iter().filter(|(of, _)| of == sku);
        for take in offers.flat_map(|(_, takes)| takes) {
            *at.entry(&take.location).or_default() += u64::from(take.units);
        }
        at
    }

    /// A sale that asks first leaves safety stock and what is owed to waiting orders alone.
    fn free(&self, stock: &LocationStock) -> u64 {
        match self.request.sale {
            Sale::Asks => u64::from(stock.ats),
            Sale::AlreadySold => stock.available.clamp(0, i64::from(u32::MAX)).unsigned_abs(),
        }
    }
}
