//! A seller's account: its orders and its shipments.

use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_model::{Duration, ExternalId, Timestamp};
use reqwest::{Method, Url, redirect};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use super::clock::Ahead;
use super::map::{ORDER, delivery_id};
use super::operation::{Operation, Rates};
use super::package::Package;
use super::token::{Credentials, Tokens};
use super::wire::{Answer, Now, Request, Wire};
use crate::fields::timestamp;
use crate::inbound::Secret;
use crate::orders::digest;
use crate::outbound::{CallError, said};
use crate::secure::keeps_secrets;

/// How far back the next poll begins before where the last one ended: Amazon's lists are late, and an order they left
/// out must be in the next. What is read twice is known by its delivery id.
pub const OVERLAP: Duration = Duration::from_minutes(3);

/// Parts of an order that are not told unless asked for.
const INCLUDED: &str = "BUYER,RECIPIENT,PROCEEDS,CANCELLATION,FULFILLMENT,PACKAGES";
/// Connections to one host that are kept for later calls.
const IDLE_MAX: usize = 8;

/// A seller's account on one marketplace, and how it is called.
#[derive(Debug, Clone)]
pub struct SellerAccount {
    /// Where the API of its region is: `https://sellingpartnerapi-eu.amazon.com`.
    pub endpoint: String,
    /// Where tokens are granted: `https://api.amazon.com/auth/o2/token`.
    pub token_endpoint: String,
    /// The seller's id.
    pub seller: String,
    /// The marketplace's id.
    pub marketplace: String,
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// What the seller authorised it by.
    pub refresh_token: Secret,
    /// Of all listings; their numbers may be set as `PRODUCT` whatever they are.
    pub product_type: String,
    /// Time for a whole call, with the tokens that it needs.
    pub call_max: Wait,
}

/// Why an account cannot be called at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SetUpError {
    /// Not an address that secrets may be sent to.
    #[error("{0} is no URL that begins with https://")]
    Url(&'static str),
    /// TLS cannot be set up on this machine.
    #[error("calls cannot be made from this machine: {0}")]
    Tls(String),
}

/// A client of a seller's account. Clones share their token and their connections.
#[derive(Clone)]
pub struct Seller(Arc<Inner>);

pub(super) struct Inner {
    pub(super) wire: Wire,
    pub(super) seller: String,
    pub(super) marketplace: String,
    pub(super) product_type: String,
}

/// An order as Amazon stated it, to be stored as it is and read by [`super::map`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// Names this state of the order; where the order does not say what it is, its bytes do.
    pub delivery_id: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrdersPage {
    /// The orders.
    pub orders: Vec<StoredOrder>,
    /// Names the next page.
    pub next: Option<String>,
    /// Up to when orders were looked at.
    pub updated_before: Option<Timestamp>,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Searched {
    /// A page.
    Page(OrdersPage),
    /// The name of the page is not taken any more: the search begins anew.
    Restart(String),
}

/// Where polling stands. It moves on once every order of the page is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Orders that changed since then are looked at.
    pub after: Timestamp,
    /// The page to read next.
    pub page: Option<String>,
    /// Where this search ends, once its first page has said so.
    pub before: Option<Timestamp>,
    /// Whose orders are looked at; `None`: all.
    #[serde(default)]
    pub of: Option<FulfilledBy>,
}

/// Who sends an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FulfilledBy {
    /// The seller.
    Merchant,
    /// Amazon.
    Amazon,
}

impl FulfilledBy {
    const fn name(self) -> &'static str {
        match self {
            Self::Merchant => "MERCHANT",
            Self::Amazon => "AMAZON",
        }
    }
}

impl Cursor {
    /// Orders that changed since then.
    #[must_use]
    pub fn since(after: Timestamp) -> Self {
        Self {
            after,
            page: None,
            before: None,
            of: None,
        }
    }

    /// The same, of these only.
    #[must_use]
    pub fn only(&self, of: FulfilledBy) -> Self {
        Self {
            of: Some(of),
            ..Self::since(self.after)
        }
    }

    /// Whether a page is the first of a search for all orders that has more of them: all in their turn, those that the seller
    /// has to send would be late.
    #[must_use]
    pub fn is_full(&self, page: &OrdersPage) -> bool {
        self.of.is_none() && self.page.is_none() && page.next.is_some()
    }

    /// The cursor behind a page.
    #[must_use]
    pub fn behind(&self, page: &OrdersPage) -> Self {
        let before = self.before.or(page.updated_before);
        match &page.next {
            Some(next) => Self {
                after: self.after,
                page: Some(next.clone()),
                before,
                of: self.of,
            },
            None => Self {
                of: self.of,
                ..Self::since(before.map_or(self.after, |at| self.after.max(at - OVERLAP)))
            },
        }
    }

    /// The cursor where the search began.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            of: self.of,
            ..Self::since(self.after)
        }
    }
}

/// What became of something that Amazon was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is taken.
    Done,
    /// It is refused, for this reason; nothing has changed.
    Refused(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageBody {
    orders: Vec<Box<RawValue>>,
    pagination: Option<Pagination>,
    last_updated_before: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pagination {
    pub(super) next_token: Option<String>,
}

#[derive(Deserialize)]
struct OrderBody {
    order: Box<RawValue>,
}

impl Seller {
    /// A client. `now` is the clock that all waits of the node run on; `rates` says when a call may be made.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn new(
        account: SellerAccount,
        now: Now,
        rates: Arc<dyn Rates>,
    ) -> Result<Self, SetUpError> {
        let url = |text: &str, what| match (keeps_secrets(text), Url::parse(text)) {
            (true, Ok(url)) => Ok(url),
            (false, _) | (_, Err(_)) => Err(SetUpError::Url(what)),
        };
        let base = url(&account.endpoint, "endpoint")?;
        let token_endpoint = url(&account.token_endpoint, "token_endpoint")?;
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(account.call_max)
            .pool_max_idle_per_host(IDLE_MAX)
            .no_proxy()
            .user_agent(concat!(
                "Crossdock/",
                env!("CARGO_PKG_VERSION"),
                " (Language=Rust)"
            ))
            .build()
            .map_err(|error| SetUpError::Tls(error.to_string()))?;
        let credentials = Credentials {
            client_id: account.client_id,
            client_secret: account.client_secret,
            refresh_token: account.refresh_token,
        };
        let tokens = Tokens::new(http.clone(), token_endpoint, credentials, Arc::clone(&now));
        Ok(Self(Arc::new(Inner {
            wire: Wire {
                http,
                base,
                tokens,
                rates,
                now,
                ahead: Ahead::default(),
                call_max: account.call_max,
            },
            seller: account.seller,
            marketplace: account.marketplace,
            product_type: account.product_type,
        })))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// A page of the orders that changed. Reads only.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn search_orders(&self, cursor: &Cursor) -> Result<Searched, CallError> {
        let mut query = vec![
            ("lastUpdatedAfter", written(cursor.after)),
            ("marketplaceIds", self.0.marketplace.clone()),
            ("includedData", INCLUDED.to_owned()),
        ];
        query.extend(cursor.of.map(|of| ("fulfilledBy", of.name().to_owned())));
        query.extend(cursor.page.clone().map(|page| ("paginationToken", page)));
        let request = Request {
            operation: Operation::SearchOrders,
            method: Method::GET,
            path: &["orders", "2026-01-01", "orders"],
            query,
            body: None,
        };
        match self.0.wire.call(&request).await? {
            Answer::Done(body) => page(&body).map(Searched::Page),
            Answer::Refused {
                status: 400,
                problem,
            } if cursor.page.is_some() => Ok(Searched::Restart(problem)),
            Answer::Refused { problem, .. } => Err(CallError::NotDone(problem)),
        }
    }

    /// An order as it is now; `None`: Amazon does not have it. Reads only.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get_order(&self, order: &ExternalId) -> Result<Option<StoredOrder>, CallError> {
        let request = Request {
            operation: Operation::GetOrder,
            method: Method::GET,
            path: &["orders", "2026-01-01", "orders", order.as_str()],
            query: vec![("includedData", INCLUDED.to_owned())],
            body: None,
        };
        match self.0.wire.call(&request).await? {
            Answer::Done(body) => {
                let body: OrderBody = serde_json::from_slice(&body).map_err(unreadable)?;
                Ok(Some(stored(&body.order)))
            }
            Answer::Refused { status: 404, .. } => Ok(None),
            Answer::Refused { problem, .. } => Err(CallError::NotDone(problem)),
        }
    }

    /// Says that a package has left. *Keyed*: the package's number names it, and saying the same again changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn confirm_shipment(
        &self,
        order: &ExternalId,
        package: &Package,
    ) -> Result<Taken, CallError> {
        let request = Request {
            operation: Operation::ConfirmShipment,
            method: Method::POST,
            path: &[
                "orders",
                "v0",
                "orders",
                order.as_str(),
                "shipmentConfirmation",
            ],
            query: Vec::new(),
            body: Some(package.body(&self.0.marketplace, &written(package.shipped_at))),
        };
        Ok(match self.0.wire.call(&request).await? {
            Answer::Done(_) => Taken::Done,
            Answer::Refused { problem, .. } => Taken::Refused(problem),
        })
    }
}

pub(super) fn page(body: &[u8]) -> Result<OrdersPage, CallError> {
    let body: PageBody = serde_json::from_slice(body).map_err(unreadable)?;
    let next = body.pagination.and_then(|pages| pages.next_token);
    Ok(OrdersPage {
        orders: body.orders.iter().map(|order| stored(order)).collect(),
        next: next.filter(|next| !next.is_empty()),
        updated_before: body.last_updated_before.as_deref().and_then(timestamp),
    })
}

fn stored(order: &RawValue) -> StoredOrder {
    let body = order.get().as_bytes().to_vec();
    StoredOrder {
        delivery_id: delivery_id(ORDER, &body).unwrap_or_else(|_| digest(&body)),
        body,
    }
}

pub(super) fn unreadable(error: serde_json::Error) -> CallError {
    let error = said(&error.to_string());
    CallError::Unknown(format!("the answer is not what was asked for: {error}"))
}

/// An instant as Amazon reads it.
pub(super) fn written(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_ms())
        .map(|at| at.to_string())
        .unwrap_or_default()
}
