//! Responses: documents, and the position that a caller can read its own writes by.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use crossdock_runtime::Reply;
use serde::Serialize;

use crate::error::ApiError;

/// A handler's result.
pub(crate) type Answered<T> = Result<T, ApiError>;

/// Header: where a change stands.
pub(crate) const POSITION: &str = "Crossdock-Position";
const POSITION_NAME: HeaderName = HeaderName::from_static("crossdock-position");

/// A document, with the position of what it rests on.
pub(crate) struct Doc<T> {
    status: StatusCode,
    position: Option<String>,
    value: T,
}

impl<T> Doc<T> {
    /// A document that was read.
    pub fn read(value: T) -> Self {
        Self {
            status: StatusCode::OK,
            position: None,
            value,
        }
    }

    /// A document of a change.
    pub fn of(reply: &Reply, value: T) -> Self {
        Self {
            status: StatusCode::OK,
            position: reply.token(),
            value,
        }
    }

    /// The same with status 201.
    pub fn created(self) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..self
        }
    }

    /// The same with status 202.
    pub fn accepted(self) -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            ..self
        }
    }
}

impl<T: Serialize> IntoResponse for Doc<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.value)).into_response();
        let position = self
            .position
            .and_then(|text| HeaderValue::try_from(text).ok());
        if let Some(position) = position {
            response.headers_mut().insert(POSITION_NAME, position);
        }
        response
    }
}

/// A text of a kind of its own: CSV, HTML, TOML.
pub(crate) fn text(kind: &'static str, body: impl Into<String>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body.into()).into_response()
}
