//! What a SKU shows: one number a call that is set, and each write replaces what was there; several that are read.

use std::collections::BTreeMap;

use crossdock_model::{ListingId, SourceId, Timestamp};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Pagination, Seller, unreadable};
use super::operation::Operation;
use super::wire::{Answer, Problem, Request, problems};
use crate::outbound::{CallError, Calling, NumberSet, NumberShown, Numbers, SetOutcome, said};

/// Numbers read in one call at most.
pub const READS_MAX: usize = 20;
/// Between SKUs in a query. Amazon takes one that is escaped for one that is not.
const BETWEEN: &str = ",";
/// What is asked of a listing.
const AVAILABILITY: &str = "fulfillmentAvailability";

#[derive(Deserialize)]
struct Submission {
    status: String,
    issues: Option<Vec<Problem>>,
}

#[derive(Deserialize)]
pub(super) struct Found {
    pub(super) items: Vec<Item>,
    pub(super) pagination: Option<Pagination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) sku: String,
    fulfillment_availability: Option<Vec<Availability>>,
    pub(super) summaries: Option<Vec<Summary>>,
}

/// What a listing is on one marketplace.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) item_name: Option<String>,
    pub(super) created_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Availability {
    fulfillment_channel_code: String,
    quantity: Option<i64>,
}

/// What Amazon says of who sends a listing. A number of ours would make it leave what it sends itself to the seller, and lock
/// away what lies with it: none is sent of what it says nothing of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// From that place, where it shows so many: none, if nobody has given a number.
    Here(i64),
    /// From other places only.
    Elsewhere,
    /// It names no place.
    Unsaid,
}

impl Item {
    pub(super) fn sent_from(&self, code: &str) -> Sent {
        let places = self.fulfillment_availability.as_deref().unwrap_or_default();
        let mut known = places.iter();
        match known.find(|one| one.fulfillment_channel_code == code) {
            Some(here) => Sent::Here(here.quantity.unwrap_or(0)),
            None if places.is_empty() => Sent::Unsaid,
            None => Sent::Elsewhere,
        }
    }

    /// What it shows at a place; `None`: that is not known.
    fn shown_at(&self, code: &str, at: Timestamp) -> Option<NumberShown> {
        let units = match self.sent_from(code) {
            Sent::Here(units) => Some(units),
            Sent::Elsewhere => None,
            Sent::Unsaid => return None,
        };
        Some(NumberShown {
            units,
            at,
            changed_at: None,
        })
    }
}

/// Amazon sets one number a call; those after one that has no answer are left without one. *Keyed* by itself: Amazon
/// takes no key, and a repeat sets the same number. What it accepts it shows soon after.
impl Numbers for Seller {
    fn set(&self, numbers: Vec<NumberSet>) -> Calling<SetOutcome> {
        let seller = self.clone();
        Box::pin(async move {
            let mut answers = Vec::with_capacity(numbers.len());
            for number in &numbers {
                match seller.set_one(number).await {
                    Ok(outcome) => answers.push(outcome),
                    Err(error) if answers.is_empty() => return Err(error),
                    Err(_) => break,
                }
            }
            Ok(answers)
        })
    }

    fn read(&self, numbers: Vec<(ListingId, SourceId)>) -> Calling<Option<NumberShown>> {
        let seller = self.clone();
        Box::pin(async move { seller.read_all(&numbers).await })
    }
}

/// What sets a number. The fulfilment channel is the place: `DEFAULT` for what the seller ships. It is merged into what the
/// listing says of that place: in place of it, it would take the seller's handling time away.
pub(super) fn patches(place: &SourceId, units: u32) -> Value {
    json!([{
        "op": "merge",
        "path": "/attributes/fulfillment_availability",
        "value": [{ "fulfillment_channel_code": channel_code(place), "quantity": units }],
    }])
}

fn channel_code(place: &SourceId) -> &str {
    let (_, code) = place.as_str().split_once('/').unwrap_or_default();
    code
}

impl Seller {
    async fn set_one(&self, number: &NumberSet) -> Result<SetOutcome, CallError> {
        let inner = self.inner();
        let request = Request {
            operation: Operation::PatchListingsItem,
            method: Method::PATCH,
            path: &self.item(&number.listing),
            query: vec![("marketplaceIds", inner.marketplace.clone())],
            body: Some(
                json!({ "productType": inner.product_type, "patches": patches(&number.place, number.units) }),
            ),
        };
        let body = match inner.wire.call(&request).await? {
            Answer::Done(body) => body,
            Answer::Refused { problem, .. } => return Ok(SetOutcome::Refused(problem)),
        };
        let submission: Submission = serde_json::from_slice(&body).map_err(unreadable)?;
        Ok(match submission.status.as_str() {
            "ACCEPTED" => SetOutcome::Confirmed {
                at: inner.wire.time_there(),
            },
            status => {
                let issues = submission.issues.unwrap_or_default();
                SetOutcome::Refused(format!("{}: {}", said(status), problems(&issues)))
            }
        })
    }

    async fn read_all(
        &self,
        numbers: &[(ListingId, SourceId)],
    ) -> Result<Vec<Option<NumberShown>>, CallError> {
        let listings = numbers.iter().map(|(listing, _)| listing);
        let (alone, together): (Vec<&ListingId>, Vec<&ListingId>) =
            listings.partition(|listing| listing.as_str().contains(BETWEEN));
        let mut items = BTreeMap::new();
        for some in together.chunks(READS_MAX) {
            let found = self.search(some).await?;
            items.extend(found.into_iter().map(|item| (item.sku.clone(), item)));
        }
        for listing in alone {
            let item = self.get(listing).await?;
            items.extend(item.map(|item| (listing.to_string(), item)));
        }
        let at = self.inner().wire.time_there();
        let answers = numbers.iter().map(|(listing, place)| {
            let item = items.get(listing.as_str())?;
            item.shown_at(channel_code(place), at)
        });
        Ok(answers.collect())
    }

    /// Those of the listings that the seller has.
    async fn search(&self, listings: &[&ListingId]) -> Result<Vec<Item>, CallError> {
        let skus: Vec<&str> = listings.iter().map(|listing| listing.as_str()).collect();
        let query = vec![
            ("identifiersType", "SKU".to_owned()),
            ("identifiers", skus.join(BETWEEN)),
            ("includedData", AVAILABILITY.to_owned()),
        ];
        Ok(self.search_items(query).await?.items)
    }

    /// A page of the listings that are asked for.
    pub(super) async fn search_items(
        &self,
        mut query: Vec<(&'static str, String)>,
    ) -> Result<Found, CallError> {
        let inner = self.inner();
        query.push(("marketplaceIds", inner.marketplace.clone()));
        query.push(("pageSize", READS_MAX.to_string()));
        let request = Request {
            operation: Operation::SearchListingsItems,
            method: Method::GET,
            path: &["listings", "2021-08-01", "items", inner.seller.as_str()],
            query,
            body: None,
        };
        match inner.wire.call(&request).await? {
            Answer::Done(body) => serde_json::from_slice(&body).map_err(unreadable),
            Answer::Refused { problem, .. } => Err(CallError::NotDone(problem)),
        }
    }

    /// A listing whose SKU cannot be named beside others.
    async fn get(&self, listing: &ListingId) -> Result<Option<Item>, CallError> {
        let inner = self.inner();
        let request = Request {
            operation: Operation::GetListingsItem,
            method: Method::GET,
            path: &self.item(listing),
            query: vec![
                ("marketplaceIds", inner.marketplace.clone()),
                ("includedData", AVAILABILITY.to_owned()),
            ],
            body: None,
        };
        let body = match inner.wire.call(&request).await? {
            Answer::Done(body) => body,
            Answer::Refused { status: 404, .. } => return Ok(None),
            Answer::Refused { problem, .. } => return Err(CallError::NotDone(problem)),
        };
        serde_json::from_slice(&body).map(Some).map_err(unreadable)
    }

    fn item<'a>(&'a self, sku: &'a ListingId) -> [&'a str; 5] {
        let seller = self.inner().seller.as_str();
        ["listings", "2021-08-01", "items", seller, sku.as_str()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Amazon names no place of is no number of ours, nor is it known to be one that Amazon sends.
    #[test]
    fn only_what_amazon_says_that_the_seller_sends_has_a_number() {
        let cases = [
            (
                json!([{ "fulfillmentChannelCode": "DEFAULT", "quantity": 4 }]),
                Some(Some(4)),
            ),
            (
                json!([{ "fulfillmentChannelCode": "DEFAULT" }]),
                Some(Some(0)),
            ),
            (
                json!([{ "fulfillmentChannelCode": "AMAZON_EU" }]),
                Some(None),
            ),
            (json!([]), None),
            (Value::Null, None),
        ];
        for (places, expected) in cases {
            let body = json!({ "sku": "TEE", AVAILABILITY: places.clone() });
            let item: Item = serde_json::from_value(body).unwrap();
            let shown = item.shown_at("DEFAULT", Timestamp::default());
            assert_eq!(shown.map(|shown| shown.units), expected, "{places}");
        }
    }
}
