//! Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossdock_model::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::inbound::{Delivery, Secret, VerifyError};

/// How far the signed time may be from now, in seconds.
pub const TOLERANCE_S: i64 = 300;

fn key(secret: &Secret) -> Vec<u8> {
    let text = secret.expose();
    let encoded = text.strip_prefix("whsec_").unwrap_or(text);
    STANDARD
        .decode(encoded)
        .unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn mac(secret: &Secret, id: &str, timestamp_s: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)).ok()?;
    for part in [id.as_bytes(), b".", timestamp_s.as_bytes(), b".", body] {
        mac.update(part);
    }
    Some(mac)
}

/// The headers of a signed message.
#[must_use]
pub fn headers(
    secret: &Secret,
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> [(&'static str, String); 3] {
    let timestamp = (now.as_ms() / 1000).to_string();
    let signed =
        mac(secret, id, &timestamp, body).map(|mac| STANDARD.encode(mac.finalize().into_bytes()));
    let signature = format!("v1,{}", signed.unwrap_or_default());
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signature),
    ]
}

/// Checks a message: one of its signatures must fit, and its time must be within five minutes of `now`.
///
/// # Errors
/// [`VerifyError`].
pub fn verify(secret: &Secret, delivery: &Delivery<'_>, now: Timestamp) -> Result<(), VerifyError> {
    let header = |name| {
        delivery
            .header(&[name])
            .ok_or(VerifyError::MissingSignature)
    };
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let seconds: i64 = timestamp.parse().map_err(|_| VerifyError::Stale)?;
    if (now.as_ms() / 1000 - seconds).abs() > TOLERANCE_S {
        return Err(VerifyError::Stale);
    }
    let fits = header("webhook-signature")?
        .split_whitespace()
        .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
        .any(|signature| {
            let mac = mac(secret, id, timestamp, delivery.body);
            mac.is_some_and(|mac| mac.verify_slice(&signature).is_ok())
        });
    if fits {
        Ok(())
    } else {
        Err(VerifyError::BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_messages_verify_and_changed_ones_do_not() {
        let secret = Secret::new("whsec_c2VjcmV0IG9mIHRoZSB0ZXN0");
        let now = Timestamp::from_ms(1_700_000_000_000);
        let mut signed: Vec<(String, String)> = headers(&secret, "msg_1", now, b"{}")
            .map(|(k, v)| (k.to_owned(), v))
            .into();
        let check = |headers: &[(String, String)], body: &[u8], now| {
            verify(&secret, &Delivery { headers, body }, now)
        };
        assert_eq!(check(&signed, b"{}", now), Ok(()));
        assert_eq!(check(&signed, b"{ }", now), Err(VerifyError::BadSignature));
        let late = Timestamp::from_ms(now.as_ms() + 301_000);
        assert_eq!(check(&signed, b"{}", late), Err(VerifyError::Stale));
        signed[2].1 = format!("v1,AAAA {}", signed[2].1);
        assert_eq!(
            check(&signed, b"{}", now),
            Ok(()),
            "one of several signatures fits"
        );
        assert_eq!(
            check(&signed[..2], b"{}", now),
            Err(VerifyError::MissingSignature)
        );
    }

    /// Vectors of other implementations, from ../shared; the same scheme is checked above on our own data.
    #[test]
    fn vectors_of_others() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/fixtures/signature-vectors.json"
        );
        let Ok(text) = std::fs::read_to_string(path) else {
            println!("skipped: ../shared absent");
            return;
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let vector = &vectors["shipbob"];
        let field = |name: &str| vector[name].as_str().unwrap().to_owned();
        let headers = [
            ("webhook-id".to_owned(), field("id")),
            ("webhook-timestamp".to_owned(), field("ts")),
            ("webhook-signature".to_owned(), field("value")),
        ];
        let seconds: i64 = field("ts").parse().unwrap();
        let body = field("body");
        let delivery = Delivery {
            headers: &headers,
            body: body.as_bytes(),
        };
        let now = Timestamp::from_ms(seconds * 1000);
        assert_eq!(
            verify(&Secret::new(field("secret")), &delivery, now),
            Ok(())
        );
    }
}
