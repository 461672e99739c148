//! Deliveries as a channel sent them: the raw body behind an exception.

use std::collections::BTreeMap;

use crossdock_model::v1::Scope;
use crossdock_runtime::{InboxId, InboxRow, InboxState};
use serde::Serialize;
use utoipa::ToSchema;

use super::channels::channel_id;
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::Two;
use crate::route::Route;
use crate::wire::Time;

/// Routes of deliveries. A body has personal data: reading it is an operator's work.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/v1/channels/{channel}/deliveries/{delivery}",
            Scope::Operate,
            "Show a delivery as the channel sent it",
            show,
        )
        .answers::<DeliveryDoc>(),
    ]
}

/// A stored delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryDoc {
    channel: String,
    /// As exceptions name it.
    delivery: String,
    topic: String,
    received_at: Time,
    /// `open`, `parked`, `done`, or `dropped`: given up when its exception was resolved.
    state: &'static str,
    /// What it waits or waited for.
    waits_for: Option<String>,
    /// The entity it concerns, once known.
    concerns: Option<String>,
    /// How often it was worked on.
    attempts: u32,
    headers: BTreeMap<String, String>,
    /// The raw body. Absent: it was erased, with the order or after its retention.
    body: Option<String>,
}

fn state(row: &InboxRow) -> &'static str {
    match (row.state, &row.parked_on) {
        (InboxState::Open, _) => "open",
        (InboxState::Parked, _) => "parked",
        (InboxState::Done, None) => "done",
        (InboxState::Done, Some(_)) => "dropped",
    }
}

async fn show(asking: Asking, Two(channel, delivery): Two) -> Answered<Doc<DeliveryDoc>> {
    let id = InboxId {
        channel: channel_id(&channel)?,
        delivery,
    };
    let handle = &asking.state.handle;
    let found = handle.journal_read({
        let id = id.clone();
        move |journal| journal.inbox_row(&id)
    });
    let row = found.await?;
    let row = row.ok_or_else(|| ApiError::not_found(format!("delivery {}", id.delivery)))?;
    let state = state(&row);
    let sent = row.delivery;
    Ok(Doc::read(DeliveryDoc {
        channel: sent.id.channel.to_string(),
        delivery: sent.id.delivery,
        topic: sent.topic,
        received_at: Time(sent.received_at),
        state,
        waits_for: row.parked_on,
        concerns: row.subject,
        attempts: row.attempts,
        headers: sent.headers.into_iter().collect(),
        body: (!sent.body.is_empty()).then(|| String::from_utf8_lossy(&sent.body).into_owned()),
    }))
}
