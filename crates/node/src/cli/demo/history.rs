//! The journal, read from its first record: which orders it knows, and how each SKU's stock went.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use crossdock_journal::{Journal, Seq};
use crossdock_logic::entity::DEDUP_WINDOW;
use crossdock_logic::{Entity, State};
use crossdock_model::answer::StockView;
use crossdock_model::v1::{Event, OrderEvent, SkuEvent};
use crossdock_model::{EntityId, OrderId, Record, ShardId, SkuId, Timestamp};

use super::verdict::{Journaled, SoldOut};

/// Bytes of the log that are read at once.
const READ_BYTES: usize = 4 << 20;

/// What the journal tells.
#[derive(Debug, Default)]
pub(super) struct History {
    orders: BTreeMap<String, Journaled>,
    skus: BTreeMap<SkuId, Watched>,
    read: BTreeMap<ShardId, Seq>,
}

/// A SKU as its records make it.
#[derive(Debug)]
struct Watched {
    entity: Entity,
    /// Orders that had units of it at some time.
    had: BTreeSet<OrderId>,
    in_stock_since: Option<Timestamp>,
    sold_out: SoldOut,
}

impl History {
    /// Reads what has been written since the last time.
    ///
    /// # Errors
    /// When the journal cannot be read, or does not fold.
    pub(super) fn read_on(&mut self, journal: &dyn Journal) -> anyhow::Result<()> {
        loop {
            let shards = journal.tails().context("the journal")?.into_iter();
            let after: Vec<(ShardId, Seq)> = shards
                .map(|(shard, tail)| (shard, tail, self.read.get(&shard).copied().unwrap_or(0)))
                .filter(|(_, tail, read)| read < tail)
                .map(|(shard, _, read)| (shard, read))
                .collect();
            if after.is_empty() {
                return Ok(());
            }
            for stored in journal
                .read_many(&after, READ_BYTES)
                .context("the journal")?
            {
                let record = Record::decode(&stored.frame.body).context("a record")?;
                self.take(&stored.frame.entity, &record)?;
                self.read.insert(stored.position.shard, stored.position.seq);
            }
        }
    }

    fn take(&mut self, entity: &EntityId, record: &Record) -> anyhow::Result<()> {
        match entity {
            EntityId::Order(order) => self.take_order(order, record),
            EntityId::Sku(sku) => self.take_sku(sku, record)?,
            _ => {}
        }
        Ok(())
    }

    fn take_order(&mut self, order: &OrderId, record: &Record) {
        let known = self.orders.entry(order.to_string()).or_default();
        for event in &record.events {
            if matches!(event, Event::Order(OrderEvent::Received { .. })) {
                known.received += 1;
                if known.received == 1 {
                    known.received_at_ms = record.at.as_ms();
                }
            }
        }
    }

    fn take_sku(&mut self, sku: &SkuId, record: &Record) -> anyhow::Result<()> {
        let watched = self.skus.entry(sku.clone()).or_insert_with(|| Watched {
            entity: Entity::new(EntityId::Sku(sku.clone())),
            had: BTreeSet::new(),
            in_stock_since: None,
            sold_out: SoldOut::default(),
        });
        watched
            .entity
            .apply(record, DEDUP_WINDOW)
            .context("a SKU's history")?;
        let free = watched.view(sku, record.at).map_or(0, |view| view.ats());
        watched.note_stock(free > 0, record.at);
        for event in &record.events {
            match event {
                Event::Sku(SkuEvent::Reserved { id, .. }) => {
                    watched.had.insert(id.order.clone());
                }
                Event::Sku(SkuEvent::Waiting { order, units, .. }) => {
                    let known = self.orders.entry(order.to_string()).or_default();
                    known.waiting += u64::from(*units);
                    if !watched.had.contains(order) {
                        // It is entered once: who waits had units for a moment at least before it waits again.
                        watched.had.insert(order.clone());
                        known.oversold += u64::from(*units).saturating_sub(free);
                    }
                }
                Event::Sku(SkuEvent::WaitEnded { order }) => {
                    self.orders.entry(order.to_string()).or_default().waiting = 0;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Orders that it knows.
    pub(super) fn orders(&self) -> &BTreeMap<String, Journaled> {
        &self.orders
    }

    /// How often SKUs sold out, and how long they were in stock.
    pub(super) fn sold_out(&self, now: Timestamp) -> BTreeMap<String, SoldOut> {
        let skus = self.skus.iter();
        skus.map(|(sku, watched)| {
            let mut out = watched.sold_out.clone();
            let since = watched.in_stock_since;
            out.in_stock_ms += since.map_or(0, |since| now.since(since).as_ms());
            (sku.to_string(), out)
        })
        .collect()
    }

    /// What can be sold of a SKU.
    pub(super) fn sellable(&self, sku: &str, now: Timestamp) -> i64 {
        let sku = SkuId::new(sku).ok();
        let watched = sku.and_then(|sku| Some((self.skus.get(&sku)?, sku)));
        let view = watched.and_then(|(watched, sku)| watched.view(&sku, now));
        view.map_or(0, |view| i64::try_from(view.ats()).unwrap_or(i64::MAX))
    }

    /// Orders that wait, with the SKUs they wait for, units, and where these would do.
    pub(super) fn waits(&self, now: Timestamp) -> Vec<(String, u64)> {
        let skus = self.skus.iter();
        skus.filter_map(|(sku, watched)| {
            let units = watched.view(sku, now)?.waiting_units;
            (units > 0).then(|| (sku.to_string(), u64::from(units)))
        })
        .collect()
    }
}

impl Watched {
    fn view(&self, sku: &SkuId, at: Timestamp) -> Option<StockView> {
        match self.entity.state() {
            State::Sku(state) => Some(state.view(sku, self.entity.version(), at)),
            _ => None,
        }
    }

    fn note_stock(&mut self, is_in_stock: bool, at: Timestamp) {
        match (self.in_stock_since, is_in_stock) {
            (None, true) => self.in_stock_since = Some(at),
            (Some(since), false) => {
                let span_ms = at.since(since).as_ms();
                self.sold_out.spans_ms.push(span_ms);
                self.sold_out.in_stock_ms += span_ms;
                self.in_stock_since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
}
