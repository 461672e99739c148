//! The simulated shops as their shoppers see them.

use std::sync::Arc;

use super::shoppers::Counter;
use super::till::Till;
use crate::amazon::Market;
use crate::shopify::Shop;

/// What buyers of a cancelled order say, in a shop's words.
const REASON: &str = "customer";

/// A Shopify shop.
#[derive(Debug)]
pub struct ShopFront {
    /// The shop.
    pub shop: Arc<Shop>,
    /// Variants by rank, the best-selling first.
    pub variants: Vec<u64>,
}

impl Counter for ShopFront {
    async fn buy(&self, rank: usize, units: u32) -> Option<String> {
        let variant = *self.variants.get(rank)?;
        let order = self.shop.with(|store, now| store.buy(variant, units, now));
        order.map(|order| order.to_string())
    }

    fn cancel(&self, order: &str) {
        if let Ok(order) = order.parse() {
            self.shop
                .with(|store, now| store.cancel(order, REASON, true, now));
        }
    }

    fn edit(&self, order: &str) {
        let Ok(id) = order.parse::<u64>() else { return };
        self.shop.with(|store, now| {
            let line = store
                .orders()
                .find(|order| order.id == id)
                .and_then(|order| order.lines.iter().find(|line| line.current_units > 1))
                .map(|line| line.id);
            line.map(|line| store.refund(id, line, 1, true, now))
        });
    }
}

/// An Amazon seller's account. Its buyers ask to cancel, and change nothing else.
#[derive(Debug)]
pub struct MarketFront {
    /// The account.
    pub market: Arc<Market>,
    /// SKUs by rank, the best-selling first.
    pub skus: Vec<String>,
}

impl Counter for MarketFront {
    async fn buy(&self, rank: usize, units: u32) -> Option<String> {
        let sku = self.skus.get(rank)?;
        self.market
            .with(|account, now| account.buy(sku, units, now))
    }

    fn cancel(&self, order: &str) {
        self.market
            .with(|account, now| account.ask_cancel(order, REASON, now));
    }

    fn edit(&self, _order: &str) {}
}

/// What is paid at a till is carried home: nothing of it is changed.
impl Counter for Till {
    async fn buy(&self, rank: usize, units: u32) -> Option<String> {
        self.ask(rank, units).await
    }

    fn cancel(&self, _order: &str) {}

    fn edit(&self, _order: &str) {}
}
