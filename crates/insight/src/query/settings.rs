//! Channels, listing maps, locations and rule sets.

use rusqlite::Row;
use serde_json::{Value, json as value};

use super::{Order, Page, Wanted, json};
use crate::{Insight, InsightError};

/// A mapped listing.
#[derive(Debug, Clone, PartialEq)]
pub struct ListingRow {
    /// The listing.
    pub listing: String,
    /// What it stands for, as JSON.
    pub target: Value,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// Its id.
    pub channel: String,
    /// `shopify`, `api`, …
    pub connector: String,
    /// `asks` or `already_sold`.
    pub sale: String,
    /// `observed`, `active` or `paused`.
    pub mode: String,
    /// Orders older than this are reserved only, milliseconds since 1970.
    pub adopt_older_than: Option<i64>,
}

/// A location.
#[derive(Debug, Clone, PartialEq)]
pub struct LocationRow {
    /// Its id.
    pub location: String,
    /// All that is set of it, as JSON.
    pub facts: Value,
}

/// A version of the rule set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSetRow {
    /// Its version.
    pub version: i64,
    /// Its text, TOML.
    pub document: String,
    /// When it was saved, milliseconds since 1970.
    pub at: i64,
    /// Who saved it.
    pub principal: String,
}

const LISTING: Order = Order::up(&["listing"]);
const CHANNEL: Order = Order::up(&["channel"]);
const LOCATION: Order = Order::up(&["location"]);
const RULE_SET: Order = Order::down(&["version"]);

impl Insight {
    /// The listing map of a channel.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn listings(
        &self,
        channel: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ListingRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("channel = ?", Some(channel.to_owned()));
        wanted.after(&LISTING, cursor)?;
        let read = |row: &Row<'_>| {
            Ok(ListingRow {
                listing: row.get(0)?,
                target: json(&row.get::<_, String>(1)?),
            })
        };
        let select = "SELECT listing, target FROM listings";
        wanted.page(&self.reader(), select, &LISTING, limit, read, |row| {
            vec![value!(row.listing)]
        })
    }

    /// Channels by id.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn channels(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ChannelRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.after(&CHANNEL, cursor)?;
        let select = "SELECT channel, connector, sale, mode, adopt_older_than FROM channels";
        let read = |row: &Row<'_>| {
            Ok(ChannelRow {
                channel: row.get(0)?,
                connector: row.get(1)?,
                sale: row.get(2)?,
                mode: row.get(3)?,
                adopt_older_than: row.get(4)?,
            })
        };
        wanted.page(&self.reader(), select, &CHANNEL, limit, read, |row| {
            vec![value!(row.channel)]
        })
    }

    /// Locations by id.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn locations(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LocationRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.after(&LOCATION, cursor)?;
        let read = |row: &Row<'_>| {
            Ok(LocationRow {
                location: row.get(0)?,
                facts: json(&row.get::<_, String>(1)?),
            })
        };
        let select = "SELECT location, facts FROM locations";
        wanted.page(&self.reader(), select, &LOCATION, limit, read, |row| {
            vec![value!(row.location)]
        })
    }

    /// Versions of the rule set, newest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn rule_sets(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<RuleSetRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.after(&RULE_SET, cursor)?;
        let select = "SELECT version, document, at, principal FROM rule_sets";
        let read = |row: &Row<'_>| {
            Ok(RuleSetRow {
                version: row.get(0)?,
                document: row.get(1)?,
                at: row.get(2)?,
                principal: row.get(3)?,
            })
        };
        wanted.page(&self.reader(), select, &RULE_SET, limit, read, |row| {
            vec![value!(row.version)]
        })
    }
}
