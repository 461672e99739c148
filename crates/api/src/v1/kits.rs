//! Kits: how many can be sold, and which SKUs are some, remembered for a short while: that is asked with every hold
//! and changes with none.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crossdock_model::v1::{Kit, Tracking};
use crossdock_model::{Answer, EntityId, LocationId, Rejection, SkuId};
use crossdock_runtime::{KIT_DEPTH_MAX, kit_ats};
use tokio::time::Instant;

use crate::ask::Asking;
use crate::error::ApiError;

/// The SKUs that were looked at lately.
#[derive(Default)]
pub(crate) struct Kits(RwLock<HashMap<SkuId, (bool, Instant)>>);

/// How long it is remembered.
const KIT_FRESH: Duration = Duration::from_secs(2);
/// SKUs remembered at most.
const KITS_MAX: usize = 100_000;

impl Kits {
    /// Whether it is a kit; a SKU that nobody defined is not found.
    pub(super) async fn is_kit(&self, asking: &Asking, sku: &SkuId) -> Result<bool, ApiError> {
        if let Some(known) = self.known(sku) {
            return Ok(known);
        }
        let view = match asking.read(EntityId::Sku(sku.clone())).await?.answer {
            Answer::Stock(view) => view,
            _ => return Err(Rejection::NotFound(format!("sku {sku}")).into()),
        };
        let kit = matches!(view.tracking, Tracking::Kit(_));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KITS_MAX {
            known.clear();
        }
        known.insert(sku.clone(), (kit, Instant::now()));
        Ok(kit)
    }

    fn known(&self, sku: &SkuId) -> Option<bool> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (kit, at) = known.get(sku)?;
        (at.elapsed() < KIT_FRESH).then_some(*kit)
    }
}

/// Kits available to sell now, by the stock of what they are made of.
pub(super) async fn ats(asking: &Asking, kit: &Kit) -> Result<u64, ApiError> {
    let (mut stock, mut wanted) = (BTreeMap::new(), vec![(kit.clone(), 0)]);
    while let Some((kit, depth)) = wanted.pop() {
        for part in kit.components {
            if stock.contains_key(&part.sku) {
                continue;
            }
            let read = asking.read(EntityId::Sku(part.sku.clone())).await;
            let view = match read {
                Ok(reply) => match reply.answer {
                    Answer::Stock(view) => *view,
                    _ => continue,
                },
                // Of a kit of something that nobody defined there is none.
                Err(error) if error.code() == "not_found" => continue,
                Err(error) => return Err(error),
            };
            if let Tracking::Kit(inner) = &view.tracking
                && depth + 1 < KIT_DEPTH_MAX
            {
                wanted.push((inner.clone(), depth + 1));
            }
            stock.insert(part.sku, view);
        }
    }
    let handle = &asking.state.handle;
    let is_open = |at: &LocationId| handle.known_location(at).is_some_and(|facts| facts.enabled);
    Ok(kit_ats(kit, &stock, &is_open))
}

/// Whether a kit's components may leave from different locations.
pub(super) fn may_split(tracking: &Tracking) -> Option<bool> {
    match tracking {
        Tracking::Kit(kit) => Some(kit.may_split),
        Tracking::Tracked | Tracking::Untracked => None,
    }
}
