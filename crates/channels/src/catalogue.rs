//! What a channel sells and where it keeps stock, as it says itself.

use crossdock_model::ListingId;

/// Something that is sold: orders name it by itself, stock is counted of its inventory item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// As lines of orders name it.
    pub sold_as: ListingId,
    /// As numbers name it: `inventory_item:808950810`.
    pub counted_as: ListingId,
    /// The SKU text without blanks around it; may be missing, wrong, or that of several variants.
    pub sku: Option<String>,
    /// Its name.
    pub title: String,
    /// Whether the channel counts it.
    pub is_tracked: bool,
    /// Whether the channel sends it itself: nothing of it is ours to send or to count.
    pub is_sent_by_channel: bool,
}

/// A page of variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variants {
    /// The variants.
    pub variants: Vec<Variant>,
    /// Where the list goes on; `None`: it ends here.
    pub next: Option<String>,
}

/// Where a channel keeps stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether stock can be kept there now.
    pub is_active: bool,
}
