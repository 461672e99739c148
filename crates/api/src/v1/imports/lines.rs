//! What a line of each kind of file is, and the commands it becomes.

use std::collections::BTreeSet;

use crossdock_model::command::{BucketCommand, LocationCommand, SkuCommand};
use crossdock_model::v1::{CountBasis, ListingTarget, LocationFacts, Tracking};
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
use crate::v1::listings::{self, Mapping, bucket, known_target};
use crate::v1::locations::{LocationDoc, known};
use crate::v1::skus::{self, SkuInput, known_parts};
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
    ("may_split", Flag),
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
    Sku(SkuId, Box<SkuCommand>),
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
                let command = Box::new(input.command(&line.sku.0)?);
                Ok(Self::Sku(line.sku.0.clone(), command))
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

    /// What it is about. Two lines of a file about the same would be done in any order.
    pub fn about(&self) -> String {
        match self {
            Self::Sku(sku, _) => sku.to_string(),
            Self::Stock { sku, location, .. } => format!("{sku} at {location}"),
            Self::Location(facts) => facts.location.to_string(),
            Self::Listing(_, listing, _) => listing.to_string(),
        }
    }

    /// The SKU it defines.
    pub fn defines(&self) -> Option<&SkuId> {
        match self {
            Self::Sku(sku, _) => Some(sku),
            Self::Stock { .. } | Self::Location(_) | Self::Listing(..) => None,
        }
    }

    /// Whether it is a kit, which comes after what it is made of.
    pub fn is_kit(&self) -> bool {
        let Self::Sku(_, command) = self else {
            return false;
        };
        let SkuCommand::Define { tracking, .. } = &**command else {
            return false;
        };
        matches!(tracking, Tracking::Kit(_))
    }

    /// What no entity can see by itself: whether what the line names is there. `defined` are SKUs of the same file.
    pub async fn check(&self, asking: &Asking, defined: &BTreeSet<SkuId>) -> Result<(), ApiError> {
        match self {
            Self::Sku(_, command) => known_parts(asking, command, defined).await,
            Self::Stock { sku, location, .. } => {
                known(asking, location)?;
                skus::known(asking, sku).await
            }
            Self::Location(facts) => {
                let outbound = &asking.state.outbound;
                outbound.check_connector(&facts.connector).await
            }
            Self::Listing(_, _, target) => known_target(asking, target).await,
        }
    }

    /// What it says, to whom; each with what tells its key from the line's others.
    pub fn commands(
        &self,
        asking: &Asking,
        now: Timestamp,
    ) -> Vec<(EntityId, Command, &'static str)> {
        match self {
            Self::Sku(sku, command) => {
                let entity = EntityId::Sku(sku.clone());
                vec![(entity, Command::Sku(SkuCommand::clone(command)), "")]
            }
            Self::Stock {
                sku,
                location,
                on_hand,
                safety,
                source,
            } => {
                let count = SkuCommand::Count {
                    truth: truth_of(asking, location),
                    location: location.clone(),
                    source: source.clone(),
                    basis: CountBasis::OnHand,
                    counted: *on_hand,
                    effective_at: now,
                };
                let safety = safety.map(|units| SkuCommand::SetSafety {
                    location: location.clone(),
                    units,
                });
                let entity = EntityId::Sku(sku.clone());
                let counted = (entity.clone(), Command::Sku(count), "");
                let safety = safety.map(|safety| (entity, Command::Sku(safety), "/safety"));
                [Some(counted), safety].into_iter().flatten().collect()
            }
            Self::Location(facts) => {
                let entity = EntityId::Location(facts.location.clone());
                let define = LocationCommand::Define(facts.clone());
                vec![(entity, Command::Location(define), "")]
            }
            Self::Listing(channel, listing, target) => {
                let map = BucketCommand::Map {
                    listing: listing.clone(),
                    target: target.clone(),
                };
                vec![(bucket(channel, listing), Command::Bucket(map), "")]
            }
        }
    }

    /// What deliveries may wait for until it is done.
    pub fn waited_for(&self, asking: &Asking) -> Vec<String> {
        match self {
            Self::Sku(sku, _) => skus::waited_for(asking, sku),
            Self::Listing(channel, listing, _) => vec![listings::waited_for(channel, listing)],
            Self::Stock { .. } | Self::Location(_) => Vec::new(),
        }
    }
}
