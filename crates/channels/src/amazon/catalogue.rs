//! What a seller lists, by when each listing was made: Amazon tells a thousand of a search at most, so a longer list goes on with
//! another search from where that one ended.

use crossdock_model::{ListingId, Timestamp};
use serde::{Deserialize, Serialize};

use super::client::{Seller, written};
use super::numbers::{Found, Item, Sent};
use crate::catalogue::{Variant, Variants};
use crate::fields::timestamp;
use crate::outbound::CallError;

/// Listings of one search that are told at most.
const SEARCH_MAX: usize = 1_000;
/// The fulfilment channel of what the seller ships.
const DEFAULT: &str = "DEFAULT";

/// Where the list goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// This search is for what was made since then.
    made_since: Option<Timestamp>,
    /// Its next page.
    page: Option<String>,
    /// Listings of this search that were told.
    told: usize,
    /// When the last of them was made.
    last_made: Option<Timestamp>,
}

impl Seller {
    /// What the seller lists: a page, from where an earlier one said that the list goes on. Of one search to the next a listing
    /// may come twice. Reads only.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn listings(&self, after: Option<&str>) -> Result<Variants, CallError> {
        let place: Place = match after {
            None => Place::default(),
            Some(after) => serde_json::from_str(after)
                .map_err(|error| CallError::NotDone(format!("no place in a list: {error}")))?,
        };
        let mut query = vec![
            (
                "includedData",
                "summaries,fulfillmentAvailability".to_owned(),
            ),
            ("sortBy", "createdDate".to_owned()),
            ("sortOrder", "ASC".to_owned()),
        ];
        query.extend(place.made_since.map(|at| ("createdAfter", written(at))));
        query.extend(place.page.clone().map(|page| ("pageToken", page)));
        let found = self.search_items(query).await?;
        let next = place.behind(&found)?;
        Ok(Variants {
            variants: found.items.iter().filter_map(variant).collect(),
            next: next.and_then(|next| serde_json::to_string(&next).ok()),
        })
    }
}

impl Place {
    /// The place behind a page; `None`: the list ends there.
    fn behind(&self, found: &Found) -> Result<Option<Self>, CallError> {
        let told = self.told + found.items.len();
        let last_made = found.items.iter().rev().find_map(made_at);
        let last_made = last_made.or(self.last_made);
        if told >= SEARCH_MAX {
            // Several may have been made at that time.
            return match last_made > self.made_since {
                true => Ok(Some(Self {
                    made_since: last_made,
                    ..Self::default()
                })),
                false => Err(CallError::NotDone(format!(
                    "more than {SEARCH_MAX} listings were made at the same time, of which Amazon tells no more: map them with \
                     `crossdock import listings`"
                ))),
            };
        }
        let pagination = found.pagination.as_ref();
        let page = pagination.and_then(|pages| pages.next_token.clone());
        Ok(page.filter(|page| !page.is_empty()).map(|page| Self {
            page: Some(page),
            told,
            last_made,
            ..self.clone()
        }))
    }
}

fn made_at(item: &Item) -> Option<Timestamp> {
    let mut summaries = item.summaries.iter().flatten();
    summaries.find_map(|one| timestamp(one.created_date.as_deref()?))
}

/// A SKU names the listing itself.
fn variant(item: &Item) -> Option<Variant> {
    let id = ListingId::new(item.sku.as_str()).ok()?;
    let mut summaries = item.summaries.iter().flatten();
    Some(Variant {
        sold_as: id.clone(),
        counted_as: id,
        sku: Some(item.sku.trim().to_owned()),
        title: summaries
            .find_map(|one| one.item_name.clone())
            .unwrap_or_default(),
        is_tracked: true,
        is_sent_by_channel: item.sent_from(DEFAULT) == Sent::Elsewhere,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(items: usize, made: &str, next: Option<&str>) -> Found {
        let item = json!({ "sku": "TEE", "summaries": [{ "createdDate": made }] });
        let page = json!({ "items": vec![item; items], "pagination": { "nextToken": next } });
        serde_json::from_value(page).unwrap()
    }

    /// A thousand were told: another search goes on from the last one, unless all are of one time.
    #[test]
    fn a_list_of_more_than_a_search_tells_goes_on_with_another() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let first = Place::default().behind(&page(980, early, Some("p")));
        let first = first.unwrap().unwrap();
        assert_eq!((first.told, first.page.as_deref()), (980, Some("p")));
        assert_eq!(first.behind(&page(3, late, None)), Ok(None));
        let second = first.behind(&page(20, late, Some("p"))).unwrap();
        let since = Place {
            made_since: timestamp(late),
            ..Place::default()
        };
        assert_eq!(second, Some(since.clone()));
        let third = since.behind(&page(1_000, late, Some("p"))).unwrap_err();
        assert!(third.to_string().contains("at the same time"), "{third}");
    }
}
