//! What handlers take from a request: checked bodies, filters and path parts; a mistake names its field.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use crossdock_model::IdError;
use crossdock_runtime::body_hash;
use serde::de::DeserializeOwned;

use crate::ask::called;
use crate::error::ApiError;

/// A JSON body and the hash by which a repeat is told from a conflict.
pub(crate) struct Input<T> {
    pub value: T,
    pub hash: u64,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let detail = "send Content-Type: application/json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiError::new(status, "unsupported_media_type", detail));
        }
        let called = called(request.method(), request.uri());
        let body = Bytes::from_request(request, state).await.map_err(unread)?;
        let hash = body_hash(&[&called[..], &body].concat());
        let value = from_json(&body)?;
        Ok(Self { value, hash })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

/// Why a body could not be read to its end.
pub(crate) fn unread(rejection: BytesRejection) -> ApiError {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => ApiError::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the body did not arrive whole",
        ),
    }
}

/// The body is past its limit.
pub(crate) fn too_large() -> ApiError {
    let detail = "the body is larger than this route takes";
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// Reads JSON; a mistake names the path of its field.
pub(crate) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut reader);
    let value = read.map_err(|error| {
        let path = error.path().to_string();
        wrong_json(&path, error.inner())
    })?;
    reader.end().map_err(|error| wrong_json(".", &error))?;
    Ok(value)
}

fn wrong_json(path: &str, error: &serde_json::Error) -> ApiError {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => ApiError::invalid(if path == "." { "body" } else { path }, what(error)),
        Category::Syntax | Category::Eof | Category::Io => {
            let detail = format!("the body is not JSON: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "malformed", detail)
        }
    }
}

/// What was expected, without the value that came (it may be personal) and its place (the path says it better).
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what);
    let text = &*in_plain_words(text);
    let given = text.starts_with("invalid type:") || text.starts_with("invalid value:");
    match text.rsplit_once(", expected ") {
        Some((_, expected)) if given => format!("expected {expected}"),
        Some(_) | None => text.to_owned(),
    }
}

/// A message of serde's whose end names a type of the language, for people who do not know it.
#[must_use]
pub fn in_plain_words(text: &str) -> Cow<'_, str> {
    let named = text.rsplit_once("expected ");
    let plain = named.and_then(|(_, kind)| match kind {
        "u8" | "u16" | "u32" | "u64" | "usize" => Some("a whole number, not below 0"),
        "i8" | "i16" | "i32" | "i64" | "isize" => Some("a whole number"),
        "f32" | "f64" => Some("a number"),
        "a boolean" => Some("true or false"),
        "a sequence" => Some("a list"),
        _ => None,
    });
    match named.zip(plain) {
        Some(((before, _), plain)) => Cow::Owned(format!("{before}expected {plain}")),
        None => Cow::Borrowed(text),
    }
}

/// The query of a URL.
pub(crate) struct Filter<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Filter<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        from_query(&parts.uri).map(Self)
    }
}

fn from_query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    let read = axum::extract::Query::<T>::try_from_uri(uri);
    read.map(|query| query.0)
        .map_err(|error| ApiError::invalid("query", error.body_text()))
}

/// The one variable part of a path, as an id.
pub(crate) struct Id<T>(pub T);

impl<S: Send + Sync, T: std::str::FromStr<Err = IdError>> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::invalid("path", error.body_text()))?;
        read_id("path", &text).map(Self)
    }
}

/// Two variable parts of a path.
pub(crate) struct Two(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for Two {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((one, two)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::invalid("path", error.body_text()))?;
        Ok(Self(one, two))
    }
}

/// Reads an id of one of the model's types.
pub(crate) fn read_id<T: std::str::FromStr<Err = IdError>>(
    field: &str,
    text: &str,
) -> Result<T, ApiError> {
    text.parse()
        .map_err(|error: IdError| ApiError::invalid(field, error.to_string()))
}

/// A text that is one of those known; another one is told them.
pub(crate) fn one_of(field: &str, known: &[&str], text: &str) -> Result<String, ApiError> {
    match known.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(ApiError::invalid(
            field,
            format!("expected one of {}", known.join(", ")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read only by the error")]
    struct Line {
        units: u32,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read only by the error")]
    struct Body {
        lines: Vec<Line>,
    }

    #[test]
    fn values_are_not_repeated() {
        let text = r#"{"lines":[{"units":"canary@example.com"}]}"#;
        let error = from_json::<Body>(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.detail(),
            "lines[0].units: expected a whole number, not below 0"
        );
    }

    #[test]
    fn mistakes_name_their_field() {
        let wrong = |text: &str| from_json::<Body>(text.as_bytes()).unwrap_err();
        let cases = [
            (r#"{"lines":[{"units":1},{"units":-1}]}"#, "lines[1].units"),
            (r#"{"lines":[],"admin":true}"#, "admin"),
            (r#"{}"#, "lines"),
        ];
        for (text, field) in cases {
            let error = wrong(text);
            assert_eq!(error.code(), "invalid", "{text}");
            assert!(error.detail().contains(field), "{text}: {}", error.detail());
            assert!(!error.detail().contains(" at line "), "{}", error.detail());
        }
        for text in ["{", "", "{\"lines\":[]} x"] {
            assert_eq!(wrong(text).code(), "malformed", "{text:?}");
        }
    }
}
