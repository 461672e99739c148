//! Expected refusals, each with a stable code and a sentence that says what to do.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::answer::StockView;
use crate::v1::OrderStatus;
use crate::{SkuId, Timestamp};

/// Why a command was refused. Codes are stable: each has a page in `docs/errors/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Rejection {
    /// A field has a value that cannot be.
    #[error("{field}: {problem}")]
    Invalid {
        /// Path of the field.
        field: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The entity does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The same key came with another body.
    #[error("this Idempotency-Key was used with another body: use a new key for a new command")]
    KeyConflict,
    /// The command was issued before the dedup window began.
    #[error("issued too long ago: commands are accepted for {window_ms} ms after they are issued")]
    TooOld {
        /// Length of the dedup window in milliseconds.
        window_ms: u64,
    },
    /// Not enough stock against confirmed reservations and live holds. Final.
    #[error("not enough stock of {sku}: {} available to sell", .stock.ats())]
    Short {
        /// The SKU.
        sku: SkuId,
        /// Its stock as of the refusal.
        stock: Box<StockView>,
    },
    /// Only tentative reservations are in the way, or others queue.
    #[error("{sku} is contended")]
    Contended {
        /// The SKU.
        sku: SkuId,
    },
    /// The queue is full or its deadline passed: not a refusal, try again with the same key.
    #[error("{sku} is busy: try again with the same key after {retry_after_ms} ms")]
    Busy {
        /// The SKU.
        sku: SkuId,
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// A later attempt of the order is known, or this one is closed.
    #[error("a later attempt of this order is known")]
    Superseded,
    /// The hold is gone.
    #[error("the hold has ended: place a new hold")]
    HoldExpired {
        /// When it expired.
        at: Timestamp,
    },
    /// The state of the entity forbids it.
    #[error("not possible while {state}: {hint}")]
    WrongState {
        /// How it is.
        state: String,
        /// What would be possible.
        hint: String,
    },
    /// A location has no capacity left.
    #[error("no capacity left on {day}")]
    CapacityFull {
        /// The local day.
        day: String,
    },
    /// A count of a source that is not the location's source of stock truth.
    #[error("{given} is not the source of stock truth of this location, {expected} is")]
    NotStockSource {
        /// Who counted.
        given: String,
        /// Whose counts are applied.
        expected: String,
    },
    /// A limit of the entity is reached.
    #[error("{what}: at most {max}")]
    Limit {
        /// What there is too much of.
        what: String,
        /// The limit.
        max: u64,
    },
    /// Not allowed for this key.
    #[error("this key may not do that: it needs scope {needed}")]
    Forbidden {
        /// The scope that is needed.
        needed: String,
    },
    /// Another command placed an order of this id.
    #[error(
        "{0} exists and was placed with another Idempotency-Key: change it by its own calls, or place another one"
    )]
    OrderExists(String),
    /// What has this id is known and says something else.
    #[error(
        "{0} is known with other contents: a repeat says the same, anything else needs an id of its own"
    )]
    IdConflict(String),
}

impl Rejection {
    /// The stable code, as used in errors of the API and in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::NotFound(_) => "not_found",
            Self::KeyConflict => "idempotency_conflict",
            Self::TooOld { .. } => "too_old",
            Self::Short { .. } => "short",
            Self::Contended { .. } => "contended",
            Self::Busy { .. } => "busy",
            Self::Superseded => "superseded",
            Self::HoldExpired { .. } => "hold_expired",
            Self::WrongState { .. } => "wrong_state",
            Self::CapacityFull { .. } => "capacity_full",
            Self::NotStockSource { .. } => "not_stock_source",
            Self::Limit { .. } => "limit",
            Self::Forbidden { .. } => "forbidden",
            Self::OrderExists(_) => "order_exists",
            Self::IdConflict(_) => "id_conflict",
        }
    }

    /// Not while the order is there.
    #[must_use]
    pub fn wrong_status(status: OrderStatus, hint: impl Into<String>) -> Self {
        Self::WrongState {
            state: format!("the order is {status}"),
            hint: hint.into(),
        }
    }

    /// An invalid field.
    #[must_use]
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }
}
