//! The fewest shipments, then the best preference; and who gives what.

use std::collections::BTreeMap;

use crossdock_model::v1::Allocation;
use crossdock_model::{LineId, LocationId, SkuId};

use super::needs::{Need, Needs, Supply, clamp};

/// The locations to ship from, out of a pool in order of preference: the fewest that hold everything, the most
/// preferred of those; where none do, those that hold most.
pub(super) fn choose(
    needs: &Needs,
    supply: &Supply<'_>,
    pool: &[&LocationId],
    shipments: usize,
) -> Vec<LocationId> {
    let wanted = if needs.is_free(supply) { 0 } else { needs.total(supply) };
    let mut best: (u64, Vec<usize>) = (0, Vec::new());
    for size in 1..=shipments.min(pool.len()) {
        let mut found = None;
        combinations(pool.len(), size, &mut |subset| {
            let held = held(needs, supply, pool, subset);
            if held > best.0 || best.1.is_empty() {
                best = (held, subset.to_vec());
            }
            if held >= wanted {
                found = Some(subset.to_vec());
            }
            found.is_some()
        });
        if let Some(found) = found {
            best = (wanted, found);
            break;
        }
    }
    best.1.into_iter().map(|at| pool[at].clone()).collect()
}

/// Units that a set of locations could give together.
fn held(needs: &Needs, supply: &Supply<'_>, pool: &[&LocationId], subset: &[usize]) -> u64 {
    let together = |sku: &SkuId| -> u64 { subset.iter().map(|at| supply.at(sku, pool[*at])).sum() };
    needs.tracked(supply).map(|(sku, units)| units.min(together(sku))).sum()
}

/// Subsets of `0..len` of one size, in lexicographic order, until `visit` says to stop.
fn combinations(len: usize, size: usize, visit: &mut impl FnMut(&[usize]) -> bool) {
    let mut subset: Vec<usize> = (0..size).collect();
    loop {
        if visit(&subset) {
            return;
        }
        let Some(at) = (0..size).rev().find(|at| subset[*at] < len - size + at) else { return };
        subset[at] += 1;
        for next in at + 1..size {
            subset[next] = subset[next - 1] + 1;
        }
    }
}

/// Who gives what: lines that one location can give whole stay whole, the others are filled in order.
pub(super) fn allocate(
    needs: &Needs,
    supply: &Supply<'_>,
    chosen: &[LocationId],
) -> (Vec<Allocation>, Vec<(LineId, SkuId, u32)>) {
    let mut left: BTreeMap<(&SkuId, &LocationId), u64> = BTreeMap::new();
    for (sku, _) in needs.tracked(supply) {
        for location in chosen {
            left.insert((sku, location), supply.at(sku, location));
        }
    }
    let (mut allocations, mut unplaced, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    for need in &needs.each {
        let whole = chosen.iter().find(|location| {
            supply.is_untracked(&need.sku)
                || left.get(&(&need.sku, *location)).is_some_and(|units| *units >= need.units)
        });
        match whole {
            Some(location) => give(need, location, need.units, &mut left, &mut allocations),
            None => broken.push(need),
        }
    }
    for need in broken {
        let mut missing = need.units;
        for location in chosen {
            let units = left.get(&(&need.sku, location)).copied().unwrap_or(0).min(missing);
            if units > 0 {
                give(need, location, units, &mut left, &mut allocations);
                missing -= units;
            }
        }
        if missing > 0 {
            unplaced.push((need.line.clone(), need.sku.clone(), clamp(missing)));
        }
    }
    (allocations, unplaced)
}

fn give<'a>(
    need: &'a Need,
    location: &'a LocationId,
    units: u64,
    left: &mut BTreeMap<(&'a SkuId, &'a LocationId), u64>,
    allocations: &mut Vec<Allocation>,
) {
    if let Some(rest) = left.get_mut(&(&need.sku, location)) {
        *rest -= units;
    }
    allocations.push(Allocation {
        line: need.line.clone(),
        sku: need.sku.clone(),
        location: location.clone(),
        units: clamp(units),
    });
}
