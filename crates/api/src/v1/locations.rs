//! Locations: what they are and how they are told what to do.

use crossdock_model::command::LocationCommand;
use crossdock_model::v1::{Connector, LocationFacts, PostalAddress, Scope};
use crossdock_model::{Answer, Command, EntityId, LocationId, SourceId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Id, Input};
use crate::route::Route;
use crate::wire::{Items, TEXT_BYTES_MAX};

/// Minutes for an acknowledgement when a location names none.
const ACKNOWLEDGE_WITHIN_MINUTES: u32 = 24 * 60;

/// Routes of locations.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/locations", Scope::Read, "List locations", list)
            .answers::<Items<LocationDoc>>(),
        Route::get(
            "/v1/locations/{location}",
            Scope::Read,
            "Show a location",
            show,
        )
        .answers::<LocationDoc>(),
        Route::put(
            "/v1/locations/{location}",
            Scope::Operate,
            "Define a location",
            define,
        )
        .takes::<LocationDoc>()
        .answers::<LocationDoc>(),
    ]
}

/// What a location is. Set as a whole.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocationDoc {
    /// Its id; the path says it too.
    pub location: Option<String>,
    /// What people call it.
    pub name: String,
    /// IANA name: `Europe/Berlin`.
    pub time_zone: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// ISO 3166-2 without the country.
    pub state: Option<String>,
    pub city: Option<String>,
    pub postal_code: Option<String>,
    pub street: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    /// 1 = Monday … 7 = Sunday.
    #[serde(default)]
    pub closed_weekdays: Vec<u8>,
    /// `2026-12-25`.
    #[serde(default)]
    pub closed_dates: Vec<String>,
    /// Local time after which work starts on the next open day: `14:00`.
    pub cut_off: Option<String>,
    pub capacity_units_per_day: Option<u32>,
    /// Whether new work may be routed here.
    pub enabled: Option<bool>,
    /// Groups that rules name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Service levels it can ship; empty: all.
    #[serde(default)]
    pub services: Vec<String>,
    /// Where requests are sent, signed; absent: the location asks for them.
    pub webhook_url: Option<String>,
    /// Name of the signing secret in the configuration.
    pub webhook_secret: Option<String>,
    /// Minutes it may take to acknowledge a request; a day if absent.
    pub acknowledge_within_minutes: Option<u32>,
    /// Its one source of stock truth; counts of others never change stock.
    pub stock_source: Option<String>,
}

impl LocationDoc {
    fn texts(&self) -> impl Iterator<Item = &String> {
        let given = [
            &self.state,
            &self.city,
            &self.postal_code,
            &self.street,
            &self.webhook_url,
            &self.webhook_secret,
        ];
        let lists = [&self.closed_dates, &self.groups, &self.services];
        let always = [&self.name, &self.time_zone, &self.country].into_iter();
        always
            .chain(given.into_iter().flatten())
            .chain(lists.into_iter().flatten())
    }

    /// As facts.
    pub fn read(self, location: LocationId) -> Result<LocationFacts, ApiError> {
        if self
            .location
            .as_deref()
            .is_some_and(|named| named != location.as_str())
        {
            return Err(ApiError::invalid("location", "is not the one in the path"));
        }
        if self.texts().any(|text| text.len() > TEXT_BYTES_MAX) {
            let problem = format!("no text of it may have more than {TEXT_BYTES_MAX} bytes");
            return Err(ApiError::invalid("location", problem));
        }
        let connector = match (self.webhook_url, self.webhook_secret) {
            (Some(url), Some(secret_name)) => Connector::Webhook { url, secret_name },
            (None, None) => Connector::Pull,
            (Some(_), None) => return Err(ApiError::invalid("webhook_secret", "is missing")),
            (None, Some(_)) => return Err(ApiError::invalid("webhook_url", "is missing")),
        };
        let millionths = |degrees: f64| (degrees * 1e6).round() as i32;
        let coordinates = self.latitude.zip(self.longitude);
        Ok(LocationFacts {
            location,
            name: self.name,
            time_zone: self.time_zone,
            address: PostalAddress {
                country: self.country,
                state: self.state,
                city: self.city,
                postal_code: self.postal_code,
                street: self.street,
            },
            coordinates: coordinates.map(|(north, east)| (millionths(north), millionths(east))),
            closed_weekdays: self.closed_weekdays,
            closed_dates: self.closed_dates,
            cut_off_minutes: self.cut_off.as_deref().map(cut_off).transpose()?,
            capacity_units_per_day: self.capacity_units_per_day,
            enabled: self.enabled.unwrap_or(true),
            groups: self.groups,
            services: self.services,
            connector,
            acknowledge_within_minutes: self
                .acknowledge_within_minutes
                .unwrap_or(ACKNOWLEDGE_WITHIN_MINUTES),
            stock_source: self.stock_source.map(SourceId::new).transpose()?,
        })
    }
}

impl From<LocationFacts> for LocationDoc {
    fn from(facts: LocationFacts) -> Self {
        let (webhook_url, webhook_secret) = match facts.connector {
            Connector::Webhook { url, secret_name } => (Some(url), Some(secret_name)),
            Connector::Pull => (None, None),
        };
        let degrees = |millionths: i32| f64::from(millionths) / 1e6;
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        Self {
            location: Some(facts.location.to_string()),
            name: facts.name,
            time_zone: facts.time_zone,
            country: facts.address.country,
            state: facts.address.state,
            city: facts.address.city,
            postal_code: facts.address.postal_code,
            street: facts.address.street,
            latitude: facts.coordinates.map(|(north, _)| degrees(north)),
            longitude: facts.coordinates.map(|(_, east)| degrees(east)),
            closed_weekdays: facts.closed_weekdays,
            closed_dates: facts.closed_dates,
            cut_off: facts.cut_off_minutes.map(clock),
            capacity_units_per_day: facts.capacity_units_per_day,
            enabled: Some(facts.enabled),
            groups: facts.groups,
            services: facts.services,
            webhook_url,
            webhook_secret,
            acknowledge_within_minutes: Some(facts.acknowledge_within_minutes),
            stock_source: facts.stock_source.map(|source| source.to_string()),
        }
    }
}

/// Minutes after midnight.
fn cut_off(text: &str) -> Result<u16, ApiError> {
    let read = || {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    read().ok_or_else(|| ApiError::invalid("cut_off", "expected a local time as 14:00"))
}

/// Refuses a location that nobody defined: stock there would never be sold.
pub(super) fn known(asking: &Asking, location: &LocationId) -> Result<(), ApiError> {
    let known = asking.state.handle.known_location(location);
    let problem = || format!("there is no {location}: define it, or correct the name");
    known
        .map(drop)
        .ok_or_else(|| ApiError::invalid("location", problem()))
}

async fn list(asking: Asking) -> Answered<Doc<Items<LocationDoc>>> {
    let known = asking.state.handle.known_locations();
    let items = known.into_iter().map(LocationDoc::from).collect();
    Ok(Doc::read(Items::all(items)))
}

async fn show(asking: Asking, Id(location): Id<LocationId>) -> Answered<Doc<LocationDoc>> {
    let reply = asking.read(EntityId::Location(location)).await?;
    match reply.answer.clone() {
        Answer::Location { facts, .. } => Ok(Doc::of(&reply, LocationDoc::from(*facts))),
        other => Err(ApiError::internal(&format!(
            "a location answered {other:?}"
        ))),
    }
}

async fn define(
    asking: Asking,
    Id(location): Id<LocationId>,
    input: Input<LocationDoc>,
) -> Answered<Doc<LocationDoc>> {
    let facts = input.value.read(location.clone())?;
    let outbound = &asking.state.outbound;
    outbound.check_connector(&facts.connector).await?;
    let command = LocationCommand::Define(Box::new(facts.clone()));
    let entity = EntityId::Location(location);
    let done = asking
        .ask(entity, Command::Location(command), input.hash)
        .await?;
    Ok(Doc::of(&done, LocationDoc::from(facts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_reads_back() {
        let text = r#"{"location":"reno","name":"Reno","time_zone":"America/Los_Angeles","country":"US",
            "latitude":39.53,"longitude":-119.81,"cut_off":"14:00","closed_weekdays":[6,7]}"#;
        let read = || serde_json::from_str::<LocationDoc>(text).unwrap();
        let reno = LocationId::new("reno").unwrap();
        let facts = read().read(reno).unwrap();
        assert_eq!(facts.cut_off_minutes, Some(840));
        assert_eq!(facts.coordinates, Some((39_530_000, -119_810_000)));
        assert_eq!(LocationDoc::from(facts).cut_off.as_deref(), Some("14:00"));
        let other = LocationId::new("columbus").unwrap();
        assert!(read().read(other).is_err());
        for wrong in ["24:00", "9", "10:60"] {
            assert!(cut_off(wrong).is_err(), "{wrong}");
        }
    }
}
