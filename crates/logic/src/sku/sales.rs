//! Sales of one channel, each once, however often its order gives units back and takes them again.

use std::collections::VecDeque;

use crossdock_model::v1::Sold;
use crossdock_model::{OrderId, Timestamp};
use serde::{Deserialize, Serialize};

/// Sales of a channel that are named, the last ones by when they were made; older ones are only counted.
pub const SALES_MAX: usize = 32;
/// Older sales that are remembered beside them, as their orders gave units back and may take them again.
const OLDER_MAX: usize = 256;

/// Sales of a channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sales {
    /// The oldest first: none that is not named was made after that.
    named: VecDeque<Sale>,
    /// Of those that are not named, those whose orders have given units back or were placed anew: the last ones to do so.
    older: VecDeque<Sale>,
    /// Units of all of them, with those that are not remembered.
    units: u64,
    /// Units that operators added to orders, and the channel has not sold: the last orders.
    added: VecDeque<(OrderId, u32)>,
}

/// What an order has bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sale {
    pub order: OrderId,
    pub sold: Sold,
    /// Of that, units that were sent, and of which no reservation tells any more.
    pub sent: u32,
}

impl Sales {
    /// The last ones, the oldest first.
    pub fn named(&self) -> impl Iterator<Item = Sold> {
        self.named.iter().map(|sale| sale.sold)
    }

    /// Units of all.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Units that an operator added to an order.
    pub fn added_units(&self, order: &OrderId) -> u32 {
        let mut added = self.added.iter().filter(|(known, _)| known == order);
        added.next().map_or(0, |(_, units)| *units)
    }

    pub fn added_here(&mut self, order: &OrderId, units: u32) {
        self.added.retain(|(known, _)| known != order);
        if units > 0 {
            self.added.push_back((order.clone(), units));
        }
        if self.added.len() > OLDER_MAX {
            self.added.pop_front();
        }
    }

    /// Of so many units that an order has, waits for and was sent, those that the channel sold.
    pub fn sold_of(&self, order: &OrderId, units: u32) -> u32 {
        units.saturating_sub(self.added_units(order))
    }

    fn of(&mut self, order: &OrderId) -> Option<&mut Sale> {
        let mut known = self.named.iter_mut().chain(&mut self.older);
        known.find(|sale| sale.order == *order)
    }

    /// An order has so many units, or waits for them, beside those that were sent, and had so many `before` that. What it
    /// takes beyond what it ever had is sold besides. Returns the units of that, and a sale that is named no more.
    pub fn sold(
        &mut self,
        order: &OrderId,
        (units, before): (u32, u32),
        at: Timestamp,
    ) -> (u32, Option<Sale>) {
        let added = self.added_units(order);
        let (more, unnamed) = match self.of(order) {
            Some(sale) => {
                let all = units.saturating_add(sale.sent).saturating_sub(added);
                let more = all.saturating_sub(sale.sold.units);
                sale.sold.units += more;
                (more, None)
            }
            None => {
                let units = units.saturating_sub(added);
                let (order, sold) = (order.clone(), Sold { at, units });
                let sale = Sale {
                    order,
                    sold,
                    sent: 0,
                };
                match (before, units.saturating_sub(before)) {
                    (0, more) => (more, self.name(sale)),
                    (_, 0) => (0, None),
                    // What it had before was counted then: so long ago that it is not named any more.
                    (_, more) => {
                        self.remember(sale);
                        (more, None)
                    }
                }
            }
        };
        self.units += u64::from(more);
        (more, unnamed)
    }

    fn name(&mut self, sale: Sale) -> Option<Sale> {
        let is_before = |known: &Sale| known.sold.at <= sale.sold.at;
        self.named
            .insert(self.named.partition_point(is_before), sale);
        let is_full = self.named.len() > SALES_MAX;
        is_full.then(|| self.named.pop_front()).flatten()
    }

    /// One that is not named may be told of again.
    pub fn remember(&mut self, sale: Sale) {
        self.older.push_back(sale);
        if self.older.len() > OLDER_MAX {
            self.older.pop_front();
        }
    }

    /// An order that had so many units has given some of them back; so many others of them are sent. If it takes them again,
    /// they are sold already.
    pub fn given_back(&mut self, order: &OrderId, units: u32, sent: u32) {
        if self.of(order).is_none() {
            let units = self.sold_of(order, units);
            let at = Timestamp::default();
            let (order, sold) = (order.clone(), Sold { at, units });
            self.remember(Sale { order, sold, sent });
        }
    }

    /// An order has given units of an attempt back, and has so many in all, some of them by others: what it took anew before
    /// that is sold once.
    pub fn placed_anew(&mut self, order: &OrderId, units: u32) {
        let added = self.added_units(order);
        if let Some(sale) = self.of(order) {
            let all = units.saturating_add(sale.sent).saturating_sub(added);
            let twice = sale.sold.units.saturating_sub(all);
            sale.sold.units -= twice;
            self.units = self.units.saturating_sub(twice.into());
        }
    }

    /// So many units of an order were sent, and its reservation of them is over.
    pub fn sent(&mut self, order: &OrderId, units: u32) {
        if let Some(sale) = self.of(order) {
            sale.sent = sale.sent.saturating_add(units);
        }
    }
}
