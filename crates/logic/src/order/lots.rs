//! What units of a line are made of. A line that is restated otherwise keeps what it was for the units that have
//! begun to leave; only the rest is made anew.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::SkuId;
use crossdock_model::v1::LineFacts;

use super::state::{Line, Lot};

impl Lot {
    pub fn new(made_of: BTreeMap<SkuId, u32>) -> Self {
        Self {
            made_of,
            shipped: BTreeMap::new(),
        }
    }

    pub fn per(&self, sku: &SkuId) -> u32 {
        self.made_of.get(sku).copied().unwrap_or(0)
    }

    fn shipped_of(&self, sku: &SkuId) -> u32 {
        self.shipped.get(sku).copied().unwrap_or(0)
    }

    /// Units of which at least one part has left.
    pub fn begun_units(&self) -> u32 {
        let begun = |(sku, units): (&SkuId, &u32)| match self.made_of.get(sku) {
            Some(per) => units.div_ceil(*per),
            None => 0,
        };
        self.shipped.iter().map(begun).max().unwrap_or(0)
    }

    /// Units of which every part has left.
    pub fn whole_units(&self) -> u32 {
        let whole = |(sku, per): (&SkuId, &u32)| self.shipped_of(sku) / *per;
        self.made_of.iter().map(whole).min().unwrap_or(0)
    }

    /// Units of a SKU that those which have begun need in all.
    fn need(&self, sku: &SkuId) -> u32 {
        self.begun_units().saturating_mul(self.per(sku))
    }

    fn ship(&mut self, sku: &SkuId, units: u32) {
        let shipped = self.shipped.entry(sku.clone()).or_default();
        *shipped = shipped.saturating_add(units);
    }
}

impl Line {
    /// Every SKU that some unit of it is made of, each once.
    pub fn skus(&self) -> impl Iterator<Item = &SkuId> {
        let earlier = self.earlier.iter().enumerate();
        let of_earlier = earlier.flat_map(|(number, lot)| {
            let known = self.earlier[..number].iter().chain([&self.lot]);
            let is_new = move |sku: &&SkuId| known.clone().all(|lot| lot.per(sku) == 0);
            lot.made_of.keys().filter(is_new)
        });
        self.lot.made_of.keys().chain(of_earlier)
    }

    /// Units of a SKU that it needs in all, with those that have left.
    pub fn need(&self, sku: &SkuId) -> u32 {
        self.need_beside(sku, 0)
    }

    /// As [`Line::need`], beside so many units that may still leave as they were made before.
    pub fn need_beside(&self, sku: &SkuId, under_way: u32) -> u32 {
        let (mut gone, mut need) = (under_way, 0_u32);
        for lot in &self.earlier {
            gone = gone.saturating_add(lot.begun_units());
            need = need.saturating_add(lot.need(sku));
        }
        let rest = self.open_units().saturating_sub(gone);
        need.saturating_add(rest.saturating_mul(self.lot.per(sku)))
    }

    /// Units that locations may still send as they were made before the line was restated: as long as they have not
    /// stopped, the same unit is not placed as it is made now.
    pub fn under_way(&self, requested: impl Fn(&SkuId) -> u32) -> u32 {
        let lots = self.earlier.iter().map(|lot| {
            let parts = lot.made_of.iter();
            let parts = parts.filter(|(sku, _)| self.lot.per(sku) == 0);
            let begun = parts.map(|(sku, per)| {
                let units = lot.shipped_of(sku).saturating_add(requested(sku));
                units.div_ceil(*per)
            });
            begun.max().unwrap_or(0).saturating_sub(lot.begun_units())
        });
        lots.fold(0, u32::saturating_add)
    }

    pub fn shipped_of(&self, sku: &SkuId) -> u32 {
        let lots = self.earlier.iter().chain([&self.lot]);
        lots.fold(0, |sum, lot| sum.saturating_add(lot.shipped_of(sku)))
    }

    /// Units of which at least one part has left.
    pub fn begun_units(&self) -> u32 {
        let lots = self.earlier.iter().chain([&self.lot]);
        lots.fold(0, |sum, lot| sum.saturating_add(lot.begun_units()))
    }

    /// Units of which every part has left.
    pub fn shipped_units(&self) -> u32 {
        let lots = self.earlier.iter().chain([&self.lot]);
        lots.fold(0, |sum, lot| sum.saturating_add(lot.whole_units()))
    }

    /// Units of a SKU have left: they complete what had begun before they count for the rest.
    pub fn ship(&mut self, sku: &SkuId, units: u32) {
        let mut left = units;
        for lot in &mut self.earlier {
            let lacks = lot.need(sku).saturating_sub(lot.shipped_of(sku)).min(left);
            if lacks > 0 {
                lot.ship(sku, lacks);
                left -= lacks;
            }
        }
        let made_before = self.lot.per(sku) == 0;
        let mut earlier = self.earlier.iter_mut().rev();
        match earlier.find(|lot| made_before && lot.per(sku) > 0) {
            Some(lot) if left > 0 => lot.ship(sku, left),
            _ if left > 0 => self.lot.ship(sku, left),
            _ => {}
        }
    }

    /// What the next `units` that come back are made of: those that left first come back first.
    pub fn parts_of_return(&self, units: u32) -> BTreeMap<SkuId, u32> {
        let (mut skip, mut left) = (self.returned, units);
        let mut parts: BTreeMap<SkuId, u32> = BTreeMap::new();
        let earlier = self.earlier.iter().map(|lot| (lot, lot.whole_units()));
        for (lot, whole) in earlier.chain([(&self.lot, u32::MAX)]) {
            let here = whole.saturating_sub(skip).min(left);
            skip = skip.saturating_sub(whole);
            left -= here;
            for (sku, per) in lot.made_of.iter().filter(|_| here > 0) {
                let units = parts.entry(sku.clone()).or_default();
                *units = units.saturating_add(here.saturating_mul(*per));
            }
        }
        parts
    }

    /// From now on a unit is made of this, but for those that have begun to leave.
    pub(super) fn remake(&mut self, made_of: BTreeMap<SkuId, u32>) {
        if self.lot.made_of == made_of {
            return;
        }
        let known = self.earlier.iter().position(|lot| lot.made_of == made_of);
        let next = match known {
            Some(index) => self.earlier.remove(index),
            None => Lot::new(made_of),
        };
        self.earlier.push(std::mem::replace(&mut self.lot, next));
    }

    /// Forgets lots of which nothing has left nor can: no unit of `held` SKUs is reserved for it.
    pub fn forget_lots(&mut self, held: &BTreeSet<SkuId>) {
        self.earlier.retain(|lot| {
            lot.begun_units() > 0 || lot.made_of.keys().any(|sku| held.contains(sku))
        });
    }
}

/// What a unit is made of by its statement: its parts, kits not yet by their components.
pub(super) fn made_of(facts: &LineFacts) -> BTreeMap<SkuId, u32> {
    let mut made_of: BTreeMap<SkuId, u32> = BTreeMap::new();
    for part in facts.parts.iter().filter(|_| facts.ships) {
        let units = made_of.entry(part.sku.clone()).or_default();
        *units = units.saturating_add(part.units_per_line_unit);
    }
    made_of
}
