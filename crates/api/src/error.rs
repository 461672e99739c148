//! Errors as RFC 9457 problems. Every code is stable and has a page in `docs/errors/`, served at its `type`.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use crossdock_insight::InsightError;
use crossdock_model::{IdError, Rejection};
use crossdock_runtime::AskError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::ReadError;

macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(($code, include_str!(concat!("../../../docs/errors/", $code, ".md")))),*]
    };
}

/// Every code that an answer can carry, with its page.
pub const CODES: &[(&str, &str)] = pages![
    "backup_failed",
    "bad_signature",
    "busy",
    "capacity_full",
    "channel_failed",
    "contended",
    "forbidden",
    "hold_expired",
    "id_conflict",
    "idempotency_conflict",
    "idempotency_key_missing",
    "internal",
    "invalid",
    "limit",
    "malformed",
    "method_not_allowed",
    "not_found",
    "not_ready",
    "not_stock_source",
    "order_exists",
    "outcome_unknown",
    "overloaded",
    "quarantined",
    "read_model_behind",
    "rules_invalid",
    "short",
    "superseded",
    "timeout",
    "too_large",
    "too_old",
    "unauthorized",
    "unavailable",
    "unsupported",
    "unsupported_media_type",
    "wrong_state",
];

/// Why a request is refused or failed, as the caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_ms: Option<u64>,
    problems: Vec<String>,
    /// Why, for our log and nobody else.
    cause: Option<String>,
}

/// Why a request failed, on its way with the response to where the request's id is known.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub String);

/// The body of an error, RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Problem {
    /// The page of the code.
    #[serde(rename = "type")]
    kind: String,
    /// The code in words.
    title: String,
    /// HTTP's status.
    status: u16,
    /// What happened here and what to do.
    detail: String,
    /// Stable: programs decide by it.
    code: &'static str,
    /// When to try again, in milliseconds, with the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// All problems found, where there can be several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

impl ApiError {
    /// An error of a code in [`CODES`].
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_ms: None,
            problems: Vec::new(),
            cause: None,
        }
    }

    /// A field has a value that cannot be.
    pub(crate) fn invalid(field: &str, problem: impl Into<String>) -> Self {
        Rejection::invalid(field, problem).into()
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Rejection::NotFound(what.into()).into()
    }

    /// Nothing is known of the caller, or not enough.
    pub(crate) fn unauthorized() -> Self {
        let detail = "give a live API key: Authorization: Bearer cdk_…";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// A fault of ours; the cause goes to the log only.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        let detail = "a fault of the server; its log has the cause under this request's id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).because(cause)
    }

    /// Nothing was done; it may work soon.
    pub(crate) fn later(code: &'static str, detail: impl Into<String>, ms: u64) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        Self {
            retry_after_ms: Some(ms),
            ..error
        }
    }

    /// The same error with its cause, which goes to the log only.
    pub(crate) fn because(self, cause: &dyn std::fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..self
        }
    }

    /// The same error with every problem that was found.
    pub(crate) fn with_problems(self, problems: Vec<String>) -> Self {
        Self { problems, ..self }
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What happened and what to do.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Why it happened: for the log, never for the caller.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// After what pause the same may work, if that is all it takes.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_ms.map(Duration::from_millis)
    }

    /// Its HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

fn status_of(rejection: &Rejection) -> StatusCode {
    match rejection {
        Rejection::Invalid { .. } | Rejection::Limit { .. } | Rejection::TooOld { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Rejection::NotFound(_) => StatusCode::NOT_FOUND,
        Rejection::KeyConflict
        | Rejection::Short { .. }
        | Rejection::Superseded
        | Rejection::HoldExpired { .. }
        | Rejection::WrongState { .. }
        | Rejection::CapacityFull { .. }
        | Rejection::NotStockSource { .. }
        | Rejection::OrderExists(_)
        | Rejection::IdConflict(_) => StatusCode::CONFLICT,
        Rejection::Contended { .. } | Rejection::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Rejection::Forbidden { .. } => StatusCode::FORBIDDEN,
    }
}

/// Wait before a contended SKU is asked again, in milliseconds.
const CONTENDED_RETRY_MS: u64 = 50;

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let retry_after_ms = match &rejection {
            Rejection::Busy { retry_after_ms, .. } => Some(*retry_after_ms),
            Rejection::Contended { .. } => Some(CONTENDED_RETRY_MS),
            _ => None,
        };
        let detail = match &rejection {
            Rejection::HoldExpired { at } => format!(
                "the hold ended at {}: place a new hold",
                crate::wire::Time(*at)
            ),
            other => other.to_string(),
        };
        Self {
            retry_after_ms,
            ..Self::new(status_of(&rejection), rejection.code(), detail)
        }
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Rejected(rejection) => rejection.into(),
            AskError::Overloaded { retry_after_ms } => {
                let detail = "too much waits, nothing was done: try again with the same key";
                Self::later("overloaded", detail, retry_after_ms)
            }
            AskError::Unknown => {
                let detail = "whether it was done is unknown: repeat it with the same key";
                Self::later("outcome_unknown", detail, 200)
            }
            AskError::Unavailable(cause) => {
                let detail = "the journal cannot be used now, nothing was done: try again";
                Self::later("unavailable", detail, 1000).because(&cause)
            }
            AskError::Quarantined { entity, .. } => {
                let detail = format!("{entity} is put aside: crossdock quarantine show {entity}");
                Self::later("quarantined", detail, 60_000)
            }
            AskError::ShuttingDown => {
                Self::later("unavailable", "the server is stopping: try again", 1000)
            }
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unsupported(detail) => {
                Self::new(StatusCode::CONFLICT, "unsupported", detail)
            }
            ReadError::Failed(detail) => {
                Self::new(StatusCode::BAD_GATEWAY, "channel_failed", detail)
            }
        }
    }
}

impl From<InsightError> for ApiError {
    fn from(error: InsightError) -> Self {
        match error {
            InsightError::Cursor(text) => {
                Self::invalid("cursor", format!("{text:?} is not a cursor of this list"))
            }
            other => Self::internal(&other),
        }
    }
}

impl From<IdError> for ApiError {
    fn from(error: IdError) -> Self {
        Self::invalid("id", error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: format!("/docs/errors/{}", self.code),
            title: self.code.replace('_', " "),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            retry_after_ms: self.retry_after_ms,
            problems: self.problems,
        };
        let mut response = (self.status, Json(problem)).into_response();
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(Cause(cause));
        }
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn pages_and_codes_agree() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let pages: BTreeSet<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .collect();
        let codes: BTreeSet<String> = CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
        assert_eq!(pages, codes);
        assert!(CODES.is_sorted());
        for (code, page) in CODES {
            let head = format!("# {code}\n");
            assert!(page.starts_with(&head), "{code}: begins with {head:?}");
        }
    }

    /// One of each rejection, and its status. The match has no other arm, so that a new one is entered here.
    fn rejections() -> Vec<(Rejection, u16)> {
        use crossdock_model::{SkuId, Timestamp};
        let (sku, text) = (SkuId::new("A-1").unwrap(), || "x".to_owned());
        let stock = crossdock_model::answer::StockView {
            sku: sku.clone(),
            version: 1,
            title: text(),
            tracking: crossdock_model::v1::Tracking::Tracked,
            locations: Vec::new(),
            waiting_units: 0,
        };
        let all = vec![
            Rejection::invalid("x", "y"),
            Rejection::NotFound(text()),
            Rejection::KeyConflict,
            Rejection::TooOld { window_ms: 1 },
            Rejection::Short {
                sku: sku.clone(),
                stock: Box::new(stock),
            },
            Rejection::Contended { sku: sku.clone() },
            Rejection::Busy {
                sku,
                retry_after_ms: 1200,
            },
            Rejection::Superseded,
            Rejection::HoldExpired {
                at: Timestamp::default(),
            },
            Rejection::WrongState {
                state: text(),
                hint: text(),
            },
            Rejection::CapacityFull { day: text() },
            Rejection::NotStockSource {
                given: text(),
                expected: text(),
            },
            Rejection::Limit {
                what: text(),
                max: 1,
            },
            Rejection::Forbidden { needed: text() },
            Rejection::OrderExists(text()),
            Rejection::IdConflict(text()),
        ];
        let status = |rejection: &Rejection| match rejection {
            Rejection::Invalid { .. } | Rejection::TooOld { .. } | Rejection::Limit { .. } => 422,
            Rejection::NotFound(_) => 404,
            Rejection::Contended { .. } | Rejection::Busy { .. } => 503,
            Rejection::Forbidden { .. } => 403,
            Rejection::KeyConflict
            | Rejection::Short { .. }
            | Rejection::Superseded
            | Rejection::HoldExpired { .. }
            | Rejection::WrongState { .. }
            | Rejection::CapacityFull { .. }
            | Rejection::NotStockSource { .. }
            | Rejection::OrderExists(_)
            | Rejection::IdConflict(_) => 409,
        };
        all.into_iter()
            .map(|one| {
                let status = status(&one);
                (one, status)
            })
            .collect()
    }

    #[test]
    fn rejections_have_pages_and_say_when_to_come_back() {
        let mut seen = BTreeSet::new();
        for (rejection, status) in rejections() {
            let (code, later) = (rejection.code(), status == 503);
            let error = ApiError::from(rejection);
            assert!(CODES.iter().any(|(known, _)| *known == code), "{code}");
            assert!(seen.insert(code), "{code} stands for two rejections");
            let response = error.into_response();
            assert_eq!(response.status(), status, "{code}");
            assert_eq!(
                response.headers().contains_key("Retry-After"),
                later,
                "{code}"
            );
            let kind = &response.headers()["Content-Type"];
            assert_eq!(kind, "application/problem+json");
        }
    }

    #[test]
    fn what_the_journal_says_stays_inside() {
        let error = ApiError::from(AskError::Unavailable("disk full: /secret/path".to_owned()));
        assert!(!error.detail().contains("/secret"));
    }
}
