//! What callers say of an order, and the facts that becomes.

use crossdock_channels::{Address, Buyer};
use crossdock_model::v1::{Destination, LineFacts, LineUnits, OrderFacts, Part, Payment, Sale};
use crossdock_model::{ExternalId, OrderId, Timestamp};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::error::ApiError;
use crate::wire::{Amount, ChannelText, ExternalText, LineText, SkuText, Text, Time};

/// Lines of an order at most.
const LINES_MAX: usize = 500;
/// Tags of an order at most.
const TAGS_MAX: usize = 100;

/// A new order.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// The channel it is sold through; `api` if absent.
    pub channel: Option<ChannelText>,
    /// What the channel calls it; made from the Idempotency-Key if absent.
    pub external_id: Option<ExternalText>,
    /// What people call it; the external id if absent.
    pub name: Option<Text>,
    /// When it was placed; now if absent.
    pub placed_at: Option<Time>,
    /// What is ordered.
    #[serde(default)]
    #[schema(required = true)]
    pub lines: Vec<NewLine>,
    /// Where it goes, as far as routing needs it; taken from the buyer's address if absent.
    pub destination: Option<DestinationInput>,
    /// Personal data: kept encrypted and apart from the order.
    pub buyer: Option<BuyerInput>,
    /// The service level as locations call it.
    pub service_level: Option<Text>,
    /// When it must leave.
    pub ship_by: Option<Time>,
    /// When it must arrive.
    pub deliver_by: Option<Time>,
    /// Whether money is there; `ready` if absent.
    pub payment: Option<PaymentInput>,
    /// What the buyer pays.
    pub total: Option<Amount>,
    /// Tags that rules may name.
    #[serde(default)]
    pub tags: Vec<Text>,
    /// A test goes all the way and is marked everywhere.
    #[serde(default)]
    pub test: bool,
}

/// What a hold becomes: said as a new order is, and without lines those that are held.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct HeldOrder(pub NewOrder);

impl PartialSchema for HeldOrder {
    fn schema() -> RefOr<Schema> {
        let mut schema = NewOrder::schema();
        if let RefOr::T(Schema::Object(order)) = &mut schema {
            order.required.clear();
        }
        schema
    }
}

impl ToSchema for HeldOrder {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NewOrder::schemas(schemas);
    }
}

/// A line of a new order.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    /// Its id in the order; its number if absent.
    pub line: Option<LineText>,
    /// The SKU or kit.
    pub sku: SkuText,
    /// Units ordered.
    pub units: u32,
    /// Its title; the SKU if absent.
    pub title: Option<Text>,
    /// Price of a unit.
    pub unit_price: Option<Amount>,
    /// Whether it is sent at all; gift cards are not.
    #[serde(default = "yes")]
    pub ships: bool,
}

fn yes() -> bool {
    true
}

/// Where an order goes, without personal data.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestinationInput {
    /// ISO 3166-1 alpha-2.
    pub country: Text,
    /// ISO 3166-2 without the country.
    pub state: Option<Text>,
    /// Only its first three characters are kept outside the vault.
    pub postal_code: Option<Text>,
    /// Rounded to hundredths of a degree.
    pub latitude: Option<f64>,
    /// Rounded to hundredths of a degree.
    pub longitude: Option<f64>,
}

/// A buyer: personal data.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BuyerInput {
    /// A stable id of the buyer; made from the e-mail address if absent.
    pub key: Option<Text>,
    /// Full name.
    pub name: Option<Text>,
    /// E-mail address.
    pub email: Option<Text>,
    /// Telephone number.
    pub phone: Option<Text>,
    /// Where the goods go.
    pub address: Option<AddressInput>,
}

/// A postal address: personal data.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressInput {
    /// Who receives it.
    pub name: Option<Text>,
    /// A company.
    pub company: Option<Text>,
    /// First line.
    pub address1: Option<Text>,
    /// Second line.
    pub address2: Option<Text>,
    /// City.
    pub city: Option<Text>,
    /// ISO 3166-2 without the country.
    pub state: Option<Text>,
    /// Postal code.
    pub postal_code: Option<Text>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<Text>,
    /// Telephone number at the address.
    pub phone: Option<Text>,
}

impl std::fmt::Debug for BuyerInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BuyerInput(…)")
    }
}

impl std::fmt::Debug for AddressInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddressInput(…)")
    }
}

/// Whether money is there.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentInput {
    /// Paid or authorised.
    Ready,
    /// Not yet: reserved, not requested.
    Pending,
    /// Not before that time.
    OnHoldUntil(Time),
    /// Will not come.
    Voided,
}

/// Units of a line.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineUnitsInput {
    /// The line.
    pub line: LineText,
    /// Its units.
    pub units: u32,
}

/// Units of lines, for a command.
pub(crate) fn line_units(lines: Vec<LineUnitsInput>) -> Vec<LineUnits> {
    let read = |one: LineUnitsInput| LineUnits {
        line: one.line.0,
        units: one.units,
    };
    lines.into_iter().map(read).collect()
}

impl NewLine {
    /// The line as a fact, the `number`th of its order.
    pub fn facts(self, number: usize) -> Result<LineFacts, ApiError> {
        if self.units == 0 {
            return Err(ApiError::invalid("units", "must be at least 1"));
        }
        let named = || crossdock_model::LineId::new(number.to_string());
        let line = self.line.map_or_else(named, |line| Ok(line.0))?;
        let title = self.title.map(String::from);
        let title = title.unwrap_or_else(|| self.sku.0.to_string());
        Ok(LineFacts {
            line,
            title,
            ordered_units: self.units,
            cancelled_units: 0,
            parts: vec![Part {
                sku: self.sku.0,
                units_per_line_unit: 1,
            }],
            unit_price: self.unit_price.map(|price| price.read()).transpose()?,
            ships: self.ships,
        })
    }
}

impl DestinationInput {
    /// As routing needs it; whoever keeps the buyer gives the address its version.
    pub fn read(self) -> Result<Destination, ApiError> {
        let country = self.country.0.trim().to_ascii_uppercase();
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let problem = "expected two letters (ISO 3166-1 alpha-2)";
            return Err(ApiError::invalid("destination.country", problem));
        }
        let hundredths = |degrees: f64| (degrees * 100.0).round() as i16;
        let area = self.latitude.zip(self.longitude);
        Ok(Destination {
            country,
            state: self.state.map(String::from),
            postal_prefix: self
                .postal_code
                .map(|code| code.0.trim().chars().take(3).collect()),
            area: area.map(|(latitude, longitude)| (hundredths(latitude), hundredths(longitude))),
            address_version: 0,
        })
    }
}

impl BuyerInput {
    /// For the vault.
    pub fn read(self, order: &OrderId) -> Buyer {
        let known = self
            .email
            .as_ref()
            .or(self.phone.as_ref())
            .or(self.name.as_ref());
        let made = || known.map_or_else(|| order.to_string(), |text| hashed(&text.0));
        let key = self.key.clone().map(String::from).unwrap_or_else(made);
        Buyer {
            key,
            name: self.name.map(String::from),
            email: self.email.map(String::from),
            phone: self.phone.map(String::from),
            ship_to: self.address.map(AddressInput::read),
        }
    }
}

/// A buyer's own key when the caller names none; the vault keeps it beside the data it stands for.
fn hashed(text: &str) -> String {
    let digest = Sha256::digest(text.trim().to_lowercase().as_bytes());
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl AddressInput {
    /// For the vault.
    pub fn read(self) -> Address {
        Address {
            name: self.name.map(String::from),
            company: self.company.map(String::from),
            address1: self.address1.map(String::from),
            address2: self.address2.map(String::from),
            city: self.city.map(String::from),
            state: self.state.map(String::from),
            postal_code: self.postal_code.map(String::from),
            country: self.country.map(String::from),
            phone: self.phone.map(String::from),
        }
    }

    /// As routing needs it.
    pub fn destination(&self) -> Option<DestinationInput> {
        Some(DestinationInput {
            country: self.country.clone()?,
            state: self.state.clone(),
            postal_code: self.postal_code.clone(),
            latitude: None,
            longitude: None,
        })
    }
}

impl PaymentInput {
    fn read(self) -> Payment {
        match self {
            Self::Ready => Payment::Ready,
            Self::Pending => Payment::Pending,
            Self::OnHoldUntil(until) => Payment::OnHoldUntil(until.0),
            Self::Voided => Payment::Voided,
        }
    }
}

impl NewOrder {
    /// The order it is, with `made` for an external id that is not given.
    pub fn id(&self, made: &str) -> Result<OrderId, ApiError> {
        let channel = match &self.channel {
            Some(channel) => channel.0.clone(),
            None => crossdock_model::ChannelId::checked("api")?,
        };
        let external = match &self.external_id {
            Some(external) => external.0.clone(),
            None => ExternalId::new(made)?,
        };
        Ok(OrderId { channel, external })
    }

    /// The order as facts and the buyer apart from them.
    pub fn read(
        self,
        id: &OrderId,
        sale: Sale,
        now: Timestamp,
    ) -> Result<(OrderFacts, Option<Buyer>), ApiError> {
        if self.lines.len() > LINES_MAX {
            return Err(ApiError::invalid("lines", format!("at most {LINES_MAX}")));
        }
        if let Some(at) = self.lines.iter().position(|line| line.units == 0) {
            let field = format!("lines[{at}].units");
            return Err(ApiError::invalid(&field, "must be at least 1"));
        }
        let address = self.buyer.as_ref().and_then(|buyer| buyer.address.as_ref());
        let destination = self.destination.or_else(|| address?.destination());
        let destination = destination.map(DestinationInput::read).transpose()?;
        if self.tags.len() > TAGS_MAX {
            return Err(ApiError::invalid("tags", format!("at most {TAGS_MAX}")));
        }
        let name = self.name.map(String::from);
        let placed_at = self.placed_at.map_or(now, |at| at.0);
        let lines = (1..)
            .zip(self.lines)
            .map(|(number, line)| line.facts(number));
        let facts = OrderFacts {
            name: name.unwrap_or_else(|| id.external.to_string()),
            placed_at,
            updated_at: placed_at,
            sale,
            lines: lines.collect::<Result<_, _>>()?,
            destination,
            service_level: self.service_level.map(String::from),
            ship_by: self.ship_by.map(|at| at.0),
            deliver_by: self.deliver_by.map(|at| at.0),
            payment: self.payment.map_or(Payment::Ready, PaymentInput::read),
            cancelled: None,
            total: self.total.map(|total| total.read()).transpose()?,
            tags: self.tags.into_iter().map(String::from).collect(),
            test: self.test,
        };
        Ok((facts, self.buyer.map(|buyer| buyer.read(id))))
    }
}
