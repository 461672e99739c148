//! HTTP: webhooks in, REST `/v1`, OpenAPI, keys and scopes, errors with stable codes.
//!
//! This crate translates: requests to commands, answers to responses. It decides nothing about orders or stock,
//! and reaches entities only through the runtime's handle. Every route stands in one table with its scope; the
//! router, the OpenAPI document and the tests of access derive from it.

mod answer;
mod ask;
mod auth;
mod buyer;
mod cells;
mod doors;
mod error;
mod extract;
mod figures;
mod observe;
mod openapi;
mod outbound;
mod page;
mod route;
mod server;
mod state;
#[cfg(test)]
mod tests;
pub mod trace;
mod v1;
mod webhooks;
mod wire;

pub use auth::{NewKey, new_key};
pub use buyer::{name_address, personal};
pub use error::{ApiError, CODES};
pub use extract::in_plain_words;
pub use outbound::Outbound;
pub use page::Page;
pub use server::serve;
pub use state::{
    AdoptFn, AdoptFuture, ApiState, BackupFn, BackupReport, ChannelAuth, ChannelTable,
    ConnectorKind, Limits, Parts, ReadError, ReadFuture, ReadOrdersFn, ReadPlacesFn,
    ReadVariantsFn,
};
