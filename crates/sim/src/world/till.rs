//! A till: it asks before it sells, and takes no for an answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crossdock_model::Timestamp;
use serde_json::json;

use super::door::{Answer, Door};

/// What a till was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The units are the buyer's.
    Sold,
    /// There are none.
    Refused,
    /// Nothing that settles it.
    Unanswered,
}

/// Something that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The order, `till:T-1`.
    pub order: String,
    /// What was wanted.
    pub sku: String,
    /// How many.
    pub units: u32,
    /// When the till asked.
    pub asked_at: Timestamp,
    /// What the till was told.
    pub asked: Asked,
}

/// A till with its book.
#[derive(Debug)]
pub struct Till {
    door: Door,
    channel: String,
    skus: Vec<String>,
    book: Mutex<Vec<Sale>>,
}

impl Till {
    /// A till of a channel that asks, for SKUs by rank, the best-selling first.
    #[must_use]
    pub fn new(door: Door, channel: &str, skus: Vec<String>) -> Self {
        Self {
            door,
            channel: channel.to_owned(),
            skus,
            book: Mutex::default(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Vec<Sale>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was asked for: the till's own book.
    #[must_use]
    pub fn sales(&self) -> Vec<Sale> {
        self.book().clone()
    }

    /// Asks for units of the SKU of that rank. Returns the order if they are the buyer's.
    pub async fn ask(&self, rank: usize, units: u32) -> Option<String> {
        let sku = self.skus.get(rank)?.clone();
        let (entry, external) = {
            let mut book = self.book();
            let external = format!("T-{}", book.len() + 1);
            book.push(Sale {
                order: format!("{}:{external}", self.channel),
                sku: sku.clone(),
                units,
                asked_at: self.door.now(),
                asked: Asked::Unanswered,
            });
            (book.len() - 1, external)
        };
        let order = json!({
            "channel": self.channel, "external_id": external,
            "lines": [{ "line": "1", "sku": sku, "units": units }],
            "destination": { "country": "US", "state": "NV" },
        });
        let answer = self.door.post("/v1/orders", &external, &order).await;
        let asked = answer.as_ref().map_or(Asked::Unanswered, told);
        let mut book = self.book();
        book[entry].asked = asked;
        (asked == Asked::Sold).then(|| book[entry].order.clone())
    }
}

/// What an answer means to the buyer.
pub(super) fn told(answer: &Answer) -> Asked {
    let status = answer.body["status"].as_str().unwrap_or_default();
    let is_theirs = matches!(
        status,
        "reserved" | "requested" | "acknowledged" | "partly_shipped" | "shipped"
    );
    match (answer.is_done(), answer.code()) {
        (true, _) if is_theirs => Asked::Sold,
        (false, Some("short")) => Asked::Refused,
        _ => Asked::Unanswered,
    }
}
