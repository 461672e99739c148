//! The table of all routes, the router made of it, and serving it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{ApiError, CODES};
use crate::page::Page;
use crate::route::Route;
use crate::state::ApiState;
use crate::{answer, observe, openapi, v1, webhooks};

/// Pause after a connection could not be accepted: mostly because files ran out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Every route there is. What is not in it is not served, but for the [`Page`] of a server inside another program.
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

/// Serves until `stop` ends, then lets requests in flight end. More connections than `connections_max` wait to be
/// accepted, and one that takes too long over a request's head is closed.
pub async fn serve(listener: TcpListener, state: ApiState, stop: impl Future<Output = ()>) {
    let permits = Arc::new(Semaphore::new(state.limits.connections_max));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(state.limits.head);
    let service = TowerToHyperService::new(router(state));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let (stream, permit) = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = &mut stop => break,
        };
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks is its client's affair.
            let _ = connection.await;
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Small answers leave at once; without it they only leave later.
                let _ = stream.set_nodelay(true);
                return (stream, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// The router over every route.
pub(crate) fn router(state: ApiState) -> Router {
    let served = table().into_iter().map(|route| route.served(&state));
    let router = served.fold(Router::new(), |router, (path, handler)| {
        router.route(path, handler)
    });
    let page = state.page.as_ref().map(Page::routes);
    router
        .merge(page.unwrap_or_default())
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
