//! An order, its states over time, and how the API writes it down.

use crossdock_model::{Duration, Timestamp};
use serde_json::{Value, json};

use super::account::Listing;

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Sold and not paid yet.
    Pending,
    /// To be shipped.
    Unshipped,
    /// Some of it has left.
    PartiallyShipped,
    /// All of it has left.
    Shipped,
    /// Its payment failed.
    Cancelled,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Unshipped => "UNSHIPPED",
            Self::PartiallyShipped => "PARTIALLY_SHIPPED",
            Self::Shipped => "SHIPPED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// A package that the seller says has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) reference: String,
    pub(super) carrier: String,
    pub(super) tracking: String,
    pub(super) shipped_at: Timestamp,
    pub(super) units: u32,
}

/// What is so about an order from some time on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) status: Status,
    pub(super) packages: Vec<Package>,
    pub(super) cancel_asked: Option<String>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id, 3-7-7 digits.
    pub id: String,
    /// Its only item.
    pub item: String,
    /// What was sold.
    pub sku: String,
    /// How many.
    pub units: u32,
    /// When.
    pub placed_at: Timestamp,
    /// What it was listed as.
    listing: Listing,
    number: usize,
    /// States and since when they are; the newest last.
    states: Vec<(Timestamp, State)>,
}

impl Order {
    pub(super) fn new(
        number: usize,
        sku: &str,
        listing: &Listing,
        units: u32,
        now: Timestamp,
    ) -> Self {
        let state = State {
            status: Status::Pending,
            packages: Vec::new(),
            cancel_asked: None,
        };
        Self {
            id: format!("305-{:07}-{:07}", number / 10_000_000, number % 10_000_000),
            item: format!("{}", 60_000_000_000_000 + number),
            sku: sku.to_owned(),
            units,
            placed_at: now,
            listing: listing.clone(),
            number,
            states: vec![(now, state)],
        }
    }

    /// How far it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.state().status
    }

    /// Whether Amazon ships it: it is none of the seller's.
    #[must_use]
    pub fn is_amazons(&self) -> bool {
        self.listing.amazon_ships
    }

    /// Units that the seller says have left.
    #[must_use]
    pub fn shipped_units(&self) -> u32 {
        shipped(self.state())
    }

    /// Packages that the seller said have left.
    #[must_use]
    pub fn packages(&self) -> usize {
        self.state().packages.len()
    }

    /// Tracking number and units of each package that the seller said has left.
    pub fn parcels(&self) -> impl Iterator<Item = (&str, u32)> {
        let packages = self.state().packages.iter();
        packages.map(|one| (one.tracking.as_str(), one.units))
    }

    pub(super) fn state(&self) -> &State {
        // There is a first state, and none is ever taken away.
        &self.states[self.states.len() - 1].1
    }

    /// What was so at a time, and since when.
    pub(super) fn state_at(&self, at: Timestamp) -> Option<(Timestamp, &State)> {
        let mut known = self.states.iter().rev();
        let (since, state) = known.find(|(since, _)| *since <= at)?;
        Some((*since, state))
    }

    pub(super) fn now_and_since(&self) -> (Timestamp, &State) {
        let (since, state) = &self.states[self.states.len() - 1];
        (*since, state)
    }

    pub(super) fn become_at(&mut self, at: Timestamp, state: State) {
        let since = at.max(self.now_and_since().0);
        self.states.push((since, state));
    }

    /// The order resource. While a payment is pending nothing is told of the buyer.
    pub(super) fn body(&self, marketplace: &str, (since, state): (Timestamp, &State)) -> Value {
        let mut order = json!({
            "orderId": self.id,
            "createdTime": written(self.placed_at),
            "lastUpdatedTime": written(since),
            "programs": [],
            "salesChannel": { "channelName": "AMAZON", "marketplaceId": marketplace },
            "proceeds": { "grandTotal": money(self.listing.price_cents * u64::from(self.units)) },
            "fulfillment": self.fulfilment(state),
            "orderItems": [self.item_body(state)],
        });
        if state.status != Status::Pending && state.status != Status::Cancelled {
            let name = format!("Buyer Number {}", self.number);
            let email = format!("buyer-{}@marketplace.example", self.number);
            order["buyer"] = json!({ "buyerName": name, "buyerEmail": email });
            order["recipient"] = json!({ "deliveryAddress": address(&name, self.number) });
        }
        let packages: Vec<Value> = state.packages.iter().map(|one| self.package(one)).collect();
        if !packages.is_empty() {
            order["packages"] = packages.into();
        }
        order
    }

    fn fulfilment(&self, state: &State) -> Value {
        let window = |days: [u64; 2]| {
            let [first, last] =
                days.map(|days| written(self.placed_at + Duration::from_days(days)));
            json!({ "earliestDateTime": first, "latestDateTime": last })
        };
        json!({
            "fulfillmentStatus": state.status.name(),
            "fulfilledBy": if self.listing.amazon_ships { "AMAZON" } else { "MERCHANT" },
            "fulfillmentServiceLevel": "STANDARD",
            "shipByWindow": window([0, 2]),
            "deliverByWindow": window([3, 6]),
        })
    }

    fn item_body(&self, state: &State) -> Value {
        let sent = shipped(state);
        let waiting = match state.status {
            Status::Cancelled => 0,
            _ => self.units - sent,
        };
        let mut item = json!({
            "orderItemId": self.item,
            "quantityOrdered": self.units,
            "product": {
                "asin": format!("B{:09}", self.number),
                "title": self.listing.title,
                "sellerSku": self.sku,
                "price": { "unitPrice": money(self.listing.price_cents) },
            },
            "fulfillment": { "quantityFulfilled": sent, "quantityUnfulfilled": waiting },
        });
        if let Some(reason) = &state.cancel_asked {
            let asked = json!({ "requester": "BUYER", "cancelReason": reason });
            item["cancellation"] = json!({ "cancellationRequest": asked });
        }
        if state.status == Status::Cancelled {
            let done = json!({ "cancelledBy": "AMAZON", "cancelReason": "Payment failed" });
            item["cancellation"] = json!({ "cancellationExecution": done });
        }
        item
    }

    fn package(&self, package: &Package) -> Value {
        json!({
            "packageReferenceId": package.reference,
            "packageStatus": { "status": "SHIPPED" },
            "carrier": package.carrier,
            "shipTime": written(package.shipped_at),
            "trackingNumber": package.tracking,
            "packageItems": [{ "orderItemId": self.item, "quantity": package.units }],
        })
    }
}

pub(super) fn shipped(state: &State) -> u32 {
    state.packages.iter().map(|package| package.units).sum()
}

fn money(cents: u64) -> Value {
    json!({ "amount": format!("{}.{:02}", cents / 100, cents % 100), "currencyCode": "EUR" })
}

/// Somebody nowhere.
fn address(name: &str, number: usize) -> Value {
    json!({
        "name": name,
        "addressLine1": format!("Musterweg {}", number % 200 + 1),
        "city": "Musterstadt",
        "postalCode": format!("{:05}", 10_000 + number % 80_000),
        "countryCode": "DE",
        "addressType": "RESIDENTIAL",
    })
}

/// An instant as the API writes it.
pub(super) fn written(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_ms())
        .map(|at| at.to_string())
        .unwrap_or_default()
}

/// An instant as the API reads it.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let at = text.parse::<jiff::Timestamp>().ok()?;
    Some(Timestamp::from_ms(at.as_millisecond()))
}
