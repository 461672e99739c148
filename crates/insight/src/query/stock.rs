//! Stock lists, the ledger, and listing maps.

use rusqlite::Row;
use serde_json::Value;

use super::{Page, Wanted, split_cursor};
use crate::{Insight, InsightError};

/// Which stock.
#[derive(Debug, Clone, Default)]
pub struct StockFilter {
    /// SKUs that begin with this text.
    pub prefix: Option<String>,
    /// At this location.
    pub location: Option<String>,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Rows of a page.
    pub limit: usize,
}

/// Stock of a SKU at a location, as counted. What is reserved and held the SKU itself knows.
#[derive(Debug, Clone, PartialEq)]
pub struct StockRow {
    /// The SKU.
    pub sku: String,
    /// Its title.
    pub title: String,
    /// The location.
    pub location: String,
    /// Units on hand.
    pub on_hand: i64,
    /// Of those, units that cannot be sold.
    pub unavailable: i64,
    /// Units kept back from channels that ask.
    pub safety: i64,
}

/// A movement.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerRow {
    /// Orders movements of a SKU.
    pub number: i64,
    /// When it was recorded, milliseconds since 1970.
    pub at: i64,
    /// When it happened, milliseconds since 1970.
    pub effective_at: i64,
    /// Where.
    pub location: String,
    /// Change of the units on hand.
    pub on_hand_delta: i64,
    /// Change of the units that cannot be sold.
    pub unavailable_delta: i64,
    /// Units on hand afterwards.
    pub on_hand: i64,
    /// Why.
    pub reason: String,
    /// Who recorded it.
    pub principal: String,
}

/// A mapped listing.
#[derive(Debug, Clone, PartialEq)]
pub struct ListingRow {
    /// The listing.
    pub listing: String,
    /// What it stands for, as JSON.
    pub target: Value,
}

impl Insight {
    /// Stock by SKU and location.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn stock(&self, filter: &StockFilter) -> Result<Page<StockRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("substr(s.sku, 1, length(?)) = ?", filter.prefix.clone());
        wanted.with("s.location = ?", filter.location.clone());
        wanted.with("s.sku || '|' || s.location > ?", filter.cursor.clone());
        let select =
            "SELECT s.sku, coalesce(k.title, ''), s.location, s.on_hand, s.unavailable, s.safety
            FROM stock s LEFT JOIN skus k ON k.sku = s.sku";
        let read = |row: &Row<'_>| {
            Ok(StockRow {
                sku: row.get(0)?,
                title: row.get(1)?,
                location: row.get(2)?,
                on_hand: row.get(3)?,
                unavailable: row.get(4)?,
                safety: row.get(5)?,
            })
        };
        let cursor = |row: &StockRow| format!("{}|{}", row.sku, row.location);
        wanted.page(
            &self.reader(),
            select,
            "s.sku || '|' || s.location",
            filter.limit,
            read,
            cursor,
        )
    }

    /// Movements of a SKU, newest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn ledger(
        &self,
        sku: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("sku = ?", Some(sku.to_owned()));
        let before = split_cursor(cursor)?.map(|(number, _)| number);
        wanted.with("number < ?", before);
        let select = "SELECT number, at, effective_at, location, on_hand_delta, unavailable_delta, on_hand, reason,
            principal FROM ledger";
        let read = |row: &Row<'_>| {
            Ok(LedgerRow {
                number: row.get(0)?,
                at: row.get(1)?,
                effective_at: row.get(2)?,
                location: row.get(3)?,
                on_hand_delta: row.get(4)?,
                unavailable_delta: row.get(5)?,
                on_hand: row.get(6)?,
                reason: row.get(7)?,
                principal: row.get(8)?,
            })
        };
        let cursor = |row: &LedgerRow| format!("{}|", row.number);
        wanted.page(&self.reader(), select, "number DESC", limit, read, cursor)
    }

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
        wanted.with("listing > ?", cursor.map(str::to_owned));
        let read = |row: &Row<'_>| {
            let target: String = row.get(1)?;
            Ok(ListingRow {
                listing: row.get(0)?,
                target: serde_json::from_str(&target).unwrap_or(Value::Null),
            })
        };
        let select = "SELECT listing, target FROM listings";
        wanted.page(&self.reader(), select, "listing", limit, read, |row| {
            row.listing.clone()
        })
    }
}
