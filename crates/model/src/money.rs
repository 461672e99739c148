//! Money: an exact decimal with its currency.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not money, or two amounts cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// The amount is not a decimal number.
    #[error("{0:?} is not a decimal amount")]
    Amount(String),
    /// The currency is not three capital letters (ISO 4217).
    #[error("{0:?} is not a currency code of three capital letters (ISO 4217)")]
    Currency(String),
    /// Two currencies in one sum.
    #[error("cannot add {0} to {1}")]
    Mixed(Currency, Currency),
    /// The sum is larger than a decimal holds.
    #[error("the amount is too large")]
    TooLarge,
}

/// A currency code, ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads a code of three capital letters.
    ///
    /// # Errors
    /// [`MoneyError::Currency`] for anything else.
    pub fn new(code: &str) -> Result<Self, MoneyError> {
        match code.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(MoneyError::Currency(code.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An amount of money. Written as `19.90 EUR`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// The amount; its scale is kept as written.
    pub amount: Decimal,
    /// The currency of the amount.
    pub currency: Currency,
}

impl Money {
    /// Reads an amount as channels write it: a decimal, never a float.
    ///
    /// # Errors
    /// [`MoneyError::Amount`] or [`MoneyError::Currency`].
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        let exact =
            Decimal::from_str_exact(amount).map_err(|_| MoneyError::Amount(amount.to_owned()))?;
        Ok(Self {
            amount: exact,
            currency: Currency::new(currency)?,
        })
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::Mixed`] for two currencies, [`MoneyError::TooLarge`] past 28 digits.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(other.currency, self.currency));
        }
        let amount = self
            .amount
            .checked_add(other.amount)
            .ok_or(MoneyError::TooLarge)?;
        Ok(Self {
            amount,
            currency: self.currency,
        })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
