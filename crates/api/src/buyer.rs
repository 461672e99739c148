//! Who bought an order: what a statement says, and what the vault keeps of it.

use crossdock_channels::Buyer;
use crossdock_model::v1::Destination;
use crossdock_model::{EntityId, OrderId, Timestamp};
use crossdock_runtime::{Handle, Personal, VaultEntry};

use crate::error::ApiError;
use crate::state::ApiState;

/// What a statement of that time says of an order's buyer, for the vault.
#[must_use]
pub fn personal(
    handle: &Handle,
    order: &EntityId,
    buyer: &Buyer,
    stated_at: Timestamp,
) -> Personal {
    Personal {
        version: handle.address_version(order, buyer.normal_address().as_deref()),
        stated_at,
        buyer: buyer.key.clone(),
        entry: VaultEntry {
            body: buyer.to_bytes(),
            terms: buyer.terms(),
        },
    }
}

/// A destination that names its address in the vault. Where there is none, the order names no address, and its
/// buyer is kept under that.
#[must_use]
pub fn name_address(to: Option<Destination>, buyer: &mut Option<Personal>) -> Option<Destination> {
    let Some(to) = to else {
        if let Some(buyer) = buyer {
            buyer.version = 0;
        }
        return None;
    };
    Some(Destination {
        address_version: buyer.as_ref().map_or(0, |buyer| buyer.version),
        ..to
    })
}

/// Who bought an order, from the row of the vault that the order names.
pub(crate) async fn buyer_of(
    state: &ApiState,
    order: &OrderId,
    version: u64,
) -> Result<Option<Buyer>, ApiError> {
    let subject = EntityId::Order(order.clone()).to_string();
    let read = state
        .handle
        .journal_read(move |journal| journal.vault(&subject, version));
    let entry = read.await?;
    Ok(entry.and_then(|entry| Buyer::from_bytes(&entry.body)))
}
