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

impl Address {
    /// The address as one text that is the same however it was typed: for telling a changed one.
    #[must_use]
    pub fn normal(&self) -> String {
        let parts = [
            &self.name,
            &self.company,
            &self.address1,
            &self.address2,
            &self.city,
            &self.state,
            &self.postal_code,
            &self.country,
            &self.phone,
        ];
        let normal = parts.map(|part| {
            let words = part.as_deref().unwrap_or_default().split_whitespace();
            words.collect::<Vec<_>>().join(" ").to_lowercase()
        });
        normal.join("\n")
    }
}

impl Buyer {
    /// A buyer of whom nothing is known.
    #[must_use]
    pub fn unknown(key: String) -> Self {
        Self {
            key,
            name: None,
            email: None,
            phone: None,
            ship_to: None,
        }
    }

    /// Where the goods go, as [`Address::normal`] has it.
    #[must_use]
    pub fn normal_address(&self) -> Option<String> {
        self.ship_to.as_ref().map(Address::normal)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_however_it_was_typed() {
        let text = |text: &str| Some(text.to_owned());
        let typed = Address {
            address1: text(" 1  Nowhere Street "),
            city: text("RENO"),
            ..Address::default()
        };
        let again = Address {
            address1: text("1 nowhere street"),
            address2: text(" "),
            city: text("Reno"),
            ..Address::default()
        };
        assert_eq!(typed.normal(), again.normal());
        let other = Address {
            address1: text("1 nowhere street Reno"),
            ..Address::default()
        };
        assert_ne!(typed.normal(), other.normal(), "fields do not run together");
    }
}
