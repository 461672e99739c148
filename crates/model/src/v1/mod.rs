//! Version 1 of everything that is written into the journal.
//!
//! **Frozen.** Golden files hold the bytes of each variant: a variant may be added at the end of an enum, and
//! nothing else may change. A change of layout is a `v2` beside this module and an upcast from here.
//! Deciders use the newest version directly, so this module is also the vocabulary of decisions.
#![allow(
    missing_docs,
    reason = "variants are documented; fields are named for what they hold, with units in name or type"
)]

mod channel;
mod frame;
mod location;
mod order;
mod order_facts;
mod publishing;
mod sku;
mod system;

pub use channel::*;
pub use frame::*;
pub use location::*;
pub use order::*;
pub use order_facts::*;
pub use publishing::*;
pub use sku::*;
pub use system::*;

use serde::{Deserialize, Serialize};

/// An event of any kind of entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    Sku(SkuEvent),
    Order(OrderEvent),
    Request(RequestEvent),
    Channel(ChannelEvent),
    Bucket(BucketEvent),
    Location(LocationEvent),
    System(SystemEvent),
}

/// What an exception is about. The exception's own actor comes with a later issue; these fields are final.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExceptionKey {
    /// Stable name of the kind, as in `docs/exceptions.md`: `unmapped`, `short`, `drift`, …
    pub kind: String,
    /// What it is about, as an entity's or listing's name.
    pub subject: String,
    /// Counts the openings of one (kind, subject): 1 for the first.
    pub episode: u32,
}

/// An exception was opened: something a person or playbook must see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionOpened {
    pub key: ExceptionKey,
    /// One plain sentence: what happened.
    pub cause: String,
    /// Facts that prove it: (name, value). No personal data.
    pub evidence: Vec<(String, String)>,
}

/// A person wrote a note onto an open exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionNoted {
    pub key: ExceptionKey,
    pub text: String,
}

/// An exception was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionClosed {
    pub key: ExceptionKey,
    /// How: the proof, or what a person said.
    pub how: String,
}
