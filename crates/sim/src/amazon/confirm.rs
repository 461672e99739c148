//! What the seller says: a number to show, a package that left.

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::account::{Account, Listing};
use super::body::{Package, Status, read, shipped, written};
use super::http::{Reply, refused};
use super::search::Query;

/// The fulfilment channel of what the seller ships.
pub(super) const DEFAULT: &str = "DEFAULT";
/// That of what Amazon ships.
const AMAZONS: &str = "AMAZON_EU";
/// SKUs that are looked for at once.
const SEARCHED_MAX: usize = 20;
/// Listings of a search that are told at most.
const FOUND_MAX: usize = 1_000;
/// Listings of a page, unless another number is asked for.
const PAGE_ITEMS: usize = 10;
const ATTRIBUTE: &str = "/attributes/fulfillment_availability";

/// A number to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) units: u32,
    /// Whether what else is said of its place stays.
    pub(super) is_merged: bool,
}

/// What patches of a listing make it show.
pub(super) fn patched(patches: Option<&Value>) -> Option<Shown> {
    let [patch] = patches?.as_array()?.as_slice() else {
        return None;
    };
    let is_merged = match patch.get("op")?.as_str()? {
        "merge" => true,
        "replace" => false,
        _ => return None,
    };
    let value = patch.get("value").filter(|_| patch["path"] == ATTRIBUTE)?;
    let units = number(value)?;
    Some(Shown { units, is_merged })
}

/// The number in the value of the attribute that holds it.
fn number(value: &Value) -> Option<u32> {
    let [one] = value.as_array()?.as_slice() else {
        return None;
    };
    let is_ours = one.get("fulfillment_channel_code")?.as_str() == Some(DEFAULT);
    let units = one.get("quantity")?.as_u64().filter(|_| is_ours)?;
    u32::try_from(units).ok()
}

impl Account {
    /// Replaces the number that a SKU shows.
    pub(super) fn patch(&mut self, sku: &str, body: &Value, now: Timestamp) -> Reply {
        self.settle(now);
        let shown = patched(body.get("patches"));
        let typed = body.get("productType").and_then(Value::as_str).is_some();
        let problem = match shown {
            _ if !self.listings.contains_key(sku) => {
                Some(("13013", "This SKU is not in the catalogue"))
            }
            Some(shown) if typed => {
                self.write(sku, shown, now);
                None
            }
            _ => Some(("90000900", "The attributes are invalid")),
        };
        let status = match problem {
            None => "ACCEPTED",
            Some(_) => "INVALID",
        };
        let issue =
            |(code, message)| json!({ "code": code, "message": message, "severity": "ERROR" });
        let issues: Vec<Value> = problem.into_iter().map(issue).collect();
        let submission =
            json!({ "sku": sku, "status": status, "submissionId": "1", "issues": issues });
        (200, submission)
    }

    /// What a SKU shows.
    pub(super) fn item(&mut self, sku: &str, now: Timestamp) -> Reply {
        self.settle(now);
        match self.listings.get(sku) {
            Some(listing) => (200, availability(sku, listing)),
            None => refused(404, "NOT_FOUND", "the SKU is not known"),
        }
    }

    /// What several SKUs show, of those that there are.
    pub(super) fn items(&mut self, query: &Query, now: Timestamp) -> Reply {
        self.settle(now);
        let Some(skus) = query.get("identifiers") else {
            return self.list_items(query);
        };
        let skus: Vec<&str> = skus.split(',').collect();
        let is_named = query.get("identifiersType").map(String::as_str) == Some("SKU");
        if !is_named || skus.len() > SEARCHED_MAX {
            return refused(400, "InvalidInput", "up to 20 SKUs are looked for here");
        }
        let size = query.get("pageSize").and_then(|size| size.parse().ok());
        let found = skus.iter().filter_map(|sku| {
            let listing = self.listings.get(*sku)?;
            Some(availability(sku, listing))
        });
        let items: Vec<Value> = found.take(size.unwrap_or(PAGE_ITEMS)).collect();
        (
            200,
            json!({ "numberOfResults": items.len(), "items": items }),
        )
    }

    /// A page of all listings, those that were made first in front. No search tells more than a thousand.
    fn list_items(&self, query: &Query) -> Reply {
        let is = |name: &str, value: &str| query.get(name).is_some_and(|told| told == value);
        if !is("sortBy", "createdDate") || !is("sortOrder", "ASC") {
            return refused(
                400,
                "InvalidInput",
                "listings are sorted by when they were made here",
            );
        }
        let since = query.get("createdAfter").and_then(|text| read(text));
        let made = (0..).zip(&self.made).map(|(at, sku)| (made_at(at), sku));
        let made = made.filter(|(at, _)| since.is_none_or(|since| *at >= since));
        let found: Vec<_> = made.take(FOUND_MAX).collect();
        let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
        let (begin, size) = (number("pageToken"), number("pageSize"));
        let (begin, size): (usize, usize) = (begin.unwrap_or(0), size.unwrap_or(PAGE_ITEMS));
        let items = found.iter().skip(begin).take(size).map(|(at, sku)| {
            let mut item = availability(sku, &self.listings[*sku]);
            let name = &self.listings[*sku].title;
            item["summaries"] = json!([{ "itemName": name, "createdDate": written(*at) }]);
            item
        });
        let mut page =
            json!({ "numberOfResults": found.len(), "items": items.collect::<Vec<_>>() });
        if begin + size < found.len() {
            page["pagination"] = json!({ "nextToken": (begin + size).to_string() });
        }
        (200, page)
    }

    /// Takes what the seller says of a package. Said again of the same package, it replaces what was said.
    pub(super) fn confirm(&mut self, order: &str, body: &Value, now: Timestamp) -> Reply {
        self.settle(now);
        let Some(order) = self.order_mut(order) else {
            return refused(404, "NotFound", "the order is not known");
        };
        let Some(package) = package(&order.item, body) else {
            return refused(400, "InvalidInput", "the package is not well said");
        };
        let mut state = order.state().clone();
        state
            .packages
            .retain(|one| one.reference != package.reference);
        state.packages.push(package);
        let sent = shipped(&state);
        let open = matches!(
            state.status,
            Status::Unshipped | Status::PartiallyShipped | Status::Shipped
        );
        if !open || sent > order.units {
            return refused(400, "InvalidInput", "more than there is to ship");
        }
        state.status = match sent == order.units {
            true => Status::Shipped,
            false => Status::PartiallyShipped,
        };
        if state != *order.state() {
            order.become_at(now, state);
        }
        (204, Value::Null)
    }
}

/// One listing was made a second.
fn made_at(number: i64) -> Timestamp {
    Timestamp::from_ms(number * 1_000)
}

/// What is said of a listing: of one that the seller has not given a number yet, only that the seller sends it.
fn availability(sku: &str, listing: &Listing) -> Value {
    let places = match listing.amazon_ships {
        true => json!([{ "fulfillmentChannelCode": AMAZONS }]),
        false if !listing.has_number => json!([{ "fulfillmentChannelCode": DEFAULT }]),
        false => json!([{ "fulfillmentChannelCode": DEFAULT, "quantity": listing.units }]),
    };
    json!({ "sku": sku, "fulfillmentAvailability": places })
}

fn package(item: &str, body: &Value) -> Option<Package> {
    let detail = body.get("packageDetail")?;
    let text = |name: &str| detail.get(name)?.as_str().map(str::to_owned);
    let mut units = 0_u32;
    for line in detail.get("orderItems")?.as_array()? {
        let count = line.get("quantity")?.as_u64()?;
        let is_ours = line.get("orderItemId")?.as_str()? == item && count > 0;
        let count = u32::try_from(count).ok().filter(|_| is_ours)?;
        units = units.checked_add(count)?;
    }
    let reference = text("packageReferenceId")?;
    let is_number = reference.parse::<u64>().is_ok_and(|number| number > 0);
    Some(Package {
        reference: Some(reference).filter(|_| is_number)?,
        carrier: text("carrierCode")?,
        tracking: text("trackingNumber")?,
        shipped_at: read(&text("shipDate")?)?,
        units: Some(units).filter(|units| *units > 0)?,
    })
}
