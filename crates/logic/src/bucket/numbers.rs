//! What a number should be: the stock of what it is made of, less what is kept back.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::answer::NumberView;
use crossdock_model::v1::{
    Buffer, ChannelMode, ListingMode, ListingTarget, Publishing, Sold, Tracking, Writes,
};
use crossdock_model::{Answer, Duration, ListingId, SkuId, SourceId, Timestamp};

use super::leaving::{keep_given, leaving, shown_there};
use super::state::{BucketState, Heard, Listing, Pace, Place};
use crate::oversell::{Demand, buffer_units};
use crate::publish::{Announced, Slot, Want, units_at};

const HOUR_MS: f64 = 3_600_000.0;
const MILLI: f64 = 1_000.0;

/// What a number should be, and what that rests on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    /// Units to be for sale there.
    pub units: u32,
    writes: Writes,
    unseen: u32,
    behind: Option<u32>,
    sold: Option<Vec<Sold>>,
    proof: Timestamp,
    /// How fast it sells on the channel, in thousandths of a unit of the listing per hour.
    pub milli_per_h: u64,
    /// The same of all channels together.
    pub everywhere_milli_per_h: u64,
}

impl Target {
    /// Sales that a statement of the channel may not have yet. On a channel that compares its slot knows them.
    pub fn unstated(&self) -> Option<&[Sold]> {
        match self.writes {
            Writes::CompareAndSet => None,
            Writes::Absolute => self.sold.as_deref(),
        }
    }

    /// Units that may have been sold on the channel and are not known of yet.
    pub fn unseen(&self) -> u32 {
        self.behind.unwrap_or(0).max(self.unseen)
    }

    pub fn want(&self) -> Want<'_> {
        Want {
            units: self.units,
            writes: self.writes,
            unseen: self.unseen,
            behind: self.behind,
            sold: self.sold.as_deref(),
            proof: self.proof,
        }
    }
}

impl BucketState {
    /// What each place should show of a listing. A place of which it cannot be told is left out.
    pub(super) fn targets(&self, listing: &ListingId) -> BTreeMap<SourceId, Target> {
        self.targets_in(listing, Duration::default())
    }

    /// The same of numbers that are set so much later: room is left for what is sold until then.
    pub(super) fn targets_in(
        &self,
        listing: &ListingId,
        later: Duration,
    ) -> BTreeMap<SourceId, Target> {
        let (Some(publishing), Some(known)) = (&self.publishing, self.listings.get(listing)) else {
            return BTreeMap::new();
        };
        if !publishing.counts(listing) {
            return BTreeMap::new();
        }
        let made_of = self.made_of(&known.target);
        let kept = kept_units(publishing, &made_of).saturating_add(shown_there(known));
        let units = self.units(publishing, known, &made_of);
        let mut units = kept_back(publishing, units, kept);
        keep_given(publishing, known, &mut units);
        units.extend(restored(publishing, known, &units));
        units.extend(leaving(known).map(|place| (place.clone(), 0)));
        let own = per_unit(&made_of, |heard| heard.own.milli_per_h);
        let everywhere = per_unit(&made_of, |heard| {
            let others = heard.others.milli_per_h;
            heard.own.milli_per_h.saturating_add(others)
        });
        let unseen_in = |span: Duration| match publishing.writes {
            Writes::CompareAndSet => 0,
            Writes::Absolute => per_unit_units(&made_of, |heard| {
                let span = Duration::from_ms(span.as_ms().saturating_add(later.as_ms()));
                buffer_units(demand(heard.own, span), risk(publishing.unseen_risk_ppm))
            }),
        };
        let unseen = unseen_in(publishing.unseen_for);
        let behind = self.behind.map(unseen_in);
        let proof = made_of.iter().map(|(_, heard, _)| heard.proof).min();
        let target = |units| Target {
            units,
            writes: publishing.writes,
            unseen,
            behind,
            sold: self.sold(publishing, known, &made_of),
            proof: proof.unwrap_or_default(),
            milli_per_h: own,
            everywhere_milli_per_h: everywhere,
        };
        let units = units.into_iter();
        units.map(|(place, units)| (place, target(units))).collect()
    }

    /// Every number, what is shown and what should be.
    pub(super) fn look_numbers(&self) -> Answer {
        let publishing = self.publishing.as_deref();
        let is_published = |id: &SourceId| publishing.is_some_and(|known| known.sends_to(id));
        let is_sent_by_channel = |place: &Place| {
            publishing.is_some_and(|publishing| place.is_sent_by_channel(publishing))
        };
        let mut views = Vec::new();
        for (listing, known) in &self.listings {
            let targets = self.targets(listing);
            let places: BTreeSet<&SourceId> = known.places.keys().chain(targets.keys()).collect();
            for id in places {
                let (place, target) = (known.places.get(id), targets.get(id));
                let slot = place.map(|place| &place.slot);
                let sold = target.and_then(Target::unstated);
                let should = |slot: &Slot| target.map(|target| slot.should(&target.want()));
                views.push(NumberView {
                    listing: listing.clone(),
                    place: id.clone(),
                    mode: known.mode,
                    shown: slot.and_then(|slot| slot.most(sold)),
                    stated_at: place.and_then(|place| place.stated_at()),
                    should: slot.map_or(target.map(|target| target.units), should),
                    wrong_since: slot.and_then(Slot::wrong_since),
                    is_tracked: place.is_none_or(Place::is_tracked),
                    is_sent_by_channel: place.is_some_and(is_sent_by_channel),
                    is_missing: place.is_some_and(Place::is_missing),
                    rests: !is_published(id) || slot.is_some_and(Slot::is_settled),
                });
            }
        }
        Answer::Numbers(views)
    }

    /// Units at each place, before buffers.
    fn units(
        &self,
        publishing: &Publishing,
        known: &Listing,
        made_of: &[(SkuId, &Heard, u32)],
    ) -> BTreeMap<SourceId, u32> {
        let share = share_permille(known);
        let shows_none = shows_none(publishing, known, made_of);
        let stock = stock_of(publishing, made_of);
        let at = |place| match shows_none {
            true => Some(0),
            false => units_at(&known.target, &stock, place),
        };
        let places = publishing.places.iter();
        let units = places.filter_map(|place| {
            let units = u64::from(at(place)?) * share / 1_000;
            Some((
                place.place.clone(),
                u32::try_from(units).unwrap_or(u32::MAX),
            ))
        });
        units.collect()
    }

    /// Whether a listing is made to show none, whatever there is.
    pub(super) fn shows_none(&self, listing: &ListingId) -> bool {
        let known = self.publishing.as_ref().zip(self.listings.get(listing));
        known.is_some_and(|(publishing, known)| {
            shows_none(publishing, known, &self.made_of(&known.target))
        })
    }

    /// Whether it is known how many of a listing there are for a place.
    pub(super) fn is_counted(&self, listing: &ListingId, place: &SourceId) -> bool {
        let known = self.publishing.as_ref().zip(self.listings.get(listing));
        known.is_some_and(|(publishing, known)| {
            let stock = stock_of(publishing, &self.made_of(&known.target));
            let mut places = publishing.places.iter();
            let place = places.find(|one| one.place == *place);
            place.is_some_and(|place| units_at(&known.target, &stock, place).is_some())
        })
    }

    /// Everything a listing is made of that is listened to, kits before their components, with units per unit of the
    /// listing (rounded down to at least one).
    pub(super) fn made_of(&self, target: &ListingTarget) -> Vec<(SkuId, &Heard, u32)> {
        let mut found: Vec<(SkuId, &Heard, u32)> = Vec::new();
        let mut open = parts(target);
        while let Some((sku, units)) = open.pop() {
            let Some((sku, heard)) = self.skus.get_key_value(&sku) else {
                continue;
            };
            if found.iter().any(|(known, _, _)| known == sku) {
                continue;
            }
            found.push((sku.clone(), heard, units.max(1)));
            if let Some(Tracking::Kit(kit)) = heard.stock.as_ref().map(|stock| &stock.tracking) {
                let components = kit.components.iter();
                open.extend(
                    components
                        .map(|one| (one.sku.clone(), units.saturating_mul(one.units_per_kit))),
                );
            }
        }
        found
    }

    /// The channel's own sales in units of the listing, where they can only have lowered this one number.
    fn sold(
        &self,
        publishing: &Publishing,
        known: &Listing,
        made_of: &[(SkuId, &Heard, u32)],
    ) -> Option<Vec<Sold>> {
        let (ListingTarget::Sku { multiplier, .. }, [(_, heard, _)]) = (&known.target, made_of)
        else {
            return None;
        };
        let is_one_place = publishing.places.len() == 1 && leaving(known).next().is_none();
        let is_alone = heard.sole && heard.listings.len() == 1 && is_one_place;
        let units = |sold: &Sold| Sold {
            units: sold.units / multiplier.max(&1),
            ..*sold
        };
        is_alone.then(|| heard.sold.iter().map(units).collect())
    }

    /// Whether it can be told which of the channel's sales lowered a listing's number.
    pub(super) fn tells_sales_apart(&self, listing: &ListingId) -> bool {
        let known = self.publishing.as_ref().zip(self.listings.get(listing));
        known.is_some_and(|(publishing, known)| {
            let made_of = self.made_of(&known.target);
            self.sold(publishing, known, &made_of).is_some()
        })
    }

    /// Of units of the SKU sold on the channel, those of the listing that explain why its number fell; 0 where they may be
    /// another listing's.
    pub(super) fn own_units(&self, listing: &ListingId, sku_units: u64) -> u64 {
        let (Some(publishing), Some(known)) = (&self.publishing, self.listings.get(listing)) else {
            return 0;
        };
        let ListingTarget::Sku { multiplier, .. } = &known.target else {
            return 0;
        };
        match self.sold(publishing, known, &self.made_of(&known.target)) {
            Some(_) => sku_units / u64::from(*multiplier.max(&1)),
            None => 0,
        }
    }
}

/// What a listing names itself.
pub(super) fn parts(target: &ListingTarget) -> Vec<(SkuId, u32)> {
    match target {
        ListingTarget::Sku { sku, multiplier } => vec![(sku.clone(), *multiplier)],
        ListingTarget::Kit {
            components,
            multiplier,
        } => {
            let part = components.iter().map(|one| {
                (
                    one.sku.clone(),
                    one.units_per_kit.saturating_mul(*multiplier),
                )
            });
            part.collect()
        }
    }
}

/// Units sold on the channel of each thousand, of what there is.
fn share_permille(known: &Listing) -> u64 {
    match known.mode {
        ListingMode::Live { share_permille } => share_permille.into(),
        ListingMode::NotInWave | ListingMode::Paused => 0,
    }
}

fn shows_none(publishing: &Publishing, known: &Listing, made_of: &[(SkuId, &Heard, u32)]) -> bool {
    let is_paused = |sku: &SkuId| publishing.paused_skus.contains(sku);
    let mut parts = made_of.iter();
    share_permille(known) == 0
        || publishing.mode == ChannelMode::Paused
        || parts.any(|(sku, heard, _)| heard.aside || is_paused(sku))
}

/// What was shown where nothing is counted, before it was made to show none.
fn restored(
    publishing: &Publishing,
    known: &Listing,
    units: &BTreeMap<SourceId, u32>,
) -> Vec<(SourceId, u32)> {
    let places = publishing.places.iter().map(|place| &place.place);
    let uncounted = places.filter(|place| !units.contains_key(*place));
    let kept = uncounted.filter_map(|id| Some((id.clone(), known.places.get(id)?.odd.kept?)));
    kept.collect()
}

fn stock_of(
    publishing: &Publishing,
    made_of: &[(SkuId, &Heard, u32)],
) -> BTreeMap<SkuId, Announced> {
    let stock = made_of.iter();
    let stock =
        stock.filter_map(|(sku, heard, _)| Some((sku.clone(), open_stock(publishing, heard)?)));
    stock.collect()
}

/// Its stock, without what is at paused and closed locations.
fn open_stock(publishing: &Publishing, heard: &Heard) -> Option<Announced> {
    let mut stock = heard.stock.clone()?;
    let paused = publishing.paused_locations.iter();
    for location in paused.chain(&publishing.closed_locations) {
        if let Some(ats) = stock.ats.get_mut(location) {
            *ats = 0;
        }
    }
    Some(stock)
}

/// Units at each place, when so many are kept back in all. Where numbers are sent all of them are; a place that is only
/// observed would have that once it is let in.
fn kept_back(
    publishing: &Publishing,
    units: BTreeMap<SourceId, u32>,
    kept: u32,
) -> BTreeMap<SourceId, u32> {
    let mut let_in = units.clone();
    let_in.retain(|place, _| publishing.sends_to(place));
    let mut units = units;
    keep_back(&mut units, kept);
    keep_back(&mut let_in, kept);
    units.extend(let_in);
    units
}

/// Takes so many units off in all, where most are first.
pub(super) fn keep_back(units: &mut BTreeMap<SourceId, u32>, kept: u32) {
    let mut kept = kept;
    let mut places: Vec<&mut u32> = units.values_mut().collect();
    places.sort_by_key(|units| std::cmp::Reverse(**units));
    for units in places {
        let taken = kept.min(*units);
        *units -= taken;
        kept -= taken;
    }
}

/// Units of the listing that are kept back.
fn kept_units(publishing: &Publishing, made_of: &[(SkuId, &Heard, u32)]) -> u32 {
    match &publishing.buffer {
        Buffer::Fixed { units } => *units,
        Buffer::Measured {
            risk_ppm,
            lag,
            floor_units,
            cap_units,
        } => {
            let lag = publishing.lag_beside(*lag);
            let others = |heard: &Heard| buffer_units(demand(heard.others, lag), risk(*risk_ppm));
            per_unit_units(made_of, others).clamp(*floor_units, (*cap_units).max(*floor_units))
        }
    }
}

/// The highest of what its SKUs say, per unit of the listing.
fn per_unit(made_of: &[(SkuId, &Heard, u32)], value: impl Fn(&Heard) -> u64) -> u64 {
    let each = made_of
        .iter()
        .map(|(_, heard, units)| value(heard).div_ceil(u64::from(*units)));
    each.max().unwrap_or(0)
}

fn per_unit_units(made_of: &[(SkuId, &Heard, u32)], value: impl Fn(&Heard) -> u32) -> u32 {
    let units = per_unit(made_of, |heard| value(heard).into());
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// What is asked for in that time at a rate that is known as well as its shape says.
#[expect(clippy::cast_precision_loss, reason = "rates and spans are estimates")]
fn demand(pace: Pace, span: Duration) -> Demand {
    let mean = pace.milli_per_h as f64 / MILLI * span.as_ms() as f64 / HOUR_MS;
    Demand::gamma_poisson(mean, pace.shape_milli as f64 / MILLI)
}

fn risk(ppm: u32) -> f64 {
    f64::from(ppm) / 1_000_000.0
}
