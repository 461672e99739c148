//! The table of all routes, the router made of it, and serving it.

use std::io;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;

use tokio::net::TcpListener;

use crate::error::{ApiError, CODES};
use crate::route::Route;
use crate::state::ApiState;
use crate::{answer, observe, openapi, v1, webhooks};

/// Every route there is. What is not in it is not served.
pub(crate) fn table() -> Vec<Route> {
    let mut routes = vec![
        Route::signed(
            "/webhooks/{channel}",
            "Take a channel's webhook: stored, then answered",
            webhooks::take,
        )
        .takes_text("application/json"),
        Route::open("/healthz", "Whether the process answers", observe::healthz),
        Route::open("/readyz", "Whether it takes work", observe::readyz),
        Route::open("/metrics", "Figures, OpenMetrics", observe::metrics),
        Route::open("/v1/openapi.json", "This document", describe),
        Route::open("/docs/errors/{code}", "What a code means", error_page)
            .answers_text("text/markdown"),
    ];
    routes.extend(v1::routes());
    routes
}

/// Serves until `stop` ends, then lets requests in flight end.
///
/// # Errors
/// When connections cannot be accepted any more.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(state))
        .with_graceful_shutdown(stop)
        .await
}

/// The router over every route.
pub(crate) fn router(state: ApiState) -> Router {
    let served = table().into_iter().map(|route| route.served(&state));
    let router = served.fold(Router::new(), |router, (path, handler)| {
        router.route(path, handler)
    });
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            observe::request,
        ))
        .with_state(state)
}

async fn unknown() -> ApiError {
    ApiError::not_found("this path")
}

async fn wrong_method() -> ApiError {
    let detail = "this path has no such method: see /v1/openapi.json";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn describe(State(_): State<ApiState>) -> Result<Response, ApiError> {
    let document = openapi::document(&table());
    let text = document
        .to_json()
        .map_err(|error| ApiError::internal(&error))?;
    Ok(answer::text("application/json", text))
}

async fn error_page(Path(code): Path<String>) -> Result<Response, ApiError> {
    let page = CODES.iter().find(|(known, _)| *known == code);
    let (_, page) = page.ok_or_else(|| ApiError::not_found("this code"))?;
    Ok(answer::text("text/markdown; charset=utf-8", *page))
}
