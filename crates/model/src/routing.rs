//! Rule sets as written in TOML: match, require, prefer, split, otherwise.
//!
//! The first rule set fills only part of what the full engine will; the types are the ones it fills.
#![allow(
    missing_docs,
    reason = "variants are documented; fields are named for what they hold, with units in name or type"
)]

use serde::{Deserialize, Serialize};

use crate::LocationId;
use crate::v1::Fallback;

/// A rule set: rules are tried from top to bottom, the first that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// Rules in order of trial.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique in its rule set.
    pub name: String,
    #[serde(default)]
    pub owner: Option<String>,
    /// Which orders; all of them when absent.
    #[serde(default, rename = "match")]
    pub matches: Condition,
    /// What a location must be.
    #[serde(default)]
    pub require: Vec<Require>,
    /// What decides between locations that could, first difference wins.
    #[serde(default)]
    pub prefer: Vec<Prefer>,
    #[serde(default)]
    pub split: Split,
    /// What becomes of units that no location can take.
    #[serde(default)]
    pub otherwise: Otherwise,
}

/// A test of an order. Texts are compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Every order.
    #[default]
    Always,
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// The order's channel is one of these.
    Channel(Vec<String>),
    /// Ship-to country, ISO 3166-1 alpha-2, is one of these.
    Country(Vec<String>),
    /// Ship-to state, `US-CA`, is one of these.
    State(Vec<String>),
    /// The postal code begins with one of these (at most 3 characters each).
    PostalPrefix(Vec<String>),
    ServiceLevel(Vec<String>),
    Tag(Vec<String>),
}

/// A hard requirement of a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// One of these locations.
    Location(Vec<LocationId>),
    /// In one of these groups.
    Group(Vec<String>),
    /// In the ship-to country.
    SameCountry,
    /// Ships the order's service level.
    Service,
}

/// A soft preference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// In this order; locations that are not named come last.
    Ranked(Vec<LocationId>),
    /// By great-circle distance, in bands of so many kilometres (1: exact).
    Nearest { band_km: u32 },
    /// More stock of the wanted SKUs first.
    MostStock,
}

/// Whether an order may travel in several shipments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Never,
    UpTo { shipments: u8 },
}

impl Default for Split {
    fn default() -> Self {
        Self::UpTo { shipments: 3 }
    }
}

/// What becomes of units that no location can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The next rule that matches.
    NextRule,
    #[default]
    Backorder,
    Exception,
}

impl Otherwise {
    /// The fallback when no further rule is left.
    #[must_use]
    pub fn fallback(self) -> Fallback {
        match self {
            Self::NextRule | Self::Backorder => Fallback::Backorder,
            Self::Exception => Fallback::Exception,
        }
    }
}
