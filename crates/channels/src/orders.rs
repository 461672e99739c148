//! Orders that are read from a channel, beside those that it tells us of: what was lost on the way is made good.

use std::pin::Pin;

use crossdock_model::{ExternalId, Timestamp};
use sha2::{Digest, Sha256};

use crate::outbound::CallError;

/// An answer to a read, later.
pub type Reading<T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>;

/// A statement of the channel, to be stored as if it had been delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Names this state of the order: a repeat is known by it.
    pub delivery_id: String,
    /// By which the connector reads the body.
    pub topic: &'static str,
    /// The raw body.
    pub body: Vec<u8>,
}

/// An order in a list of those that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// The list names it only: it is to be read.
    Named {
        /// The order.
        order: ExternalId,
        /// The channel's time of its newest state.
        updated_at: Timestamp,
    },
    /// The list states it in full.
    Stated {
        /// The order and the channel's time of this state. `None`: the statement cannot be read.
        order: Option<(ExternalId, Timestamp)>,
        /// The statement.
        told: Told,
        /// Whether the channel sends it itself: it takes nothing of ours.
        is_theirs: bool,
    },
}

/// A page of orders that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrdersListed {
    /// The orders.
    pub orders: Vec<Listed>,
    /// Where reading goes on.
    pub cursor: String,
    /// Whether the list ends here, for now.
    pub is_last: bool,
    /// Up to when orders were looked at, by the channel's clock, if it says.
    pub looked_until: Option<Timestamp>,
    /// Whether all orders up to then are in it; else the last of them may be missing, as the list is late.
    pub is_whole: bool,
    /// Where a list of those begins that the channel sends itself: this one goes on without them, as there are many.
    pub theirs: Option<String>,
}

/// An order that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRead {
    /// What the channel states; `None` where it has no such order.
    pub told: Option<Told>,
}

/// A channel whose orders can be read. A call ends within its own time limit, and changes nothing.
pub trait Orders: Send + Sync {
    /// Where reading begins that is to list what changed since then.
    fn since(&self, at: Timestamp) -> String;

    /// A page of the orders that changed, from a cursor on.
    fn changed(&self, cursor: String) -> Reading<OrdersListed>;

    /// Where reading goes on for all orders, once what the channel sends itself is read as far as the others.
    fn joined(&self, cursor: String, _theirs: &str) -> String {
        cursor
    }

    /// One order as it is now.
    fn order(&self, order: ExternalId) -> Reading<OrderRead>;
}

/// Names bytes.
pub(crate) fn digest(body: &[u8]) -> String {
    let bytes = Sha256::digest(body);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
