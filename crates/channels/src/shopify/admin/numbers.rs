//! Numbers of units: set by comparing, read in batches.

use std::collections::BTreeMap;

use crossdock_model::{ListingId, SourceId};
use serde_json::{Value, json};

use super::gid::{gid, is_id, uuid};
use super::{Admin, Reply, payload, time_of, unclear, user_errors, words};
use crate::fields::{MapError, Part};
use crate::outbound::{CallError, Calling, NumberSet, NumberShown, Numbers, SetOutcome};
use crate::shopify::COUNTED;

/// Numbers in one call at most, as the API takes no longer list.
pub const NUMBERS_MAX: usize = 250;

/// *Keyed*: repeated with the same key it changes nothing a second time.
pub(super) const SET: &str =
    "mutation SetNumbers($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { createdAt }
    userErrors { code field message }
  }
}";

pub(super) const READ: &str = "query ReadNumbers($ids: [ID!]!, $place: ID!) {
  nodes(ids: $ids) {
    ... on InventoryItem {
      id
      tracked
      inventoryLevel(locationId: $place) { updatedAt quantities(names: [\"available\"]) { quantity } }
    }
  }
}";

impl Numbers for Admin {
    fn set(&self, numbers: Vec<NumberSet>) -> Calling<SetOutcome> {
        let admin = self.clone();
        Box::pin(async move { admin.set_numbers(&numbers).await })
    }

    fn read(&self, numbers: Vec<(ListingId, SourceId)>) -> Calling<Option<NumberShown>> {
        let admin = self.clone();
        Box::pin(async move {
            let reading = tokio::time::timeout(admin.call_max, admin.read_numbers(&numbers));
            let late = |_| CallError::Unknown("the numbers take too long to read".to_owned());
            reading.await.map_err(late)?
        })
    }
}

impl Admin {
    async fn set_numbers(&self, numbers: &[NumberSet]) -> Result<Vec<SetOutcome>, CallError> {
        let mut sent = Vec::new();
        let mut answers = Vec::new();
        for number in numbers {
            match Number::of(&number.listing, &number.place) {
                Some(named) => {
                    sent.push((number, named));
                    answers.push(None);
                }
                None => answers.push(Some(SetOutcome::Refused(NO_NUMBER.to_owned()))),
            }
        }
        check_count(sent.len())?;
        let mut outcomes = Vec::new();
        if !sent.is_empty() {
            let reply = self.call(SET, set_variables(&sent)).await?;
            outcomes = set_outcomes(&reply, sent.len())?;
        }
        let mut outcomes = outcomes.into_iter();
        let answers = answers
            .into_iter()
            .filter_map(|answer| answer.or_else(|| outcomes.next()));
        Ok(answers.collect())
    }

    async fn read_numbers(
        &self,
        numbers: &[(ListingId, SourceId)],
    ) -> Result<Vec<Option<NumberShown>>, CallError> {
        check_count(numbers.len())?;
        let mut by_place: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
        for (at, (listing, place)) in numbers.iter().enumerate() {
            if let Some(Number { item, place }) = Number::of(listing, place) {
                by_place.entry(place).or_default().push((at, item));
            }
        }
        let mut answers = vec![None; numbers.len()];
        for (place, items) in by_place {
            let ids = items.iter().map(|(_, item)| gid("InventoryItem", item));
            let ids: Vec<String> = ids.collect();
            let variables = json!({ "ids": ids, "place": gid("Location", place) });
            let reply = self.call(READ, variables).await?;
            let shown = shown(&reply)?;
            for (at, item) in items {
                answers[at] = shown.get(item).cloned();
            }
        }
        Ok(answers)
    }
}

/// Another number is shown than it was compared with.
const STALE: &str = "CHANGE_FROM_QUANTITY_STALE";
/// None is shown: the read that follows says so.
const NOT_STOCKED: &str = "ITEM_NOT_STOCKED_AT_LOCATION";
const NO_NUMBER: &str = "the shop counts inventory items at locations: name it inventory_item:ID at CHANNEL/LOCATION_ID";

/// A number as the shop names it.
#[derive(Debug, Clone, Copy)]
struct Number<'a> {
    item: &'a str,
    place: &'a str,
}

impl<'a> Number<'a> {
    fn of(listing: &'a ListingId, place: &'a SourceId) -> Option<Self> {
        let item = listing.as_str().strip_prefix(COUNTED)?;
        let (_, place) = place.as_str().rsplit_once('/')?;
        (is_id(item) && is_id(place)).then_some(Self { item, place })
    }
}

fn check_count(count: usize) -> Result<(), CallError> {
    match count <= NUMBERS_MAX {
        true => Ok(()),
        false => Err(CallError::NotDone(format!(
            "{count} numbers in one call, at most {NUMBERS_MAX} are taken"
        ))),
    }
}

fn set_variables(sent: &[(&NumberSet, Number<'_>)]) -> Value {
    let key = uuid(sent.iter().map(|(number, _)| number.key.as_str()));
    let quantity = |(number, named): &(&NumberSet, Number<'_>)| {
        json!({
            "inventoryItemId": gid("InventoryItem", named.item),
            "locationId": gid("Location", named.place),
            "quantity": number.units,
            "changeFromQuantity": number.change_from,
        })
    };
    json!({
        "key": key,
        "input": {
            "name": "available",
            "reason": "correction",
            "referenceDocumentUri": format!("gid://crossdock/NumberSet/{key}"),
            "quantities": sent.iter().map(quantity).collect::<Vec<_>>(),
        },
    })
}

/// One outcome for each number that was sent. The shop sets all of them or none: where one is refused, nothing became
/// of the others.
fn set_outcomes(reply: &Reply, count: usize) -> Result<Vec<SetOutcome>, CallError> {
    let payload = payload(reply, "inventorySetQuantities")?;
    let errors = user_errors(&payload, "userErrors")?;
    let group = payload.get("inventoryAdjustmentGroup");
    if errors.is_empty() {
        // Numbers that were shown already are no adjustment, and have no time of their own.
        let at = match group {
            Some(group) => group.need("createdAt").and_then(|at| at.instant()),
            None => {
                return Ok(vec![
                    SetOutcome::Confirmed {
                        at: time_of(reply)?
                    };
                    count
                ]);
            }
        };
        return Ok(vec![
            SetOutcome::Confirmed {
                at: at.map_err(unclear)?
            };
            count
        ]);
    }
    if group.is_some() {
        return Err(CallError::Unknown(format!(
            "some numbers were set: {}",
            words(&errors)
        )));
    }
    if errors
        .iter()
        .any(|error| error.code == "IDEMPOTENCY_CONCURRENT_REQUEST")
    {
        return Err(CallError::Unknown(words(&errors)));
    }
    let mut outcomes = vec![SetOutcome::NotDone; count];
    for error in &errors {
        let blamed = error
            .element_of("quantities")
            .and_then(|at| outcomes.get_mut(at));
        let Some(outcome) = blamed else {
            // It names no number: which one it was is found by calling with fewer.
            return Ok(match count {
                1 if error.code == NOT_STOCKED => vec![SetOutcome::Stale],
                1 => vec![SetOutcome::Refused(words(&errors))],
                _ => vec![SetOutcome::NotDone; count],
            });
        };
        match error.code.as_str() {
            STALE | NOT_STOCKED if *outcome == SetOutcome::NotDone => {
                *outcome = SetOutcome::Stale;
            }
            STALE | NOT_STOCKED => {}
            _ => *outcome = SetOutcome::Refused(error.message.clone()),
        }
    }
    Ok(outcomes)
}

/// What is shown, by inventory item. An item that the shop does not have at the place is left out.
fn shown(reply: &Reply) -> Result<BTreeMap<String, NumberShown>, CallError> {
    let at = time_of(reply)?;
    let root = Part::root(&reply.data).map_err(unclear)?;
    let mut shown = BTreeMap::new();
    for node in root.list("nodes").map_err(unclear)? {
        let Some(level) = node.get("inventoryLevel") else {
            continue;
        };
        let (item, units) = read_level(&node, &level).map_err(unclear)?;
        let changed_at = level.need("updatedAt").and_then(|at| at.instant());
        let changed_at = Some(changed_at.map_err(unclear)?);
        let number = NumberShown {
            units,
            at,
            changed_at,
        };
        shown.insert(item, number);
    }
    Ok(shown)
}

fn read_level(node: &Part<'_>, level: &Part<'_>) -> Result<(String, Option<i64>), MapError> {
    let item = node.need("id")?.id()?;
    if node.flag("tracked") == Some(false) {
        return Ok((item, None));
    }
    let quantities = level.list("quantities")?;
    let available = quantities
        .first()
        .map(|quantity| quantity.need("quantity")?.whole());
    Ok((item, available.transpose()?))
}

#[cfg(test)]
mod tests {
    use crossdock_model::Timestamp;

    use super::*;

    fn outcomes(payload: Value) -> Result<Vec<SetOutcome>, CallError> {
        let reply = Reply {
            data: json!({ "inventorySetQuantities": payload }),
            at: Some(Timestamp::from_ms(5000)),
        };
        set_outcomes(&reply, 3)
    }

    fn error(code: &str, field: Value) -> Value {
        json!({ "code": code, "field": field, "message": "no" })
    }

    #[test]
    fn one_that_is_refused_keeps_the_others_from_being_set() {
        let field = |at: usize| json!(["input", "quantities", at.to_string(), "quantity"]);
        let stale = "CHANGE_FROM_QUANTITY_STALE";
        let errors = |errors: Vec<Value>| {
            outcomes(json!({ "inventoryAdjustmentGroup": null, "userErrors": errors }))
        };
        use SetOutcome::{NotDone, Refused, Stale};
        let refused = || Refused("no".to_owned());
        assert_eq!(
            errors(vec![error(stale, field(1))]),
            Ok(vec![NotDone, Stale, NotDone])
        );
        assert_eq!(
            errors(vec![
                error(stale, field(0)),
                error("INVALID_LOCATION", field(2)),
                error(stale, field(2)),
            ]),
            Ok(vec![Stale, NotDone, refused()])
        );
        assert_eq!(
            errors(vec![error("ITEM_NOT_STOCKED_AT_LOCATION", field(1))]),
            Ok(vec![NotDone, Stale, NotDone]),
            "it shows none, instead of what was expected"
        );
        let whole = errors(vec![error("INVALID_REASON", json!(["input", "reason"]))]);
        assert_eq!(whole, Ok(vec![NotDone; 3]), "one of them, or all");
        let beyond = errors(vec![error(stale, field(3))]);
        assert_eq!(beyond, Ok(vec![NotDone; 3]));
        let other = errors(vec![error("IDEMPOTENCY_CONCURRENT_REQUEST", json!(null))]);
        assert!(matches!(other, Err(CallError::Unknown(_))), "{other:?}");
    }

    #[test]
    fn what_is_set_is_set_since_the_shop_says_so() {
        let confirmed = |ms| {
            let at = Timestamp::from_ms(ms);
            Ok(vec![SetOutcome::Confirmed { at }; 3])
        };
        let set = json!({ "inventoryAdjustmentGroup": { "createdAt": "1970-01-01T00:00:04Z" }, "userErrors": [] });
        assert_eq!(outcomes(set), confirmed(4000));
        let same = json!({ "inventoryAdjustmentGroup": null, "userErrors": [] });
        assert_eq!(outcomes(same), confirmed(5000));
        let part = json!({
            "inventoryAdjustmentGroup": { "createdAt": "1970-01-01T00:00:04Z" },
            "userErrors": [error("INVALID_LOCATION", json!(["input", "quantities", "0"]))],
        });
        assert!(matches!(outcomes(part), Err(CallError::Unknown(_))));
    }
}
