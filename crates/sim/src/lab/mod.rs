//! The laboratory: what lag costs, measured in accelerated time.
//!
//! Shoppers buy what channels *show*; their orders are heard of late, and what is decided then is shown late. What is
//! sold beyond what there was is counted, and held against the formulas of `logic::oversell`. Where a claim is about
//! production code, production code decides: buckets with their slots, and the channel's desk within its budget.
//! Publishers that are only compared with are built here. The same seed gives the same result on every machine.

mod agenda;
mod book;
mod bucket;
pub mod buffers;
mod clerk;
mod estimate;
mod floor;
pub mod formulas;
mod keeper;
pub mod priority;
mod publisher;
pub mod sync;
#[cfg(test)]
mod tests;
pub mod trap;

use crossdock_logic::IllegalHistory;
use crossdock_model::Rejection;
use crossdock_model::id::IdError;
use thiserror::Error;

pub use book::Rates;
pub use estimate::{Estimate, Samples};
pub use floor::{Outcome, Outlet, Span, Supply};
pub use keeper::{Keeper, Kept, sell};

/// An experiment could not be carried out.
#[derive(Debug, Error)]
pub enum LabError {
    /// A name that is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// An entity refused what the experiment asked of it.
    #[error(transparent)]
    Refused(#[from] Rejection),
    /// An entity cannot follow what it decided.
    #[error(transparent)]
    History(#[from] IllegalHistory),
    /// Channels never came to show what they should.
    #[error("an episode of the experiment does not end")]
    Stuck,
}
