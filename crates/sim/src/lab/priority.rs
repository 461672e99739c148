//! What is sent first where a channel takes fewer numbers than change: the most dangerous, as the production desk
//! picks, or what has waited longest.

use crossdock_engine::{Budget, DeskLimits};
use crossdock_model::v1::{Buffer, Writes};
use crossdock_model::{ChannelId, Duration, SkuId, Timestamp};
use serde::Serialize;

use super::LabError;
use super::agenda::Agenda;
use super::book::{Book, Rates};
use super::bucket::{Bucket, Terms};
use super::clerk::Clerk;
pub use super::clerk::Order;
use super::publisher::{Ask, Publisher, Told};
use crate::Dice;

/// Exponent of the demand: the n-th SKU is asked for as often as the first, divided by n to this.
const ZIPF: f64 = 0.99;
const HOUR_S: f64 = 3_600.0;
/// From a sale until it is in the book, and from a call until its answer.
const HEARD_AFTER: Duration = Duration::from_ms(300);
const CALL: Duration = Duration::from_ms(300);

/// Points that the shop takes for setting up to 250 numbers, and for reading one.
const SHOP_SET_POINTS: u32 = 13;
const SHOP_READ_POINTS: u32 = 3;

/// A rush of shoppers on a shop and on Amazon, both of which show all there is at the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rush {
    /// SKUs, of one to two hundred units each.
    pub skus: u16,
    /// Shoppers per second on both channels together, half on each.
    pub shoppers_per_s: f64,
    /// How long they come.
    pub span: Duration,
    /// Numbers per second that Amazon takes, one a call.
    pub amazon_per_s: u32,
    /// Points per second of the shop, of which a call for up to 250 numbers costs 13.
    pub shop_points_per_s: u32,
}

impl Rush {
    /// 200 shoppers per second over 5,000 SKUs, within the limits that Shopify and Amazon have.
    pub const REAL: Self = Self {
        skus: 5_000,
        shoppers_per_s: 200.0,
        span: Duration::from_minutes(5),
        amazon_per_s: 5,
        shop_points_per_s: 100,
    };
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rushed {
    /// What was sent first.
    pub order: Order,
    /// Units that were ordered.
    pub orders: u64,
    /// Units sold beyond what there was, on the shop and on Amazon.
    pub oversold: [u64; 2],
    /// SKUs of which any were.
    pub oversold_skus: u64,
    /// Numbers sent to the shop and to Amazon.
    pub sent: [u64; 2],
}

impl Rushed {
    /// Units sold beyond what there was.
    #[must_use]
    pub fn oversold_units(&self) -> u64 {
        self.oversold.iter().sum()
    }
}

/// Sells, and counts what is sold beyond what there is.
///
/// # Errors
/// [`LabError`] when the experiment cannot be carried out.
pub fn rush(seed: u64, order: Order, options: &Rush) -> Result<Rushed, LabError> {
    let mut floor = Floor::new(seed, order, options)?;
    let ends_at = Timestamp::default() + options.span;
    floor.agenda.note(Timestamp::default(), Happening::Shopper);
    while let Some(what) = floor.agenda.next()
        && floor.agenda.now() < ends_at
    {
        floor.happen(what)?;
    }
    let oversold_skus = floor.items.iter().filter(|item| item.stock < 0).count();
    let [shop, amazon] = &floor.channels;
    Ok(Rushed {
        order,
        orders: floor.orders,
        oversold: [shop.oversold, amazon.oversold],
        oversold_skus: oversold_skus as u64,
        sent: [shop.sent, amazon.sent],
    })
}

#[derive(Debug)]
enum Happening {
    Shopper,
    Heard {
        item: u16,
        channel: usize,
        at: Timestamp,
    },
    Stated {
        item: u16,
        units: i64,
        at: Timestamp,
    },
    Carried {
        channel: usize,
        asks: Vec<(u16, Ask)>,
        asked_at: Timestamp,
    },
    Look {
        channel: usize,
    },
}

struct Channel {
    clerk: Clerk,
    budget: Budget,
    /// What a call costs of it.
    cost: u32,
    looks_at: Option<Timestamp>,
    oversold: u64,
    sent: u64,
}

struct Item {
    stock: i64,
    book: Book,
    shown: [i64; 2],
    buckets: [Bucket; 2],
}

struct Floor<'a> {
    options: &'a Rush,
    dice: Dice,
    agenda: Agenda<Happening>,
    /// Chances of the SKUs, summed up.
    demand: Vec<f64>,
    items: Vec<Item>,
    channels: [Channel; 2],
    orders: u64,
}

const SHOP: usize = 0;
const AMAZON: usize = 1;

impl<'a> Floor<'a> {
    fn new(seed: u64, order: Order, options: &'a Rush) -> Result<Self, LabError> {
        let mut dice = Dice::new(seed);
        let weights = (1..=options.skus).map(|rank| libm::pow(f64::from(rank), -ZIPF));
        let weights: Vec<f64> = weights.collect();
        let all: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let mut demand = Vec::new();
        let mut items = Vec::new();
        for (number, weight) in weights.iter().enumerate() {
            let chance = weight / all;
            sum += chance;
            demand.push(sum);
            let per_h = chance * options.shoppers_per_s * HOUR_S / 2.0;
            let bucket = u16::try_from(number).unwrap_or(u16::MAX);
            let units = 1 + i64::try_from(dice.below(200)).unwrap_or(0);
            items.push(Item::new(bucket, units, per_h)?);
        }
        let points = options.shop_points_per_s;
        let shop = DeskLimits {
            batch_max: 250,
            calls_max: 4,
            cost: SHOP_SET_POINTS,
            reads_max: 50,
            read_cost: SHOP_READ_POINTS,
        };
        let amazon = DeskLimits {
            batch_max: 1,
            calls_max: 4,
            cost: 1,
            reads_max: 1,
            read_cost: 1,
        };
        let start = Timestamp::default();
        let channel = |limits: DeskLimits, per_s, burst| Channel {
            clerk: Clerk::new(order, limits),
            cost: limits.cost,
            budget: Budget::new(per_s, burst, start),
            looks_at: None,
            oversold: 0,
            sent: 0,
        };
        Ok(Self {
            options,
            dice,
            agenda: Agenda::default(),
            demand,
            items,
            channels: [
                channel(shop, points, points * 20),
                channel(amazon, options.amazon_per_s, options.amazon_per_s * 2),
            ],
            orders: 0,
        })
    }

    fn happen(&mut self, what: Happening) -> Result<(), LabError> {
        let now = self.agenda.now();
        match what {
            Happening::Shopper => self.shop(),
            Happening::Heard { item, channel, at } => {
                let one = &mut self.items[usize::from(item)];
                one.book.sell(channel, at, now);
                for bucket in &mut one.buckets {
                    bucket.heard(&one.book, now)?;
                }
                for channel in [SHOP, AMAZON] {
                    self.offer(item, channel);
                    self.push(channel)?;
                }
            }
            Happening::Stated { item, units, at } => {
                self.items[usize::from(item)].buckets[SHOP].stated(units, at, now)?;
                self.offer(item, SHOP);
                self.push(SHOP)?;
            }
            Happening::Carried {
                channel,
                asks,
                asked_at,
            } => self.carry(channel, asks, asked_at)?,
            Happening::Look { channel } => {
                self.channels[channel].looks_at = None;
                self.push(channel)?;
            }
        }
        Ok(())
    }

    /// A shopper buys one of what is shown.
    fn shop(&mut self) {
        let now = self.agenda.now();
        if now < Timestamp::default() + self.options.span {
            let gap = self.dice.gap_ms(self.options.shoppers_per_s * HOUR_S);
            self.agenda
                .after(Duration::from_ms(gap), Happening::Shopper);
        }
        let chance = self.dice.unit();
        let last = self.items.len().saturating_sub(1);
        let number = self.demand.partition_point(|sum| *sum < chance).min(last);
        let item = u16::try_from(number).unwrap_or(u16::MAX);
        let channel = usize::from(self.dice.happens(0.5));
        let one = &mut self.items[number];
        if one.shown[channel] <= 0 {
            return;
        }
        one.shown[channel] -= 1;
        one.stock -= 1;
        self.orders += 1;
        self.channels[channel].oversold += u64::from(one.stock < 0);
        let heard = Happening::Heard {
            item,
            channel,
            at: now,
        };
        self.agenda.after(HEARD_AFTER, heard);
        if channel == SHOP {
            let units = one.shown[SHOP];
            let stated = Happening::Stated {
                item,
                units,
                at: now,
            };
            self.agenda.after(HEARD_AFTER, stated);
        }
    }

    fn offer(&mut self, item: u16, channel: usize) {
        if let Some(offers) = self.items[usize::from(item)].buckets[channel].offers() {
            self.channels[channel].clerk.offered(offers);
        }
    }

    /// Makes the calls that may be made.
    fn push(&mut self, channel: usize) -> Result<(), LabError> {
        let now = self.agenda.now();
        let desk = &mut self.channels[channel];
        let ready_at = desk.budget.ready_at(desk.cost, now);
        if ready_at > now {
            if desk.looks_at.is_none() {
                desk.looks_at = Some(ready_at);
                self.agenda.note(ready_at, Happening::Look { channel });
            }
            return Ok(());
        }
        while let Some(pick) = desk.clerk.pick(&mut desk.budget, now) {
            let mut asks = Vec::new();
            for (item, numbers) in pick {
                let one = &mut self.items[usize::from(item)];
                match one.buckets[channel].next(&one.book, now)? {
                    Some(ask) => asks.push((item, ask)),
                    None => {
                        for number in &numbers {
                            desk.clerk.ended(item, number, now);
                        }
                    }
                }
            }
            let carried = Happening::Carried {
                channel,
                asks,
                asked_at: now,
            };
            self.agenda.after(CALL, carried);
        }
        Ok(())
    }

    fn carry(
        &mut self,
        channel: usize,
        asks: Vec<(u16, Ask)>,
        asked_at: Timestamp,
    ) -> Result<(), LabError> {
        let at = self.agenda.now();
        for (item, ask) in asks {
            let one = &mut self.items[usize::from(item)];
            let shown = &mut one.shown[channel];
            let told = match ask {
                Ask::Swap { from, .. } if from != *shown => Told::Stale,
                Ask::Swap { units, .. } | Ask::Replace(units) => {
                    *shown = units.into();
                    Told::Taken { at }
                }
                Ask::Add(units) => {
                    *shown += units;
                    Told::Taken { at }
                }
                Ask::Read => Told::Shows {
                    units: *shown,
                    at,
                    asked_at,
                },
            };
            let bucket = &mut one.buckets[channel];
            bucket.answered(told, at)?;
            let number = bucket.name();
            let desk = &mut self.channels[channel];
            desk.sent += 1;
            desk.clerk.ended(item, &number, at);
            self.offer(item, channel);
        }
        self.channels[channel].clerk.answered();
        self.push(channel)
    }
}

impl Item {
    fn new(bucket: u16, units: i64, per_h: f64) -> Result<Self, LabError> {
        let start = Timestamp::default();
        let sku = SkuId::new(format!("S{bucket}"))?;
        let names = [ChannelId::new("shop")?, ChannelId::new("amazon")?];
        let rates = names.clone().map(|channel| (channel, per_h));
        let mut book = Book::new(sku.clone(), &rates, Rates::Known)?;
        book.add(units, start);
        let terms = |writes| Terms {
            writes,
            buffer: Buffer::Fixed { units: 0 },
            unseen_for: Duration::from_ms(HEARD_AFTER.as_ms() + CALL.as_ms()),
            unseen_risk_ppm: 1_000,
        };
        let mut buckets = [
            Bucket::new(
                &names[SHOP],
                SHOP,
                bucket,
                &sku,
                &terms(Writes::CompareAndSet),
            )?,
            Bucket::new(
                &names[AMAZON],
                AMAZON,
                bucket,
                &sku,
                &terms(Writes::Absolute),
            )?,
        ];
        let mut shown = [units; 2];
        for (one, shown) in buckets.iter_mut().zip(&mut shown) {
            one.heard(&book, start)?;
            // It shows from the start what it should.
            *shown = one.should(start)?.map_or(units, i64::from);
            one.answered(
                Told::Shows {
                    units: *shown,
                    at: start,
                    asked_at: start,
                },
                start,
            )?;
        }
        Ok(Self {
            stock: units,
            book,
            shown,
            buckets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five minutes over 5,000 SKUs are for `crossdock demo --sync priority`.
    #[test]
    fn what_is_most_dangerous_first_oversells_a_third_of_what_waited_longest() {
        let small = Rush {
            skus: 500,
            shoppers_per_s: 50.0,
            span: Duration::from_minutes(2),
            amazon_per_s: 2,
            shop_points_per_s: 100,
        };
        let [danger, first_in] =
            [Order::Danger, Order::FirstIn].map(|order| rush(1, order, &small).unwrap());
        assert!(
            danger.oversold_units() * 3 <= first_in.oversold_units(),
            "{danger:?} {first_in:?}"
        );
    }
}
