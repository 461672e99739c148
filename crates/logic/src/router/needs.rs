//! What is wanted, kits taken apart, and what there is of it for this order.

use std::collections::BTreeMap;

use crossdock_model::answer::{LocationStock, StockView};
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::{Sale, Tracking};
use crossdock_model::{LineId, LocationId, SkuId};

/// Depth to which kits of kits are taken apart. A kit below it counts as a SKU without stock, so that its
/// units are named as unplaced and a kit that contains itself ends.
pub(super) const KIT_DEPTH_MAX: usize = 3;

/// Wanted units of one component for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub line: LineId,
    pub sku: SkuId,
    pub units: u64,
    /// Which of the counted SKUs it is; `None` for one of which there is always enough.
    pub counted: Option<usize>,
}

/// Units that leave together or not at all: one unit of a SKU, or a kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bundle {
    /// The number of its line among those that want something.
    pub line: usize,
    /// How many of it are wanted.
    pub count: u64,
    /// Which needs it is of, with the units of each in one.
    pub parts: Vec<(usize, u64)>,
}

impl Bundle {
    pub fn is_kit(&self) -> bool {
        !matches!(self.parts.as_slice(), [(_, 1)])
    }
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
    /// The same, by what must leave together, in order of lines.
    pub bundles: Vec<Bundle>,
    counted: Vec<Counted<'a>>,
    rejected: &'a [(LocationId, SkuId)],
}

impl<'a> Needs<'a> {
    /// Takes kits apart and looks the stock up, each SKU once.
    pub fn new(request: &'a PlanRequest, stock: &'a BTreeMap<SkuId, StockView>) -> Self {
        let source = Source { request, stock };
        let mut lines: BTreeMap<&LineId, BTreeMap<SkuId, u64>> = BTreeMap::new();
        for (line, sku, units) in request.wanted.iter().filter(|(_, _, units)| *units > 0) {
            let sums = lines.entry(line).or_default();
            source.take_apart(sku, u64::from(*units), 0, &mut |sku, units| {
                let sum = sums.entry(sku.clone()).or_default();
                *sum = sum.saturating_add(units);
            });
        }
        let mut needs = Self {
            each: Vec::with_capacity(lines.len()),
            bundles: Vec::with_capacity(lines.len()),
            counted: Vec::new(),
            rejected: &request.rejected,
        };
        let mut known: BTreeMap<SkuId, Option<usize>> = BTreeMap::new();
        for (number, (line, sums)) in lines.into_iter().enumerate() {
            let first = needs.each.len();
            for (sku, units) in sums {
                // An allocation cannot name more, and sums of it cannot overflow.
                let units = units.min(u64::from(u32::MAX));
                let counted = *known
                    .entry(sku.clone())
                    .or_insert_with(|| needs.count(&source, &sku));
                if let Some(at) = counted {
                    needs.counted[at].wanted += units;
                }
                let line = line.clone();
                needs.each.push(Need {
                    line,
                    sku,
                    units,
                    counted,
                });
            }
            needs.bundle(number, first, &source.together(line));
        }
        needs
    }

    /// Bundles what a line wants: as many as it can of what must leave together, the rest unit by unit.
    fn bundle(&mut self, line: usize, first: usize, together: &BTreeMap<SkuId, u64>) {
        let mut left: Vec<u64> = self.each[first..].iter().map(|need| need.units).collect();
        let place = |sku: &SkuId| self.each[first..].iter().position(|need| need.sku == *sku);
        let parts: Option<Vec<(usize, u64)>> = together
            .iter()
            .map(|(sku, per)| Some((place(sku)?, *per)))
            .collect();
        let parts = parts.unwrap_or_default();
        let count = parts.iter().map(|(at, per)| left[*at] / per).min();
        if let Some(count) = count.filter(|count| *count > 0) {
            for (at, per) in &parts {
                left[*at] -= count * per;
            }
            let parts = parts.iter().map(|(at, per)| (first + at, *per)).collect();
            self.bundles.push(Bundle { line, count, parts });
        }
        let rest = left.into_iter().enumerate().filter(|(_, units)| *units > 0);
        self.bundles.extend(rest.map(|(at, count)| Bundle {
            line,
            count,
            parts: vec![(first + at, 1)],
        }));
    }

    /// How many of a bundle a location with that much left can give.
    pub fn fitting(&self, bundle: &Bundle, left: &[u64]) -> u64 {
        let counted = bundle.parts.iter();
        let counted = counted.filter_map(|(need, per)| Some((self.each[*need].counted?, per)));
        let each = counted.map(|(sku, per)| left[sku] / per);
        each.min().unwrap_or(bundle.count).min(bundle.count)
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
            Some(Tracking::Kit(kit)) if depth < KIT_DEPTH_MAX => {
                for component in &kit.components {
                    let units = units.saturating_mul(u64::from(component.units_per_kit));
                    self.take_apart(&component.sku, units, depth + 1, add);
                }
            }
            Some(Tracking::Kit(_) | Tracking::Tracked | Tracking::Untracked) | None => {
                add(sku, units);
            }
        }
    }

    /// Units of each SKU in one unit of a line that must leave from one location: a kit's, unless it may be split, and
    /// those of a line that stands for several SKUs. Nothing: each unit may leave by itself.
    fn together(&self, line: &LineId) -> BTreeMap<SkuId, u64> {
        let parts = self.request.parts.iter();
        let parts = parts.filter(|(of, _, units)| of == line && *units > 0);
        let parts: Vec<(&SkuId, u32)> = parts.map(|(_, sku, units)| (sku, *units)).collect();
        let whole = match parts.as_slice() {
            [(sku, _)] => {
                matches!(self.tracking(sku), Some(Tracking::Kit(kit)) if !kit.may_split)
            }
            parts => !parts.is_empty(),
        };
        let mut made_of = BTreeMap::new();
        for (sku, units) in parts.into_iter().filter(|_| whole) {
            self.take_apart(sku, units.into(), 0, &mut |sku, units| {
                *made_of.entry(sku.clone()).or_default() += units;
            });
        }
        made_of
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
