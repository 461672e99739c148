//! Effects: what an entity waits for, and what it says once.
#![allow(
    missing_docs,
    reason = "variants are documented; fields are named for what they hold, with units in name or type"
)]

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::v1::{Destination, ReportNumber, RequestLine, RequestNumber, Sale, Take};
use crate::{Duration, EntityId, LocationId, OrderId, ShipmentId, SkuId, Timestamp};

/// A message that is sent once after its cause is durable and never tracked: whoever needs it asks again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub to: EntityId,
    pub command: Command,
}

/// What an entity waits for. Outstanding until its answer has become an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// A command for another entity; its answer returns as [`Command::Answered`].
    /// `tentative`: may leave before its cause is durable, because what it does is undone by asking back.
    Tell {
        to: EntityId,
        command: Box<Command>,
        tentative: bool,
    },
    /// A plan of the node's router; returns as [`Command::Answered`] with [`Answer::Plan`].
    Plan(Box<PlanRequest>),
    /// A call to a location's connector; returns as [`OrderCommand::Delivered`].
    Deliver(Box<Delivery>),
    /// Something to be told to an order's channel; returns as [`OrderCommand::Reported`].
    Report(ReportCall),
}

impl Effect {
    /// Whether it may leave before its cause is durable, because what it does is undone by asking back.
    #[must_use]
    pub fn is_tentative(&self) -> bool {
        match self {
            Self::Tell { tentative, .. } => *tentative,
            Self::Plan(_) => true,
            Self::Deliver(_) | Self::Report(_) => false,
        }
    }
}

/// What the router is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    pub order: OrderId,
    pub sale: Sale,
    pub destination: Option<Destination>,
    pub service_level: Option<String>,
    pub ship_by: Option<Timestamp>,
    pub tags: Vec<String>,
    /// Line, SKU (may be a kit), units of the SKU wanted.
    pub wanted: Vec<(crate::LineId, SkuId, u32)>,
    /// What one unit of each line was stated to be: SKU (may be a kit) and units of it. What is wanted may name a kit's
    /// components by now; this says what belongs together.
    pub parts: Vec<(crate::LineId, SkuId, u32)>,
    /// Locations that may not be chosen at all (no capacity left, ruled out by an operator).
    pub excluded: Vec<LocationId>,
    /// What locations could not give to this order before: they rejected it, or found too little of it.
    pub rejected: Vec<(LocationId, SkuId)>,
    /// Stock as a refusing SKU stated it: newer than what is announced.
    pub fresh: Vec<crate::answer::StockView>,
    /// Units that are kept for this order alone, by SKU.
    pub offered: Vec<(SkuId, Vec<Take>)>,
}

/// A call to a location's connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub order: OrderId,
    pub order_name: String,
    pub request: RequestNumber,
    pub location: LocationId,
    /// Attempts so far; 1 for the first.
    pub attempt: u32,
    pub kind: DeliveryKind,
    pub lines: Vec<RequestLine>,
    pub service_level: Option<String>,
    pub ship_by: Option<Timestamp>,
    /// Names the address in the vault, 0 for none.
    pub address_version: u64,
}

/// What the location is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryKind {
    /// Send these. However often it is delivered, it says the same.
    Fulfil,
    /// Do not send these any more, beside those of other asks.
    Cancel { ask: u32 },
}

/// A report to an order's channel. What it says is asked of the order, just before it is said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReportCall {
    pub order: OrderId,
    pub report: ReportNumber,
    /// Attempts so far; 1 for the first.
    pub attempt: u32,
}

/// What came of telling a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// The channel knows, and calls the parcel this, if it has a name for it.
    Told { theirs: Option<ShipmentId> },
    /// Nobody is connected who could be told.
    NotTold,
    /// It was not told, or `in_doubt`: nobody knows.
    Failed { error: String, in_doubt: bool },
    /// The channel is asked too much and was told nothing.
    Later { after: Duration, in_doubt: bool },
    /// No call says this; a person does so, as the text tells.
    ByHand { what: String },
    /// Nobody knows whether it was told, and saying it twice would do it twice.
    Unknown { error: String },
}
