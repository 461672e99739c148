//! What happened, in plain sentences without personal data. One file for each kind of entity.

mod order;
mod sku;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use order::{Told, order, received};
pub(crate) use sku::{movement, not_applied, reference};
