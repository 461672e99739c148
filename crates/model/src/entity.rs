//! Which entity a command is for, and which of the shards it lives in.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::id::{ChannelId, CommandKey, CredentialId, IdError, LocationId, OrderId, SkuId};

/// Number of virtual shards, fixed when a journal is created and kept in its meta data.
pub const SHARD_COUNT: u16 = 256;

/// Name of the entity-to-shard hash, kept in the journal's meta data: XXH3 64 bit, seed 0, of the
/// entity's name, modulo [`SHARD_COUNT`]. Source: <https://github.com/Cyan4973/xxHash>, specification of XXH3.
pub const SHARD_HASH: &str = "xxh3-64/256";

/// One of the [`SHARD_COUNT`] virtual shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShardId(u16);

impl ShardId {
    /// The shard of that number.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number < SHARD_COUNT).then_some(Self(number))
    }

    /// The shard that a key belongs to.
    #[must_use]
    pub fn of_key(key: &str) -> Self {
        Self::of_bytes(key.as_bytes())
    }

    fn of_bytes(key: &[u8]) -> Self {
        Self((xxh3_64(key) % u64::from(SHARD_COUNT)) as u16)
    }

    /// Its number, below [`SHARD_COUNT`].
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// All shards in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARD_COUNT).map(Self)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kinds of durable entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EntityKind {
    /// Stock of one SKU at all locations.
    Sku,
    /// One order.
    Order,
    /// One Idempotency-Key of one credential.
    Request,
    /// One channel's settings and state.
    Channel,
    /// A part of a channel's listing map.
    Bucket,
    /// One fulfilment location.
    Location,
    /// Documents of the whole system: rule sets, API keys, endpoints, quarantine.
    System,
}

/// A durable entity. Its text form is its identity in the journal: `sku:A-1`, `order:shop:820982911946154508`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EntityId {
    /// `sku:{sku}`
    Sku(SkuId),
    /// `order:{channel}:{external id}`
    Order(OrderId),
    /// `request:{credential}:{key}`
    Request(CredentialId, CommandKey),
    /// `channel:{id}`
    Channel(ChannelId),
    /// `bucket:{channel}:{number}`
    Bucket(ChannelId, u16),
    /// `location:{id}`
    Location(LocationId),
    /// `system:{number}`
    System(u16),
}

impl EntityId {
    /// What kind of entity it is.
    #[must_use]
    pub fn kind(&self) -> EntityKind {
        match self {
            Self::Sku(_) => EntityKind::Sku,
            Self::Order(_) => EntityKind::Order,
            Self::Request(..) => EntityKind::Request,
            Self::Channel(_) => EntityKind::Channel,
            Self::Bucket(..) => EntityKind::Bucket,
            Self::Location(_) => EntityKind::Location,
            Self::System(_) => EntityKind::System,
        }
    }

    /// The shard it lives in. See [`SHARD_HASH`].
    #[must_use]
    pub fn shard(&self) -> ShardId {
        let mut name = Name {
            bytes: [0; NAME_BYTES],
            len: 0,
        };
        match write!(name, "{self}") {
            Ok(()) => ShardId::of_bytes(&name.bytes[..name.len]),
            Err(fmt::Error) => ShardId::of_key(&self.to_string()),
        }
    }
}

/// Room for the names of nearly all entities.
const NAME_BYTES: usize = 96;

/// A short name, written without an allocation: shards are looked up a dozen times for each command.
struct Name {
    bytes: [u8; NAME_BYTES],
    len: usize,
}

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len());
        room.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sku(sku) => write!(f, "sku:{sku}"),
            Self::Order(order) => write!(f, "order:{order}"),
            Self::Request(credential, key) => write!(f, "request:{credential}:{key}"),
            Self::Channel(channel) => write!(f, "channel:{channel}"),
            Self::Bucket(channel, number) => write!(f, "bucket:{channel}:{number}"),
            Self::Location(location) => write!(f, "location:{location}"),
            Self::System(number) => write!(f, "system:{number}"),
        }
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for EntityId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (kind, rest) = text.split_once(':').ok_or(IdError::NoEntity)?;
        let pair = || rest.split_once(':').ok_or(IdError::NoEntity);
        let number = |text: &str| text.parse::<u16>().map_err(|_| IdError::NoEntity);
        Ok(match kind {
            "sku" => Self::Sku(SkuId::new(rest)?),
            "order" => Self::Order(rest.parse()?),
            "request" => {
                let (credential, key) = pair()?;
                Self::Request(CredentialId::new(credential)?, CommandKey::new(key)?)
            }
            "channel" => Self::Channel(ChannelId::checked(rest)?),
            "bucket" => {
                let (channel, bucket) = pair()?;
                Self::Bucket(ChannelId::checked(channel)?, number(bucket)?)
            }
            "location" => Self::Location(LocationId::new(rest)?),
            "system" => Self::System(number(rest)?),
            _ => return Err(IdError::NoEntity),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_entity_is_told_how_entities_are_named() {
        for text in [
            "garbage",
            "sofa:A-1",
            "request:alone",
            "system:none",
            "bucket:shop:x",
        ] {
            assert_eq!(text.parse::<EntityId>(), Err(IdError::NoEntity), "{text}");
        }
    }

    /// The hash decides where every journaled entity lives: it may never change.
    #[test]
    fn shard_hash_is_golden() {
        let golden = [
            ("sku:A-1", 131),
            ("order:shop:820982911946154508", 246),
            ("location:reno", 214),
            ("channel:shop", 73),
        ];
        let found: Vec<_> = golden
            .iter()
            .map(|(name, _)| (*name, ShardId::of_key(name).number()))
            .collect();
        assert_eq!(found, golden);
    }

    #[test]
    fn a_long_name_has_the_shard_of_its_hash() {
        for length in [1, NAME_BYTES - 5, NAME_BYTES - 4, NAME_BYTES - 3, 200] {
            let entity: EntityId = format!("sku:{}", "a".repeat(length)).parse().expect("id");
            assert_eq!(
                entity.shard(),
                ShardId::of_key(&entity.to_string()),
                "{length}"
            );
        }
    }

    #[test]
    fn names_read_back() {
        for name in [
            "sku:A:1",
            "order:shop:a:b",
            "request:k1:order-7",
            "channel:shop",
            "bucket:shop:3",
            "location:reno",
            "system:0",
        ] {
            let entity: EntityId = name.parse().expect(name);
            assert_eq!(entity.to_string(), name);
        }
        for name in [
            "",
            "sku",
            "sku:",
            "thing:a",
            "bucket:shop:x",
            "request:k",
            "order:shop",
        ] {
            assert!(name.parse::<EntityId>().is_err(), "{name}");
        }
    }
}
