//! What the seller says: a number to show, a package that left.

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::account::{Account, Listing};
use super::body::{Package, Status, read, shipped};
use super::http::{Reply, refused};

/// The fulfilment channel of what the seller ships.
pub(super) const DEFAULT: &str = "DEFAULT";
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
        let amazon_ships = self.listings.get(sku).map(|listing| listing.amazon_ships);
        let problem = match (amazon_ships, shown) {
            (Some(false), Some(shown)) if typed => {
                self.write(sku, shown, now);
                None
            }
            (None, _) => Some(("13013", "This SKU is not in the catalogue")),
            (Some(_), _) => Some(("90000900", "The attributes are invalid")),
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
            Some(listing) => {
                let ours = Some(listing).filter(|listing| !listing.amazon_ships);
                let shown = |listing: &Listing| json!({ "fulfillmentChannelCode": DEFAULT, "quantity": listing.units });
                let shown: Vec<Value> = ours.map(shown).into_iter().collect();
                (200, json!({ "sku": sku, "fulfillmentAvailability": shown }))
            }
            None => refused(404, "NOT_FOUND", "the SKU is not known"),
        }
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
