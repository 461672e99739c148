//! The stock that a plan rests on.

use std::collections::BTreeMap;

use crossdock_model::SkuId;
use crossdock_model::answer::StockView;
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::Tracking;

use super::needs::KIT_DEPTH_MAX;

/// The stock of all that a plan needs, with the components of kits, as far as it is known.
///
/// # Errors
/// A SKU whose stock is not known.
pub fn stock_for(
    request: &PlanRequest,
    known: impl Fn(&SkuId) -> Option<StockView>,
) -> Result<BTreeMap<SkuId, StockView>, SkuId> {
    let mut stock = BTreeMap::new();
    let wanted = request.wanted.iter().chain(&request.parts);
    let mut wanted: Vec<(SkuId, usize)> = wanted.map(|(_, sku, _)| (sku.clone(), 0)).collect();
    while let Some((sku, depth)) = wanted.pop() {
        if stock.contains_key(&sku) {
            continue;
        }
        let Some(view) = known(&sku) else {
            return Err(sku);
        };
        if let Some(components) = view.components()
            && depth < KIT_DEPTH_MAX
        {
            wanted.extend(components.iter().map(|one| (one.sku.clone(), depth + 1)));
        }
        stock.insert(sku, view);
    }
    Ok(stock)
}

/// The stock of a SKU that nobody knows: it has none anywhere, and a plan says so.
#[must_use]
pub fn no_stock(sku: &SkuId) -> StockView {
    StockView {
        sku: sku.clone(),
        version: 0,
        title: String::new(),
        tracking: Tracking::Tracked,
        locations: Vec::new(),
        waiting_units: 0,
    }
}
