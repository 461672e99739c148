//! Webhooks of channels: size, signature over the raw bytes, inbox, answer. Nothing is parsed on this way.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use crossdock_channels::{Delivery, Verified, VerifyError, shopify};
use crossdock_model::ChannelId;
use crossdock_model::v1::TraceContext;
use crossdock_runtime::{InboxId, InboxInsert};

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
    let auth = state.channels.get(&channel).filter(|auth| auth.enabled);
    let auth = auth.ok_or_else(|| ApiError::not_found("this channel"))?;
    let body = body.map_err(unread)?;
    let headers = lower_case(&headers);
    let mut verified = verified(auth, &headers, &body)?;
    // Whoever works on it goes on with the trace, if there is one to be seen.
    if let Some(Extension(context)) = context.filter(|context| trace::is_sampled(context)) {
        let traceparent = ("traceparent".to_owned(), trace::write(&context));
        verified.kept_headers.push(traceparent);
    }
    let delivery = InboxInsert {
        id: InboxId {
            channel: ChannelId::checked(&channel)?,
            delivery: verified.delivery_id,
        },
        received_at: state.handle.now(),
        topic: verified.topic,
        headers: verified.kept_headers,
        body: body.to_vec(),
    };
    state.handle.receive(delivery).await?;
    Ok(StatusCode::OK)
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
        ConnectorKind::Api => return Err(ApiError::not_found("webhooks of this channel")),
    };
    checked.map_err(|error| match error {
        VerifyError::MissingSignature | VerifyError::BadSignature | VerifyError::Stale => {
            ApiError::new(StatusCode::UNAUTHORIZED, "bad_signature", error.to_string())
        }
        VerifyError::MissingTopic => {
            ApiError::new(StatusCode::BAD_REQUEST, "malformed", error.to_string())
        }
    })
}
