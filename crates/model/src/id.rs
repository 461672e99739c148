//! Identifiers as the outside world writes them: text that never passes through a number.
//!
//! Channel ids exceed 2^53 (Shopify) or have leading zeros, so every id is kept as the text it came as.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use thiserror::Error;

/// Longest id accepted, in bytes. Channel ids are under 60; the rest is room for GS1 keys and URNs.
pub const ID_BYTES_MAX: usize = 200;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text is empty or only white space.
    #[error("an id may not be empty")]
    Empty,
    /// The text is longer than [`ID_BYTES_MAX`] bytes.
    #[error("an id may have at most {ID_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The text has a control character, or white space at one of its ends.
    #[error("an id may not contain control characters, nor begin or end with white space")]
    BadCharacter,
    /// The text has a character that separates the parts of an entity's name.
    #[error("this id may not contain ':'")]
    Separator,
    /// The text has no `:` between a channel and what the channel calls the order.
    #[error("an order's id is channel:external_id, as shop:1001")]
    NoChannel,
    /// The text does not name an entity.
    #[error("expected a kind and an id, as sku:A-1, order:shop:1001 or location:reno")]
    NoEntity,
}

impl CommandKey {
    /// A short stand-in for the key, the same on every machine: 128 bits, of which no two keys that anybody meets are the
    /// same.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        xxhash_rust::xxh3::xxh3_128(self.as_str().as_bytes()).to_le_bytes()
    }
}

fn check(text: &str) -> Result<(), IdError> {
    if text.trim().is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong(text.len()));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(IdError::BadCharacter);
    }
    Ok(())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// Takes the text as it stands.
            ///
            /// # Errors
            /// [`IdError`] when the text is empty, too long or has control characters.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                check(text.as_ref())?;
                Ok(Self(SmolStr::new(text.as_ref())))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
    )*};
}

ids! {
    /// A stock keeping unit: what is counted and reserved.
    SkuId;
    /// A place that holds stock and fulfils orders: a warehouse, a shop, a 3PL.
    LocationId;
    /// A sales channel as configured: one shop on one marketplace. Contains no `:`, see [`ChannelId::checked`].
    ChannelId;
    /// What the channel calls an order. Unique within its channel.
    ExternalId;
    /// What the channel calls a line of an order. Unique within its order.
    LineId;
    /// What the channel calls the thing it sells (a Shopify variant, an Amazon seller SKU).
    ListingId;
    /// The caller's idempotency key of a command.
    CommandKey;
    /// Who called: an API key's id, or the name of a part of the system.
    CredentialId;
    /// A hold on stock that was asked for and may be confirmed until it expires.
    HoldId;
    /// A parcel or delivery as its location calls it.
    ShipmentId;
    /// A refund as its channel calls it.
    RefundId;
    /// A return of goods.
    ReturnId;
    /// A transfer of stock between two locations.
    TransferId;
    /// A source of counts (a warehouse system, a shop's till, a person).
    SourceId;
}

impl LineId {
    const PROVISIONAL: &str = "export-";

    /// An id made up for the `number`th line of an order whose source does not tell the channel's own.
    #[must_use]
    pub fn provisional(number: usize) -> Self {
        Self(SmolStr::from(format!("{}{number}", Self::PROVISIONAL)))
    }

    /// Whether it was made up here.
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        self.provisional_number().is_some()
    }

    /// Which line of its source it was made up for.
    #[must_use]
    pub fn provisional_number(&self) -> Option<usize> {
        self.0.strip_prefix(Self::PROVISIONAL)?.parse().ok()
    }
}

impl ChannelId {
    /// The channel of carts' holds. No shop's channel has this name.
    pub const HOLDS: &str = "holds";

    /// A channel id that can stand in an entity's name, where `:` separates channel and order.
    ///
    /// # Errors
    /// As [`ChannelId::new`], and [`IdError::Separator`] for a `:`.
    pub fn checked(text: impl AsRef<str>) -> Result<Self, IdError> {
        if text.as_ref().contains(':') {
            return Err(IdError::Separator);
        }
        Self::new(text)
    }
}

/// An order: the channel and what the channel calls it. The same order delivered twice is the same id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderId {
    /// The channel the order came from.
    pub channel: ChannelId,
    /// The channel's own id of the order.
    pub external: ExternalId,
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.external)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for OrderId {
    type Err = IdError;

    /// Reads `channel:external`; the external id may itself contain `:`.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (channel, external) = text.split_once(':').ok_or(IdError::NoChannel)?;
        Ok(Self {
            channel: ChannelId::checked(channel)?,
            external: ExternalId::new(external)?,
        })
    }
}
