//! A simulated Shopify shop: what it shows and sold ([`Store`], a value that time is told to), and the shop on the
//! network ([`Shop`]), which speaks the Admin API of 2026-10 and sends signed webhooks.
//!
//! Shoppers buy what it *shows*. It sells nothing that it does not show, whatever is really there.

mod admin;
mod budget;
mod catalogue;
mod fault;
mod graphql;
mod http;
mod keys;
mod options;
mod order;
mod outbox;
mod store;
mod wire;
mod writes;

pub use budget::Rate;
pub use fault::{Fault, Faults};
pub use http::{Serving, Shop};
pub use options::StoreOptions;
pub use order::{Fulfilment, FulfilmentLine, FulfilmentOrder, Line, Order, Refund};
pub use outbox::{Message, Pace, RETRIES_MAX};
pub use store::{Product, Store};
pub use writes::Written;

#[cfg(test)]
mod tests;
