//! Channels: what each of them shows of every SKU, and what it says of that. A shop compares before it writes; a market
//! takes whatever it is told, and knows of its own sales alone that its number was lower.

use std::collections::BTreeMap;

use crossdock_logic::bucket::bucket_of;
use crossdock_model::answer::{NumberCall, NumberCallKind};
use crossdock_model::command::{BucketCommand, OrderCommand};
use crossdock_model::v1::{
    CallOutcome, ChannelMode, ChannelPlace, ListingTarget, OrderFacts, Origin, Publishing,
    ShownLevel, Writes,
};
use crossdock_model::{
    ChannelId, Command, EntityId, IdError, LineId, ListingId, LocationId, OrderId, SkuId, SourceId,
    Timestamp,
};

use super::Broken;
use super::clients::Wish;
use super::clocks::Now;
use super::requests::Means;
use crate::Dice;

/// What a channel answers to a call.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// What became of a number that was to be set.
    Set(CallOutcome),
    /// What it shows, and when it looked.
    Shows(ShownLevel),
}

/// An order of a channel.
#[derive(Debug, Clone)]
struct Sale {
    updated_at: Timestamp,
    /// When it was sold, by the node's clock.
    sold_at: Timestamp,
    units: BTreeMap<LineId, u32>,
    /// Its units are not known to have been taken off the stock.
    is_open: bool,
}

/// A channel that numbers are published to.
#[derive(Debug)]
struct Shop {
    channel: ChannelId,
    writes: Writes,
    place: SourceId,
    shown: BTreeMap<ListingId, i64>,
    sales: BTreeMap<OrderId, Sale>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Shops(Vec<Shop>);

/// The listing of a SKU.
pub(super) fn listing(sku: &SkuId) -> Result<ListingId, IdError> {
    ListingId::new(sku.as_str())
}

impl Shops {
    /// That show none of anything yet.
    pub fn new(channels: &[ChannelId; 2], skus: &[SkuId]) -> Result<Self, Broken> {
        let listings = skus.iter().map(listing);
        let listings = listings.collect::<Result<Vec<_>, _>>()?;
        let writes = [Writes::CompareAndSet, Writes::Absolute];
        let shops = channels.iter().zip(writes).map(|(channel, writes)| {
            Ok(Shop {
                channel: channel.clone(),
                writes,
                place: SourceId::new(format!("{channel}/1"))?,
                shown: listings.iter().map(|one| (one.clone(), 0)).collect(),
                sales: BTreeMap::new(),
            })
        });
        Ok(Self(shops.collect::<Result<_, Broken>>()?))
    }

    /// What buckets are to know before anything is published.
    pub fn first(&self, locations: &[LocationId]) -> Result<Vec<Wish>, Broken> {
        let mut wishes = Vec::new();
        for shop in &self.0 {
            let sells = ChannelPlace {
                place: shop.place.clone(),
                locations: locations.to_vec(),
            };
            let publishing = Publishing {
                version: 1,
                mode: ChannelMode::Active,
                ..Publishing::plain(shop.writes, vec![sells])
            };
            for listing in shop.shown.keys() {
                let publish = BucketCommand::Publish(Box::new(publishing.clone()));
                wishes.push(shop.tell(listing, publish));
                let map = BucketCommand::Map {
                    listing: listing.clone(),
                    target: ListingTarget::Sku {
                        sku: SkuId::new(listing.as_str())?,
                        multiplier: 1,
                    },
                };
                wishes.push(shop.tell(listing, map));
            }
        }
        Ok(wishes)
    }

    /// An order is stated: if it is one of a channel, what it sells anew is not for sale there any more. What it sells no
    /// more may be put back. Returns what the channel says of that.
    pub fn hear(&mut self, wish: &Wish, now: Now, dice: &mut Dice) -> Result<Vec<Wish>, Broken> {
        let (EntityId::Order(order), Command::Order(OrderCommand::State { facts, origin, .. })) =
            (&wish.to, &wish.command)
        else {
            return Ok(Vec::new());
        };
        let mut shops = self.0.iter_mut();
        let shop = shops.find(|shop| shop.channel == order.channel && *origin == Origin::Channel);
        shop.map_or(Ok(Vec::new()), |shop| shop.sells(order, facts, now, dice))
    }

    /// A call gets to its channel.
    pub fn called(
        &mut self,
        channel: &ChannelId,
        call: &NumberCall,
        now: Now,
    ) -> (Said, Option<Wish>) {
        let shop = self.0.iter_mut().find(|shop| shop.channel == *channel);
        shop.map_or((Said::Set(CallOutcome::Unknown), None), |shop| {
            shop.called(call, now)
        })
    }

    /// What every channel shows, looked at now.
    pub fn looks(&self, now: Now) -> Vec<Wish> {
        let shown = self.0.iter().flat_map(|shop| {
            let all = shop.shown.keys();
            all.map(move |listing| shop.shows(listing, now, Some(now.node)))
        });
        shown.collect()
    }

    /// Orders of channels whose units are not known to have been taken off the stock, as of when they were stated last.
    pub fn open(&self) -> Vec<(OrderId, Timestamp)> {
        let sales = self.0.iter().flat_map(|shop| &shop.sales);
        let open = sales.filter(|(_, sale)| sale.is_open);
        open.map(|(order, sale)| (order.clone(), sale.updated_at))
            .collect()
    }

    /// The units of an order are taken off the stock.
    pub fn placed(&mut self, order: &OrderId) {
        for shop in &mut self.0 {
            if let Some(sale) = shop.sales.get_mut(order) {
                sale.is_open = false;
            }
        }
    }

    /// For each channel up to when all its orders are taken off the stock.
    pub fn proven(&self, now: Timestamp) -> BTreeMap<ChannelId, Timestamp> {
        let proven = self.0.iter().map(|shop| {
            let open = shop.sales.values().filter(|sale| sale.is_open);
            let first = open.map(|sale| sale.sold_at).min().unwrap_or(now);
            let before = Timestamp::from_ms(first.min(now).as_ms() - 1);
            (shop.channel.clone(), before)
        });
        proven.collect()
    }

    /// What each channel shows of each listing.
    pub fn shown(&self) -> impl Iterator<Item = (&ChannelId, &ListingId, i64)> {
        self.0.iter().flat_map(|shop| {
            let all = shop.shown.iter();
            all.map(|(listing, units)| (&shop.channel, listing, *units))
        })
    }
}

impl Shop {
    fn tell(&self, listing: &ListingId, command: BucketCommand) -> Wish {
        Wish {
            to: EntityId::Bucket(self.channel.clone(), bucket_of(listing)),
            command: Command::Bucket(command),
            means: Means::Nothing,
        }
    }

    fn level(&self, listing: &ListingId, now: Now) -> ShownLevel {
        ShownLevel {
            place: self.place.clone(),
            units: Some(self.shown.get(listing).copied().unwrap_or(0)),
            at: now.world,
        }
    }

    fn shows(&self, listing: &ListingId, now: Now, asked_at: Option<Timestamp>) -> Wish {
        let show = BucketCommand::Show {
            listing: listing.clone(),
            level: self.level(listing, now),
            asked_at,
        };
        self.tell(listing, show)
    }

    /// What it says by itself when its number has changed: a market says nothing.
    fn states(&self, listing: &ListingId, now: Now) -> Option<Wish> {
        (self.writes == Writes::CompareAndSet).then(|| self.shows(listing, now, None))
    }

    fn sells(
        &mut self,
        order: &OrderId,
        facts: &OrderFacts,
        now: Now,
        dice: &mut Dice,
    ) -> Result<Vec<Wish>, Broken> {
        let mut said = Vec::new();
        let known = self.sales.get(order).map(|sale| sale.units.clone());
        let known = known.unwrap_or_default();
        let mut sale = Sale {
            updated_at: facts.updated_at,
            sold_at: now.node,
            units: BTreeMap::new(),
            is_open: true,
        };
        for line in &facts.lines {
            let units = line.ordered_units.saturating_sub(line.cancelled_units);
            let before = known.get(&line.line).copied().unwrap_or(0);
            let change = i64::from(before) - i64::from(units);
            sale.units.insert(line.line.clone(), units);
            let is_kept_off = change > 0 && dice.happens(0.5);
            let [part] = line.parts.as_slice() else {
                continue;
            };
            let listing = listing(&part.sku)?;
            if change == 0 || is_kept_off {
                continue;
            }
            *self.shown.entry(listing.clone()).or_default() += change;
            said.extend(self.states(&listing, now));
        }
        self.sales.insert(order.clone(), sale);
        Ok(said)
    }

    fn called(&mut self, call: &NumberCall, now: Now) -> (Said, Option<Wish>) {
        let listing = &call.listing;
        let NumberCallKind::Set {
            units, change_from, ..
        } = &call.kind
        else {
            return (Said::Shows(self.level(listing, now)), None);
        };
        let shown = self.shown.entry(listing.clone()).or_default();
        if change_from.is_some_and(|from| from != *shown) {
            return (Said::Set(CallOutcome::Stale), None);
        }
        let has_changed = std::mem::replace(shown, i64::from(*units)) != i64::from(*units);
        let said = Said::Set(CallOutcome::Confirmed { at: now.world });
        let states = self.states(listing, now);
        (said, states.filter(|_| has_changed))
    }
}
