//! What a bucket remembers.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::EffectNumber;
use crossdock_model::v1::{
    ListingMode, ListingTarget, Publishing, SellingRate, ShownLevel, Sold, Uncounted, Writes,
};
use crossdock_model::{Answer, Duration, ListingId, SkuId, SourceId, Timestamp};
use litemap::LiteMap;
use serde::{Deserialize, Deserializer, Serialize};

use super::agenda::Agenda;
use super::changes::Changes;
use super::drift::Drifts;
use super::missing::Missing;
use crate::decider::Pending;
use crate::exceptions::OpenExceptions;
use crate::publish::{Act, Announced, Slot};
use crate::seldom::{AtFirst, Seldom};

/// State of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BucketState {
    #[serde(deserialize_with = "in_full_nodes")]
    pub(super) listings: BTreeMap<ListingId, Listing>,
    /// Nothing is published to a channel without.
    pub(super) publishing: Option<Box<Publishing>>,
    /// The SKUs it listens to, all that its listings are made of.
    #[serde(deserialize_with = "in_full_nodes")]
    pub(super) skus: BTreeMap<SkuId, Box<Heard>>,
    /// Numbers that are not as they should be.
    pub(super) wrong: Agenda,
    /// Numbers about which an exception is open though they are right again.
    pub(super) righted: BTreeSet<NumberId>,
    /// Numbers that are none any more, about which it is open that a write of them was lost.
    pub(super) gone: BTreeSet<NumberId>,
    /// Numbers of which none is sent, as the channel sends what they are about itself.
    pub(super) sent_by_channel: BTreeSet<NumberId>,
    /// Numbers that would be sent, and that the channel does not have.
    pub(super) missing: Missing,
    /// All orders of the channel up to then were taken off.
    pub(super) proof: Timestamp,
    /// Of sales of the channel in the last so long nothing may be known here, as its orders are not read.
    pub(super) behind: Option<Duration>,
    /// Number of the last call.
    pub(super) calls: u64,
    pub(super) pending: Pending,
    /// Which SKU an effect asks, and after which proof.
    pub(super) asks: BTreeMap<EffectNumber, (SkuId, Timestamp)>,
    /// SKUs that could not be listened to, and when each is asked again.
    pub(super) unheard: BTreeMap<SkuId, Timestamp>,
    /// Subjects of exceptions about SKUs that could not be listened to and need not be any more.
    pub(super) unlisted: BTreeSet<String>,
    pub(super) exceptions: OpenExceptions,
    /// What the channel does not show yet, and since when.
    pub(super) changes: Changes,
}

fn in_full_nodes<'de, D, K, V>(from: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    Ok(packed(BTreeMap::deserialize(from)?))
}

/// A map as it takes the least room. Put in one by one, in order, entries fill half of each node.
fn packed<K: Ord, V>(map: BTreeMap<K, V>) -> BTreeMap<K, V> {
    map.into_iter().collect()
}

/// One number: a listing at a place.
pub(super) type NumberId = (ListingId, SourceId);

/// A listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Listing {
    pub target: ListingTarget,
    pub mode: ListingMode,
    /// What it shows, by the channel's places.
    pub places: LiteMap<SourceId, Place>,
}

/// A listing at a place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub slot: Slot,
    pub odd: Seldom<Odd>,
}

/// What is so of few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Odd {
    /// The channel said then that it does not count it there.
    pub untracked_at: Option<Timestamp>,
    /// The channel refused it last, and takes no other number of it, as far as is known.
    pub refused_at: Option<Timestamp>,
    /// The channel had no such number then, and said nothing of it since.
    pub missing_at: Option<Timestamp>,
    /// It is open that it is wrong.
    pub is_told: bool,
    /// It is open that a write of it was lost.
    pub is_lost: bool,
    /// What it showed of something that is not counted here, when it was made to show none: it is shown again after.
    pub kept: Option<u32>,
    pub drifts: Drifts,
    /// The settings name it no more: it is to show none, and is forgotten then.
    pub is_leaving: bool,
    /// It sells less of our locations than before: what it shows above that is kept back at others.
    pub gives: bool,
}

impl AtFirst for Odd {
    const AT_FIRST: &'static Self = &Self {
        untracked_at: None,
        refused_at: None,
        missing_at: None,
        is_told: false,
        is_lost: false,
        kept: None,
        drifts: Drifts::NONE,
        is_leaving: false,
        gives: false,
    };
}

impl Place {
    /// When the channel said something of it last, by its clock; by ours, that it does not have it.
    pub fn stated_at(&self) -> Option<Timestamp> {
        let shown_at = self.slot.shown().map(|shown| shown.at);
        self.odd.untracked_at.max(self.odd.missing_at).max(shown_at)
    }

    /// Whether the channel does not have it there: nothing can be set, and nobody buys it.
    pub fn is_missing(&self) -> bool {
        self.odd.missing_at.is_some()
    }

    /// Whether the channel has it there and counts it, so that a number is sent of it.
    pub fn can_be_set(&self) -> bool {
        self.is_tracked() && !self.is_missing()
    }

    /// Whether a statement says anything that is not known, nor will be once the call under way has ended.
    pub fn tells(&self, level: &ShownLevel, writes: Writes) -> bool {
        let echo = level.units.filter(|_| self.is_tracked());
        if echo.is_some_and(|units| self.slot.is_echo(units, writes)) {
            return false;
        }
        let known = self.stated_at();
        let other = self.slot.shown().map(|shown| shown.units) != level.units;
        known < Some(level.at) || (known == Some(level.at) && other)
    }

    /// Whether that is what it shows as far as is known (or it is still not counted there), and another number is neither to be
    /// sent nor waits for a look: of one that is sent to nobody, whether there was a look.
    pub fn rests_at(&self, level: &ShownLevel, is_published: bool, now: Timestamp) -> bool {
        let shown = self.slot.shown().map(|shown| shown.units);
        let rests = match is_published {
            true => self.slot.is_settled() && !self.slot.is_roomy(),
            false => self.slot.look(now) == Act::Nothing,
        };
        match self.is_tracked() {
            true => rests && shown.is_some() && shown == level.units,
            false => level.units.is_none(),
        }
    }

    /// Whether the channel counts it there, as far as it said.
    pub fn is_tracked(&self) -> bool {
        self.odd.untracked_at.is_none() || self.odd.untracked_at < self.stated_at()
    }

    /// Whether the channel does not count it there, as it sends it itself.
    pub fn is_sent_by_channel(&self, publishing: &Publishing) -> bool {
        !self.is_tracked() && publishing.uncounted == Uncounted::SentByChannel
    }

    fn level(&self, place: &SourceId) -> Option<ShownLevel> {
        if self.is_missing() {
            return None;
        }
        let units = self.slot.shown().filter(|_| self.is_tracked());
        Some(ShownLevel {
            place: place.clone(),
            units: units.map(|shown| shown.units),
            at: self.stated_at()?,
        })
    }
}

/// What a SKU said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Heard {
    pub stock: Option<Announced>,
    pub sold: Box<[Sold]>,
    pub sold_units: u64,
    pub sole: bool,
    /// How fast it sells on the bucket's channel.
    pub own: Pace,
    /// The same of all other channels that list it together.
    pub others: Pace,
    /// It is put aside: there is none of it.
    pub aside: bool,
    /// The proof after which it was asked last.
    pub proof: Timestamp,
    /// The listings that are made of it, in order.
    pub listings: Vec<ListingId>,
}

/// How fast a SKU sells, as [`SellingRate`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    pub milli_per_h: u64,
    pub shape_milli: u64,
}

impl Pace {
    /// Of all that sells it.
    pub fn of<'a>(rates: impl Iterator<Item = &'a SellingRate>) -> Self {
        rates.fold(Self::default(), |all, rate| Self {
            milli_per_h: all.milli_per_h.saturating_add(rate.milli_per_h),
            shape_milli: all.shape_milli.saturating_add(rate.shape_milli),
        })
    }
}

impl Heard {
    pub fn is_part_of(&self, listing: &ListingId) -> bool {
        self.listings.binary_search(listing).is_ok()
    }

    pub fn join(&mut self, listing: &ListingId) {
        if let Err(at) = self.listings.binary_search(listing) {
            // Nearly always it is the only one.
            self.listings.reserve_exact(1);
            self.listings.insert(at, listing.clone());
        }
    }

    pub fn leave(&mut self, listing: &ListingId) {
        if let Ok(at) = self.listings.binary_search(listing) {
            self.listings.remove(at);
        }
    }
}

impl BucketState {
    /// Takes the least room, after many listings came one by one.
    pub(super) fn pack(&mut self) {
        self.listings = packed(std::mem::take(&mut self.listings));
        self.skus = packed(std::mem::take(&mut self.skus));
    }

    pub(super) fn look(&self, listing: &ListingId) -> Answer {
        let found = self.listings.get_key_value(listing);
        let found = found.map(|(listing, known)| (listing.clone(), known.target.clone()));
        Answer::Listings(found.into_iter().collect())
    }

    pub(super) fn look_shown(&self, listing: &ListingId) -> Answer {
        let known = self.listings.get(listing).into_iter();
        let places = known.flat_map(|known| &known.places);
        Answer::Shown(places.filter_map(|(id, place)| place.level(id)).collect())
    }

    pub(super) fn place(&self, (listing, place): &NumberId) -> Option<&Place> {
        self.listings.get(listing)?.places.get(place)
    }
}
