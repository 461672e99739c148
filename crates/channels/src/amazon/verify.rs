//! Notifications over HTTP. Amazon sends them to a queue or an event bus, which signs nothing; whoever posts them here (an
//! API destination of EventBridge, a forwarder behind a queue) adds the header `x-crossdock-key`.
//!
//! Sources: <https://developer-docs.amazon.com/sp-api/docs/notifications-api>;
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html>.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::map::{NOTIFICATION, delivery_id};
use crate::inbound::{Delivery, Secret, Verified, VerifyError};
use crate::orders::digest;

/// The header that the key is in.
const KEY: &str = "x-crossdock-key";

/// Compares the key, in constant time, with each live secret. What the body says is not looked at but for its id.
///
/// # Errors
/// [`VerifyError`]: nothing of the delivery may be used then.
pub fn verify(secrets: &[Secret], delivery: &Delivery<'_>) -> Result<Verified, VerifyError> {
    let key = delivery.header(&[KEY]).ok_or(VerifyError::MissingKey)?;
    let key = Sha256::digest(key.as_bytes());
    let fits = secrets.iter().fold(false, |fits, secret| {
        let secret = Sha256::digest(secret.expose().as_bytes());
        fits | bool::from(key.ct_eq(&secret))
    });
    if !fits {
        return Err(VerifyError::BadKey);
    }
    // What names itself nowhere is stored all the same: whoever reads it says what is wrong with it.
    let id = delivery_id(NOTIFICATION, delivery.body).unwrap_or_else(|_| digest(delivery.body));
    Ok(Verified {
        delivery_id: format!("{NOTIFICATION}/{id}"),
        topic: NOTIFICATION.to_owned(),
        kept_headers: Vec::new(),
    })
}
