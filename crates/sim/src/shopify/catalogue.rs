//! What the shop sells, and where it keeps stock.

use std::collections::BTreeMap;

use super::store::{Item, Product, Store};

impl Store {
    /// Opens a location.
    pub fn add_location(&mut self, name: &str) -> u64 {
        let location = self.next_id();
        self.locations.insert(location, name.to_owned());
        location
    }

    /// Deactivates a location. It is listed to those who ask for such ones.
    pub fn close_location(&mut self, location: u64) {
        self.closed.insert(location);
    }

    /// Begins to sell something, of which there is nothing yet.
    pub fn add_product(&mut self, sku: &str, price_cents: u64) -> Product {
        let (variant, item) = (self.next_id(), self.next_id());
        let sold = Item {
            variant,
            sku: sku.to_owned(),
            price_cents,
            is_tracked: true,
            levels: BTreeMap::new(),
            changed_at: BTreeMap::new(),
        };
        self.items.insert(item, sold);
        self.variants.insert(variant, item);
        Product { variant, item }
    }

    /// Stocks an item at a location no more.
    pub fn unstock(&mut self, item: u64, location: u64) {
        if let Some(item) = self.items.get_mut(&item) {
            item.levels.remove(&location);
        }
    }

    /// Whether the shop counts an item at all.
    pub fn track(&mut self, item: u64, is_tracked: bool) {
        if let Some(item) = self.items.get_mut(&item) {
            item.is_tracked = is_tracked;
        }
    }
}
