//! What the shop sells, and where it keeps stock.

use crossdock_model::ListingId;
use serde_json::json;

use super::{Admin, AdminError, next_page, payload};
use crate::fields::{MapError, Part};

/// Pages of locations that are read.
const PLACE_PAGES_MAX: usize = 10;

pub(super) const VARIANTS: &str = "query Variants($after: String) {
  productVariants(first: 250, after: $after) {
    nodes { id displayName sku inventoryItem { id tracked } }
    pageInfo { hasNextPage endCursor }
  }
}";

pub(super) const PLACES: &str = "query Places($after: String) {
  locations(first: 100, after: $after) {
    nodes { id name }
    pageInfo { hasNextPage endCursor }
  }
}";

/// A variant: orders name it by itself, stock is counted of its inventory item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// As lines of orders name it.
    pub sold_as: ListingId,
    /// As numbers name it: `inventory_item:808950810`.
    pub counted_as: ListingId,
    /// The SKU text; may be missing, wrong, or that of several variants.
    pub sku: Option<String>,
    /// Its name.
    pub title: String,
    /// Whether the shop counts it.
    pub is_tracked: bool,
}

/// A page of variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variants {
    /// The variants.
    pub variants: Vec<Variant>,
    /// Where the list goes on; `None`: it ends here.
    pub next: Option<String>,
    /// What is left of the app's budget.
    pub points_left: Option<u32>,
}

/// A location of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

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
            points_left: reply.points_left,
        })
    }

    /// Where the shop keeps stock. *Read*: may be repeated.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn places(&self) -> Result<Vec<Place>, AdminError> {
        let mut places = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PLACE_PAGES_MAX {
            let reply = self.call(PLACES, json!({ "after": after })).await?;
            let page = payload(&reply, "locations")?;
            for node in page.list("nodes")? {
                places.push(Place {
                    id: node.need("id")?.id()?,
                    name: node.text("name").unwrap_or_default(),
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
    let counted_as = format!("inventory_item:{}", item.need("id")?.id()?);
    Ok(Variant {
        sold_as: id.typed()?,
        counted_as: ListingId::new(counted_as).map_err(|e| item.wrong(e.to_string()))?,
        sku: node.text("sku"),
        title: node.text("displayName").unwrap_or_default(),
        is_tracked: item.flag("tracked").unwrap_or(true),
    })
}
