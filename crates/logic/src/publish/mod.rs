//! What a channel should show, and what is done so that it does: lower at once, raise with proof.
//!
//! A number at a place of a channel is only partly known: buyers lower it, and their orders are heard of later. A
//! channel that *compares and sets* says so when its number is another than we believe; so a fall that no order
//! explains yet is measured, and taken off what is sent. A channel whose writes *replace* its number says nothing: a
//! write may put units back that were sold a moment ago. What is sent there leaves room for as many unseen sales as
//! are likely, and nothing that could raise what is shown is sent before the channel's orders have been read.

mod number;
mod slot;

pub use number::{Announced, units_at};
pub use slot::{Act, Doubt, Fit, Flight, Handed, Slot, Statement, Want};

#[cfg(test)]
mod tests;
