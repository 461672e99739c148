//! What we know of the one SKU of an experiment, and what it says to the channels that list it.

use std::collections::VecDeque;

use crossdock_logic::oversell::Velocity;
use crossdock_logic::sku::SALES_MAX;
use crossdock_model::v1::{PublishedStock, SellingRate, Sold, Tracking};
use crossdock_model::{ChannelId, LocationId, SkuId, Timestamp};

use super::LabError;

/// Shape of a rate that is known for certain: so great that what is asked for is Poisson.
const CERTAIN_MILLI: u64 = 1_000_000_000_000_000_000;
/// What is known of a SKU that was never sold: it sells once an hour, and an hour in stock is worth as much.
const PRIOR: (u32, u64) = (1, 3_600_000);

/// How the rate of sale on a channel comes to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rates {
    /// They are the true ones.
    Known,
    /// They are estimated from the sales so far.
    Learned,
}

/// The one location of an experiment.
pub(super) fn location() -> Result<LocationId, LabError> {
    Ok(LocationId::new("lab")?)
}

#[derive(Debug)]
struct Page {
    channel: ChannelId,
    sales: VecDeque<Sold>,
    sold_units: u64,
    true_milli_per_h: u64,
    velocity: Velocity,
    in_stock_since: Option<Timestamp>,
}

impl Page {
    fn count(&mut self, units: u32, is_in_stock: bool, now: Timestamp) {
        let span = self
            .in_stock_since
            .map_or(0, |since| now.since(since).as_ms());
        self.velocity = self.velocity.after(units, span);
        self.in_stock_since = is_in_stock.then_some(now);
    }
}

/// The SKU: what can be sold as far as we know, and each channel's sales that we heard of.
#[derive(Debug)]
pub(super) struct Book {
    sku: SkuId,
    location: LocationId,
    version: u64,
    units: i64,
    rates: Rates,
    pages: Vec<Page>,
}

impl Book {
    /// A SKU without stock, sold on channels at these rates.
    pub fn new(sku: SkuId, channels: &[(ChannelId, f64)], rates: Rates) -> Result<Self, LabError> {
        let page = |(channel, per_h): &(ChannelId, f64)| Page {
            channel: channel.clone(),
            sales: VecDeque::new(),
            sold_units: 0,
            true_milli_per_h: milli(*per_h),
            velocity: Velocity::prior(PRIOR.0, PRIOR.1),
            in_stock_since: None,
        };
        Ok(Self {
            sku,
            location: location()?,
            version: 1,
            units: 0,
            rates,
            pages: channels.iter().map(page).collect(),
        })
    }

    /// Units that can be sold as far as we know, none if more were sold than there were.
    pub fn units(&self) -> u32 {
        u32::try_from(self.units.max(0)).unwrap_or(u32::MAX)
    }

    /// The same, also below none.
    pub fn balance(&self) -> i64 {
        self.units
    }

    /// Units that a channel is known to have sold.
    pub fn sold_units(&self, channel: usize) -> u64 {
        self.pages.get(channel).map_or(0, |page| page.sold_units)
    }

    /// Units that a channel is known to have sold after a time, of its last sales.
    pub fn sold_after(&self, channel: usize, after: Timestamp) -> i64 {
        let sales = self
            .pages
            .get(channel)
            .into_iter()
            .flat_map(|page| &page.sales);
        let later = sales.filter(|sold| sold.at > after);
        later.map(|sold| i64::from(sold.units)).sum()
    }

    /// Goods arrive, or are taken away.
    pub fn add(&mut self, units: i64, now: Timestamp) {
        self.version += 1;
        self.units += units;
        self.note_stock(now);
    }

    /// A sale was heard of: one unit on a channel, at that time by its clock.
    pub fn sell(&mut self, channel: usize, at: Timestamp, now: Timestamp) {
        self.version += 1;
        self.units -= 1;
        if let Some(page) = self.pages.get_mut(channel) {
            page.count(1, page.in_stock_since.is_some(), now);
            page.sold_units += 1;
            page.sales.push_back(Sold { at, units: 1 });
            if page.sales.len() > SALES_MAX {
                page.sales.pop_front();
            }
        }
        self.note_stock(now);
    }

    fn note_stock(&mut self, now: Timestamp) {
        let is_in_stock = self.units > 0;
        for page in &mut self.pages {
            if page.in_stock_since.is_some() != is_in_stock {
                page.count(0, is_in_stock, now);
            }
        }
    }

    /// What it says for a channel.
    pub fn said_to(&self, channel: usize) -> PublishedStock {
        let page = self.pages.get(channel);
        let sales = page.into_iter().flat_map(|page| &page.sales);
        let rate = |page: &Page| {
            let (milli_per_h, shape_milli) = match self.rates {
                Rates::Known => (page.true_milli_per_h, CERTAIN_MILLI),
                Rates::Learned => (page.velocity.milli_per_h(), page.velocity.shape_milli()),
            };
            SellingRate {
                channel: page.channel.clone(),
                milli_per_h,
                shape_milli,
            }
        };
        PublishedStock {
            sku: self.sku.clone(),
            version: self.version,
            tracking: Tracking::Tracked,
            ats: vec![(self.location.clone(), self.units())],
            sold: sales.copied().collect(),
            sold_units: self.sold_units(channel),
            sole: true,
            rates: self.pages.iter().map(rate).collect(),
            aside: false,
            // Nobody measures its lag: it is given.
            at: Timestamp::default(),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as saturates, and no rate is negative"
)]
fn milli(per_h: f64) -> u64 {
    libm::round(per_h * 1_000.0) as u64
}
