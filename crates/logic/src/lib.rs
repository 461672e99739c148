//! Crossdock's verbs: what each entity decides, and how what was decided changes it.
//!
//! Pure and synchronous. Nothing here reads a clock, draws a random number, awaits or does I/O; time comes in
//! as `now`, effects go out as values. Maps are ordered, so that the same history gives the same state on
//! every machine. `crossdock-engine` makes these deciders durable.

pub mod audit;
pub mod bucket;
pub mod catalogue;
pub mod channel;
pub mod decider;
pub mod entity;
pub mod exceptions;
#[cfg(test)]
#[path = "tests/golden.rs"]
mod golden;
mod kept;
pub mod location;
pub mod order;
pub mod oversell;
pub mod planted;
pub mod publish;
mod recent;
pub mod request;
pub mod router;
mod seldom;
pub mod sku;
pub mod system;
#[cfg(test)]
mod testing;

pub use decider::{Decider, Decision, IllegalHistory, Pending};
pub use entity::{Announcement, Entity, Outcome, Spoken, State};
