//! Amazon's Selling Partner API: orders are polled, notifications say what to read again, one call sets one number.
//!
//! Nothing that Amazon sends is signed: what counts is read from Amazon itself, over TLS, and whoever passes notifications on
//! shows a key. Sources: the models of Orders
//! 2026-01-01, Listings Items 2021-08-01, Feeds 2021-06-30 and `confirmShipment` of Orders v0,
//! <https://github.com/amzn/selling-partner-api-models>; <https://developer-docs.amazon.com/sp-api>.

mod catalogue;
mod client;
mod clock;
mod feed;
mod map;
mod notification;
mod numbers;
mod operation;
mod order;
mod package;
mod reading;
mod token;
mod verify;
mod wire;

pub use client::{
    Cursor, FulfilledBy, OVERLAP, OrdersPage, Searched, Seller, SellerAccount, SetUpError,
    StoredOrder, Taken,
};
pub use feed::{FEED_NUMBERS_MAX, FeedReport, FeedState, UploadPlace, listings_feed};
pub use map::{NOTIFICATION, ORDER, delivery_id, map};
pub use numbers::READS_MAX;
pub use operation::{Operation, Rates, Turn};
pub use package::{Package, package_reference};
pub use verify::verify;
pub use wire::Now;

#[cfg(test)]
mod tests;
