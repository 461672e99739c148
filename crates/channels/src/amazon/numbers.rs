//! What a SKU shows: one number a call, and each write replaces what was there.

use crossdock_model::{ListingId, SourceId};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Seller, unreadable};
use super::operation::Operation;
use super::wire::{Answer, Problem, Request, problems};
use crate::outbound::{CallError, Calling, NumberSet, NumberShown, Numbers, SetOutcome, said};

#[derive(Deserialize)]
struct Submission {
    status: String,
    issues: Option<Vec<Problem>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    fulfillment_availability: Option<Vec<Availability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Availability {
    fulfillment_channel_code: String,
    quantity: Option<i64>,
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
        Box::pin(async move {
            let mut answers = Vec::with_capacity(numbers.len());
            for (listing, place) in &numbers {
                match seller.read_one(listing, place).await {
                    Ok(shown) => answers.push(shown),
                    Err(error) if answers.is_empty() => return Err(error),
                    Err(_) => break,
                }
            }
            Ok(answers)
        })
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
            "ACCEPTED" => SetOutcome::Confirmed { at: (inner.now)() },
            status => {
                let issues = submission.issues.unwrap_or_default();
                SetOutcome::Refused(format!("{}: {}", said(status), problems(&issues)))
            }
        })
    }

    async fn read_one(
        &self,
        listing: &ListingId,
        place: &SourceId,
    ) -> Result<Option<NumberShown>, CallError> {
        let inner = self.inner();
        let request = Request {
            operation: Operation::GetListingsItem,
            method: Method::GET,
            path: &self.item(listing),
            query: vec![
                ("marketplaceIds", inner.marketplace.clone()),
                ("includedData", "fulfillmentAvailability".to_owned()),
            ],
            body: None,
        };
        let body = match inner.wire.call(&request).await? {
            Answer::Done(body) => body,
            Answer::Refused { status: 404, .. } => return Ok(None),
            Answer::Refused { problem, .. } => return Err(CallError::NotDone(problem)),
        };
        let item: Item = serde_json::from_slice(&body).map_err(unreadable)?;
        let code = channel_code(place);
        let mut places = item.fulfillment_availability.into_iter().flatten();
        let here = places.find(|one| one.fulfillment_channel_code == code);
        Ok(here.map(|here| NumberShown {
            units: here.quantity,
            at: (inner.now)(),
        }))
    }

    fn item<'a>(&'a self, sku: &'a ListingId) -> [&'a str; 5] {
        let seller = self.inner().seller.as_str();
        ["listings", "2021-08-01", "items", seller, sku.as_str()]
    }
}
