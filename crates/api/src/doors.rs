//! Who is let in while webhooks wait too long: before anything is read of a request.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use crossdock_runtime::{Door, Entered, Handle};

use crate::error::ApiError;

/// What a response carries that puts a request off: many do at a time, and figures count them, so neither log nor traces are told of each.
#[derive(Clone)]
pub(crate) struct PutOff;

/// The door that a route's requests come through.
#[derive(Clone)]
pub(crate) struct Doorkeeper {
    pub handle: Handle,
    pub door: Door,
}

/// Lets a request in, or tells it when to come again.
pub(crate) async fn let_in(
    State(keeper): State<Doorkeeper>,
    request: Request,
    next: Next,
) -> Response {
    let Doorkeeper { handle, door } = keeper;
    let entered = match enter(&handle, door, come_again_ms(door)) {
        Ok(entered) => entered,
        Err(put_off) => {
            let mut response = put_off.into_response();
            response.extensions_mut().insert(PutOff);
            return response;
        }
    };
    // Each line of an import comes through the door by itself.
    let entered = (door != Door::Import).then_some(entered);
    let response = next.run(request).await;
    drop(entered);
    response
}

/// Lets something in, or says after what time it may come again.
pub(crate) fn enter(handle: &Handle, door: Door, again_ms: u64) -> Result<Entered, ApiError> {
    handle.enter(door).ok_or_else(|| {
        let detail = "webhooks wait: nothing was done, come again with the same key";
        ApiError::later("overloaded", detail, again_ms)
    })
}

/// Who can best wait comes again last, in milliseconds.
fn come_again_ms(door: Door) -> u64 {
    match door {
        Door::Import => 10_000,
        Door::Read => 3_000,
        Door::Hold => 2_000,
        Door::Ask | Door::Sold => 1_000,
    }
}
