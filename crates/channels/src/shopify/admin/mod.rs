//! The shop's Admin API: GraphQL over HTTPS, one document and its variables a call.
//!
//! Sources: <https://shopify.dev/docs/api/admin-graphql>, <https://shopify.dev/docs/api/usage/limits>.

mod cancel;
mod catalogue;
mod fulfilment;
mod gid;
mod lists;
mod numbers;
mod orders;
mod reading;
mod reply;
mod subscriptions;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crossdock_model::Timestamp;
use reqwest::header::HeaderValue;
use reqwest::redirect;
use serde_json::{Value, json};
use thiserror::Error;

use crate::fields::{MapError, Part};
use crate::inbound::Secret;
use crate::outbound::{CallError, said};
use crate::secure::keeps_secrets;
use reply::{Answered, Reply};

pub use cancel::{Cancel, CancelReason};
pub use fulfilment::{FulfilmentLine, FulfilmentOrder, LineCount, Parcel};
pub use numbers::NUMBERS_MAX;
pub use orders::{Changed, POLL_OVERLAP};

/// The version of the API that is spoken.
pub const API_VERSION: &str = "2026-10";
/// Every document that is sent, so that they can be held against a schema.
pub const DOCUMENTS: [&str; 18] = [
    cancel::CANCEL,
    catalogue::PLACES,
    catalogue::VARIANTS,
    fulfilment::CREATE,
    fulfilment::FULFILMENT_ORDERS,
    fulfilment::LINES,
    fulfilment::MOVE,
    numbers::READ,
    numbers::SET,
    orders::CHANGED,
    orders::FULFILMENTS,
    orders::FULFILMENT_LINES,
    orders::LINES,
    orders::ORDER,
    orders::REFUND_LINES,
    orders::REFUNDS,
    subscriptions::CREATE,
    subscriptions::LIST,
];
/// Points that a further page of a list costs at most.
const PAGE_POINTS: u32 = 400;
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Connections that are kept for later calls.
const IDLE_MAX: usize = 8;

/// Ends once something may go on.
pub type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What calls of a shop are paid from.
pub trait Points: Send + Sync {
    /// Ends once a call may be made that costs as much, and takes that. The first call about anything is paid by whoever
    /// makes it; those that it takes beyond that are paid here.
    fn take(&self, points: u32) -> Wait;

    /// Ends after that time.
    fn pause(&self, time: crossdock_model::Duration) -> Wait;

    /// The shop says what is left.
    fn correct(&self, left: u32);
}

/// Which shop is called, and as whom.
#[derive(Debug, Clone)]
pub struct AdminOptions {
    /// Where it is, without a path: `https://example.myshopify.com`. Plain HTTP is spoken on this machine only, as the
    /// token would be read by others.
    pub shop: String,
    /// The app's access token.
    pub token: Secret,
    /// Time for a call.
    pub call_max: Duration,
}

impl AdminOptions {
    /// A shop, with ten seconds for a call.
    #[must_use]
    pub fn new(shop: impl Into<String>, token: Secret) -> Self {
        Self {
            shop: shop.into(),
            token,
            call_max: Duration::from_secs(10),
        }
    }
}

/// A shop that can be called. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Admin {
    client: reqwest::Client,
    endpoint: reqwest::Url,
    token: HeaderValue,
    points: Arc<dyn Points>,
    call_max: Duration,
}

impl Admin {
    /// A shop, and what its calls are paid from. Nothing is called yet.
    ///
    /// # Errors
    /// [`CallError::NotDone`] when nothing can be called with these options.
    pub fn new(options: &AdminOptions, points: Arc<dyn Points>) -> Result<Self, CallError> {
        let not_done = |problem: &str| CallError::NotDone(problem.to_owned());
        let path = format!("admin/api/{API_VERSION}/graphql.json");
        let endpoint = reqwest::Url::parse(&options.shop).and_then(|shop| shop.join(&path));
        let endpoint = endpoint.map_err(|_| not_done("the shop is no URL"))?;
        if !keeps_secrets(endpoint.as_str()) {
            return Err(not_done("the shop's URL must begin with https://"));
        }
        let token = HeaderValue::from_str(options.token.expose());
        let mut token = token.map_err(|_| not_done("the token is none that can be sent"))?;
        token.set_sensitive(true);
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(options.call_max)
            .pool_max_idle_per_host(IDLE_MAX)
            .no_proxy()
            .build()
            .map_err(|e| CallError::NotDone(e.without_url().to_string()))?;
        Ok(Self {
            client,
            endpoint,
            token,
            points,
            call_max: options.call_max,
        })
    }

    /// Sends a document and reads what comes back.
    async fn call(&self, document: &str, variables: Value) -> Result<Reply, CallError> {
        let body = json!({ "query": document, "variables": variables });
        let request = self
            .client
            .post(self.endpoint.clone())
            .header("x-shopify-access-token", self.token.clone());
        let mut answer = request
            .json(&body)
            .send()
            .await
            .map_err(|e| self.failure(e))?;
        let status = answer.status().as_u16();
        let header = |name: &str| {
            let value = answer.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let (date, retry_after) = (header("date"), header("retry-after"));
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.failure(e))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(CallError::Unknown("the answer is too long".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        let (left, reply) = reply::read(&Answered {
            status,
            date: date.as_deref(),
            retry_after: retry_after.as_deref(),
            body: &body,
        });
        if let Some(left) = left {
            self.points.correct(left);
        }
        reply
    }

    /// A page of a list; `after`: where it goes on. Those after the first are paid here.
    async fn page(
        &self,
        document: &str,
        mut variables: Value,
        after: Option<&str>,
    ) -> Result<Reply, CallError> {
        if after.is_some() {
            self.points.take(PAGE_POINTS).await;
        }
        variables["after"] = after.into();
        self.call(document, variables).await
    }

    fn failure(&self, error: reqwest::Error) -> CallError {
        if error.is_timeout() && !error.is_connect() {
            return CallError::Unknown(format!("nothing within {} ms", self.call_max.as_millis()));
        }
        match (error.is_connect(), error.is_builder()) {
            (true, _) => {
                let cause = root(&error);
                CallError::NotDone(format!("the shop cannot be reached ({cause})"))
            }
            (false, true) => CallError::NotDone(error.without_url().to_string()),
            (false, false) => CallError::Unknown(error.without_url().to_string()),
        }
    }
}

/// What an error comes from at last.
fn root(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => root(source),
        None => error.to_string(),
    }
}

/// Why nothing came of an operation, or nobody knows what did.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdminError {
    /// It has no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The shop understood it and does not do it.
    #[error("the shop refuses it: {0}")]
    Refused(String),
    /// What the shop answered cannot be read. It was done all the same.
    #[error("the answer cannot be read: {0}")]
    Map(#[from] MapError),
}

impl AdminError {
    /// Of a call that only reads: whatever came of it, nothing was done.
    #[must_use]
    pub fn of_reading(self) -> CallError {
        match self {
            Self::Call(error) => error,
            Self::Refused(_) | Self::Map(_) => CallError::NotDone(self.to_string()),
        }
    }
}

/// An answer that says something else than it should: what was asked may have been done all the same.
fn unclear(error: MapError) -> CallError {
    CallError::Unknown(format!("the answer cannot be read: {error}"))
}

/// What one operation of the document answered.
fn payload<'a>(reply: &'a Reply, operation: &'static str) -> Result<Part<'a>, CallError> {
    let root = Part::root(&reply.data).map_err(unclear)?;
    root.need(operation).map_err(unclear)
}

/// Why an operation was not carried out, as the shop words it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UserError {
    code: String,
    /// The path to the part of the input that is to blame.
    field: Vec<String>,
    message: String,
}

impl UserError {
    /// The element of a list in the input that is to blame.
    fn element_of(&self, list: &str) -> Option<usize> {
        let mut path = self.field.iter();
        path.find(|name| *name == list)?;
        path.next()?.parse().ok()
    }
}

/// The payload of an operation that was carried out.
fn accepted<'a>(
    reply: &'a Reply,
    operation: &'static str,
    errors: &'static str,
) -> Result<Part<'a>, AdminError> {
    let payload = payload(reply, operation)?;
    let errors = user_errors(&payload, errors)?;
    match errors.is_empty() {
        true => Ok(payload),
        false => Err(AdminError::Refused(words(&errors))),
    }
}

/// The first of some errors.
fn words(errors: &[UserError]) -> String {
    let first = errors.first();
    let said = first.map(|error| format!("{} {}", error.code, error.message));
    said.unwrap_or_default().trim().to_owned()
}

/// Where a list goes on; `None`: it ends here.
fn next_page(connection: &Part<'_>) -> Result<Option<String>, MapError> {
    let page = connection.need("pageInfo")?;
    match page.flag("hasNextPage") {
        Some(true) => Ok(Some(cursor(&page)?)),
        Some(false) | None => Ok(None),
    }
}

fn cursor(page: &Part<'_>) -> Result<String, MapError> {
    let end = page.need("endCursor")?;
    let text = end.as_text().ok_or_else(|| end.wrong("expected a text"))?;
    Ok(text.to_owned())
}

fn user_errors(payload: &Part<'_>, name: &'static str) -> Result<Vec<UserError>, CallError> {
    let read = |error: &Part<'_>| {
        let path = error.list("field")?.into_iter();
        let field = path.map(|name| name.id()).collect::<Result<_, _>>()?;
        Ok(UserError {
            code: said(&error.text("code").unwrap_or_default()),
            field,
            message: said(&error.text("message").unwrap_or_default()),
        })
    };
    let errors = payload.list(name).map_err(unclear)?;
    let errors: Result<Vec<UserError>, MapError> = errors.iter().map(read).collect();
    errors.map_err(unclear)
}

/// The time by the shop's clock.
fn time_of(reply: &Reply) -> Result<Timestamp, CallError> {
    let missing = || CallError::Unknown("the answer does not say when".to_owned());
    reply.at.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the shop says is journaled: a sentence of it, however long it is.
    #[test]
    fn words_of_the_shop_are_kept_in_part() {
        let long = "é".repeat(10_000);
        let errors = json!([{ "code": long, "field": null, "message": long }]);
        let reply = Reply {
            data: json!({ "operation": { "userErrors": errors } }),
            at: None,
        };
        let refused = accepted(&reply, "operation", "userErrors").map(drop);
        let Err(AdminError::Refused(words)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(words.chars().count(), 603);
    }

    /// A token is sent to nobody who cannot be trusted to keep it, and is never shown.
    #[test]
    fn tokens_go_over_tls() {
        struct Free;
        impl Points for Free {
            fn take(&self, _points: u32) -> Wait {
                Box::pin(std::future::ready(()))
            }

            fn pause(&self, _time: crossdock_model::Duration) -> Wait {
                Box::pin(std::future::ready(()))
            }

            fn correct(&self, _left: u32) {}
        }
        let of = |shop: &str, token: &str| {
            let options = AdminOptions::new(shop, Secret::new(token));
            Admin::new(&options, Arc::new(Free))
        };
        for shop in [
            "https://example.myshopify.com",
            "https://example.com/",
            "http://127.0.0.1:8080",
        ] {
            let admin = of(shop, "shpat_1").unwrap();
            let path = "/admin/api/2026-10/graphql.json";
            assert_eq!(admin.endpoint.path(), path, "{shop}");
            assert!(!format!("{:?}", admin.token).contains("shpat"));
        }
        for shop in [
            "http://example.com",
            "http://localhost:1",
            "ftp://127.0.0.1",
            "example.com",
            "",
        ] {
            assert!(
                matches!(of(shop, "shpat_1"), Err(CallError::NotDone(_))),
                "{shop}"
            );
        }
        let Err(CallError::NotDone(said)) = of("https://example.com", "shpat_\n1") else {
            panic!("a token of two lines")
        };
        assert!(!said.contains("shpat"), "{said}");
    }
}
