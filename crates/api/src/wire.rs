//! Small types of the wire format: ids, instants, money, pages.

use std::fmt;

use crossdock_model::{
    ChannelId, ExternalId, LineId, ListingId, LocationId, Money, SkuId, Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident = $id:ty, $read:path;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(pub $id);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                $read(&text).map(Self).map_err(de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(to)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String);
                text.min_length(Some(1)).max_length(Some(200)).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

text_ids! {
    /// A SKU.
    SkuText = SkuId, SkuId::new;
    /// A location.
    LocationText = LocationId, LocationId::new;
    /// A channel.
    ChannelText = ChannelId, ChannelId::checked;
    /// What a channel calls an order.
    ExternalText = ExternalId, ExternalId::new;
    /// A line of an order.
    LineText = LineId, LineId::new;
    /// What a channel calls what it sells.
    ListingText = ListingId, ListingId::new;
}

/// Longest free text of a field, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 500;

/// A free text that is not endless.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Text(pub String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match text.len() <= TEXT_BYTES_MAX {
            true => Ok(Self(text)),
            false => Err(de::Error::custom(format!("at most {TEXT_BYTES_MAX} bytes"))),
        }
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl PartialSchema for Text {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.max_length(Some(TEXT_BYTES_MAX)).into()
    }
}

impl ToSchema for Text {}

/// An instant, RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub Timestamp);

impl Time {
    pub fn from_ms(ms: i64) -> Self {
        Self(Timestamp::from_ms(ms))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0.as_ms()) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => f.write_str("never"),
        }
    }
}

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time with offset as 2026-12-01T08:00:00Z");
        let read = crossdock_channels::timestamp(text);
        read.map(Self).ok_or_else(wrong)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.format(Some(format)).into()
    }
}

impl ToSchema for Time {}

/// An exact amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amount {
    /// A decimal as text: `19.90`.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
}

impl Amount {
    pub fn read(&self) -> Result<Money, crate::error::ApiError> {
        Money::parse(&self.amount, &self.currency)
            .map_err(|error| crate::error::ApiError::invalid("amount", error.to_string()))
    }
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Items<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Items<T> {
    /// A list without pages.
    pub fn all(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }

    /// A page of a read model.
    pub fn of<R>(page: crossdock_insight::Page<R>, doc: impl FnMut(R) -> T) -> Self {
        Self {
            items: page.rows.into_iter().map(doc).collect(),
            next_cursor: page.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_back() {
        let time: Time = "2026-12-01T09:00:00+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-12-01T08:00:00.000Z");
        assert!("2026-12-01".parse::<Time>().is_err());
    }

    #[test]
    fn ids_are_checked_as_they_are_read() {
        assert!(serde_json::from_str::<SkuText>("\"\"").is_err());
        assert!(serde_json::from_str::<ChannelText>("\"a:b\"").is_err());
        assert!(serde_json::from_str::<SkuText>("\"a:b\"").is_ok());
    }
}
