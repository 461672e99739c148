//! Stock lists, SKUs and the ledger.

use rusqlite::{Connection, Row};
use serde_json::{Value, json as value};

use super::{Order, Page, Wanted, json};
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

/// Which stock, with everything that can be asked for.
#[derive(Debug, Clone, Default)]
pub struct StockSearch {
    /// What most lists filter by.
    pub base: StockFilter,
    /// SKUs whose title has this text in it, in any case.
    pub title: Option<String>,
    /// With fewer units available than this.
    pub available_below: Option<i64>,
    /// As of this instant, milliseconds since 1970: holds end by time alone. None: as of the newest record.
    pub now: Option<i64>,
}

/// Stock of a SKU at a location, as folded; the SKU itself answers what may be sold at this moment.
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
    /// Units of orders, not yet sent.
    pub committed: i64,
    /// Units of live holds.
    pub held: i64,
    /// Units of orders that have not committed yet, and units offered to waiting orders.
    pub tentative: i64,
    /// Units that are expected.
    pub incoming: i64,
    /// Units on their way from another location.
    pub in_transit: i64,
    /// Units kept back from channels that ask.
    pub safety: i64,
    /// On hand without what is unavailable, committed, held or tentative; below 0: short.
    pub available: i64,
}

/// A SKU.
#[derive(Debug, Clone, PartialEq)]
pub struct SkuRow {
    /// The SKU.
    pub sku: String,
    /// Its title.
    pub title: String,
    /// How its stock is kept, as JSON.
    pub tracking: Value,
    /// Units that waiting orders lack.
    pub waiting_units: i64,
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
    /// Units on hand there afterwards.
    pub on_hand: i64,
    /// Why.
    pub reason: String,
    /// What it refers to: an order, a transfer, a delivery note.
    pub reference: Option<String>,
    /// Who recorded it.
    pub principal: String,
}

/// Units that are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedRow {
    /// Where.
    pub location: String,
    /// The purchase order.
    pub reference: String,
    /// Units still to come.
    pub units: i64,
    /// When, milliseconds since 1970.
    pub expected_at: i64,
}

/// Units on their way between two locations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// The transfer.
    pub transfer: String,
    /// Where they come from.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// Units that have not arrived.
    pub units: i64,
    /// When they left, milliseconds since 1970.
    pub sent_at: i64,
}

/// Expected deliveries, and open transfers, of a SKU that are told at most.
const EXPECTED_MAX: usize = 1_000;

pub(super) const STOCK: Order = Order::up(&["sku", "location"]);
const SKU: Order = Order::up(&["k.sku"]);
const LEDGER: Order = Order::down(&["number"]);

fn stock_row(row: &Row<'_>) -> rusqlite::Result<StockRow> {
    Ok(StockRow {
        sku: row.get(0)?,
        title: row.get(1)?,
        location: row.get(2)?,
        on_hand: row.get(3)?,
        unavailable: row.get(4)?,
        committed: row.get(5)?,
        held: row.get(6)?,
        tentative: row.get(7)?,
        incoming: row.get(8)?,
        in_transit: row.get(9)?,
        safety: row.get(10)?,
        available: row.get(11)?,
    })
}

/// The time of the newest record.
fn newest(reader: &Connection) -> Result<i64, rusqlite::Error> {
    let sql = "SELECT coalesce(max(at), 0) FROM newest";
    reader.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

impl StockSearch {
    pub(super) fn wanted(&self, now: i64) -> Result<(String, Wanted), InsightError> {
        let mut wanted = Wanted::default();
        let now = wanted.bind(now);
        let select = format!(
            "SELECT sku, title, location, on_hand, unavailable, committed, held, tentative, incoming, in_transit,
            safety, on_hand - unavailable - committed - held - tentative AS available FROM (
            SELECT s.sku, s.location, s.on_hand, s.unavailable, s.committed, s.tentative, s.in_transit, s.safety,
            coalesce(k.title, '') AS title, s.held - (SELECT coalesce(sum(h.units), 0) FROM holds h
                WHERE h.sku = s.sku AND h.location = s.location AND h.expires_at <= {now}) AS held,
            (SELECT coalesce(sum(i.units), 0) FROM incoming i
                WHERE i.sku = s.sku AND i.location = s.location) AS incoming
            FROM stock s LEFT JOIN skus k ON k.sku = s.sku)"
        );
        wanted.with(
            "sku >= ? AND sku < ? || char(1114111)",
            self.base.prefix.clone(),
        );
        wanted.with("location = ?", self.base.location.clone());
        wanted.with("instr(lower(title), lower(?)) > 0", self.title.clone());
        wanted.with(
            "on_hand - unavailable - committed - held - tentative < ?",
            self.available_below,
        );
        wanted.after(&STOCK, self.base.cursor.as_deref())?;
        Ok((select, wanted))
    }
}

impl Insight {
    /// Stock by SKU and location, by everything that can be asked for.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn search_stock(&self, search: &StockSearch) -> Result<Page<StockRow>, InsightError> {
        let reader = self.reader();
        let now = match search.now {
            Some(now) => now,
            None => newest(&reader)?,
        };
        let (select, wanted) = search.wanted(now)?;
        let key = |row: &StockRow| vec![value!(row.sku), value!(row.location)];
        wanted.page(&reader, &select, &STOCK, search.base.limit, stock_row, key)
    }

    /// SKUs whose id begins with a text or whose title has it in it, in any case.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn skus(
        &self,
        text: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SkuRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with(
            "(lower(substr(k.sku, 1, length(?))) = lower(?) OR instr(lower(k.title), lower(?)) > 0)",
            text.map(str::to_owned),
        );
        wanted.after(&SKU, cursor)?;
        let select =
            "SELECT k.sku, k.title, k.tracking, (SELECT coalesce(sum(w.units), 0) FROM waiting w
            WHERE w.sku = k.sku) FROM skus k";
        let read = |row: &Row<'_>| {
            Ok(SkuRow {
                sku: row.get(0)?,
                title: row.get(1)?,
                tracking: json(&row.get::<_, String>(2)?),
                waiting_units: row.get(3)?,
            })
        };
        wanted.page(&self.reader(), select, &SKU, limit, read, |row| {
            vec![value!(row.sku)]
        })
    }

    /// What is expected of a SKU, soonest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn expected(&self, sku: &str) -> Result<Vec<ExpectedRow>, InsightError> {
        let sql = "SELECT location, reference, units, expected_at FROM incoming WHERE sku = ?1
            ORDER BY expected_at, location, reference LIMIT ?2";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql)?;
        let rows = statement.query_map((sku, EXPECTED_MAX.cast_signed()), |row| {
            Ok(ExpectedRow {
                location: row.get(0)?,
                reference: row.get(1)?,
                units: row.get(2)?,
                expected_at: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Transfers of a SKU of which units are still on their way, oldest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn transfers(&self, sku: &str) -> Result<Vec<TransferRow>, InsightError> {
        let sql = "SELECT transfer, source, target, units, sent_at FROM transfers WHERE sku = ?1
            ORDER BY sent_at, transfer LIMIT ?2";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql)?;
        let rows = statement.query_map((sku, EXPECTED_MAX.cast_signed()), |row| {
            Ok(TransferRow {
                transfer: row.get(0)?,
                from: row.get(1)?,
                to: row.get(2)?,
                units: row.get(3)?,
                sent_at: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Movements of a SKU at one location (or at all), newest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn ledger(
        &self,
        sku: &str,
        location: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("sku = ?", Some(sku.to_owned()));
        wanted.with("location = ?", location.map(str::to_owned));
        wanted.after(&LEDGER, cursor)?;
        let select = "SELECT number, at, effective_at, location, on_hand_delta, unavailable_delta, on_hand, reason,
            reference, principal FROM ledger";
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
                reference: row.get(8)?,
                principal: row.get(9)?,
            })
        };
        wanted.page(&self.reader(), select, &LEDGER, limit, read, |row| {
            vec![value!(row.number)]
        })
    }
}
