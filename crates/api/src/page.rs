//! A page that is served beside the API. Only who starts a server inside another program gives one: it is not in the
//! table of routes, and a server that runs by itself has none.

use std::sync::Arc;

use axum::response::{Html, Response};
use axum::routing::get;
use axum::{Router, response::IntoResponse};
use serde_json::Value;

use crate::answer;
use crate::state::ApiState;

/// A page at `/`, and the document that it reads again and again at `/status.json`. Both are open to everybody who
/// reaches the server.
#[derive(Clone)]
pub struct Page {
    /// The page, without parts elsewhere.
    pub html: &'static str,
    /// The document as of now.
    pub document: Arc<dyn Fn() -> Value + Send + Sync>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Page(…)")
    }
}

impl Page {
    /// Its routes.
    pub(crate) fn routes(&self) -> Router<ApiState> {
        let (html, document) = (self.html, Arc::clone(&self.document));
        Router::new()
            .route("/", get(async move || Html(html).into_response()))
            .route("/status.json", get(async move || read(&document)))
    }
}

fn read(document: &Arc<dyn Fn() -> Value + Send + Sync>) -> Response {
    answer::text("application/json", document().to_string())
}
