//! `X-Shopify-Hmac-SHA256` = base64(HMAC-SHA256(secret, raw body)); header names with and without `X-`.
//!
//! Source: <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::inbound::{Delivery, Secret, Verified, VerifyError};

/// Headers kept with a delivery.
const KEPT: [&str; 5] = [
    "shop-domain",
    "api-version",
    "webhook-id",
    "event-id",
    "triggered-at",
];

/// The signature of a body.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    mac(secret, body)
        .map(|mac| STANDARD.encode(mac.finalize().into_bytes()))
        .unwrap_or_default()
}

fn mac(secret: &Secret, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

fn header<'a>(delivery: &Delivery<'a>, name: &str) -> Option<&'a str> {
    let (long, short) = (format!("x-shopify-{name}"), format!("shopify-{name}"));
    delivery.header(&[long.as_str(), short.as_str()])
}

/// Checks the signature over the raw bytes, in constant time, against each live secret.
///
/// # Errors
/// [`VerifyError`]: nothing of the delivery may be used then.
pub fn verify(secrets: &[Secret], delivery: &Delivery<'_>) -> Result<Verified, VerifyError> {
    let signature = header(delivery, "hmac-sha256").ok_or(VerifyError::MissingSignature)?;
    let signature = STANDARD
        .decode(signature.trim())
        .map_err(|_| VerifyError::BadSignature)?;
    let fits = secrets.iter().fold(false, |fits, secret| {
        let mac = mac(secret, delivery.body);
        fits | mac.is_some_and(|mac| mac.verify_slice(&signature).is_ok())
    });
    if !fits {
        return Err(VerifyError::BadSignature);
    }
    let topic = header(delivery, "topic")
        .ok_or(VerifyError::MissingTopic)?
        .to_owned();
    let named = header(delivery, "event-id").or_else(|| header(delivery, "webhook-id"));
    let delivery_id = match named.filter(|id| !id.is_empty()) {
        // Two topics may share an event: each is a delivery of its own.
        Some(id) => format!("{topic}/{id}"),
        None => format!("{topic}/{}", hex(&Sha256::digest(delivery.body))),
    };
    let kept = KEPT
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), header(delivery, name)?.to_owned())));
    Ok(Verified {
        delivery_id,
        topic,
        kept_headers: kept.collect(),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
