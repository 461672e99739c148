//! Connectors: from a channel's wire format to the model and back, signatures, and the sender of webhooks.
//!
//! A connector reads and writes bytes. It cannot reach the journal or an entity: what it reads is handed on
//! as values, and personal data apart from the rest.

pub mod amazon;
mod buyer;
mod catalogue;
mod fields;
#[cfg(test)]
#[path = "tests/fixtures.rs"]
mod fixtures;
mod inbound;
mod orders;
mod outbound;
mod secure;
mod shipping;
pub mod shopify;
pub mod standard_webhooks;
pub mod warehouse;

pub use buyer::{Address, Buyer};
pub use catalogue::{Place, Variant, Variants};
pub use fields::{MapError, timestamp};
pub use inbound::{
    ChannelLine, ChannelOrder, Delivery, Inbound, Secret, Shipment, StockLevel, Verified,
    VerifyError,
};
pub use orders::{Listed, OrderRead, Orders, OrdersListed, Reading, Told};
pub use outbound::{
    Bulk, BulkState, CallError, Calling, Handing, NumberSet, NumberShown, Numbers, Repeat,
    SetOutcome,
};
pub use secure::keeps_secrets;
pub use shipping::{Promise, Shipping, ShippingMethod, Within};
