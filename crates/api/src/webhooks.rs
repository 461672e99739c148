//! Webhooks of channels: size, signature over the raw bytes, inbox, answer. Nothing is parsed on this way.

use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use crossdock_channels::{Delivery, Verified, VerifyError, amazon, shopify};
use crossdock_model::v1::TraceContext;
use crossdock_model::{ChannelId, Timestamp};
use crossdock_runtime::{InboxId, InboxInsert};
use tokio::time::Instant;

use crate::error::ApiError;
use crate::extract::unread;
use crate::state::{ApiState, ChannelAuth, ConnectorKind};
use crate::trace;

/// Takes a delivery. A repeat is answered as the first was.
pub(crate) async fn take(
    State(state): State<ApiState>,
    Path(channel): Path<String>,
    context: Option<Extension<TraceContext>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let started = Instant::now();
    let auth = state.channels.get(&channel).filter(|auth| auth.enabled);
    let auth = auth.ok_or_else(|| ApiError::not_found("this channel"))?;
    let headers = lower_case(&headers);
    let context = context.map(|Extension(context)| context);
    let taken = store(&state, &channel, auth, context, &headers, body).await;
    let outcome = match &taken {
        Ok(stored) => {
            let took = started.elapsed();
            state.figures.webhook_stored(&channel, took, stored.age);
            if stored.is_new {
                "accepted"
            } else {
                "duplicate"
            }
        }
        Err(error) if error.code() == "bad_signature" => "bad_signature",
        Err(_) => "rejected",
    };
    let topic = known_topic(auth.kind, &headers);
    state.figures.webhook(&channel, topic, outcome);
    taken.map(|_| StatusCode::OK)
}

/// A topic that figures may name; whoever is not believed may name any.
fn known_topic(kind: ConnectorKind, headers: &[(String, String)]) -> &'static str {
    let known: &[&str] = match kind {
        ConnectorKind::Shopify => &shopify::TOPICS,
        ConnectorKind::Amazon => return amazon::NOTIFICATION,
        ConnectorKind::Api => &[],
    };
    let mut named = headers
        .iter()
        .filter(|(name, _)| name.ends_with("shopify-topic"));
    let found = named.find_map(|(_, topic)| known.iter().find(|known| topic == *known));
    found.copied().unwrap_or("other")
}

/// A delivery that is in the inbox.
struct Stored {
    is_new: bool,
    /// Time since the channel says that it happened.
    age: Option<Duration>,
}

async fn store(
    state: &ApiState,
    channel: &str,
    auth: &ChannelAuth,
    context: Option<TraceContext>,
    headers: &[(String, String)],
    body: Result<Bytes, BytesRejection>,
) -> Result<Stored, ApiError> {
    let body = body.map_err(unread)?;
    let mut verified = verified(auth, headers, &body)?;
    let now = state.handle.now();
    let age = age(&verified, now);
    // Whoever works on it goes on with the trace, if there is one to be seen.
    if let Some(context) = context.filter(trace::is_sampled) {
        let traceparent = ("traceparent".to_owned(), trace::write(&context));
        verified.kept_headers.push(traceparent);
    }
    let delivery = InboxInsert {
        id: InboxId {
            channel: ChannelId::checked(channel)?,
            delivery: verified.delivery_id,
        },
        received_at: now,
        topic: verified.topic,
        headers: verified.kept_headers,
        body: body.to_vec(),
    };
    let is_new = state.handle.receive(delivery).await?;
    Ok(Stored { is_new, age })
}

fn age(verified: &Verified, now: Timestamp) -> Option<Duration> {
    let mut kept = verified.kept_headers.iter();
    let (_, at) = kept.find(|(name, _)| name == "triggered-at")?;
    let at = at.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    // Clocks differ: what is not yet is new.
    let ms = u64::try_from((now.as_ms() - at).max(0)).ok()?;
    Some(Duration::from_millis(ms))
}

fn lower_case(headers: &HeaderMap) -> Vec<(String, String)> {
    let read = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    read.collect()
}

fn verified(
    auth: &ChannelAuth,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Verified, ApiError> {
    let delivery = Delivery { headers, body };
    let checked = match auth.kind {
        ConnectorKind::Shopify => shopify::verify(&auth.secrets, &delivery),
        // Without a secret nobody is believed, and nothing is taken.
        ConnectorKind::Amazon if !auth.secrets.is_empty() => {
            amazon::verify(&auth.secrets, &delivery)
        }
        ConnectorKind::Amazon | ConnectorKind::Api => {
            return Err(ApiError::not_found("webhooks of this channel"));
        }
    };
    checked.map_err(|error| match error {
        VerifyError::MissingSignature
        | VerifyError::BadSignature
        | VerifyError::Stale
        | VerifyError::MissingKey
        | VerifyError::BadKey => {
            ApiError::new(StatusCode::UNAUTHORIZED, "bad_signature", error.to_string())
        }
        VerifyError::MissingTopic => {
            ApiError::new(StatusCode::BAD_REQUEST, "malformed", error.to_string())
        }
    })
}
