//! What a line of each kind of file is, and the commands it becomes.

use crossdock_model::command::{LocationCommand, SkuCommand};
use crossdock_model::v1::ListingTarget;
use crossdock_model::v1::{CountBasis, LocationFacts};
use crossdock_model::{
    ChannelId, Command, EntityId, ListingId, LocationId, SkuId, SourceId, Timestamp,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ask::Asking;
use crate::cells::Column;
use crate::error::ApiError;
use crate::extract::{from_json, read_id};
use crate::v1::channels::channel_id;
use crate::v1::listings::{Mapping, map_listing};
use crate::v1::locations::LocationDoc;
use crate::v1::skus::{SkuInput, resume};
use crate::v1::stock::truth_of;
use crate::wire::{ListingText, LocationText, SkuText};

/// The source of counts that name none.
const IMPORT_SOURCE: &str = "import";

/// What a file holds.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Skus,
    Stock,
    Locations,
    Listings(ChannelId),
}

use Column::{Components, Flag, Number, Numbers, Text, Texts};

const SKUS: &[(&str, Column)] = &[
    ("sku", Text),
    ("title", Text),
    ("tracking", Text),
    ("components", Components),
];
const STOCK: &[(&str, Column)] = &[
    ("sku", Text),
    ("location", Text),
    ("on_hand", Number),
    ("safety", Number),
    ("source", Text),
];
const LOCATIONS: &[(&str, Column)] = &[
    ("location", Text),
    ("name", Text),
    ("time_zone", Text),
    ("country", Text),
    ("state", Text),
    ("city", Text),
    ("postal_code", Text),
    ("street", Text),
    ("latitude", Number),
    ("longitude", Number),
    ("closed_weekdays", Numbers),
    ("closed_dates", Texts),
    ("cut_off", Text),
    ("capacity_units_per_day", Number),
    ("enabled", Flag),
    ("groups", Texts),
    ("services", Texts),
    ("webhook_url", Text),
    ("webhook_secret", Text),
    ("acknowledge_within_minutes", Number),
    ("stock_source", Text),
];
const LISTINGS: &[(&str, Column)] = &[
    ("listing", Text),
    ("sku", Text),
    ("multiplier", Number),
    ("components", Components),
];

impl Kind {
    pub fn read(name: &str, channel: Option<&str>) -> Result<Self, ApiError> {
        match (name, channel) {
            ("skus", _) => Ok(Self::Skus),
            ("stock", _) => Ok(Self::Stock),
            ("locations", _) => Ok(Self::Locations),
            ("listings", Some(channel)) => Ok(Self::Listings(channel_id(channel)?)),
            ("listings", None) => Err(ApiError::invalid("channel", "listings are of a channel")),
            _ => Err(ApiError::not_found("this kind of import")),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Skus => "skus",
            Self::Stock => "stock",
            Self::Locations => "locations",
            Self::Listings(_) => "listings",
        }
    }

    pub fn columns(&self) -> &'static [(&'static str, Column)] {
        match self {
            Self::Skus => SKUS,
            Self::Stock => STOCK,
            Self::Locations => LOCATIONS,
            Self::Listings(_) => LISTINGS,
        }
    }
}

#[derive(Deserialize)]
struct SkuLine {
    sku: SkuText,
    #[serde(flatten)]
    rest: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StockLine {
    sku: SkuText,
    location: LocationText,
    on_hand: u32,
    safety: Option<u32>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct ListingLine {
    listing: ListingText,
    #[serde(flatten)]
    rest: Value,
}

/// A line that can be read.
pub(super) enum Line {
    Sku(SkuId, SkuCommand),
    Stock {
        sku: SkuId,
        location: LocationId,
        on_hand: u32,
        safety: Option<u32>,
        source: SourceId,
    },
    Location(Box<LocationFacts>),
    Listing(ChannelId, ListingId, ListingTarget),
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, ApiError> {
    from_json(value.to_string().as_bytes())
}

impl Line {
    pub fn read(kind: &Kind, value: Value) -> Result<Self, ApiError> {
        match kind {
            Kind::Skus => {
                let line: SkuLine = typed(&value)?;
                let input: SkuInput = typed(&line.rest)?;
                Ok(Self::Sku(line.sku.0.clone(), input.command(&line.sku.0)?))
            }
            Kind::Stock => {
                let line: StockLine = typed(&value)?;
                let source = line.source.as_deref().unwrap_or(IMPORT_SOURCE);
                Ok(Self::Stock {
                    sku: line.sku.0,
                    location: line.location.0,
                    on_hand: line.on_hand,
                    safety: line.safety,
                    source: read_id("source", source)?,
                })
            }
            Kind::Locations => {
                let line: LocationDoc = typed(&value)?;
                let missing = || ApiError::invalid("location", "is missing");
                let id = line.location.clone().ok_or_else(missing)?;
                let facts = line.read(read_id("location", &id)?)?;
                Ok(Self::Location(Box::new(facts)))
            }
            Kind::Listings(channel) => {
                let line: ListingLine = typed(&value)?;
                let mapping: Mapping = typed(&line.rest)?;
                let target = mapping.target()?;
                Ok(Self::Listing(channel.clone(), line.listing.0, target))
            }
        }
    }

    /// What can be said of a line without doing it.
    pub fn check(&self, asking: &Asking) -> Result<(), ApiError> {
        match self {
            Self::Stock { location, .. } => known(asking, location),
            Self::Sku(..) | Self::Location(_) | Self::Listing(..) => Ok(()),
        }
    }

    /// Does what a line says.
    pub async fn write(self, asking: &Asking, number: u64, now: Timestamp) -> Result<(), ApiError> {
        let part = format!("/{number}");
        let by = |what: &str| asking.keyed(0, &format!("{part}{what}"));
        match self {
            Self::Sku(sku, command) => {
                let command = Command::Sku(command);
                let entity = EntityId::Sku(sku.clone());
                asking.ask_by(entity, command, by("")?).await?;
                resume(asking, &sku).await?;
            }
            Self::Stock {
                sku,
                location,
                on_hand,
                safety,
                source,
            } => {
                known(asking, &location)?;
                let entity = EntityId::Sku(sku);
                let count = SkuCommand::Count {
                    truth: truth_of(asking, &location),
                    location: location.clone(),
                    source,
                    basis: CountBasis::OnHand,
                    counted: on_hand,
                    effective_at: now,
                };
                let counted = asking.ask_by(entity.clone(), Command::Sku(count), by("")?);
                counted.await?;
                if let Some(units) = safety {
                    let safety = Command::Sku(SkuCommand::SetSafety { location, units });
                    asking.ask_by(entity, safety, by("/safety")?).await?;
                }
            }
            Self::Location(facts) => {
                let entity = EntityId::Location(facts.location.clone());
                let define = Command::Location(LocationCommand::Define(facts));
                asking.ask_by(entity, define, by("")?).await?;
            }
            Self::Listing(channel, listing, target) => {
                map_listing(asking, &channel, &listing, target, by("")?).await?;
            }
        }
        Ok(())
    }
}

fn known(asking: &Asking, location: &LocationId) -> Result<(), ApiError> {
    let locations = asking.state.handle.known_locations();
    match locations.iter().any(|facts| facts.location == *location) {
        true => Ok(()),
        false => Err(ApiError::invalid(
            "location",
            format!("there is no {location}"),
        )),
    }
}
