//! Which SKUs are kits, remembered for a short while: it is asked with every hold and changes with none.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crossdock_model::v1::Tracking;
use crossdock_model::{Answer, EntityId, Rejection, SkuId};
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
