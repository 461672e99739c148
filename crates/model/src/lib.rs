//! Crossdock's nouns: ids, quantities, money, commands, events, effects and the entity-to-shard hash.
//!
//! This crate can do nothing. It has no clock, no randomness, no async and no I/O: time, ids and random
//! numbers arrive as values. What an event means is decided in `crossdock-logic`; how it becomes durable
//! in `crossdock-engine`.

pub mod answer;
pub mod codec;
pub mod command;
mod effect;
pub mod entity;
pub mod id;
pub mod money;
pub mod rejection;
pub mod routing;
pub mod time;
pub mod v1;

pub use answer::Answer;
pub use command::{Class, Command, Effect, EffectNumber, Notice};
pub use entity::{EntityId, EntityKind, SHARD_COUNT, SHARD_HASH, ShardId};
pub use id::{
    ChannelId, CommandKey, CredentialId, ExternalId, HoldId, IdError, LineId, ListingId,
    LocationId, OrderId, RefundId, ReturnId, ShipmentId, SkuId, SourceId, TransferId,
};
pub use money::{Currency, Money, MoneyError};
pub use rejection::Rejection;
pub use time::{Duration, Timestamp};
pub use v1::{Event, Meta, Record};
