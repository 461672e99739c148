//! Reads of the read models: on a thread for blocking work, and not before they show what the caller has written.

use std::sync::Arc;
use std::time::Duration;

use crossdock_insight::{Insight, InsightError};
use tokio::time::Instant;

use crate::error::ApiError;
use crate::state::ApiState;

/// First pause between two looks, doubled with each.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Longest pause between two looks.
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(50);
/// Rows of a page when the caller names none.
pub(super) const PAGE: usize = 50;
/// Rows of a page at most.
pub(super) const PAGE_MAX: usize = 200;

/// Rows of a page as asked for.
pub(super) fn page(limit: Option<usize>) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(PAGE);
    match (1..=PAGE_MAX).contains(&limit) {
        true => Ok(limit),
        false => Err(ApiError::invalid(
            "limit",
            format!("expected 1 to {PAGE_MAX}"),
        )),
    }
}

/// Reads.
pub(super) async fn look<T: Send + 'static>(
    state: &ApiState,
    read: impl FnOnce(&Insight) -> Result<T, InsightError> + Send + 'static,
) -> Result<T, ApiError> {
    let insight = Arc::clone(&state.insight);
    let read = tokio::task::spawn_blocking(move || read(&insight)).await;
    Ok(read.map_err(|error| ApiError::internal(&error))??)
}

/// Waits until the read models show what stands at a position (`Crossdock-Position` of an earlier answer).
pub(super) async fn consistent(state: &ApiState, token: Option<&str>) -> Result<(), ApiError> {
    let Some(token) = token else {
        return Ok(());
    };
    let shown = shows(state, token)
        .await
        .map_err(|error| match error.code() {
            "invalid" => ApiError::invalid("consistent_with", "not a Crossdock-Position"),
            _ => error,
        })?;
    match shown {
        true => Ok(()),
        false => {
            let detail = "the list does not show your change yet: try again";
            Err(ApiError::later("read_model_behind", detail, 500))
        }
    }
}

/// Whether the read models show what stands at a position, after a wait for it.
pub(super) async fn shows(state: &ApiState, token: &str) -> Result<bool, ApiError> {
    let deadline = Instant::now() + state.limits.consistent;
    let mut pause = LOOK_AGAIN;
    loop {
        let asked = token.to_owned();
        if look(state, move |insight| insight.has(&asked)).await? {
            return Ok(true);
        }
        if Instant::now() + pause > deadline {
            return Ok(false);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_AGAIN_MAX);
    }
}
