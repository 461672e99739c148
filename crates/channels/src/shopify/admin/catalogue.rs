//! What the shop sells, and where it keeps stock.

use crossdock_model::ListingId;
use serde_json::json;

use super::{Admin, AdminError, next_page, payload};
use crate::catalogue::{Place, Variant, Variants};
use crate::fields::{MapError, Part};
use crate::shopify::COUNTED;

/// Pages of locations that are read.
const PLACE_PAGES_MAX: usize = 10;

pub(super) const VARIANTS: &str = "query Variants($after: String) {
  productVariants(first: 250, after: $after) {
    nodes { id displayName sku inventoryItem { id tracked } }
    pageInfo { hasNextPage endCursor }
  }
}";

pub(super) const PLACES: &str = "query Places($after: String) {
  locations(first: 100, after: $after, includeInactive: true) {
    nodes { id name isActive }
    pageInfo { hasNextPage endCursor }
  }
}";

impl Admin {
    /// What the shop sells: a page, from where an earlier one said that the list goes on. *Read*: may be repeated.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn variants(&self, after: Option<&str>) -> Result<Variants, AdminError> {
        let reply = self.call(VARIANTS, json!({ "after": after })).await?;
        let page = payload(&reply, "productVariants")?;
        let variants: Result<_, MapError> = page.list("nodes")?.iter().map(variant).collect();
        Ok(Variants {
            variants: variants?,
            next: next_page(&page)?,
        })
    }

    /// Where the shop keeps stock, or did. *Read*: may be repeated.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn places(&self) -> Result<Vec<Place>, AdminError> {
        let mut places = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PLACE_PAGES_MAX {
            let reply = self.page(PLACES, json!({}), after.as_deref()).await?;
            let page = payload(&reply, "locations")?;
            for node in page.list("nodes")? {
                places.push(Place {
                    id: node.need("id")?.id()?,
                    name: node.text("name").unwrap_or_default(),
                    is_active: node.flag("isActive").unwrap_or(true),
                });
            }
            after = next_page(&page)?;
            if after.is_none() {
                return Ok(places);
            }
        }
        Err(AdminError::Refused(
            "the shop has more locations than are read".to_owned(),
        ))
    }
}

fn variant(node: &Part<'_>) -> Result<Variant, MapError> {
    let id = node.need("id")?;
    let item = node.need("inventoryItem")?;
    let counted_as = format!("{COUNTED}{}", item.need("id")?.id()?);
    Ok(Variant {
        sold_as: id.typed()?,
        counted_as: ListingId::new(counted_as).map_err(|e| item.wrong(e.to_string()))?,
        sku: node.text("sku"),
        title: node.text("displayName").unwrap_or_default(),
        is_tracked: item.flag("tracked").unwrap_or(true),
        is_sent_by_channel: false,
    })
}
