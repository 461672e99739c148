//! Which SKUs are listened to for which listings.

use std::collections::BTreeSet;

use crossdock_model::command::{Effect, EffectNumber, SkuCommand};
use crossdock_model::v1::{PublishedStock, Tracking};
use crossdock_model::{Command, EntityId, ListingId, SkuId};

use super::numbers::parts;
use super::state::{BucketState, NumberId};
use super::{SKU_UNHEARD, stock};
use crate::sku::KIT_DEPTH_MAX;

impl BucketState {
    /// Listens to everything that a listing is made of, as far as that is known.
    pub(super) fn listen(&mut self, id: &EntityId, listing: &ListingId) {
        let publishing = self.publishing.as_ref();
        let is_counted = publishing.is_some_and(|publishing| publishing.counts(listing));
        let (Some(known), true) = (self.listings.get(listing), is_counted) else {
            return;
        };
        let mut open: Vec<(SkuId, usize)> = parts(&known.target)
            .into_iter()
            .map(|(sku, _)| (sku, 0))
            .collect();
        let mut seen = BTreeSet::new();
        while let Some((sku, depth)) = open.pop() {
            if !seen.insert(sku.clone()) {
                continue;
            }
            let is_new = !self.skus.contains_key(&sku);
            let heard = self.skus.entry(sku.clone()).or_default();
            heard.join(listing);
            if let Some(Tracking::Kit(kit)) = heard.stock.as_ref().map(|stock| &stock.tracking)
                && depth < KIT_DEPTH_MAX
            {
                open.extend(
                    kit.components
                        .iter()
                        .map(|one| (one.sku.clone(), depth + 1)),
                );
            }
            if is_new {
                self.ask(id, &sku);
            }
        }
    }

    pub(super) fn stop_listening(&mut self, id: &EntityId, listing: &ListingId) {
        for sku in self.heard_by(listing) {
            self.leave(id, listing, &sku);
        }
    }

    /// A listing is made of a SKU no more.
    fn leave(&mut self, id: &EntityId, listing: &ListingId, sku: &SkuId) {
        let Some(heard) = self.skus.get_mut(sku) else {
            return;
        };
        heard.leave(listing);
        if heard.listings.is_empty() {
            self.skus.remove(sku);
            self.unheard.remove(sku);
            if let EntityId::Bucket(channel, _) = id {
                let subject = stock::subject(channel, sku);
                let open = self.exceptions.close(SKU_UNHEARD, &subject, None, "");
                self.unlisted.extend(open.map(|_| subject));
            }
        }
    }

    /// Asks a SKU what it says, and to say it again whenever that changes.
    pub(super) fn ask(&mut self, id: &EntityId, sku: &SkuId) {
        let command = SkuCommand::Subscribe { bucket: id.clone() };
        let effect = self.pending.begin(Effect::Tell {
            to: EntityId::Sku(sku.clone()),
            command: Box::new(Command::Sku(command)),
            tentative: false,
        });
        self.asks.insert(effect, (sku.clone(), self.proof));
    }

    pub(super) fn end_ask(&mut self, effect: EffectNumber) -> Option<SkuId> {
        self.pending.end(effect);
        self.asks.remove(&effect).map(|(sku, _)| sku)
    }

    /// What waits for proof, or fell unexplained, is computed afresh by its SKU: after what was read.
    pub(super) fn ask_for_proof(&mut self, id: &EntityId) {
        let waits = |number: &NumberId| {
            let slot = self.place(number).map(|place| &place.slot);
            slot.is_some_and(|slot| {
                let is_read = slot.wrong_since().is_some_and(|since| since <= self.proof);
                is_read || slot.unexplained() > 0
            })
        };
        let numbers = self.wrong.numbers().filter(|number| waits(number));
        let listings: BTreeSet<&ListingId> = numbers.map(|(listing, _)| listing).collect();
        let under_way: BTreeSet<&SkuId> = self.asks.values().map(|(sku, _)| sku).collect();
        let skus = self.skus.iter().filter(|(sku, heard)| {
            !under_way.contains(sku) && heard.listings.iter().any(|one| listings.contains(one))
        });
        let skus: Vec<SkuId> = skus.map(|(sku, _)| sku.clone()).collect();
        skus.iter().for_each(|sku| self.ask(id, sku));
    }

    /// Listings that are made of other SKUs from this statement on, and what they were made of before.
    pub(super) fn recomposed(&self, stock: &PublishedStock) -> Vec<(ListingId, Vec<SkuId>)> {
        let Some(heard) = self.skus.get(&stock.sku).filter(|_| !stock.aside) else {
            return Vec::new();
        };
        let known = heard.stock.as_ref();
        let was = known.map_or(&Tracking::Tracked, |known| &known.tracking);
        let is_kit = |tracking| matches!(tracking, &Tracking::Kit(_));
        let is_newer = known.is_none_or(|known| known.version <= stock.version);
        if !is_newer || *was == stock.tracking || !(is_kit(was) || is_kit(&stock.tracking)) {
            return Vec::new();
        }
        let listings = heard.listings.iter();
        listings
            .map(|listing| (listing.clone(), self.heard_by(listing)))
            .collect()
    }

    pub(super) fn recompose(&mut self, id: &EntityId, listing: &ListingId, before: &[SkuId]) {
        self.count_anew(&self.listings_of(before));
        self.listen(id, listing);
        let after = self.heard_by(listing);
        for sku in before.iter().filter(|sku| !after.contains(sku)) {
            self.leave(id, listing, sku);
        }
        self.count_anew(&self.listings_of(&after));
    }

    /// Listings that share a SKU with this one, and itself.
    pub(super) fn beside(&self, listing: &ListingId) -> Vec<ListingId> {
        self.listings_of(&self.heard_by(listing))
    }

    fn listings_of(&self, skus: &[SkuId]) -> Vec<ListingId> {
        let heard = skus.iter().filter_map(|sku| self.skus.get(sku));
        let all: BTreeSet<&ListingId> = heard.flat_map(|heard| &heard.listings).collect();
        all.into_iter().cloned().collect()
    }

    /// Listings that share a SKU with those that a kit is part of.
    pub(super) fn beside_kit(&self, stock: &PublishedStock) -> Vec<ListingId> {
        let heard = self.skus.get(&stock.sku);
        let known = heard.and_then(|heard| heard.stock.as_ref());
        let known = known.map(|known| &known.tracking);
        let kits = [known, Some(&stock.tracking)].into_iter().flatten();
        let is_kit = kits.into_iter().any(|one| matches!(one, Tracking::Kit(_)));
        let listings = heard.filter(|_| is_kit).map(|heard| &heard.listings);
        let beside = listings.into_iter().flatten();
        beside.flat_map(|listing| self.beside(listing)).collect()
    }

    /// The SKUs that are listened to for a listing.
    fn heard_by(&self, listing: &ListingId) -> Vec<SkuId> {
        let known = self.listings.get(listing);
        let made_of = known.map(|known| self.made_of(&known.target));
        let made_of = made_of.into_iter().flatten();
        let heard = made_of.filter(|(_, heard, _)| heard.is_part_of(listing));
        heard.map(|(sku, _, _)| sku).collect()
    }
}
