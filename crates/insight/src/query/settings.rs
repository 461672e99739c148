//! Listing maps and rule sets.

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
