//! Personal data of a buyer: it goes to the vault and to the location that ships, nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who bought, and where it goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyer {
    /// Stable id of the buyer: the channel's customer id, or the e-mail address's own.
    pub key: String,
    /// Full name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Where the goods go.
    pub ship_to: Option<Address>,
}

/// A postal address.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    /// Who receives it.
    pub name: Option<String>,
    /// A company.
    pub company: Option<String>,
    /// First line.
    pub address1: Option<String>,
    /// Second line.
    pub address2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// ISO 3166-2 without the country.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Telephone number at the address.
    pub phone: Option<String>,
}

impl fmt::Debug for Buyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buyer(…)")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

impl Buyer {
    /// As bytes, for the vault.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From the vault's bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// What the vault finds it by: (field, term).
    #[must_use]
    pub fn terms(&self) -> Vec<(String, String)> {
        let fields = [
            ("email", &self.email),
            ("phone", &self.phone),
            ("name", &self.name),
        ];
        let filled = fields
            .into_iter()
            .filter_map(|(field, term)| Some((field, term.as_ref()?)));
        filled
            .map(|(field, term)| (field.to_owned(), term.clone()))
            .collect()
    }
}
