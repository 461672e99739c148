//! Orders and their timelines.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json as value};

use super::{Order, Page, Wanted, json, lines};
use crate::{Insight, InsightError};

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Of this channel.
    pub channel: Option<String>,
    /// In this state.
    pub status: Option<String>,
    /// Placed at or after, milliseconds since 1970.
    pub placed_from: Option<i64>,
    /// Placed before, milliseconds since 1970.
    pub placed_to: Option<i64>,
    /// Came in like this: `channel`, `api`, `adopted`, `hold`.
    pub origin: Option<String>,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Rows of a page.
    pub limit: usize,
}

/// Which orders, with everything that can be asked for.
#[derive(Debug, Clone, Default)]
pub struct OrderSearch {
    /// What most lists filter by.
    pub base: OrderFilter,
    /// Changed at or after, milliseconds since 1970.
    pub changed_from: Option<i64>,
    /// Changed before, milliseconds since 1970.
    pub changed_to: Option<i64>,
    /// With units that wait for stock (or without).
    pub backordered: Option<bool>,
    /// With units reserved or requested at this location.
    pub location: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Tests of their channels (or none of them).
    pub test: Option<bool>,
    /// Among these, `channel:external`: what a search by buyer found.
    pub ids: Option<Vec<String>>,
}

/// A fulfilment request of an order, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSummary {
    /// Its number in the order.
    pub number: i64,
    /// Who is asked.
    pub location: String,
    /// Its state.
    pub status: String,
}

/// What keeps an order, or a line of it, from its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldSummary {
    /// The line; none: the whole order.
    pub line: Option<String>,
    /// Why.
    pub reason: String,
    /// Until when, milliseconds since 1970; none: until somebody ends it.
    pub until: Option<i64>,
}

/// An order in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRow {
    /// `channel:external`.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// What people call it.
    pub name: String,
    /// Its state.
    pub status: String,
    /// Milliseconds since 1970.
    pub placed_at: i64,
    /// Milliseconds since 1970.
    pub changed_at: i64,
    /// What happened last.
    pub last_change: String,
    /// Milliseconds since 1970.
    pub ship_by: Option<i64>,
    /// Units wanted.
    pub units: i64,
    /// Units of SKUs that wait for stock.
    pub backordered_units: i64,
    /// Amount and currency.
    pub total: Option<String>,
    /// `ready`, `pending`, `on_hold`, `voided`.
    pub payment: String,
    /// When a payment on hold is ready, milliseconds since 1970.
    pub payment_until: Option<i64>,
    /// The service level as locations call it.
    pub service_level: Option<String>,
    /// Milliseconds since 1970.
    pub deliver_by: Option<i64>,
    /// Where it goes, as routing knows it; JSON.
    pub destination: Value,
    /// Tags of the channel.
    pub tags: Vec<String>,
    /// Whether it is a test of its channel.
    pub test: bool,
    /// How it came in.
    pub origin: String,
    /// Its fulfilment requests.
    pub requests: Vec<RequestSummary>,
    /// What of it is on hold.
    pub holds: Vec<HoldSummary>,
    /// Exceptions of its own that are open.
    pub open_exceptions: i64,
    /// Its lines: `line`, `title`, `units` wanted, `status`, and what became of each part.
    pub lines: Value,
}

/// An event of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineRow {
    /// Orders the events of an order.
    pub number: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Kind of event.
    pub kind: String,
    /// What happened.
    pub sentence: String,
    /// Who did it.
    pub principal: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Where it is in the journal, `shard:sequence`.
    pub position: String,
    /// The event itself.
    pub details: Value,
}

/// What a channel is to know of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRow {
    /// Its number in the order.
    pub number: i64,
    /// `shipped` or `cancelled`.
    pub kind: String,
    /// The parcel and its request, of one that was shipped.
    pub parcel: Option<(i64, String)>,
    /// Line and units.
    pub lines: Value,
    /// `waiting`, `telling`, `in_doubt`, `told`, `left` to a person, or `void`.
    pub status: String,
    /// Why it was not told, or in doubt.
    pub error: Option<String>,
    /// When it is tried again, milliseconds since 1970.
    pub retry_at: Option<i64>,
    /// What the channel calls the parcel.
    pub theirs: Option<String>,
    /// When it last changed, milliseconds since 1970.
    pub changed_at: i64,
}

/// A parcel of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct ShipmentRow {
    /// What its location calls it.
    pub shipment: String,
    /// The request it belongs to; none: somebody else sent it.
    pub request: Option<i64>,
    /// When it left, milliseconds since 1970.
    pub at: i64,
    /// Who carries it.
    pub carrier: Option<String>,
    /// Tracking number.
    pub number: Option<String>,
    /// Where it can be followed.
    pub url: Option<String>,
    /// What is in it: line, units, and the SKU where it is known.
    pub lines: Value,
}

pub(super) const PLACED: Order = Order::down(&["o.placed_at", "o.id"]);
const TOLD: Order = Order::up(&["number"]);

pub(super) const ORDER: &str =
    "SELECT o.id, o.channel, o.name, o.status, o.placed_at, o.changed_at, o.last_change, o.ship_by, o.units,
    o.backordered, o.total, o.payment, o.tags, o.test, o.origin, (SELECT count(*) FROM exceptions e
    WHERE e.entity = 'order:' || o.id AND e.closed_at IS NULL), o.payment_until, o.service_level, o.deliver_by,
    o.destination FROM orders o";

fn order_row(row: &Row<'_>) -> rusqlite::Result<OrderRow> {
    let tags: String = row.get(12)?;
    Ok(OrderRow {
        id: row.get(0)?,
        channel: row.get(1)?,
        name: row.get(2)?,
        status: row.get(3)?,
        placed_at: row.get(4)?,
        changed_at: row.get(5)?,
        last_change: row.get(6)?,
        ship_by: row.get(7)?,
        units: row.get(8)?,
        backordered_units: row.get(9)?,
        total: row.get(10)?,
        payment: row.get(11)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        test: row.get(13)?,
        origin: row.get(14)?,
        open_exceptions: row.get(15)?,
        payment_until: row.get(16)?,
        service_level: row.get(17)?,
        deliver_by: row.get(18)?,
        destination: row
            .get::<_, Option<String>>(19)?
            .map_or(Value::Null, |text| json(&text)),
        holds: Vec::new(),
        requests: Vec::new(),
        lines: Value::Null,
    })
}

/// Adds what other tables know of an order.
fn complete(reader: &Connection, row: &mut OrderRow) -> Result<(), InsightError> {
    let sql = "SELECT number, location, status FROM requests WHERE id = ?1 ORDER BY number";
    let mut statement = reader.prepare_cached(sql)?;
    let requests = statement.query_map([&row.id], |found| {
        Ok(RequestSummary {
            number: found.get(0)?,
            location: found.get(1)?,
            status: found.get(2)?,
        })
    })?;
    row.requests = requests.collect::<Result<_, _>>()?;
    let sql = "SELECT line, reason, until FROM order_holds WHERE id = ?1 ORDER BY line";
    let mut statement = reader.prepare_cached(sql)?;
    let holds = statement.query_map([&row.id], |found| {
        Ok(HoldSummary {
            line: Some(found.get::<_, String>(0)?).filter(|line| !line.is_empty()),
            reason: found.get(1)?,
            until: found.get(2)?,
        })
    })?;
    row.holds = holds.collect::<Result<_, _>>()?;
    row.lines = lines::of(reader, &row.id, row.backordered_units > 0)?;
    Ok(())
}

impl OrderSearch {
    pub(super) fn wanted(&self) -> Result<Wanted, InsightError> {
        let (mut wanted, base) = (Wanted::default(), &self.base);
        wanted.with("o.channel = ?", base.channel.clone());
        wanted.with("o.status = ?", base.status.clone());
        wanted.with("o.origin = ?", base.origin.clone());
        wanted.with("o.placed_at >= ?", base.placed_from);
        wanted.with("o.placed_at < ?", base.placed_to);
        wanted.with("o.changed_at >= ?", self.changed_from);
        wanted.with("o.changed_at < ?", self.changed_to);
        wanted.with("(o.backordered > 0) = ?", self.backordered);
        wanted.with("o.test = ?", self.test);
        wanted.with(
            "EXISTS (SELECT 1 FROM json_each(o.tags) t WHERE t.value = ?)",
            self.tag.clone(),
        );
        wanted.with(
            "(EXISTS (SELECT 1 FROM reserved p WHERE p.id = o.id AND p.location = ?)
            OR EXISTS (SELECT 1 FROM requests r WHERE r.id = o.id AND r.location = ?))",
            self.location.clone(),
        );
        if let Some(ids) = &self.ids {
            let ids = serde_json::to_string(ids)?;
            wanted.with("o.id IN (SELECT value FROM json_each(?))", Some(ids));
        }
        wanted.after(&PLACED, base.cursor.as_deref())?;
        Ok(wanted)
    }
}

impl Insight {
    /// Orders, newest first.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn orders(&self, filter: &OrderFilter) -> Result<Page<OrderRow>, InsightError> {
        self.search_orders(&OrderSearch {
            base: filter.clone(),
            ..OrderSearch::default()
        })
    }

    /// Orders, newest first, by everything that can be asked for.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn search_orders(&self, search: &OrderSearch) -> Result<Page<OrderRow>, InsightError> {
        let wanted = search.wanted()?;
        let reader = self.reader();
        let key = |row: &OrderRow| vec![value!(row.placed_at), value!(row.id)];
        let limit = search.base.limit;
        let mut page = wanted.page(&reader, ORDER, &PLACED, limit, order_row, key)?;
        for row in &mut page.rows {
            complete(&reader, row)?;
        }
        Ok(page)
    }

    /// One order.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn order(&self, id: &str) -> Result<Option<OrderRow>, InsightError> {
        let reader = self.reader();
        let sql = format!("{ORDER} WHERE o.id = ?1");
        let found = reader.prepare_cached(&sql)?.query_row([id], order_row);
        let mut found = found.optional()?;
        if let Some(row) = &mut found {
            complete(&reader, row)?;
        }
        Ok(found)
    }

    /// Everything that happened to an order, oldest first, up to 1,000 events.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn timeline(&self, id: &str) -> Result<Vec<TimelineRow>, InsightError> {
        let (mut rows, mut cursor) = (Vec::new(), None);
        while rows.len() < 1000 {
            let page = self.timeline_page(id, cursor.as_deref(), super::PAGE_MAX)?;
            rows.extend(page.rows);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(rows)
    }

    /// What happened to an order, oldest first, page by page.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn timeline_page(
        &self,
        id: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<TimelineRow>, InsightError> {
        let mut wanted = Wanted::default();
        wanted.with("id = ?", Some(id.to_owned()));
        wanted.after(&TOLD, cursor)?;
        let select =
            "SELECT number, at, kind, sentence, principal, reason, position, details FROM timeline";
        let read = |row: &Row<'_>| {
            Ok(TimelineRow {
                number: row.get(0)?,
                at: row.get(1)?,
                kind: row.get(2)?,
                sentence: row.get(3)?,
                principal: row.get(4)?,
                reason: row.get(5)?,
                position: row.get(6)?,
                details: json(&row.get::<_, String>(7)?),
            })
        };
        wanted.page(&self.reader(), select, &TOLD, limit, read, |row| {
            vec![value!(row.number)]
        })
    }

    /// What an order's channel is to know of it, in the order in which it came about.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn reports(&self, id: &str) -> Result<Vec<ReportRow>, InsightError> {
        let sql = "SELECT number, kind, request, shipment, lines, status, error, retry_at, theirs, changed_at
            FROM reports WHERE id = ?1 ORDER BY number LIMIT 1000";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql)?;
        let rows = statement.query_map([id], |row| {
            let (request, shipment): (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok(ReportRow {
                number: row.get(0)?,
                kind: row.get(1)?,
                parcel: request.zip(shipment),
                lines: json(&row.get::<_, String>(4)?),
                status: row.get(5)?,
                error: row.get(6)?,
                retry_at: row.get(7)?,
                theirs: row.get(8)?,
                changed_at: row.get(9)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Parcels of an order, in the order they left.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn shipments(&self, id: &str) -> Result<Vec<ShipmentRow>, InsightError> {
        let sql =
            "SELECT shipment, nullif(request, 0), at, carrier, number, url, lines FROM shipments WHERE id = ?1
            ORDER BY at, shipment LIMIT 1000";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql)?;
        let rows = statement.query_map([id], |row| {
            Ok(ShipmentRow {
                shipment: row.get(0)?,
                request: row.get(1)?,
                at: row.get(2)?,
                carrier: row.get(3)?,
                number: row.get(4)?,
                url: row.get(5)?,
                lines: json(&row.get::<_, String>(6)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
