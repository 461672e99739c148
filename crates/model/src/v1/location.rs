//! Events of a fulfilment location.

use serde::{Deserialize, Serialize};

use crate::{LocationId, OrderId, SourceId};

/// What a location is. Set as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationFacts {
    pub location: LocationId,
    pub name: String,
    /// IANA name, for cut-off and closed days.
    pub time_zone: String,
    pub address: PostalAddress,
    /// Latitude and longitude in millionths of a degree.
    pub coordinates: Option<(i32, i32)>,
    /// Weekdays it does not work: 1 = Monday … 7 = Sunday.
    pub closed_weekdays: Vec<u8>,
    /// Dates it does not work, `2026-12-25`.
    pub closed_dates: Vec<String>,
    /// Minutes after local midnight after which work starts on the next open day.
    pub cut_off_minutes: Option<u16>,
    /// Units it can fulfil per local day.
    pub capacity_units_per_day: Option<u32>,
    /// Whether new work may be routed here.
    pub enabled: bool,
    /// Groups that rules name.
    pub groups: Vec<String>,
    /// Service levels it can ship; empty: all.
    pub services: Vec<String>,
    pub connector: Connector,
    /// How long it may take to acknowledge a request, in minutes.
    pub acknowledge_within_minutes: u32,
    /// Its one source of stock truth; counts of others never change stock. `None`: any count of the API.
    pub stock_source: Option<SourceId>,
}

impl LocationFacts {
    /// A location that is called like its id, works on all days without a limit, ships all service levels, asks for its
    /// requests and acknowledges them within an hour.
    #[must_use]
    pub fn plain(location: LocationId, country: &str) -> Self {
        Self {
            name: location.to_string(),
            location,
            time_zone: "UTC".to_owned(),
            address: PostalAddress {
                country: country.to_owned(),
                ..PostalAddress::default()
            },
            coordinates: None,
            closed_weekdays: Vec::new(),
            closed_dates: Vec::new(),
            cut_off_minutes: None,
            capacity_units_per_day: None,
            enabled: true,
            groups: Vec::new(),
            services: Vec::new(),
            connector: Connector::Pull,
            acknowledge_within_minutes: 60,
            stock_source: None,
        }
    }
}

/// A business address of our own, not a buyer's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PostalAddress {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// ISO 3166-2 without the country.
    pub state: Option<String>,
    pub city: Option<String>,
    pub postal_code: Option<String>,
    pub street: Option<String>,
}

/// How a location is told what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connector {
    /// It asks: the REST list of fulfilment requests, CSV, pick list.
    Pull,
    /// A signed webhook (Standard Webhooks); the secret is found under this name in the configuration.
    Webhook { url: String, secret_name: String },
}

/// Events of a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LocationEvent {
    Defined(Box<LocationFacts>),
    /// Capacity of a local day was taken by an attempt of an order.
    CapacityTaken {
        order: OrderId,
        attempt: u32,
        day: String,
        units: u32,
    },
    /// Capacity was given back; also recorded for an attempt that was never seen.
    CapacityReleased {
        order: OrderId,
        attempt: u32,
    },
    /// Days that have passed were forgotten.
    DaysClosed {
        before: String,
    },
}
